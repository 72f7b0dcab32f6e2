"""Small state in flat arrays: the packed graph computes the same, to the last bit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrace.ir import Graph
from thrace.ir.build import Builder
from thrace.ir.graph import Value
from thrace.ir.interpret import interpret
from thrace.ir.passes.pack import MAX_BYTES, MAX_PIECES, MIN_PIECES, Packed, Place, pack
from thrace.ir.types import TensorType, float32, float64, int64

SHAPES = [(3,), (2, 2), (1,), (4, 1), (5,)]


class Program:
    """A graph of states and their updates, with gradients as further results."""

    def __init__(self) -> None:
        self.b = Builder()
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.states: list[tuple[int, int]] = []
        self.results: list[int] = []
        self.rate = self.input((), float32)

    def input(self, shape: tuple[int, ...], dtype: Any) -> Value:
        self.inputs.append(Value(TensorType(shape, dtype)))
        return self.inputs[-1]

    def write(self, state: Value, new: Value) -> None:
        self.states.append((self.inputs.index(state), len(self.outputs)))
        self.outputs.append(new)

    def result(self, value: Value) -> None:
        self.results.append(len(self.outputs))
        self.outputs.append(value)

    def packed(self) -> tuple[Graph, Packed | None]:
        graph = self.b.finish(self.inputs, self.outputs)
        return graph, pack(graph, self.states, self.results)


def sgd(p: Program, w: Value, g: Value) -> None:
    p.write(w, p.b.sub(w, p.b.mul(g, p.rate)))


def decayed(p: Program, w: Value, g: Value) -> None:
    p.write(w, p.b.sub(p.b.mul(w, 0.5), p.b.mul(g, p.rate)))


def momentum(p: Program, w: Value, g: Value) -> None:
    m = p.input(w.type.shape, w.type.dtype)
    new = p.b.add(p.b.mul(m, 0.9), g)
    p.write(w, p.b.sub(w, p.b.mul(new, p.rate)))  # before what it is computed of
    p.write(m, new)


def adam(p: Program, w: Value, g: Value) -> None:
    m, v = (p.input(w.type.shape, w.type.dtype) for _ in range(2))
    first = p.b.add(p.b.mul(m, 0.9), p.b.mul(g, 0.1))
    second = p.b.add(p.b.mul(v, 0.9), p.b.mul(p.b.mul(g, g), 0.1))
    p.write(m, first)
    p.write(w, p.b.sub(w, p.b.mul(p.b.div(first, p.b.add(p.b.abs(second), 1.0)), p.rate)))
    p.write(v, second)


def chosen(p: Program, w: Value, g: Value) -> None:
    p.write(w, p.b.select(p.b.gt(g, w), p.b.neg(w), w))


def two_leaves(p: Program, w: Value, g: Value) -> None:
    p.write(w, p.b.add(p.b.mul(w, g), p.b.reshape(p.b.neg(g), g.type.shape)))


def of_a_sum(p: Program, w: Value, g: Value) -> None:
    total = p.b.sum(g, tuple(range(len(g.type.shape))))
    p.write(w, p.b.add(w, total))


def copied(p: Program, w: Value, g: Value) -> None:
    p.write(w, g)


def unchanged(p: Program, w: Value, g: Value) -> None:
    p.write(w, w)


UPDATES: dict[str, Callable[[Program, Value, Value], None]] = {
    f.__name__: f
    for f in (sgd, decayed, momentum, adam, chosen, two_leaves, of_a_sum, copied, unchanged)
}


def same(graph: Graph, packed: Packed) -> None:
    packed.graph.verify()
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=t.shape).astype(t.dtype.np) for t in graph.input_types]
    given: list[Any] = [None] * len(packed.graph.inputs)
    for array, place in sorted(
        zip(arrays, packed.inputs, strict=True), key=lambda pair: pair[1].start or 0
    ):
        if place.start is None:
            given[place.number] = array
        else:
            parts = [] if given[place.number] is None else [given[place.number]]
            given[place.number] = np.concatenate([*parts, array.ravel()])
    found = interpret(packed.graph, given)
    for want, place in zip(interpret(graph, arrays), packed.outputs, strict=True):
        np.testing.assert_array_equal(part(found[place.number], place), want)


def part(array: Any, place: Place) -> Any:
    if place.start is None:
        return array
    return array[place.start : place.start + int(np.prod(place.shape))].reshape(place.shape)


@pytest.mark.parametrize("name", UPDATES)
def test_updates(name: str):
    p = Program()
    for shape in itertools.islice(itertools.cycle(SHAPES), 2 * MAX_PIECES + 3):
        w, g = p.input(shape, float32), p.input(shape, float32)
        UPDATES[name](p, w, g)
    graph, packed = p.packed()
    assert packed is not None
    states = len(graph.inputs) - (2 * MAX_PIECES + 3) - 1
    assert len(packed.graph.inputs) <= len(graph.inputs) - states + states // MIN_PIECES + 1
    same(graph, packed)


@given(st.data())
def test_any_updates(data: st.DataObject):
    p = Program()
    kinds = data.draw(st.lists(st.sampled_from(sorted(UPDATES)), min_size=1, max_size=3))
    seen: list[Value] = []
    for _ in range(data.draw(st.integers(0, 40))):
        shape = data.draw(st.sampled_from([*SHAPES, ()]))
        dtype = data.draw(st.sampled_from([float32, float32, float32, float64]))
        w, g = p.input(shape, dtype), p.input(shape, dtype)
        alike = [v for v in seen if v.type == g.type]
        if alike and data.draw(st.integers(0, 5)) == 0:
            g = data.draw(st.sampled_from(alike))  # what other updates are computed of too
        rate = p.rate
        if dtype is float64:
            p.rate = p.b.convert(rate, float64)
        UPDATES[data.draw(st.sampled_from(kinds))](p, w, g)
        p.rate = rate
        seen += [w, g]
        if data.draw(st.booleans()):
            p.result(g)
    if not p.outputs:
        return
    graph, packed = p.packed()
    if packed is not None:
        same(graph, packed)


def test_large_and_few_stay_as_they_are():
    p = Program()
    for _ in range(MIN_PIECES):
        large = (MAX_BYTES // 4 + 1,)
        sgd(p, p.input(large, float32), p.input(large, float32))
    for shape in SHAPES[: MIN_PIECES - 1]:
        sgd(p, p.input(shape, float32), p.input(shape, float32))
    assert p.packed()[1] is None


def test_counts_of_another_dtype():
    p = Program()
    for _ in range(MIN_PIECES):
        n = p.input((), int64)
        p.write(n, p.b.add(n, 1))
    graph, packed = p.packed()
    assert packed is not None
    flat = len(packed.graph.inputs) - 1  # the rate, which nothing reads
    assert flat <= 2 and len(packed.graph.nodes) == flat
    same(graph, packed)


def test_layers_that_are_alike_have_parts_that_are():
    p = Program()
    layers = [(2,), (3,), (4,), (5,), (6,), (7,), (8,), (9,)]
    for shape in [(1,), *layers * 5, (1,)]:
        sgd(p, p.input(shape, float32), p.input(shape, float32))
    graph, packed = p.packed()
    assert packed is not None
    flat = [t for t in packed.graph.input_types if t.numel > 9]
    assert [t.numel for t in flat] == [sum(n for (n,) in layers)] * 5
    same(graph, packed)
