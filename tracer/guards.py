"""Guards: what must be as it was for a trace to be replayed. Imported by `compile.py`."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from . import shared, state
from .bindings import argument_slots
from .entries import MISSING, SCALARS, Entry, exact
from .hyper import read as read_hyper
from .replay import Trace
from .session import Session
from .state import STATE
from .tensor import Tensor

Check = Callable[[], bool]


class Guards:
    """Tests whether a call may replay a trace.

    `failure` names the first guard that does not hold, for `explain`, or gives "".
    """

    def __init__(self, spec: Any, leaves: Sequence[Any], fn: Any):
        self.spec = spec
        self.fn = fn
        self.defaults = getattr(fn, "__defaults__", None)
        self.kwdefaults = exact(getattr(fn, "__kwdefaults__", None))
        self.grad_enabled = STATE.grad_enabled
        self.dtype = state.default_dtype()
        self.autocast = state.autocast_mode()
        self.leaves = [_describe(leaf) for leaf in leaves]
        self.keep = [leaf for leaf in leaves if not isinstance(leaf, Tensor)]
        self.aliases = _aliases(leaves)
        self.entries: list[Entry] = []
        # Dictionaries of modules' attributes as they were.
        self.spaces: list[_Space] = []
        self.places: list[tuple[dict, str, Any, Any, str]] = []
        self.zeros: list[tuple[dict, str, int | None, bool]] = []
        self.slots: list[tuple[Any, bool]] = []
        self.owners: list[_Captured] = []
        self.assigned: list[Entry] = []
        self.asked: list[_Captured] = []
        # Arguments whose whole storage is read: through which view, of which base.
        self.views: list[tuple[int, tuple, Any]] = []
        self.trace: Trace | None = None

    def watch(self, session: Session, trace: Trace, leaves: Sequence[Any]) -> None:
        """Guard what the run depended on beside its arguments."""
        self.trace = trace
        own = argument_slots(leaves)
        self.entries = list(session.watch.entries.values())
        assigned = {(id(_space_of(e.owner)), e.name) for e, _, _ in trace.sets}
        for module in session.modules.values():
            self._module(module, assigned)
        self.zeros = list(session.zeros)
        # Read first means: what was there then matters, even if it is assigned later.
        self.slots = [
            (own.get(id(slot), slot), before is None)
            for slot, before in session.grad_reads.values()
        ]
        self._watch_captured(session, trace, leaves)

    def _module(self, module: Any, assigned: set[tuple[int, str]]) -> None:
        """Every attribute by identity or exact value; the tensors in it may be written to.

        What each call sets is left to `self.assigned`.
        """
        name = type(module).__name__
        own = module.__dict__
        for space in (own, *(d for d in own.values() if isinstance(d, dict))):
            free = [i for i, key in enumerate(space) if (id(space), key) in assigned]
            self.spaces.append(_Space(space, free, name))
            for key, value in space.items():
                if isinstance(value, (list, set)) or (isinstance(value, dict) and space is not own):
                    self.places.append((space, key, value, exact(value), f"{name}.{key}"))

    def _watch_captured(self, session: Session, trace: Trace, leaves: Sequence[Any]) -> None:
        """Captured tensors must keep their type and whether they require grad.

        So must those whose value is not read: Python may have asked for their shape.
        """
        # What each call sets may hold any tensor of the type; its binding says which.
        assigned = {id(entry) for entry, _, _ in trace.sets}
        self.entries = [entry for entry in self.entries if id(entry) not in assigned]
        for entry, _, _ in trace.sets:
            if isinstance(entry.found, Tensor):
                self.assigned.append(entry)
            else:  # Python may have asked whether something is there
                self.entries.append(entry.as_found())
        seen = {id(leaf) for leaf in leaves}
        for b, edge in zip(trace.bindings, trace.first_edges, strict=True):
            if b.kind in ("storage", "entry"):
                owner = b.ref()
                seen.add(id(owner))
                self.owners.append(_Captured(b.ref, owner, edge is not None))
            elif b.kind == "argument" and b.whole:
                self.views.append((b.ref, *_seen_of_base(leaves[b.ref])))
        handles = [c.handle() for c in session.captures.values()]
        for t in [*handles, *(entry.value for entry in self.entries)]:
            if isinstance(t, Tensor) and id(t) not in seen:
                seen.add(id(t))
                self.asked.append(_Captured(weakref.ref(t), t))

    def describe(self) -> list[str]:
        """What is guarded, in words."""
        out = [f"argument {i} is {_words(d)}" for i, d in enumerate(self.leaves)]
        out.append(f"grad mode is {self.grad_enabled}")
        out += [f"{e.label} is {_short(e.value)}" for e in self.entries]
        out += sorted({f"{space.label} keeps its attributes" for space in self.spaces})
        out += [f"{key} is {'' if zero else 'not '}zero" for _, key, _, zero in self.zeros]
        return out

    def failure(self, spec: Any, leaves: Sequence[Any]) -> str:
        """The first guard that does not hold, in words; empty if all do."""
        if STATE.grad_enabled is not self.grad_enabled:
            return f"grad mode is {STATE.grad_enabled}, was {self.grad_enabled}"
        if state.default_dtype() is not self.dtype:
            return f"the default dtype is {state.default_dtype()}, was {self.dtype}"
        if state.autocast_mode() != self.autocast:
            return f"autocast is {STATE.autocast or 'off'}, was {self.autocast[0] or 'off'}"
        if spec != self.spec or len(leaves) != len(self.leaves):
            return "the structure of the arguments changed"
        for i, (leaf, expected) in enumerate(zip(leaves, self.leaves, strict=True)):
            if isinstance(leaf, Tensor):
                if expected.__class__ is not tuple or expected[0] is not leaf._type:
                    return f"argument {i} is {leaf._type}, was {_words(expected)}"
                if expected != _describe(leaf):
                    return f"argument {i}: device, strides, requires_grad or class changed"
            elif expected != _describe(leaf):
                return f"argument {i} is {leaf!r}, was {_words(expected)}"
        fn = self.fn
        if getattr(fn, "__defaults__", None) is not self.defaults or (
            exact(getattr(fn, "__kwdefaults__", None)) != self.kwdefaults
        ):
            return "the defaults of the function changed"
        if _aliases(leaves) != self.aliases:
            return "other arguments share memory than before"
        for seen in self.spaces:
            space = seen.space  # often empty, and nearly always as it was
            if len(space) != len(seen.keys) or (space and not seen.same()):
                changed = seen.difference()
                if changed:
                    return changed
        for space, key, value, expected, label in self.places:
            now = space.get(key, MISSING)
            if exact(now) != expected:
                return f"{label} is {_short(now)}, was {_short(value)}"
        for entry in self.entries:
            if not entry.holds():
                return f"{entry.label} is {_short(entry.read())}, was {_short(entry.value)}"
        for entry in self.assigned:
            if not isinstance(entry.read(), Tensor):
                return f"{entry.label} is {_short(entry.read())}, was a tensor"
        for group, key, index, zero in self.zeros:
            if (read_hyper(group, key, index) == 0) is not zero:
                return f"{key} is {'not ' if zero else ''}zero"
        for i, view, base in self.views:
            if _seen_of_base(leaves[i]) != (view, base):
                return f"argument {i} is another view of the storage it writes to"
        for slot, empty in self.slots:
            target = leaves[slot]._slot if isinstance(slot, int) else slot
            if (target.grad is None) is not empty:
                return f"a .grad that is read is {'no longer' if empty else 'now'} None"
        for captured in self.owners:
            t = captured.ref()
            # Nearly always nothing changed, and there may be hundreds.
            if t is None or not captured.same(t):
                return captured.difference(t)
        for captured in self.asked:
            t = captured.ref()
            if t is not None and not captured.same(t):
                return captured.difference(t)
        if shared.are_several() and self.trace is not None and self.trace.is_entangled(leaves):
            return "a tensor it writes to shares memory with another through NumPy"
        return ""


class _Captured:
    """A captured tensor as it was: its type, view and hooks; or a storage.

    `tracked` says whether what it held when the run began had history; None if nobody read it.
    """

    __slots__ = ("hooks", "ref", "shape", "slot", "tracked", "type", "view")

    def __init__(self, ref: Any, owner: Any, tracked: bool | None = None):
        self.ref = ref
        self.tracked = tracked
        is_tensor = isinstance(owner, Tensor)
        self.type = owner._type if is_tensor else None
        self.view = owner._view if is_tensor else None
        self.shape = _shape_of_view(owner) if is_tensor else ()
        self.slot = owner._slot if is_tensor else None
        self.hooks = _hooks(self.slot)

    def same(self, t: Any) -> bool:
        if self.type is None:
            return not isinstance(t, Tensor) and (t.value.edge is not None) is self.tracked
        if not isinstance(t, Tensor) or t._type is not self.type:
            return False
        slot = self.slot
        if t._view is not self.view:
            if _shape_of_view(t) != self.shape:
                return False
            slot = t._slot
        if slot is None:
            tracked = self.tracked
            return tracked is None or _has_history(t) is tracked
        if not (slot.hooks or slot.post_hooks or self.hooks):
            return True
        return _hooks(slot) == self.hooks

    def difference(self, t: Any) -> str:
        """How a tensor that is not the same differs, in words."""
        if t is None or isinstance(t, Tensor) is (self.type is None):
            return "a captured tensor is gone"
        if isinstance(t, Tensor) and t._type is not self.type:
            return f"a captured tensor is {t._type}, was {self.type}"
        if isinstance(t, Tensor) and _hooks(t._slot) != self.hooks:
            return "a captured tensor has other hooks"
        return "a captured tensor became another view or changed requires_grad"


def _hooks(slot: Any) -> tuple:
    """What runs when a gradient reaches a leaf."""
    return () if slot is None else (*slot.hooks.values(), *slot.post_hooks.values())


class _Space:
    """A dictionary of a module's attributes as it was, but for the places in `free`."""

    __slots__ = ("free", "ids", "keys", "label", "space", "values")

    def __init__(self, space: dict, free: list[int], label: str):
        self.space = space
        self.free = free
        self.label = label
        self.keys = tuple(space)
        self.values = list(space.values())  # kept, so that their ids stay theirs
        self.ids = self._ids()

    def _ids(self) -> list[int]:
        ids = [*map(id, self.space.values())]
        for i in self.free:
            ids[i] = 0
        return ids

    def same(self) -> bool:
        """Whether nothing changed at all, in a dictionary of the same length."""
        return self._ids() == self.ids and (*self.space,) == self.keys

    def difference(self) -> str:
        """What changed, in words; empty if all are equal after all."""
        space, label = self.space, self.label
        if (*space,) != self.keys:
            return f"{label} has other attributes: {sorted(set(space) ^ set(self.keys))}"
        for i, ((key, now), before) in enumerate(zip(space.items(), self.values, strict=True)):
            if now is not before and i not in self.free and exact(now) != exact(before):
                return f"{label}.{key} is {_short(now)}, was {_short(before)}"
        return ""


