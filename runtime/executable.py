"""Graphs as compiled programs: `compile_graph(graph, device)` gives an `Executable`.

Used by `tracer` and `tools`.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import log
from ..ir.graph import Graph
from ..ir.hash import structural_key
from ..ir.passes import channels_last, checked, pad_products, rewrite_convolutions
from . import allocator, checks, counters, determinism, faults, room, xla_options
from .apart import apart
from .device import CPU, NARROWED_BY_JAX, Device, jax_device, normalize, with_64_bits
from .memory_cache import MemoryCache, size_kept
from .outbox import Outbox, boxed
from .progress import shown
from .segments import joined, segment_size, split

_FEW_NODES = 16  # of a program whose time is mostly that of the call
_LONG_S = 0.5  # a compile that leaves enough memory behind to be worth looking for


class Program(NamedTuple):
    """What XLA compiled, shared by executables of equal graphs, and what that cost.

    `run(*args)` gives the results and then a check word per entry of `check_parts`: which
    of the graph's checks that word speaks of. One that consumes arguments has a `box`, where
    the results are even if an interrupt comes right after them. `quickest` does the same as
    `run`, by a way of JAX's that takes less time.
    """

    run: Callable[..., Sequence[Any]]
    check_parts: tuple[slice, ...]
    trace_s: float
    lower_s: float
    compile_s: float
    memory_bytes: int
    slowest: tuple[SlowScope, ...] = ()
    box: Outbox | None = None
    quickest: Callable[..., Sequence[Any]] | None = None

    def into(self, args: Sequence[Any], out: list[Any]) -> None:
        """Run; `out` gets the results. Arguments are consumed only if it then has them, or
        if XLA failed in the middle."""
        box = self.box
        if box is None:
            out += self.run(*args)
            return
        if box.is_safe:
            self._boxed(box, args, out)
        else:  # in a thread that nothing interrupts
            apart(lambda: self._boxed(box, args, out), whole=True)

    def _boxed(self, box: Outbox, args: Sequence[Any], out: list[Any]) -> None:
        with box.lock:
            box.clear()
            try:
                self.run(*args)
            finally:
                out += box[box.latest]  # no call, and so no interrupt, comes before this
                box.taken()


class SlowScope(NamedTuple):
    """A scope that took long to trace: its path, its nodes, and seconds of Python."""

    path: str
    nodes: int
    trace_s: float


class Executable:
    """A compiled graph. Call it with one array per input; it gives a list of JAX arrays.

    Arrays are JAX arrays on the executable's device, or NumPy arrays that nobody will
    write to. Those at positions `donate` are consumed.
    `check_messages` has message and place of each check the program makes; `calls` counts
    calls; `trace_s`, `lower_s` and `compile_s` are what making it took, and `memory_bytes`
    is what it allocates to run, results included.
    """

    __slots__ = ("_run", "_wide", "calls", "check_messages", "device", "donate", "graph", "program")

    def __init__(
        self,
        graph: Graph,
        device: Device,
        donate: tuple[int, ...],
        program: Program,
        check_messages: Sequence[checks.Check],
    ):
        self.graph = graph
        self.device = device
        self.donate = donate
        self.program = program
        self.check_messages = check_messages
        self.calls = 0
        self._run = program.run
        self._wide = tuple(
            i for i, t in enumerate(graph.input_types) if t.dtype.np in NARROWED_BY_JAX
        )

    @property
    def trace_s(self) -> float:
        return self.program.trace_s

    @property
    def lower_s(self) -> float:
        return self.program.lower_s

    @property
    def compile_s(self) -> float:
        return self.program.compile_s

    @property
    def memory_bytes(self) -> int:
        return self.program.memory_bytes

    @property
    def slowest(self) -> tuple[SlowScope, ...]:
        """The scopes that took longest to trace for XLA, slowest first."""
        return self.program.slowest

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        out: list[Any] = []
        self.into(args, out)
        return out

    def into(self, args: Sequence[Any], out: list[Any]) -> None:
        """Call it, with the results in `out` as soon as they are there: who donates looks
        for them there after an exception too.

        Raises: OutOfMemoryError, before anything is consumed if the program is known to need
        more memory than there is; IndexError if a check of an earlier call failed.
        """
        if faults.forked:
            faults.refuse()
        program = self.program
        if program.memory_bytes > room.CHECKED_BYTES:
            room.require(program.memory_bytes, self.device, self.graph.name)
        self.calls += 1
        try:
            if self._wide and any(args[i].__class__ is np.ndarray for i in self._wide):
                with_64_bits(lambda: program.into(args, out))
            else:
                program.into(args, out)
        except RuntimeError as error:
            raise self.explained(error) from None
        if self.check_messages:
            self.put_checks_by(out)

    def explained(self, error: RuntimeError) -> RuntimeError:
        """An error of XLA's in a run as one of ours."""
        return room.explained(error, self.program.memory_bytes, self.graph.name)

    def put_checks_by(self, out: list[Any]) -> None:
        """Take the words of the program's checks from behind its results.

        Raises: IndexError if a check of an earlier call failed.
        """
        parts = self.program.check_parts
        words = out[len(out) - len(parts) :]
        del out[len(out) - len(parts) :]
        for word, part in zip(words, parts, strict=True):
            checks.add(word, self.check_messages[part])

    def stablehlo(self) -> str:
        """What XLA is given, as text, with source lines; lowered anew, as one program."""
        return stablehlo(self.graph, self.device, self.donate)

    def jaxpr(self) -> str:
        """The program in JAX's own primitives, as text; traced anew, as one program."""
        return jaxpr(self.graph, self.device, self.donate)

    def __repr__(self) -> str:
        return f"<Executable {self.graph.name} on {self.device}, {self.calls} calls>"


