"""DOT text of a graph, for Graphviz to draw.

Scopes are nested clusters and phases differ in colour. Edges carry types; their width is the
tensor's size, their colour its dtype, and those that carry a gradient are dashed. What is
too large to draw is folded to one box per function, then per module, as far as needed.
There, parameters and state stand in the labels of the boxes that read them, and backward
boxes beside the forward ones they belong to, so that data flows down one side and gradients
up the other. Reached through `Graph.to_dot`; tools may import it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from .collector import without_collector
from .columns import bytes_text, count_text, seconds_text
from .cost import node_cost
from .dot_boxes import Box, Boxes
from .graph import Graph, Node, Scope, Value
from .hash import distinct_graphs
from .nested import has_effect, held_graphs, nested_graphs
from .ops.shape import Constant
from .printer import attribute_text, literal_text, value_names
from .source import resolve
from .types import DType

# Line colour and fill per phase; other phases are drawn as forward.
COLOURS = {
    "forward": ("#1f5fa8", "#e3eefb"),
    "backward": ("#b4541a", "#fdeadd"),
    "optimizer": ("#2f7d3b", "#e3f4e5"),
}
# Edges by dtype; what is not listed is an integer.
_DTYPES = {
    "float32": "#444444",
    "float64": "#1b1b8f",
    "float16": "#8a2be2",
    "bfloat16": "#8a2be2",
    "complex64": "#b8860b",
    "complex128": "#b8860b",
    "bool": "#9a9a9a",
}
_INTEGER = "#00808a"
_GRADIENT = COLOURS["backward"][0]
_INPUT, _PARAMETER, _OUTPUT, _STATE = "#f2f2f2", "#fff3c4", "#d9d9d9", "#eadff5"
_EFFECT = "#b00020"
_LEGEND = (
    "boxes: blue forward, orange backward, green optimizer, red effects; yellow parameters, "
    "purple state\nedges: dashed gradients; width by size; grey float32, violet half, blue "
    "float64, teal integers, light grey bool"
)
LEGIBLE = 60  # boxes on one page
_LONGEST = 48  # characters of an attribute list in a box
_LEAST = 8  # boxes of a graph that a node holds, where it is folded
_TOGETHER = 3  # so many inputs or outputs of one folded box are drawn as one

Heat = Mapping[Node, float]


@without_collector
def to_dot(
    graph: Graph,
    *,
    depth: int | None = None,
    fold: bool = True,
    limit: int = LEGIBLE,
    heat: Heat | None = None,
) -> str:
    """DOT text.

    `depth` folds scopes nested deeper than that into a box each, phases not counted, and
    each optimizer phase into one. Without it, a graph of more than `limit` nodes is folded,
    functions first, then modules, to at most `limit` boxes, unless `fold` is False; so are the
    graphs that nodes hold, which are drawn apart, those that compute the same as one.
    `heat` has seconds per node: boxes are coloured by their time and say it.
    """
    out = [
        "digraph thrace {",
        "  rankdir=TB; newrank=true; compound=true;",
        '  graph [fontname="Helvetica", fontsize=11, style="rounded", color="#9a9a9a"];',
        '  node [fontname="Helvetica", fontsize=10, shape=box, style="rounded,filled"];',
        '  edge [fontname="Helvetica", fontsize=8, color="#555555"];',
        f"  label={quoted(_LEGEND)};",
    ]
    number = distinct_graphs(graph)
    drawn: dict[int, Graph] = {}
    for g in nested_graphs(graph)[::-1]:  # the program first, then what it calls
        drawn.setdefault(number[id(g)], g)
    graphs = list(drawn.values())
    shown = {k: g.name if i == 0 else f"{g.name} ({i})" for i, (k, g) in enumerate(drawn.items())}
    names = {i: shown[k] for i, k in number.items()}
    room = limit
    for i, g in enumerate(graphs):
        picture = _Picture(g, f"g{i}", names, heat or {})
        picture.boxes.group(depth, room if fold else None)
        lines = picture.lines()
        if i == 0 and len(graphs) > 1:  # the page has to do for all of them
            room = max((limit - len(picture.boxes.all)) // (len(graphs) - 1), _LEAST)
        if i > 0:
            label = quoted(f"graph {names[id(g)]}")
            lines = [f"subgraph cluster_g{i} {{", f"  label={label};", *_indent(lines), "}"]
        out += _indent(lines)
    return "\n".join([*out, "}", ""])


def quoted(text: str) -> str:
    """A DOT string that shows `text` as it is: no escape, HTML or entity of it takes effect."""
    shown = []
    for c in text:
        if c == "\n":
            shown.append("\\n")
        elif c in '"\\':
            shown.append(f"\\{c}")
        elif c == "&":
            shown.append("&amp;")
        else:
            shown.append(c if c.isprintable() else "\\\\" + ascii(c)[2:-1])
    return f'"{"".join(shown)}"'


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


class _Edge(NamedTuple):
    source: str
    target: str
    backward: bool


class _Picture:
    def __init__(self, graph: Graph, prefix: str, names: dict[int, str], heat: Heat):
        self.graph = graph
        self.prefix = prefix
        self.names = names
        self.values = value_names(graph)
        self.boxes = Boxes(graph, prefix)
        self.ends: dict[tuple[str, int], str] = {}  # what stands for input or output i
        self.heat = heat
        self.hottest = 0.0
        self.clusters: dict[tuple[object, ...], str] = {}

    def lines(self) -> list[str]:
        boxes = self.boxes
        compact = boxes.fold.active
        kept, written = boxes.keep_state() if compact else (set(), set())
        times = [sum(self.heat.get(n, 0.0) for n in box.nodes) for box in boxes.all]
        self.hottest = max(times, default=0.0)
        out = []
        for group in self._input_groups(kept):
            i = group[0]
            out.append(self._input_line(i, group))
            self.ends |= {("in", j): f"{self.prefix}_in{i}" for j in group}
        out += self._cluster_lines()
        for group in self._output_groups(written):
            i = group[0]
            out.append(self._output_line(i, group))
            self.ends |= {("out", j): f"{self.prefix}_out{i}" for j in group}
        return out + self._edge_lines(compact)

    # Inputs and outputs.

    def _input_line(self, i: int, group: list[int]) -> str:
        name = self.graph.input_names[i]
        label = self._end_label(name, self.graph.inputs[i], len(group), "inputs")
        shape, fill = "ellipse", _INPUT
        if self.graph.requires_grad[i]:
            shape, fill = "box3d", _PARAMETER
        elif f"{name}.new" in self.graph.output_names:
            shape, fill = "cylinder", _STATE
        return (
            f'{self.prefix}_in{i} [label={label}, shape={shape}, style=filled, fillcolor="{fill}"];'
        )

    def _output_line(self, i: int, group: list[int]) -> str:
        name = self.graph.output_names[i]
        label = self._end_label(name, self.graph.outputs[i], len(group), "outputs")
        shape, fill = "ellipse, peripheries=2", _OUTPUT
        if name.endswith(".new") and name.removesuffix(".new") in self.graph.input_names:
            shape, fill = "cylinder", _STATE  # an effect: written back
        elif name.endswith(".grad"):
            shape, fill = "note", COLOURS["backward"][1]
        return (
            f"{self.prefix}_out{i} [label={label}, shape={shape}, "
            f'style=filled, fillcolor="{fill}"];'
        )

    def _end_label(self, name: str, v: Value, count: int, kind: str) -> str:
        below = str(v.type) if count == 1 else f"and {count - 1} more {kind}"
        return quoted(f"{name}\n{below}")

    def _input_groups(self, kept: set[int]) -> list[list[int]]:
        """Positions of inputs drawn as one: those that the same folded boxes alone read."""
        readers: dict[Value, set[Box | None]] = {v: set() for v in self.graph.inputs}
        for node in self.graph.nodes:
            for o in node.operands:
                if isinstance(o, Value) and o in readers:
                    readers[o].add(self.boxes.of[id(node)])
        for v in self.graph.outputs:
            if v in readers:
                readers[v].add(None)
        keys: dict[int, object] = {}
        for i, v in enumerate(self.graph.inputs):
            if i not in kept:
                folded = bool(readers[v]) and all(box and box.folded for box in readers[v])
                flag = self.graph.requires_grad[i]
                keys[i] = (frozenset(readers[v]), flag) if folded else None
        return _together(keys)

    def _output_groups(self, written: set[int]) -> list[list[int]]:
        """Positions of outputs drawn as one: those that come out of the same folded box."""
        keys: dict[int, object] = {}
        for i, v in enumerate(self.graph.outputs):
            if i not in written:
                box = None if v.node is None else self.boxes.of.get(id(v.node))
                keys[i] = box if box is not None and box.folded else None
        return _together(keys)

    # Boxes.

    def _cluster_lines(self) -> list[str]:
        """Boxes inside their clusters, in order of first appearance, without recursion."""
        tree: dict[tuple[object, ...], list[tuple[object, ...] | Box]] = {(): []}
        for box in self.boxes.all:
            for n in range(1, len(box.clusters) + 1):
                path = box.clusters[:n]
                if path not in tree:
                    tree[path] = []
                    tree[path[:-1]].append(path)
            tree[box.clusters].append(box)
        out: list[str] = []
        stack: list[tuple[object, ...] | Box | str] = [*reversed(tree[()])]
        depth = count = 0
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                depth -= 1
                out.append("  " * depth + item)
            elif isinstance(item, Box):
                out.append("  " * depth + self._box_line(item))
            else:
                name = item[-1].name if isinstance(item[-1], Scope) else str(item[-1])
                line, _ = COLOURS.get(str(item[0]), COLOURS["forward"])
                self.clusters[item] = f"cluster_{self.prefix}_{count}"
                out.append("  " * depth + f"subgraph {self.clusters[item]} {{")
                depth += 1
                count += 1
                head = f'label={quoted(name)}; color="{line}"; fontcolor="{line}";'
                out.append("  " * depth + head)
                stack.append("}")
                stack += reversed(tree[item])
        return out

    def _box_line(self, box: Box) -> str:
        line, fill = COLOURS.get(box.phase, COLOURS["forward"])
        if not box.folded and len(box.nodes) == 1 and has_effect(box.first):
            line = _EFFECT
        label = self._label(box)
        seconds = sum(self.heat.get(n, 0.0) for n in box.nodes)
        if self.heat:
            fill = _heat_colour(seconds / self.hottest if self.hottest else 0.0)
            share = 100 * seconds / (sum(self.heat.values()) or 1.0)
            label += f"\n{seconds_text(seconds)}, {share:.1f} %"
        parts = [f"label={quoted(label)}", f'color="{line}"', f'fillcolor="{fill}"']
        if line == _EFFECT:
            parts.append("shape=octagon")
        elif len(box.nodes) > 1:
            parts.append("shape=box3d")
        place = resolve(box.first.cause or box.first.loc)
        if place is not None:
            parts.append(f"tooltip={quoted(str(place))}")
        elif any(True for _ in held_graphs(box.first)):
            parts.append('tooltip="a graph of its own, drawn apart"')
        return f"{box.id} [{', '.join(parts)}];"

    def _label(self, box: Box) -> str:
        if box.scope is None and len(box.nodes) > 1:
            span = f"{self._result(box.first)} to {self._result(box.nodes[-1])}"
            return f"{span}\n{_count(len(box.nodes), 'node')}"
        if box.scope is None:
            return self._node_label(box.first)
        lines = [box.scope.name, _count(len(box.nodes), "node")]
        costs = [node_cost(n) for n in box.nodes]
        flops = sum(c.flops + c.transcendentals for c in costs)
        if flops:
            lines[-1] += f", {count_text(flops, 'FLOP')}"
        if box.kept:
            parameters = {
                v
                for v, flag in zip(self.graph.inputs, self.graph.requires_grad, strict=True)
                if flag
            }
            kind = "parameter" if all(v in parameters for v in box.kept) else "state tensor"
            lines.append(f"{_count(len(box.kept), kind)}, {_size(box.kept)}")
        for what, verb in (("gradient", "gives"), ("tensor", "writes")):
            found = box.gradients if what == "gradient" else box.written
            if found:
                lines.append(f"{verb} {_count(len(found), what)}, {_size(found)}")
        return "\n".join(lines)

    def _result(self, node: Node) -> str:
        return self.values[node.outputs[0]] if node.outputs else node.op.name

    def _node_label(self, node: Node) -> str:
        shown = []
        for name, value in zip(node.op.attrs, node.attrs, strict=True):
            if isinstance(value, Constant):
                shown.append(f"{value.array.dtype}{list(value.array.shape)}")
            elif isinstance(value, Graph):
                shown.append(f"graph {self.names[id(value)]}")
            else:
                shown.append(f"{name}={attribute_text(value, self.names)}")
        literals = [literal_text(o) if not isinstance(o, Value) else "·" for o in node.operands]
        if any(not isinstance(o, Value) for o in node.operands):
            shown.insert(0, f"({', '.join(literals)})")
        text = " ".join(shown)
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        return f"{node.op.name}\n{text}" if text else node.op.name

    # Edges.

    def _edge_lines(self, compact: bool) -> list[str]:
        """One edge per pair of boxes and direction of flow, with the types it carries.

        In a `compact` picture gradients flow upwards, beside what they are gradients of, and
        those that the optimizer reads are one edge out of the whole backward phase.
        """
        phases = {box.id: box.phase for box in self.boxes.all}
        out: list[str] = []
        gradients: dict[str, dict[Value, None]] = {}
        last: dict[str, str] = {}
        for edge, values in self._carried().items():
            before, after = phases.get(edge.source), phases.get(edge.target)
            if not compact or before is None or after is None:
                out.append(self._edge(edge, values))
            elif (before, after) == ("backward", "backward"):
                up = edge._replace(source=edge.target, target=edge.source)
                out.append(self._edge(up, values, "dir=back"))
            elif (before, after) == ("backward", "optimizer"):
                gradients.setdefault(edge.target, {}).update(values)
                last[edge.target] = edge.source
            else:
                rest = ("constraint=false",) if before != after else ()
                out.append(self._edge(edge, values, *rest))
        for target, values in gradients.items():
            tail = f"ltail={self.clusters['backward',]}"
            edge = _Edge(last[target], target, True)
            out.append(self._edge(edge, values, "constraint=false", tail))
        return out

    def _edge(self, edge: _Edge, values: Mapping[Value, None], *rest: str) -> str:
        largest = max(values, key=lambda v: v.type.size_bytes)
        colour = _GRADIENT if edge.backward else _colour(largest.type.dtype)
        parts = [
            f"label={quoted(' ' + _carried_text(list(values)))}",
            f'color="{colour}"',
            f"penwidth={_width(sum(v.type.size_bytes for v in values)):.1f}",
            *(("style=dashed",) if edge.backward else ()),
            *rest,
        ]
        return f"{edge.source} -> {edge.target} [{', '.join(parts)}];"

    def _carried(self) -> dict[_Edge, dict[Value, None]]:
        carried: dict[_Edge, dict[Value, None]] = {}
        inputs = {v: self.ends.get(("in", i)) for i, v in enumerate(self.graph.inputs)}

        def carry(v: Value, target: str) -> None:
            backward = False
            if v in inputs:
                source = inputs[v]
            else:
                assert v.node is not None
                source = self.boxes.of[id(v.node)].id
                backward = v.node.phase == "backward"
            if source is not None and source != target:
                carried.setdefault(_Edge(source, target, backward), {})[v] = None

        for node in self.graph.nodes:
            target = self.boxes.of[id(node)].id
            for o in node.operands:
                if isinstance(o, Value):
                    carry(o, target)
        for i, v in enumerate(self.graph.outputs):
            end = self.ends.get(("out", i))
            if end is not None:
                carry(v, end)
        return carried


def _together(keys: dict[int, object]) -> list[list[int]]:
    """Positions with equal keys, where there are enough of them; each other one alone."""
    found: dict[object, list[int]] = {}
    for i, key in keys.items():
        found.setdefault(key if key is not None else ("alone", i), []).append(i)
    out: list[list[int]] = []
    for group in found.values():
        out += [group] if len(group) >= _TOGETHER else [[i] for i in group]
    return out


def _count(n: int, what: str) -> str:
    return f"1 {what}" if n == 1 else f"{n} {what}s"


def _size(values: list[Value]) -> str:
    return bytes_text(sum(v.type.size_bytes for v in values))


def _carried_text(values: list[Value]) -> str:
    first = str(values[0].type)
    return first if len(values) == 1 else f"{len(values)} tensors, {_size(values)}"


def _colour(dtype: DType) -> str:
    return _DTYPES.get(dtype.name, _INTEGER)


def _width(size_bytes: int) -> float:
    """From a scalar's hair line to four points at a gigabyte."""
    return 0.6 + 0.38 * max(math.log10(max(size_bytes, 1)) - 0.6, 0.0)


def _heat_colour(share: float) -> str:
    """White to red, by the share of the hottest box's time."""
    cold, hot = (255, 255, 255), (239, 71, 56)
    mixed = (round(c + (h - c) * math.sqrt(share)) for c, h in zip(cold, hot, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
