"""Graphs too deep for XLA, cut into programs that run one after another.

XLA's CPU compiler goes through dependent operations recursively and crashes the process
on a chain of 30,000. Long before that its time grows faster than the chain: 0.6 ms a node
on 2,000 of them, 2.4 ms on 8,000. Used by `executable`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..ir.graph import Graph, Node, Operand, Value
from ..ir.nested import held_graphs, nested_graphs
from ..ir.outline import inline
from ..ir.rebuild import copy_node
from .buffer import is_numpy, to_jax
from .device import Device

DEPTH_LIMIT = 4_000  # dependent nodes in one program
DEEP_SEGMENT = 2_000  # nodes in each program that a deeper graph is cut into
NODES_LIMIT = 20_000  # nodes in one program, however shallow


class Segment(NamedTuple):
    """One program: where in the table of live values its arguments and results stand."""

    graph: Graph
    args: tuple[int, ...]
    results: tuple[int, ...]
    donate: tuple[int, ...]
    dead: tuple[int, ...]  # values that no later segment reads


def segment_size(graph: Graph) -> int:
    """How many nodes of the graph make one program, or 0 if all of them do."""
    graphs = nested_graphs(graph)
    if len(graphs) == 1 and len(graph) <= DEPTH_LIMIT:
        return 0
    sizes: dict[int, tuple[int, int]] = {}
    for g in graphs:  # a graph comes after those it holds
        sizes[id(g)] = _nodes_and_depth(g, sizes)
    nodes, depth = sizes[id(graph)]
    if depth > DEPTH_LIMIT:
        return DEEP_SEGMENT
    return NODES_LIMIT if nodes > NODES_LIMIT else 0


def _nodes_and_depth(graph: Graph, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Nodes, and the longest chain of dependent ones, with called graphs put in line."""
    nodes = deepest = 0
    depth: dict[Value, int] = {}
    for node in graph.nodes:
        held = [known[id(h)] for h in held_graphs(node)]
        nodes += 1 + sum(n for n, _ in held)
        before = max((depth.get(o, 0) for o in node.operands if isinstance(o, Value)), default=0)
        here = before + 1 + max((d for _, d in held), default=0)
        deepest = max(deepest, here)
        for v in node.outputs:
            depth[v] = here
    return nodes, deepest


class Plan(NamedTuple):
    segments: list[Segment]
    outputs: tuple[int, ...]  # where the graph's outputs stand in the table of live values


def split(graph: Graph, nodes: int) -> Plan:
    """The graph in stretches of that many nodes."""
    graph = inline(graph)
    starts = range(0, len(graph.nodes), nodes)
    return plan_of(graph, [graph.nodes[i : i + nodes] for i in starts])


def plan_of(graph: Graph, stretches: Sequence[Sequence[Node]]) -> Plan:
    """One segment per stretch; together they are all nodes of the graph, in order. Each consumes
    what it is the last to read, the graph's own inputs apart."""
    numbers: dict[Value, int] = {v: i for i, v in enumerate(graph.inputs)}
    last: dict[Value, int] = {}  # the last stretch that reads a value
    for i, stretch in enumerate(stretches):
        for node in stretch:
            for o in node.operands:
                if isinstance(o, Value):
                    last[o] = i
            for v in node.outputs:
                numbers[v] = len(numbers)
    kept = set(graph.outputs)
    lent = set(graph.inputs)
    segments = [
        _segment(f"{graph.name}_{i}", i, stretch, numbers, last, kept, lent)
        for i, stretch in enumerate(stretches)
    ]
    return Plan(segments, tuple(numbers[v] for v in graph.outputs))


def _segment(
    name: str,
    i: int,
    stretch: Sequence[Node],
    numbers: dict[Value, int],
    last: dict[Value, int],
    kept: set[Value],
    lent: set[Value],
) -> Segment:
    made = {v for node in stretch for v in node.outputs}
    read: dict[Value, None] = {}  # in order of first use, so that equal stretches are equal
    for node in stretch:
        for o in node.operands:
            if isinstance(o, Value) and o not in made:
                read[o] = None
    handed = [v for node in stretch for v in node.outputs if v in kept or last.get(v, -1) > i]
    env: dict[Value, Operand] = {v: Value(v.type) for v in read}
    nodes: list[Node] = []
    for node in stretch:
        new = copy_node(node, tuple(env[o] if isinstance(o, Value) else o for o in node.operands))
        nodes.append(new)
        env.update(zip(node.outputs, new.outputs, strict=True))
    finished = {v for v in read if last[v] == i and v not in kept}
    return Segment(
        Graph([env[v] for v in read], nodes, [env[v] for v in handed], name=name),  # type: ignore
        args=tuple(numbers[v] for v in read),
        results=tuple(numbers[v] for v in handed),
        donate=tuple(j for j, v in enumerate(read) if v in finished and v not in lent),
        dead=tuple(numbers[v] for v in finished),
    )


def joined(
    plan: Plan, runs: Sequence[Callable[[list[Any], list[Any]], None]], device: Device
) -> Callable[..., list[Any]]:
    """One function that runs all segments: the graph's results, then their check words."""

    def run(*args: Any) -> list[Any]:
        live: dict[int, Any] = dict(enumerate(args))
        words: list[Any] = []
        for segment, program in zip(plan.segments, runs, strict=True):
            got: list[Any] = []
            program([live[n] for n in segment.args], got)
            for n in segment.dead:
                del live[n]
            count = len(segment.results)
            live.update(zip(segment.results, got[:count], strict=True))
            words += got[count:]
        # Only an input handed out as it came can be a NumPy array.
        outputs = [live[n] for n in plan.outputs]
        return [to_jax(v, device) if is_numpy(v) else v for v in outputs] + words

    return run
