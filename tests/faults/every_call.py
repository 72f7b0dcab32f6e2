"""An exception at the Nth place in a training step where a signal would raise one, for every N.

Python answers signals where a function begins, where a loop jumps back, and where a call of
what is not a Python function returns: a hook sees the same places. After each exception modes
are as before, the tensors hold what they held before or after the step, and the next step works.
"""

from __future__ import annotations

import dis
import functools
import sys
import traceback
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import numpy as np

from thrace.tracer.compile import _RECORDING
from thrace.tracer.evaluate import _Again
from thrace.tracer.recording import all_recorders
from thrace.tracer.state import LOCK, STATE

from .interrupts import FOREIGN, KINDS, OURS, Training, same


class Stop(BaseException):
    """What the hook raises."""


# Code and offset of a caller and of who is called, or of a loop.
Place = tuple[Any, ...]


class Raiser:
    """Raises when a place is come to, once; given none it notes them all.

    A profile hook sees functions begin and functions of C return; of loops, and of calls of
    classes, it takes a trace hook at each instruction to know. `swallowed` says where Python
    forgot the exception, as it does where nobody could catch it.
    """

    def __init__(self, at: Place | None = None):
        self.at = at
        self.places: dict[Place, None] = {}
        self.calling: dict[int, bool] = {}  # frames at a call of neither kind of function
        self.swallowed = ""
        self.raised = False

    def __enter__(self) -> Raiser:
        self.before = sys.unraisablehook
        sys.unraisablehook = self._note
        sys.settrace(self._begin)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *error: Any) -> None:
        self._end()
        sys.unraisablehook = self.before

    def _end(self) -> None:
        sys.setprofile(None)
        sys.settrace(None)

    def _note(self, unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Stop):
            self.swallowed = str(unraisable.object)

    def _place(self, *place: Any) -> None:
        if self.at is None:
            self.places[place] = None
        elif place == self.at:
            self._end()
            self.raised = True
            raise Stop

    def _profile(self, frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            back = frame.f_back
            self._place(frame.f_code, back.f_code, back.f_lasti)
        elif event == "c_return":
            self.calling[id(frame)] = False
            self._place(frame.f_code, frame.f_lasti)
        elif event == "return" and frame.f_code.co_name not in ("__init__", "__new__"):
            self.calling[id(frame.f_back)] = False

    def _begin(self, frame: Any, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._step

    def _step(self, frame: Any, event: str, arg: Any) -> Any:
        if event != "opcode":
            if event == "return":
                self.calling.pop(id(frame), None)
            return self._step
        kind = _kinds(frame.f_code)[frame.f_lasti]
        if self.calling.pop(id(frame), False) and kind != "unlike":
            self._place(frame.f_code, frame.f_lasti)
        if kind == "call":
            self.calling[id(frame)] = True
        elif kind == "loop":
            self._place(frame.f_code, frame.f_lasti)
        return self._step


@functools.cache
def _kinds(code: CodeType) -> dict[int, str]:
    """By the offset of an instruction: "call", "loop", "unlike" if what handles exceptions here
    is not what handles those of the instruction before, or nothing."""
    found: dict[int, str] = {}
    handlers = [(e.start, e.end, e.target) for e in dis.Bytecode(code).exception_entries]  # type: ignore
    before = None
    for instruction in dis.get_instructions(code):
        at = instruction.offset
        handler = next((t for start, end, t in handlers if start <= at < end), None)
        name = instruction.opname
        if name.startswith("CALL"):
            found[at] = "call"
        elif name.startswith("JUMP_BACKWARD"):
            found[at] = "loop"
        else:
            found[at] = "" if handler == before else "unlike"
        before = handler
    return found


def places(run: Callable[[], Any]) -> list[Place]:
    """Where a run could be interrupted."""
    with Raiser() as raiser:
        run()
    return list(raiser.places)


def stopped(run: Callable[[], Any], at: Place) -> tuple[str, str]:
    """Run, with an exception at that place: where it was, and who swallowed it. The place is
    empty if the run did not come there."""
    where = "nowhere"
    try:
        with Raiser(at) as raiser:
            run()
    except Stop as stop:
        frames = traceback.extract_tb(stop.__traceback__)
        frames = [f for f in frames if not f.filename.endswith("every_call.py")]
        where = " < ".join(f"{f.name}:{f.lineno}" for f in frames[-1:-6:-1])
    return where if raiser.raised else "", raiser.swallowed


MODES = ("grad_enabled", "inference", "session", "scope", "folded", "module_depth", "loc", "cause")
MODES += ("backward_pass", "levels", "saved_hooks")


def modes() -> tuple:
    import jax

    return (
        *(getattr(STATE, name) for name in MODES),
        jax.config.jax_enable_x64,  # type: ignore[attr-defined]
    )


def faults(compiled: bool, every: int, first: int = 0, plain: bool = False) -> Iterator[str]:
    """What is wrong after an exception at each `every`th place of a step."""
    twin = Training(compiled, plain)
    states = [twin.snapshot()]
    for _ in range(4):
        twin.step()
        states.append(twin.snapshot())
    states = states[1:]
    loop = Training(compiled, plain)
    for _ in range(2):
        loop.step()
    # A step whose tensors somebody has just written, and one that follows another.
    loop.restore(states[0])
    found = [(0, at) for at in places(loop.step)]
    found += [(1, at) for at in places(loop.step)]
    before = modes()
    for steps, at in found[first::every]:
        loop.restore(states[0])
        for _ in range(steps):
            loop.step()
        place, swallowed = stopped(loop.step, at)
        if swallowed and not any(name in swallowed for name in FOREIGN):
            yield f"in {place}: {swallowed} lets nobody know"
        elif place == "nowhere" and not swallowed:
            yield f"at {at}: somebody caught it"
        if modes() != before:
            yield f"in {place}: modes are {modes()}, were {before}"
            for name, value in zip(MODES, before, strict=False):
                setattr(STATE, name, value)
        for lock in (LOCK, _RECORDING):
            if lock._is_owned():  # type: ignore
                yield f"in {place}: {lock} stays locked"
                lock.release()
        held = [h for r in all_recorders() for h in r.held if not isinstance(h, _Again)]
        if held:
            yield f"in {place}: {held} stay held"
            for recorder in all_recorders():
                recorder.held.clear()
        try:
            got = loop.snapshot()
            done = int(got["step 0"]) - int(states[0]["step 0"])
            for name in wrong(got, states[steps], states[done], compiled):
                yield f"in {place}: {name} is that of no step"
            # From a state that none of its tensors was in: what still has the old one shows.
            loop.restore(states[1])
            for _ in range(2):
                loop.step()
            now, want = loop.snapshot(), states[3]
            off = [n for n in now if not same({n: now[n]}, {n: want[n]}, exact=compiled)]
            if off:
                yield f"in {place}: the next steps get {off} wrong"
        except Exception as error:
            yield f"in {place}: {type(error).__name__}: {error}"
            loop = Training(compiled, plain)
            loop.step()
    print(f"{len(found)} places")


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
        if not compiled and name.endswith(FORWARD):
            continue
        if not compiled and name == "schedule" and np.array_equal(got[name], before[name]):
            continue
        if not same({name: got[name]}, {name: later[name]}, exact=False):
            out.append(name)
    return out


if __name__ == "__main__":
    for kind in sys.argv[2:] or KINDS:
        for fault in faults(kind != "uncompiled", int(sys.argv[1]), plain=kind == "plain"):
            print(fault)
