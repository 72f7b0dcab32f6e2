"""`thrace.profiler`: where the time of a step goes, by node, scope and line of the user's code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..ir.columns import columns, count_text, preformatted, seconds_text, shortened
from ..ir.cost import graph_cost, scope_path
from ..ir.graph import Graph, Node
from ..ir.printer import value_names
from ..ir.source import Location, resolve
from ..runtime.device import CPU, Device, normalize
from .files import write_atomically

if TYPE_CHECKING:
    from ..runtime.measure import Measured

K = TypeVar("K")
METHODS = ("auto", "trace", "segments")
GROUPS = ("line", "scope", "op", "phase", "node")


class Profile:
    """Seconds per node of one step.

    `graph` is the graph that ran, `node_s` lines up with its nodes, `step_s` is how long
    the measured step ran and `attributed` which part of it the nodes have; `call_s` is what
    calling it took besides, to hand over inputs and outputs. Prints as a
    table; `render` draws the graph coloured by time, `chrome_trace` writes a trace that
    chrome://tracing and ui.perfetto.dev open.
    """

    def __init__(self, measured: Measured, name: str, device: Device):
        self.graph: Graph = measured.graph
        self.node_s = measured.node_s
        self.step_s = measured.step_s
        self.call_s = measured.call_s
        self.untraced_s = measured.untraced_s
        self.attributed = measured.attributed
        self.method = measured.method
        self.how = measured.how
        self.events = measured.events
        self.name = name
        self.device = device

    def by_node(self) -> list[tuple[Node, float]]:
        """Nodes with their seconds, slowest first."""
        pairs = zip(self.graph.nodes, self.node_s, strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])

    def by_scope(self, depth: int | None = None) -> dict[str, float]:
        """Seconds per scope path, cut to `depth` steps below the phase; slowest first."""
        return self._by(lambda node: scope_path(node, depth))

    def by_line(self) -> dict[Location | None, float]:
        """Seconds per line of the user's code, slowest first; a gradient counts with the
        forward line that it is of."""
        return self._by(lambda node: resolve(node.cause or node.loc))

    def by_op(self) -> dict[str, float]:
        return self._by(lambda node: node.op.name)

    def by_phase(self) -> dict[str, float]:
        return self._by(lambda node: node.phase)

    def _by(self, key: Callable[[Node], K]) -> dict[K, float]:
        out: dict[K, float] = {}
        for node, seconds in zip(self.graph.nodes, self.node_s, strict=True):
            k = key(node)
            out[k] = out.get(k, 0.0) + seconds
        return dict(sorted(out.items(), key=lambda item: -item[1]))

    def table(self, by: str = "line", top: int = 15, depth: int = 2) -> str:
        """The slowest lines, scopes, ops, phases or nodes.

        Raises: ValueError for another group.
        """
        if by not in GROUPS:
            raise ValueError(f"table: by must be one of {', '.join(GROUPS)}, got {by!r}")
        groups = self._grouped(by, depth)
        phased = ("fwd", "bwd", "opt") if by == "line" else ()
        rows: list[tuple[str, ...]] = [("time", "%", *phased, "FLOP/s", f" {by}")]
        for name, (seconds, phases, flops) in list(groups.items())[:top]:
            row = (seconds_text(seconds), f"{100 * seconds / self.step_s:.1f}")
            if by == "line":
                row += tuple(
                    seconds_text(phases[p]) if p in phases else ""
                    for p in ("forward", "backward", "optimizer")
                )
            rate = count_text(flops / seconds) if seconds > 0 and flops else ""
            rows.append((*row, rate, f" {shortened(name, 100)}"))
        more = len(groups) - top
        return "\n".join(
            [
                f"{self.name} on {self.device}: {seconds_text(self.step_s)} a step "
                f"({seconds_text(self.untraced_s)} a call unobserved), "
                f"{100 * self.attributed:.1f} % attributed to {len(self.graph)} nodes",
                f"measured {self.how}{self._call_text()}",
                "",
                *columns(rows, left=0),
                *([f"... {more} more"] if more > 0 else []),
            ]
        )

    def _call_text(self) -> str:
        if self.call_s == 0:
            return ""
        inputs, outputs = len(self.graph.inputs), len(self.graph.outputs)
        return (
            f"; calling it, with {inputs} inputs and {outputs} outputs to hand over, took "
            f"{seconds_text(self.call_s)} more"
        )

    def _grouped(self, by: str, depth: int) -> dict[str, tuple[float, dict[str, float], int]]:
        """Seconds, seconds per phase and operations of each group, slowest first."""
        names = value_names(self.graph) if by == "node" else {}

        def key(node: Node) -> str:
            if by == "line":
                place = resolve(node.cause or node.loc)
                return str(place) if place else "(no line)"
            if by == "scope":
                return scope_path(node, depth)
            if by == "op":
                return node.op.name
            if by == "phase":
                return node.phase
            results = ", ".join(f"{names[v]}: {v.type}" for v in node.outputs)
            return f"{results} = {node.op.name}  {scope_path(node)}"

        out: dict[str, tuple[float, dict[str, float], int]] = {}
        costs = graph_cost(self.graph).nodes
        for node, seconds, cost in zip(self.graph.nodes, self.node_s, costs, strict=True):
            k = key(node)
            total, phases, flops = out.get(k, (0.0, {}, 0))
            phases[node.phase] = phases.get(node.phase, 0.0) + seconds
            out[k] = total + seconds, phases, flops + cost.flops + cost.transcendentals
        return dict(sorted(out.items(), key=lambda item: -item[1][0]))

    def __str__(self) -> str:
        return self.table()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    def render(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        depth: int | None = None,
    ) -> str:
        """Draw the graph, coloured by time, and return the path; as `Graph.render` does."""
        from .picture import render

        heat = dict(zip(self.graph.nodes, self.node_s, strict=True))
        return render(self.graph, path, format, depth, heat)

    def chrome_trace(self, path: str | os.PathLike[str]) -> str:
        """Write the step in Chrome's trace format, for chrome://tracing and ui.perfetto.dev."""
        return write_atomically(path, json.dumps(self._trace_events()).encode())

    def _trace_events(self) -> dict[str, Any]:
        tracks = {name: i for i, name in enumerate(dict.fromkeys(e.track for e in self.events))}
        events: list[dict[str, Any]] = [
            {"ph": "M", "name": "thread_name", "pid": 0, "tid": tid, "args": {"name": name}}
            for name, tid in tracks.items()
        ]
        for e in self.events:
            nodes = [self.graph.nodes[n] for n in e.nodes if n < len(self.graph.nodes)]
            largest = max(nodes, key=lambda n: self.node_s[e.nodes[nodes.index(n)]], default=None)
            place = resolve(largest.cause or largest.loc) if largest is not None else None
            events.append(
                {
                    "ph": "X",
                    "name": e.name,
                    "cat": largest.phase if largest is not None else "",
                    "pid": 0,
                    "tid": tracks[e.track],
                    "ts": e.start_s * 1e6,
                    "dur": e.duration_s * 1e6,
                    "args": {
                        "ops": ", ".join(dict.fromkeys(n.op.name for n in nodes)),
                        "scope": scope_path(largest) if largest is not None else "",
                        "line": str(place) if place else "",
                    },
                }
            )
        return {"displayTimeUnit": "ms", "traceEvents": events}