def _space_of(owner: Any) -> Any:
    """The dictionary that an entry's owner keeps its attributes in."""
    return owner if isinstance(owner, dict) else getattr(owner, "__dict__", None)


def _shape_of_view(t: Tensor) -> tuple:
    """The kinds of views that a tensor is. Detached or not shows in its history alone."""
    kinds = []
    link = t._view
    while link is not None:
        if link.kind != "detach":
            kinds.append(link.kind)
        link = link.parent
    return tuple(kinds)


def _has_history(t: Tensor) -> bool:
    """Whether what a tensor that is no leaf shows has history."""
    link = t._view
    while link is not None:
        if link.kind == "detach":
            return False
        link = link.parent
    return t._storage.value.edge is not None


def _seen_of_base(t: Tensor) -> tuple:
    """Through which views a tensor shows its storage, and the type of that."""
    return (() if t._view is None else t._view.signature(), t._storage.value.type)


def _describe(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        grad = 2 if leaf._slot is not None else leaf.requires_grad
        return (leaf._type, leaf._storage.device, leaf._strides, grad, type(leaf))
    return ("static", exact(leaf))


def _words(expected: Any) -> str:
    return str(expected[0]) if expected[0] != "static" else _short(expected[1][-1])


def _short(value: Any) -> str:
    if isinstance(value, SCALARS):
        return repr(value)
    return f"a {type(value).__name__}" if value is not MISSING else "gone"


def _aliases(leaves: Sequence[Any]) -> tuple:
    """Which argument each argument first shares its storage with, and through which view.

    One tensor, or several on storages of their own, give the empty tuple at once.
    """
    storages = [id(leaf._storage) for leaf in leaves if isinstance(leaf, Tensor)]
    if len(set(storages)) == len(storages):
        return ()
    slots = [leaf._slot for leaf in leaves if isinstance(leaf, Tensor)]
    out = []
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            link = leaf._view
            first = storages.index(id(leaf._storage))
            slot = leaf._slot
            if slot is not None:
                slot = slots.index(slot)
            out.append((first, slot, link.signature() if link is not None else ()))
    return tuple(out)
