"""What a recording run may depend on: names that code mentions, followed from object to object.

The watch says which code ran; here the globals, closure variables, attributes, functions and
containers it names are found. What can be known only of a value is in `entries.py`.
"""

from __future__ import annotations

import functools
import operator
import os
import sys
import types
import weakref
from typing import Any, NamedTuple

import numpy as np

from . import codes
from .codes import OURS, SITE, USER, file_of, origin
from .entries import (
    CACHES,
    CONTAINERS,
    MAX_ARRAY_BYTES,
    MAX_ITEMS,
    MISSING,
    SCALARS,
    Entry,
    exact,
    found_in,
    is_data,
    may_change,
    namespace,
    read,
)
from .tensor import Tensor

MAX_ENTRIES = 5000
# Functions that take the name of an attribute.
BY_NAME = frozenset(("getattr", "hasattr", "setattr", "delattr"))
_PLAIN = frozenset((*SCALARS, Tensor))
_GETTERS = (operator.attrgetter, operator.methodcaller)
_OURS_PREFIX = __name__.partition(".")[0] + "."


class Followed(NamedTuple):
    """An object whose attributes are followed. `lasting` says that it was there before the
    run, as far as one can tell."""

    value: Any
    label: str
    kind: type
    lasting: bool


class Form(NamedTuple):
    """A function as it was: its code, name, defaults and attributes. `fixed` says that all is
    as it was as long as the first three are the same objects."""

    code: types.CodeType
    name: str
    defaults: Any
    fixed: bool
    contents: Any


def form_of(fn: types.FunctionType) -> Form:
    contents = exact((fn.__defaults__, _values(fn.__kwdefaults__), _values(fn.__dict__)))
    fixed = not fn.__kwdefaults__ and not fn.__dict__ and not may_change(fn.__defaults__)
    return Form(fn.__code__, fn.__name__, fn.__defaults__, fixed, contents)


def has_form(fn: Any, form: Form) -> bool:
    """Whether a function is as it was."""
    if fn.__code__ is not form.code or fn.__name__ != form.name:
        return False
    if form.fixed and fn.__defaults__ is form.defaults and not fn.__dict__:
        return not fn.__kwdefaults__
    return form_of(fn).contents == form.contents


def _values(named: dict[str, Any] | None) -> tuple:
    return tuple((named or {}).items())


