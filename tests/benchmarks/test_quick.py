"""The comparison runs and both sides compute the same; no times are looked at."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from processes import run
from source_tree import ROOT

TRAINING = ("mlp", "cnn", "gpt")


@pytest.mark.parametrize("workload", [*TRAINING, "call", "record-1000"])
def test_workload_runs_and_sides_agree(workload: str, tmp_path: Path):
    out = tmp_path / "compare.json"
    # The driver itself fails where losses differ.
    printed = run(
        *(sys.executable, ROOT / "benchmarks" / "compare.py", workload),
        *("--quick", "--out", out),
        cwd=tmp_path,
    )
    assert printed.count("|") > 10
    found = json.loads(out.read_text())["workloads"][workload]
    assert set(found["seconds"]) == {"thrace", "jax"}
    notes = found["ready"]["thrace"]["notes"]
    if workload in TRAINING:
        assert len(found["ready"]["thrace"]["losses"]) == 5
        assert notes == {"traces": 1, "executables": 1, "fallbacks": [], "recompiles": []}
