"""Strip: what only matters to differentiation goes, right before a graph is run."""

from __future__ import annotations

from ..graph import Graph
from ..rebuild import Rebuilder


def strip_history(graph: Graph) -> Graph:
    """`detach(x)` and `graft(x, y)` become `x`. The result must not be differentiated."""
    if not any(node.op.name in ("detach", "graft") for node in graph.nodes):
        return graph
    new = Rebuilder(graph)
    for node in graph.nodes:
        operands = new.map(node.operands)
        if node.op.name in ("detach", "graft"):
            new.replace(node, (operands[0],))
        else:
            new.copy(node, operands)
    return new.finish()
