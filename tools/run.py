"""`thrace run`: executes a printed graph, so that a bug report is one text file."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.errors import ThraceError
from ..ir.graph import Graph
from .command import Command, CommandError
from .compare import differences, largest
from .inputs import add_draw_arguments, check_draw_arguments, drawn_inputs
from .subject import read_graph_and_data
from .ways import WAYS, find_way

BOTH = ("xla", "numpy")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", metavar="GRAPH", help="a file that `dump` wrote; - is stdin")
    parser.add_argument(
        "--random",
        action="store_true",
        help="draw the inputs: normal where they require grad, else uniform in [0, 1)",
    )
    add_draw_arguments(parser)
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, cuda, cuda:1")
    parser.add_argument(
        "--evaluator",
        default="xla",
        metavar="WAY[,WAY]",
        help="xla (or whole: one XLA program), ops (XLA, op by op), numpy, float64, or a device; "
        "two of them, as in xla,numpy (or both), are compared: exit code 1 if they differ",
    )


def run(args: argparse.Namespace) -> int:
    check_draw_arguments(args.seed, args.integers_below)
    evaluators = _evaluators(args.evaluator)
    graph, inputs = read_graph_and_data(args.graph)
    if graph.inputs and not inputs and not args.random:
        raise CommandError(f"{graph.name} has {len(graph.inputs)} inputs; draw them with --random")
    drawn = bool(args.random or not inputs)
    if drawn:
        inputs = drawn_inputs(graph, args.seed, args.integers_below)
    given = f"seed {args.seed}" if drawn else "data of the file"
    print(f"{graph.name}: {len(inputs)} inputs, {len(graph)} nodes, {given}")
    results = {e: _evaluate(e, graph, inputs, args.device) for e in evaluators}
    (shown, *_) = results.values()
    _print_summary(graph, shown)
    return _report(graph, results) if len(results) > 1 else 0


def _evaluators(text: str) -> tuple[str, ...]:
    """One way to run the graph, or two that are to be compared."""
    names = BOTH if text == "both" else tuple(part.strip() for part in text.split(","))
    for name in names:
        try:
            find_way(name)
        except ValueError as e:
            raise CommandError(f"--evaluator: {e}") from None
        except ThraceError:
            pass  # a device that is not there is said when it is used
    if len(names) > 2 or len(set(names)) < len(names):
        raise CommandError(f"--evaluator takes one of {', '.join(WAYS)}, or two that differ")
    return names


def _evaluate(name: str, graph: Graph, inputs: Sequence[np.ndarray], device: str) -> list[Any]:
    try:
        if name in ("xla", "whole"):
            return _with_xla(graph, inputs, device)
        if name == "numpy":
            return _with_numpy(graph, inputs)
        return _in_way(name, graph, inputs)
    except ThraceError as e:
        if isinstance(e, IndexError):
            raise CommandError(f"{name}: {e}", code=1) from None
        raise CommandError(f"{name}: {e}") from None
    except IndexError as e:  # a check of the graph's own
        raise CommandError(f"{name}: {e}", code=1) from None
    except (MemoryError, RuntimeError) as e:  # XLA too says so by a RuntimeError
        first = str(e).partition("\n")[0] or "out of memory"
        raise CommandError(f"{name}: {type(e).__name__}: {first}", code=1) from None


def _with_xla(graph: Graph, inputs: Sequence[np.ndarray], device_name: str) -> list[np.ndarray]:
    from ..runtime import checks
    from ..runtime.buffer import to_jax, to_numpy
    from ..runtime.device import normalize
    from ..runtime.executable import compile_graph

    try:
        device = normalize(device_name)
        arrays = [to_jax(a, device) for a in inputs]
        program = compile_graph(graph, device)
    except ThraceError as e:
        raise CommandError(str(e)) from None
    except RuntimeError as e:  # a device name that is none
        raise CommandError(f"--device: {e}") from None
    started = time.perf_counter()
    out = [np.asarray(to_numpy(a)) for a in program(arrays)]
    checks.raise_pending()
    elapsed_s = time.perf_counter() - started
    made_s = program.trace_s + program.lower_s + program.compile_s
    print(f"xla on {device}: compiled in {made_s:.2f} s, ran in {elapsed_s:.4f} s")
    return out


def _with_numpy(graph: Graph, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    from ..ir.interpret import interpret

    started = time.perf_counter()
    out = interpret(graph, inputs)
    print(f"numpy: ran in {time.perf_counter() - started:.4f} s")
    return out


def _in_way(name: str, graph: Graph, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    started = time.perf_counter()
    out = find_way(name).outputs(graph, inputs)
    print(f"{name}: ran in {time.perf_counter() - started:.4f} s")
    return [np.asarray(a).astype(t.dtype.np) for a, t in zip(out, graph.output_types, strict=True)]


def _print_summary(graph: Graph, results: Sequence[np.ndarray]) -> None:
    rows = [("output", "type", "mean", "min", "max", "nan")]
    for name, v, array in zip(graph.output_names, graph.outputs, results, strict=True):
        rows.append((name, str(v.type), *summary(array)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        text = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(cells)]
        print("  ".join(text).rstrip())


def summary(array: np.ndarray) -> tuple[str, str, str, str]:
    """Mean, least and greatest of what is not nan, and the count of nans."""
    if array.dtype.kind == "c":
        # Complex numbers have no order: their magnitudes do.
        return (f"{_mean(array):.6g}", *summary(np.abs(array))[1:3], str(np.isnan(array).sum()))
    wide: Any = array.astype(np.float64) if array.dtype.kind not in "iub" else array
    nan = np.isnan(wide) if wide.dtype.kind == "f" else np.zeros(wide.shape, bool)
    found = wide[~nan]
    if found.size == 0:
        return ("-", "-", "-", str(int(nan.sum())))
    low, high = found.min(), found.max()
    ends = [str(int(x)) if wide.dtype.kind in "iub" else f"{x:.6g}" for x in (low, high)]
    return (f"{_mean(found):.6g}", *ends, str(int(nan.sum())))  # type: ignore[return-value]


def _mean(array: np.ndarray) -> Any:
    with np.errstate(all="ignore"):  # the mean of infinities, or past the greatest number
        return array.mean() if array.size else np.nan


def _report(graph: Graph, results: dict[str, list[np.ndarray]]) -> int:
    """Say where the two evaluators differ; the exit code."""
    (first, a_results), (second, b_results) = results.items()
    beside = largest(b_results)
    bad = [
        f"{name}: {text}"
        for name, a, b in zip(graph.output_names, a_results, b_results, strict=True)
        if (text := differences(a, b, beside))
    ]
    for line in bad:
        print(f"{first} and {second} differ in {line}")
    if not bad:
        print(f"{first} and {second} agree in all {len(graph.outputs)} outputs")
    return 1 if bad else 0


COMMAND = Command(
    "run",
    "execute a printed graph",
    """\
  thrace run graph.txt --random
  thrace run graph.json --random --seed 7 --device cuda
  thrace dump model.py:step --input f32[4,10] | thrace run - --random --evaluator both
""",
    configure,
    run,
)
