"""How long each node of a graph takes: by XLA's own trace, or segment by segment.

XLA records when each instruction of a program runs; a program lowered with numbered scopes
says which nodes an instruction came from. Where a backend records nothing, the graph is cut
into segments that are compiled and timed one after another. Used by `tools.profiler`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..ir.cost import graph_cost
from ..ir.graph import Graph, Node, Value
from ..ir.memory import ALIASES
from . import room, xla_options
from .apart import apart
from .device import CPU, Device
from .executable import allocated_bytes, as_run, traced
from .hlo import instruction_nodes
from .segments import plan_of

# What a node inside a fusion is taken to cost, to share out the time of the whole.
_FLOPS_PER_S = 5e10
_BYTES_PER_S = 2e10
_LEAST_S = 1e-9
_STEP = "thrace step"
SEGMENTS = 400  # at most so many, whatever the graph


class Event(NamedTuple):
    """One instruction of one step: its name, start and duration, its thread, its nodes."""

    name: str
    start_s: float
    duration_s: float
    track: str
    nodes: tuple[int, ...]


class Measured(NamedTuple):
    """`node_s` has seconds per node of `graph`, the one that ran (on a CPU, laid out anew);
    they add up to what was attributed of `step_s`, from the beginning of its first operation to
    the end of its last. `call_s` is what calling it took besides: handing over its inputs and
    outputs.

    `untraced_s` is how long a step takes when nobody looks. `method` is "trace" or
    "segments", and `how` says it in words.
    """

    graph: Graph
    node_s: tuple[float, ...]
    step_s: float
    untraced_s: float
    method: str
    how: str
    events: tuple[Event, ...]
    call_s: float = 0.0

    @property
    def attributed(self) -> float:
        """Which part of a measured step is attributed to nodes."""
        return min(sum(self.node_s) / self.step_s, 1.0) if self.step_s else 0.0


def measure(
    graph: Graph,
    args: Sequence[Any],
    device: Device = CPU,
    *,
    repeats: int = 5,
    method: str = "auto",
) -> Measured:
    """Run the graph on `args`, JAX arrays on the device, and attribute its time to its nodes.

    Nothing is donated. `method` is "trace", "segments", or "auto", which takes the trace
    where the backend gives one. Raises: RuntimeError if the trace was asked for and is empty;
    OutOfMemoryError, before anything runs.
    """
    import jax

    graph = as_run(graph, device)
    with jax.enable_x64(True):
        program = apart(lambda: _compile(graph, device))
        room.require(allocated_bytes(program), device, graph.name)
        jax.block_until_ready(program(*args))
        untraced_s = _quickest(program, args, repeats)
        if method in ("auto", "trace"):
            found = _by_trace(graph, program, args, repeats, untraced_s)
            if found is not None:
                return found
            if method == "trace":
                raise RuntimeError(f"JAX's profiler says nothing of single operations on {device}")
        return _by_segments(graph, args, device, repeats, untraced_s)


def _compile(graph: Graph, device: Device) -> Any:
    import jax

    with jax.enable_x64(True):
        options = xla_options.of(graph, device)
        # A GPU's command buffer is one event: its kernels would not be seen.
        if device.type != "cpu":
            options["xla_gpu_enable_command_buffer"] = ""
        lowered = traced(graph, device, numbered=True)[1].lower()
        return xla_options.compiled(lowered, options)


def _quickest(program: Any, args: Sequence[Any], repeats: int) -> float:
    import jax

    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(program(*args))
        times.append(time.perf_counter() - started)
    return min(times)  # what the machine was doing besides only adds to it


def _by_trace(
    graph: Graph, program: Any, args: Sequence[Any], repeats: int, untraced_s: float
) -> Measured | None:
    import jax

    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with tempfile.TemporaryDirectory(prefix="thrace-profile-") as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            for _ in range(repeats):
                with jax.profiler.TraceAnnotation(_STEP):
                    jax.block_until_ready(program(*args))
        files = sorted(Path(folder).rglob("*.xplane.pb"))
        found = _read(files[-1]) if files else ([], [])
    positions = {node: i for i, node in enumerate(graph.nodes)}
    nodes_of = instruction_nodes(
        program.as_text(), lambda opcode, n: _maker(opcode, n, graph, positions)
    )
    step = _best_step(*found, nodes_of)
    if step is None:
        return None
    (begin, length), rows = step
    step_s = max(r[1] + r[2] for r in rows) - min(r[1] for r in rows)
    weights = node_weights(graph)
    node_s = [0.0] * len(graph.nodes)
    total = 0.0
    for name, own_s in _own_times(rows):
        total += own_s
        _share(own_s, nodes_of[name], weights, node_s)
    # Operations that ran side by side share the time in which any of them ran.
    busy_s, gaps = _busy(rows)
    scale = busy_s / total if total else 0.0
    node_s = [s * scale for s in node_s]
    for seconds, before, after in gaps:
        heavier = max((before, after), key=lambda n: sum(weights[i] for i in nodes_of[n]))
        _share(seconds, nodes_of[heavier], weights, node_s)
    events = tuple(
        Event(name, start - begin, seconds, track, nodes_of[name])
        for name, start, seconds, track in rows
    )
    return Measured(
        graph=graph,
        node_s=tuple(node_s),
        step_s=step_s,
        untraced_s=untraced_s,
        method="trace",
        how="by JAX's profiler, which says when each operation of the compiled step ran; time "
        "between two operations counts with the heavier one",
        events=events,
        call_s=max(length - step_s, 0.0),
    )


# What XLA calls by the name of a transpose that it has put into it.
_LARGE = {"convolution": "convolution", "dot": "dot_general"}


def _maker(opcode: str, n: int, graph: Graph, positions: dict[Node, int]) -> int:
    """The node of an instruction that goes by node n's name; for a product, the product: the
    node itself, what it moves, or what it reads."""
    wanted = _LARGE.get(opcode)
    if wanted is None:
        return n
    named = graph.nodes[n]
    for node in (named, *(o.node for o in named.operands if isinstance(o, Value))):
        while node is not None and _moves(node):
            before = node.operands[0]
            node = before.node if isinstance(before, Value) else None
        if node is not None and node.op.name == wanted:
            return positions[node]
    return n


def _moves(node: Node) -> bool:
    return node.op.name in ("transpose", "reshape", "reverse", "convert", "broadcast")


def _best_step(
    steps: list[tuple[float, float]], rows: list[Row], nodes_of: dict[str, tuple[int, ...]]
) -> tuple[tuple[float, float], list[Row]] | None:
    """The quickest step that has operations, and those: the one least disturbed."""
    for begin, length in sorted(steps, key=lambda step: step[1]):
        inside = [r for r in rows if r[0] in nodes_of and begin <= r[1] <= begin + length]
        if inside:
            return (begin, length), inside
    return None


Row = tuple[str, float, float, str]  # instruction, start, duration in seconds, track


def _read(path: Path) -> tuple[list[tuple[float, float]], list[Row]]:
    """Start and length of each step, and what ran; on devices, where there are any."""
    import jax

    data = jax.profiler.ProfileData.from_file(str(path))
    steps: list[tuple[float, float]] = []
    rows: dict[bool, list[Row]] = {True: [], False: []}
    for plane in data.planes:
        on_device = plane.name.startswith("/device:")
        for line in plane.lines:
            for event in line.events:
                start, length = event.start_ns * 1e-9, event.duration_ns * 1e-9
                if event.name == _STEP:
                    steps.append((start, length))
                    continue
                name = next((str(v) for k, v in event.stats if k == "hlo_op"), None)
                if name is not None and length > 0:
                    rows[on_device].append((name, start, length, f"{plane.name} {line.name}"))
    return steps, rows[True] or rows[False]


def _busy(rows: Sequence[Row]) -> tuple[float, list[tuple[float, str, str]]]:
    """Seconds in which any of them ran, and the gaps, with what ran before and after each.

    A gap is launching the next operation, or (on a CPU) what the last one left to other
    threads, which the profiler does not see.
    """
    busy_s = 0.0
    gaps: list[tuple[float, str, str]] = []
    end, last = float("-inf"), ""
    for name, start, length, _ in sorted(rows, key=lambda r: r[1]):
        if last and start > end:
            gaps.append((start - end, last, name))
        busy_s += max(start + length - max(start, end), 0.0)
        if start + length > end:
            end, last = start + length, name
    return busy_s, gaps


def _own_times(rows: Sequence[Row]) -> Iterable[tuple[str, float]]:
    """Each one's duration, less those inside it on the same track (a loop and its body)."""
    tracks: dict[str, list[Row]] = {}
    for row in rows:
        tracks.setdefault(row[3], []).append(row)
    for track in tracks.values():
        stack: list[list[Any]] = []  # name, end, own time
        for name, start, length, _ in sorted(track, key=lambda r: (r[1], -r[2])):
            while stack and stack[-1][1] <= start:
                yield stack[-1][0], stack.pop()[2]
            if stack:
                stack[-1][2] = max(stack[-1][2] - length, 0.0)
            stack.append([name, start + length, length])
        for name, _, own in stack:
            yield name, own