CACHE: MemoryCache[Program] = MemoryCache(size_kept())


def compile_graph(graph: Graph, device: Device = CPU, donate: Sequence[int] = ()) -> Executable:
    """The graph as an XLA program for `device`, from the cache if an equal one is there.

    `donate` has positions of inputs whose buffers the program may take for its results;
    it takes those for which there is a result of the same type.
    Raises: DeviceError if the device is not there.
    """
    from ..lowering import check_messages

    device = normalize(device)
    donate = usable(graph, donate)
    key = (structural_key(graph), device, donate, bool(determinism.compiler_options(device)))
    program = CACHE.get_or_make(key, lambda: _make(graph, device, donate))
    return Executable(graph, device, donate, program, check_messages(graph))


def usable(graph: Graph, donate: Sequence[int]) -> tuple[int, ...]:
    """Those of `donate` that a result can take the place of, in order."""
    places = Counter(graph.output_types)
    out = []
    for i in sorted(set(donate)):
        if places[graph.inputs[i].type] > 0:
            places[graph.inputs[i].type] -= 1
            out.append(i)
    return tuple(out)


def stablehlo(graph: Graph, device: Device = CPU, donate: Sequence[int] = ()) -> str:
    """What XLA would be given for this graph, as text, with source lines; nothing is compiled."""

    def write(traced: Any) -> str:
        return traced.lower().as_text(debug_info=True)

    return _text(graph, device, tuple(donate), write)


def jaxpr(graph: Graph, device: Device = CPU, donate: Sequence[int] = ()) -> str:
    """The graph in JAX's own primitives, as text; nothing is compiled."""
    return _text(graph, device, tuple(donate), lambda traced: str(traced.jaxpr))


def _make(graph: Graph, device: Device, donate: tuple[int, ...]) -> Program:
    nodes = segment_size(graph)
    if nodes:
        return _make_in_segments(graph, nodes, device)
    program = apart(lambda: _compile(graph, device, donate))
    if program.compile_s > _LONG_S:
        allocator.give_back()
    return program


def _make_in_segments(graph: Graph, nodes: int, device: Device) -> Program:
    # An interrupt between two programs would lose what the first has consumed: the arguments
    # are all kept.
    plan = split(graph, nodes)
    parts = [compile_graph(s.graph, device, s.donate) for s in plan.segments]
    check_parts: list[slice] = []
    seen = 0
    for part in parts:
        if part.check_messages:
            check_parts.append(slice(seen, seen + len(part.check_messages)))
            seen += len(part.check_messages)
    programs = {id(part.program): part.program for part in parts}.values()  # equal ones once
    return Program(
        run=joined(plan, [part.program.into for part in parts], device),
        check_parts=tuple(check_parts),
        trace_s=sum(p.trace_s for p in programs),
        lower_s=sum(p.lower_s for p in programs),
        compile_s=sum(p.compile_s for p in programs),
        memory_bytes=max(p.memory_bytes for p in programs),
        slowest=_slowest([scope for p in programs for scope in p.slowest]),
    )


