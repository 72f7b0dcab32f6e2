"""Whole training steps, compiled and not, follow PyTorch's for 20 steps of float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from nn_oracle import close
from training import TASKS, Task, Training, initial_state

import thrace
from thrace.runtime import counters

STEPS = 20
RTOL = 1e-4


def follow(task: Task, compile: Callable[[Any], Any] = lambda fn: fn) -> None:
    """Train the task in both libraries; compare each loss and, at the end, all that changed."""
    state = initial_state(task)
    mine = Training(task, thrace, state, compile=compile)
    reference = Training(task, torch, state)
    for i in range(STEPS):
        np.testing.assert_allclose(mine.run(i), reference.run(i), RTOL, err_msg=f"step {i}")
        assert mine.schedule.get_last_lr() == pytest.approx(reference.schedule.get_last_lr())
    same_state(mine.state(), reference.state())
    close(mine.evaluated(), reference.evaluated(), RTOL)


def same_state(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(got) == list(expected)
    for name, value in expected.items():
        try:
            close(got[name], value, RTOL)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_a_compiled_step_follows_pytorch(task: Task):
    seen: list[Any] = []

    def explained(fn: Any) -> Any:
        step = thrace.compile(fn)

        def run(x: Any, y: Any) -> Any:
            loss = step(x, y)
            seen.append(thrace.explain(step))
            return loss

        return run

    before = counters.executables
    follow(task, explained)
    assert counters.executables - before <= 1  # none if another test compiled an equal graph
    assert [[t.calls for t in e.traces] for e in seen] == [[n] for n in range(1, STEPS + 1)]
    for e in seen:
        assert e.executables == seen[0].executables and len(e.executables) == 1
        assert not e.fallbacks
        assert not e.recompiles


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_an_uncompiled_step_follows_pytorch(task: Task):
    follow(task)
