"""The README's first example prints what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_first_example(tmp_path):
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL)
    code = next(body for language, body in blocks if language == "python")
    after = text.split(code)[1]
    expected = re.search(r"prints\n\n```\n(.*?)```", after, flags=re.DOTALL)
    assert expected is not None
    script = tmp_path / "example.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip() == expected[1].rstrip()
