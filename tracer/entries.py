"""Names that a recording run depends on, and how their values are compared later.

Imported by the watch, the session and the guards.
"""

from __future__ import annotations

import os
import types
from collections import deque
from enum import Enum
from typing import Any

import numpy as np

from ..ir.types import DType
from .devices import Device
from .tensor import Tensor

SCALARS = (bool, int, float, complex, str, bytes, type(None))
CONTAINERS = (list, tuple, dict, set, frozenset, deque)
# What may change without another object taking its place.
_MUTABLE = (list, dict, set, deque, np.ndarray, type(os.environ))
_CONSTANTS = (*SCALARS, DType, Device, Enum, np.generic, np.dtype, range, slice, type)
_CONSTANTS += (types.ModuleType, types.EllipsisType, types.NotImplementedType)
MAX_ITEMS = 1000
MAX_ARRAY_BYTES = 1 << 16


def exact(value: Any, depth: int = 3) -> Any:
    """What a guard compares: scalars by type and value, containers and small arrays by
    contents, the rest by identity. 0.0 and -0.0 differ; a nan equals itself."""
    kind: Any = type(value)
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
    if (
        isinstance(value, np.ndarray)
        and kind is np.ndarray
        and value.nbytes <= MAX_ARRAY_BYTES
        and not value.dtype.hasobject
    ):
        return (kind, id(value), value.dtype.str, value.shape, value.tobytes())
    if value is os.environ:
        return (kind, tuple(os.environ.items()))
    return (kind, id(value))


class Entry:
    """One name a run depends on: `owner[name]` if `owner` is a dictionary, the contents if
    it is a cell, else the attribute. `value` keeps what was there alive, `found` what was
    there when the run began."""

    __slots__ = ("expected", "found", "label", "name", "owner", "value")

    def __init__(self, owner: Any, name: str, label: str):
        self.owner = owner
        self.name = name
        self.label = label
        self.refresh()
        self.found = self.value

    def read(self) -> Any:
        return read(self.owner, self.name)

    def refresh(self) -> None:
        self.value = self.read()
        self.expected = exact(self.value)

    def as_found(self) -> Entry:
        """An entry that expects what was there when the run began."""
        entry = Entry(self.owner, self.name, self.label)
        entry.value = entry.found = self.found
        entry.expected = exact(self.found)
        return entry

    def holds(self) -> bool:
        value = self.read()
        if value is self.value and not isinstance(value, _MUTABLE):
            return True
        return exact(value) == self.expected

    def set(self, value: Any) -> None:
        if isinstance(self.owner, dict):
            self.owner[self.name] = value
        elif isinstance(self.owner, types.CellType):
            self.owner.cell_contents = value
        else:
            setattr(self.owner, self.name, value)


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
            if isinstance(found, types.MemberDescriptorType) and not isinstance(owner, type):
                try:
                    return found.__get__(owner)
                except AttributeError:
                    return MISSING
            return found
    return MISSING


def is_data(value: Any) -> bool:
    """Whether a class attribute is a value rather than a method."""
    return isinstance(value, (*SCALARS, *CONTAINERS, Tensor, np.ndarray))


def is_constant(value: Any) -> bool:
    """Whether a value cannot change, so that every call may return the same one."""
    if isinstance(value, (tuple, frozenset)):
        return all(is_constant(item) for item in value)
    return isinstance(value, _CONSTANTS)
