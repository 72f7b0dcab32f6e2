"""What a graph costs before it is run: operations, bytes moved, and sums of them.

Counts follow XLA's own analysis of a program that is not optimized yet: a fused multiply
and add is two operations, a comparison or a select one per element, moving data none, and
transcendental functions are counted apart. Reached through `Graph.cost`; tools may import it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from .collector import without_collector
from .columns import bytes_text, count_text, preformatted
from .graph import Graph, Node, Value
from .memory import Memory, memory
from .nested import nested_graphs
from .ops import OPS
from .source import Location, resolve


class Cost(NamedTuple):
    """Operations and bytes of a node, a scope or a graph; `+` adds two.

    `at_least` says that a loop inside goes round an unknown number of times and was
    counted once. Bytes are those of operands and results: what an unfused program moves.
    """

    flops: int = 0
    transcendentals: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    nodes: int = 1
    at_least: bool = False

    @property
    def bytes(self) -> int:
        return self.bytes_read + self.bytes_written

    @property
    def intensity(self) -> float:
        """Operations per byte moved; 0 where nothing is moved."""
        return (self.flops + self.transcendentals) / self.bytes if self.bytes else 0.0

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        return Cost(
            self.flops + other.flops,
            self.transcendentals + other.transcendentals,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
            self.nodes + other.nodes,
            self.at_least or other.at_least,
        )

    def times(self, count: int) -> Cost:
        """This cost, `count` times over."""
        return Cost(
            count * self.flops,
            count * self.transcendentals,
            count * self.bytes_read,
            count * self.bytes_written,
            self.nodes,
            self.at_least,
        )


NOTHING = Cost(nodes=0)
K = TypeVar("K")


class GraphCost:
    """The cost of each node, of the whole graph, and its memory while it runs.

    `nodes` and `memory.live_bytes` line up with `graph.nodes`.
    """

    def __init__(self, graph: Graph, nodes: Sequence[Cost], found: Memory):
        self.graph = graph
        self.nodes = tuple(nodes)
        self.memory = found
        self.total = total(self.nodes)

    def table(self, by: str = "scope", depth: int = 2, top: int = 20) -> str:
        """Totals, the dearest scopes (lines, ops, phases, nodes), and what is in memory at the
        peak. Raises: ValueError for another group."""
        from .cost_table import report

        return report(self, by, depth, top)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        flops, peak = count_text(self.total.flops, "FLOP"), bytes_text(self.memory.peak_bytes)
        return f"<cost of {self.graph.name}: {flops}, {peak} at the peak>"

    def _repr_html_(self) -> str:
        return preformatted(self.table())

    def by_scope(self, depth: int | None = None) -> dict[str, Cost]:
        """Cost per scope path, cut to `depth` steps below the phase, in order of appearance."""
        return self._by(lambda node: scope_path(node, depth))

    def by_phase(self) -> dict[str, Cost]:
        return self._by(lambda node: node.phase)

    def by_line(self) -> dict[Location | None, Cost]:
        """Cost per line of the user's code: on backward nodes the forward line they are for."""
        return self._by(lambda node: resolve(node.cause or node.loc))

    def live_by_scope(self, depth: int | None = None) -> dict[str, int]:
        """The most bytes that are live while a scope runs."""
        out: dict[str, int] = {}
        for node, live in zip(self.graph.nodes, self.memory.live_bytes, strict=True):
            path = scope_path(node, depth)
            out[path] = max(out.get(path, 0), live)
        return out

    def _by(self, key: Callable[[Node], K]) -> dict[K, Cost]:
        out: dict[K, Cost] = {}
        for node, cost in zip(self.graph.nodes, self.nodes, strict=True):
            k = key(node)
            out[k] = out.get(k, NOTHING) + cost
        return out


def graph_cost(graph: Graph, donate: Sequence[int] = ()) -> GraphCost:
    """The cost of every node; a node that holds graphs costs what they do.

    `donate` has positions of inputs whose buffers results may take.
    """
    known: dict[int, Cost] = {}
    found: list[Cost] = []
    for g in nested_graphs(graph):
        found = [_cost(node, known) for node in g.nodes]
        known[id(g)] = total(found)
    return GraphCost(graph, found, memory(graph, donate))