def node_weights(graph: Graph) -> list[float]:
    """What each node would take by itself, roughly: to share out the time of a fusion."""
    return [
        max((c.flops + 8 * c.transcendentals) / _FLOPS_PER_S, c.bytes / _BYTES_PER_S, _LEAST_S)
        for c in graph_cost(graph).nodes
    ]


def _share(
    seconds: float, nodes: Sequence[int], weights: Sequence[float], into: list[float]
) -> None:
    known = [n for n in nodes if n < len(weights)]
    total = sum(weights[n] for n in known)
    for n in known:
        into[n] += seconds * weights[n] / total


def _by_segments(
    graph: Graph, args: Sequence[Any], device: Device, repeats: int, untraced_s: float
) -> Measured:
    import jax

    from .executable import compile_graph

    weights = node_weights(graph)
    stretches = _stretches(graph, weights)
    plan = plan_of(graph, [graph.nodes[a:b] for a, b in stretches])
    programs = [compile_graph(segment.graph, device) for segment in plan.segments]
    times: list[list[float]] = [[] for _ in programs]
    for turn in range(repeats + 1):
        live: dict[int, Any] = dict(enumerate(args))
        for segment, program, seen in zip(plan.segments, programs, times, strict=True):
            given = [live[n] for n in segment.args]
            started = time.perf_counter()
            got = jax.block_until_ready(program(given))
            if turn:  # the first one loads what the others find
                seen.append(time.perf_counter() - started)
            for n in segment.dead:
                del live[n]
            live.update(zip(segment.results, got, strict=True))
    found = [min(seen) for seen in times]
    # Calls and stores between segments are no part of the step.
    scale = min(untraced_s / sum(found), 1.0) if sum(found) else 0.0
    node_s = [0.0] * len(graph.nodes)
    events = []
    at = 0.0
    for (a, b), segment, seconds in zip(stretches, plan.segments, found, strict=True):
        _share(seconds * scale, range(a, b), weights, node_s)
        events.append(Event(segment.graph.name, at, seconds, "segments", tuple(range(a, b))))
        at += seconds
    how = (
        f"by timing {len(found)} segments of the step, each compiled by itself: together "
        f"{sum(found) / untraced_s:.2f} of the time of the whole"
    )
    return Measured(graph, tuple(node_s), untraced_s, untraced_s, "segments", how, tuple(events))


def _stretches(graph: Graph, weights: Sequence[float]) -> list[tuple[int, int]]:
    """Nodes in a row that belong to one call and one line; large products stand alone."""
    nodes = graph.nodes
    starts = [
        i
        for i in range(len(nodes))
        if i == 0 or _apart(nodes[i - 1], nodes[i]) or _alone(nodes[i]) or _alone(nodes[i - 1])
    ]
    stretches = list(zip(starts, [*starts[1:], len(nodes)], strict=True))
    while len(stretches) > SEGMENTS:  # the least of all go with what follows
        sizes = [sum(weights[a:b]) for a, b in stretches]
        least = sorted(sizes)[len(sizes) // 2]
        joined: list[tuple[int, int]] = []
        grown = 0.0
        for (a, b), size in zip(stretches, sizes, strict=True):
            if joined and grown + size <= 2 * least:
                joined[-1] = (joined[-1][0], b)
                grown += size
            else:
                joined.append((a, b))
                grown = size
        if len(joined) == len(stretches):
            break
        stretches = joined
    return stretches


def _apart(before: Node, node: Node) -> bool:
    return before.scope is not node.scope or before.loc != node.loc


def _alone(node: Node) -> bool:
    return not (node.op.elementwise or node.op.name in ALIASES)
