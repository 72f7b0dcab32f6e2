"""A graph's cost as people read it: totals, a table by scope, line or op, and the peak's buffers.

Reached through `GraphCost.table`; tools may import it.
"""

from __future__ import annotations

from .columns import bytes_text, columns, count_text, shortened
from .cost import Cost, GraphCost, scope_path
from .graph import Node
from .memory import Alive
from .printer import value_names
from .source import Location, resolve

GROUPS = ("scope", "line", "op", "phase", "node")


def report(cost: GraphCost, by: str, depth: int, top: int) -> str:
    """The whole table. Raises: ValueError for a group that there is not."""
    if by not in GROUPS:
        raise ValueError(f"table: by must be one of {', '.join(GROUPS)}, got {by!r}")
    total, memory = cost.total, cost.memory
    at_least = " or more: a loop is counted once" if total.at_least else ""
    lines = [
        f"{total.nodes} nodes",
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
