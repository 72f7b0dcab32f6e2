"""Strip: what only matters to differentiation goes, right before a graph is run."""

from __future__ import annotations

from ..graph import Graph
from ..rebuild import Rebuilder

HISTORY = ("detach", "graft", "opaque")


def strip_history(graph: Graph) -> Graph:
    """`detach(x)`, `graft(x, y)` and `opaque(x)` become `x`.

    The result must not be differentiated.
    """
    if not any(node.op.name in HISTORY for node in graph.nodes):
        return graph
    new = Rebuilder(graph)
    for node in graph.nodes:
        operands = new.map(node.operands)
        if node.op.name in HISTORY:
            new.replace(node, (operands[0],))
        else:
            new.copy(node, operands)
    return new.finish()
