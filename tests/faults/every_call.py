"""An exception at the Nth call in a training step, for every N, as a signal would raise it.

Python answers signals where a function begins and where one of C returns: a profile hook
sees the same places. After each exception modes are as before, the tensors hold what they
held before or after the step, and the next step works.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from thrace.tracer.state import STATE

from .interrupts import Training, same


class Stop(BaseException):
    """What the hook raises."""


class Raiser:
    """Raises at the Nth place, once."""

    def __init__(self, at: int):
        self.left = at

    def __call__(self, frame: Any, event: str, arg: Any) -> None:
        if event not in ("call", "c_return"):
            return
        self.left -= 1
        if self.left == 0:
            sys.setprofile(None)
            raise Stop


def stopped(run: Callable[[], Any], at: int) -> str:
    """Run, with an exception at that place: where it was; empty if the run was over before."""
    sys.setprofile(Raiser(at))
    try:
        run()
    except Stop as stop:
        frames = traceback.extract_tb(stop.__traceback__)
        return " < ".join(f"{f.name}:{f.lineno}" for f in frames[-2:-6:-1])
    finally:
        sys.setprofile(None)
    return ""


MODES = ("grad_enabled", "inference", "session", "scope", "folded", "module_depth", "loc", "cause")
MODES += ("backward_pass", "levels", "saved_hooks")


def modes() -> tuple:
    import jax

    return (
        *(getattr(STATE, name) for name in MODES),
        jax.config.jax_enable_x64,  # type: ignore[attr-defined]
    )


def faults(compiled: bool, every: int, first: int = 1) -> Iterator[str]:
    """What is wrong after an exception at each `every`th place of a step."""
    twin = Training(compiled)
    states = [twin.snapshot()]
    for _ in range(4):
        twin.step()
        states.append(twin.snapshot())
    states = states[1:]
    loop = Training(compiled)
    for _ in range(2):
        loop.step()
    before = modes()
    at = first
    while True:
        loop.restore(states[0])
        place = stopped(loop.step, at)
        if modes() != before:
            yield f"place {at} in {place}: modes are {modes()}, were {before}"
            for name, value in zip(MODES, before, strict=False):
                setattr(STATE, name, value)
        try:
            got = loop.snapshot()
            done = int(got["step 0"]) - int(states[0]["step 0"])
            for name in wrong(got, states[0], states[done], compiled):
                yield f"place {at} in {place}: {name} is that of no step"
            loop.restore(states[0])
            loop.step()
            if not same(loop.snapshot(), states[1], exact=False):
                now = loop.snapshot()
                off = [n for n in now if not same({n: now[n]}, {n: states[1][n]}, exact=False)]
                yield f"place {at} in {place}: the next step gets {off} wrong"
        except Exception as error:
            yield f"place {at} in {place}: {type(error).__name__}: {error}"
            loop = Training(compiled)
            loop.step()
        if not place:
            print(f"{at} places")
            return
        at += every


# What an uncompiled step writes before its optimizer does, one after the other.
FORWARD = ("generator", "total", "running_mean", "running_var", "num_batches_tracked")


def wrong(
    got: dict[str, np.ndarray],
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
    compiled: bool,
) -> list[str]:
    out = []
    later = dict(after)
    for name in after:
        if not compiled and (name.endswith(FORWARD) or name == "schedule"):
            continue
        if not same({name: got[name]}, {name: later[name]}, exact=False):
            out.append(name)
    return out


if __name__ == "__main__":
    for compiled in [a == "compiled" for a in sys.argv[2:]] or (True, False):
        for fault in faults(compiled, int(sys.argv[1])):
            print(fault)
