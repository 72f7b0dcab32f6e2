"""Dictionaries of modules' attributes as they were. Imported by the guards."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .entries import exact


class Space:
    """A dictionary as it was, but for the places in `free`; the keys of a `numbered` one are
    other numbers each time."""

    __slots__ = ("free", "ids", "keys", "label", "space", "values")

    def __init__(self, space: dict, free: list[int], label: str, numbered: bool):
        self.space = space
        self.free = free
        self.label = label
        self.keys = None if numbered else tuple(space)
        self.values = list(space.values())  # kept, so that their ids stay theirs
        self.ids = self._ids()

    def _ids(self) -> list[int]:
        ids = [*map(id, self.space.values())]
        for i in self.free:
            ids[i] = 0
        return ids

    def kept(self) -> list[Any]:
        """The values that calls do not replace."""
        return [v for i, v in enumerate(self.values) if i not in self.free]

    def same(self) -> bool:
        """Whether nothing changed at all, in a dictionary of the same length."""
        if self._ids() != self.ids:
            return False
        return self.keys is None or (*self.space,) == self.keys

    def difference(self) -> tuple[str, Any, Any] | None:
        """What changed, and to and from what; None if all are equal after all."""
        space, label = self.space, self.label
        if self.keys is None:
            if [exact(v) for v in space.values()] == [exact(v) for v in self.values]:
                return None
            return label, [*space.values()], self.values
        free = {self.keys[i] for i in self.free}
        found, expected = _telling(space), _telling(dict(zip(self.keys, self.values, strict=True)))
        if [*found] != [*expected]:
            names = sorted(map(str, set(found) ^ set(expected)))
            return f"{label}'s attributes", ", ".join(names) or "their order", "as recorded"
        for key, now in found.items():
            before = expected[key]
            if now is not before and key not in free and exact(now) != exact(before):
                return f"{label}.{key}", now, before
        return None


def _telling(space: dict) -> dict:
    """The items without empty dictionaries of hooks, which come and stay once looked for."""
    return {
        k: v
        for k, v in space.items()
        if not (type(v) is OrderedDict and not v and str(k).endswith("_hooks"))
    }


def space_of(owner: Any) -> Any:
    """The dictionary that an entry's owner keeps its attributes in."""
    return owner if isinstance(owner, dict) else getattr(owner, "__dict__", None)
