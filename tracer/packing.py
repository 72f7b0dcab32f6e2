"""Small state and small gradients of a training step go in and out of XLA in a few flat arrays.

Each array costs a microsecond or more at a call, whatever its size, and nobody looks at most of
them between two steps. Imported by `replay`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.graph import Graph
from ..ir.passes.pack import Packed, Place, pack
from .devices import CPU

if TYPE_CHECKING:
    from .replay import Trace


class Packing:
    """Where the inputs and results of a trace's graph are among those of its executable."""

    def __init__(self, packed: Packed, donate: Sequence[int]):
        self.inputs, self.outputs = packed.inputs, packed.outputs
        self.donate = tuple(dict.fromkeys(self.inputs[i].number for i in donate))
        starts = [
            (at.number, at.start, i) for i, at in enumerate(self.inputs) if at.start is not None
        ]
        self.flats: dict[int, list[int]] = {}  # the inputs that go into each flat one, in order
        for number, _, i in sorted(starts):
            self.flats.setdefault(number, []).append(i)
        self.pieces = frozenset(i for _, _, i in starts)

    def into(self, executable: Any, args: Sequence[Any], out: list[Any], device: Any) -> None:
        """Run an executable; `out` gets the results one by one, or none. Arguments that go into
        flat arrays are not consumed."""
        from ..runtime.apart import apart

        def work() -> None:
            raw: list[Any] = []
            executable.into(self._arguments(args, device), raw)
            out.extend([unpacked(place, raw[place.number]) for place in self.outputs])

        apart(work, whole=True)  # nothing comes between

    def _arguments(self, args: Sequence[Any], device: Any) -> list[Any]:
        whole = [a for a, place in zip(args, self.inputs, strict=True) if place.start is None]
        return whole + [flat([args[i] for i in p], device) for p in self.flats.values()]


def flat(pieces: Sequence[Any], device: Any) -> Any:
    """Arrays behind one another, as one of a device."""
    from ..runtime.buffer import to_jax, to_numpy

    return to_jax(np.concatenate([to_numpy(a).ravel() for a in pieces]), device)


def unpacked(place: Place, array: Any) -> Any:
    """An input or result of its own, or a read-only part of the array that has many."""
    if place.start is None:
        return array
    from ..runtime.buffer import to_numpy

    end = place.start + math.prod(place.shape)
    return to_numpy(to_numpy(array)[place.start : end].reshape(place.shape))


def packed(trace: Trace, graph: Graph) -> tuple[Graph, Packing | None]:
    """The graph that a trace runs, with small arrays in flat ones if that pays."""
    if trace.device != CPU:
        return graph, None
    states = [] if trace.is_special or not has_own_writes(trace) else _states(trace, graph)
    found = pack(graph, states, _gradients(trace) if trace.steps else [])
    if found is None:
        return graph, None
    return found.graph, Packing(found, trace.donate)


def has_own_writes(trace: Trace) -> bool:
    """Whether what a trace writes is nobody else's, and found again without the arguments."""
    owners = [trace.bindings[b] for b, _ in trace.writes]
    if any(b.kind not in ("storage", "grad") or isinstance(b.ref, int) for b in owners):
        return False
    if any(isinstance(slot, int) for slot, _ in trace.grads):
        return False
    numbers = [n for _, n in trace.grads if n is not None]
    returned = [leaf.index for leaf in trace.leaves if leaf.kind == "new"]
    if len({*numbers}) < len(numbers) or not {*numbers}.isdisjoint(returned):
        return False
    sources = [source for _, source in trace.writes] + [trace.new[n].source for n in numbers]
    if any(source.history not in (None, -1) for source in sources):
        return False
    outputs = [source.output for source in sources]
    others = {trace.new[i].source.output for i in returned}
    return len({*outputs}) == len(outputs) and others.isdisjoint(outputs)


def _states(trace: Trace, graph: Graph) -> list[tuple[int, int]]:
    """What a trace writes and parks between two calls: inputs, and the outputs with their new
    values. Gradients that are added to go from one trace to another, as arrays of their own."""
    kinds = [b.kind for b in trace.bindings]
    writes = [(b, source.output) for b, source in trace.writes if b in trace.donate]
    return [
        (b, o)
        for b, o in writes
        if kinds[b] == "storage" and graph.inputs[b].type == graph.outputs[o].type
    ]


def _gradients(trace: Trace) -> list[int]:
    """Results that nothing but one `.grad` gets."""
    wanted = [trace.new[n].source.output for _, n in trace.grads if n is not None]
    numbers = {n for _, n in trace.grads}
    others = [new.source for n, new in enumerate(trace.new) if n not in numbers]
    taken = {source.output for source in (*others, *(source for _, source in trace.writes))}
    taken |= {i for i, uses in Counter(wanted).items() if uses > 1}
    return [i for i in wanted if i not in taken]
