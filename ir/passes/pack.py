"""Pack: many small results become one, because each costs XLA's caller a microsecond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..graph import Graph, Value
from ..rebuild import Rebuilder
from ..types import DType


class Place(NamedTuple):
    """Where a result is among those of the packed graph: a whole one, or the elements of a flat
    one from `start` on."""

    output: int
    start: int | None
    shape: tuple[int, ...]


def pack_outputs(graph: Graph, numbers: Sequence[int]) -> tuple[Graph, list[Place]]:
    """The graph with those outputs, flat and one behind the other, in one for each dtype behind
    all others; and where each output is now."""
    new = Rebuilder(graph)
    for node in graph.nodes:
        new.copy(node, new.map(node.operands))
    outputs = [new.env[v] for v in graph.outputs]
    b = new.builder
    flat: dict[DType, list[Value]] = {}
    size: dict[DType, int] = {}
    starts: dict[int, int] = {}
    for i in numbers:
        value = outputs[i]
        assert isinstance(value, Value)
        dtype, count = value.type.dtype, value.type.numel
        starts[i] = size.get(dtype, 0)
        size[dtype] = starts[i] + count
        flat.setdefault(dtype, []).append(b.reshape(value, shape=(count,)))
    kept = [i for i in range(len(outputs)) if i not in starts]
    place = {i: number for number, i in enumerate(kept)}
    packs = {dtype: len(kept) + i for i, dtype in enumerate(flat)}
    packed = [b.concatenate(*parts, axis=0) for parts in flat.values()]
    places = []
    for i, v in enumerate(graph.outputs):
        output = packs[v.type.dtype] if i in starts else place[i]
        places.append(Place(output, starts.get(i), v.type.shape))
    names = [graph.output_names[i] for i in kept] + [f"packed {dtype}" for dtype in flat]
    found = [*(outputs[i] for i in kept), *packed]
    return new.finish(found, output_names=names), places  # type: ignore[arg-type]
