"""Differences that are meant, each by a rule with its reason. Nothing is left out by number."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .compare import TOLERANCE, Difference
from .program import NAME, Program
from .run import Outcome, run_torch


class Rule(NamedTuple):
    """`applies` says whether a difference that was found is of this kind."""

    reason: str
    applies: Callable[[Program, str, Difference], bool]


PERTURBATION = {"float64": 1e-14, "float32": 1e-7}
AMPLIFIED = 1e6  # differences further off than this many tolerances are no rounding errors


def _ill_conditioned(program: Program, mode: str, found: Difference) -> bool:
    """PyTorch's own answer moves as much when its inputs move by a rounding error."""
    if found.category not in ("value", "grad") or found.size > AMPLIFIED:
        return False
    name = found.text.partition(":")[0]
    which = 1 if "other values" in mode else 0
    calls = 2 if "called again" in mode else 1
    outcome = run_torch(program, which, calls)[-1]
    moved = run_torch(_moved(program), which, calls)[-1]
    return _distance(outcome, moved, name) > 0.03 * found.size * _unit(outcome, name)


def _moved(program: Program) -> Program:
    def move(values: object, dtype: str) -> object:
        if isinstance(values, list):
            return [move(v, dtype) for v in values]
        return values * (1 + PERTURBATION.get(dtype, 1e-3)) if isinstance(values, float) else values

    return program.with_(
        inputs=tuple(
            i._replace(values=tuple(move(v, i.dtype) for v in i.values)) for i in program.inputs
        )
    )


def _distance(a: Outcome, b: Outcome, name: str) -> float:
    if a.snapshot is None or b.snapshot is None:
        return 0.0
    x, y = a.snapshot.tensors.get(name), b.snapshot.tensors.get(name)
    if x is None or y is None or x.shape != y.shape:
        return 0.0
    with np.errstate(all="ignore"):
        apart = np.abs(x.values.astype(complex) - y.values.astype(complex))
    return float(np.nan_to_num(apart).max(initial=0.0))


def _unit(outcome: Outcome, name: str) -> float:
    shown = None if outcome.snapshot is None else outcome.snapshot.tensors.get(name)
    return 1e-5 if shown is None else TOLERANCE.get(shown.dtype, 1e-5)


def _says(*parts: str) -> Callable[[Program, str, Difference], bool]:
    return lambda p, mode, d: d.category == "error" and any(part in d.text for part in parts)


def _by_a_result(program: Program) -> bool:
    """Whether a gradient by something that the function returned is asked for outside."""
    made = set(program.live())
    for s in program.after:
        wanted = re.search(r"(?:inputs=|autograd\.grad\(.*?, )\[([^\]]*)\]", s.source)
        if wanted and made.intersection(NAME.findall(wanted[1])):
            return True
        if "retain_grad(" in s.source or "hook" in s.source:
            return True
    return False


RULES: tuple[Rule, ...] = (
    Rule("a rounding error is amplified as much in PyTorch itself", _ill_conditioned),
    Rule(
        "a second pass without retain_graph: which operations save something differs, and what "
        "a compiled call gave out has one history",
        _says("through the graph a second time"),
    ),
    Rule(
        "under create_graph, a gradient that hangs on nothing may have history or not",
        lambda p, mode, d: (
            d.category in ("requires_grad", "is_leaf") and "create_graph" in p.features
        ),
    ),
    Rule(
        "a gradient by an intermediate result of a formula of a gradient: whether that reads an "
        "operand or the result differs",
        lambda p, mode, d: {"create_graph", "gradient of non-leaf"} <= p.features,
    ),
    Rule(
        "all that a compiled call gave out has one history: no gradient from one of its results "
        "to another",
        lambda p, mode, d: "compiled" in mode and _by_a_result(p),
    ),
    Rule(
        "PyTorch applies a hook to a gradient that autograd.grad gives out, or does not, "
        "depending on what else is asked for",
        lambda p, mode, d: {"hook", "gradient of non-leaf"} <= p.features,
    ),
    Rule(
        "PyTorch makes a view's history anew when its base was written to past autograd or "
        "restrided: its hooks go, and it no longer meets the graph made before",
        lambda p, mode, d: bool(
            p.features & {"write past autograd", "write in no_grad", "restride in place"}
            and p.features & {"hook", "gradient of non-leaf", "retain_grad"}
            and d.category in ("value", "grad", "error")
        ),
    ),
    Rule(
        "what PyTorch makes as a view inside (repeat_interleave), or restrides in place, counts "
        "as a view for detach_ there, or does not",
        lambda p, mode, d: "detach_()" in d.text and d.category in ("error", "not refused"),
    ),
    Rule(
        "a hook or retain_grad on another output of unbind or split: backward(inputs=) reaches "
        "it in PyTorch",
        lambda p, mode, d: bool(
            "retain_grad" in p.features
            and p.features & {"unbind", "split"}
            and any("inputs=" in s.source for s in p.statements)
        ),
    ),
    Rule(
        "which of several equal elements topk, median and kthvalue name, once a second call "
        "finds such",
        lambda p, mode, d: (
            "called again" in mode
            and any(re.search(r"\.(topk|median|kthvalue)\(", s.source) for s in p.statements)
        ),
    ),
    Rule(
        "a view made under no_grad says that it requires grad in PyTorch 2.13, against its "
        "documentation",
        lambda p, mode, d: "called again" in mode and "view in no_grad" in p.features,
    ),
    Rule(
        "PyTorch may give several leaves one buffer as their .grad",
        lambda p, mode, d: d.category in ("storage", "identity") and d.text.count(".grad") == 2,
    ),
)
# Differences that are no exclusions: defects that are known and still open, so that a run
# shows others. A run that met one fails nevertheless.
OPEN: tuple[Rule, ...] = ()


def is_open(program: Program, mode: str, found: Difference) -> str:
    return next((r.reason for r in OPEN if r.applies(program, mode, found)), "")


def excused(program: Program, mode: str, found: Difference) -> str:
    """The reason why a difference is meant, empty if it is not."""
    for rule in RULES:
        if rule.applies(program, mode, found):
            return rule.reason
    return ""
