"""`graph` as one HTML page to explore: folding, search, source, paths. No network, no server.

The page is `web/explorer.html` with the style, the programs and the data put in. Data stands in
a JSON script element, which browsers do not execute, with every `<` escaped; a content security
policy names the digests of our two programs and forbids everything else. Reached through
`thrace show --html` and `explorer.page`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import linecache
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from ..ir.graph import Graph, Node, Scope, Value
from ..ir.nested import held_graphs, nested_graphs
from ..ir.printer import attribute_text, literal_text
from ..ir.source import Location, RawLocation, resolve

WEB = Path(__file__).parent / "web"
# In this order they are one program.
PROGRAM = ("model.js", "draw.js", "details.js", "input.js")
PHASES = ("forward", "backward", "optimizer")
CONTEXT = 3  # lines of code shown on each side of a node's own
LONGEST = 400  # characters of an attribute list


def page(graph: Graph, title: str = "") -> str:
    """The whole page as text."""
    style = _web("explorer.css")
    # Without the line that names a source map, which is not there.
    dagre = _web("vendor/dagre.min.js").split("//# sourceMappingURL=")[0]
    program = "\n".join(map(_web, PROGRAM))
    program = f'"use strict";\n(() => {{\n{program}\n}})();\n'
    policy = (
        f"default-src 'none'; script-src {_digest(dagre)} {_digest(program)}; "
        f"style-src {_digest(style)}; base-uri 'none'; form-action 'none'"
    )
    data = json.dumps(page_data(graph, title or graph.name), separators=(",", ":"))
    return Template(_web("explorer.html")).substitute(
        policy=policy,
        style=style,
        dagre=dagre,
        program=program,
        data=data.replace("<", "\\u003c").replace(">", "\\u003e"),
    )


def _web(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page_data(graph: Graph, title: str) -> dict[str, Any]:
    """What the page shows, as plain lists; the program's graph comes first."""
    writer = _Writer(nested_graphs(graph)[::-1])
    graphs = [writer.graph(g) for g in writer.graphs]
    return {
        "title": title,
        "costs": True,
        "graphs": graphs,
        "scopes": writer.scopes,
        "places": [list(p) for p in writer.places],
        "sources": [_source(p) for p in writer.places],
    }


class _Writer:
    """Numbers scopes and places as they are met, a scope after the one around it."""

    def __init__(self, graphs: Sequence[Graph]):
        self.graphs = graphs
        self.number = {id(g): i for i, g in enumerate(graphs)}
        self.names = {id(g): g.name for g in graphs}
        self.scopes: list[list[Any]] = []
        self.places: dict[Location, int] = {}
        self._scopes: dict[Scope, int] = {}
        self._raw: dict[tuple[int, int], int] = {}

    def graph(self, g: Graph) -> dict[str, Any]:
        numbers: dict[Value, int] = {v: i for i, v in enumerate(g.inputs)}
        nodes = []
        costs = g.cost()
        live = costs.memory.live_bytes
        for node, cost, held in zip(g.nodes, costs.nodes, live, strict=True):
            row = self.node(node, numbers)
            row |= {"f": cost.flops + cost.transcendentals, "b": cost.bytes, "m": held}
            nodes.append(row)
            for v in node.outputs:
                numbers[v] = len(numbers)
        flags = zip(g.input_names, g.inputs, g.requires_grad, strict=True)
        return {
            "name": g.name,
            "peak": costs.memory.peak_bytes,
            "inputs": [[name, str(v.type), flag] for name, v, flag in flags],
            "nodes": nodes,
            "outputs": [
                [name, numbers[v]] for name, v in zip(g.output_names, g.outputs, strict=True)
            ],
        }

    def node(self, node: Node, numbers: dict[Value, int]) -> dict[str, Any]:
        phase = node.phase
        attrs = zip(node.op.attrs, node.attrs, strict=True)
        text = "\n".join(f"{k}={attribute_text(a, self.names)}" for k, a in attrs)
        return {
            "o": node.op.name,
            "i": [numbers[o] if isinstance(o, Value) else literal_text(o) for o in node.operands],
            "a": text if len(text) <= LONGEST else f"{text[:LONGEST]}…",
            "t": [str(v.type) for v in node.outputs],
            "s": -1 if node.scope is None else self.scope(node.scope),
            "l": self.place(node.loc),
            "c": self.place(node.cause),
            "p": PHASES.index(phase) if phase in PHASES else 0,
            "g": [self.number[id(h)] for h in held_graphs(node)],
            "e": node.op.effect,
        }

    def scope(self, scope: Scope) -> int:
        for step in scope.chain():
            if step not in self._scopes:
                parent = -1 if step.parent is None else self._scopes[step.parent]
                self._scopes[step] = len(self.scopes)
                self.scopes.append([step.name, step.kind, parent])
        return self._scopes[scope]

    def place(self, raw: RawLocation | Location | None) -> int:
        if raw is None:
            return -1
        if isinstance(raw, Location):
            return self.places.setdefault(raw, len(self.places))
        key = (id(raw[0]), raw[1])  # code objects hash their whole content
        found = self._raw.get(key)
        if found is None:
            place = resolve(raw)
            assert place is not None
            found = self._raw[key] = self.places.setdefault(place, len(self.places))
        return found


def _source(place: Location) -> list[list[Any]]:
    """The lines around a place, each with its number; the node's own as it was recorded."""
    out: list[list[Any]] = []
    for number in range(max(1, place.line - CONTEXT), place.line + CONTEXT + 1):
        line = linecache.getline(place.file, number).rstrip("\n")
        if number == place.line and place.text and line.strip() != place.text.strip():
            return [[place.line, place.text]]  # the file has changed since
        if line or (out and number <= place.line):
            out.append([number, line])
    return out
