"""Calls that a replay could not repeat: those of C functions that reach outside the program.

Imported by the watch alone.
"""

from __future__ import annotations

import types
from typing import Any

# By the function's name; reasons are what `explain` says.
_CALLS = {
    "print": "it prints",
    "input": "it reads input",
    "open": "it opens a file",
}
# By the module of the function, or of the class that it is a method of.
_MODULES = {
    "time": "it reads the clock",
    "random": "it draws Python's random numbers",
    "_random": "it draws Python's random numbers",
    "numpy.random.mtrand": "it draws NumPy's random numbers",
    "secrets": "it draws random numbers",
    "posix": "it talks to the operating system",
    "nt": "it talks to the operating system",
    "_socket": "it talks to the operating system",
}
_CLOCK = frozenset(("now", "utcnow", "today"))
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


def reason_against(fn: Any) -> str:
    """Why a C function may not be left out of a replay; empty if it may."""
    name = getattr(fn, "__name__", "")
    owner = getattr(fn, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):
        module = getattr(fn, "__module__", "") or ""
        if name in _CALLS and module in ("builtins", "io", "_io"):
            return _CALLS[name]
        return "" if name in _HARMLESS else _MODULES.get(module, "")
    kind = owner if isinstance(owner, type) else type(owner)
    if kind.__module__ == "datetime" and name in _CLOCK:
        return "it reads the clock"
    if name in _SENDS and kind.__name__ not in ("StringIO", "BytesIO"):
        return f"it calls {name}()"
    return _MODULES.get(kind.__module__, "")
