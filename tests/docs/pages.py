"""A page of docs/tutorial, run: its Python and shell blocks in order, in one folder and namespace.

The block after one that prints is `text`, and says what was printed. Read by sybil;
`python tests/docs/pages.py PAGE...` writes what is printed into the text blocks.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial"


def run_python(example: Example) -> None:
    _expect_nothing(example)
    out = io.StringIO()
    code = compile("\n" * (example.line) + example.parsed, example.path, "exec")
    with contextlib.redirect_stdout(out):
        exec(code, example.namespace)
    example.namespace["_printed"] = out.getvalue()


def run_shell(example: Example) -> None:
    _expect_nothing(example)
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", example.parsed],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    # A command that finds something wrong ends with 1, and says so.
    assert done.returncode in (0, 1), done.stderr
    example.namespace["_printed"] = done.stdout


def compare(example: Example) -> None:
    printed = example.namespace.pop("_printed", "")
    given = (example.region.start, example.region.end)
    example.namespace.setdefault("_texts", []).append((given, printed))
    if example.namespace.get("_filling"):
        return
    assert _plain(example.parsed) == _plain(printed), f"it prints\n{printed}"


def _expect_nothing(example: Example) -> None:
    left = example.namespace.pop("_printed", "")
    assert not left.strip(), f"what the block before prints is not on the page:\n{left}"


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


PAGES = Sybil(
    parsers=[
        CodeBlockParser(language="python", evaluator=run_python),
        CodeBlockParser(language="sh", evaluator=run_shell),
        CodeBlockParser(language="text", evaluator=compare),
    ],
    path=str(TUTORIAL),
    patterns=["*.md"],
)


def run_page(page: Path, filling: bool = False) -> Document:
    """Run every block of a page. Raises: whatever a block raises, AssertionError."""
    document = PAGES.parse(page)
    document.namespace |= {"__name__": page.stem, "_filling": filling}
    before, modules = list(sys.path), set(sys.modules)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        sys.path.insert(0, folder)
        try:
            for example in document.examples():
                example.evaluate()
        finally:
            sys.path[:] = before
            for name in set(sys.modules) - modules:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
                    del sys.modules[name]
    left = document.namespace.get("_printed", "")
    assert not str(left).strip(), f"what the last block prints is not on the page:\n{left}"
    return document


def languages(page: Path) -> list[str]:
    """What the fenced blocks of a page are."""
    return re.findall(r"^```(\w*)\n.*?^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def fill(page: Path) -> None:
    document: Any = run_page(page, filling=True)
    text = page.read_text()
    for (start, end), printed in reversed(document.namespace["_texts"]):
        body = _plain(printed)
        text = f"{text[:start]}```text\n{body}\n```{text[end:]}"
    page.write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        fill(Path(name).resolve())
