"""Sixteen threads on shared and on private tensors, models and compiled functions."""

from __future__ import annotations

import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import thrace
import thrace.nn.functional as F
from thrace import nn

THREADS = 16
TIMEOUT_S = 120


def in_threads(work: Callable[[int], object]) -> None:
    """Run `work(i)` in each thread at once; fails if one raises or does not end."""
    errors: list[str] = []
    start = threading.Barrier(THREADS)

    def body(i: int) -> None:
        try:
            start.wait(TIMEOUT_S)
            work(i)
        except BaseException:
            errors.append(traceback.format_exc())

    threads = [threading.Thread(target=body, args=(i,), daemon=True) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert not errors, errors[0]
    assert not any(thread.is_alive() for thread in threads), "a deadlock"


def test_a_shared_function():
    w = thrace.randn(8, 8)
    run = thrace.compile(lambda x: (x @ w).tanh().sum(1))

    def work(i: int) -> None:
        x = thrace.full((4, 8), float(i))
        want = np.tanh(x.numpy() @ w.numpy()).sum(1)
        for _ in range(10):
            np.testing.assert_allclose(run(x).numpy(), want, rtol=1e-4, atol=1e-5)

    in_threads(work)
    assert len(thrace.explain(run).traces) == 1


def test_a_shared_function_on_shared_state():
    total = thrace.zeros(4)

    @thrace.compile
    def add(x: Any) -> None:
        total.add_(x)

    in_threads(lambda i: [add(thrace.ones(4)) for _ in range(10)])
    assert total.tolist() == [10.0 * THREADS] * 4  # no update is lost, not even while recording


def test_several_functions_on_shared_state():
    total = thrace.zeros(4)
    functions = [thrace.compile(lambda k=k: total.add_(k)) for k in (1, 2)]
    in_threads(lambda i: [functions[i % 2]() for _ in range(10)])
    assert total.tolist() == [30.0 * THREADS / 2] * 4


def augmented(x: Any) -> None:
    x += 1


WRITES: dict[str, Callable[[Any, Any], object]] = {
    "add_": lambda x, v: x.add_(1),
    "+=": lambda x, v: augmented(x),
    "of a view": lambda x, v: v.add_(1),
    "of a detached tensor": lambda x, v: x.detach().add_(1),
    "index_add_": lambda x, v: x.index_add_(0, thrace.tensor([1, 2]), thrace.ones(2)),
    "two operations": lambda x, v: x.mul_(1).add_(1),
}


@pytest.fixture
def many_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("name", WRITES)
def test_no_uncompiled_write_is_lost(name: str, many_switches: None):
    x = thrace.zeros(4)
    view = x[1:3]
    in_threads(lambda i: [WRITES[name](x, view) for _ in range(10)])
    assert x.tolist()[1:3] == [10.0 * THREADS] * 2


def test_no_uncompiled_gradient_and_no_step_is_lost(many_switches: None):
    p = thrace.zeros(3, requires_grad=True)
    with thrace.no_grad():
        p.grad = thrace.zeros(3)
    in_threads(lambda i: [(p * 1.0).sum().backward() for _ in range(5)])
    assert p.grad is not None and p.grad.tolist() == [5.0 * THREADS] * 3
    p.grad = thrace.ones(3)
    optimizer = thrace.optim.SGD([p], lr=0.5)
    in_threads(lambda i: [optimizer.step() for _ in range(5)])
    assert p.tolist() == [-2.5 * THREADS] * 3


def descend(library: Any, functional: Any, i: int, compile: Callable) -> Any:
    model = library.nn.Linear(4, 3)
    optimizer = library.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with library.no_grad():
        model.weight.fill_(0.1)
        model.bias.zero_()
    x, y = library.full((2, 4), float(i % 3)), library.tensor([0, 1])

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    run = compile(step)
    for _ in range(5):
        run()
    return model.weight.detach().numpy()


@pytest.mark.parametrize("compile", [thrace.compile, lambda f: f], ids=["compiled", "uncompiled"])
def test_private_training(compile: Callable):
    def work(i: int) -> None:
        want = descend(torch, torch.nn.functional, i, lambda f: f)
        got = descend(thrace, F, i, compile)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)

    in_threads(work)


def test_gradients_of_a_shared_parameter():
    p = thrace.randn(5, requires_grad=True)
    data = p.detach().numpy().copy()

    def work(i: int) -> None:
        for _ in range(5):
            x = thrace.arange(5.0) * i
            (g,) = thrace.autograd.grad(((p * x).sin() * p).sum(), p)
            angle = data * np.arange(5.0) * i
            np.testing.assert_allclose(
                g.numpy(), np.sin(angle) + angle * np.cos(angle), rtol=1e-3, atol=1e-4
            )

    in_threads(work)


def test_modes_belong_to_the_thread():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).eval()

    def work(i: int) -> None:
        recorded = i % 2 == 0
        for _ in range(10):
            with thrace.set_grad_enabled(recorded):
                y = net(thrace.ones(3, 4) * i)
                assert y.requires_grad is thrace.is_grad_enabled() is recorded
                y.sum().item()
            assert thrace.is_grad_enabled()

    in_threads(work)


def test_pending_tensors_are_handed_over():
    handed: queue.Queue = queue.Queue()

    def work(i: int) -> None:
        for k in range(10):
            if i % 2 == 0:
                handed.put((k, thrace.ones(3) * k + 1))
            else:
                k, t = handed.get(timeout=TIMEOUT_S)
                assert t.tolist() == [k + 1.0] * 3

    in_threads(work)


def test_the_same_shapes_compiled_at_once_are_compiled_once():
    from thrace.runtime import counters

    functions = [thrace.compile(lambda x: (x * 3.25).exp().sum()) for _ in range(THREADS)]
    before = counters.executables
    in_threads(lambda i: functions[i](thrace.ones(7)).item())
    assert counters.executables - before <= 2  # and one for the argument's evaluation
