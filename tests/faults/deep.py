"""Long chains of dependent operations on a scalar, evaluated and differentiated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import thrace


def chain(x: Any, nodes: int) -> Any:
    """A function and its inverse in turn: neither value nor derivative vanishes or grows."""
    for _ in range(nodes // 2):
        x = x.sin()
        x = x.asin()
    return x


def uncompiled(nodes: int) -> tuple[float, float]:
    x = thrace.tensor(0.3, requires_grad=True)
    y = chain(x, nodes)
    value = y.item()
    y.backward()
    assert x.grad is not None
    return float(value), float(x.grad.item())  # type: ignore[arg-type]


def whole(nodes: int) -> tuple[float, float]:
    """Forward and backward in one compiled function."""

    @thrace.compile(fullgraph=True)
    def both(x: Any) -> Any:
        y = chain(x, nodes)
        return y, thrace.autograd.grad(y, x)[0]

    x = thrace.tensor(0.3, requires_grad=True)
    both(x)
    y, g = both(x)
    return float(y.item()), float(g.item())  # type: ignore[arg-type]


def outside(nodes: int) -> tuple[float, float]:
    """A compiled forward, differentiated outside."""
    run = thrace.compile(lambda x: chain(x, nodes), fullgraph=True)
    x = thrace.tensor(0.3, requires_grad=True)
    y = run(x)
    y.backward()
    assert x.grad is not None
    return float(y.item()), float(x.grad.item())  # type: ignore[arg-type]


FORMS: dict[str, Callable[[int], tuple[float, float]]] = {
    "uncompiled": uncompiled,
    "compiled": whole,
    "compiled, backward outside": outside,
}


def expected(nodes: int) -> tuple[float, float]:
    x = torch.tensor(0.3, requires_grad=True)
    y = chain(x, nodes)
    y.backward()
    assert x.grad is not None
    return float(y.item()), float(x.grad.item())  # type: ignore[arg-type]


def report(nodes: int) -> Iterator[tuple[str, bool]]:
    """What each form took, and whether it computes what PyTorch does."""
    want = expected(nodes)
    for name, run in FORMS.items():
        times = []
        got = want
        for n in (nodes // 5, nodes):
            started = time.process_time()
            got = run(n)
            times.append((time.process_time() - started) / n * 1e6)
        ok = bool(np.allclose(got, want, rtol=1e-2))
        yield (
            f"{nodes} nodes {name}: {times[1]:.0f} us a node, {times[0]:.0f} for a fifth of them"
            f"{'' if ok else f'; got {got}, PyTorch {want}'}",
            ok,
        )
