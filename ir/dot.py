"""DOT text of a graph, for Graphviz to draw.

Scopes are nested clusters, phases differ in colour, edges carry types, and edges that carry
a gradient are dashed. What is too large to draw is folded to one box per scope, at the depth
that fits. Reached through `Graph.to_dot`; tools may import it.
"""

from __future__ import annotations

from typing import NamedTuple

from .collector import without_collector
from .graph import Graph, Node, Scope, Value
from .nested import held_graphs, nested_graphs
from .ops.shape import Constant
from .printer import attribute_text, literal_text, value_names
from .source import resolve

# Line colour and fill per phase; other phases are drawn as forward.
COLOURS = {
    "forward": ("#1f5fa8", "#e3eefb"),
    "backward": ("#b4541a", "#fdeadd"),
    "optimizer": ("#2f7d3b", "#e3f4e5"),
}
_INPUT, _PARAMETER, _OUTPUT = "#f2f2f2", "#fff3c4", "#d9d9d9"
_LONGEST = 48  # characters of an attribute list in a box
_TOGETHER = 3  # so many inputs or outputs of one folded box are drawn as one


@without_collector
def to_dot(graph: Graph, *, depth: int | None = None, fold: bool = True, limit: int = 400) -> str:
    """DOT text.

    `depth` folds scopes nested deeper than that into a box each, phases not counted, and
    each optimizer phase into one. Without it, a graph of more than `limit` nodes is folded
    to the greatest depth that gives at most `limit` boxes, unless `fold` is False.
    """
    out = [
        "digraph thrace {",
        "  rankdir=TB; newrank=true; compound=true;",
        '  graph [fontname="Helvetica", fontsize=11, style="rounded", color="#9a9a9a"];',
        '  node [fontname="Helvetica", fontsize=10, shape=box, style="rounded,filled"];',
        '  edge [fontname="Helvetica", fontsize=8, color="#555555"];',
    ]
    graphs = nested_graphs(graph)[::-1]  # the program first, then what it calls
    names = {id(g): g.name if i == 0 else f"{g.name} ({i})" for i, g in enumerate(graphs)}
    for i, g in enumerate(graphs):
        picture = _Picture(g, f"g{i}", names)
        picture.group(depth, limit if fold else None)
        lines = picture.lines()
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


class _Box:
    """What is drawn as one box: a node, or all the nodes of a folded scope."""

    __slots__ = ("clusters", "first", "folded", "id", "label", "nodes", "phase")

    def __init__(
        self, id: str, first: Node, clusters: tuple[object, ...], label: str, folded: bool
    ):
        self.id = id
        self.first = first
        self.phase = first.phase
        self.clusters = clusters  # phase name and scopes around it, outermost first
        self.label = label
        self.folded = folded
        self.nodes = 0


class _Edge(NamedTuple):
    source: str
    target: str
    backward: bool


