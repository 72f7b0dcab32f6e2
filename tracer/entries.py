"""Names that a recording run depends on, and how their values are compared later.

Imported by the watch, the session and the guards.
"""

from __future__ import annotations

import array
import contextvars
import functools
import io
import logging
import operator
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from ..ir.types import DType
from .devices import Device
from .tensor import Tensor

SCALARS = (bool, int, float, complex, str, bytes, type(None))
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
CONTAINERS = (list, tuple, dict, set, frozenset, deque, types.MappingProxyType, *_VIEWS)
_BYTES = (bytearray, array.array, memoryview)
CACHES = type(functools.lru_cache(lambda: None))
# What may change without another object taking its place.
_MUTABLE = frozenset(
    (
        *(list, dict, set, deque, types.MappingProxyType, *_VIEWS, *_BYTES, np.ndarray),
        *(contextvars.ContextVar, weakref.ref, CACHES, logging.Logger),
        *(io.StringIO, io.BytesIO),
    )
)
_CONSTANTS = (*SCALARS, DType, Device, Enum, np.generic, np.dtype, range, slice, type)
_CONSTANTS += (types.ModuleType, types.EllipsisType, types.NotImplementedType)
# The types that `exact` compares by value.
_BY_VALUE = frozenset((bool, int, str, bytes, type(None), range))
_BY_TEXT = frozenset((float, complex))  # repr tells 0.0 from -0.0, and one nan is another
MAX_ITEMS = 10_000
MAX_ARRAY_BYTES = 1 << 16


def exact(value: Any, seen: set[int] | None = None) -> Any:
    """What a guard compares: scalars by type and value, containers and small arrays by
    contents, the rest by identity. 0.0 and -0.0 differ; a nan equals itself."""
    kind: Any = type(value)
    if kind in _BY_VALUE:
        return (kind, value)
    if kind in _BY_TEXT:
        return (kind, repr(value))
    compare = _COMPARED.get(kind)
    if compare is None:
        # Not isinstance, which asks the object for its class and may run the user's code.
        compare = next((_COMPARED[base] for base in kind.__mro__ if base in _COMPARED), None)
        if compare is None:
            return (kind, id(value))
    return compare(kind, value, seen)


def by_contents(value: Any) -> Any:
    """Likewise for an argument, which is as often as not a container made anew."""
    form = exact(value)
    if type(value) in _COMPARED and type(value) in _MUTABLE and len(form) > 2:
        return (form[0], *form[2:])
    return form


def _expands(value: Any, seen: set[int]) -> bool:
    """Whether contents are to be compared: once, and if there are not too many."""
    if len(value) > MAX_ITEMS or id(value) in seen or len(seen) > MAX_ITEMS:
        return False
    seen.add(id(value))
    return True


def _sequence(kind: type, value: Any, seen: set[int] | None) -> Any:
    seen = set() if seen is None else seen
    if kind is tuple or isinstance(value, tuple):
        return (kind, tuple([exact(v, seen) for v in value]))
    if not _expands(value, seen):
        return (kind, id(value))
    return (kind, id(value), tuple([exact(v, seen) for v in value]))


def _mapping(kind: type, value: Any, seen: set[int] | None) -> Any:
    seen = set() if seen is None else seen
    if not _expands(value, seen):
        return (kind, id(value))
    return (kind, id(value), tuple([(exact(k, seen), exact(v, seen)) for k, v in value.items()]))


def _set(kind: type, value: Any, seen: set[int] | None) -> Any:
    if len(value) > MAX_ITEMS:
        return (kind, id(value))
    own = 0 if isinstance(value, frozenset) else id(value)
    return (kind, own, frozenset(exact(v) for v in value))


def _array(kind: type, value: Any, seen: Any) -> Any:
    if value.nbytes > MAX_ARRAY_BYTES or value.dtype.hasobject:
        return (kind, id(value))
    return (kind, id(value), value.dtype.str, value.shape, value.tobytes())