class Follow:
    """`entries` are names with their values, `objects` what has attributes, `functions` how
    the functions among them looked, by id; `names` are all that code mentions, `stored` those
    of attributes that it assigns, `absent` globals that are not there; `large_arrays`, `large`
    and `weak` have names of too much data, and of weak references."""

    def __init__(self) -> None:
        self.entries: dict[tuple[int, str], Entry] = {}
        self.absent: dict[int, tuple[dict, set[str]]] = {}
        self.names: set[str] = set()
        self.stored: set[str] = set()
        self.objects: dict[int, Followed] = {}
        self.functions: dict[int, Form] = {}
        self.modules: dict[int, Any] = {}
        self.given: set[int] = set()  # dataclasses among the arguments
        self.optimizers: dict[int, tuple[Any, str, Any]] = {}
        self.codes: dict[types.CodeType, None] = {}
        self.large_arrays: list[str] = []
        self.arrays: list[np.ndarray] = []
        self.weak: list[str] = []
        self.large: list[str] = []
        self.code: types.CodeType | None = None  # that is being read

    def read_names(self, fn: Any) -> None:
        """Note what one function's code names, without running it."""
        if isinstance(fn, types.MethodType):
            self.look(fn.__self__, "self")
            fn = fn.__func__
        if isinstance(fn, types.FunctionType):
            own = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
            self.read_code(fn.__code__, fn.__globals__, [own])

    def read_code(self, code: types.CodeType, space: dict, closures: list[dict[str, Any]]) -> None:
        """Note what a function's code names, found in these globals and closure variables."""
        self.codes[code] = None
        self.code = code
        mentioned = set(codes.names(code))
        stored, stored_globals = codes.stored(code)
        if mentioned & BY_NAME:
            # Whether such an attribute is there may matter as well.
            probed = {c for c in code.co_consts if isinstance(c, str) and c.isidentifier()}
            mentioned |= probed
            stored |= probed
        new = (mentioned - self.names) | (stored - self.stored)
        self.names |= mentioned
        self.stored |= stored
        for name in self._globals(code):
            if name in space:
                self.note(space, name, name)
            else:  # it may come, or hide a builtin
                self.absent.setdefault(id(space), (space, set()))[1].add(name)
        for cells in closures:
            for name, cell in cells.items():
                self.note(cell, name, name)
        for name in stored_globals:
            self.note(space, name, name, missing=True)
        for name in codes.imported(code, space):
            self.note(sys.modules, name, name)  # type: ignore[arg-type]
        if new & {"environ", "getenv"}:
            self.note(vars(os), "environ", "os.environ")
        self.name(new)
        self.code = None

    @staticmethod
    def _globals(code: types.CodeType) -> set[str]:
        """Names that a function and those inside it look up as globals."""
        out: set[str] = set()
        todo = [code]
        while todo:
            code = todo.pop()
            todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
            out.update(codes.globals_of(code))
        return out

    def name(self, new: set[str]) -> None:
        """Note attributes of these names of all that is followed."""
        if new:
            for followed in list(self.objects.values()):
                self.attributes(followed.value, followed.label, new, followed.lasting)

    def note(
        self, owner: Any, name: str, label: str, missing: bool = False, lasting: bool = True
    ) -> None:
        """Depend on a name. One that is not there counts if `missing`."""
        key = (id(owner), name)
        if key in self.entries:
            return
        if len(self.entries) >= MAX_ENTRIES:
            self.large.append(label)
            return
        entry = Entry(owner, name, label, self.code)
        if entry.value is MISSING and not missing:
            return
        self.entries[key] = entry
        self.look(entry.value, label, lasting=lasting)

    def look(self, value: Any, label: str, depth: int = 0, lasting: bool = True) -> None:
        """Follow what code may reach from a value."""
        if type(value) in _PLAIN or isinstance(value, (*SCALARS, Tensor, np.generic)):
            return
        if isinstance(value, CONTAINERS):
            self._look_inside(value, label, depth, lasting)
            if type(value).__module__ in ("builtins", "collections"):
                return
        if isinstance(value, np.ndarray):
            self.arrays.append(value)
            if value.nbytes > MAX_ARRAY_BYTES:
                self.large_arrays.append(label)
            return
        known = self.objects.get(id(value))
        if known is not None and lasting and not known.lasting:
            self.objects[id(value)] = known._replace(lasting=True)
        if known is not None or value is MISSING:
            return
        if self._look_through(value, label, depth, lasting):
            return
        if isinstance(value, (type, types.ModuleType)):
            if origin(file_of(value)) is not USER:
                return
        else:
            self._look_at_state(value, label)
            if is_ours(value):
                return
        self.objects[id(value)] = Followed(value, label, type(value), lasting)
        self.attributes(value, label, self.names, lasting)

    def _look_inside(self, value: Any, label: str, depth: int, lasting: bool) -> None:
        if len(value) > MAX_ITEMS or depth > 30:
            self.large.append(label)
            return
        mapping = isinstance(value, (dict, types.MappingProxyType))
        for item in [*value.values(), *value.keys()] if mapping else value:
            if type(item) not in _PLAIN:
                self.look(item, f"{label}[...]", depth + 1, lasting)

    def _look_through(self, value: Any, label: str, depth: int, lasting: bool) -> bool:
        """Follow functions and what wraps them. Whether that is all there is to a value."""
        if isinstance(value, types.FunctionType):
            self._look_at_function(value, label)
        elif isinstance(value, types.MethodType):
            self.look(value.__self__, label.rpartition(".")[0] or "self", depth, lasting)
            self.look(value.__func__, label, depth, lasting)
        elif isinstance(value, (staticmethod, classmethod, types.BuiltinMethodType)):
            of = getattr(value, "__func__", None) or getattr(value, "__self__", None)
            if not isinstance(of, types.ModuleType):
                self.look(of, label, depth, lasting)
        elif isinstance(value, property):
            for accessor in (value.fget, value.fset, value.fdel):
                self.look(accessor, label, depth)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self.look(part, label, depth, lasting)
            return type(value) is functools.partial
        elif isinstance(value, CACHES):
            # What it computes it need not compute in this run.
            self.look(value.__wrapped__, label, depth)
            self.read_names(value.__wrapped__)
        elif isinstance(value, weakref.ref):
            target = value()
            if target is not None and not isinstance(target, Tensor):
                self.weak.append(label)
        elif isinstance(value, _GETTERS):
            got = {n for n in value.__reduce__()[1] if isinstance(n, str)}
            new = {part for n in got for part in n.split(".")} - self.names
            self.names |= new
            self.name(new)
        else:
            return False
        return True

    def _look_at_function(self, fn: types.FunctionType, label: str) -> None:
        whose = origin(fn.__code__.co_filename)
        if whose is OURS:
            return
        self.objects[id(fn)] = Followed(fn, label, type(fn), False)
        self.functions[id(fn)] = form_of(fn)
        self.look((fn.__defaults__ or ()), f"a default of {label}")
        self.look((fn.__kwdefaults__ or {}), f"a default of {label}")
        self.look(fn.__dict__ if whose is USER else fn.__dict__.get("__wrapped__"), label)
        if whose is not USER:
            # A wrapper of the standard library keeps the user's function in a variable.
            for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
                if isinstance(read(cell, name), (types.FunctionType, *CONTAINERS)):
                    self.note(cell, name, f"{label}'s {name}")

    def _look_at_state(self, value: Any, label: str) -> None:
        """Keep what will tell whether a module or an optimizer was changed."""
        if hasattr(type(value), "named_parameters") and "_modules" in (namespace(value) or ()):
            for module in value.modules():
                self.modules.setdefault(id(module), module)
        optimizer = getattr(value, "optimizer", value) if is_ours(value) else value
        groups = (namespace(optimizer) or {}).get("param_groups")
        if isinstance(groups, list) and id(optimizer) not in self.optimizers:
            self.optimizers[id(optimizer)] = (optimizer, label, hypers(optimizer))

    def attributes(self, owner: Any, label: str, names: set[str], lasting: bool = True) -> None:
        """Note the attributes of an object that have these names."""
        if isinstance(owner, types.FunctionType):
            return  # its form has them
        known = namespace(owner)
        if isinstance(owner, types.ModuleType):
            # Of installed packages only the settings; of the user's modules everything.
            everything = not file_of(owner).startswith(SITE)
            for name in names:
                if name in known:
                    if everything or is_data(known[name]):
                        self.note(known, name, f"{label}.{name}")
                elif everything and name in self.stored:
                    self.note(known, name, f"{label}.{name}", missing=True)
            return
        known = {} if known is None else known
        # A module keeps tensors apart. That they are still the same is seen to by its guards;
        # which of them the code sets must be known.
        for store in (known.get("_parameters"), known.get("_buffers")):
            if isinstance(store, dict):
                kept = names & store.keys()
                for name in kept & self.stored:
                    self.note(store, name, f"{label}.{name}", lasting=lasting)
                names = names - kept
        # All of its own attributes are guarded.
        guarded = id(owner) in self.modules or id(owner) in self.given
        members = [known.get(m, {}) for m in ("_modules",)] if guarded else []
        for name in names:
            value = read(owner, name)
            if value is MISSING:
                for space in members:
                    if name in space:
                        self.look(space[name], f"{label}.{name}", lasting=lasting)
                if name in self.stored:
                    self.note(owner, name, f"{label}.{name}", missing=True, lasting=lasting)
            elif name in known or name == "__dict__" or is_data(value) or _in_slot(owner, name):
                self.note(owner, name, f"{label}.{name}", lasting=lasting)
            elif isinstance(owner, type) or not guarded:
                if not _foreign(owner, name, value):
                    self.note(owner, name, f"{label}.{name}", lasting=lasting)
            elif not _foreign(owner, name, value):
                self.note(type(owner), name, f"{type(owner).__name__}.{name}")


def hypers(optimizer: Any) -> Any:
    return [
        {name: exact(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


def is_ours(value: Any) -> bool:
    """Objects of the project's own classes are guarded by those who know them.

    Subclasses that the user wrote are the user's.
    """
    return f"{type(value).__module__}.".startswith(_OURS_PREFIX)


def _in_slot(owner: Any, name: str) -> bool:
    return isinstance(found_in(type(owner), name), types.MemberDescriptorType)


def is_own(owner: Any, name: str) -> bool:
    """Whether an attribute is the object's own rather than its class's."""
    return name in (namespace(owner) or ()) or _in_slot(owner, name)


def _foreign(owner: Any, name: str, value: Any) -> bool:
    """Whether a class has a method from one that is not the user's, and nobody put another in
    its place."""
    cls = owner if isinstance(owner, type) else type(owner)
    for base in cls.__mro__:
        if name in base.__dict__:
            return origin(file_of(base)) is not USER
    return isinstance(value, (types.GetSetDescriptorType, types.WrapperDescriptorType))