class _Picture:
    def __init__(self, graph: Graph, prefix: str, names: dict[int, str]):
        self.graph = graph
        self.prefix = prefix
        self.names = names
        self.values = value_names(graph)
        self.boxes: list[_Box] = []
        self.box_of: dict[int, _Box] = {}
        self.ends: dict[tuple[str, int], str] = {}  # what stands for input or output i
        # A scope's chain without phases, which clusters stand for in another way.
        self._chains: dict[Scope, tuple[Scope, ...]] = {}

    def chain(self, node: Node) -> tuple[Scope, ...]:
        if node.scope is None:
            return ()
        found = self._chains.get(node.scope)
        if found is None:
            found = tuple(s for s in node.scope.chain() if s.kind != "phase")
            self._chains[node.scope] = found
        return found

    def group(self, depth: int | None, limit: int | None) -> None:
        """Decide what is one box."""
        nodes = self.graph.nodes
        if depth is None and limit is not None and len(nodes) > limit:
            deepest = max(len(self.chain(n)) for n in nodes)
            # At the deepest, all but the optimizer is still drawn node by node.
            depth = next((d for d in range(deepest, 0, -1) if self._count(d) <= limit), 0)
            if self._count(depth) > limit:
                self._group_runs(limit)
                return
        for i, node in enumerate(nodes):
            key = self._key(node, depth)
            box = self.box_of.get(key)
            if box is None:
                box = self._box(key, i, node, depth)
                self.boxes.append(box)
            box.nodes += 1
            self.box_of[id(node)] = box
        for box in self.boxes:
            if box.folded:
                box.label += f"\n{_count_text(box.nodes)}"

    def _folded(self, node: Node, depth: int | None) -> Scope | None:
        """The scope whose box the node goes into, if it has none of its own."""
        if depth is None:
            return None
        if node.phase == "optimizer":
            scope = node.scope
            while scope is not None and scope.kind != "phase":
                scope = scope.parent
            return scope
        chain = self.chain(node)
        return chain[depth] if len(chain) > depth else None

    def _key(self, node: Node, depth: int | None) -> int:
        return id(self._folded(node, depth) or node)

    def _count(self, depth: int) -> int:
        return len({self._key(n, depth) for n in self.graph.nodes})

    def _box(self, key: int, i: int, node: Node, depth: int | None) -> _Box:
        scope = self._folded(node, depth)
        chain = self.chain(node)
        if scope is None:
            clusters, label = (node.phase, *chain), self._node_label(node)
        elif scope.kind == "phase":
            clusters, label = (), scope.name
        else:
            clusters, label = (node.phase, *chain[:depth]), scope.name
        box = _Box(f"{self.prefix}_n{i}", node, clusters, label, scope is not None)
        self.box_of[key] = box
        return box

    def _group_runs(self, limit: int) -> None:
        """No scope to fold by: so many nodes in a row are a box."""
        nodes = self.graph.nodes
        size = -(-len(nodes) // limit)
        for start in range(0, len(nodes), size):
            run = nodes[start : start + size]
            first, last = run[0], run[-1]
            span = f"{self._result(first)} to {self._result(last)}"
            label = f"{span}\n{_count_text(len(run))}"
            box = _Box(f"{self.prefix}_n{start}", first, (first.phase,), label, False)
            box.nodes = len(run)
            self.boxes.append(box)
            self.box_of |= {id(node): box for node in run}

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

    def lines(self) -> list[str]:
        graph = self.graph
        out = []
        for group in self._input_groups():
            i = group[0]
            label = self._end_label(graph.input_names[i], graph.inputs[i], len(group), "inputs")
            parameter = graph.requires_grad[i]
            fill = _PARAMETER if parameter else _INPUT
            shape = "box3d" if parameter else "ellipse"
            out.append(
                f"{self.prefix}_in{i} [label={label}, shape={shape}, "
                f'style=filled, fillcolor="{fill}"];'
            )
            self.ends |= {("in", j): f"{self.prefix}_in{i}" for j in group}
        out += self._cluster_lines()
        for group in self._output_groups():
            i = group[0]
            label = self._end_label(graph.output_names[i], graph.outputs[i], len(group), "outputs")
            out.append(
                f"{self.prefix}_out{i} [label={label}, shape=ellipse, peripheries=2, "
                f'style=filled, fillcolor="{_OUTPUT}"];'
            )
            self.ends |= {("out", j): f"{self.prefix}_out{i}" for j in group}
        return out + self._edge_lines()

    def _end_label(self, name: str, v: Value, count: int, kind: str) -> str:
        below = str(v.type) if count == 1 else f"and {count - 1} more {kind}"
        return quoted(f"{name}\n{below}")

    def _input_groups(self) -> list[list[int]]:
        """Positions of inputs drawn as one: those that the same folded boxes alone read."""
        readers: dict[Value, set[_Box | None]] = {v: set() for v in self.graph.inputs}
        for node in self.graph.nodes:
            for o in node.operands:
                if isinstance(o, Value) and o in readers:
                    readers[o].add(self.box_of[id(node)])
        for v in self.graph.outputs:
            if v in readers:
                readers[v].add(None)
        keys: list[object] = []
        for v, parameter in zip(self.graph.inputs, self.graph.requires_grad, strict=True):
            folded = bool(readers[v]) and all(box and box.folded for box in readers[v])
            keys.append((frozenset(readers[v]), parameter) if folded else None)
        return _together(keys)

    def _output_groups(self) -> list[list[int]]:
        """Positions of outputs drawn as one: those that come out of the same folded box."""
        made = [None if v.node is None else self.box_of.get(id(v.node)) for v in self.graph.outputs]
        return _together([box if box is not None and box.folded else None for box in made])

    def _cluster_lines(self) -> list[str]:
        """Boxes inside their clusters, in order of first appearance, without recursion."""
        tree: dict[tuple[object, ...], list[tuple[object, ...] | _Box]] = {(): []}
        for box in self.boxes:
            for n in range(1, len(box.clusters) + 1):
                path = box.clusters[:n]
                if path not in tree:
                    tree[path] = []
                    tree[path[:-1]].append(path)
            tree[box.clusters].append(box)
        out: list[str] = []
        stack: list[tuple[object, ...] | _Box | str] = [*reversed(tree[()])]
        depth = count = 0
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                depth -= 1
                out.append("  " * depth + item)
            elif isinstance(item, _Box):
                out.append("  " * depth + self._box_line(item))
            else:
                name = item[-1].name if isinstance(item[-1], Scope) else str(item[-1])
                line, _ = COLOURS.get(str(item[0]), COLOURS["forward"])
                out.append("  " * depth + f"subgraph cluster_{self.prefix}_{count} {{")
                depth += 1
                count += 1
                head = f'label={quoted(name)}; color="{line}"; fontcolor="{line}";'
                out.append("  " * depth + head)
                stack.append("}")
                stack += reversed(tree[item])
        return out

    def _box_line(self, box: _Box) -> str:
        line, fill = COLOURS.get(box.phase, COLOURS["forward"])
        parts = [f"label={quoted(box.label)}", f'color="{line}"', f'fillcolor="{fill}"']
        if box.nodes > 1:
            parts.append("shape=box3d")
        place = resolve(box.first.cause or box.first.loc)
        if place is not None:
            parts.append(f"tooltip={quoted(str(place))}")
        elif any(True for _ in held_graphs(box.first)):
            parts.append('tooltip="a graph of its own, drawn apart"')
        return f"{box.id} [{', '.join(parts)}];"

    def _edge_lines(self) -> list[str]:
        """One edge per pair of boxes and direction of flow, with the types it carries."""
        carried: dict[_Edge, dict[Value, None]] = {}
        inputs = {v: self.ends["in", i] for i, v in enumerate(self.graph.inputs)}

        def carry(v: Value, target: str) -> None:
            source = inputs.get(v)
            backward = False
            if source is None:
                assert v.node is not None
                source = self.box_of[id(v.node)].id
                backward = v.node.phase == "backward"
            if source != target:
                carried.setdefault(_Edge(source, target, backward), {})[v] = None

        for node in self.graph.nodes:
            target = self.box_of[id(node)].id
            for o in node.operands:
                if isinstance(o, Value):
                    carry(o, target)
        for i, v in enumerate(self.graph.outputs):
            carry(v, self.ends["out", i])
        out = []
        for edge, values in carried.items():
            label = _carried_text(list(values))
            dashed = f', style=dashed, color="{COLOURS["backward"][0]}"' if edge.backward else ""
            out.append(f"{edge.source} -> {edge.target} [label={quoted(label)}{dashed}];")
        return out


def _together(keys: list[object]) -> list[list[int]]:
    """Positions with equal keys, where there are enough of them; each other one alone."""
    found: dict[object, list[int]] = {}
    for i, key in enumerate(keys):
        found.setdefault(key if key is not None else ("alone", i), []).append(i)
    out: list[list[int]] = []
    for group in found.values():
        out += [group] if len(group) >= _TOGETHER else [[i] for i in group]
    return out


def _count_text(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"


def _carried_text(values: list[Value]) -> str:
    first = str(values[0].type)
    return first if len(values) == 1 else f"{first} and {len(values) - 1} more"
