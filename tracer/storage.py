"""Storage: what tensors that alias each other share. Imported by the tracer alone.

A storage holds the current value of its base; writing replaces that value, so nothing in
the graph is ever aliased. Views are read through `read`, once per base value.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from ..ir.grad import reads
from ..ir.graph import Node, Scope, Value
from ..ir.ops import OPS
from ..ir.types import DType
from .recording import recorder_for
from .state import HANDLES, STATE

if TYPE_CHECKING:
    from ..runtime.device import Device
    from .grad_hooks import Hooks
    from .views import Link

Strides = tuple[int, ...] | None
_RESHAPE = OPS["reshape"]
# What a storage has that nothing has happened to.
FRESH = {"cache": None, "export": None, "families": (), "hooks": None, "owner": None}
ANEW = ".anew"  # ends the name of the scope of a view that is read anew after a write
BARE = ("leaf", "detach")  # kinds of links that show their parent as it is


def root(value: Value) -> Value:
    """The value that has the data: an alias differs from it in its gradient alone."""
    source = value.source
    return value if source is None else source


def alias(value: Value, edge: tuple[Any, int] | None) -> Value:
    """The same data with another history."""
    return Value(value.type, edge=edge, source=root(value))


def is_readable(value: Value) -> bool:
    """Whether a value has data or can get it; a value that an evaluation dropped has not."""
    value = root(value)
    return value.node is not None or value.buffer is not None


def outside_calls(scope: Scope | None) -> Scope | None:
    """The module or phase that the API calls of a scope path were made in."""
    while scope is not None and scope.kind == "function":
        scope = scope.parent
    return scope


def same_history(old: Value, new: Value, base: Value) -> Value:
    """What a view shows, recorded anew because an evaluation dropped it: to history it is what it
    was, so that gradients by it meet what was made of it before."""
    if old.edge is None or old.type is not new.type or not _intact(old.edge, base.edge):
        return new
    return alias(new, old.edge)


def _intact(edge: tuple[Any, int], end: tuple[Any, int] | None) -> bool:
    """Whether the history of a view, down to its base's, has what its gradient reads. An
    evaluation keeps that only where something was made of the view."""
    todo = [edge]
    while todo:
        edge = todo.pop()
        node = edge[0]
        if edge == end or not isinstance(node, Node):
            continue
        if node.freed:
            return False
        needs = tuple(isinstance(o, Value) and o.edge is not None for o in node.operands)
        ins, outs = reads(node, needs)
        read = [node.operands[i] for i in ins]
        if not all(isinstance(o, Value) and is_readable(o) for o in read):
            return False
        if outs and not node.outputs:
            return False
        todo += [o.edge for o in node.operands if isinstance(o, Value) and o.edge is not None]
    return True


class _Seen(weakref.ref):
    """What a view showed when it was last read. It goes when its link does, or a loop over
    slices of one tensor would keep them all; in C, or Python would forget an interrupt there."""

    __slots__ = ("clear", "values")

    def __init__(self, link: Link, value: Value):
        self.values = [value]
        self.clear = self.values.clear

    def __new__(cls, link: Link, value: Value) -> Any:
        return super().__new__(cls, link, _CLEAR)

    @property
    def value(self) -> Value | None:
        """None once the link is gone."""
        values = self.values
        return values[0] if values else None


_CLEAR = methodcaller("clear")
# At so many, views that are gone are looked for.
_MANY = frozenset(1 << n for n in range(6, 60))


class Storage:
    """Slots: `value` of the base; `cache` of views read from it, by id of link; `device`;
    `owner`, the session that created it; `strides` of the base, None when contiguous; `export`,
    the memory that it shares with NumPy, if it does (see `shared.py`); `hooks`, those on
    gradients of the base and of views, if there are any; `inference`, whether it was made in
    inference mode; `writes`, how many there were; `families`, weak references to detached views
    with history of their own; `parked`, set once its value was with a trace (see `parking.py`)."""

    __slots__ = (
        *("__weakref__", "cache", "device", "export", "families", "hooks", "inference", "owner"),
        *("parked", "strides", "value", "writes"),
    )

    parked: tuple[Any, int]

    def __init__(self, value: Value, device: Device, strides: Strides = None):
        self.value = value
        self.device = device
        self.strides = strides
        self.cache: dict[int, _Seen] | None = None
        self.owner = STATE.session
        self.inference = STATE.inference
        self.export: Any = None
        self.hooks: Hooks | None = None
        self.writes = 0
        self.families: tuple[weakref.ref[Link], ...] = ()
        source = value if value.source is None else value.source
        if source.node is not None:
            source.node.owner.note(self)

    def address(self) -> int:
        """A number for the place of the first element, which no other storage has."""
        return id(self)

    def read(self, link: Link | None) -> Value:
        """The value seen through a chain of views, recorded once per base value.

        A view from before the last write is recorded anew from the base, as PyTorch makes its
        history anew then: it shares no history with the views between.
        """
        if link is None:
            return self.value
        found = self.cached(link)
        if found is not None:
            return found
        chain: list[Link] = []
        step: Link | None = link
        value = self.value
        anew, shown = False, 0  # the links of `chain` behind `shown` are read on the way alone
        while step is not None:
            found = None if anew else self.cached(step)
            if found is not None:
                value = found
                break
            chain.append(step)
            if not anew:
                shown, anew = len(chain), step.born < self.writes
            step = step.parent
        strided = anew and self._lies_as_base(chain[shown - 1 :])
        # The base with its history, which a view of more than its parent shows if it is read anew.
        ground, on_ground = None, strided
        # Views are recorded with their history whatever the mode: what reads the view
        # decides whether it is recorded, and a view made under no_grad has a detach link.
        b = recorder_for(self.device)
        before = STATE.grad_enabled
        STATE.grad_enabled = True
        scope = STATE.scope
        try:
            # Each view is read under the name of its call; parts of a call come before its name.
            for i in range(len(chain) - 1, -1, -1):
                step = chain[i]
                if strided and on_ground is not (step.kind in BARE):
                    ground, on_ground = value if on_ground else None, False
                if scope is STATE.scope:
                    first = shown - 1 if i >= shown else i
                    name = next(
                        (c.name for c in chain[first::-1] if c.name or c.kind == "leaf"), ""
                    )
                    if strided and name and i >= shown - 1:
                        name += ANEW
                    if name:
                        STATE.scope = Scope(name, "function", outside_calls(scope))
                if step.kind == "around":
                    known = ground if i >= shown - 1 else None
                    base = alias(self.value, None) if known is None else known
                    seen = step.read_around(b, value, base)
                else:
                    seen = step.read(b, value)
                if seen is value and step.name and value.edge is not None:
                    seen = b.emit(_RESHAPE, (value,), (step.type.shape,))  # for its grad_fn
                if i >= shown:
                    value = seen
                    continue
                last = None if self.cache is None else self.cache.get(id(step))
                if last is not None and last.value is not None:
                    seen = same_history(last.value, seen, self.value)
                if self.hooks is not None:
                    self.hooks.carry(step, seen)
                value = seen
                self.remember(step, seen)
                if step.name:
                    STATE.scope = scope
        finally:
            STATE.grad_enabled = before
            STATE.scope = scope
        return value

    def _lies_as_base(self, chain: Iterable[Link]) -> bool:
        """Whether all of a chain show elements of the base, as `as_strided` of it does."""
        return all(c.type.dtype is self.value.type.dtype and c.kind != "conj" for c in chain)

    def cached(self, link: Link) -> Value | None:
        """What a view shows, if it was read before and can be still."""
        if self.cache is None:
            return None
        seen = self.cache.get(id(link))
        value = None if seen is None else seen.value
        return value if value is not None and is_readable(value) else None

    def remember(self, link: Link, value: Value) -> None:
        """Keep what a view shows until the next write, or as long as the view lives."""
        cache = self.cache
        if cache is None:
            cache = self.cache = {}
        elif len(cache) in _MANY:
            self.cache = cache = {k: seen for k, seen in list(cache.items()) if seen.values}
        cache[id(link)] = _Seen(link, value)

    def give_history(self, link: Link, edge: Any) -> None:
        """A detached view has history of its own from now on, or other history than before."""
        link.edge = edge
        HANDLES[0] += 1
        if edge is not None:
            others = (r for r in self.families if r() is not None and r() is not link)
            self.families = (*others, weakref.ref(link))
            owner = getattr(edge[0], "owner", None)
            if isinstance(edge[0], Node) and owner is not None:
                owner.note(self)
        if STATE.session is not None:
            STATE.session.note_family(self, link)

    def histories(self) -> Iterator[Value]:
        """The base as each detached view with history of its own shows it."""
        for reference in self.families:
            link = reference()
            if link is not None and link.edge is not None:
                yield alias(self.value, link.edge)

    def has_history(self) -> bool:
        """Whether its value can be differentiated."""
        return self.value.edge is not None

    def flush(self) -> None:
        """Write what is pending to the memory that is shared with NumPy: none here."""

    def __reduce__(self) -> Any:
        from .tensor import Tensor

        base = object.__new__(Tensor)
        base._point(self, None, self.value.type)
        return (_rebuild, (base._host(), self.value.type.dtype, self.strides, str(self.device)))

    def set(self, value: Value, counted: bool = True) -> None:
        """Replace the base's value; views read from the old one are forgotten. `counted` says
        whether views from before are read anew from the base."""
        source = root(value)
        if self.inference and not STATE.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can "
                "make a clone to get a normal tensor before doing inplace update."
            )
        if source.node is not None:
            source.node.owner.note_write(self, value)
        session = STATE.session
        if session is not None and self.owner is not session:
            session.note_write(self, value)
        if STATE.selected is not None:
            STATE.selected.note(self)
        if self.hooks is not None:
            self.hooks.written(self.value.edge, value)
        if source.node is not None:
            source.node.owner.note(self)
        self.cache = None
        self.writes += counted
        self.value = value  # last: an interrupt at one of the calls finds nothing changed


def _rebuild(array: Any, dtype: DType, strides: Strides, device: str) -> Storage:
    """The storage that a pickle describes."""
    from .tensor import from_host

    storage = from_host(array, dtype, device)._storage
    storage.strides = strides
    return storage
