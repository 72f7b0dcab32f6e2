"""Graphs too deep for one program run in several, and nobody notices."""

from __future__ import annotations

import numpy as np
import pytest

from thrace.ir import Builder, Graph, TensorType, Value
from thrace.ir.interpret import interpret
from thrace.ir.types import bool_, float32
from thrace.runtime import checks, compile_graph, counters, run_host, segments, to_jax, to_numpy

SCALAR = TensorType((), float32)


def chain(length: int) -> Graph:
    b = Builder()
    x = y = Value(SCALAR)
    for _ in range(length // 2):
        y = b.mul(b.add(y, 0.5), 0.75)
    return b.finish([x], [y])


def test_chain_that_would_crash_the_compiler():
    before = counters.executables
    graph = chain(50_000)
    (got,) = compile_graph(graph)([np.float32(1)])
    (expected,) = run_host(graph, [np.float32(1)])
    np.testing.assert_allclose(to_numpy(got), expected, rtol=1e-6)
    # Equal stretches are compiled once: the first one may not take its argument's buffer.
    assert counters.executables - before == 2


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(segments, "DEPTH_LIMIT", 4)
    monkeypatch.setattr(segments, "DEEP_SEGMENT", 3)


def wide() -> Graph:
    """Values that cross several stretches, outputs made early, an input handed out."""
    b = Builder()
    x, y = Value(TensorType((3,), float32)), Value(TensorType((3,), float32))
    early = b.mul(x, 3)
    z = b.add(early, y)
    for i in range(7):
        z = b.sub(b.mul(z, 0.5 + i), x if i == 5 else 1)
    return b.finish([x, y], [z, early, y, b.mul(early, z)])


@pytest.mark.parametrize("donate", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("convert", [lambda a: a, to_jax], ids=["numpy", "jax"])
def test_values_cross_segments(small_segments, donate: tuple[int, ...], convert):
    x, y = np.array([1, 2, 3], np.float32), np.array([-1, 0.5, 2], np.float32)
    graph = wide()
    assert segments.segment_size(graph) == 3
    args = [convert(x), convert(y)]
    got = compile_graph(graph, donate=donate)(args)
    for g, e in zip(got, interpret(graph, [x, y]), strict=True):
        np.testing.assert_allclose(to_numpy(g), e, rtol=1e-6)
    for i, a in enumerate(args):
        assert i in donate or isinstance(a, np.ndarray) or not a.is_deleted()


def test_calls_are_put_in_line(small_segments):
    x = Value(TensorType((3,), float32))
    b = Builder()
    inner = b.finish([x], [b.exp(b.neg(x)), x])
    outer = Builder()
    v = y = Value(TensorType((3,), float32))
    for _ in range(4):
        y, same = outer.call(y, graph=inner)  # type: ignore[attr-defined]
        y = outer.add(y, same)
    graph = outer.finish([v], [y])
    assert segments.segment_size(graph) == 3
    arg = np.array([0.1, 0.2, -0.3], np.float32)
    (got,) = compile_graph(graph)([arg])
    np.testing.assert_allclose(to_numpy(got), interpret(graph, [arg])[0], rtol=1e-6)


@pytest.mark.parametrize("failing", [None, 0, 3, 5])
def test_checks_of_all_segments_are_reported(small_segments, failing: int | None):
    b = Builder()
    x, flags = Value(SCALAR), Value(TensorType((6,), bool_))
    y = x
    for i in range(6):
        at = b.slice(flags, starts=(i,), sizes=(1,), strides=(1,))
        b.check(b.reshape(at, ()), message=f"check {i}")  # type: ignore[attr-defined]
        y = b.add(y, 1)
    ok = np.ones(6, bool)
    if failing is not None:
        ok[failing] = False
    (got,) = compile_graph(b.finish([x, flags], [y]))([np.float32(0), ok])
    if failing is None:
        checks.raise_pending()
    else:
        with pytest.raises(IndexError, match=f"check {failing}"):
            checks.raise_pending()
    assert float(got) == 6
