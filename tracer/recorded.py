"""A compiled function's step as a graph and the data that it would run on; for the profiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..ir.errors import FallbackError
from ..ir.graph import Graph
from ..ir.passes.strip import strip_history
from . import trees
from .compile import CompiledFunction, compile
from .recording import settle_foreign
from .state import LOCK

_TRIES = 3  # lazily made state traces again


class Recorded(NamedTuple):
    """The graph as it is compiled, an array per input, and the device."""

    graph: Graph
    arrays: list[Any]
    device: Any
    name: str


def record(fn: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Recorded:
    """Call the function until it has a trace for these arguments, and read that one's inputs.

    Raises: FallbackError with the reason if it cannot be one graph.
    """
    compiled = fn if isinstance(fn, CompiledFunction) else compile(fn)
    leaves, spec = trees.flatten((args, kwargs) if kwargs else args)
    for _ in range(_TRIES):
        compiled(*args, **kwargs)
        fitting = [t for guards, t in compiled.traces if not guards.failure(spec, leaves)]
        if not fitting:
            continue
        trace = fitting[0]
        assert trace.graph is not None
        with LOCK:
            values = trace.gather(leaves, {})
            for v in values:
                if v.buffer is None:
                    settle_foreign(v)
        graph = strip_history(trace.graph).optimize()
        return Recorded(graph, [v.buffer for v in values], trace.device, graph.name)
    name = getattr(fn, "__name__", type(fn).__name__)
    why = "; ".join(map(str, compiled.fallbacks)) or "its guards change at every call"
    raise FallbackError(f"{name} is not one graph: {why}")