def _of_bytes(kind: type, value: Any, seen: Any) -> Any:
    try:
        return (kind, id(value), bytes(value))
    except ValueError:  # a released memoryview
        return (kind, id(value))


def _function(kind: type, value: Any, seen: set[int] | None) -> Any:
    """A function made anew by the same code, with equal defaults and variables, is the same."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return (kind, id(value))
    seen.add(id(value))
    cells = tuple([exact(read(cell, ""), seen) for cell in value.__closure__ or ()])
    own = tuple([(k, exact(v, seen)) for k, v in value.__dict__.items()])
    defaults = (exact(value.__defaults__, seen), exact(value.__kwdefaults__, seen))
    return (kind, id(value.__code__), id(value.__globals__), defaults, cells, own)


def _logger(kind: type, value: Any, seen: Any) -> Any:
    return (kind, id(value), value.getEffectiveLevel(), value.disabled, value.manager.disable)


# How each kind of object that may change is compared; subclasses likewise.
_COMPARED: dict[type, Callable[[type, Any, Any], Any]] = {
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    set: _set,
    frozenset: _set,
    deque: _sequence,
    types.MappingProxyType: _mapping,
    **dict.fromkeys(_VIEWS, _sequence),
    slice: lambda kind, value, seen: (
        *(kind, exact(value.start, seen), exact(value.stop, seen)),
        exact(value.step, seen),
    ),
    np.ndarray: _array,
    np.generic: lambda kind, value, seen: (kind, value.tobytes()),
    **dict.fromkeys(_BYTES, _of_bytes),
    contextvars.ContextVar: lambda kind, value, seen: (
        *(kind, id(value)),
        exact(value.get(MISSING), seen),
    ),
    weakref.ref: lambda kind, value, seen: (kind, id(value), value() is None),
    # Made anew as often as not: what they call and with what is all there is to them.
    functools.partial: lambda kind, value, seen: (
        *(kind, exact(value.func, seen), exact(value.args, seen)),
        tuple([(k, exact(v, seen)) for k, v in value.keywords.items()]),
    ),
    types.MethodType: lambda kind, value, seen: (
        *(kind, id(value.__self__)),
        exact(value.__func__, seen),
    ),
    types.BuiltinMethodType: lambda kind, value, seen: (kind, id(value.__self__), value.__name__),
    types.FunctionType: _function,
    io.StringIO: lambda kind, value, seen: (kind, id(value), value.tell(), value.getvalue()),
    io.BytesIO: lambda kind, value, seen: (kind, id(value), value.tell(), value.getvalue()),
    # How often it computed: one more, or a cleared cache, may mean another value.
    CACHES: lambda kind, value, seen: (kind, id(value), value.cache_info().misses),
    logging.Logger: _logger,
}


class Entry:
    """One name a run depends on: `owner[name]` if `owner` is a dictionary, the contents if
    it is a cell, else the attribute. `value` keeps what was there alive, `found` what was
    there when the run began; `code` is the function that names it."""

    __slots__ = ("code", "expected", "found", "items", "label", "name", "owner", "settled", "value")

    def __init__(self, owner: Any, name: str, label: str, code: types.CodeType | None = None):
        self.owner = owner
        self.name = name
        self.label = label
        self.code = code
        self.refresh()
        self.found = self.value

    def read(self) -> Any:
        return read(self.owner, self.name)

    def refresh(self) -> None:
        self._expect(self.read())

    def _expect(self, value: Any) -> None:
        self.value = value
        self.expected = exact(value)
        # Whether it is as it was as long as it is the same object.
        self.settled = not may_change(value)
        # Of a list or a dictionary of what cannot: as it was as long as it holds the same objects.
        self.items = None if self.settled else _items(value)

    def as_found(self) -> Entry:
        """An entry that expects what was there when the run began."""
        entry = Entry(self.owner, self.name, self.label, self.code)
        entry.found = self.found
        entry._expect(self.found)
        return entry

    def holds(self) -> bool:
        value = self.read()
        if value is self.value and (self.settled or self._holds_the_same(value)):
            return True
        return exact(value) == self.expected

    def _holds_the_same(self, value: Any) -> bool:
        if self.items is None or len(value) != len(self.items):
            return False
        if type(value) is dict:
            last = next(reversed(value)) is self.items[-1][0]
            return last and all(map(operator.is_, value.values(), map(_SECOND, self.items)))
        return all(map(operator.is_, value, self.items))

    @property
    def attribute(self) -> str:
        """The name under which `owner` has it as an attribute, where no `place` has it."""
        return "cell_contents" if isinstance(self.owner, types.CellType) else self.name

    def place(self) -> dict | None:
        """The dictionary that has it, where setting it there is all that assigning it does."""
        owner = self.owner
        if type(owner) is dict:
            return owner
        # A module's `__setattr__` would do no more for a tensor that is no member.
        attributes = namespace(owner)
        if attributes is not None and "_parameters" in attributes and self.name in attributes:
            return attributes
        return None


def _items(value: Any) -> list[Any] | None:
    """What a list or a dictionary holds, if it is filled and none of that may change."""
    if type(value) is list:
        return None if not value or any(map(may_change, value)) else list(value)
    if type(value) is dict and value and not any(map(may_change, value.values())):
        return list(value.items())
    return None


_SECOND = operator.itemgetter(1)


def may_change(value: Any) -> bool:
    """Whether a value may come to compare otherwise without another taking its place."""
    kind = type(value)
    if issubclass(kind, (tuple, frozenset)):
        return any(map(may_change, value))
    if issubclass(kind, functools.partial):
        return bool(value.keywords) or may_change((value.func, value.args))
    return any(base in _MUTABLE for base in kind.__mro__)


class _Missing:
    def __repr__(self) -> str:
        return "gone"


MISSING = _Missing()


def read(owner: Any, name: str) -> Any:
    """The present value of an entry, or MISSING; never runs user code."""
    if type(owner) is dict:
        return owner.get(name, MISSING)
    if isinstance(owner, types.CellType):
        try:
            return owner.cell_contents
        except ValueError:
            return MISSING
    attributes = namespace(owner)
    if name == "__dict__":
        return attributes if isinstance(attributes, dict) else MISSING
    if attributes is not None and name in attributes:
        return attributes[name]
    if isinstance(owner, type):
        return found_in(owner, name)
    found = found_in(type(owner), name)
    if isinstance(found, (types.MemberDescriptorType, types.GetSetDescriptorType)):
        try:
            return found.__get__(owner)
        except Exception:  # C code, which may refuse for any reason
            return MISSING
    return found


def namespace(owner: Any) -> Any:
    """An object's own attributes, None if it has no dictionary; never runs user code."""
    try:
        if type(owner) is threading.local:
            return owner.__dict__
        if isinstance(owner, type):
            return type.__getattribute__(owner, "__dict__")
        return object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return None


def found_in(cls: type, name: str) -> Any:
    """What a class or one before it in the order of look-up has under a name."""
    for base in type.__getattribute__(cls, "__mro__"):
        attributes = base.__dict__
        if name in attributes:
            return attributes[name]
    if type(cls) is not type:
        for base in type.__getattribute__(type(cls), "__mro__"):
            if base is type:
                break
            if name in base.__dict__:
                return base.__dict__[name]
    return MISSING


def is_data(value: Any) -> bool:
    """Whether a class attribute is a value rather than a method."""
    return isinstance(value, (*SCALARS, *CONTAINERS, Tensor, np.ndarray, np.generic, Enum))


def is_constant(value: Any) -> bool:
    """Whether a value cannot change, so that every call may return the same one."""
    if isinstance(value, (tuple, frozenset)):
        return all(is_constant(item) for item in value)
    return isinstance(value, _CONSTANTS)
