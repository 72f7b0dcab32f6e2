"""Where a trace's state stands between its calls: with the trace, until somebody looks.

A training step writes every parameter and every moment at each call. Giving each storage its
new value, and each slot its gradient, costs more than the call; and most often nobody looks
before the next call writes them again. So what a quick call writes is parked: the storage, or
the slot, becomes one of a class whose `value`, or `grad`, is fetched from the `Parking` when
somebody looks. Imported by `quick`.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

from ..ir.graph import Value
from .engine import GradSlot
from .evaluate import Lost
from .packing import unpacked
from .replay import Trace, handle, is_deleted
from .session import GradState
from .state import LOCK
from .storage import Storage
from .tensor import REPOINTED, Tensor
from .writer import Unwritable


class ParkedStorage(Storage):
    """A storage whose value is in `parked[0]`, at place `parked[1]`."""

    __slots__ = ()

    @property
    def value(self) -> Value:
        parking, place = self.parked
        return parking.fetch(place, self)

    @value.setter
    def value(self, new: Value) -> None:
        parking, place = self.parked
        parking.fetch(place, self)
        self.value = new  # of a plain storage by now

    def has_history(self) -> bool:
        return False


class ParkedSlot(GradSlot):
    """A slot whose gradient is parked likewise."""

    __slots__ = ()

    @property
    def grad(self) -> Tensor | None:
        parking, place = self.parked
        return parking.fetch_grad(place, self)

    @grad.setter
    def grad(self, new: Tensor | None) -> None:
        with LOCK:
            if self.__class__ is ParkedSlot:
                parking, place = self.parked
                parking.leave(place, self, new)
            else:  # another thread was here
                self.grad = new


class Lot:
    """Which storages and slots a trace parks, and where its results have their arrays."""

    def __init__(self, trace: Trace, array: type):
        self.trace = trace
        self.array = array  # the class of arrays on its device
        self.last: Any = lambda: None  # a weak reference to the parking
        self.repointed = -1  # the count when it was made
        # In the order of the program's inputs, so that they are handed over in one piece.
        writes = sorted(trace.writes, key=itemgetter(0))
        self.bindings = [b for b, _ in writes]
        self.owners = [trace.bindings[b] for b in self.bindings]
        self.slots: list[Any] = [slot for slot, _ in trace.grads]
        self.made = [None if number is None else trace.new[number] for _, number in trace.grads]
        self.types = [trace.type_of(source.output) for _, source in writes]
        self._require_own()
        outputs = [source.output for _, source in writes]
        # Where arrays of gradients stand behind those of storages; one that is None has none.
        self.numbers: list[int] = []
        for made in self.made:
            self.numbers.append(-1 if made is None else len(outputs))
            outputs += [] if made is None else [made.source.output]
        self.count = len(outputs)
        places = [trace.place(i) for i in outputs]
        self.places = [None if n < 0 else places[n] for n in self.numbers]
        self.pick = _picker([place.output for place in places])

    def _require_own(self) -> None:
        """Raises: Unwritable if what is parked is anybody else's too, or not found again."""
        trace = self.trace
        if any(b.kind not in ("storage", "grad") or isinstance(b.ref, int) for b in self.owners):
            raise Unwritable
        if any(isinstance(slot, int) for slot in self.slots):
            raise Unwritable
        made = [made for made in self.made if made is not None]
        sources = [source for _, source in trace.writes] + [new.source for new in made]
        if any(source.history not in (None, -1) for source in sources):
            raise Unwritable
        numbers = [n for _, n in trace.grads if n is not None]
        returned = [leaf.index for leaf in trace.leaves if leaf.kind == "new"]
        if len({*numbers}) < len(numbers) or not {*numbers}.isdisjoint(returned):
            raise Unwritable
        outputs = [source.output for source in sources]
        others = {trace.new[i].source.output for i in returned}
        if len({*outputs}) < len(outputs) or not others.isdisjoint(outputs):
            raise Unwritable

    def slots_set(self) -> dict[int, GradState]:
        """The ids of the slots that a call sets, and the state that it leaves them in."""
        states: dict[int, GradState] = {}
        for slot, made in zip(self.slots, self.made, strict=True):
            type = None if made is None else self.trace.type_of(made.source.output)
            states[id(slot())] = None if made is None else (type, made.strides, False)
        return states

    def enter(self) -> Parking | None:
        """The parking with all that a call writes in it; None if somebody else has some of it."""
        p = self.last()
        if p is None or self.repointed != REPOINTED[0]:
            if p is not None:
                self.empty(p)
            p = Parking(self)
            self.last = weakref.ref(p)
            self.repointed = REPOINTED[0]
        p.settle()
        for i in sorted(p.away):
            storage = self._storage(i)
            if storage.__class__ is ParkedStorage:
                storage.value  # noqa: B018  # by another trace
            if storage.__class__ is not Storage or not p.enter(i, storage):
                return None
        return p

    def _storage(self, i: int) -> Any:
        binding = self.owners[i]
        owner = binding.ref()
        if binding.kind == "grad":
            owner = None if owner is None else owner.grad
        return owner._storage if isinstance(owner, Tensor) else owner

    def empty(self, p: Parking) -> None:
        """Give everything back."""
        for i in range(p.count):
            storage = p.refs[i]() if i in p.refs else None
            if i not in p.away and storage is not None:
                p.fetch(i, storage)
        for i, ref in enumerate(self.slots):
            slot = ref()
            if i not in p.away_slots and slot is not None:
                p.fetch_grad(i, slot)

    def failed(self, p: Parking) -> None:
        """The run ended without results: what it consumed is lost."""
        error = sys.exc_info()[1]
        lost = [i for i, a in enumerate(p.arrays[: p.count]) if is_deleted(a)]
        if lost and error is not None:
            for i in lost:
                p.arrays[i] = Lost(f"a call of {self.trace.name}", error)
            self.empty(p)

    def rewrite(self, p: Parking) -> None:
        """What somebody took while the call ran gets what the call made of it."""
        found = self.pick(p.latest)
        for i in p.away:
            storage = p.refs[i]()
            if storage is not None and is_deleted(storage.value.buffer):
                storage.cache = None
                storage.value = Value(self.types[i], buffer=found[i])
        for i in [*p.away_slots]:
            slot = self.slots[i]()
            if slot is None:
                p.away_slots.discard(i)
            else:
                number = self.numbers[i]
                slot.grad = self.make_grad(i, None if number < 0 else found[number])

    def make_grad(self, i: int, array: Any) -> Tensor | None:
        """The `.grad` of a slot."""
        made, place = self.made[i], self.places[i]
        if made is None or place is None:
            return None
        value = Value(self.trace.type_of(made.source.output), buffer=unpacked(place, array))
        return handle(self.trace.make(made, value), None)


