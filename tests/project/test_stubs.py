"""The stubs say what the tables bind; `make stubs` writes them."""

from __future__ import annotations

import sys

from processes import run
from source_tree import ROOT


def test_stubs_are_fresh():
    run(sys.executable, ROOT / "make" / "stubs.py", "--check", cwd=ROOT)