def profile(
    fn: Callable[..., Any], *args: Any, repeats: int = 5, method: str = "auto", **kwargs: Any
) -> Profile:
    """Run a function and say where its time goes: `print(thrace.profiler.profile(step, x, y))`.

    `fn` is compiled if it is not yet, and called with the arguments until it has a trace for
    them; that one is then run `repeats` times beside it, on copies of what it reads, so that
    no state is changed by the measuring. `method` is "trace" (JAX's profiler), "segments"
    (parts of the step compiled and timed by themselves) or "auto", which takes the trace
    where the backend says when single operations run.

    Raises: FallbackError if the function cannot be one graph; RuntimeError if `method` is
    "trace" and the backend gives none; ValueError for another method.
    """
    from ..tracer.recorded import record

    _check(repeats, method)
    found = record(fn, args, kwargs)
    return profile_graph(
        found.graph, found.arrays, found.device, repeats=repeats, method=method, name=found.name
    )


def profile_graph(
    graph: Graph,
    arrays: Sequence[Any],
    device: Device | str = CPU,
    *,
    repeats: int = 5,
    method: str = "auto",
    name: str | None = None,
) -> Profile:
    """`profile` for a graph and an array per input."""
    from ..runtime.buffer import is_numpy, to_jax
    from ..runtime.measure import measure

    _check(repeats, method)
    device = normalize(device)
    placed = [to_jax(a, device) if is_numpy(a) else a for a in arrays]
    measured = measure(graph.unfold(), placed, device, repeats=repeats, method=method)
    return Profile(measured, name or graph.name, device)


def _check(repeats: int, method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"profile: method must be one of {', '.join(METHODS)}, got {method!r}")
    if repeats < 1:
        raise ValueError(f"profile: repeats must be at least 1, got {repeats}")
