"""A recording run: an ordinary run of a function, watched closely enough to be replayed.

Imported by `compile.py` and `tracing.py`. The tracer's other files only call the hooks
here (`capture`, `note_*`, `needs_value`, ...), through `STATE.session`.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..ir.graph import Value
from ..ir.source import Location, RawLocation, here, resolve
from ..ir.types import TensorType, float64
from . import naming
from .devices import Device
from .entries import Entry
from .recording import Recorder, evaluate_all, next_seq, settle_foreign
from .shared import is_seen
from .state import STATE
from .storage import Storage, root
from .tensor import Tensor
from .views import leaf_slot
from .watch import Watch


class Reason(NamedTuple):
    """Why a run cannot be replayed, or what made it trace again, and where."""

    reason: str
    location: Location | None = None

    def __str__(self) -> str:
        return f"{self.reason} ({self.location})" if self.location else self.reason


class Capture(NamedTuple):
    """A storage that existed before the run and was read or written in it."""

    storage: Storage
    value: Value  # the data at first touch
    handle: weakref.ref[Tensor]
    held: Value  # what the storage held, history included
    slot: Any  # of the leaf that it was touched through, if it was one or a view of one


class Hyper(NamedTuple):
    """A hyper-parameter that entered the graph: where each replay reads it again, after how
    many steps of schedulers."""

    value: Value
    group: dict
    key: str
    index: int | None
    after: int


class Suspended:
    """Run outside the session for a moment, as if before it began."""

    def __init__(self, session: Session):
        self.session = session

    def __enter__(self) -> None:
        self.saved = (STATE.session, STATE.recorder, STATE.scope)
        STATE.session, STATE.recorder, STATE.scope = None, self.session.outer, None
        self.session.watch.paused += 1

    def __exit__(self, *error: Any) -> None:
        evaluate_all()
        STATE.session, STATE.recorder, STATE.scope = self.saved
        self.session.watch.paused -= 1


class Session:
    """The state of one recording run on one thread.

    `captures` holds outside storages in the order they were first touched, `written` those
    that were written, `reasons` why the run cannot be replayed, `arguments` the storages
    of argument tensors with the number of the argument.
    """

    def __init__(self, device: Device):
        self.outer = STATE.recorder
        self.device = device
        self.recorder = Recorder(device, session=self)
        self.start = next_seq()  # nodes with a smaller number were recorded before
        self.captures: dict[int, Capture] = {}
        self.seen: set[Value] = set()  # their values
        self.written: dict[int, Storage] = {}
        self.caches: dict[int, dict] = {}  # what views showed before the run, by id of storage
        self.primed: dict[int, Value] = {}  # link id -> value of an argument that is a view
        self.reasons: list[Reason] = []
        self.hypers: list[Hyper] = []
        self.hyper_values: dict[tuple[Any, ...], Value] = {}
        self.zeros: list[tuple[dict, str, int | None, bool]] = []
        self.modules: dict[int, Any] = {}
        self.optimizers: dict[int, Any] = {}
        # Gradient slots: what `.grad` was when first read, and which were assigned.
        self.token = object()
        self.grad_reads: dict[int, tuple[Any, Tensor | None]] = {}
        self.grad_writes: dict[int, Any] = {}
        self.grad_storages: dict[int, Any] = {}
        self.handles: dict[int, tuple[Tensor, Storage, Any, TensorType]] = {}
        self.grad_before: dict[int, tuple[Any, Tensor | None]] = {}
        self.effects: list[tuple[Any, Callable[[], None]]] = []  # schedulers' steps
        # Attributes of our own objects that the run sets; each replay leaves them so.
        self.attributes: dict[tuple[int, str], tuple[Any, str]] = {}
        self.watch = Watch(self._blame)
        self.name = "main"
        self.arguments: list[Any] = []
        self.argument_names: list[str] = []
        self.argument_edges: list[Any] = []
        self.primed_arguments: dict[int, Value] = {}
        self.names: dict[int, str] | None = None

    def begin(self, name: str, arguments: list[Any], names: list[str]) -> None:
        """Say what is about to run: the function's name, its flattened arguments and their
        names."""
        self.name = name.strip("<>")
        self.arguments = arguments
        self.argument_names = names
        self.argument_edges = [
            a._value().edge if isinstance(a, Tensor) else None for a in arguments
        ]

    def name_of(self, storage: Storage) -> str:
        """A name for a captured storage, as the user's code has it."""
        if self.names is None:
            self.names = naming.storage_names(self)
        return naming.name_in(self.names, storage)

    def __enter__(self) -> Session:
        self.saved = (STATE.session, STATE.recorder, STATE.scope, STATE.module_depth)
        STATE.session, STATE.recorder, STATE.scope = self, self.recorder, None
        STATE.module_depth = 0
        # What autocast kept before is no value of this run, nor the other way round.
        self.cast_before, STATE.autocast_cache = STATE.autocast_cache, None
        return self

    def __exit__(self, *error: Any) -> None:
        STATE.session, STATE.recorder, STATE.scope, STATE.module_depth = self.saved
        STATE.autocast_cache = self.cast_before

    # Hooks that the tracer calls while the run goes on

    def capture(self, t: Tensor) -> None:
        """Note that an outside tensor is read or written."""
        storage = t._storage
        if id(storage) in self.captures:
            return
        value = root(storage.value)
        if value.node is not None:
            self.watch.paused += 1  # what an evaluation runs is no code of the user's
            settle_foreign(value)
            self.watch.paused -= 1
        # Views read before the run came from a buffer the trace would not know.
        if storage.cache:
            self.caches[id(storage)] = storage.cache
            storage.cache = {k: v for k, v in storage.cache.items() if k in self.primed}
        value = storage.value
        if root(value) in self.seen:
            # A copy that was never written shares the value. Later they may differ, so they
            # are two inputs.
            value = storage.value = Value(value.type, edge=value.edge, buffer=root(value).buffer)
        self.seen.add(root(value))
        self.captures[id(storage)] = Capture(
            storage, root(value), weakref.ref(t), value, leaf_slot(t._view)
        )

    def restore_views(self) -> None:
        """The run is over: views of what it did not write show what they showed before."""
        for capture in self.captures.values():
            storage = capture.storage
            seen = {} if id(storage) in self.written else self.caches.get(id(storage), {})
            storage.cache = {k: v for k, v in seen.items() if v() is not None} or None

    def note_write(self, storage: Storage) -> None:
        self.written[id(storage)] = storage

    def sees(self, storage: Storage) -> bool:
        """Whether the run may look at a storage through NumPy before it ends."""
        return storage.export.session is self or is_seen(storage, self.watch.arrays)

    def flush(self) -> None:
        """The run is over and no trace: what it wrote to memory that NumPy shares goes there."""
        for storage in self.written.values():
            storage.flush()

    def note_outside_write(self, storage: Storage) -> None:
        """NumPy wrote to a tensor's memory."""
        if id(storage) in self.captures:
            self.unfaithful("NumPy writes to a tensor's memory in it")

    def note_handle(self, t: Tensor) -> None:
        """A handle is about to be pointed elsewhere (`.data =`, `requires_grad_`)."""
        if t._storage.owner is not self and id(t) not in self.handles:
            self.handles[id(t)] = (t, t._storage, t._view, t._type)

    def note_grad_read(self, slot: Any, owner: Tensor | None) -> None:
        if id(slot) in self.grad_writes or id(slot) in self.grad_reads:
            return
        if slot.made_in is self.token:
            return  # each call makes its own
        self.grad_reads[id(slot)] = (slot, slot.grad)
        if slot.grad is not None:
            self.grad_storages[id(slot.grad._storage)] = slot

    def note_grad_write(self, slot: Any, owner: Tensor | None) -> None:
        self.grad_before.setdefault(id(slot), (slot, slot.grad))
        self.grad_writes.setdefault(id(slot), slot)

    def needs_value(self, t: Tensor) -> None:
        """Python needs a tensor's value in the middle of the run."""
        self.unfaithful("it needs a tensor's value in Python")

    def constant(self, t: Tensor) -> np.ndarray | None:
        """The value of a tensor that each call makes anew from the same numbers, else None."""
        value = root(t._value())
        inputs = (*self.primed_arguments.values(), *(h.value for h in self.hypers))
        if t._storage.owner is not self or value.node is not None or value in self.seen:
            return None
        if not isinstance(value.buffer, np.ndarray) or any(value is v for v in inputs):
            return None
        return value.buffer

    def settle_on(self, device: Device) -> bool:
        """Whether the run is on this device; its first operation decides where it is."""
        if device is not self.device:
            if self.recorder.nodes or any(
                c.storage.device is not device for c in self.captures.values()
            ):
                self.unfaithful(f"it uses {device} beside {self.device}")
                return False
            self.device = self.recorder.device = device
        return True

    def unfaithful(self, reason: str) -> None:
        """Note a reason why the run cannot be replayed, with the user's line."""
        if not any(r.reason == reason for r in self.reasons):
            self.reasons.append(Reason(reason, resolve(STATE.loc or here(3))))

    def _blame(self, reason: str, place: RawLocation | None) -> None:
        if not self.watch.paused and not any(r.reason == reason for r in self.reasons):
            self.reasons.append(Reason(reason, resolve(place)))

    def hyper(self, group: dict, key: str, index: int | None) -> Tensor:
        """A hyper-parameter as an input that replays read again."""
        at = (id(group), key, index, len(self.effects))
        value = self.hyper_values.get(at)
        if value is None:
            got = group[key] if index is None else group[key][index]
            if isinstance(got, Tensor):
                held = root(got._storage.value)
                settle_foreign(held)
                value = Value(held.type, buffer=held.buffer)
            else:
                value = Value(TensorType((), float64), buffer=np.asarray(got, np.float64))
            self.hyper_values[at] = value
            self.hypers.append(Hyper(value, group, key, index, len(self.effects)))
        return Tensor._wrap(value, self.device)

    def guard_zero(self, group: dict, key: str, index: int | None, zero: bool) -> None:
        self.zeros.append((group, key, index, zero))

    def host_effect(self, scheduler: Any, effect: Callable[[], None]) -> None:
        """Python state that each replay changes in the same way: a scheduler's step.

        It is no part of the graph, not even where it writes to a tensor that is a rate.
        """
        self.effects.append((scheduler, effect))
        with Suspended(self):
            effect()

    def touch_attribute(self, owner: Any, name: str, label: str) -> None:
        """One of our own objects has Python state that is read here, and may be set."""
        self.watch.note(owner, name, label)
        self.attributes[id(owner), name] = (owner, name)

    def outside(self, make: Callable[[], Tensor]) -> Tensor:
        """Make a tensor as if before the run."""
        with Suspended(self):
            return make()

    def touch_module(self, module: Any) -> None:
        if id(module) not in self.modules:
            self.modules[id(module)] = module

    def touch_optimizer(self, optimizer: Any) -> None:
        self.optimizers[id(optimizer)] = optimizer
        first = next((p for group in optimizer.param_groups for p in group["params"]), None)
        if first is not None and not self.recorder.nodes:
            self.settle_on(first.device)  # hyper-parameters are read before parameters

    # What the watch found, once the run is over

    def assigned(self) -> dict[int, Entry]:
        """Entries that held another tensor when the run began, by that one's storage."""
        out = {}
        for entry in self.watch.entries.values():
            if isinstance(entry.value, Tensor) and entry.read() is not entry.value:
                out[id(entry.value._storage)] = entry
        return out

    def attribute_effects(self) -> list[tuple[Entry, Any]]:
        """Entries that hold another object than at the start: tensors, to be set again.

        Any other change is noted as a reason.
        """
        out = []
        for entry in self.watch.entries.values():
            if entry.holds():
                continue
            now = entry.read()
            if isinstance(now, Tensor):
                out.append((entry, now))
            elif not _known_change(now, entry):
                self.reasons.append(Reason(f"it changes {entry.label}"))
        return out

    def knew(self, value: Any) -> bool:
        """Whether an object was there before the run, as far as the watch knows."""
        return (
            id(value) in self.watch.objects
            or any(value is argument for argument in self.arguments)
            or any(value is entry.value for entry in self.watch.entries.values())
        )

    def outer_mutations(self, result: Any) -> None:
        """Containers that were changed by a method and outlive the call are a reason, unless
        only the result holds them; so are generators that drew numbers."""
        self.watch.blame_silent(bool(self.effects))
        mutated, self.watch.mutated = self.watch.mutated, []
        held: dict[int, tuple[Any, RawLocation]] = {}
        for container, place in mutated:
            held.setdefault(id(container), (container, place))
        mutated.clear()
        container = place = None
        returned = _references(result)
        if id(result) in returned:
            returned[id(result)] += 2  # the variables of the caller and of this function
        for key in list(held):
            container, place = held.pop(key)
            # Two references are ours: the variable and the call's argument.
            if sys.getrefcount(container) > 2 + returned.get(key, 0):
                self._blame("it changes a container that outlives the call", place)
            container = None


def _references(result: Any) -> dict[int, int]:
    """How often each container in a result is held by the others; the result itself is not."""
    counts = {id(result): 0}
    todo = [result]
    while todo:
        value = todo.pop()
        if isinstance(value, (list, tuple, dict)):
            for item in value.values() if isinstance(value, dict) else value:
                if isinstance(item, (list, tuple, dict, set)):
                    if id(item) not in counts:
                        todo.append(item)
                    counts[id(item)] = counts.get(id(item), 0) + 1
    return counts


def _known_change(now: Any, entry: Entry) -> bool:
    """Changes made by classes that replay them themselves (optimizers, schedulers)."""
    return type(entry.owner).__module__.startswith(__name__.rpartition(".")[0])
