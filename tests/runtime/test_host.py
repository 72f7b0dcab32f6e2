"""The guesses that choose between NumPy and XLA keep their order of magnitude."""

from __future__ import annotations

import time

import numpy as np
import pytest

from thrace.ir import Builder, Graph, TensorType, Value
from thrace.ir.types import float32
from thrace.runtime import compile_cost_s, counters, estimate_cost_s, run_host


def pointwise(shape: tuple[int, ...], count: int) -> tuple[Graph, list[np.ndarray]]:
    b = Builder()
    x = y = Value(TensorType(shape, float32))
    for _ in range(count):
        y = b.mul(y, 1.0001)
    return b.finish([x], [y]), [np.ones(shape, np.float32)]


def product(n: int) -> tuple[Graph, list[np.ndarray]]:
    b = Builder()
    x = Value(TensorType((n, n), float32))
    y = b.dot_general(x, x, contract=((1,), (0,)), batch=((), ()))
    return b.finish([x], [y]), [np.ones((n, n), np.float32)]


def convolution() -> tuple[Graph, list[np.ndarray]]:
    shapes = (8, 16, 16, 16), (16, 16, 3, 3)
    b = Builder()
    x, w = (Value(TensorType(s, float32)) for s in shapes)
    ones = (1, 1)
    y = b.convolution(
        *(x, w),
        strides=ones,
        low=ones,
        high=ones,
        lhs_dilation=ones,
        rhs_dilation=ones,
        groups=1,
        batch_groups=1,
    )
    return b.finish([x, w], [y]), [np.ones(s, np.float32) for s in shapes]


PROGRAMS = {
    "many tiny": lambda: pointwise((4,), 500),
    "few large": lambda: pointwise((1000, 1000), 5),
    "product": lambda: product(400),
    "convolution": convolution,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_estimate_is_near_the_truth(name: str):
    graph, arrays = PROGRAMS[name]()
    run_host(graph, arrays)
    took = []
    for _ in range(5):
        started = time.perf_counter()
        run_host(graph, arrays)
        took.append(time.perf_counter() - started)
    # Wide bounds: machines differ, and so does what else they do.
    assert 1 / 30 < estimate_cost_s(graph) / min(took) < 30


def test_compiling_costs_more_with_more_nodes():
    small, _ = pointwise((4,), 10)
    large, _ = pointwise((4,), 1000)
    assert 0.02 < compile_cost_s(small) < compile_cost_s(large) < 5


def test_nested_graphs_are_counted():
    inner, _ = pointwise((100,), 50)
    b = Builder()
    x = Value(TensorType((100,), float32))
    (y,) = b.call(x, graph=inner)  # type: ignore[attr-defined]
    (z,) = b.call(y, graph=inner)  # type: ignore[attr-defined]
    outer = b.finish([x], [z])
    assert estimate_cost_s(outer) > 2 * estimate_cost_s(inner)


def test_runs_are_counted():
    graph, arrays = pointwise((4,), 2)
    before = counters.numpy_runs
    run_host(graph, arrays)
    assert counters.numpy_runs == before + 1
