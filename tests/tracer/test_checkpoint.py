"""Activation checkpoints: PyTorch's numbers, random ones included, and no values kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.checkpoint

import thrace
import thrace.utils.checkpoint


def block(library: Any) -> Any:
    n = library.nn
    net = n.Sequential(n.Linear(4, 8), n.Tanh(), n.Linear(8, 8), n.GELU(), n.Linear(8, 3))
    with library.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(library.linspace(-1, 1, p.numel()).reshape(p.shape) * (0.5 + 0.1 * i))
    return net


def whole(library: Any, net: Any, x: Any) -> Any:
    return library.utils.checkpoint.checkpoint(net, x, use_reentrant=False)


def twice(library: Any, net: Any, x: Any) -> Any:
    keep = library.utils.checkpoint.checkpoint
    hidden = keep(lambda v: net[2](net[1](net[0](v))), x, use_reentrant=False)
    return keep(lambda v, scale: net[4](net[3](v)) * scale, hidden, scale=2, use_reentrant=False)


def nested(library: Any, net: Any, x: Any) -> Any:
    keep = library.utils.checkpoint.checkpoint
    inner = lambda v: keep(net[2], v, use_reentrant=False).sin()  # noqa: E731
    return keep(lambda v: net[4](inner(net[0](v))), x, use_reentrant=False)


def in_parts(library: Any, net: Any, x: Any) -> Any:
    return library.utils.checkpoint.checkpoint_sequential(net, 2, x, use_reentrant=False)


def written(library: Any, net: Any, x: Any) -> Any:
    def fn(v: Any) -> Any:
        h = net[0](v)
        h[:, 0].mul_(h[:, 1])
        return net[2](h.tanh())

    return library.utils.checkpoint.checkpoint(fn, x, use_reentrant=False)


WAYS = (whole, twice, nested, in_parts, written)


@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
@pytest.mark.parametrize("way", WAYS, ids=lambda w: w.__name__)
def test_gradients_are_pytorchs(way: Callable[..., Any], compiled: bool):
    def run(library: Any, compile: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
        net, losses = block(library), []
        opt = library.optim.SGD(net.parameters(), lr=0.01)
        x = library.linspace(-1, 2, 12).reshape(3, 4).requires_grad_()

        def step() -> Any:
            opt.zero_grad()
            loss = (way(library, net, x) ** 2).sum()
            loss.backward()
            opt.step()
            return loss

        fn = compile(step)
        losses = [fn().item() for _ in range(3)]
        if compiled and library is thrace:
            assert not thrace.explain(fn).fallbacks
        return losses, [x.grad, *net.parameters()]

    got, state = run(thrace, thrace.compile if compiled else lambda fn: fn)
    want, expected = run(torch, lambda fn: fn)
    np.testing.assert_allclose(got, want, rtol=1e-4)
    for a, b in zip(state, expected, strict=True):
        np.testing.assert_allclose(a.detach().tolist(), b.detach().tolist(), rtol=1e-3, atol=1e-5)


def test_the_second_run_draws_the_same_numbers():
    thrace.manual_seed(3)
    x = thrace.ones(64, requires_grad=True)
    out = thrace.utils.checkpoint.checkpoint(
        lambda v: thrace.nn.functional.dropout(v * v, 0.5) * v, x, use_reentrant=False
    )
    after = thrace.rand(3)
    out.sum().backward()
    assert x.grad is not None and x.grad.tolist() == (3 * out).tolist()
    thrace.manual_seed(3)
    thrace.nn.functional.dropout(thrace.ones(64), 0.5)
    assert after.tolist() == thrace.rand(3).tolist()  # and takes none from what follows


def test_the_function_runs_again_once_a_pass():
    calls = []

    def fn(v: Any) -> Any:
        calls.append(1)
        return (v.sin() * v.cos()).exp()

    x = thrace.ones(3, requires_grad=True)
    out = thrace.utils.checkpoint.checkpoint(fn, x, use_reentrant=False).sum()
    out.backward(retain_graph=True)
    assert len(calls) == 2
    out.backward()
    assert len(calls) == 3
    with thrace.no_grad():
        thrace.utils.checkpoint.checkpoint(fn, x, use_reentrant=False)
    assert len(calls) == 4


def test_the_second_run_is_not_merged_with_the_first():
    w = thrace.ones(4, 4, requires_grad=True)

    def part(v: Any) -> Any:
        return ((v @ w).tanh() @ w).tanh()

    @thrace.compile
    def step(x: Any) -> Any:
        x = thrace.utils.checkpoint.checkpoint(part, x, use_reentrant=False)
        (g,) = thrace.autograd.grad((x**2).sum(), [w])
        return g

    step(thrace.ones(2, 4))
    ops = [node.op.name for node in thrace.explain(step).executables[0].graph.nodes]
    assert ops.count("tanh") == 4 and ops.count("barrier") == 1


def test_what_differs_the_second_time_is_refused():
    more = [False]

    def fn(v: Any) -> Any:
        return v.sin().exp() if more[0] else v.sin()

    x = thrace.ones(3, requires_grad=True)
    out = thrace.utils.checkpoint.checkpoint(fn, x, use_reentrant=False)
    more[0] = True
    with pytest.raises(thrace.utils.checkpoint.CheckpointError, match="1 at first"):
        out.sum().backward()
    with pytest.raises(ValueError, match="determinism_check"):
        thrace.utils.checkpoint.checkpoint(fn, x, determinism_check="often")
