"""One program, all the ways it is run: PyTorch, thrace, thrace compiled, replayed."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from .compare import Difference, compare
from .exclusions import excused
from .generate import FLOATS
from .interpreted import interpreted
from .limits import allowed
from .program import Program
from .run import Compiled, Outcome, run_plain, run_torch


class Mismatch(NamedTuple):
    """A program whose run of the kind `mode` differs from PyTorch's."""

    program: Program
    mode: str
    difference: Difference

    @property
    def compiled(self) -> bool:
        return self.mode != "uncompiled"


class Result(NamedTuple):
    """`ways` says what was run; `excuse` why a difference that was found is none."""

    mismatch: Mismatch | None = None
    ways: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    excuse: str = ""
    valid: bool = True


def check(program: Program, compiled: str = "interpreted", plain: bool = True) -> Result:
    """Run a program and compare. `compiled` is "interpreted", "xla" or "" (not at all)."""
    first = run_torch(program, 0)[0]
    if first.failed is not None:
        return Result(valid=False)
    ways: list[str] = []
    if plain:
        got = run_plain(program)
        ways.append("uncompiled")
        found = compare(first, got)
        if found is not None:
            return _result(program, "uncompiled", found, ways, ())
        del got
    if not compiled:
        return Result(ways=tuple(ways))
    with interpreted() if compiled == "interpreted" else contextlib.nullcontext():
        return _compiled(program, first, compiled, ways)


def _compiled(program: Program, first: Outcome, kind: str, ways: list[str]) -> Result:
    function = Compiled(program)
    plan: list[tuple[str, Any, Outcome | None, Program]] = [
        ("recorded", lambda: function(0), first, program)
    ]
    if program.captured:
        both = run_torch(program, 0, calls=2)
        second = both[1] if len(both) > 1 and both[1].failed is None else None
        plan.append(("called again", function.again, second, program))
    elif not program.dynamic:
        other = run_torch(program, 1)[0]
        known = None if other.failed else other
        plan.append(("other values", lambda: function(1), known, program))
        for word, variant in variants(program):
            theirs = run_torch(variant, 0)[0] if allowed(variant) else None
            if theirs is not None and theirs.failed is None:
                plan.append((word, lambda v=variant: function(0, v), theirs, variant))
        plan.append(("first values again", lambda: function(0), first, program))
    for word, call, wanted, used in plan:
        if wanted is None:
            continue
        got = call()
        mode = f"compiled ({kind}), {word}"
        ways.append(mode)
        found = compare(wanted, got)
        del got
        if found is not None:
            return _result(program, mode, found, ways, tuple(function.reasons), used)
    ways.append(f"compiled ({kind}), {'replayed' if function.replays else 'fell back'}")
    return Result(ways=tuple(ways), reasons=tuple(function.reasons))


def variants(program: Program) -> list[tuple[str, Program]]:
    """The function called with inputs of another kind, which its trace must not serve."""
    out = []
    inputs = program.inputs
    for i, x in enumerate(inputs):
        if x.dtype in FLOATS:
            other = x._replace(requires_grad=not x.requires_grad)
            changed = program.with_(inputs=(*inputs[:i], other, *inputs[i + 1 :]))
            out.append(("other requires_grad", changed))
        for y in inputs[:i]:
            if (x.dtype, x.shape, x.requires_grad) == (y.dtype, y.shape, y.requires_grad):
                other = x._replace(same_as=y.name)
                changed = program.with_(inputs=(*inputs[:i], other, *inputs[i + 1 :]))
                out.append(("one argument twice", changed))
    return out[-2:]


def _result(
    program: Program,
    mode: str,
    found: Difference,
    ways: list[str],
    reasons: tuple[str, ...],
    used: Program | None = None,
) -> Result:
    """`used` is the program with the inputs of that call, where they were others."""
    excuse = excused(used or program, mode, found)
    if excuse:
        return Result(None, tuple(ways), reasons, excuse)
    return Result(Mismatch(program, mode, found), tuple(ways), reasons)
