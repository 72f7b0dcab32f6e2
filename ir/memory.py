"""How much memory a graph takes while it runs, node by node, and what is alive at the peak.

An estimate of what a compiler that fuses will allocate. Cheap elementwise work, and what
only moves elements, is done again by whoever reads it rather than stored; sums read it as
they go. So buffers are: inputs, results, what products, convolutions, sorts and the like
read and make, and expensive elementwise results with several readers. Inputs and results
are there from beginning to end, and what is passing may lie in the room of a result that
is yet to come.

The order is not the graph's: like XLA on CPUs, each buffer is filled as soon as all that it
is made from is there, so what a backward pass will read (the transposed input of a
convolution, say) is made early and waits. Used by `cost`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .collector import without_collector
from .graph import Graph, Node, Value
from .nested import held_graphs
from .source import Location, resolve

# Results that are their first operand's data under another name.
ALIASES = frozenset(("reshape", "detach", "graft", "opaque", "barrier", "check"))
_MOVES = frozenset(
    (
        *("broadcast", "slice", "unslice", "dynamic_slice", "dynamic_unslice", "pad", "reverse"),
        *("full", "iota", "constant", "real", "imag", "complex", "bitcast", "transpose"),
        *("concatenate", "index"),
    )
)
_REDUCTIONS = frozenset(("sum", "sum_to", "amax", "amin", "any", "all", "argmax", "argmin"))
# Elementwise results that are stored once rather than computed for each reader.
_EXPENSIVE = frozenset(
    (
        *("exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tanh", "logistic"),
        *("erf", "pow", "div", "int_div", "rem", "atan2"),
    )
)


class Alive(NamedTuple):
    """A buffer: the value in it, its size, what it is for, and the line that made it (for a
    gradient, the forward line it is the gradient of)."""

    value: Value
    name: str
    size_bytes: int
    kind: str  # input, output or intermediate
    location: Location | None


class Memory(NamedTuple):
    """`live_bytes` has, per node, what is allocated while it runs (what is computed for its
    readers runs with the first of them).

    `peak_bytes` is the most of them, `peak` the node where it is reached (None in a graph
    without nodes), and `alive` the buffers there, largest first.
    """

    live_bytes: tuple[int, ...]
    peak_bytes: int
    peak: Node | None
    alive: tuple[Alive, ...]
    input_bytes: int
    output_bytes: int
    donated_bytes: int


@without_collector
def memory(graph: Graph, donate: Sequence[int] = ()) -> Memory:
    """What a graph allocates; `donate` has positions of inputs whose room results may take."""
    return _Plan(graph, donate).memory()


class _Plan:
    def __init__(self, graph: Graph, donate: Sequence[int]):
        self.graph = graph
        self.donate = donate
        self.roots: dict[Value, tuple[Value, ...]] = {}
        self.reads: dict[int, tuple[Value, ...]] = {}  # of nodes that fill buffers, which
        self.made: dict[Value, int] = {}  # at first by positions of nodes, then by steps
        self.last: dict[Value, int] = {}
        self.order: list[int] = []  # positions of nodes that fill buffers, step by step
        self._place()
        self._schedule()

    def _place(self) -> None:
        """Which values are stored, and what they are computed from."""
        graph = self.graph
        stored = self._stored()
        again: dict[Value, tuple[Value, ...]] = {v: (v,) for v in graph.inputs}
        self.roots.update(again)
        for at, node in enumerate(graph.nodes):
            if node.op.name in ALIASES:
                o, out = node.operands[0], node.outputs[0]
                assert isinstance(o, Value)
                self.roots[out], again[out] = self.roots[o], again[o]
                continue
            # Fused readers compute what is cheap again, from where it came; others read it.
            source = again if _fusible(node) else self.roots
            read: dict[Value, None] = {}
            operands = _read_by_sum(node) if node.op.name in _REDUCTIONS else node.operands
            for o in operands:
                if isinstance(o, Value):
                    read.update(dict.fromkeys(source[o]))
            held = tuple(read)
            for v in node.outputs:
                self.roots[v] = again[v] = held
                if v in stored:
                    self.roots[v] = (v,)
                    self.made[v] = at
                    if not _fusible(node) or node.op.name in _EXPENSIVE:
                        again[v] = (v,)
            if any(v in stored for v in node.outputs) or not node.outputs:
                self.reads[at] = held

    def _schedule(self) -> None:
        """From when to when each buffer is there: first come, first served."""
        makers = {
            at: {self.made.get(v, at) for v in read} - {at} for at, read in self.reads.items()
        }
        readers: dict[int, list[int]] = {}
        for at, needed in makers.items():
            for maker in needed:
                readers.setdefault(maker, []).append(at)
        missing = {at: len(needed) for at, needed in makers.items()}
        self.order = [at for at, count in missing.items() if count == 0]
        for at in self.order:  # grows on its way
            for reader in readers.get(at, ()):
                missing[reader] -= 1
                if missing[reader] == 0:
                    self.order.append(reader)
        step = {at: i for i, at in enumerate(self.order)}
        self.made = {v: step[at] for v, at in self.made.items()}
        self.last = dict(self.made)
        for at, read in self.reads.items():
            for v in read:
                self.last[v] = max(self.last.get(v, 0), step[at])
        for v in self.graph.outputs:
            for r in self.roots[v]:
                self.last[r] = len(self.order)

    def _stored(self) -> set[Value]:
        graph = self.graph
        readers: dict[Value, int] = {}
        needed: set[Value] = set(graph.outputs)
        for node in reversed(graph.nodes):
            name = node.op.name
            if name in ALIASES:
                o = node.operands[0]
                if isinstance(o, Value):
                    out = node.outputs[0]
                    readers[o] = readers.get(o, 0) + readers.get(out, 0)
                    if out in needed:
                        needed.add(o)
                continue
            apart = not (_fusible(node) or name in _REDUCTIONS)
            for o in dict.fromkeys(node.operands):
                if isinstance(o, Value):
                    readers[o] = readers.get(o, 0) + 1
                    if apart:
                        needed.add(o)
        for node in graph.nodes:
            if node.op.name in _REDUCTIONS:
                needed.update(v for v in _read_by_sum(node) if readers.get(v, 0) > 1)
        return self._kept(needed)

    def _kept(self, needed: set[Value]) -> set[Value]:
        """What is stored: what must be, and expensive results that two readers would compute."""
        stored: set[Value] = set()
        readers: dict[Value, int] = {}  # buffers that a value is computed for; 2 stands for more
        for node in reversed(self.graph.nodes):
            name = node.op.name
            fused = 0 if name in ALIASES else 1
            for v in node.outputs:
                count = readers.get(v, 0)
                cheap = _fusible(node) and name not in _EXPENSIVE
                if name in ALIASES or (cheap and v not in needed):
                    fused = count
                elif name != "constant" and (not _fusible(node) or count > 1 or v in needed):
                    stored.add(v)
                    fused = 1 + count if cheap else 1
                else:
                    fused = count
            for o in dict.fromkeys(node.operands):
                if isinstance(o, Value):
                    readers[o] = min(readers.get(o, 0) + fused, 2)
        return stored

    def memory(self) -> Memory:
        graph = self.graph
        inputs = sum(v.type.size_bytes for v in graph.inputs)
        results = {r for v in graph.outputs for r in self.roots[v]} - set(graph.inputs)
        handed = [v for v in graph.outputs if v in self.made or self.roots[v] == (v,)]
        copies = sum(v.type.size_bytes for v in handed if v not in self.made)
        outputs = copies + sum(v.type.size_bytes for v in results)
        placed = self._placed()
        given = sum(v.type.size_bytes for v in placed)
        sheltered = self._sheltered(results - placed)
        born: dict[int, int] = {}
        dies: dict[int, int] = {}
        for v, at in self.made.items():
            if v not in results and v not in sheltered:
                born[at] = born.get(at, 0) + v.type.size_bytes
                dies[self.last[v]] = dies.get(self.last[v], 0) + v.type.size_bytes
        always = inputs + outputs - given
        live: list[int] = []
        now = 0
        for step, at in enumerate(self.order):
            now += born.get(step, 0)
            live.append(always + now + _scratch(graph.nodes[at]))
            now -= dies.get(step, 0)
        steps = self._steps()
        peak = max(range(len(live)), key=live.__getitem__, default=0)
        node = graph.nodes[self.order[peak] if live else 0] if graph.nodes else None
        return Memory(
            live_bytes=tuple(live[s] if live else always for s in steps),
            peak_bytes=live[peak] if live else always,
            peak=node,
            alive=self._alive(peak, results),
            input_bytes=inputs,
            output_bytes=outputs,
            donated_bytes=given,
        )

    def _steps(self) -> list[int]:
        """The step that each node runs in: its own, or that of the first reader it is fused to."""
        own = {at: step for step, at in enumerate(self.order)}
        read: dict[Value, int] = {}
        out: list[int] = []
        latest = max(len(self.order) - 1, 0)
        for at in range(len(self.graph.nodes) - 1, -1, -1):
            node = self.graph.nodes[at]
            step = own.get(at)
            if step is None:
                step = min((read[v] for v in node.outputs if v in read), default=latest)
            for o in node.operands:
                if isinstance(o, Value):
                    read[o] = min(read.get(o, step), step)
            out.append(step)
        return out[::-1]

    def _sheltered(self, results: set[Value]) -> set[Value]:
        """Passing values that lie in the room of a result not made yet, one at a time."""
        found: set[Value] = set()
        rooms: list[list[tuple[int, int]]] = []  # the least that is large enough comes last
        by_size = sorted(self.made, key=lambda v: (-v.type.size_bytes, v not in results))
        kept = {r for v in self.graph.outputs for r in self.roots[v]}
        for v in by_size:
            span = (self.made[v], self.last[v])
            if v in results:
                rooms.append([span])
            elif v not in kept:
                for room in reversed(rooms):
                    if all(span[1] < start or end < span[0] for start, end in room):
                        room.append(span)
                        found.add(v)
                        break
        return found

    def _placed(self) -> set[Value]:
        """Results that are put into donated inputs, each into one of its own type."""
        free: dict[object, int] = {}
        for i in self.donate:
            t = self.graph.inputs[i].type
            free[t] = free.get(t, 0) + 1
        found: set[Value] = set()
        for out in self.graph.outputs:
            for v in self.roots[out]:
                if v in self.made and v not in found and free.get(v.type, 0):
                    free[v.type] -= 1
                    found.add(v)
        return found

    def _alive(self, at: int, results: set[Value]) -> tuple[Alive, ...]:
        from .printer import value_names

        names = value_names(self.graph)
        found = [Alive(v, names[v], v.type.size_bytes, "input", None) for v in self.graph.inputs]
        for v, start in self.made.items():
            if start <= at <= self.last[v]:
                assert v.node is not None
                kind = "output" if v in results else "intermediate"
                place = resolve(v.node.cause or v.node.loc)
                found.append(Alive(v, names[v], v.type.size_bytes, kind, place))
        return tuple(sorted(found, key=lambda a: -a.size_bytes))


def _read_by_sum(node: Node) -> list[Value]:
    """What a reduction reads: its operand, or the factors of a product that it adds up."""
    o = node.operands[0]
    while isinstance(o, Value) and o.node is not None and o.node.op.name in ALIASES:
        o = o.node.operands[0]
    assert isinstance(o, Value)
    if o.node is None or o.node.op.name != "mul":
        return [o]
    return [p for p in o.node.operands if isinstance(p, Value)]


def _fusible(node: Node) -> bool:
    return node.op.elementwise or node.op.name in _MOVES


def _scratch(node: Node) -> int:
    """What a node allocates while it runs, besides its operands and results."""
    if node.op.name == "convolution":
        # Kernels want another order of axes than PyTorch's: data goes in and out as copies.
        x = node.operands[0]
        assert isinstance(x, Value)
        return x.type.size_bytes + node.outputs[0].type.size_bytes
    return max((_inside(g) for g in held_graphs(node)), default=0)


def _inside(graph: Graph) -> int:
    """What a held graph allocates besides its inputs and results, which its node has."""
    ends = sum(t.size_bytes for t in (*graph.input_types, *graph.output_types))
    return max(memory(graph).peak_bytes - ends, 0)
