"""What a recording run depends on outside its arguments, and what it changed there.

A profile hook sees every Python function that runs. The names in its code say which
globals, closure variables and attributes it may read or write; those are noted as the
function starts, become guards, and are compared when the run ends. Imported by the
recording session alone.
"""

from __future__ import annotations

import dis
import gc
import os
import sys
import sysconfig
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.source import RawLocation, is_internal
from .entries import (
    CONTAINERS,
    MAX_ARRAY_BYTES,
    MAX_ITEMS,
    MISSING,
    SCALARS,
    Entry,
    exact,
    is_data,
    read,
)
from .tensor import Tensor
from .unrepeatable import MUTATORS, reason_against

_NUMPY = os.path.dirname(np.__file__) + os.sep
_STDLIB = tuple({sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"], "<frozen"})
_SITE = tuple({sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]})
# Whose a file is. The user's code is looked at in full; of the standard library and NumPy
# only what they call for the user; the project's own and the import system not at all.
USER, LIBRARY, OURS = "user", "library", "ours"
_ORIGINS: dict[str, str] = {}
MAX_ENTRIES = 5000
# Names of code that may read an optimizer's hyper-parameters.
_READS_HYPERS = frozenset(("param_groups", "get_last_lr", "get_lr", "defaults"))
# Functions that take the name of an attribute.
_BY_NAME = frozenset(("getattr", "hasattr", "setattr", "delattr"))
_MAKES_STRINGS = frozenset(("BUILD_STRING", "FORMAT_VALUE", "BINARY_OP"))
_ITERATOR = "it advances an iterator that outlives the call"


def origin(filename: str) -> str:
    """Whose code a file holds: USER, LIBRARY or OURS."""
    known = _ORIGINS.get(filename)
    if known is None:
        known = USER
        if is_internal(filename) or filename.startswith("<frozen importlib"):
            known = OURS
        elif filename.startswith((_NUMPY, *_STDLIB)) and (
            filename.startswith(_NUMPY) or not filename.startswith(_SITE)
        ):
            known = LIBRARY
        _ORIGINS[filename] = known
    return known


class Watch:
    """Collects entries and reasons while a function runs under `sys.setprofile`."""

    def __init__(self, blame: Callable[[str, RawLocation | None], None]):
        self.blame = blame
        self.entries: dict[tuple[int, str], Entry] = {}
        self.names: set[str] = set()
        self.stored: set[str] = set()
        self.objects: dict[int, tuple[Any, str]] = {}
        self.codes: dict[tuple[Any, int], None] = {}
        self.mutated: list[tuple[Any, RawLocation]] = []
        self.optimizers: dict[int, tuple[Any, str, Any]] = {}
        self.next_calls: list[RawLocation] = []
        self.big_arrays: list[str] = []
        self.arrays: list[np.ndarray] = []
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
        whose = origin(code.co_filename)
        if whose is OURS or self.paused or code in self.ignored:
            return
        if kind == "c_call":
            self.c_call(frame, arg, whose)
        elif kind == "call" and whose is USER:
            self.enter(frame)

    def enter(self, frame: types.FrameType) -> None:
        """Note what a function's code names, before it runs."""
        code = frame.f_code
        if frame.f_globals.get("__name__", "").startswith("namedtuple_"):
            return
        variables = frame.f_locals
        count = code.co_argcount + code.co_kwonlyargcount
        count += bool(code.co_flags & 4) + bool(code.co_flags & 8)
        for name in code.co_varnames[:count]:
            if name in variables and name[0] != ".":  # a comprehension's own iterator
                self.look(variables[name], name)
        if (code, id(frame.f_globals)) in self.codes:
            return
        self.codes[(code, id(frame.f_globals))] = None
        self.read_code(code, frame.f_globals, _cells(frame))

    def read_names(self, fn: Any) -> None:
        """Note what one function's code names, without running under the hook."""
        if isinstance(fn, types.MethodType):
            self.look(fn.__self__, "self")
            fn = fn.__func__
        if isinstance(fn, types.FunctionType):
            cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
            self.read_code(fn.__code__, fn.__globals__, cells)

    def read_code(self, code: types.CodeType, space: dict, cells: dict[str, Any]) -> None:
        names = set(_names(code))
        stored, stored_globals = _stored(code)
        if names & _BY_NAME:
            # Whether such an attribute is there may matter as well.
            probed = {c for c in code.co_consts if isinstance(c, str) and c.isidentifier()}
            names |= probed
            stored |= probed
        new = (names - self.names) | (stored - self.stored)
        self.names |= names
        self.stored |= stored
        for name in code.co_names:
            if name in space:
                self.note(space, name, name)
            elif name in stored_globals:
                self.note(space, name, name, missing=True)
        for name, cell in cells.items():
            self.note(cell, name, name)
        if new & {"environ", "getenv"}:
            self.note(vars(os), "environ", "os.environ")
        if new:
            for owner, label in list(self.objects.values()):
                self.attributes(owner, label, new)

    def note(self, owner: Any, name: str, label: str, missing: bool = False) -> None:
        key = (id(owner), name)
        if key in self.entries or len(self.entries) >= MAX_ENTRIES:
            return
        entry = Entry(owner, name, label)
        if entry.value is MISSING and not missing:
            return
        self.entries[key] = entry
        self.look(entry.value, label)

    def look(self, value: Any, label: str) -> None:
        """Follow the attributes of an object that some code names."""
        if isinstance(value, CONTAINERS):
            if len(value) <= MAX_ITEMS:
                for item in value.values() if isinstance(value, dict) else value:
                    if isinstance(item, np.ndarray):
                        self.arrays.append(item)
                    elif hasattr(item, "__dict__") and not isinstance(item, Tensor):
                        self.look(item, f"{label}[...]")
            return
        if isinstance(value, (*SCALARS, Tensor, types.FunctionType, types.BuiltinFunctionType)):
            return
        if isinstance(value, types.MethodType):
            self.look(value.__self__, label.rpartition(".")[0] or label)
            return
        if isinstance(value, np.ndarray):
            self.arrays.append(value)
            if value.nbytes > MAX_ARRAY_BYTES:
                self.big_arrays.append(label)
            return
        if id(value) in self.objects or value is MISSING:
            return
        if isinstance(value, (type, types.ModuleType)):
            if origin(_file_of(value)) is not USER:
                return
        else:
            self.look_at_state(value, label)
            if _ours(value):
                return
        self.objects[id(value)] = (value, label)
        self.attributes(value, label, self.names)

    def look_at_state(self, value: Any, label: str) -> None:
        """Keep what will tell whether an optimizer or a generator was changed."""
        optimizer = getattr(value, "optimizer", value) if _ours(value) else value
        groups = getattr(optimizer, "param_groups", None)
        if isinstance(groups, list) and id(optimizer) not in self.optimizers:
            self.optimizers[id(optimizer)] = (optimizer, label, _hypers(optimizer))
        if type(value).__module__.startswith("numpy.random") and (
            hasattr(value, "bit_generator") or hasattr(value, "get_state")
        ):
            self.generators[id(value)] = (value, label.rpartition(".")[2], _drawn(value))

    def attributes(self, owner: Any, label: str, names: set[str]) -> None:
        """Note the attributes of an object that have these names."""
        known = getattr(owner, "__dict__", {})
        if isinstance(owner, types.ModuleType):
            # Of installed packages only the settings; of the user's modules everything.
            everything = not _file_of(owner).startswith(_SITE)
            for name in names:
                if name in known and (everything or is_data(known[name])):
                    self.note(known, name, f"{label}.{name}")
            return
        # A module keeps tensors apart. That they are still the same is seen to by its guards;
        # which of them the code sets must be known.
        for store in (known.get("_parameters"), known.get("_buffers")):
            if isinstance(store, dict):
                kept = names & store.keys()
                for name in kept & self.stored:
                    self.note(store, name, f"{label}.{name}")
                names = names - kept
        for name in names:
            if name in known or is_data(read(owner, name)) or _has_slot(owner, name):
                self.note(owner, name, f"{label}.{name}")
            elif name in self.stored:
                self.note(owner, name, f"{label}.{name}", missing=True)

    def c_call(self, frame: types.FrameType, fn: Any, whose: str) -> None:
        """Look at a C function that is about to be called."""
        reason = reason_against(fn)
        if reason:
            caller: types.FrameType | None = frame
            while caller is not None and origin(caller.f_code.co_filename) is LIBRARY:
                caller = caller.f_back
            if caller is not None and origin(caller.f_code.co_filename) is USER:
                self.blame(reason, (caller.f_code, caller.f_lasti))
        if whose is not USER:
            return
        name = getattr(fn, "__name__", "")
        place = (frame.f_code, frame.f_lasti)
        owner = getattr(fn, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType):
            if name in MUTATORS:
                self.mutated.append((owner, place))
        elif name == "next" and fn is next:
            self.next_calls.append(place)
        elif name in _BY_NAME:
            self.name_attributes(frame)

    def name_attributes(self, frame: types.FrameType) -> None:
        """Note the attributes that `getattr` and its like may be about to name: those that
        the function's variables spell, or any if it puts strings together."""
        names = {v for v in frame.f_locals.values() if isinstance(v, str) and v.isidentifier()}
        self.stored |= names
        if any(i.opname in _MAKES_STRINGS for i in dis.get_instructions(frame.f_code)):
            for owner, _ in self.objects.values():
                if not isinstance(owner, types.ModuleType):
                    names.update(getattr(owner, "__dict__", ()))
        new = names - self.names
        self.names |= new
        if new:
            for owner, label in list(self.objects.values()):
                self.attributes(owner, label, new)

    # What shows only once the run is over

    def blame_silent(self, scheduled: bool) -> None:
        """Give as reasons the changes that raised no event. `scheduled` says that a schedule
        changed the optimizers, which a replay repeats."""
        for generator, name, before in self.generators.values():
            if _drawn(generator) != before:
                self.blame("it draws NumPy's random numbers", self.line_naming(name))
        self.forget_own_objects()
        for value, label in self.objects.values():
            if hasattr(type(value), "__next__"):
                place = self.next_calls[0] if self.next_calls else None
                self.blame(_ITERATOR, place or self.line_naming(label.rpartition(".")[2]))
        for label in self.big_arrays:
            self.blame("it names a large NumPy array", self.line_naming(label.rpartition(".")[2]))
        for optimizer, label, before in self.optimizers.values():
            if not scheduled and _hypers(optimizer) != before:
                place = self.line_naming("param_groups")
                self.blame("it changes hyper-parameters of an optimizer", place)
            if self.names & _READS_HYPERS:
                for i, group in enumerate(optimizer.param_groups):
                    for name in group:
                        if name != "params":
                            self.note(group, name, f"{label}.param_groups[{i}][{name!r}]")

    def forget_own_objects(self) -> None:
        """Forget objects that the run made and dropped: nobody but us has them any more."""
        # The variables of its own frames that inner functions used.
        cells: dict[int, list[tuple[int, str]]] = {}
        for key, entry in self.entries.items():
            if isinstance(entry.owner, types.CellType):
                cells.setdefault(key[0], []).append(key)
        entry = None
        for own in cells.values():
            # A reference for each entry, and the argument's.
            if sys.getrefcount(self.entries[own[0]].owner) <= 1 + len(own):
                for key in own:
                    del self.entries[key]
        entries: dict[int, list[tuple[int, str]]] = {}
        for key in self.entries:
            entries.setdefault(key[0], []).append(key)
        for number in list(self.objects):
            value = self.objects[number][0]
            own = entries.get(number, ())
            # The table's reference, this variable's and the call's, and one for each entry.
            if sys.getrefcount(value) <= 3 + len(own):
                del self.objects[number]
                for key in own:
                    del self.entries[key]
            value = None

    def line_naming(self, name: str) -> RawLocation | None:
        """The first place in the functions that ran where a name is read."""
        for code, _ in self.codes:
            for step in dis.get_instructions(code):
                if step.argval == name:
                    return (code, step.offset)
        return None


def _hypers(optimizer: Any) -> Any:
    return [
        {name: exact(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


def _has_slot(owner: Any, name: str) -> bool:
    return any(
        isinstance(cls.__dict__.get(name), types.MemberDescriptorType)
        for cls in type(owner).__mro__
    )


def _stored(code: types.CodeType) -> tuple[set[str], set[str]]:
    """Names of attributes and of globals that a function assigns or deletes."""
    attributes, names = set(), set()
    todo = [code]
    while todo:
        code = todo.pop()
        todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        for step in dis.get_instructions(code):
            if step.opname in ("STORE_ATTR", "DELETE_ATTR"):
                attributes.add(step.argval)
            elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                names.add(step.argval)
    return attributes, names


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
    """The file that defines a class or module; `<frozen` stands for one without a file."""
    if isinstance(value, types.ModuleType):
        name = value.__name__
        return getattr(value, "__file__", None) or ("" if name == "__main__" else "<frozen")
    name = getattr(value, "__module__", "") or ""
    module = sys.modules.get(name)
    if module is None or name == "__main__":
        return ""
    return getattr(module, "__file__", None) or "<frozen"


_OURS_PREFIX = __name__.partition(".")[0] + "."


def _ours(value: Any) -> bool:
    """Objects of the project's own classes are guarded by those who know them.

    Subclasses that the user wrote are the user's.
    """
    return f"{type(value).__module__}.".startswith(_OURS_PREFIX)
