"""What a row is, and how it is run: a small program, once on PyTorch uncompiled and once on
thrace compiled, which must show the same; and `explain` must say what the row expects.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import sys
import textwrap
import types
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from snippets import load, names

import thrace
from thrace.tracer.recording import all_recorders

TABLES = (
    *("values", "objects", "functions", "modules", "arguments"),
    *("modes", "aliasing", "escapes", "reasons", "structures"),
)


class Row(NamedTuple):
    """`program` sees `torch`, `nn`, `F`, `np`, `x` (a vector of three), `compile` and `show`.

    Of all functions it compiles together: `traces` is how many traces there are at the end,
    `recompiles` how many runs were recorded because a guard did not hold (fewer than the
    states that were met, where an old trace served again), each of which names `guard`;
    `fallbacks` are the names of the reasons not to replay.
    """

    name: str
    program: str
    traces: int = 1
    recompiles: int = 0
    guard: str = ""
    fallbacks: tuple[str, ...] = ()


def program(name: str, source: str, *fallbacks: str, **expected: Any) -> Row:
    """A row that is written out. With `fallbacks` no trace is expected."""
    expected.setdefault("traces", 0 if fallbacks else 1)
    expected.setdefault("recompiles", max(0, expected["traces"] - 1))
    return Row(name, textwrap.dedent(source).strip() + "\n", fallbacks=fallbacks, **expected)


def states(
    name: str, setup: str, first: str, second: str, call: str, guard: str = "", **expected: Any
) -> Row:
    """A row of two states, each entered twice; `call` is shown in each.

    With a `guard` the second state has a trace of its own, and coming back to a state uses
    the trace it had; without one a single trace serves both.
    """
    lines = [textwrap.dedent(setup).strip()]
    for state in (first, second, first, second):
        lines += [textwrap.dedent(state).strip(), f"show({call})"]
    lines.append(f"show({call})")
    expected.setdefault("traces", 2 if guard else 1)
    expected.setdefault("recompiles", expected["traces"] - 1)
    return Row(name, "\n".join(lines) + "\n", guard=guard, **expected)


class Outcome(NamedTuple):
    """What a program showed, and the functions it compiled."""

    shown: list[Any]
    compiled: list[Any]


def run(row: Row, library: Any) -> Outcome:
    """Run a row on one library. Modes of the process are as before afterwards."""
    shown: list[Any] = []
    compiled: list[Any] = []

    def compile(fn: Any = None, **options: Any) -> Any:
        if fn is None:
            return functools.partial(compile, **options)
        if library is torch:
            return fn
        compiled.append(thrace.compile(fn, **options))
        return compiled[-1]

    def show(*values: Any) -> None:
        shown.append([_shown(v) for v in values])

    code, name = load(row.program)
    module = types.ModuleType(name)
    module.__file__ = name
    sys.modules[name] = module  # where dataclasses look
    space = module.__dict__
    space.update(names(library, compile=compile, show=show), __name__=name)
    space["x"] = library.tensor([1.0, -2.0, 3.0])
    library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(code, space)
        except Exception as error:
            shown.append(["raised", type(error).__name__, str(error)])
        finally:
            sys.modules.pop(name)
            library.set_grad_enabled(True)
            library.set_default_dtype(library.float32)
    return Outcome(shown, compiled)


_WANTED: dict[Row, Outcome] = {}


def failure(row: Row) -> str:
    """What is wrong with a row; empty if nothing is."""
    if row not in _WANTED:
        _WANTED[row] = run(row, torch)
    want = _WANTED[row].shown
    if want and want[-1] and want[-1][0] == "raised":
        return f"PyTorch itself raises: {want[-1]}"
    got, compiled = run(row, thrace)
    if len(got) != len(want):
        return f"shows {len(got)} lines, PyTorch {len(want)}: {got[-1:]}"
    for i, (mine, reference) in enumerate(zip(got, want, strict=True)):
        if not _same(mine, reference):
            return f"line {i} shows {mine}, PyTorch {reference}"
    told = [thrace.explain(fn) for fn in compiled]
    problem = _unexpected(row, told)
    del compiled, told
    return problem


def _unexpected(row: Row, told: list[Any]) -> str:
    fallbacks = [r for t in told for r in t.fallbacks]
    recompiles = [r for t in told for r in t.recompiles]
    found = {r.why.name for r in fallbacks}
    if found != set(row.fallbacks):
        return f"falls back for {found or 'nothing'}: {'; '.join(map(str, fallbacks))}"
    if any(r.location is None for r in fallbacks):
        return f"names no line: {fallbacks}"
    traces = sum(len(t.traces) for t in told)
    if traces != row.traces or len(recompiles) != row.recompiles:
        reasons = "; ".join(map(str, recompiles))
        return f"{traces} traces, {len(recompiles)} recompiles: {reasons}"
    for r in recompiles:
        if row.guard not in str(r):
            return f"traces again, not for {row.guard}: {r}"
    return ""


def table(name: str) -> tuple[Row, ...]:
    return importlib.import_module(f".{name}", __package__).ROWS


def all_rows() -> dict[str, Row]:
    """Every row by `table: name`."""
    return {f"{t}: {row.name}": row for t in TABLES for row in table(t)}


def forget_pending() -> None:
    """Drop what a broken run left to be evaluated: its buffers may be gone."""
    for recorder in all_recorders():
        recorder.nodes, recorder.live = [], []


# What is shown is written down at once: what happens later cannot change it.


def _shown(value: Any) -> Any:
    if isinstance(value, (torch.Tensor, thrace.Tensor)):
        data = value.detach()
        dtype = str(value.dtype).rpartition(".")[2]
        if dtype == "bfloat16":
            data = data.float()
        return ("tensor", dtype, value.requires_grad, np.array(data.tolist()))
    if isinstance(value, np.generic):
        return (type(value).__name__, value.item())
    if isinstance(value, dict):
        return (type(value).__name__, [(_shown(k), _shown(v)) for k, v in value.items()])
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, [_shown(v) for v in value])
    if isinstance(value, (set, frozenset)):
        return (type(value).__name__, sorted(map(repr, value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(f.name, _shown(getattr(value, f.name))) for f in dataclasses.fields(value)]
        return (type(value).__name__, fields)
    if isinstance(value, (bool, int, float, str, bytes, type(None))):
        return (type(value).__name__, value)
    return type(value).__name__


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape:
            return False
        if a.dtype == bool or a.size == 0:
            return bool(np.array_equal(a, b))
        return np.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True))
    return type(a) is type(b) and a == b
