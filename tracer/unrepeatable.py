"""Calls that a replay could not repeat: those of C functions that reach outside the program.

Imported by the watch alone.
"""

from __future__ import annotations

import io
import types
from typing import Any

from .reasons import Why
from .restoring import Restoring

# By the function's name; reasons are what `explain` says.
_CALLS = {
    "print": (Why.PRINTS,),
    "input": (Why.INPUT,),
    "open": (Why.FILE,),
}
# By the module of the function, or of the class that it is a method of.
_MODULES = {
    "time": (Why.CLOCK,),
    "random": (Why.RANDOM,),
    "_random": (Why.RANDOM,),
    "numpy.random.mtrand": (Why.NUMPY_RANDOM,),
    "secrets": (Why.RANDOM,),
    "posix": (Why.SYSTEM,),
    "nt": (Why.SYSTEM,),
    "_posixsubprocess": (Why.SYSTEM,),
    "_sqlite3": (Why.SYSTEM,),
    "_queue": (Why.SENDS, "a queue"),
    "_warnings": (Why.WARNS,),
    "_socket": (Why.SYSTEM,),
}
_CLOCK = frozenset(("now", "utcnow", "today"))
# Files in memory are containers.
TEXT = (io.StringIO, io.BytesIO)
FILE = io.FileIO.__mro__[-2]  # the base of all files, without the ABC before it
_HARMLESS = frozenset(("fspath", "getpid", "get_ident"))
# Methods that write to something outside, a file or a queue.
_SENDS = frozenset(("write", "writelines", "send", "sendall", "put", "put_nowait"))
# Methods that change a container.
MUTATORS = frozenset(
    (
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update"),
        *("setdefault", "popitem", "add", "discard", "appendleft", "popleft", "extendleft"),
        *("rotate", "fill", "__setitem__", "__delitem__"),
    )
)


def reason_against(fn: Any) -> tuple[Any, ...]:
    """Why a C function may not be left out of a replay, and the details; empty if it may."""
    name = getattr(fn, "__name__", "")
    owner = getattr(fn, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):
        module = getattr(fn, "__module__", "") or ""
        if name in ("start_new_thread", "start_joinable_thread"):
            return (Why.SYSTEM,)
        if name in _CALLS and module in ("builtins", "io", "_io"):
            return _CALLS[name]
        return () if name in _HARMLESS else _MODULES.get(module, ())
    kind = owner if isinstance(owner, type) else type(owner)
    if kind.__module__ == "datetime" and name in _CLOCK:
        return (Why.CLOCK,)
    if issubclass(kind, TEXT):
        return ()
    if issubclass(kind, FILE) and not issubclass(kind, Restoring):
        return (Why.FILE,)
    if name in _SENDS:
        return (Why.SENDS, name)
    return _MODULES.get(kind.__module__, ())
