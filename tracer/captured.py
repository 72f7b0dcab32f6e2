"""Tensors that a trace captured, as they were: their type, hooks, and what they share memory
with. Imported by the guards.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from .bindings import signature_of
from .entries import Entry
from .session import tags
from .storage import Storage
from .structures import Item
from .tensor import REPOINTED, Tensor


class Captured:
    """A captured tensor as it was: its type, view, hooks and tags; or a storage.

    `tracked` says whether what it held when the run began had history; None if nobody read it.
    """

    __slots__ = ("hooks", "names", "ref", "slot", "tags", "tracked", "type", "view")

    def __init__(
        self,
        ref: Any,
        owner: Any,
        names: frozenset[str],
        known: dict[int, Any],
        tracked: bool | None = None,
    ):
        self.ref = ref
        is_tensor = isinstance(owner, Tensor)
        if is_tensor and tracked is not None:
            tracked = _shows_history(owner._view, tracked)
        self.tracked = tracked
        self.names = names
        self.type = owner._type if is_tensor else None
        self.view = owner._view if is_tensor else None
        self.slot = owner._slot if is_tensor else None
        # A leaf that does not require grad for the moment may do so again in the run.
        self.hooks = _hooks(owner._grad_slot) if is_tensor else ()
        before = known.get(id(owner))
        found = before[1] if before else tags(owner) if is_tensor else {}
        self.tags = named_tags(found, names)

    def same(self, t: Any) -> bool:
        if self.type is None:
            return not isinstance(t, Tensor) and (t.value.edge is not None) is self.tracked
        if not isinstance(t, Tensor) or t._type is not self.type:
            return False
        slot = self.slot
        if t._view is not self.view:
            if _shape_of_view(t._view) != _shape_of_view(self.view):
                return False
            slot = t._slot
            if (slot is None) is not (self.slot is None):
                return False
        if (t.__dict__ or self.tags) and named_tags(tags(t), self.names) != self.tags:
            return False
        if slot is None:
            tracked = self.tracked
            if tracked is not None and _has_history(t) is not tracked:
                return False
            slot = t._grad_slot
        if slot is None or not (slot.hooks or slot.post_hooks or self.hooks):
            return True
        return _hooks(slot) == self.hooks

    def difference(self, t: Any) -> tuple[str, str]:
        """How a tensor that is not the same is now, and how it was, in words."""
        if t is None or isinstance(t, Tensor) is (self.type is None):
            return "gone", "there"
        if isinstance(t, Tensor) and t._type is not self.type:
            return str(t._type), str(self.type)
        if isinstance(t, Tensor) and _hooks(t._grad_slot) != self.hooks:
            return "with other hooks", "with those recorded"
        if isinstance(t, Tensor):
            now = named_tags(tags(t), self.names)
            for key in {*now, *self.tags}:
                if now.get(key) != self.tags.get(key):
                    return f"other: its {key} is {now.get(key)}", f"{self.tags.get(key)}"
        return "another view or of other requires_grad", "as recorded"


def _hooks(slot: Any) -> tuple:
    """What runs when a gradient reaches a leaf."""
    return () if slot is None else (*slot.hooks.values(), *slot.post_hooks.values())


def _shape_of_view(link: Any) -> tuple:
    """The views of a chain that change what is seen, and whether history ends in it."""
    kinds = []
    while link is not None:
        if link.kind not in ("leaf", "detach"):
            kinds.append(link.kind)
        link = link.parent
    return tuple(kinds)


def _has_history(t: Tensor) -> bool:
    """Whether what a tensor that is no leaf shows has history."""
    return _shows_history(t._view, t._storage.has_history())


def _shows_history(link: Any, base: bool) -> bool:
    """Likewise for a chain of views, if the base has it or not."""
    while link is not None:
        if link.kind == "detach":
            return link.edge is not None
        link = link.parent
    return base


def named_tags(found: dict, names: frozenset[str]) -> dict:
    """What the user put on a tensor under a name that the code mentions."""
    return {k: v for k, v in found.items() if k in names}


def relations(leaves: Sequence[Any]) -> tuple:
    """Which argument each argument first shares its storage with, and through which view, and
    which it is.

    One tensor, or several on storages of their own, give the empty tuple at once.
    """
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    storages = [id(t._storage) for t in tensors]
    if len(set(storages)) == len(storages):
        return ()
    slots = [t._slot for t in tensors]
    same = [id(t) for t in tensors]
    out = []
    for t, storage, slot in zip(tensors, storages, slots, strict=True):
        number = None if slot is None else slots.index(slot)
        out.append((storages.index(storage), same.index(id(t)), number, signature_of(t._view)))
    return tuple(out)


class Memory:
    """Which tensors that a run touched, or that other names than the `assigned` ones lead to,
    share memory: among each other, and with the arguments and what is assigned.

    The first can change only where a tensor is pointed at another storage (`.data =`, `set_`),
    which `REPOINTED` counts; so a call looks up its arguments alone.
    """

    def __init__(
        self,
        touched: Sequence[Any],
        named: Sequence[Any],
        leaves: Sequence[Any],
        assigned: Sequence[Entry | Item],
        before: dict[int, tuple[Storage, Any]],
        gradients: Sequence[tuple[Any, Tensor]] = (),
    ):
        self.assigned = assigned
        # What only an assigned name led to is another tensor at each call, and so is a gradient.
        was = {id(e.found) for e in assigned}
        lent = {id(_began(t, before)) for _, t in gradients}
        touched = [t for t in touched if isinstance(t, Tensor) and id(t._storage) not in lent]
        known = [t for t in touched if id(t) not in was]
        tensors = {id(t): t for t in [*known, *named] if isinstance(t, Tensor)}
        self.refs = [weakref.ref(t) for t in tensors.values()]
        self.numbers = {key: i for i, key in enumerate(tensors)}
        # As they were when the run began: it may have pointed tensors elsewhere.
        started = enumerate(tensors.values())
        places = {i: before.get(id(t), (t._storage, t._view)) for i, t in started}
        self._place(places)
        self.pattern = self._pattern(places)
        self.count = -1  # compared at the first call
        starts = [(_began(t, before), t) for t in self._asked(leaves, True)]
        self.expected = [self._relation(storage, t) for storage, t in starts]
        self.mutual = self._mutual(self._asked(leaves, True))
        self.slots = [slot for slot, _ in gradients]
        self.shared = self._shared(leaves, [t for _, t in gradients], before)

    def _asked(self, leaves: Sequence[Any], began: bool = False) -> list[Tensor]:
        out = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        for entry in self.assigned:
            t = entry.found if began else entry.read()
            if isinstance(t, Tensor):
                out.append(t)
        return out

    def _place(self, places: dict[int, tuple[Storage, Any]]) -> None:
        """Index the tensors by their storages."""
        self.storages: dict[int, tuple[weakref.ref[Storage], int]] = {}
        for i, (storage, _) in places.items():
            self.storages.setdefault(id(storage), (weakref.ref(storage), i))

    @staticmethod
    def _pattern(places: dict[int, tuple[Storage, Any]]) -> dict[int, dict[int, tuple]]:
        """The tensors that share a storage, each with its view, by the first of them."""
        groups: dict[int, dict[int, tuple]] = {}
        for i, (storage, link) in places.items():
            view = () if link is None else link.signature()
            groups.setdefault(id(storage), {})[i] = view
        return {min(group): group for group in groups.values() if len(group) > 1}

    def _relation(self, storage: Storage, t: Tensor) -> Any:
        """Which known tensor a tensor is, or shares memory with and through which view."""
        found = self.storages.get(id(storage))
        if found is None or found[0]() is not storage:
            return None
        number = self.numbers.get(id(t))
        if number is not None and self.refs[number]() is not t:
            number = None
        return (found[1], number, signature_of(t._view))

    def _mutual(self, tensors: list[Tensor]) -> tuple:
        return relations(tensors) if self.assigned else ()

    def difference(self, leaves: Sequence[Any]) -> str:
        """Whose memory is shared in another way; empty if nobody's."""
        if self.count != REPOINTED[0]:
            found = ((i, r()) for i, r in enumerate(self.refs))
            places = {i: (t._storage, t._view) for i, t in found if t is not None}
            # A tensor that is gone shares nothing.
            left = [
                {i: view for i, view in group.items() if i in places}
                for group in self.pattern.values()
            ]
            if self._pattern(places) != {min(g): g for g in left if len(g) > 1}:
                return "a captured tensor"
            self._place(places)
            self.count = REPOINTED[0]
        asked = self._asked(leaves)
        if len(asked) != len(self.expected):
            return "an attribute"
        for i, t in enumerate(asked):
            storage = t._storage
            asks = id(storage) in self.storages or self.expected[i] is not None
            if asks and self._relation(storage, t) != self.expected[i]:
                return f"argument {i}"
        if self.assigned and self._mutual(asked) != self.mutual:
            return "an attribute"
        if self.slots and self._shared(leaves, self.gradients(leaves), {}) != self.shared:
            return "a .grad that is read"
        return ""

    def gradients(self, leaves: Sequence[Any]) -> list[Tensor]:
        """The gradients that are read, which are there."""
        return [(leaves[s]._grad_slot if isinstance(s, int) else s).grad for s in self.slots]

    def _shared(
        self,
        leaves: Sequence[Any],
        gradients: Sequence[Tensor],
        before: dict[int, tuple[Storage, Any]],
    ) -> list[tuple]:
        """With which argument, gradient or captured tensor each gradient shares its storage first,
        if it does. How it lies there is guarded with its slot; see `state_of_grad`."""
        tensors = [t for t in (*leaves, *gradients) if isinstance(t, Tensor)]
        first: dict[int, int] = {}
        out = []
        for i, t in enumerate(tensors):
            storage = _began(t, before)
            other = first.setdefault(id(storage), i)
            out.append((None if other == i else other, self._relation(storage, t)))
        return out[len(out) - len(gradients) :]


def _began(t: Tensor, before: dict[int, tuple[Storage, Any]]) -> Storage:
    """The storage that a tensor had when the run began."""
    return before[id(t)][0] if id(t) in before else t._storage