def node_cost(node: Node) -> Cost:
    """The cost of one node."""
    known: dict[int, Cost] = {}
    for attr in node.attrs:
        if isinstance(attr, Graph):
            known[id(attr)] = graph_cost(attr).total
    return _cost(node, known)


@without_collector
def total(costs: Iterable[Cost]) -> Cost:
    """All of them together."""
    rows = list(costs)
    sums = [sum(row[i] for row in rows) for i in range(5)]
    return Cost(*sums, at_least=any(row.at_least for row in rows))


def scope_path(node: Node, depth: int | None = None) -> str:
    """`backward/encoder.0/linear`: the phase, then at most `depth` scopes; calls are not told
    apart."""
    steps = [] if node.scope is None else [s.name for s in node.scope.chain() if s.kind != "phase"]
    return "/".join([node.phase, *steps[:depth]])


# What a node computes, given its own types. Each rule gives operations and transcendentals.
Count = tuple[int, int]
Rule = Callable[[Node], Count]


def _per_element(node: Node) -> Count:
    return node.outputs[0].type.numel, 0


def _transcendental(node: Node) -> Count:
    return 0, node.outputs[0].type.numel


def _nothing(node: Node) -> Count:
    return 0, 0


def _operand(node: Node, i: int = 0) -> Value:
    o = node.operands[i]
    assert isinstance(o, Value)
    return o


def _reduction(node: Node) -> Count:
    return max(_operand(node).type.numel - node.outputs[0].type.numel, 0), 0


def _pow(node: Node) -> Count:
    """Small whole exponents are multiplied out."""
    n, exponent = node.outputs[0].type.numel, node.operands[1]
    if isinstance(exponent, int | float) and float(exponent).is_integer() and abs(exponent) <= 8:
        power = abs(int(exponent))
        steps = max(power.bit_length() - 1 + power.bit_count() - 1, 0) + (exponent < 0)
        return n * steps, 0
    return 0, n


def _dot(node: Node) -> Count:
    x = _operand(node).type
    inner = math.prod(x.shape[a] for a in node.attr("contract")[0])
    return 2 * node.outputs[0].type.numel * inner, 0


def _convolution(node: Node) -> Count:
    """Only products with elements of the input: neither padding nor the holes of a dilation."""
    x, w = _operand(node).type, _operand(node, 1).type
    out = node.outputs[0].type
    pairs = 1
    for i, n in enumerate(out.shape[2:]):
        pairs *= _meetings(
            x.shape[i + 2],
            w.shape[i + 2],
            n,
            node.attr("strides")[i],
            node.attr("low")[i],
            node.attr("lhs_dilation")[i],
            node.attr("rhs_dilation")[i],
        )
    return 2 * pairs * w.shape[1] * out.shape[0] * out.shape[1], 0


