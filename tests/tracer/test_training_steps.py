"""Whole training steps, compiled and not, follow PyTorch's for 20 steps of float32."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
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


def plateau(library: Any, compile: Callable[[Any], Any]) -> list[float]:
    """A schedule led by a metric that is a number: rates after each step."""
    p = library.ones(3, requires_grad=True)
    opt = library.optim.SGD([p], lr=0.1)
    schedule = library.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=1)

    @compile
    def step() -> None:
        opt.zero_grad()
        (p * p).sum().backward()
        opt.step()
        schedule.step(1.0)

    rates = []
    for _ in range(7):
        step()
        rates.append(opt.param_groups[0]["lr"])
    return [*rates, *p.tolist()]


def test_a_schedule_led_by_a_metric_is_replayed():
    expected = plateau(torch, lambda fn: fn)
    assert plateau(thrace, thrace.compile) == pytest.approx(expected)


class Clipped(thrace.autograd.Function):
    """The square, with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * ctx.saved_tensors[0].clamp(-1, 1) * 100


def test_a_custom_gradient_is_the_same_inside_and_outside_of_a_compiled_function():
    w: Any = thrace.tensor([0.5, 3.0], requires_grad=True)

    def gradient() -> list[float]:
        return w.grad.tolist()

    @thrace.compile
    def inside(x: Any) -> Any:
        w.grad = None
        Clipped.apply(x * w).sum().backward()

    @thrace.compile
    def outside(x: Any) -> Any:
        return Clipped.apply(x * w).sum()

    for _ in range(2):
        inside(thrace.ones(2))
        assert gradient() == [50, 100]
    assert not thrace.explain(inside).fallbacks
    for call in range(2):
        w.grad = None
        # A graph holds no Python code: such a loss is computed uncompiled, and says so.
        with pytest.warns(thrace.FallbackWarning) if call == 0 else nullcontext():
            loss = outside(thrace.ones(2))
        loss.backward()
        assert gradient() == [50, 100]
    (fallback,) = thrace.explain(outside).fallbacks
    assert "autograd.Function" in fallback.reason
