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
from operator import attrgetter, call, is_, itemgetter
from typing import Any, NamedTuple

import numpy as np

from ..ir.graph import Value
from ..ir.passes.pack import Place, parts_of_flat
from .engine import GradSlot
from .evaluate import Lost
from .packing import flat, has_own_writes, unpacked
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
        return False  # else it would not be parked


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


class _Seen(NamedTuple):
    """What somebody saw of a flat array, at last, and how often: arrays by their storages."""

    array: Any
    times: int
    parts: dict[int, Any]


class Lot:
    """Which storages and slots a trace parks, and where its results have their arrays."""

    def __init__(self, trace: Trace, array: type):
        self.trace = trace
        self.array = array  # the class of arrays on its device
        self.last: Any = lambda: None  # a weak reference to the parking
        self.repointed = -1  # the count when it was made
        if not has_own_writes(trace):
            raise Unwritable
        writes = sorted(trace.writes, key=itemgetter(0))
        self.bindings = [b for b, _ in writes]
        self.owners = [trace.bindings[b] for b in self.bindings]
        # Those that are a leaf's `.grad`, which may become another tensor.
        self.gradients = [i for i, owner in enumerate(self.owners) if owner.kind == "grad"]
        self.grad_slots = [self.owners[i].ref for i in self.gradients]
        self.slots: list[Any] = [slot for slot, _ in trace.grads]
        self.made = [None if number is None else trace.new[number] for _, number in trace.grads]
        self.types = [trace.type_of(source.output) for _, source in writes]
        places = [trace.place_of_input(b) for b in self.bindings]
        # The inputs that a parking has arrays for: in the program's order, so that they are
        # handed over in one piece. Flat ones are its last.
        self.whole = [b for b, at in zip(self.bindings, places, strict=True) if at.start is None]
        flats = {} if trace.packing is None else trace.packing.flats
        numbers = [trace.place_of_input(b).number for b in self.whole] + [*flats]
        self.count = len(numbers)
        # The storages in each flat one, in order.
        at = {b: i for i, b in enumerate(self.bindings)}
        self.pieces = {numbers.index(n): [at[b] for b in inputs] for n, inputs in flats.items()}
        # Where each storage is among them.
        self.places = [at._replace(number=numbers.index(at.number)) for at in places]
        outputs = [-1] * self.count
        for at, (_, source) in zip(self.places, writes, strict=True):
            outputs[at.number] = trace.place(source.output).number
        # Where arrays of gradients stand behind those; one that is None has none.
        self.numbers: list[int] = []
        self.made_places: list[Place | None] = []
        for made in self.made:
            at = None if made is None else trace.place(made.source.output)
            self.made_places.append(at)
            self.numbers.append(-1 if at is None else len(outputs))
            outputs += [] if at is None else [at.number]
        self.size = len(outputs)
        self.splitters: dict[int, Any] = {}  # programs, by the numbers of flat arrays
        self.pick = _picker(outputs)

    def slots_set(self) -> dict[int, GradState]:
        """The ids of the slots that a call sets, and the state that it leaves them in."""
        states: dict[int, GradState] = {}
        for slot, made in zip(self.slots, self.made, strict=True):
            states[id(slot())] = made and (
                self.trace.type_of(made.source.output),
                made.strides,
                False,
            )
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
        for i in self.gradients:
            before = p.refs[i]() if i not in p.away else None
            if before is not None and before is not self._storage(i):
                p.fetch(i, before)
        pieces: dict[int, Any] = {}
        for i in sorted(p.away):
            storage = self._storage(i)
            if storage.__class__ is ParkedStorage:
                storage.value  # noqa: B018  # by another trace
            if storage.__class__ is not Storage:
                return None
            if self.places[i].start is not None:
                if not p.can_join(storage):
                    return None
                pieces[i] = storage
            elif not p.enter(i, storage):
                return None
        p.enter_pieces(pieces)
        return p

    def has_moved(self, p: Parking) -> bool:
        """Whether a `.grad` that is written is another tensor than the one that is parked."""
        try:
            now = [*map(_STORAGE_OF_GRAD, map(call, self.grad_slots))]
        except AttributeError:  # another thread took one away
            return True
        return not all(map(is_, now, map(call, map(p.refs.__getitem__, self.gradients))))

    def _storage(self, i: int) -> Any:
        binding = self.owners[i]
        owner = binding.ref()
        if binding.kind == "grad":
            owner = None if owner is None else owner.grad
        return owner._storage if isinstance(owner, Tensor) else owner

    def split(self, number: int, array: Any, often: bool) -> dict[int, Any]:
        """The pieces of a flat array as arrays of their own, by their storages: by a program of
        XLA's if that is asked for `often`."""
        from ..runtime import buffer, executable

        device, pieces = self.trace.device, self.pieces[number]
        if not often:
            return {i: buffer.to_jax(unpacked(self.places[i], array), device) for i in pieces}
        if number not in self.splitters:
            graph = parts_of_flat([self.types[i] for i in pieces])
            self.splitters[number] = executable.compile_graph(graph, device)
        return dict(zip(pieces, self.splitters[number]([array]), strict=True))

    def empty(self, p: Parking) -> None:
        """Give everything back."""
        for i in range(len(self.bindings)):
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
        lost = [i for i, a in enumerate(p.arrays[: self.count]) if is_deleted(a)]
        if lost and error is not None:
            for i in lost:
                p.arrays[i] = Lost(f"a call of {self.trace.name}", error)
            self.empty(p)

    def rewrite(self, p: Parking, results: list[Any]) -> None:
        """What somebody took while the call ran gets what the call made of it."""
        found = self.pick(results)
        for i in p.away:
            storage, place = p.refs[i](), self.places[i]
            if storage is not None and p.is_old(i, storage.value):
                storage.cache = None
                array = unpacked(place, found[place.number])
                storage.value = Value(self.types[i], buffer=array)
        for i in [*p.away_slots]:
            slot = self.slots[i]()
            if slot is None:
                p.away_slots.discard(i)
            else:
                number = self.numbers[i]
                slot.grad = self.make_grad(i, None if number < 0 else found[number])

    def make_grad(self, i: int, array: Any) -> Tensor | None:
        """The `.grad` of a slot."""
        made, place = self.made[i], self.made_places[i]
        if made is None or place is None:
            return None
        value = Value(self.trace.type_of(made.source.output), buffer=unpacked(place, array))
        return handle(self.trace.make(made, value), None)


