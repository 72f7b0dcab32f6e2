"""Making a program that shows a mismatch as small as deleting statements can."""

from __future__ import annotations

from collections.abc import Callable

from .check import Mismatch, check
from .limits import allowed
from .program import Program

MAX_TRIES = 300


def shrink(mismatch: Mismatch) -> Mismatch:
    """The smallest program found that differs in the same way."""
    best = mismatch
    tries = 0
    kind = "xla" if "xla" in mismatch.mode else "interpreted"

    def still(program: Program) -> Mismatch | None:
        nonlocal tries
        tries += 1
        if tries > MAX_TRIES or not allowed(program):
            return None
        found = check(program, kind if mismatch.compiled else "", plain=not mismatch.compiled)
        m = found.mismatch
        if m is None or m.difference.category != mismatch.difference.category:
            return None
        return m

    changed = True
    while changed and tries <= MAX_TRIES:
        changed = False
        size = max(1, len(best.program.statements) // 2)
        while size:
            at = len(best.program.statements) - size
            while at >= 0:
                found = still(without(best.program, at, at + size))
                if found is not None:
                    best, changed = found, True
                at -= size
            size //= 2
        for simpler in simplified(best.program):
            found = still(simpler)
            if found is not None:
                best, changed = found, True
                break
    return best


def without(program: Program, start: int, stop: int) -> Program:
    """The program less some statements, and less inputs that nothing uses then."""

    def moved(at: int) -> int:
        return at - max(0, min(stop, at) - start)

    statements = program.statements[:start] + program.statements[stop:]
    return unused_inputs_dropped(
        program.with_(
            statements=statements, start=moved(program.start), inside=moved(program.inside)
        )
    )


def unused_inputs_dropped(program: Program) -> Program:
    used = {n for s in program.statements for n in s.names}
    kept = tuple(i for i in program.inputs if i.name in used)
    return program.with_(inputs=kept or program.inputs[:1])


Change = Callable[[Program], Program]


def simplified(program: Program) -> list[Program]:
    """Programs that say the same in a plainer way, if they do."""
    out: list[Program] = []
    for i, s in enumerate(program.statements):
        if s.source.startswith("with T.no_grad(): "):
            plain = s._replace(source=s.source.removeprefix("with T.no_grad(): "))
            out.append(
                program.with_(
                    statements=(*program.statements[:i], plain, *program.statements[i + 1 :])
                )
            )
    for i, x in enumerate(program.inputs):
        others = []
        if x.dtype not in ("float64", "int64", "bool", "complex64", "complex128"):
            others.append(x._replace(dtype="float64"))
        if x.requires_grad:
            others.append(x._replace(requires_grad=False))
        for other in others:
            inputs = (*program.inputs[:i], other, *program.inputs[i + 1 :])
            out.append(program.with_(inputs=inputs))
    return out
