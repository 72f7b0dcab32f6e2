"""The text form of a graph, which `parser.parse` reads back to an equal graph.

    graph main(%x: f32[64,10], %w: f32[10,3] grad) -> (loss: f32[]) {
      %0: f32[64,3] = dot_general(%x, %w) contract=((1,), (0,)) batch=((), ())  ; linear  a.py:3
      return %0
    }

Graphs that nodes hold come first, and are named there as `@name`. What follows `;` is the
node's origin (see `origin.py`); `#` begins a comment that the parser leaves out.
Reached through `Graph.to_text`; tools may import it.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from .collector import without_collector
from .columns import bytes_text, columns, count_text
from .errors import GraphError
from .graph import Graph, Scalar, Value
from .hash import literal_key
from .nested import nested_graphs
from .ops.shape import Constant
from .origin import OriginWriter, join_lines, name_text, quote
from .types import DType, dtype_from_numpy

# Constants of up to this many elements are written as numbers, longer ones in base 64.
LISTED = 16
_WIDTH = 100
_FEW = 6  # results or operands of a node shown where the text is for reading alone
_VALUE_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


@without_collector
def to_text(
    graph: Graph,
    *,
    source: bool = True,
    types: bool = True,
    scopes: bool = True,
    depth: int | None = None,
    held: bool = True,
    cost: bool = False,
    names: str = "number",
) -> str:
    """The graph as text, which `parse` reads back.

    `source`, `types` and `scopes` leave out source lines, result types or scope paths.
    `depth` folds scopes nested deeper into graphs of their own, equal ones into one, and
    `held=False` leaves those out and shortens long lists, for reading alone. `cost` adds
    columns between bars: operations, bytes moved and bytes live. `names="scope"` calls
    results after their scope and op (`%net.linear.add`), so that a change in one place
    leaves all other names alone.
    Raises: ValueError for other names.
    """
    if names not in _NAMES:
        raise ValueError(f"to_text: names must be one of {', '.join(_NAMES)}, got {names!r}")
    if depth is not None:
        graph = graph.fold(depth)
    origins = OriginWriter(source=source, scopes=scopes)
    graphs: dict[int, str] = {}
    taken: set[str] = set()
    blocks: list[str] = []
    for g in nested_graphs(graph):
        graphs[id(g)] = _unused(name_text(g.name), taken)
        if held or g is graph:
            columns = _cost_columns(g) if cost else []
            of = _NAMES[names](g)
            blocks.append(_graph_text(g, graphs, origins, types, of, columns, not held))
    files = origins.file_lines()
    if files:
        blocks.insert(0, "\n".join(files) + "\n")
    return "\n".join(blocks)


def value_names(graph: Graph) -> dict[Value, str]:
    """How each value is written: inputs by their names, results by number."""
    out: dict[Value, str] = {}
    taken: set[str] = set()
    for name, v in zip(graph.input_names, graph.inputs, strict=True):
        text = name if _VALUE_BARE.fullmatch(name) else quote(name)
        out[v] = f"%{_unused(text, taken)}"
    lead = len(out)
    for node in graph.nodes:
        for v in node.outputs:
            out[v] = f"%{len(out) - lead}"
    return out


def scope_names(graph: Graph) -> dict[Value, str]:
    """Results by phase, scope and op, told apart by number; inputs by their names."""
    out: dict[Value, str] = {}
    counts: dict[str, int] = {}
    inputs = value_names(Graph(graph.inputs, (), (), input_names=graph.input_names))
    out.update(inputs)
    taken = set(inputs.values())
    for node in graph.nodes:
        steps = [] if node.scope is None else [scope.name for scope in node.scope.chain()]
        parts = [re.sub(r"[^A-Za-z0-9_.]+", "_", part) for part in (*steps, node.op.name)]
        stem = ".".join(parts)
        for v in node.outputs:
            name = f"%{stem}"
            while name in taken:
                counts[stem] = counts.get(stem, 1) + 1
                name = f"%{stem}.{counts[stem]}"
            taken.add(name)
            out[v] = name
    return out


_NAMES = {"number": value_names, "scope": scope_names}


def _cost_columns(graph: Graph) -> list[str]:
    """Per node: operations (transcendental ones among them), bytes moved, bytes live."""
    found = graph.cost()
    rows = [
        (count_text(c.flops + c.transcendentals), bytes_text(c.bytes), bytes_text(live))
        for c, live in zip(found.nodes, found.memory.live_bytes, strict=True)
    ]
    return [f"|{line}|" for line in columns(rows, left=0)]


def _unused(text: str, taken: set[str]) -> str:
    """`text`, told apart by `~2`, `~3`... from those before it."""
    out, count = text, 1
    while out in taken:
        count += 1
        out = f"{text}~{count}"
    taken.add(out)
    return out


def _graph_text(
    graph: Graph,
    names: dict[int, str],
    origins: OriginWriter,
    types: bool,
    of: dict[Value, str],
    costs: list[str],
    brief: bool,
) -> str:
    lines: list[tuple[str, str]] = []
    for node in graph.nodes:
        results = [f"{of[v]}: {v.type}" if types else of[v] for v in node.outputs]
        args = [of[o] if isinstance(o, Value) else literal_text(o) for o in node.operands]
        if brief:
            results, args = _few(results), _few(args)
        head = f"{', '.join(results)} = " if results else ""
        line = f"  {head}{node.op.name}({', '.join(args)})"
        for name, value in zip(node.op.attrs, node.attrs, strict=True):
            line += f" {name}={attribute_text(value, names)}"
        lines.append((line, origins.text(node)))
    returned = ", ".join(of[v] for v in graph.outputs)
    if costs:
        width = min(max(len(line) for line, _ in lines), 88)
        lines = [(f"{line:<{width}}  {c}", o) for (line, o), c in zip(lines, costs, strict=True)]
    body = _with_phases(graph, join_lines(lines))
    body.append(f"  return {returned}" if returned else "  return")
    return "\n".join([_header(graph, of, names[id(graph)]), *body, "}\n"])


def _with_phases(graph: Graph, lines: list[str]) -> list[str]:
    """A comment where a phase begins, in a graph that has several."""
    phases = [node.phase for node in graph.nodes]
    if len(set(phases)) < 2:
        return lines
    out: list[str] = []
    for line, phase, before in zip(lines, phases, ["", *phases], strict=False):
        if phase != before:
            out.append(f"  # {phase}")
        out.append(line)
    return out


def _few(items: list[str]) -> list[str]:
    return (
        items if len(items) <= _FEW else [*items[: _FEW - 1], f"... {len(items) - _FEW + 1} more"]
    )


def _header(graph: Graph, of: dict[Value, str], name: str) -> str:
    ins = [
        f"{of[v]}: {v.type}{' grad' if flag else ''}"
        for v, flag in zip(graph.inputs, graph.requires_grad, strict=True)
    ]
    outs = [
        f"{name_text(n)}: {v.type}" for n, v in zip(graph.output_names, graph.outputs, strict=True)
    ]
    line = f"graph {name}({', '.join(ins)}) -> ({', '.join(outs)}) {{"
    if len(line) <= _WIDTH:
        return line
    return f"graph {name}({_column(ins)}) -> ({_column(outs)}) {{"


def _column(items: list[str]) -> str:
    """A long list, an item a line."""
    if sum(map(len, items)) < _WIDTH // 2:
        return ", ".join(items)
    return "\n" + "".join(f"    {item},\n" for item in items)


def literal_text(value: Scalar) -> str:
    """A Python number as `repr` writes it, which reads back as the same number."""
    return literal_key(value)[1]


def attribute_text(value: Any, names: dict[int, str]) -> str:
    """An attribute; `names` has how the graphs it may hold are called, by id."""
    if isinstance(value, bool | int | float | complex):
        return literal_text(value)
    if isinstance(value, tuple):
        inside = ", ".join(attribute_text(item, names) for item in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, DType):
        return value.short
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "None"
    if isinstance(value, Graph):
        return f"@{names[id(value)]}"
    if isinstance(value, Constant):
        return _constant_text(value)
    raise GraphError(f"an attribute of type {type(value).__name__} has no text form: {value!r}")


def _constant_text(constant: Constant) -> str:
    array = constant.array
    shape = ",".join(map(str, array.shape))
    head = f"{dtype_from_numpy(array.dtype).short}[{shape}]"
    # The payload of a nan does not survive as a number, nor do real zeros beside one.
    if array.size <= LISTED and not (array.dtype.kind in "fcV" and (array != array).any()):
        return f"{head}({', '.join(literal_text(x) for x in array.ravel().tolist())})"
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return f'{head}(base64 "{base64.b64encode(data).decode()}")'
