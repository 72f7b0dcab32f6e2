"""A graph in the JSON that Google's Model Explorer opens (a graph collection).

A node's namespace is its scope path, which Model Explorer folds; edges are named by value.
"""

from __future__ import annotations

from typing import Any

from ..ir.graph import Graph, Node, Scope, Value
from ..ir.nested import held_graphs, nested_graphs
from ..ir.printer import attribute_text, literal_text, value_names
from ..ir.source import resolve


def collection(graph: Graph, label: str = "") -> dict[str, Any]:
    """The graph and those that it holds, each a graph of one collection."""
    graphs = nested_graphs(graph)[::-1]
    names: dict[int, str] = {}
    for g in graphs:
        same = sum(name.split("~")[0] == g.name for name in names.values())
        names[id(g)] = f"{g.name}~{same + 1}" if same else g.name
    made = [_graph(g, names) for g in graphs]
    return {"label": label or graph.name, "graphs": made}


def _graph(g: Graph, names: dict[int, str]) -> dict[str, Any]:
    of = value_names(g)
    ids: dict[Value, tuple[str, str]] = {}  # node and output of each value
    nodes: list[dict[str, Any]] = []
    flags = zip(g.input_names, g.inputs, g.requires_grad, strict=True)
    for i, (name, v, flag) in enumerate(flags):
        ids[v] = (f"input{i}", "0")
        kind = "parameters" if flag else "inputs"
        nodes.append(
            {
                "id": f"input{i}",
                "label": name,
                "namespace": kind,
                "outputsMetadata": [_output("0", of[v], v)],
            }
        )
    scopes = _Namespaces()
    for i, node in enumerate(g.nodes):
        for k, v in enumerate(node.outputs):
            ids[v] = (f"node{i}", str(k))
        nodes.append(
            {
                "id": f"node{i}",
                "label": node.op.name,
                "namespace": scopes.of(node.scope),
                "attrs": [{"key": k, "value": v} for k, v in _attributes(node, names)],
                "incomingEdges": _edges(node.operands, ids),
                "outputsMetadata": [_output(str(k), of[v], v) for k, v in enumerate(node.outputs)],
                "subgraphIds": [names[id(h)] for h in held_graphs(node)],
            }
        )
    for i, (name, v) in enumerate(zip(g.output_names, g.outputs, strict=True)):
        nodes.append(
            {
                "id": f"output{i}",
                "label": name,
                "namespace": "outputs",
                "incomingEdges": _edges((v,), ids),
            }
        )
    return {"id": names[id(g)], "nodes": nodes}


def _output(number: str, name: str, v: Value) -> dict[str, Any]:
    attrs = [{"key": "tensor_shape", "value": str(v.type)}, {"key": "name", "value": name}]
    return {"id": number, "attrs": attrs}


def _edges(operands: Any, ids: dict[Value, tuple[str, str]]) -> list[dict[str, str]]:
    return [
        {
            "sourceNodeId": ids[o][0],
            "sourceNodeOutputId": ids[o][1],
            "targetNodeInputId": str(slot),
        }
        for slot, o in enumerate(operands)
        if isinstance(o, Value)
    ]


def _attributes(node: Node, names: dict[int, str]) -> list[tuple[str, str]]:
    out = [
        (f"operand {slot}", literal_text(o))
        for slot, o in enumerate(node.operands)
        if not isinstance(o, Value)
    ]
    for name, value in zip(node.op.attrs, node.attrs, strict=True):
        text = attribute_text(value, names)
        out.append((name, text if len(text) <= 400 else f"{text[:400]}…"))
    out.append(("phase", node.phase))
    for key, raw in (("source", node.loc), ("differentiates", node.cause)):
        place = resolve(raw)
        if place is not None:
            out.append((key, str(place)))
    return out


class _Namespaces:
    """Scope paths, with a number behind the second scope of a path. A `/` in a name is no step."""

    def __init__(self) -> None:
        self._known: dict[Scope, str] = {}
        self._count: dict[str, int] = {}

    def of(self, scope: Scope | None) -> str:
        if scope is None:
            return ""
        for step in scope.chain():
            if step in self._known:
                continue
            above = "" if step.parent is None else f"{self._known[step.parent]}/"
            path = above + step.name.replace("/", "∕")
            n = self._count[path] = self._count.get(path, 0) + 1
            self._known[step] = path if n == 1 else f"{path}#{n}"
        return self._known[scope]
