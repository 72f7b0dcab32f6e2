"""`thrace cost`: operations, bytes and memory of a graph, before it is run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from ..ir.cost import Cost, GraphCost, scope_path
from ..ir.cost_table import GROUPS
from ..ir.printer import value_names
from .command import Command, CommandError
from .files import write_output
from .subject import add_arguments, find_subject


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
        write_output(f"{subject.kind}: {cost.table(args.by, args.depth, args.top)}", args.output)
    return 0


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
            "location": str(a.location) if a.location else None,
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