def _compile(graph: Graph, device: Device, donate: tuple[int, ...]) -> Program:
    import jax

    scopes: dict[str, float] = {}
    # 64-bit types hold while this is made; the user's own setting stays as it is. Nothing
    # interrupts this thread.
    what = f"{graph.name} for {device}, {len(graph)} nodes"
    usual = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    with contextlib.ExitStack() as settings, shown(what) as doing:
        settings.enter_context(jax.enable_x64(True))
        started = time.perf_counter()
        doing.name = "tracing"
        box = Outbox() if donate else None
        run = as_run(graph, device)
        _, stage = traced(run, device, donate, box, seconds=scopes)
        quickest = None
        options = xla_options.of(run, device, donate)
        if not donate and not options and len(graph) <= _FEW_NODES and not _is_wide(graph):
            # What `jit` made under the settings of the call it takes without Python code, and
            # has compiled already if this is what we compile.
            with jax.enable_x64(usual):
                found, other = traced(run, device)
            if str(other.jaxpr) == str(stage.jaxpr):
                quickest, stage = found, other
                settings.enter_context(jax.enable_x64(usual))
        traced_at = time.perf_counter()
        slowest = _slow_scopes(graph, scopes)
        doing.name, doing.detail = "lowering", slowest_text(slowest)
        lowered = stage.lower()
        lowered_at = time.perf_counter()
        doing.name = "in XLA"
        compiled = xla_options.compiled(lowered, options)
        done = time.perf_counter()
    counters.executables += 1
    words = len(stage.out_tree.children()) - len(graph.outputs)
    if box is not None:
        box.clear()
    program = Program(
        run=compiled,
        check_parts=(slice(None),) * words,
        trace_s=traced_at - started,
        lower_s=lowered_at - traced_at,
        compile_s=done - lowered_at,
        memory_bytes=allocated_bytes(compiled),
        slowest=slowest,
        box=box,
        quickest=quickest,
    )
    if log.enabled("compile"):
        log.write("compile", f"{what}: {phases_text(program)}")
    return program


def _is_wide(graph: Graph) -> bool:
    """Whether a 64-bit type occurs in a graph."""
    values = (*graph.inputs, *(v for node in graph.nodes for v in node.outputs))
    return any(v.type.dtype.np in NARROWED_BY_JAX for v in values)


def phases_text(program: Program | Executable) -> str:
    """How long each part of a compile took, and the scopes that took longest."""
    times = (
        ("tracing", program.trace_s),
        ("lowering", program.lower_s),
        ("XLA", program.compile_s),
    )
    text = f"{sum(s for _, s in times):.2f} s: "
    text += ", ".join(f"{name} {seconds:.2f}" for name, seconds in times)
    return text + slowest_text(program.slowest)


def slowest_text(scopes: Sequence[SlowScope]) -> str:
    """The first three; XLA's own time follows their nodes, of which it says nothing."""
    rows = [f"{s.path} ({s.nodes} nodes, {s.trace_s:.3f} s)" for s in scopes[:3]]
    return f"; slowest to trace: {', '.join(rows)}" if rows else ""


def _slow_scopes(graph: Graph, seconds: dict[str, float]) -> tuple[SlowScope, ...]:
    """Scopes cut to three steps, so that a module counts with what it calls."""
    found: dict[str, list[float]] = {}
    for node in graph.nodes:
        path = _short(node.scope.path if node.scope is not None else "")
        found.setdefault(path, [0, 0.0])[0] += 1
    for path, s in seconds.items():
        found.setdefault(_short(path), [0, 0.0])[1] += s
    return _slowest([SlowScope(p or "(no scope)", int(n), s) for p, (n, s) in found.items()])


def _short(path: str) -> str:
    return "/".join(path.split("/")[:3])


def _slowest(scopes: list[SlowScope]) -> tuple[SlowScope, ...]:
    return tuple(sorted(scopes, key=lambda scope: -scope.trace_s)[:5])


def as_run(graph: Graph, device: Device) -> Graph:
    """The graph as it is lowered for a device."""
    if device.type == "cpu":  # the passes are for XLA's backend there
        for run in (rewrite_convolutions, channels_last, pad_products):
            graph = checked(run, graph)
    return graph


def traced(
    graph: Graph,
    device: Device,
    donate: tuple[int, ...] = (),
    box: Outbox | None = None,
    **options: Any,
) -> Any:
    """A graph from `as_run` as a function of JAX's and as traced by JAX, with options of `lower`;
    64-bit types must be enabled."""
    import jax
    from jax.sharding import SingleDeviceSharding

    from ..lowering import lower

    place = SingleDeviceSharding(jax_device(device))
    shapes = [jax.ShapeDtypeStruct(t.shape, t.dtype.np, sharding=place) for t in graph.input_types]
    function = lower(graph, **options)
    if box is not None:
        function = boxed(function, box)
    program = jax.jit(function, donate_argnums=donate, keep_unused=True, out_shardings=place)
    return program, program.trace(*shapes)


def _text(
    graph: Graph, device: Device, donate: tuple[int, ...], stage: Callable[[Any], str]
) -> str:
    import jax

    def work() -> str:
        with jax.enable_x64(True):
            return stage(traced(as_run(graph, device), device, donate)[1])

    return apart(work)


def allocated_bytes(compiled: Any) -> int:
    """Scratch space and results, less what donated inputs give; 0 where XLA does not say."""
    try:
        found = compiled.memory_analysis()
    except (NotImplementedError, RuntimeError):
        return 0
    if found is None:
        return 0
    return max(found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes, 0)
