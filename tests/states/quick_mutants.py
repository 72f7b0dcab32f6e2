"""Mutants of the code that is written for a trace: each leaves one guard or rule out of it."""

from __future__ import annotations

from typing import Any
from unittest import mock

from thrace.tracer import guards as kinds
from thrace.tracer import quick_guards, state
from thrace.tracer.writer import Writer

from .mutants import Mutant, Patches


def without_writer(check: str) -> Patches:
    """No quick form of one kind of guard, and the check not asked either."""
    changed = quick_guards._WRITERS | {getattr(kinds, check): lambda w, g: None}
    return [mock.patch.object(quick_guards, "_WRITERS", changed)]


def without_lines(*parts: str) -> Patches:
    """No line that has one of these texts in it and ends in a miss."""
    real = Writer.miss_if

    def miss_if(self: Writer, condition: str) -> None:
        if not any(part in condition for part in parts):
            real(self, condition)

    return [mock.patch.object(Writer, "miss_if", miss_if)]


def always(owner: Any, name: str, result: Any) -> Patches:
    return [mock.patch.object(owner, name, lambda *args: result)]


def with_modes_as(number: int) -> Patches:
    """One of the thread's modes is not looked at."""
    real = state.thread_modes

    class Alike:
        def __eq__(self, other: object) -> bool:
            return True

    def broken(d: dict) -> tuple:
        return tuple(Alike() if i == number else v for i, v in enumerate(real(d)))

    return [mock.patch.object(state, "thread_modes", broken)]


QUICK_MUTANTS: dict[str, Mutant] = {}


def _add(name: str, make: Any, *rows: str) -> None:
    QUICK_MUTANTS[f"quick without {name}"] = Mutant(name, make, rows, quick=True)


for _kind, _row in {
    "_classes": "objects: isinstance of a global object",
    "_entries": "values: zero and minus zero",
    "_functions": "functions: default argument replaced",
    "_memory": "modules: weights tied by data",
    "_places": "modules: list of a layer",
    "_spaces": "modules: plain attribute",
    "_tags": "objects: attribute of an argument tensor",
}.items():
    _add(_kind, lambda kind=_kind: without_writer(kind), _row)
for _i, _mode, _row in [
    (2, "grad_enabled", "modes: grad mode"),
    (3, "inference", "modes: inference mode around a call"),
    (5, "autocast", "modes: autocast"),
]:
    _add(_mode, lambda i=_i: with_modes_as(i), _row)
for _what, _text, _row in [
    ("types of arguments", "._type is not", "arguments: None and tensor"),
    ("static arguments", "str or", "arguments: string"),
    ("the default dtype", "._default_dtype", "modes: default dtype"),
    ("keywords", "kwargs", "arguments: positional or keyword"),
    ("aliases", "s0 is s1", "aliasing: identity of two arguments"),
]:
    _add(_what, lambda text=_text: without_lines(text), _row)
_add("handles", lambda: always(quick_guards.Handles, "same", True), "modules: all frozen")
_add(
    "slots",
    lambda: always(quick_guards, "_hold", True),
    "modules: gradient read by the function",
)
_add(
    "values of spaces",
    lambda: always(quick_guards.AllSame, "__call__", True),
    "modules: layer replaced by attribute",
)
