"""Running a graph node by node while somebody watches, held graphs and loop steps included.

Values are NumPy arrays, computed by the rules of `interpret`. Beside each value goes a *mark*,
whatever the watcher says of it (None at first), into branches and loop bodies and out again.
Imported by `anomaly`, and by tools that compare evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .graph import Graph, Node, Value
from .interpret import apply_quietly, check_failed, last_uses

Arrays = Sequence[Any]
Marks = Sequence[Any]


class Step(NamedTuple):
    """A held graph being run: the node that holds it, as what, and in which pass of a loop."""

    node: Node
    role: str
    number: int | None = None


class Stepwise:
    """Override `saw` to look at each node, `ran` to look at each run of a held graph."""

    def run(self, graph: Graph, args: Arrays, marks: Marks | None = None) -> tuple[list, list]:
        """The graph's outputs, and their marks.

        Raises: IndexError if a check fails, naming the user's line.
        """
        if len(args) != len(graph.inputs):
            raise ValueError(f"the graph takes {len(graph.inputs)} inputs, got {len(args)}")
        with np.errstate(all="ignore"):
            return self._run(graph, args, marks or [None] * len(args), ())

    def saw(
        self,
        graph: Graph,
        node: Node,
        args: Arrays,
        marks: Marks,
        results: Arrays,
        inside: tuple[Step, ...],
    ) -> Marks:
        """Marks for a node's results; called for nodes that hold no graphs."""
        return [None] * len(results)

    def ran(self, graph: Graph, args: Arrays, results: Arrays, inside: tuple[Step, ...]) -> None:
        """A held graph has been run, or (`inside` empty) the whole one."""

    def evaluate(self, node: Node, args: Arrays) -> Arrays:
        return apply_quietly(node, args)

    def _run(
        self, graph: Graph, args: Arrays, marks: Marks, inside: tuple[Step, ...]
    ) -> tuple[list, list]:
        env: dict[Value, tuple[Any, Any]] = dict(
            zip(graph.inputs, zip(args, marks, strict=True), strict=True)
        )
        for node, dead in zip(graph.nodes, last_uses(graph), strict=True):
            pairs = [env[o] if isinstance(o, Value) else (o, None) for o in node.operands]
            given, known = [p[0] for p in pairs], [p[1] for p in pairs]
            if node.op.name in _HOLDERS:
                results, new = _HOLDERS[node.op.name](self, node, given, known, inside)
            else:
                results = self.evaluate(node, given)
                new = self.saw(graph, node, given, known, results, inside)
            if node.op.name == "check" and not results[0]:
                raise check_failed(node.attr("message"), node.loc)
            env.update(zip(node.outputs, zip(results, new, strict=True), strict=True))
            for v in dead:
                del env[v]
        found = [env[v] for v in graph.outputs]
        results, new = [p[0] for p in found], [p[1] for p in found]
        self.ran(graph, args, results, inside)
        return results, new

    def _call(self, node: Node, args: Arrays, marks: Marks, inside: tuple[Step, ...]) -> tuple:
        graph = node.attr("graph")
        return self._run(graph, args, marks, (*inside, Step(node, graph.name)))

    def _cond(self, node: Node, args: Arrays, marks: Marks, inside: tuple[Step, ...]) -> tuple:
        which = "true" if args[0] else "false"
        step = Step(node, f"{which} branch")
        return self._run(node.attr(f"{which}_graph"), args[1:], marks[1:], (*inside, step))

    def _while(self, node: Node, args: Arrays, marks: Marks, inside: tuple[Step, ...]) -> tuple:
        condition, body, carries = node.attrs
        carried, consts = (list(args[:carries]), list(marks[:carries])), args[carries:]
        more = marks[carries:]
        number = 0
        while True:
            given, known = (*carried[0], *consts), (*carried[1], *more)
            go_on, _ = self._run(
                condition, given, known, (*inside, Step(node, "condition", number))
            )
            if not go_on[0]:
                return carried
            carried = self._run(body, given, known, (*inside, Step(node, "body", number)))
            number += 1

    def _scan(self, node: Node, args: Arrays, marks: Marks, inside: tuple[Step, ...]) -> tuple:
        graph, carries, xs, length, reverse, saves = node.attrs
        carried, seen = list(args[:carries]), list(marks[:carries])
        stacked, consts = args[carries : carries + xs], args[carries + xs :]
        more = marks[carries:]
        made = (*graph.outputs[carries:], *(graph.inputs[:carries] if saves else ()))
        empty = [np.empty((length, *v.type.shape), v.type.dtype.np) for v in made]
        ys: list[Any] = [None] * len(made)
        y_marks: list[Any] = [None] * len(made)
        for t in reversed(range(length)) if reverse else range(length):
            given = (*carried, *(x[t] for x in stacked), *consts)
            step = Step(node, "step", t)
            outs, new = self._run(graph, given, (*seen, *more), (*inside, step))
            rows = (*outs[carries:], *(carried if saves else ()))
            row_marks = (*new[carries:], *(seen if saves else ()))
            for i, (row, mark) in enumerate(zip(rows, row_marks, strict=True)):
                if ys[i] is None:  # as wide as the rows, whatever `evaluate` makes of them
                    ys[i] = np.empty(empty[i].shape, np.asarray(row).dtype)
                ys[i][t] = row
                y_marks[i] = mark if y_marks[i] is None else y_marks[i]
            carried, seen = outs[:carries], new[:carries]
        ys = [e if y is None else y for y, e in zip(ys, empty, strict=True)]
        return [*carried, *ys], [*seen, *y_marks]


_HOLDERS = {
    "call": Stepwise._call,
    "cond": Stepwise._cond,
    "while_loop": Stepwise._while,
    "scan": Stepwise._scan,
}