class Parking:
    """The arrays that a trace's last quick call wrote: those of storages, the flat ones with many
    of them last, then those of slots.

    `arrays` has them, or None for what has left, but that flat ones stay, from when all of their
    pieces were first here: `parts` has the values that were made of those; `latest` has all results
    of a call that has just ended, before `pick` takes the arrays out of them: setting it is one
    instruction, which no interrupt can cut in two. Storages and slots keep the parking alive, not
    it them. `away` and `away_slots` are those that have left, `dead` has the weak references of
    storages that are no more: a list's own method puts them there, because an interrupt in Python
    code that runs when something dies would be forgotten.
    """

    __slots__ = (
        *("__weakref__", "arrays", "away", "away_slots", "dead", "latest", "lot"),
        *("numbers", "parts", "refs", "seen"),
    )

    def __init__(self, lot: Lot):
        self.lot = lot
        self.arrays: list[Any] = [None] * lot.size
        self.latest: Any = None
        self.away = set(range(len(lot.bindings)))
        self.away_slots = set(range(len(lot.slots)))
        self.refs: dict[int, weakref.ref] = {}  # the storages
        self.numbers: dict[int, int] = {}  # by the ids of those
        self.parts: dict[int, Value] = {}
        self.seen: dict[int, _Seen] = {}
        self.dead: list[weakref.ref] = []

    def settle(self) -> None:
        """Take the arrays out of the latest results."""
        while self.dead:  # nobody needs what a storage had that is no more
            i = self.numbers[id(self.dead[-1])]
            if self.refs[i] is self.dead[-1]:  # no other has taken its place
                self.away.add(i)
                self._leave(self.arrays, i)
            self.dead.pop()
        if self.latest is not None:
            arrays = self.lot.pick(self.latest)
            for i in self.away:
                self._leave(arrays, i)
            for i in self.away_slots:
                self._forget(arrays, i)
            self.arrays = arrays
            self.latest = None

    # Storages

    def enter(self, i: int, storage: Any) -> bool:
        """Park a storage's value, if nobody else has it or its array."""
        if not self._can_enter(storage):
            return False
        value = storage.value
        array = value.buffer
        if array.__class__ is not self.lot.array:
            return False
        # An array's references: its value, the variable here, and getrefcount's own.
        if sys.getrefcount(value) > _VALUE_REFS or sys.getrefcount(array) > _ARRAY_REFS:
            return False
        self.arrays[self.lot.places[i].number] = array
        self._park(i, storage)
        return True

    def can_join(self, storage: Any) -> bool:
        """Whether a storage's value can be copied into a flat array."""
        array = storage.value.buffer
        own = array.__class__ is self.lot.array or array.__class__ is np.ndarray
        return own and self._can_enter(storage)

    def enter_pieces(self, storages: dict[int, Any]) -> None:
        """Park the values of storages in the flat arrays, where there is a place for each."""
        places = self.lot.places
        for number in {places[i].number for i in storages}:
            pieces, old = self.lot.pieces[number], self.arrays[number]
            parts = [
                storages[i].value.buffer if i in storages else unpacked(places[i], old)
                for i in pieces
            ]
            self.arrays[number] = flat(parts, self.lot.trace.device)
            for i in pieces:
                if i in storages:
                    self._park(i, storages[i])

    @staticmethod
    def _can_enter(storage: Any) -> bool:
        value = storage.value
        if value.source is not None or value.edge is not None or value.node is not None:
            return False
        if storage.hooks is not None or storage.export is not None:
            return False
        return not any(view() is not None for view in storage.families)

    def _park(self, i: int, storage: Any) -> None:
        """A storage whose array is here becomes one that says so."""
        if storage.cache is not None:
            storage.cache = None
            storage.writes += 1  # as the write will that it is parked for
        ref = self.refs.get(i)
        if ref is None or ref() is not storage:
            self.refs[i] = weakref.ref(storage, self.dead.append)
            self.numbers[id(self.refs[i])] = i
        self.parts.pop(i, None)
        storage.parked = (self, i)
        storage.__class__ = ParkedStorage
        # An interrupt before this finds it away, and parked: the next look fetches it.
        self.away.discard(i)
        _SET_VALUE(storage, None)

    def fetch(self, i: int, storage: Any) -> Any:
        """Give a storage its value back."""
        with LOCK:
            # Another thread may have fetched it meanwhile, and another trace parked it.
            if storage.__class__ is ParkedStorage and storage.parked[0] is self:
                self.settle()
                place = self.lot.places[i]
                array = self.arrays[place.number]
                lost = array.__class__ is Lost
                buffer = array if lost else unpacked(place, array)
                value = Value(self.lot.types[i], buffer=buffer)
                if place.start is not None:
                    self.parts[i] = value
                self.away.add(i)
                _SET_VALUE(storage, value)
                storage.__class__ = Storage
                self._leave(self.arrays, i)
            return storage.value

    def peek(self, i: int) -> Any:
        """The array of a storage, which stays parked. Whoever calls has the lock, and looks whether
        it is an array."""
        self.settle()
        place = self.lot.places[i]
        array = self.arrays[place.number]
        if place.start is None or array.__class__ is not self.lot.array:
            return array
        seen = self.seen.get(place.number)
        if seen is None or seen.array is not array:
            times = 1 if seen is None else seen.times + 1
            seen = _Seen(array, times, self.lot.split(place.number, array, times > _FEW_TIMES))
            self.seen[place.number] = seen
        return seen.parts[i]

    def is_old(self, i: int, value: Value) -> bool:
        """Whether a value that was fetched may be that of before a call that has ended."""
        return is_deleted(value.buffer) or self.parts.get(i) is value

    def _leave(self, arrays: list[Any], i: int) -> None:
        """A storage that has left has its array itself."""
        place = self.lot.places[i]
        if place.start is None:
            arrays[place.number] = None

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
    if len(numbers) < 2:
        return lambda out: [out[i] for i in numbers]
    several = itemgetter(*numbers)
    return lambda out: [*several(out)]


# A program that splits a flat array takes as long to compile as so many times by hand: some 20 ms.
_FEW_TIMES = 32

# Of the classes that are not parked.
_SET_VALUE = Storage.value.__set__  # type: ignore[attr-defined]
_SET_GRAD = GradSlot.grad.__set__  # type: ignore[attr-defined]
_STORAGE_OF_GRAD = attrgetter("grad._storage")


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
