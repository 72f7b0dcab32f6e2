"""A slice of `python -m tests.faults`: interrupts at random moments and at chosen ones."""

from __future__ import annotations

import os
import threading

import pytest

from faults.every_call import faults
from faults.interrupts import run

on_main_thread = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread() or not hasattr(os, "kill"),
    reason="signals are answered on the main thread",
)


@on_main_thread
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "uncompiled"])
def test_interrupts_at_random_moments(compiled: bool):
    count = run(compiled, interrupts=25)
    assert count.lost == count.half == 0, count


# What a generator or a callback of the collector raises, Python reports and forgets.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "uncompiled"])
def test_an_exception_at_a_chosen_call(compiled: bool):
    assert not list(faults(compiled, every=101, first=17))
