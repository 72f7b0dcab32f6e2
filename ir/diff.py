"""What is different between two graphs, node by node, whatever their results are numbered.

Nodes are matched by what they are (op, attributes, types, scope) in their order, so that
one more node is one more line, though every number after it is another. Matched nodes go
by the first graph's names, and only those whose operands differ are shown.
Reached through `Graph.diff`; tools may import it.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from .collector import without_collector
from .columns import preformatted
from .graph import Graph, Node, Value
from .hash import literal_key, structural_key
from .nested import nested_graphs
from .origin import name_text
from .printer import attribute_text, literal_text, value_names

CONTEXT = 3  # equal lines shown around a difference
# Above this product of lengths the matcher may leave out ops that are everywhere.
_EXACT = 30_000_000


class Line(NamedTuple):
    """A line of the difference: `sign` is "-", "+" or " " for one that both have."""

    sign: str
    text: str

    def __str__(self) -> str:
        return f"{self.sign} {self.text}"


class GraphDiff:
    """The lines of both graphs, in order, and how many differ. False if nothing does.

    `same_program` says whether they compute the same in the same way, names and places aside.
    """

    def __init__(self, lines: Sequence[Line], same_program: bool):
        self.lines = tuple(lines)
        self.same_program = same_program
        self.added = sum(line.sign == "+" for line in lines)
        self.removed = sum(line.sign == "-" for line in lines)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<difference of {self.removed} lines removed and {self.added} added>"

    def _repr_html_(self) -> str:
        return preformatted(self.text() or "no difference")

    def text(self, context: int = CONTEXT) -> str:
        """The differences with `context` equal lines around them; empty if there is none."""
        near = [False] * len(self.lines)
        for i, line in enumerate(self.lines):
            if line.sign != " ":
                start, end = max(i - context, 0), min(i + context + 1, len(near))
                near[start:end] = [True] * (end - start)
        out: list[str] = []
        skipped = 0
        for line, shown in zip(self.lines, near, strict=True):
            if not shown:
                skipped += 1
                continue
            if skipped:
                out.append(_skipped(skipped))
                skipped = 0
            out.append(str(line))
        if skipped and out:
            out.append(_skipped(skipped))
        return "\n".join(out)


def _skipped(count: int) -> str:
    return f"  ... {count} equal line{'s' if count > 1 else ''}"


@without_collector
def diff(old: Graph, new: Graph) -> GraphDiff:
    """What is different in `new`: inputs, nodes, outputs, and the graphs that nodes hold."""
    lines = _graph_lines(old, new)
    # Held graphs are compared by name and order; their own differences follow.
    before, after = nested_graphs(old)[:-1], nested_graphs(new)[:-1]
    pairs = difflib.SequenceMatcher(
        None, [g.name for g in before], [g.name for g in after], autojunk=False
    )
    for tag, a, b, c, d in pairs.get_opcodes():
        if tag == "equal":
            for one, other in zip(before[a:b], after[c:d], strict=True):
                inner = _graph_lines(one, other)
                if any(line.sign != " " for line in inner):
                    lines += [Line(" ", f"graph {one.name}:"), *inner]
        else:
            lines += [Line("-", f"graph {g.name}, {len(g)} nodes") for g in before[a:b]]
            lines += [Line("+", f"graph {g.name}, {len(g)} nodes") for g in after[c:d]]
    return GraphDiff(lines, structural_key(old) == structural_key(new))


def _graph_lines(old: Graph, new: Graph) -> list[Line]:
    names = dict(value_names(old))
    theirs: dict[Value, str] = {}
    lines = _inputs(old, new, names, theirs)
    extra = 0
    steps = _match([_key(n) for n in old.nodes], [_key(n) for n in new.nodes])
    for tag, a, b, c, d in steps:
        if tag == "equal":
            for one, other in zip(old.nodes[a:b], new.nodes[c:d], strict=True):
                theirs.update(
                    (v, names[u]) for u, v in zip(one.outputs, other.outputs, strict=True)
                )
                before, after = _text(one, names), _text(other, theirs)
                both = before == after
                lines += [Line(" ", before)] if both else [Line("-", before), Line("+", after)]
            continue
        for node in new.nodes[c:d]:
            for v in node.outputs:
                theirs[v] = f"%+{extra}"
                extra += 1
        lines += [Line("-", _text(node, names)) for node in old.nodes[a:b]]
        lines += [Line("+", _text(node, theirs)) for node in new.nodes[c:d]]
    returned = [
        [
            f"return {name_text(n)} = {of[v]}: {v.type}"
            for n, v in zip(g.output_names, g.outputs, strict=True)
        ]
        for g, of in ((old, names), (new, theirs))
    ]
    return lines + _plain_lines(*returned)


def _inputs(
    old: Graph, new: Graph, names: dict[Value, str], theirs: dict[Value, str]
) -> list[Line]:
    """Inputs go by their own names in both."""
    written = value_names(new)
    theirs.update((v, written[v]) for v in new.inputs)
    return _plain_lines(
        *(
            [
                f"input {of[v]}: {v.type}{' grad' if flag else ''}"
                for v, flag in zip(g.inputs, g.requires_grad, strict=True)
            ]
            for g, of in ((old, names), (new, theirs))
        )
    )


def _plain_lines(old: list[str], new: list[str]) -> list[Line]:
    out: list[Line] = []
    for tag, a, b, c, d in _match(old, new):
        if tag == "equal":
            out += [Line(" ", text) for text in old[a:b]]
        else:
            out += [Line("-", text) for text in old[a:b]]
            out += [Line("+", text) for text in new[c:d]]
    return out


def _match(
    old: Sequence[Hashable], new: Sequence[Hashable]
) -> list[tuple[str, int, int, int, int]]:
    """Opcodes of the differences; equal beginnings and ends are not searched through."""
    least = min(len(old), len(new))
    head = next((i for i in range(least) if old[i] != new[i]), least)
    tail = next((i for i in range(least - head) if old[-1 - i] != new[-1 - i]), least - head)
    mid_old, mid_new = old[head : len(old) - tail], new[head : len(new) - tail]
    junk = len(mid_old) * len(mid_new) > _EXACT
    found = difflib.SequenceMatcher(None, mid_old, mid_new, autojunk=junk).get_opcodes()
    out = [("equal", 0, head, 0, head)] if head else []
    out += [(tag, a + head, b + head, c + head, d + head) for tag, a, b, c, d in found]
    if tail:
        out.append(("equal", len(old) - tail, len(old), len(new) - tail, len(new)))
    return out


def _key(node: Node) -> tuple:
    literals = tuple(literal_key(o) if not isinstance(o, Value) else None for o in node.operands)
    return (
        node.op.name,
        _attributes(node),
        tuple(v.type for v in node.outputs),
        literals,
        node.scope.path if node.scope is not None else "",
    )


def _attributes(node: Node) -> tuple[str, ...]:
    held = _HeldNames()
    return tuple(
        f"{name}={attribute_text(value, held)}"
        for name, value in zip(node.op.attrs, node.attrs, strict=True)
    )


class _HeldNames(dict):
    """Held graphs are called by number elsewhere; here all are alike, and compared apart."""

    def __missing__(self, key: int) -> str:
        return "graph"


def _text(node: Node, names: dict[Value, str]) -> str:
    results = ", ".join(f"{names[v]}: {v.type}" for v in node.outputs)
    args = ", ".join(names[o] if isinstance(o, Value) else literal_text(o) for o in node.operands)
    line = " ".join([f"{node.op.name}({args})", *_attributes(node)])
    scope = f"  ; {node.scope.path}" if node.scope is not None else ""
    return f"{results} = {line}{scope}" if results else f"{line}{scope}"
