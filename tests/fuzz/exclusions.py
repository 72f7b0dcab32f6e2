"""Differences that are meant, each by a rule with its reason. Nothing is left out by number."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .compare import Difference
from .program import Program
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
    outcome = run_torch(program, which)[0]
    moved = run_torch(_moved(program), which)[0]
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
    from .compare import TOLERANCE

    assert outcome.snapshot is not None
    return TOLERANCE.get(outcome.snapshot.tensors[name].dtype, 1e-5)


def _says(*parts: str) -> Callable[[Program, str, Difference], bool]:
    return lambda p, mode, d: d.category == "error" and any(part in d.text for part in parts)


RULES: tuple[Rule, ...] = (
    Rule("a rounding error is amplified as much in PyTorch itself", _ill_conditioned),
    Rule(
        "a second pass without retain_graph: which operations save something differs, and what "
        "a compiled call gave out has one history",
        _says("through the graph a second time"),
    ),
    Rule(
        "a write through an expanded tensor, which PyTorch deprecates where it does not refuse it",
        _says("more than one element of the written-to tensor"),
    ),
    Rule(
        "PyTorch may give several leaves one buffer as their .grad",
        lambda p, mode, d: d.category in ("storage", "identity") and d.text.count(".grad") == 2,
    ),
)
# Differences that are no exclusions: defects that are known and still open, so that a run
# shows others. A run that met one fails nevertheless.
OPEN: tuple[Rule, ...] = (
    Rule(
        "a 0-d tensor as an index makes a copy when compiled",
        lambda p, mode, d: (
            "compiled" in mode
            and d.category in ("storage", "value", "offset", "stride")
            and any(re.search(r"T.tensor\(\d+\)[],]", s.source) for s in p.statements)
        ),
    ),
)


def is_open(program: Program, mode: str, found: Difference) -> str:
    return next((r.reason for r in OPEN if r.applies(program, mode, found)), "")


def excused(program: Program, mode: str, found: Difference) -> str:
    """The reason why a difference is meant, empty if it is not."""
    for rule in RULES:
        if rule.applies(program, mode, found):
            return rule.reason
    return ""
