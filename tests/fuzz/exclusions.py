"""Differences that are meant, each by a rule with its reason. Nothing is left out by number."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from .compare import TOLERANCE, Difference, compare
from .flow import GRADIENT, Reach, sharing
from .limits import Limits
from .program import NAME, Program, Statement
from .run import Outcome, execute, fresh, oracle, run_torch


class Rule(NamedTuple):
    """`applies` says whether a difference that was found is of this kind."""

    reason: str
    applies: Callable[[Program, str, Difference], bool]


SMALLEST = r": 0 for -(2147483648|9223372036854775808)$"
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


def _asks_by(s: Statement) -> set[str]:
    """The names that a statement asks gradients by, hooks, or keeps the gradient of."""
    found = re.search(r"(?:inputs=|autograd\.grad\(.*?, )\[([^\]]*)\]", s.source)
    asked = set(NAME.findall(found[1])) if found else set()
    if "retain_grad(" in s.source or "register_hook(" in s.source:
        asked |= s.names
    return asked


def _is_gradient(s: Statement) -> bool:
    return GRADIENT.search(s.source) is not None


def _same_objects(program: Program, names: set[str]) -> set[str]:
    """`names` and all other names of the same tensors in the end."""
    snapshot = run_torch(program)[0].snapshot
    shown = {} if snapshot is None else snapshot.tensors
    known = {shown[n].identity for n in names if n in shown}
    return names | {n for n, t in shown.items() if t.identity in known}


def _by_a_result(program: Program, mode: str, found: Difference) -> bool:
    """Whether a gradient differs after one by something that the function returned was asked
    for outside."""
    if "compiled" not in mode or found.category not in ("value", "grad", "error"):
        return False
    made = _same_objects(program, set(program.live()))
    asking = [s for s in program.after if made & _asks_by(s)]
    hooked = any(not _is_gradient(s) for s in asking)
    starts = [s for s in program.after if s in asking or (hooked and _is_gradient(s))]
    return Reach(program, starts.__contains__).shows(found)


def _by_an_intermediate(program: Program, mode: str, found: Difference) -> bool:
    if not {"create_graph", "gradient of non-leaf"} <= program.features:
        return False
    reach = Reach(program, lambda s: "gradient of non-leaf" in s.features)
    return found.category in ("value", "grad", "error", "requires_grad") and reach.shows(found)


def _seen_by_an_intermediate(program: Program, mode: str, found: Difference) -> bool:
    """Whether the gradient that an intermediate result keeps differs in a program with gradients of
    gradients, or what hooks on such results made of it."""
    if "create_graph" not in program.features or found.category not in ("value", "grad"):
        return False
    outcome = run_torch(program)[0]
    shown = {} if outcome.snapshot is None else outcome.snapshot.tensors
    leaves = {n for n, t in shown.items() if t.is_leaf}
    name = found.text.partition(":")[0].partition(" ")[0].partition(".")[0]
    if found.category == "grad" and name not in leaves:
        return True
    kept = [s for s in program.statements if "register_hook(" not in s.source or s.names & leaves]
    if len(kept) == len(program.statements):
        return False
    without = program.with_(
        statements=tuple(kept),
        start=sum(s in kept for s in program.before),
        inside=sum(s in kept for s in (*program.before, *program.body)),
    )
    return _agrees(without, mode)


def _hook_and_result(program: Program, mode: str, found: Difference) -> bool:
    if not {"hook", "gradient of non-leaf"} <= program.features:
        return False
    reach = Reach(program, lambda s: "gradient of non-leaf" in s.features)
    return found.category in ("value", "grad") and reach.shows(found)


def _history_made_anew(program: Program, mode: str, found: Difference) -> bool:
    """Whether a gradient differs after one was asked for by, or a hook put on, what shares
    memory with a tensor that was written to past autograd or restrided."""
    past = ("write past autograd", "write in no_grad", "restride in place")
    groups = sharing(program)
    written: set[str] = set()
    for s in program.statements:
        if s.features.intersection(past):
            for name in s.names:
                written |= groups.get(name, {name})
    if not any(written & _asks_by(s) for s in program.statements):
        return False
    return found.category in ("value", "grad", "error") and Reach(program, _is_gradient).shows(
        found
    )


def _feature(name: str, *categories: str) -> Callable[[Program, str, Difference], bool]:
    """A difference of these categories in what statements with a feature have an effect on."""

    def applies(program: Program, mode: str, found: Difference) -> bool:
        if found.category not in categories or name not in program.features:
            return False
        return Reach(program, lambda s: name in s.features).shows(found)

    return applies


_CREATE_GRAPH = _feature("create_graph", "requires_grad", "is_leaf", "error", "not refused")


def _hangs_on_nothing(program: Program, mode: str, found: Difference) -> bool:
    says = ("does not require grad", "requires_grad=False", "was not refused")
    refused = any(part in found.text for part in says)
    return (found.category != "error" or refused) and _CREATE_GRAPH(program, mode, found)


_VIEW_IN_NO_GRAD = _feature("view in no_grad", "requires_grad", "is_leaf", "error")


def _at_the_origin(program: Program, mode: str, found: Difference) -> bool:
    if found.category not in ("value", "grad") or not found.text.endswith(" for nan"):
        return False
    return Reach(program, lambda s: re.search(r"T\.(atan2|hypot)\(", s.source) is not None).shows(
        found
    )


def _views_from_inside(program: Program) -> set[str]:
    """Names of views in PyTorch of what no other name shows: of what the call made inside."""
    space = fresh(program, torch)
    out: set[str] = set()
    with oracle(), contextlib.redirect_stdout(io.StringIO()):
        for s in program.statements:
            execute(s, space)
            given = {n: space.get(n) for n in s.names}
            storages = {
                t.untyped_storage()._cdata
                for n, t in given.items()
                if isinstance(t, torch.Tensor) and n not in s.binds
            }
            for n in s.binds:
                t = given.get(n)
                if not isinstance(t, torch.Tensor) or not t._is_view():
                    continue
                if t.untyped_storage()._cdata not in storages:
                    out.add(n)
    return out


def _view_for_detach(program: Program, mode: str, found: Difference) -> bool:
    if found.text.startswith("'the compiled call' raised RuntimeError: Can't detach views"):
        detached = {s.source.removesuffix(".detach_()") for s in program.body}
        restrided = (s for s in program.statements if "restride in place" in s.features)
        return any(s.names & detached for s in restrided)
    if found.text.startswith("'the compiled call' raised AssertionError: not refused"):
        refused = [s.source for s in program.body if s.refused]
        views = {f"{name}.detach_()" for name in _views_from_inside(program)}
        return bool(refused) and views.issuperset(refused)
    name = re.match(r"'([xv]\d+)\.detach_\(\)'", found.text)
    if name is None or found.category not in ("error", "not refused"):
        return False
    return "restride in place" in program.features or name[1] in _views_from_inside(program)


def _kept_beside(program: Program, mode: str, found: Difference) -> bool:
    """Whether the gradient differs that one of several views made at once keeps, where one by
    another of them was asked for."""
    name = found.text.partition(".grad")[0]
    beside: set[str] = set()
    for s in program.statements:
        if name in s.binds and s.features & {"unbind", "split"}:
            beside = {*s.binds} - {name}
    kept = any(
        name in _asks_by(s) and re.search(r"retain_grad\(|inputs=", s.source)
        for s in program.statements
    )
    asked = any(beside & _asks_by(s) for s in program.statements if _is_gradient(s))
    return found.category == "grad" and kept and asked


def _names_an_equal(program: Program, mode: str, found: Difference) -> bool:
    picks = re.compile(r"\.(topk|median|kthvalue)\(")
    later = ("called again", "one argument twice")  # when drawn there were none
    if not any(m in mode for m in later) or found.category not in ("value", "grad"):
        return False
    return Reach(program, lambda s: picks.search(s.source) is not None).shows(found)


def _gradient_of_nothing_as_real(program: Program, mode: str, found: Difference) -> bool:
    """Whether PyTorch refuses a gradient for how it lies in memory, which a program does not say."""
    if found.category != "not refused" or not GRADIENT.search(found.text):
        return False
    space = fresh(program, torch)
    with oracle(), contextlib.redirect_stdout(io.StringIO()):
        for s in program.statements:
            error = execute(s, space)
            if s.refused and found.text.startswith(repr(s.source)):
                return "last dimension with stride 1" in str(error)
    return False


def _beyond_limits_again(program: Program, mode: str, found: Difference) -> bool:
    """Whether it differs after a statement that is beyond the limits of programs in a second call
    alone, as where each call restrides an argument in place."""
    if "called again" not in mode or found.category not in ("value", "grad"):
        return False
    space = fresh(program, torch)
    inputs = [i.name for i in program.inputs]
    beyond: set[Statement] = set()
    with oracle(), contextlib.redirect_stdout(io.StringIO()):
        for s in (*program.before, *program.body):
            execute(s, space)
        for name in [n for n in space if NAME.fullmatch(n) and n not in program.parameters()]:
            del space[name]
        limits = Limits(space, inputs)
        for s in program.body:
            if limits.refuses(s.source):
                beyond.add(s)
            execute(s, space)
    return Reach(program, beyond.__contains__).shows(found)


GIVES_OUT = re.compile(r"^(T\..*), out=([xv]\d+)\)$")


def _reads_what_it_wrote(program: Program, mode: str, found: Difference) -> bool:
    """Whether PyTorch itself gives another answer where what goes to `out=` is computed before it
    is written, and thrace none."""
    if found.category not in ("value", "grad"):
        return False
    if not Reach(program, lambda s: GIVES_OUT.match(s.source) is not None).shows(found):
        return False
    first = program.with_(
        statements=tuple(
            s._replace(source=GIVES_OUT.sub(r"\2.copy_(\1))", s.source)) for s in program.statements
        )
    )
    which, calls = int("other values" in mode), 2 if "called again" in mode else 1
    theirs, apart = run_torch(program, which, calls)[-1], run_torch(first, which, calls)[-1]
    if apart.failed is not None or compare(theirs, apart) is None:
        return False
    return _agrees(first, mode)


def _agrees(program: Program, mode: str) -> bool:
    """Whether a program like the one that differs has no difference, run in the same way."""
    from .check import check

    kind = "xla" if "xla" in mode else "interpreted" if "compiled" in mode else ""
    return check(program, kind, plain=not kind).mismatch is None


RULES: tuple[Rule, ...] = (
    Rule("a rounding error is amplified as much in PyTorch itself", _ill_conditioned),
    Rule(
        "a second pass without retain_graph: which operations save something differs, and what "
        "a compiled call gave out has one history",
        _says("through the graph a second time"),
    ),
    Rule(
        "under create_graph, a gradient that hangs on nothing may have history or not",
        _hangs_on_nothing,
    ),
    Rule(
        "a gradient by an intermediate result of a formula of a gradient: whether that reads an "
        "operand or the result differs",
        _by_an_intermediate,
    ),
    Rule(
        "a hook or retain_grad on an intermediate result that a formula of a gradient reads, or "
        "does not",
        _seen_by_an_intermediate,
    ),
    Rule(
        "all that a compiled call gave out has one history, as in torch.compile: no gradient "
        "from one of its results to another",
        _by_a_result,
    ),
    Rule(
        "PyTorch applies a hook to a gradient that autograd.grad gives out, or does not, "
        "depending on what else is asked for",
        _hook_and_result,
    ),
    Rule(
        "PyTorch makes a view's history anew when its base was written to past autograd or "
        "restrided: its hooks go, and it no longer meets the graph made before",
        _history_made_anew,
    ),
    Rule(
        "what PyTorch makes as a view inside (of einsum, linear, bilinear), or "
        "restrides in place, counts as a view for detach_ there, or does not",
        _view_for_detach,
    ),
    Rule(
        "nan is no integer: PyTorch's conversion gives what the processor does, here it is zero",
        lambda p, mode, d: d.category == "value" and re.search(SMALLEST, d.text) is not None,
    ),
    Rule(
        "at the origin PyTorch's derivatives of hypot and atan2 are nan, here they are zero",
        _at_the_origin,
    ),
    Rule(
        "retain_grad on another output of unbind or split than the one asked for by a gradient: "
        "PyTorch reaches it",
        _kept_beside,
    ),
    Rule(
        "which of several equal elements topk, median and kthvalue name, once a second call "
        "finds such",
        _names_an_equal,
    ),
    Rule(
        "PyTorch's gradient of view_as_real refuses gradients without elements that are expanded, "
        "which it makes itself",
        _gradient_of_nothing_as_real,
    ),
    Rule(
        "what programs do without (see limits.py), once a second call does it: writes where "
        "several elements lie in one place",
        _beyond_limits_again,
    ),
    Rule(
        "a view made under no_grad says that it requires grad in PyTorch 2.13, against its "
        "documentation",
        lambda p, mode, d: "called again" in mode and _VIEW_IN_NO_GRAD(p, mode, d),
    ),
    Rule(
        "PyTorch's function reads what it has just written to out=, which shows its operand",
        _reads_what_it_wrote,
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
