"""A plan as a graph that can be differentiated: history links become ops.

A value may lack the history its operands would give it (`detach`, `no_grad`) or have
another's (a write through `detach`). In a graph of its own that must be said by nodes.
Imported by compiled functions and tracing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.graph import Graph, Node, Value
from ..ir.ops import OPS
from .evaluate import Part

_DETACH, _GRAFT, _OPAQUE = OPS["detach"], OPS["graft"], OPS["opaque"]


class Unmarked:
    """The end of an edge at a traced input that does not require grad by itself. Its history
    is kept all the same, because `Graph.backward` may be asked for any input."""


class _Differentiable:
    def __init__(self, plan: Part, leaves: dict[Any, Value]):
        self.plan = plan
        self.leaves = leaves  # edge -> the input whose gradient it is
        self.flows: set[Value] = set()  # values the graph alone would differentiate
        self.made: list[Node] = []
        self.user: Node | None = None  # whose operands are being looked up
        self.ends: Sequence[Value] = ()
        self.env: dict[Value, Value] = {}
        self.cut: dict[Value, Value] = {}
        self.at = 0  # position of the node being copied
        marked = set(leaves.values())
        for v in plan.inputs:
            self.env[v] = Value(v.type)
            if v in marked:
                self.flows.add(v)

    def build(self, ends: Sequence[Value], **options: Any) -> Graph:
        self.ends = ends
        env, flows, made = self.env, self.flows, self.made
        for node in self.plan.nodes:
            self.user = node
            op, results = node.op, node.outputs
            has_edge = False
            for v in results:
                if v.edge is not None:
                    has_edge = True
            operands: list[Any] = []
            reached = not op.differentiable
            for i, o in enumerate(node.operands):
                if o.__class__ is not Value:
                    operands.append(o)
                    continue
                source: Value = o.source or o  # type: ignore[union-attr, assignment]
                if not reached and source in flows and op.has_grad(i):
                    reached = True
                    flows.update(results)
                if has_edge:
                    edge = o.edge  # type: ignore[union-attr]
                    if edge is None or edge[0] is not source.node or edge[1] != source.index:
                        operands.append(self.use(o))  # type: ignore[arg-type]
                        continue
                operands.append(env[source])  # its history is that of what made it
            new = Node(op, tuple(operands), node.attrs, node.loc, node.scope, node.cause, len(made))
            made.append(new)
            if len(results) == 1:
                env[results[0]] = copy = Value(results[0].type, new)
                new.outputs = (copy,)
            else:
                new.outputs = tuple([Value(v.type, new, i) for i, v in enumerate(results)])
                env.update(zip(results, new.outputs, strict=True))
        inputs = [self.env[v] for v in self.plan.inputs]
        marked = {v for e, v in self.leaves.items() if not isinstance(e[0], Unmarked)}
        flags = [v in marked for v in self.plan.inputs]
        outputs = [self.env[v] for v in self.plan.outputs]
        if any(v.edge is not None for v in ends):
            for i, v in enumerate(ends):
                self.user = (v.source or v).node or self.user
                outputs[i] = self.use(v)
        return Graph(inputs, self.made, outputs, requires_grad=flags, **options)

    def use(self, o: Value) -> Value:
        """The value for a use of `o` whose gradient goes where `o`'s edge says."""
        source = o.source or o
        value = self.env[source]
        if o.edge is None:
            return self.detached(source) if source in self.flows else value
        call = o.edge[0]
        if isinstance(call, Node) and call.op.saved is not None and self.ends:
            return self.append(_OPAQUE, (value,), (call.op.name.removesuffix("Backward"),))
        target = self.of_edge(o.edge)
        if target is source:
            return value
        if target is None:
            # A leaf that was made on the way, and what a function transform differentiated by:
            # the history of what they were made from is not theirs.
            ends = not isinstance(call, (Node, Unmarked)) and source in self.flows
            return self.detached(source) if ends else value
        return self.append(_GRAFT, (value, self.env[target]))

    def of_edge(self, edge: Any) -> Value | None:
        """The value whose gradient an edge is."""
        if isinstance(edge[0], Node) and edge[0].outputs:
            found = edge[0].outputs[edge[1]]
            if found in self.env:
                return found
        return self.leaves.get(edge)  # also of a node from before

    def detached(self, source: Value) -> Value:
        found = self.cut.get(source)
        if found is None:
            found = self.cut[source] = self.append(_DETACH, (self.env[source],))
        return found

    def append(self, op: Any, operands: tuple[Value, ...], attrs: tuple = ()) -> Value:
        # It belongs to the node it is made for, or a folded dump would show it apart.
        place = (None, None) if self.user is None else (self.user.loc, self.user.scope)
        node = Node(op, operands, attrs, *place, seq=len(self.made))
        node.outputs = (Value(operands[0].type, node),)
        self.made.append(node)
        return node.outputs[0]


def differentiable_graph(
    plan: Part, leaves: dict[Any, Value], ends: Sequence[Value] = (), **options: Any
) -> Graph:
    """The plan's graph, with `requires_grad` on the inputs that `leaves` names by edge.

    `ends` are the outputs with the history that each is to have, where that matters.
    """
    return _Differentiable(plan, leaves).build(ends, **options)
