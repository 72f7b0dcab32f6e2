"""`thrace cost`: operations, bytes and memory of a graph, before it is run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from ..ir.columns import bytes_text, columns, count_text, shortened
from ..ir.cost import Cost, GraphCost, scope_path
from ..ir.graph import Node
from ..ir.memory import Alive
from ..ir.printer import value_names
from ..ir.source import Location, resolve
from .command import Command, CommandError
from .files import write_output
from .subject import add_arguments, find_subject

GROUPS = ("scope", "line", "op", "phase", "node")


def configure(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)
    parser.add_argument("--by", choices=GROUPS, default="scope", help="default: scope")
    parser.add_argument(
        "--depth", type=int, default=2, metavar="N", help="of scopes in the table (default: 2)"
    )
    parser.add_argument("--top", type=int, default=20, metavar="N", help="rows (default: 20)")
    parser.add_argument("--json", action="store_true", help="all of it, for programs")
    parser.add_argument("--output", metavar="FILE", help="default: standard output")


def run(args: argparse.Namespace) -> int:
    if args.depth < 0 or args.top < 1:
        raise CommandError("--depth must not be negative, and --top must be at least 1")
    subject = find_subject(args)
    cost = subject.graph.cost()
    if args.json:
        write_output(json.dumps(as_json(cost, args.depth), indent=1), args.output)
    else:
        write_output(report(cost, subject.kind, args.by, args.depth, args.top), args.output)
    return 0


def report(cost: GraphCost, kind: str, by: str = "scope", depth: int = 2, top: int = 20) -> str:
    """The table that people read."""
    total, memory = cost.total, cost.memory
    at_least = " or more: a loop is counted once" if total.at_least else ""
    lines = [
        f"{kind}: {total.nodes} nodes",
        f"  operations   {count_text(total.flops, 'FLOP')}{at_least}, "
        f"{count_text(total.transcendentals)} transcendental",
        f"  moved        {bytes_text(total.bytes)} unfused, {total.intensity:.3g} FLOP/B",
        f"  memory       {bytes_text(memory.peak_bytes)} at the peak: "
        f"inputs {bytes_text(memory.input_bytes)}, outputs {bytes_text(memory.output_bytes)}, "
        f"in between {bytes_text(memory.peak_bytes - memory.input_bytes - memory.output_bytes)}",
        "",
    ]
    live = cost.live_by_scope(depth) if by == "scope" else {}
    groups = sorted(grouped(cost, by, depth).items(), key=lambda item: -_weight(item[1]))
    rows = [(by, "nodes", "FLOP", "%", "transc.", "bytes", "FLOP/B", *(("live",) if live else ()))]
    for name, c in groups[:top]:
        share = 100 * c.flops / total.flops if total.flops else 0.0
        row = (shortened(name, 72), str(c.nodes), count_text(c.flops), f"{share:.1f}")
        row += (count_text(c.transcendentals), bytes_text(c.bytes), f"{c.intensity:.3g}")
        rows.append((*row, bytes_text(live[name])) if live else row)
    lines += columns(rows)
    if len(groups) > top:
        lines.append(f"... {len(groups) - top} more; --top {len(groups)} shows all")
    return "\n".join([*lines, "", *peak_lines(cost, top)])


def peak_lines(cost: GraphCost, top: int = 20) -> list[str]:
    """What is in memory at the peak, largest first, with the lines that made it."""
    memory = cost.memory
    if memory.peak is None:
        return []
    place = resolve(memory.peak.cause or memory.peak.loc)
    where = f", {_place(place)}" if place else ""
    groups: dict[tuple, list[Alive]] = {}
    for a in memory.alive:
        alone = a.name if a.kind == "input" else ""  # inputs have names that say something
        groups.setdefault((alone, a.value.type, a.kind, a.location), []).append(a)
    found = sorted(groups.values(), key=lambda g: -sum(a.size_bytes for a in g))
    rows = [("alive at the peak", "size", "kind", " made at")]
    for g in found[:top]:
        head = f"{len(g)} x {g[0].value.type}" if len(g) > 1 else f"{g[0].name}: {g[0].value.type}"
        size = sum(a.size_bytes for a in g)
        rows.append((shortened(head, 56), bytes_text(size), g[0].kind, f" {_place(g[0].location)}"))
    more = len(found) - top
    return [
        f"the peak is at {memory.peak.op.name} in {scope_path(memory.peak)}{where}",
        *columns(rows),
        *([f"... {more} more"] if more > 0 else []),
    ]


def grouped(cost: GraphCost, by: str, depth: int) -> dict[str, Cost]:
    """Cost per group, by what a row of the table shows of it."""
    if by == "scope":
        return cost.by_scope(depth)
    if by == "phase":
        return cost.by_phase()
    if by == "line":
        return {_place(place): c for place, c in cost.by_line().items()}
    if by == "node":
        names = value_names(cost.graph)
        return {
            _node_name(node, names): c for node, c in zip(cost.graph.nodes, cost.nodes, strict=True)
        }
    out: dict[str, Cost] = {}
    for node, c in zip(cost.graph.nodes, cost.nodes, strict=True):
        out[node.op.name] = out[node.op.name] + c if node.op.name in out else c
    return out


def _node_name(node: Node, names: dict) -> str:
    results = ", ".join(names[v] for v in node.outputs)
    types = ", ".join(str(v.type) for v in node.outputs)
    return f"{results} = {node.op.name}: {types}  {scope_path(node)}"


def _weight(c: Cost) -> int:
    return (c.flops + c.transcendentals << 40) + c.bytes


def _place(place: Location | None) -> str:
    return str(place) if place else ""


def as_json(cost: GraphCost, depth: int) -> dict[str, Any]:
    """Totals, nodes, scopes and the peak, as plain data."""
    graph, memory = cost.graph, cost.memory
    names = value_names(graph)
    return {
        "name": graph.name,
        "total": _plain(cost.total),
        "scopes": {path: _plain(c) for path, c in cost.by_scope(depth).items()},
        "nodes": [
            {
                "results": [names[v] for v in node.outputs],
                "op": node.op.name,
                "scope": scope_path(node),
                **_plain(c),
                "live_bytes": live,
            }
            for node, c, live in zip(graph.nodes, cost.nodes, memory.live_bytes, strict=True)
        ],
        "memory": {
            "peak_bytes": memory.peak_bytes,
            "input_bytes": memory.input_bytes,
            "output_bytes": memory.output_bytes,
            "alive": list(_alive(memory.alive)),
        },
    }


def _plain(c: Cost) -> dict[str, Any]:
    return {**c._asdict(), "bytes": c.bytes, "intensity": c.intensity}


def _alive(found: Iterable[Any]) -> Iterable[dict[str, Any]]:
    for a in found:
        yield {
            "name": a.name,
            "type": str(a.value.type),
            "size_bytes": a.size_bytes,
            "kind": a.kind,
            "location": _place(a.location) or None,
        }


COMMAND = Command(
    "cost",
    "count operations, bytes and memory before running",
    """\
  thrace cost model.py:Net --input f32[64,1,28,28] --grad
  thrace cost model.py:step --input f32[64,10] --input i64[64] --by line
  thrace cost graph.txt --by node --top 50
""",
    configure,
    run,
)
