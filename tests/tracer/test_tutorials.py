"""Programs as PyTorch's tutorials and notes have them print here what they print there.

Each file in tests/tutorials is run as text, on PyTorch and, with its imports changed, on us.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from snippets import brought_to_one_form, load
from tutorials import tools

import thrace

FOLDER = Path(tools.__file__).parent
PROGRAMS = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in ("tools", "__init__"))


def printed(text: str, library: Any) -> str:
    tools.LIBRARY = library
    library.manual_seed(0)
    out = io.StringIO()
    code, _ = load(text)
    with contextlib.redirect_stdout(out):
        exec(code, {"__name__": "tutorial"})
    return brought_to_one_form(out.getvalue())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROGRAMS)
def test_prints_what_pytorch_prints(name: str):
    text = (FOLDER / f"{name}.py").read_text()
    tools.RAISED.clear()
    torch.set_warn_always(True)  # or it says some things only once in a process
    try:
        want = printed(text, torch)
    finally:
        torch.set_warn_always(False)
    assert want.strip(), "the program prints nothing"
    changed = re.sub(r"^import torch$", "import thrace as torch", text, flags=re.M)
    changed = re.sub(r"^(import|from) torch\b(?=[. ])", r"\1 thrace", changed, flags=re.M)
    changed = re.sub(r"^import thrace$", "import thrace as torch", changed, flags=re.M)
    got = printed(changed, thrace)
    difference = difflib.unified_diff(want.splitlines(), got.splitlines(), "PyTorch", "thrace")
    assert got == want, "\n".join(difference)
