"""The comparison runs and both sides compute the same; no times are looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import run
from source_tree import ROOT

WORKLOADS = (
    *("mlp", "cnn", "gpt", "cnn-infer", "mlp-memory", "many"),
    *("record-1000", "grad-1000", "first-graph", "cold"),
)
COMPILED = ("mlp", "cnn", "gpt", "cnn-infer", "many")
FIGURES = {
    "mlp-memory": {"xla", "resident"},
    "cold": {"import", "build", "trace", "lower", "compile", "first", "third"},
}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_workload_runs_and_sides_agree(workload: str, tmp_path: Path):
    out = tmp_path / "compare.json"
    # The driver itself fails where the sides' numbers differ.
    printed = run(
        *(sys.executable, ROOT / "benchmarks" / "compare.py", workload),
        *("--sides", "thrace", "jax", "--quick", "--out", out),
        cwd=tmp_path,
    )
    assert printed.count("|") > 10
    found = json.loads(out.read_text())["workloads"][workload]
    assert set(found["rounds"]) == {"thrace", "jax"} and not found["missing"]
    for answers in found["rounds"].values():
        assert all(answers[0][key] > 0 for key in FIGURES.get(workload, ()))
    if workload in COMPILED:
        ready = found["ready"]["thrace"]
        assert len(ready["values"]) == 5
        assert ready["notes"] == {"traces": 1, "executables": 1, "fallbacks": [], "recompiles": []}


def test_no_gpu_is_said_plainly(tmp_path: Path):
    env = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, str(ROOT / "benchmarks" / "compare.py"), "--device", "cuda"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no CUDA device on this machine" in done.stderr
