"""`thrace.explain`: what a compiled function recorded, guarded, wrote, and gave up on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..ir.columns import bytes_text, columns, preformatted
from ..ir.graph import Graph
from .compile import CompiledFunction
from .reasons import Reason, Recompile
from .replay import Trace

_SLOW_S = 0.01  # what is traced quicker is not worth a line


class TraceInfo(NamedTuple):
    """One trace: the graph as recorded, and what each call reads and sets.

    `captures` names inputs that are not arguments, `effects` what is written back,
    `donated` the inputs whose buffers a call consumes, `guards` what must stay as it was.
    """

    graph: Graph
    captures: tuple[str, ...]
    effects: tuple[str, ...]
    donated: tuple[str, ...]
    guards: tuple[str, ...]
    executable: Any
    calls: int
    recorded_s: float = 0.0

    @property
    def phases(self) -> dict[str, float]:
        """Seconds that each part took: recording, tracing for XLA, lowering, XLA itself."""
        made = self.executable
        return {
            "recording": self.recorded_s,
            "tracing": made.trace_s,
            "lowering": made.lower_s,
            "XLA": made.compile_s,
        }


class Explanation:
    """Traces, executables, fallbacks and recompiles of a compiled function.

    `fallbacks` and `recompiles` have entries with `.reason` and `.location` (file, line,
    function, text). Prints as a short table.
    """

    def __init__(self, fn: CompiledFunction):
        self.name = getattr(fn.fn, "__name__", type(fn.fn).__name__)
        self.traces = [_info(guards, trace) for guards, trace in reversed(fn.traces)]
        self.executables = list(dict.fromkeys(t.executable for t in self.traces))
        self.fallbacks: list[Reason] = list(fn.fallbacks)
        self.recompiles: list[Recompile] = list(fn.recompiles)

    def __str__(self) -> str:
        out = [
            f"{self.name}: {len(self.traces)} traces, {len(self.executables)} executables, "
            f"{len(self.fallbacks)} fallbacks, {len(self.recompiles)} recompiles"
        ]
        if self.traces:
            heads = ("trace", "nodes", "inputs", "calls", *self.traces[0].phases, "memory")
            rows: list[tuple[str, ...]] = [heads]
            for i, t in enumerate(self.traces):
                times = [f"{s:.2f} s" for s in t.phases.values()]
                sizes = (len(t.graph.nodes), len(t.graph.inputs), t.calls)
                memory = bytes_text(t.executable.memory_bytes)
                rows.append((str(i), *map(str, sizes), *times, memory))
            out += columns(rows, left=0, indent="  ")
        for i, t in enumerate(self.traces):
            out.append(f"  trace {i}: {len(t.graph.nodes)} nodes, {t.calls} calls")
            for title in ("captures", "effects", "donated", "guards"):
                items = list(dict.fromkeys(getattr(t, title)))
                shown = ", ".join(items[:12]) + (f", {len(items) - 12} more" * (len(items) > 12))
                out.append(f"    {title}: {shown or 'none'}")
            slow = [s for s in t.executable.slowest[:3] if s.trace_s >= _SLOW_S]
            if slow:
                shown = ", ".join(f"{s.path} {s.trace_s:.3f} s" for s in slow)
                out.append(f"    slowest to trace for XLA: {shown}")
        for title in ("fallbacks", "recompiles"):
            out += _reasons(title[:-1], getattr(self, title))
        return "\n".join(out)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return preformatted(str(self))


def explain(fn: Any) -> Explanation:
    """What is known of a compiled function so far. Raises: TypeError for another object."""
    if not isinstance(fn, CompiledFunction):
        fn = getattr(fn, "func", fn)  # a bound method of a compiled function
    if not isinstance(fn, CompiledFunction):
        raise TypeError("explain expects a function made by thrace.compile")
    return Explanation(fn)


def _reasons(title: str, reasons: Sequence[Reason]) -> list[str]:
    """Each reason once, with how often it came and the line."""
    if not reasons:
        return []
    counted = Counter(str(reason) for reason in reasons)
    rows = [("times", f" {title}")]
    rows += [(str(n), f" {reason}") for reason, n in counted.items()]
    return columns(rows, left=0, indent="  ")


def _info(guards: Any, trace: Trace) -> TraceInfo:
    assert trace.graph is not None
    names = trace.graph.input_names
    captures = tuple(n for n, b in zip(names, trace.bindings, strict=True) if b.kind != "argument")
    effects = [f"{names[i]} is written" for i, _ in trace.writes]
    grads = [number for _, number in trace.grads]
    if any(n is not None for n in grads):
        count = sum(n is not None for n in grads)
        effects.append(
            f".grad of {count} leaves is set (zero_grad() at the end of the step would save it)"
        )
    if any(n is None for n in grads):
        effects.append(f".grad of {sum(n is None for n in grads)} leaves is cleared")
    effects += [f"{entry.label} is set" for entry, *_ in trace.sets]
    effects += ["a tensor's .data is set"] * len(trace.points)
    effects += ["Python state of a scheduler is stepped"] * len(trace.effects)
    return TraceInfo(
        graph=trace.graph,
        captures=captures,
        effects=tuple(effects),
        donated=tuple(names[i] for i in trace.donate),
        guards=tuple(guards.describe()),
        executable=trace.executable,
        calls=trace.calls,
        recorded_s=trace.recorded_s,
    )
