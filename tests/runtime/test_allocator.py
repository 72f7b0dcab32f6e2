"""Freed memory is given back after long compiles; a setting keeps it between calls."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest
from processes import run

from thrace.runtime import allocator

PROGRAM = """
import resource
import numpy as np
from thrace.ir import Builder, TensorType, Value
from thrace.ir.types import float32
from thrace.runtime import compile_graph, to_jax, to_numpy

b = Builder()
x = Value(TensorType((4096, 8), float32))
y = b.tanh(b.dot_general(x, x, contract=((1,), (1,)), batch=((), ())))  # 64 MiB
exe = compile_graph(b.finish([x], [b.sum(y, (0,)), b.sum(b.mul(y, y), (1,))]))
args = [to_jax(np.full((4096, 8), 0.001, np.float32))]
for _ in range(8):
    got = float(to_numpy(exe(args)[0])[0])
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    to_numpy(exe(args)[0])
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, got)
"""


GIVEN_BACK = """
import numpy as np
from thrace.runtime import allocator

def resident_mb():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096 / 2**20

pieces = [np.ones(12_000) for _ in range(1_000)]  # 94 KiB each, from the heap
pieces = pieces[-1:]  # at its end, so that nothing below is given back
held = resident_mb()
allocator.give_back()
print(held - resident_mb(), *pieces[0][:1])
"""

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")


@needs_glibc
def test_freed_memory_is_given_back(tmp_path: Path):
    assert float(run(sys.executable, "-c", GIVEN_BACK, cwd=tmp_path).split()[0]) > 50


@needs_glibc
def test_kept_memory_is_not_asked_for_again(tmp_path: Path):
    def faults(choice: str) -> tuple[int, str]:
        env = {**os.environ, "THRACE_ALLOCATOR": choice}
        count, result = run(sys.executable, "-c", PROGRAM, cwd=tmp_path, env=env).split()
        return int(count), result

    (plain, expected), (kept, got) = faults("default"), faults("keep")
    assert got == expected
    assert kept < plain / 2


def test_a_setting_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("THRACE_ALLOCATOR", "jemalloc")
    with pytest.raises(ValueError, match="default or keep, not 'jemalloc'"):
        allocator.prepare()
