"""What a function's code says without running: whose it is, and which names it reads and writes.

Imported by the watch.
"""

from __future__ import annotations

import dis
import functools
import gc
import os
import sys
import sysconfig
import types
from typing import Any

import numpy as np

from ..ir.source import RawLocation, is_internal
from .entries import MISSING, read

_NUMPY = os.path.dirname(np.__file__) + os.sep
_STDLIB = tuple({sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"], "<frozen"})
SITE = tuple({sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]})
# Whose a file is. The user's code is looked at in full; of the standard library and NumPy
# only what they call for the user and read of the user's objects; the project's own and the
# import system not at all.
USER, LIBRARY, OURS = "user", "library", "ours"
_ORIGINS: dict[str, str] = {}
_MAKES_STRINGS = frozenset(("BUILD_STRING", "FORMAT_VALUE", "BINARY_OP"))
_ATTRIBUTES = frozenset(("STORE_ATTR", "DELETE_ATTR"))
_GLOBALS = frozenset(("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_NAME"))
_ITEMS = frozenset(("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"))
_OTHERS = frozenset(("STORE_DEREF", "DELETE_DEREF"))


def origin(filename: str) -> str:
    """Whose code a file holds: USER, LIBRARY or OURS."""
    known = _ORIGINS.get(filename)
    if known is None:
        known = USER
        if is_internal(filename) or filename.startswith("<frozen importlib"):
            known = OURS
        elif filename.startswith((_NUMPY, *_STDLIB)) and (
            filename.startswith(_NUMPY) or not filename.startswith(SITE)
        ):
            known = LIBRARY
        _ORIGINS[filename] = known
    return known


def file_of(value: Any) -> str:
    """The file that defines a class or module; `<frozen` stands for one without a file."""
    if isinstance(value, types.ModuleType):
        made_by_hand = value.__name__ in _ROOTS or getattr(value, "__spec__", None) is None
        return getattr(value, "__file__", None) or ("" if made_by_hand else "<frozen")
    name = getattr(value, "__module__", "") or ""
    module = sys.modules.get(name)
    if module is None or name in _ROOTS:
        return ""
    return getattr(module, "__file__", None) or "<frozen"


_ROOTS = ("__main__", "__mp_main__")


def names(code: types.CodeType) -> list[str]:
    """Names in a function's code and in the functions defined inside it."""
    out = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            out.extend(names(constant))
    return out


# What code says stays the same, and disassembling takes most of a short run's time.
@functools.lru_cache(1024)
def globals_of(code: types.CodeType) -> frozenset[str]:
    """Names that a function looks up as globals or builtins."""
    return frozenset(
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    )


@functools.lru_cache(1024)
def stored(code: types.CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """Names of attributes and of globals that a function assigns or deletes."""
    attributes, spaces = set(), set()
    todo = [code]
    while todo:
        code = todo.pop()
        todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        for step in dis.get_instructions(code):
            if step.opname in _ATTRIBUTES:
                attributes.add(step.argval)
            elif step.opname in _GLOBALS:
                spaces.add(step.argval)
    return frozenset(attributes), frozenset(spaces)


def makes_strings(code: types.CodeType) -> bool:
    return any(step.opname in _MAKES_STRINGS for step in dis.get_instructions(code))


def place_of(codes: Any, name: str, *, written: bool = False) -> RawLocation | None:
    """The first place in these functions where a name is written (if asked for), else read."""
    first = None
    for code in codes:
        for step in dis.get_instructions(code):
            if step.argval == name:
                if not written or step.opname in _ATTRIBUTES | _GLOBALS | _OTHERS:
                    return (code, step.offset)
                first = first or (code, step.offset)
    return first


def first_store(codes: Any) -> RawLocation | None:
    """The first place in these functions that writes an item or an attribute."""
    for code in codes:
        for step in dis.get_instructions(code):
            if step.opname in _ITEMS | _ATTRIBUTES:
                return (code, step.offset)
    return None


def imported(code: types.CodeType, space: dict) -> set[str]:
    """Names in `sys.modules` of what a function imports."""
    out = set()
    for level, name in _imports(code):
        if level:
            above = (space.get("__package__") or "").rsplit(".", level - 1)[0]
            name = f"{above}.{name}".rstrip(".")
        out.add(name)
    return out


@functools.lru_cache(1024)
def _imports(code: types.CodeType) -> tuple[tuple[int, str], ...]:
    """What a function imports: how many packages up, and the name."""
    steps = [*dis.get_instructions(code)]
    return tuple(
        (level.argval, step.argval)
        for level, _, step in zip(steps, steps[1:], steps[2:], strict=False)
        if step.opname == "IMPORT_NAME"
    )


def cells(frame: types.FrameType, known: Any) -> list[dict[str, Any]]:
    """The closure cells of a running function, by name, found through its function object.

    Several may have the same code and equal variables: then those of the ones that are
    `known` to the run, or of all.
    """
    code = frame.f_code
    if not code.co_freevars:
        return []
    out = []
    preferred = []
    values = frame.f_locals
    for candidate in gc.get_referrers(code):
        if isinstance(candidate, types.FunctionType) and candidate.__closure__:
            found = dict(zip(code.co_freevars, candidate.__closure__, strict=True))
            if all(read(c, n) is values.get(n, MISSING) for n, c in found.items()):
                (preferred if id(candidate) in known else out).append(found)
    return preferred or out
