"""A forked child says at once what would make it hang."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from processes import run

PROGRAM = """
import os, sys
import numpy as np
import thrace.runtime as r
from thrace.runtime import faults

if "{started}" == "yes":
    r.to_jax(np.ones(2))
child = os.fork()
if child == 0:
    try:
        r.to_jax(np.ones(2))
        print("ran")
    except RuntimeError as error:
        print(type(error).__name__, "spawn" in str(error))
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
r.to_jax(np.ones(2))
print("parent runs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("started", "says"), [("yes", "ForkError True"), ("no", "ran")])
def test_child_of_a_process_with_jax(tmp_path: Path, started: str, says: str):
    program = PROGRAM.replace("{started}", started)
    out = run(sys.executable, "-W", "ignore", "-c", program, cwd=tmp_path)
    assert says in out and "parent runs" in out