class Parking:
    """The arrays that a trace's last quick call wrote: those of storages, then those of slots.

    `arrays` has them, or None for what has left; `latest` has all results of a call that has just
    ended, before `pick` takes the arrays out of them: setting it is one instruction, which no
    interrupt can cut in two. Storages and slots keep the parking alive, not it them.
    `away` and `away_slots` are those that have left, `dead` has the weak references of storages
    that are no more: a list's own method puts them there, because an interrupt in Python code
    that runs when something dies would be forgotten.
    """

    __slots__ = (
        *("__weakref__", "arrays", "away", "away_slots", "count", "dead", "latest", "lot"),
        *("numbers", "refs"),
    )

    def __init__(self, lot: Lot):
        self.lot = lot
        self.count = len(lot.bindings)
        self.arrays: list[Any] = [None] * lot.count
        self.latest: Any = None
        self.away = set(range(self.count))
        self.away_slots = set(range(len(lot.slots)))
        self.refs: dict[int, weakref.ref] = {}  # the storages
        self.numbers: dict[int, int] = {}  # by the ids of those
        self.dead: list[weakref.ref] = []

    def settle(self) -> None:
        """Take the arrays out of the latest results."""
        while self.dead:  # nobody needs what a storage had that is no more
            i = self.numbers[id(self.dead[-1])]
            self.away.add(i)
            self.arrays[i] = None
            self.dead.pop()
        if self.latest is not None:
            arrays = self.lot.pick(self.latest)
            for i in self.away:
                arrays[i] = None
            for i in self.away_slots:
                self._forget(arrays, i)
            self.arrays = arrays
            self.latest = None

    # Storages

    def enter(self, i: int, storage: Any) -> bool:
        """Park a storage's value, if nobody else has it or its array."""
        value = storage.value
        if value.source is not None or value.edge is not None or value.node is not None:
            return False
        if storage.hooks is not None or storage.export is not None:
            return False
        if any(view() is not None for view in storage.families):
            return False
        if storage.cache is not None:
            storage.cache = None
            storage.writes += 1  # as the write will that it is parked for
        array = value.buffer
        if array.__class__ is not self.lot.array:
            return False
        # An array's references: its value, the variable here, and getrefcount's own.
        if sys.getrefcount(value) > _VALUE_REFS or sys.getrefcount(array) > _ARRAY_REFS:
            return False
        self.arrays[i] = array
        if i not in self.refs:
            self.refs[i] = weakref.ref(storage, self.dead.append)
            self.numbers[id(self.refs[i])] = i
        storage.parked = (self, i)
        storage.__class__ = ParkedStorage
        # An interrupt before this finds it away, and parked: the next look fetches it.
        self.away.discard(i)
        _SET_VALUE(storage, None)
        return True

    def fetch(self, i: int, storage: Any) -> Any:
        """Give a storage its value back."""
        with LOCK:
            # Another thread may have fetched it meanwhile, and another trace parked it.
            if storage.__class__ is ParkedStorage and storage.parked[0] is self:
                self.settle()
                self.away.add(i)
                _SET_VALUE(storage, Value(self.lot.types[i], buffer=self.arrays[i]))
                storage.__class__ = Storage
                self.arrays[i] = None
            return storage.value

    # Slots

    def enter_slots(self) -> Iterator[Any]:
        """The changes that park the slots that are away, to be consumed."""
        numbers = sorted(self.away_slots)
        found = [(i, slot) for i in numbers if (slot := self.lot.slots[i]()) is not None]
        slots = [slot for _, slot in found]
        for slot in slots:
            slot.grad  # noqa: B018  # no longer parked elsewhere
        return chain(
            map(setattr, slots, repeat("parked"), [(self, i) for i, _ in found]),
            map(setattr, slots, repeat("__class__"), repeat(ParkedSlot)),
            map(_SET_GRAD, slots, repeat(None)),
            map(self.away_slots.discard, numbers),
        )

    def fetch_grad(self, i: int, slot: Any) -> Any:
        """Give a slot its gradient back."""
        with LOCK:
            if slot.__class__ is ParkedSlot and slot.parked[0] is self:
                self.settle()
                number = self.lot.numbers[i]
                array = None if number < 0 else self.arrays[number]
                self.leave(i, slot, self.lot.make_grad(i, array))
            return slot.grad

    def leave(self, i: int, slot: Any, grad: Any) -> None:
        """Let a slot have this gradient instead."""
        with LOCK:
            self.away_slots.add(i)
            _SET_GRAD(slot, grad)
            slot.__class__ = GradSlot
            self.settle()
            self._forget(self.arrays, i)

    def _forget(self, arrays: list[Any], i: int) -> None:
        """A slot that has left has its array itself."""
        if self.lot.numbers[i] >= 0:
            arrays[self.lot.numbers[i]] = None


def _picker(numbers: list[int]) -> Callable[[list[Any]], list[Any]]:
    """A function that takes these of a list, as a list."""
    if numbers and numbers == [*range(numbers[0], numbers[0] + len(numbers))]:
        return itemgetter(slice(numbers[0], numbers[0] + len(numbers)))
    return lambda out: [out[i] for i in numbers]


# Of the classes that are not parked.
_SET_VALUE = Storage.value.__set__  # type: ignore[attr-defined]
_SET_GRAD = GradSlot.grad.__set__  # type: ignore[attr-defined]


def _calibrate() -> tuple[int, int]:
    """How many references a value and its array have in `enter` if only a storage has them."""

    class Holder:
        pass

    storage: Any = Holder()
    storage.value = value = Holder()
    value.buffer = Holder()  # type: ignore[attr-defined]
    del value

    def enter(storage: Any) -> tuple[int, int]:
        value = storage.value
        array = value.buffer
        return sys.getrefcount(value), sys.getrefcount(array)

    return enter(storage)


_VALUE_REFS, _ARRAY_REFS = _calibrate()
