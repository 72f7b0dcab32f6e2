"""The first node in which two ways of running a graph part, and a small graph that shows it.

Both ways give every value; the nodes whose values differ are then run alone, on the values that
the second way gives, so that a rounding error that has grown on its way is told from a wrong
node; where none is wrong alone, double precision says what is rounding. Inside a node that
holds graphs the search goes on. Reached through `thrace.debug.bisect` and `thrace bisect`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..ir.graph import Graph, Node, Value
from ..ir.nested import held_graphs
from ..ir.ops import OPS
from ..ir.ops.shape import Constant
from ..ir.parser import DATA
from ..ir.printer import literal_text, value_names
from ..ir.rebuild import extract
from ..ir.source import Location, resolve
from ..ir.stepwise import Step, Stepwise
from ..tracer.tracing import trace_with_data
from .compare import differences, largest
from .files import write_atomically
from .ways import Arrays, Way, find_way

ALONE = 200  # nodes that differ, run alone to find the one at fault
ROUNDING = 30  # times the smaller error of the two ways
RUNS = 2_000  # runs of held graphs looked into


class Difference(NamedTuple):
    """Where two ways part: the node, its line, how its results differ.

    `graph` is the smallest graph found that still shows it on `inputs`; `alone` says whether
    that is the node by itself. `inside` are the branches and loop steps around it. `path` is the
    file that was written, if any.
    """

    first: str
    second: str
    node: Node
    name: str
    difference: str
    location: Location | None
    cause: Location | None
    inside: tuple[str, ...]
    graph: Graph
    inputs: tuple[np.ndarray, ...]
    alone: bool
    path: str | None = None

    @property
    def command(self) -> str:
        """What shows the difference again."""
        file = self.path or "FILE"
        return f"thrace run {file} --evaluator {self.first},{self.second}"

    def __str__(self) -> str:
        node = self.node
        lines = [f"{self.first} and {self.second} part at {self.name} = {node.op.name} "]
        lines[0] += f"({node.phase}): {self.difference}"
        lines += [f"  {self.location}"] if self.location else []
        lines += [f"  differentiates {self.cause}"] if self.cause else []
        lines += [f"  in {step}" for step in self.inside]
        lines += [f"  under {node.scope.path}"] if node.scope is not None else []
        size = len(self.graph)
        shown = "by itself" if self.alone else f"in a graph of {size} nodes"
        lines += [f"  shows {shown}: {self.command}"]
        return "\n".join(lines)


def bisect(
    fn: Callable[..., Any] | Graph,
    *args: Any,
    first: str = "whole",
    second: str = "numpy",
    tolerance: float | None = None,
    path: str | os.PathLike[str] | None = None,
    **kwargs: Any,
) -> Difference | None:
    """The first node in which two ways of running `fn(*args, **kwargs)` part; None if they agree.

    Ways are "whole" (one XLA program), "ops" (XLA, op by op), "numpy", "float64" (NumPy in double
    precision), or a device. `fn` may be a graph; then the arguments are arrays for its inputs.
    `tolerance` is the difference allowed as part of the largest magnitude of a result, by default
    what its dtype lets one expect. The smallest graph that shows the difference is written to
    `path`, with its data, for `thrace run`.

    Raises: ValueError for an unknown way; TypeError for arguments that are no tensors.
    """
    ways = find_way(first), find_way(second)
    if isinstance(fn, Graph):
        graph, arrays = fn, [np.asarray(a) for a in args]
        if len(arrays) != len(graph.inputs):
            raise TypeError(f"the graph takes {len(graph.inputs)} inputs, got {len(arrays)}")
    else:
        graph, held = trace_with_data(fn, *args, **kwargs)
        if any(a is None for a in held):
            raise TypeError("bisect: arguments must be tensors with data, not specs")
        arrays = [a for a in held if a is not None]
    found = search(graph, arrays, *ways, tolerance=tolerance)
    if found is None or path is None:
        return found
    write_atomically(path, replayed(found).encode())
    return found._replace(path=os.fspath(path))


def search(
    graph: Graph, arrays: Arrays, first: Way, second: Way, *, tolerance: float | None = None
) -> Difference | None:
    """`bisect` on a graph and arrays for its inputs."""
    return _Search(first, second, tolerance).run(graph, arrays, ())


def replayed(found: Difference) -> str:
    """The smallest graph and its data as one text, for `thrace run`."""
    comment = "\n".join(f"# {line}" for line in str(found._replace(path=None)).splitlines())
    if not found.graph.inputs:
        return f"{comment}\n\n{found.graph.to_text()}"
    nodes = []
    for array in found.inputs:
        node = Node(OPS["constant"], (), (Constant(array),))
        (type_,) = (node.op.infer((), node.attrs),)
        node.outputs = (Value(type_, node),)  # type: ignore[arg-type]
        nodes.append(node)
    data = Graph(
        [], nodes, [n.outputs[0] for n in nodes], name=DATA, output_names=found.graph.input_names
    )
    return f"{comment}\n\n{data.to_text()}\n{found.graph.to_text()}"


class _Runs(Stepwise):
    """Notes every run of a held graph: what went in, what came out."""

    def __init__(self) -> None:
        self.found: list[tuple[Graph, Arrays, Arrays, tuple[Step, ...]]] = []

    def ran(self, graph: Graph, args: Arrays, results: Arrays, inside: tuple[Step, ...]) -> None:
        # Those directly inside: deeper ones are met when the search goes on.
        if len(inside) == 1 and len(self.found) < RUNS:
            self.found.append((graph, list(args), list(results), inside))


class _Search:
    def __init__(self, first: Way, second: Way, tolerance: float | None):
        self.first, self.second, self.tolerance = first, second, tolerance

    def run(self, graph: Graph, arrays: Arrays, inside: tuple[str, ...]) -> Difference | None:
        a = self.first.values(graph, arrays)
        b = self.second.values(graph, arrays)
        suspects = [n for n in graph.nodes if self._node_differs(n, a, b)]
        for node in suspects[:ALONE]:
            small, given = self._around(graph, node, b, 0)
            text = self._graph_differs(small, given)
            if text:
                return self._inside(graph, node, small, given, text, inside)
        exact = find_way("float64").values(graph, arrays) if suspects else {}
        for node in suspects:
            if not all(self._rounded(a[v], b[v], exact[v]) for v in node.outputs):
                return self._in_context(graph, node, a, b, inside)
        text = self._graph_differs(graph, arrays)
        if text and suspects:  # of rounding errors that have grown
            got, found = self.first.outputs(graph, arrays), self.second.outputs(graph, arrays)
            if all(map(self._rounded, got, found, [exact[v] for v in graph.outputs])):
                text = ""
        # Only without the values in between: what XLA fuses is at fault.
        return self._fused(graph, arrays, b, text, inside) if text else None

    def _node_differs(self, node: Node, a: dict, b: dict) -> str:
        return self._differ([a[v] for v in node.outputs], [b[v] for v in node.outputs], ())

    def _rounded(self, a: np.ndarray, b: np.ndarray, exact: np.ndarray) -> bool:
        """Whether values part no more than either does from what double precision gives: what
        cancels, or is divided by what has cancelled, holds little but rounding errors."""
        if "float64" in (self.first.name, self.second.name) or a.dtype.kind in "iub":
            return np.array_equal(a, b)
        wide = [x.astype(np.complex128 if x.dtype.kind == "c" else float) for x in (a, b, exact)]
        ends = np.logical_and.reduce([np.isfinite(x) for x in wide])
        a, b, exact = (np.where(ends, x, 0) for x in wide)
        errors = [float(np.abs(x - exact).max(initial=0.0)) for x in (a, b)]
        return float(np.abs(a - b).max(initial=0.0)) <= ROUNDING * min(errors)

    def _graph_differs(self, graph: Graph, arrays: Arrays) -> str:
        got = self.first.outputs(graph, arrays)
        return self._differ(got, self.second.outputs(graph, arrays), arrays)

    def _differ(self, a: Arrays, b: Arrays, operands: Arrays) -> str:
        """How results differ; noise of the operands' size is none, unless precision is asked."""
        precise = "float64" in (self.first.name, self.second.name)
        beside = 0.0 if precise else largest(operands)
        for x, y in zip(a, b, strict=True):
            text = differences(x, np.asarray(y).astype(x.dtype), beside, self.tolerance)
            if text:
                return text
        return ""

    def _around(
        self, graph: Graph, node: Node, values: dict[Value, Any], hops: int
    ) -> tuple[Graph, list[np.ndarray]]:
        """The node with what makes its operands, so many steps back, and arrays for the rest."""
        chosen = {id(node)}
        last = [node]
        for _ in range(hops):
            before = [o.node for n in last for o in n.operands if isinstance(o, Value)]
            last = [n for n in before if n is not None and id(n) not in chosen]
            chosen |= {id(n) for n in last}
        outside = [
            *graph.inputs,
            *(v for n in graph.nodes if id(n) not in chosen for v in n.outputs),
        ]
        names = {v: text[1:].strip('"') for v, text in value_names(graph).items()}
        small, given = extract(node.outputs, outside, name=node.op.name)
        named = Graph(
            *(small.inputs, small.nodes, small.outputs),
            name=small.name,
            input_names=[f"v{n}" if (n := names[v]).isdigit() else n for v in given],
        )
        dtypes = [v.type.dtype.np for v in given]
        return named, [np.asarray(values[v]).astype(d) for v, d in zip(given, dtypes, strict=True)]

    def _in_context(
        self, graph: Graph, node: Node, a: dict, b: dict, inside: tuple[str, ...]
    ) -> Difference:
        """The node with as little of what comes before as still shows the difference."""
        hops = 1
        while hops <= 2 * len(graph.nodes):
            small, given = self._around(graph, node, b, hops)
            text = self._graph_differs(small, given)
            if text:
                return self._found(graph, node, small, given, text, inside)
            hops += 1 if hops < 4 else hops
        small, given = self._around(graph, node, b, len(graph.nodes))
        text = self._node_differs(node, a, b)
        return self._found(graph, node, small, given, text, inside)

    def _fused(
        self,
        graph: Graph,
        arrays: Arrays,
        b: dict[Value, Any],
        text: str,
        inside: tuple[str, ...],
    ) -> Difference:
        """The first node that differs as the only result of what makes it."""
        everything = len(graph.nodes)

        def differs(node: Node) -> str:
            return self._graph_differs(*self._around(graph, node, b, everything))

        makers = dict.fromkeys(v.node for v in graph.outputs if v.node is not None)
        last = next((node for node in makers if differs(node)), None)
        if last is None:  # it takes all results at once
            return self._found(graph, next(iter(makers)), graph, arrays, text, inside)
        behind: set[int] = set()
        todo: list[Node] = [last]
        while todo:
            node = todo.pop()
            if id(node) not in behind:
                behind.add(id(node))
                todo += [o.node for o in node.operands if isinstance(o, Value) and o.node]
        line = [n for n in graph.nodes if id(n) in behind]
        low, high = 0, len(line) - 1  # the last one differs
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if differs(line[middle]) else (middle + 1, high)
        return self._in_context(graph, line[low], b, b, inside)

    def _inside(
        self,
        graph: Graph,
        node: Node,
        small: Graph,
        given: Arrays,
        text: str,
        inside: tuple[str, ...],
    ) -> Difference:
        """What is at fault in a node that differs by itself: one it holds, or the node."""
        if any(True for _ in held_graphs(node)):
            runs = _Runs()
            runs.run(small, given)
            for held, args, results, steps in runs.found:
                if self._differ(self.first.outputs(held, args), results, args):
                    deeper = self.run(held, args, (*inside, _told(steps[0])))
                    if deeper is not None:
                        return deeper
        return self._found(graph, node, small, given, text, inside)

    def _found(
        self,
        graph: Graph,
        node: Node,
        small: Graph,
        given: Arrays,
        text: str,
        inside: tuple[str, ...],
    ) -> Difference:
        return Difference(
            *(self.first.name, self.second.name, node),
            value_names(graph)[node.outputs[0]],
            text,
            resolve(node.loc),
            resolve(node.cause),
            inside,
            small,
            tuple(np.asarray(a) for a in given),
            len(small) == 1,
        )


def _told(step: Step) -> str:
    number = "" if step.number is None else f" {literal_text(step.number)}"
    place = resolve(step.node.loc)
    return f"{step.role}{number} of {step.node.op.name}" + (f" at {place}" if place else "")
