"""Memory over long runs: steps that should leave nothing, and shapes met once.

Each run is a process of its own, since what one leaves another would see.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import thrace
import thrace.nn.functional as F
from thrace import nn

ROOT = Path(__file__).parents[2]


class Growth(NamedTuple):
    resident_bytes: int
    traced_bytes: int  # of Python objects
    seconds: float


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def growth(work: Callable[[int], object], warm: int, times: int) -> Growth:
    """How much memory `times` calls of `work` leave behind, after `warm` others."""
    for i in range(warm):
        work(i)
    gc.collect()
    started = time.perf_counter()
    before = resident_bytes()
    for i in range(times):
        work(warm + i)
    gc.collect()
    after = resident_bytes()
    elapsed_s = time.perf_counter() - started
    # Python's own count, of a part of it: it slows everything down.
    tracemalloc.start()
    first = min(warm, times) // 10
    for i in range(first):
        work(warm + i)
    gc.collect()
    traced = tracemalloc.get_traced_memory()[0]
    for i in range(3 * first):
        work(warm + i)
    gc.collect()
    traced = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()
    return Growth(after - before, traced, elapsed_s)


def steps(compiled: bool, times: int) -> Growth:
    """Training steps, each on a new batch."""
    thrace.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.2), nn.ReLU(), nn.Linear(16, 4))
    optimizer = thrace.optim.AdamW(model.parameters(), lr=1e-2)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 8)).astype(np.float32), rng.integers(0, 4, 64)

    def step(x: thrace.Tensor, y: thrace.Tensor) -> thrace.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = thrace.compile(step) if compiled else step
    return growth(lambda i: run(thrace.tensor(x), thrace.tensor(y)), max(times // 5, 200), times)


def shapes(times: int) -> Growth:
    """Forward and backward on a shape that is new each time, uncompiled."""

    def work(n: int) -> None:
        x = thrace.ones(n + 1, 3, requires_grad=True)
        ((x * 2 + 1).tanh() @ thrace.ones(3)).sum().backward()
        assert x.grad is not None
        x.grad.tolist()

    return growth(work, 20, times)


RUNS: dict[str, Callable[[int], Growth]] = {
    "compiled steps": lambda times: steps(True, times),
    "uncompiled steps": lambda times: steps(False, times),
    "shapes": shapes,
}
# The most that each may leave, in MiB.
LIMITS = {"compiled steps": 1.0, "uncompiled steps": 1.0, "shapes": 200.0}


def measured(name: str, times: int) -> Growth:
    """A run in a process of its own."""
    code = f"from tests.faults.soak import RUNS; print(*RUNS[{name!r}]({times}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    resident, traced, seconds = done.stdout.split()[-3:]
    return Growth(int(resident), int(traced), float(seconds))
