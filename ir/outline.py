"""Folding a graph by scope: the nodes of a scope become one `call` of a graph of their own.

What comes out is a graph like any other: it verifies, prints, reads back and computes the
same. Scopes with equal insides call one graph, so that twelve equal layers are written once.
`inline` is the way back. Reached through `Graph.fold` and `Graph.unfold`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .collector import without_collector
from .graph import Graph, Node, Operand, Scope, Value
from .hash import structural_key
from .ops import get
from .rebuild import Rebuilder, copy_node


def folded_scope(node: Node, depth: int) -> Scope | None:
    """The scope that a node disappears in when scopes deeper than `depth` are folded.

    Phases do not count; all of an optimizer phase is one.
    """
    if node.scope is None:
        return None
    chain = node.scope.chain()
    for scope in chain:
        if scope.kind == "phase" and scope.name == "optimizer":
            return scope
    steps = [scope for scope in chain if scope.kind != "phase"]
    return steps[depth] if len(steps) > depth else None


@without_collector
def fold(graph: Graph, depth: int) -> Graph:
    """`graph` with scopes deeper than `depth` folded into calls; calls stay in order.

    A scope whose nodes do not stand side by side is folded in parts.
    Raises: ValueError if `depth` is negative.
    """
    if depth < 0:
        raise ValueError(f"fold: depth must not be negative, got {depth}")
    r = Rebuilder(graph)
    readers = _last_readers(graph)
    known: dict[tuple, Graph] = {}
    at = 0
    while at < len(graph.nodes):
        first = graph.nodes[at]
        scope = folded_scope(first, depth)
        end = at + 1
        while scope is not None and end < len(graph.nodes):
            if folded_scope(graph.nodes[end], depth) is not scope:
                break
            end += 1
        run = graph.nodes[at:end]
        if scope is None or len(run) == 1:
            for node in run:
                r.copy(node, r.map(node.operands))
        else:
            _fold_run(r, run, scope, end, readers, known)
        at = end
    return r.finish()


def _fold_run(
    r: Rebuilder,
    run: tuple[Node, ...],
    scope: Scope,
    end: int,
    readers: dict[Value, int],
    known: dict[tuple, Graph],
) -> None:
    made = {v for node in run for v in node.outputs}
    read = dict.fromkeys(
        o for node in run for o in node.operands if isinstance(o, Value) and o not in made
    )
    results = [v for node in run for v in node.outputs if readers.get(v, 0) >= end]
    env: dict[Value, Operand] = {v: Value(v.type) for v in read}
    inputs: list[Any] = list(env.values())
    nodes = []
    for node in run:
        new = copy_node(node, tuple(env[o] if isinstance(o, Value) else o for o in node.operands))
        nodes.append(new)
        env.update(zip(node.outputs, new.outputs, strict=True))
    outputs: list[Any] = [env[v] for v in results]
    named = dict(zip(r.graph.inputs, r.graph.input_names, strict=True))
    inside = f"{scope.name}."
    names = [named.get(v, f"arg{i}").removeprefix(inside) for i, v in enumerate(read)]
    body = Graph(inputs, nodes, outputs, name=_name(scope), input_names=names)
    body = known.setdefault((body.name, structural_key(body)), body)
    first = run[0]
    operands = r.map(read)
    # Where the scope stands: the call is one step inside what is around it.
    call = Node(get("call"), operands, (body,), first.loc, scope, first.cause, len(r.nodes))
    call.outputs = tuple(Value(v.type, call, i) for i, v in enumerate(results))
    r.nodes.append(call)
    r.env.update(zip(results, call.outputs, strict=True))


def _name(scope: Scope) -> str:
    """The scope's path without numbers, so that `layers.0` and `layers.1` may be one."""
    parts = re.split(r"[./]", scope.path)
    name = ".".join(part for part in parts if not part.isdigit()) or scope.name
    return name if len(name) <= 80 else name[-80:].lstrip(".")


def _last_readers(graph: Graph) -> dict[Value, int]:
    """The position of the last node that reads a value; past the end for a result."""
    out: dict[Value, int] = {}
    for at, node in enumerate(graph.nodes):
        for o in node.operands:
            if isinstance(o, Value):
                out[o] = at
    for v in graph.outputs:
        out[v] = len(graph.nodes)
    return out


@without_collector
def inline(graph: Graph, keep: Callable[[Node], bool] = lambda node: False) -> Graph:
    """The graph with every called graph's nodes in the call's place, but where `keep` says."""
    env: dict[Value, Operand] = {v: Value(v.type) for v in graph.inputs}
    inputs: list[Any] = list(env.values())
    nodes: list[Node] = []
    # One entry per graph being walked: its nodes yet to come, its values, and its call.
    stack: list[tuple[Graph, Any, dict[Value, Operand], Node | None]] = [
        (graph, iter(graph.nodes), env, None)
    ]
    while stack:
        walked, todo, values, call = stack[-1]
        for node in todo:
            operands = tuple(values[o] if isinstance(o, Value) else o for o in node.operands)
            if node.op.name == "call" and not keep(node):
                held: Graph = node.attr("graph")
                inner = dict(zip(held.inputs, operands, strict=True))
                stack.append((held, iter(held.nodes), inner, node))
                break
            new = copy_node(node, operands)
            new.seq = len(nodes)
            nodes.append(new)
            values.update(zip(node.outputs, new.outputs, strict=True))
        else:
            stack.pop()
            if call is not None:
                results = [values[v] for v in walked.outputs]
                stack[-1][2].update(zip(call.outputs, results, strict=True))
    outputs: list[Any] = [env[v] for v in graph.outputs]
    return Graph(
        inputs,
        nodes,
        outputs,
        name=graph.name,
        input_names=graph.input_names,
        output_names=graph.output_names,
        requires_grad=graph.requires_grad,
    )
