"""Estimates of the three training steps, small: within 5 % of XLA's count, 20 % of its memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from processes import run
from source_tree import ROOT


def test_estimates_are_near_what_xla_says(tmp_path: Path):
    printed = run(sys.executable, ROOT / "benchmarks/costs.py", "--quick", cwd=tmp_path)
    _, *rows = printed.splitlines()
    assert len(rows) == 6  # three steps, with donation and without
    for row in rows:
        flops, memory = (float(row.split()[i]) for i in (-4, -1))
        assert flops == pytest.approx(1, rel=0.05), row
        assert memory == pytest.approx(1, rel=0.2), row
