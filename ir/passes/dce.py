"""Dead code: nodes that no output reads. Imported by `ir.passes` alone."""

from __future__ import annotations

from ..collector import without_collector
from ..graph import Graph, Value
from ..nested import has_effect
from ..rebuild import Rebuilder


@without_collector
def eliminate_dead_code(graph: Graph) -> Graph:
    """Keep what outputs depend on, and nodes with an effect with what they depend on."""
    live: set[Value] = set(graph.outputs)
    keep: set[int] = set()
    for node in reversed(graph.nodes):
        if any(v in live for v in node.outputs) or has_effect(node):
            keep.add(id(node))
            live.update(o for o in node.operands if isinstance(o, Value))
    if len(keep) == len(graph.nodes):
        return graph
    new = Rebuilder(graph)
    for node in graph.nodes:
        if id(node) in keep:
            new.copy(node, new.map(node.operands))
    return new.finish()
