"""What a recording run depends on outside its arguments, and what it changed there.

A profile hook sees every Python function that runs. The names in its code say which
globals, closure variables and attributes it may read or write; those are noted as the
function starts, become guards, and are compared when the run ends. Imported by the
recording session alone.
"""

from __future__ import annotations

import dis
import gc
import sys
import sysconfig
import types
from collections.abc import Callable
from typing import Any

from ..ir.source import RawLocation, is_internal
from .tensor import Tensor

SCALARS = (bool, int, float, complex, str, bytes, type(None))
CONTAINERS = (list, tuple, dict, set, frozenset)
_STDLIB = tuple({sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"], "<frozen"})
_SITE = tuple({sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]})
_SKIP: dict[str, bool] = {}
MAX_ENTRIES = 5000
MAX_ITEMS = 1000

# Calls that a replay could not repeat. Reasons are what `explain` says.
_CALLS = {
    "print": "it prints",
    "input": "it reads input",
    "open": "it opens a file",
}
_MODULES = {
    "time": "it reads the clock",
    "random": "it draws Python's random numbers",
    "_random": "it draws Python's random numbers",
    "numpy.random.mtrand": "it draws NumPy's random numbers",
    "secrets": "it draws random numbers",
    "posix": "it talks to the operating system",
}
_MUTATORS = frozenset(
    (
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update"),
        *("setdefault", "popitem", "add", "discard", "appendleft", "popleft", "extendleft"),
        *("write", "writelines", "__setitem__", "__delitem__"),
    )
)


def foreign(filename: str) -> bool:
    """Code whose names are not looked at: the project's own and the standard library's."""
    known = _SKIP.get(filename)
    if known is None:
        known = is_internal(filename) or (
            filename.startswith(_STDLIB) and not filename.startswith(_SITE)
        )
        _SKIP[filename] = known
    return known


def exact(value: Any, depth: int = 3) -> Any:
    """What a guard compares: scalars by type and value, containers by contents, the rest
    by identity. 0.0 and -0.0 differ; a nan equals itself."""
    kind = type(value)
    if kind is float or kind is complex:
        return (kind, repr(value))
    if kind in SCALARS:
        return (kind, value)
    if depth and isinstance(value, CONTAINERS) and len(value) <= MAX_ITEMS:
        if isinstance(value, dict):
            items: Any = tuple((exact(k, 0), exact(v, depth - 1)) for k, v in value.items())
        elif isinstance(value, (set, frozenset)):
            items = frozenset(exact(v, 0) for v in value)
        else:
            items = tuple(exact(v, depth - 1) for v in value)
        return (kind, id(value) if kind is not tuple else 0, items)
    return (kind, id(value))


class Entry:
    """One name a run depends on: `owner[name]` if `owner` is a dictionary, the contents if
    it is a cell, else the attribute. `value` keeps what was there alive."""

    __slots__ = ("expected", "label", "name", "owner", "value")

    def __init__(self, owner: Any, name: str, label: str):
        self.owner = owner
        self.name = name
        self.label = label
        self.refresh()

    def read(self) -> Any:
        return read(self.owner, self.name)

    def refresh(self) -> None:
        self.value = self.read()
        self.expected = exact(self.value)

    def holds(self) -> bool:
        value = self.read()
        if value is self.value and type(value) not in _MUTABLE:
            return True
        return exact(value) == self.expected

    def set(self, value: Any) -> None:
        if isinstance(self.owner, dict):
            self.owner[self.name] = value
        elif isinstance(self.owner, types.CellType):
            self.owner.cell_contents = value
        else:
            setattr(self.owner, self.name, value)


_MUTABLE = (list, dict, set)


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def read(owner: Any, name: str) -> Any:
    """The present value of an entry, or MISSING; never runs user code."""
    if isinstance(owner, dict):
        return owner.get(name, MISSING)
    if isinstance(owner, types.CellType):
        try:
            return owner.cell_contents
        except ValueError:
            return MISSING
    attributes = getattr(owner, "__dict__", None)
    if attributes is not None and name in attributes:
        return attributes[name]
    for cls in type(owner).__mro__ if not isinstance(owner, type) else owner.__mro__:
        if name in cls.__dict__:
            found = cls.__dict__[name]
            if isinstance(found, types.MemberDescriptorType):
                try:
                    return found.__get__(owner)
                except AttributeError:
                    return MISSING
            return found
    return MISSING


class Watch:
    """Collects entries and reasons while a function runs under `sys.setprofile`."""

    def __init__(self, blame: Callable[[str, RawLocation | None], None]):
        self.blame = blame
        self.entries: dict[tuple[int, str], Entry] = {}
        self.names: set[str] = set()
        self.objects: dict[int, tuple[Any, str]] = {}
        self.codes: dict[tuple[Any, int], None] = {}
        self.mutated: list[tuple[Any, RawLocation]] = []
        self.iterators: list[str] = []
        self.before: Any = None
        self.paused = 0
        # NumPy's generators raise no event when they draw; their state says that they did.
        self.generators: dict[int, tuple[Any, str, Any]] = {}
        legacy = sys.modules.get("numpy.random")
        if legacy is not None:
            self.generators[id(legacy)] = (legacy, "random", _drawn(legacy))
        # The collector may run at any time, and with it what others hung on it.
        self.ignored = {getattr(callback, "__code__", None) for callback in gc.callbacks}

    def __enter__(self) -> Watch:
        self.before = sys.getprofile()
        sys.setprofile(self.event)
        return self

    def __exit__(self, *error: Any) -> None:
        sys.setprofile(self.before)

    def event(self, frame: types.FrameType, kind: str, arg: Any) -> None:
        code = frame.f_code
        if self.paused or foreign(code.co_filename) or code in self.ignored:
            return
        if kind == "call":
            self.enter(frame)
        elif kind == "c_call":
            self.c_call(frame, arg)

    def enter(self, frame: types.FrameType) -> None:
        """Note what a function's code names, before it runs."""
        code = frame.f_code
        if frame.f_globals.get("__name__", "").startswith("namedtuple_"):
            return
        variables = frame.f_locals
        count = code.co_argcount + code.co_kwonlyargcount
        count += bool(code.co_flags & 4) + bool(code.co_flags & 8)
        for name in code.co_varnames[:count]:
            if name in variables:
                self.look(variables[name], name)
        if (code, id(frame.f_globals)) in self.codes:
            return
        self.codes[(code, id(frame.f_globals))] = None
        new = set(_names(code)) - self.names
        self.names |= new
        for name in code.co_names:
            if name in frame.f_globals:
                self.note(frame.f_globals, name, name)
        cells = _cells(frame)
        for name, cell in cells.items():
            self.note(cell, name, name)
        if new:
            for owner, label in list(self.objects.values()):
                self.attributes(owner, label, new)

    def read_names(self, fn: Any) -> None:
        """Note what one function's code names, without running under the hook."""
        if isinstance(fn, types.MethodType):
            self.look(fn.__self__, "self")
            fn = fn.__func__
        if not isinstance(fn, types.FunctionType):
            return
        self.names |= set(_names(fn.__code__))
        for name in fn.__code__.co_names:
            if name in fn.__globals__:
                self.note(fn.__globals__, name, name)
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
            self.note(cell, name, name)

    def note(self, owner: Any, name: str, label: str) -> None:
        key = (id(owner), name)
        if key in self.entries or len(self.entries) >= MAX_ENTRIES:
            return
        entry = Entry(owner, name, label)
        if entry.value is MISSING:
            return
        self.entries[key] = entry
        self.look(entry.value, label)

    def look(self, value: Any, label: str) -> None:
        """Follow the attributes of an object that some code names."""
        if isinstance(value, (*SCALARS, *CONTAINERS, Tensor, types.ModuleType, type)):
            if isinstance(value, CONTAINERS) and len(value) <= MAX_ITEMS:
                for item in value.values() if isinstance(value, dict) else value:
                    if hasattr(item, "__dict__") and not isinstance(item, Tensor):
                        self.look(item, f"{label}[...]")
            if not isinstance(value, type) or foreign(_file_of(value)):
                return
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
            return
        if id(value) in self.objects or _ours(value):
            return
        self.objects[id(value)] = (value, label)
        if type(value).__module__.startswith("numpy.random") and (
            hasattr(value, "bit_generator") or hasattr(value, "get_state")
        ):
            self.generators[id(value)] = (value, label.rpartition(".")[2], _drawn(value))
        if hasattr(type(value), "__next__"):
            self.iterators.append(label)
        self.attributes(value, label, self.names)

    def attributes(self, owner: Any, label: str, names: set[str]) -> None:
        known = getattr(owner, "__dict__", None)
        if known is None:
            return
        for name in names:
            if name in known or isinstance(read(owner, name), (*SCALARS, *CONTAINERS)):
                self.note(owner, name, f"{label}.{name}")

    def c_call(self, frame: types.FrameType, fn: Any) -> None:
        name = getattr(fn, "__name__", "")
        place = (frame.f_code, frame.f_lasti)
        owner = getattr(fn, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType):
            if name in _MUTATORS and isinstance(owner, (list, dict, set, bytearray)):
                self.mutated.append((owner, place))
            elif type(owner).__module__ in _MODULES:
                self.blame(_MODULES[type(owner).__module__], place)
            elif name in ("write", "writelines", "send", "put", "put_nowait"):
                self.blame(f"it calls {name}()", place)
            return
        module = getattr(fn, "__module__", "") or ""
        if module == "builtins" and name in _CALLS:
            self.blame(_CALLS[name], place)
        elif module == "builtins" and name == "next" and self.iterators:
            self.blame("it advances an iterator that outlives the call", place)
        elif module in _MODULES and name not in ("fspath",):
            self.blame(_MODULES[module], place)

    def blame_generators(self) -> None:
        """Give NumPy generators that drew numbers as a reason."""
        for generator, name, before in self.generators.values():
            if _drawn(generator) != before:
                self.blame("it draws NumPy's random numbers", self.line_naming(name))

    def line_naming(self, name: str) -> RawLocation | None:
        """The first place in the functions that ran where a name is read."""
        for code, _ in self.codes:
            for step in dis.get_instructions(code):
                if step.argval == name:
                    return (code, step.offset)
        return None


def _drawn(generator: Any) -> Any:
    """The state of a NumPy generator, or of NumPy's own, in a form that compares."""
    if hasattr(generator, "get_state"):
        return _frozen(generator.get_state(legacy=False))
    return _frozen(generator.bit_generator.state)


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return tuple((key, _frozen(value)) for key, value in state.items())
    return state.tobytes() if hasattr(state, "tobytes") else state


def _names(code: types.CodeType) -> list[str]:
    """Names in a function's code and in the functions defined inside it."""
    out = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            out.extend(_names(constant))
    return out


def _cells(frame: types.FrameType) -> dict[str, Any]:
    """The closure cells of a running function, by name, found through its function object."""
    code = frame.f_code
    if not code.co_freevars:
        return {}
    for candidate in gc.get_referrers(code):
        if isinstance(candidate, types.FunctionType) and candidate.__closure__:
            cells = dict(zip(code.co_freevars, candidate.__closure__, strict=True))
            values = frame.f_locals
            if all(read(c, n) is values.get(n, MISSING) for n, c in cells.items()):
                return cells
    return {}


def _file_of(value: Any) -> str:
    module = sys.modules.get(getattr(value, "__module__", ""), None)
    return getattr(module, "__file__", None) or ""


_OURS_PREFIX = __name__.partition(".")[0] + "."


def _ours(value: Any) -> bool:
    """Objects of the project's own classes are guarded by those who know them.

    Subclasses that the user wrote are the user's.
    """
    return type(value).__module__.startswith(_OURS_PREFIX)