def _meetings(
    size: int, kernel: int, out: int, stride: int, low: int, spread: int, reach: int
) -> int:
    """How often an element of the kernel meets one of the input, along one axis."""
    count = 0
    for k in range(kernel):
        # Places k * reach + j * stride - low, for j < out, that are multiples of `spread`
        # from 0 to (size - 1) * spread: whole steps of the period at which they recur.
        start = k * reach - low
        end = (size - 1) * spread
        first = max(-(start // stride), 0) if start < 0 else 0
        last = min((end - start) // stride, out - 1)
        period = spread // math.gcd(spread, stride)
        hits = [
            j
            for j in range(first, min(first + period, last + 1))
            if (start + j * stride) % spread == 0
        ]
        count += sum((last - j) // period + 1 for j in hits)
    return count


def _sort(node: Node) -> Count:
    x = _operand(node).type
    length = max(x.shape[-1] if x.ndim else 1, 2)
    return int(x.numel * math.log2(length)), 0


def _fft(node: Node) -> Count:
    """5 n log2 n, half of it for real data.

    Source: Johnson & Frigo 2007, doi:10.1109/TSP.2006.882087
    """
    points = math.prod(node.attr("lengths"))
    whole = max(_operand(node).type.numel, node.outputs[0].type.numel)
    flops = 5 * whole * math.log2(max(points, 2))
    return int(flops if node.attr("kind") in ("fft", "ifft") else flops / 2), 0


def _cubic(factor: float) -> Rule:
    """Decompositions of matrices. Source: Golub & Van Loan 2013, table of flop counts."""

    def rule(node: Node) -> Count:
        x = _operand(node).type
        m, n = x.shape[-2:]
        batch = x.numel // max(m * n, 1)
        return int(factor * batch * m * n * min(m, n)), 0

    return rule


def _triangular_solve(node: Node) -> Count:
    a = _operand(node).type
    return a.shape[-1] * node.outputs[0].type.numel, 0


def _ldl_solve(node: Node) -> Count:
    """Two triangular solves."""
    return 2 * _operand(node).type.shape[-1] * node.outputs[0].type.numel, 0


def _rng_bits(node: Node) -> Count:
    """A counter-based generator: 20 rounds of an addition, a rotation (three) and an xor, keys
    put in after each four, and the counter's own arithmetic."""
    return 117 * node.outputs[-1].type.numel + 5, 0


def _scatter(node: Node) -> Count:
    return _operand(node, 1).type.numel, 0


_MOVES = (
    *("reshape", "transpose", "broadcast", "slice", "unslice", "update_slice", "dynamic_slice"),
    *("dynamic_unslice", "dynamic_update_slice", "pad", "concatenate", "reverse", "full", "iota"),
    *("constant", "real", "imag", "complex", "bitcast", "index", "index_set"),
    *("detach", "graft", "opaque", "barrier", "check", "call", "cond", "while_loop", "scan"),
)
_TRANSCENDENTAL = (
    *("exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tanh", "logistic", "erf"),
    *("asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "atan2", "lgamma"),
    *("digamma", "polygamma", "zeta", "igamma", "igammac", "erfc", "erfinv", "erfcx", "ndtri"),
    *("log_ndtr", "i0e", "i1e", "airy_ai"),
)
RULES: dict[str, Rule] = {
    **{name: _per_element for name, row in OPS.items() if row.elementwise},
    "nextafter": _per_element,
    **dict.fromkeys(_TRANSCENDENTAL, _transcendental),
    **dict.fromkeys(_MOVES, _nothing),
    **dict.fromkeys(("sum", "sum_to", "amax", "amin", "any", "all"), _reduction),
    **dict.fromkeys(("argmax", "argmin"), _reduction),
    **dict.fromkeys(("index_add", "index_mul", "index_max", "index_min"), _scatter),
    "convert": _per_element,
    "pow": _pow,
    "dot_general": _dot,
    "convolution": _convolution,
    "sort": _sort,
    "fft": _fft,
    "rng_bits": _rng_bits,
    "triangular_solve": _triangular_solve,
    "ldl_solve": _ldl_solve,
    "ldl_factor": _cubic(1 / 3),
    "cholesky": _cubic(1 / 3),
    "lu": _cubic(2 / 3),
    "qr": _cubic(4 / 3),
    "eigh": _cubic(9),
    "eig": _cubic(25),
    "svd": _cubic(20),
}


def _cost(node: Node, known: dict[int, Cost]) -> Cost:
    name = node.op.name
    if name == "call":
        return known[id(node.attr("graph"))]._replace(nodes=1)
    if name == "cond":
        branches = (known[id(node.attr(which))] for which in ("true_graph", "false_graph"))
        return max(branches, key=lambda c: c.flops + c.transcendentals + c.bytes)._replace(nodes=1)
    if name == "scan":
        return known[id(node.attr("graph"))].times(node.attr("length"))._replace(nodes=1)
    if name == "while_loop":
        once = total(known[id(node.attr(which))] for which in ("cond_graph", "body_graph"))
        return once._replace(nodes=1, at_least=True)
    flops, transcendentals = RULES[name](node)
    return Cost(flops, transcendentals, *_moved(node))


def _moved(node: Node) -> tuple[int, int]:
    """Bytes read and written. What only names its operand's data anew moves none."""
    name = node.op.name
    if name in ("reshape", "detach", "graft", "opaque", "barrier", "check"):
        return 0, 0
    written = sum(v.type.size_bytes for v in node.outputs)
    operands = [o.type.size_bytes for o in node.operands if isinstance(o, Value)]
    if name in ("index", "slice", "dynamic_slice"):
        return written + sum(operands[1:]), written
    return sum(operands), written
