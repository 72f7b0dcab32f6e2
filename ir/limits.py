"""How large a graph file may be, so that a hostile one is an error and neither hangs nor
fills the memory. Used by `parser` and `jsonform`.
"""

from __future__ import annotations

from typing import NamedTuple

from .errors import GraphError
from .graph import Graph
from .nested import held_graphs


class Limits(NamedTuple):
    """What a file may have; `expanded` counts nodes with every called graph in line."""

    size_bytes: int = 1 << 30
    nodes: int = 4_000_000
    graphs: int = 100_000
    nesting: int = 200  # graphs in graphs
    expanded: int = 1 << 40


LIMITS = Limits()
SCOPES = 500  # inside one another; Python's own stack allows twice that


class SizeCheck:
    """Counts what has been read; `add` is called with each graph, those it holds first."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.nodes = 0
        self._graphs: dict[int, tuple[int, int]] = {}  # levels and expanded nodes of each

    def text(self, text: str) -> None:
        """Raises: GraphError if there is too much text."""
        self._check("bytes", len(text), self.limits.size_bytes)

    def node(self) -> None:
        """One more node. Raises: GraphError."""
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            self._check("nodes", self.nodes, self.limits.nodes)

    def add(self, graph: Graph) -> None:
        """One more graph. Raises: GraphError if it is nested too deep or grows too large."""
        levels, expanded = 0, len(graph.nodes)
        for node in graph.nodes:
            if node.attrs:
                for held in held_graphs(node):
                    inner_levels, inner_expanded = self._graphs[id(held)]
                    levels = max(levels, inner_levels)
                    expanded += inner_expanded
        self._graphs[id(graph)] = levels + 1, expanded
        self._check("graphs", len(self._graphs), self.limits.graphs)
        self._check("graphs in graphs", levels + 1, self.limits.nesting)
        self._check("nodes with called graphs in line", expanded, self.limits.expanded)

    def _check(self, what: str, count: int, most: int) -> None:
        if count > most:
            raise GraphError(f"the file has {count:,} {what}, and at most {most:,} are read")
