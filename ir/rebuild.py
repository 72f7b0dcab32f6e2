"""Making a graph from another: copying with substitution, and cutting a part out.

Imported by passes, `grad` and the tracer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .build import Builder
from .graph import Graph, Node, Operand, Value


class Rebuilder:
    """Copies a graph node by node; `replace` puts other values in a node's place.

    `builder`, or one of its own, appends to the same nodes.
    """

    def __init__(self, graph: Graph, builder: Builder | None = None):
        self.graph = graph
        self.env: dict[Value, Operand] = {v: Value(v.type) for v in graph.inputs}
        self.inputs = list(self.env.values())
        self.builder = Builder() if builder is None else builder
        self.nodes = self.builder.nodes

    def map(self, operands: Iterable[Operand]) -> tuple[Operand, ...]:
        return tuple(self.env[o] if isinstance(o, Value) else o for o in operands)

    def copy(self, node: Node, operands: tuple[Operand, ...]) -> tuple[Value, ...]:
        """Append the same op on `operands`, keeping attributes, scope and source line."""
        new = copy_node(node, operands)
        new.seq = len(self.nodes)  # nodes that a pass adds are numbered likewise
        self.nodes.append(new)
        self.replace(node, new.outputs)
        return new.outputs

    def building(self, node: Node) -> Builder:
        """A builder of what takes the place of a node: it has its scope and source line."""
        b = self.builder
        b.scope, b.loc, b.cause = node.scope, node.loc, node.cause
        return b

    def replace(self, node: Node, values: Sequence[Operand]) -> None:
        for old, new in zip(node.outputs, values, strict=True):
            self.env[old] = new

    def finish(self, outputs: Sequence[Value] | None = None, **options: Any) -> Graph:
        g = self.graph
        outs = [self.env[v] for v in g.outputs] if outputs is None else list(outputs)
        options = {
            "name": g.name,
            "input_names": g.input_names,
            "output_names": g.output_names,
            "requires_grad": g.requires_grad,
            **options,
        }
        return Graph(self.inputs, self.nodes, outs, **options)  # type: ignore[arg-type]


def copy_node(node: Node, operands: tuple[Operand, ...]) -> Node:
    new = Node(node.op, operands, node.attrs, node.loc, node.scope, node.cause, node.seq)
    new.outputs = tuple([Value(v.type, new, i) for i, v in enumerate(node.outputs)])
    return new


def extract(
    outputs: Sequence[Value], available: Iterable[Value], *, name: str = "main", **options: Any
) -> tuple[Graph, list[Value]]:
    """The part of a graph that makes `outputs` from `available` values.

    Returns the new graph and those of `available` it reads, in their order: its inputs.
    Values and nodes are copied; walking back stops at available values.
    """
    stops = list(available)
    stop_set = set(stops)
    seen: set[int] = set()
    nodes: list[Node] = []
    used: set[Value] = set()
    stack: list[Value] = list(outputs)
    while stack:
        v = stack.pop()
        if v in stop_set:
            used.add(v)
            continue
        node = v.node
        assert node is not None, f"{v!r} is neither available nor computed"
        if id(node) in seen:
            continue
        seen.add(id(node))
        nodes.append(node)
        stack.extend(o for o in node.operands if isinstance(o, Value))
    nodes.sort(key=lambda n: n.seq)
    inputs = [v for v in stops if v in used]
    env: dict[Value, Operand] = {v: Value(v.type) for v in inputs}
    made: list[Node] = []
    for node in nodes:
        new = copy_node(node, tuple(env[o] if isinstance(o, Value) else o for o in node.operands))
        made.append(new)
        for old, value in zip(node.outputs, new.outputs, strict=True):
            env.setdefault(old, value)
    graph = Graph([env[v] for v in inputs], made, [env[v] for v in outputs], name=name, **options)  # type: ignore
    return graph, inputs
