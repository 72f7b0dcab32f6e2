"""Structures of tensors that a run puts in an attribute's place: `self.hidden = (h, c)`.

A tuple, list, dictionary or dataclass that a call makes is made anew by each replay; what the
next one finds there is guarded by its structure. Imported by the session, the building and the
guards.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import trees
from .entries import MISSING, Entry, exact
from .tensor import Tensor
from .views import Link


class Set(NamedTuple):
    """What each call puts in an entry's place. A leaf is a tensor's storage, by its number, and
    view; or None and what is no tensor; or an earlier leaf, by -1 and its place."""

    entry: Entry
    spec: Any
    leaves: list[tuple[int | None, Any]]

    def links(self) -> list[Link | None]:
        return [what for number, what in self.leaves if number is not None and number >= 0]

    def numbers(self) -> list[int]:
        return [n for n, _ in self.leaves if n is not None and n >= 0]


def is_structure(value: Any) -> bool:
    """Whether a value is a container whose tensors may be other ones at each call."""
    kind = type(value)
    return (
        kind in (tuple, list, dict)
        or (isinstance(value, tuple) and hasattr(kind, "_fields"))
        or trees.is_container(value)
    )


class Structure:
    """How a structure was: all but which tensors it holds."""

    __slots__ = ("constants", "entry", "items", "kinds", "spec")

    def __init__(self, entry: Entry, found: Any):
        self.entry = entry
        leaves, self.spec = trees.flatten(found)
        self.kinds = trees.kinds_of_keys(self.spec, 0)
        self.constants = _constants(leaves)
        self.items = [Item(entry, i, t) for i, t in enumerate(leaves) if isinstance(t, Tensor)]

    def holds(self) -> bool:
        now = self.entry.read()
        if now is MISSING:
            return False
        leaves, spec = trees.flatten(now)
        return (
            spec == self.spec
            and trees.kinds_of_keys(spec, 0) == self.kinds
            and _constants(leaves) == self.constants
        )


def _constants(leaves: list[Any]) -> list[Any]:
    return [None if isinstance(leaf, Tensor) else exact(leaf) for leaf in leaves]


class Item:
    """A tensor in a structure, in the manner of an entry."""

    __slots__ = ("entry", "found", "index", "label", "value")

    def __init__(self, entry: Entry, index: int, found: Tensor):
        self.entry = entry
        self.index = index
        self.label = f"{entry.label}[...]"
        self.found = self.value = found

    def read(self) -> Any:
        leaves, _ = trees.flatten(self.entry.read())
        return leaves[self.index] if self.index < len(leaves) else MISSING


def set_of(entry: Entry, value: Any, number: Any, owner: Any) -> Set | None:
    """How to make a value again whose tensors were made by a run, which is their storages'
    `owner`; None if it holds other tensors. `number` numbers storages."""
    leaves, spec = trees.flatten(value)
    seen: dict[int, int] = {}
    out: list[tuple[int | None, Any]] = []
    for i, leaf in enumerate(leaves):
        if not isinstance(leaf, Tensor):
            out.append((None, leaf))
        elif seen.setdefault(id(leaf), i) != i:
            out.append((-1, seen[id(leaf)]))
        elif leaf._storage.owner is owner:
            out.append((number(leaf._storage), leaf._view))
        else:
            return None
    return Set(entry, spec, out)
