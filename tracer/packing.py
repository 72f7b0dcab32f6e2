"""Small gradients of a training step come out of XLA as one array. Imported by `replay`.

Each result costs a microsecond or more, whatever its size, and nobody looks at most gradients
of a step that an optimizer uses up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..ir.graph import Graph
from ..ir.passes.pack import Place, pack_outputs
from .devices import CPU

if TYPE_CHECKING:
    from .replay import Trace

# Copying more than that costs more than it saves, and so does it for a few.
MAX_BYTES = 1 << 14
MIN_COUNT = 8


class Packing:
    """Where the results of a trace's graph are among those of its executable."""

    def __init__(self, places: list[Place]):
        self.places = places

    def into(self, executable: Any, args: Sequence[Any], out: list[Any]) -> None:
        """Run an executable; `out` gets the results one by one, or none."""
        from ..runtime.apart import apart

        def work() -> None:
            raw: list[Any] = []
            executable.into(args, raw)
            out.extend([unpacked(place, raw[place.output]) for place in self.places])

        apart(work, whole=True)  # nothing comes between


def unpacked(place: Place, array: Any) -> Any:
    """A result of its own, or a read-only part of the array that has many."""
    if place.start is None:
        return array
    from ..runtime.buffer import to_numpy

    end = place.start + math.prod(place.shape)
    return to_numpy(to_numpy(array)[place.start : end].reshape(place.shape))


def packed(trace: Trace, graph: Graph) -> tuple[Graph, Packing | None]:
    """The graph that a trace runs, with its small gradients in one result if that pays."""
    if not trace.steps or trace.device != CPU:
        return graph, None
    wanted = [trace.new[n].source.output for _, n in trace.grads if n is not None]
    numbers = {n for _, n in trace.grads}
    others = [new.source for n, new in enumerate(trace.new) if n not in numbers]
    taken = {source.output for source in (*others, *(source for _, source in trace.writes))}
    taken |= {i for i, uses in Counter(wanted).items() if uses > 1}
    small = [i for i in wanted if i not in taken and graph.outputs[i].type.size_bytes <= MAX_BYTES]
    if len(small) < MIN_COUNT:
        return graph, None
    graph, places = pack_outputs(graph, small)
    return graph, Packing(places)
