"""Common subexpressions: equal nodes become one. Imported by `ir.passes` alone."""

from __future__ import annotations

from collections.abc import Hashable

from ..collector import without_collector
from ..graph import Graph, Value
from ..hash import literal_key
from ..nested import has_effect
from ..rebuild import Rebuilder


@without_collector
def eliminate_common_subexpressions(graph: Graph) -> Graph:
    """Keep the first of equal nodes without an effect; its source line and scope survive.

    Literals are equal if they are spelled alike: 0.0 is not -0.0 nor 0, and nan is nan.
    """
    new = Rebuilder(graph)
    seen: dict[Hashable, tuple[Value, ...]] = {}
    for node in graph.nodes:
        operands = new.map(node.operands)
        spelled = tuple([o if isinstance(o, Value) else literal_key(o) for o in operands])
        key = (node.op, spelled, node.attrs)
        first = seen.get(key)
        if first is not None:
            new.replace(node, first)
        elif has_effect(node):
            new.copy(node, operands)
        else:
            seen[key] = new.copy(node, operands)
    return new.finish() if len(new.nodes) < len(graph.nodes) else graph
