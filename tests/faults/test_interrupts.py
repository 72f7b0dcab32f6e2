"""A slice of `python -m tests.faults`: interrupts at random moments and at chosen ones."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from processes import run as run_command

from faults.every_call import faults
from faults.interrupts import KINDS, PLAIN, packing, run

on_main_thread = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread() or not hasattr(os, "kill"),
    reason="signals are answered on the main thread",
)


each_kind = pytest.mark.parametrize("kind", KINDS)


@on_main_thread
@each_kind
def test_interrupts_at_random_moments(kind: str):
    with packing(kind):
        count = run(kind != "uncompiled", interrupts=25, plain=kind in PLAIN)
    assert count.faults == 0, count


@each_kind
def test_an_exception_at_a_chosen_place(kind: str):
    every = {"compiled": 17, "plain": 5, "packed": 7, "uncompiled": 57}[kind]
    with packing(kind):
        found = list(faults(kind != "uncompiled", every, first=7, plain=kind in PLAIN))
    assert not found


IMPORTED = """
import os, signal, threading
import numpy as np
from thrace.runtime import to_jax

threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    to_jax(np.ones(2))
    threading.Event().wait(10)  # imported before the signal came
except KeyboardInterrupt:
    pass
print(to_jax(np.ones(2)).sum())
"""


def test_an_interrupt_while_jax_is_imported(tmp_path: Path):
    assert "2.0" in run_command(sys.executable, "-c", IMPORTED, cwd=tmp_path)
