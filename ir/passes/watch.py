"""Passes watched: the graph before and after each one. Reached through `Graph.passes`."""

from __future__ import annotations

import functools
from typing import NamedTuple

from ..columns import columns, preformatted, seconds_text
from ..diff import GraphDiff, diff
from ..graph import Graph
from . import Pass, optimize


class PassStep(NamedTuple):
    """One run of one pass over one graph; `after` is `before` where there was nothing to do."""

    name: str
    before: Graph
    after: Graph
    seconds: float

    @property
    def changed(self) -> bool:
        return self.after is not self.before

    @property
    def diff(self) -> GraphDiff:
        return diff(self.before, self.after)

    def __str__(self) -> str:
        took = seconds_text(self.seconds)
        if not self.changed:
            return f"{self.name}: nothing to do, {took}"
        return f"{self.name}: {len(self.before)} to {len(self.after)} nodes, {took}"


class PassLog:
    """What each pass did; `result` is what is compiled. Prints as a table, then the changes."""

    def __init__(self, graph: Graph, result: Graph, steps: list[PassStep]):
        self.graph = graph
        self.result = result
        self.steps = tuple(steps)

    def __str__(self) -> str:
        rows = [("pass", "graph", "before", "after", "time")]
        rows += [
            (s.name, s.before.name, str(len(s.before)), str(len(s.after)), seconds_text(s.seconds))
            for s in self.steps
        ]
        out = columns(rows, left=2)
        for step in self.steps:
            if step.changed:
                out += ["", f"{step.before.name}: {step}", step.diff.text()]
        return "\n".join(out)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return preformatted(str(self))


def watch(graph: Graph) -> PassLog:
    """Run all passes and keep what each one saw and made."""
    steps: list[PassStep] = []
    saw = functools.partial(_keep, steps)
    return PassLog(graph, optimize(graph, saw), steps)


def _keep(steps: list[PassStep], run: Pass, before: Graph, after: Graph, seconds: float) -> None:
    steps.append(PassStep(run.__name__, before, after, seconds))
