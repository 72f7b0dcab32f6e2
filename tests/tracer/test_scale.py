"""Long programs through the public API: nothing recurses, and time per node stays level."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import thrace
from thrace.ir import Graph
from thrace.ir.hash import structural_hash
from thrace.ir.interpret import interpret
from thrace.runtime import counters

SMALL, LARGE = 1_000, 100_000
INPUT = thrace.spec("f32[4]")


def chain(x: Any, nodes: int) -> Any:
    """A straight line of `nodes` operations, each on the result of the one before.

    Neither the numbers nor their derivative vanish or grow.
    """
    for _ in range(nodes // 4):
        x = x.exp()
        x = x * 1.5
        x = x.log()
        x = x - 0.4054651081
    return x


def trace(nodes: int) -> Graph:
    return thrace.trace(chain, INPUT, nodes)


@pytest.fixture(scope="module")
def large() -> Graph:
    return trace(LARGE)


@pytest.fixture(scope="module")
def differentiated(large: Graph) -> Graph:
    return large.backward()


def test_a_long_program_is_differentiated_and_read_back(large: Graph, differentiated: Graph):
    assert len(large) == LARGE
    assert len(differentiated) > 1.5 * LARGE
    back = Graph.from_text(differentiated.verify().to_text())
    assert structural_hash(back) == structural_hash(differentiated)


def test_a_long_program_computes_what_pytorch_computes(
    differentiated: Graph, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("THRACE_VERIFY", "0")  # once, at the end
    x = torch.tensor([0.1, -0.2, 0.3, 0.0], requires_grad=True)
    y = chain(x, LARGE)
    y.backward(torch.ones(4))
    assert x.grad is not None and bool((x.grad > 1e-3).all())
    got = interpret(differentiated.optimize().verify(), [x.detach().numpy(), np.ones(4, "float32")])
    # One element is 0: what it holds is rounding alone. An operation too few moves it by 0.4.
    np.testing.assert_allclose(got[0], y.detach().numpy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(got[1], x.grad.numpy(), rtol=1e-3)


def loop(library: Any, nodes: int) -> tuple[float, float]:
    """A chain on scalars through `.backward()`: its value and gradient."""
    w = y = library.tensor(0.9, requires_grad=True)
    for _ in range(nodes // 2):
        y = y.sin()
        y = y + w
    y.backward()
    return y.item(), w.grad.item()


def test_backward_through_a_long_chain():
    np.testing.assert_allclose(loop(thrace, 20_000), loop(torch, 20_000), rtol=1e-5)


def halve(x: Any, nodes: int) -> Any:
    for _ in range(nodes // 2):
        x = x * 0.75
        x = x + 0.5
    return x


def test_a_long_chain_of_scalars_is_evaluated():
    x = thrace.tensor(7.0)
    np.testing.assert_allclose(halve(x, 50_000).item(), 2, rtol=1e-6)


def test_a_long_compiled_function_is_more_than_one_program():
    step = thrace.compile(lambda x: halve(x, 9_000))
    before = counters.executables
    for start in (7.0, -7.0):
        np.testing.assert_allclose(step(thrace.tensor(start)).item(), 2, rtol=1e-6)
    assert counters.executables - before > 1
    found = thrace.explain(step)
    assert len(found.traces) == 1
    assert not found.fallbacks


# Each on the graph of so many nodes; what makes its argument is not timed.
Prepare = Callable[[int], Callable[[], object]]


def on_graph(run: Callable[[Graph], object]) -> Prepare:
    def prepare(nodes: int) -> Callable[[], object]:
        graph = trace(nodes)
        return lambda: run(graph)

    return prepare


def parsing(nodes: int) -> Callable[[], object]:
    text = trace(nodes).to_text()
    return lambda: Graph.from_text(text)


def lowering(nodes: int) -> Callable[[], object]:
    import jax

    from thrace.lowering import lower

    graph = trace(nodes)
    shapes = [jax.ShapeDtypeStruct(t.shape, t.dtype.np) for t in graph.input_types]
    return lambda: jax.make_jaxpr(lower(graph))(*shapes)


STEPS: dict[str, Prepare] = {
    "trace": lambda nodes: lambda: trace(nodes),
    "backward": on_graph(Graph.backward),
    "verify": on_graph(Graph.verify),
    "optimize": on_graph(Graph.optimize),
    "to_text": on_graph(Graph.to_text),
    "from_text": parsing,
    "lower": lowering,
}


def seconds(run: Callable[[], object], tries: int) -> float:
    best = float("inf")
    for _ in range(tries):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("name", STEPS)
def test_time_per_node_does_not_grow(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("THRACE_VERIFY", "0")  # `verify` is a row of its own
    small = seconds(STEPS[name](SMALL), tries=8) / SMALL
    run = STEPS[name](LARGE)
    # A machine that is busy just now gets more tries; the best of them counts.
    large = float("inf")
    for tries in (1, 2):
        large = min(large, seconds(run, tries) / LARGE)
        if large < 2 * small:
            break
    ratio = large / small
    print(
        f"{name}: {small * 1e6:.1f} us a node at {SMALL}, {large * 1e6:.1f} at {LARGE}: {ratio:.2f}"
    )
    assert ratio < 4
