"""What makes two graphs the same program: a key and a digest that ignore names and places.

Imported by the runtime's caches and by tests. Scopes, source lines, names and
`requires_grad` flags are left out; types, ops, attributes, literals and wiring are in.
"""

from __future__ import annotations

import hashlib
from typing import Any

from .collector import without_collector
from .errors import GraphError
from .graph import Graph, Scalar, Value
from .nested import nested_graphs
from .ops.shape import Constant
from .types import DType


@without_collector
def structural_key(graph: Graph) -> tuple:
    """A hashable key, equal for graphs that compute the same thing in the same way.

    It has one entry per distinct graph of the program, so a graph that is called from many
    places counts once, and equal graphs are one.
    """
    return tuple(_positions(graph)[0])


def distinct_graphs(graph: Graph) -> dict[int, int]:
    """A number per graph held in this one, by its id; graphs that compute the same have one."""
    return _positions(graph)[1]


def _positions(graph: Graph) -> tuple[dict[tuple, int], dict[int, int]]:
    positions: dict[tuple, int] = {}
    known: dict[int, int] = {}
    for g in nested_graphs(graph):
        known[id(g)] = positions.setdefault(_key(g, known), len(positions))
    return positions, known


def structural_hash(graph: Graph) -> str:
    """The SHA-256 of `structural_key` in hex, the same in every process."""
    return hashlib.sha256(repr(structural_key(graph)).encode()).hexdigest()


def literal_key(value: Scalar) -> tuple[str, str]:
    """A Python number by type and spelling: tells 0.0 from -0.0, 1 from True; nan is nan."""
    kinds: tuple[Any, ...] = (bool, int, float, complex)
    for kind in kinds:
        if isinstance(value, kind):
            return kind.__name__, repr(kind(value))
    raise GraphError(f"{value!r} is not a number")


def _key(graph: Graph, known: dict[int, int]) -> tuple:
    numbers: dict[Value, int] = {v: i for i, v in enumerate(graph.inputs)}
    rows: list[tuple] = []
    for node in graph.nodes:
        operands = tuple(
            numbers[o] if isinstance(o, Value) else literal_key(o) for o in node.operands
        )
        rows.append((node.op.name, operands, *(_attribute_key(a, known) for a in node.attrs)))
        for v in node.outputs:
            numbers[v] = len(numbers)
    return (
        tuple(str(t) for t in graph.input_types),
        tuple(rows),
        tuple(numbers[v] for v in graph.outputs),
    )


def _attribute_key(value: Any, known: dict[int, int]) -> Any:
    """Whole numbers stand for themselves; anything else is tagged, so that none meet."""
    if type(value) is int:
        return value
    if isinstance(value, tuple):
        return ("tuple", *(_attribute_key(item, known) for item in value))
    if isinstance(value, DType):
        return "dtype", value.name
    if isinstance(value, str):
        return "str", str(value)
    if isinstance(value, Constant):
        return "constant", value.digest
    if isinstance(value, Graph):
        return "graph", known[id(value)]
    if value is None:
        return ("none",)
    return literal_key(value)
