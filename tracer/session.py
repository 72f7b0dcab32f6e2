"""A recording run: an ordinary run of a function, watched closely enough to be replayed.

Imported by `compile.py` and `tracing.py`. The tracer's other files only call the hooks
here (`capture`, `note_*`, `needs_value`, ...), through `STATE.session`.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..ir.graph import Value
from ..ir.source import RawLocation, here, resolve
from ..ir.types import TensorType, float64
from . import naming, trees
from .devices import Device
from .entries import CACHES, SCALARS, Entry, by_contents, exact, is_constant
from .modes import changed, modes
from .reasons import Reason, Why, reason
from .recording import Recorder, evaluate_all, next_seq, settle_foreign
from .restoring import Restoring, restored
from .shared import is_seen
from .state import LOCK, STATE
from .storage import Storage, root
from .structures import Structure, is_structure
from .tensor import Tensor
from .views import NUMBERS, Link
from .watch import Watch

T = TypeVar("T")


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
        self.hooks_added: list[Any] = []  # handles of hooks of modules and optimizers
        self.families: list[weakref.ref[Link]] = []  # detached views that got history
        self.seen: set[Value] = set()  # their values
        self.written: dict[int, Storage] = {}
        self.latest: dict[int, Value] = {}  # what the run wrote to them last
        self.caches: dict[int, dict] = {}  # what views showed before the run, by id of storage
        self.primed: dict[int, Value] = {}  # link id -> value of an argument that is a view
        self.reasons: list[Reason] = []
        self.hypers: list[Hyper] = []
        self.hyper_values: dict[tuple[Any, ...], Value] = {}
        self.zeros: list[tuple[dict, str, int | None, bool]] = []
        self.modules: dict[int, Any] = {}
        self.optimizers: dict[int, Any] = {}
        self.conditions: list[tuple[Value, bool]] = []  # what `is_true` was told
        self.token = object()
        self.first_link = next(NUMBERS)  # those of the run have higher numbers
        # Gradient slots: what `.grad` was when first read, its state, and which were assigned.
        self.grad_reads: dict[int, tuple[Any, Tensor | None, GradState]] = {}
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
        self.statics: list[tuple[Any, Any]] = []
        self.returned: set[int] = set()  # containers in the result
        self.given: list[tuple[Any, tuple]] = []  # containers among the arguments, as they were
        self.tags: dict[int, tuple[weakref.ref[Tensor], dict]] = {}
        self.modes = modes()
        self.argument_edges: list[Any] = []
        self.primed_arguments: dict[int, Value] = {}
        self.names: dict[int, str] | None = None

    def begin(
        self, name: str, arguments: list[Any], names: list[str], given: Any = None, fn: Any = None
    ) -> None:
        """Say what is about to run: the function's name, its flattened arguments and their
        names, the arguments as given, and the function."""
        self.name = name.strip("<>")
        self.arguments = arguments
        self.argument_names = names
        self.argument_edges = [
            a._value().edge if isinstance(a, Tensor) else None for a in arguments
        ]
        self.given = trees.containers(given)
        for a in arguments:
            if isinstance(a, Tensor):
                self._tag(a)
        self.watch.given = {id(c) for c, _ in self.given if not isinstance(c, (list, dict))}
        for a, label in zip(arguments, names, strict=True):
            self.watch.look(a, label)
        for container, _ in self.given:
            if not isinstance(container, (list, dict)):
                self.watch.look(container, type(container).__name__)
        self.statics = [
            (a, by_contents(a)) for a in arguments if not isinstance(a, (Tensor, *SCALARS))
        ]
        if fn is not None:
            self.watch.look(fn, name)

    def name_of(self, storage: Storage) -> str:
        """A name for a captured storage, as the user's code has it."""
        if self.names is None:
            self.names = naming.storage_names(self)
        return naming.name_in(self.names, storage)

    def watched(self, fn: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
        """Run a function in this session, watched."""
        with Running(self):
            sys.setprofile(self.watch.event)
            return fn(*args, **kwargs)

    # Hooks that the tracer calls while the run goes on

    def capture(self, t: Tensor) -> None:
        """Note that an outside tensor is read or written."""
        storage = t._storage
        if id(storage) in self.captures:
            return
        self._tag(t)
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
            storage, root(value), weakref.ref(t), value, _slot_below(t._view)
        )

    def _tag(self, t: Tensor) -> None:
        """Remember what the user has put on a tensor."""
        if id(t) not in self.tags:
            self.tags[id(t)] = (weakref.ref(t), tags(t))

    def storage_before(self, t: Tensor) -> Storage:
        """The storage that a tensor was on when the run began."""
        known = self.handles.get(id(t))
        return t._storage if known is None else known[1]

    def edge_before(self, t: Any) -> Any:
        """Where the gradient of a view from outside flowed before the run, if nothing has been
        written to it since."""
        if not isinstance(t, Tensor) or id(t._storage) in self.written:
            return None
        seen = self.caches.get(id(t._storage), {}).get(id(t._view))
        value = None if seen is None else seen.value
        return None if value is None else value.edge

    def show_as_before(self, t: Tensor) -> Value | None:
        """Have a view from outside show what it showed before the run, with the history that it
        had; the run cannot be replayed any more. Returns what it showed in the run so far."""
        self.capture(t)
        storage, link = t._storage, t._view
        seen = self.caches.get(id(storage), {}).get(id(link))
        if link is None or seen is None or seen.value is None or id(storage) in self.written:
            return None
        read = storage.cached(link)
        storage.remember(link, seen.value)
        return read

    def restore_views(self) -> None:
        """The run is over: views of what it did not write show what they showed before."""
        for capture in self.captures.values():
            storage = capture.storage
            seen = {} if id(storage) in self.written else self.caches.get(id(storage), {})
            storage.cache = {k: v for k, v in seen.items() if v.values} or None

    def note_write(self, storage: Storage, value: Value) -> None:
        self.written[id(storage)] = storage
        self.latest[id(storage)] = value

    def is_overwritten(self, storage: Storage) -> bool:
        """Whether another thread wrote to a storage after the run did."""
        if type(storage) is not Storage:
            return False  # what NumPy may write to has no value of its own
        return storage.value is not self.latest.get(id(storage), storage.value)

    def sees(self, storage: Storage) -> bool:
        """Whether the run may look at a storage through NumPy before it ends."""
        return storage.export.session is self or is_seen(storage, self.watch.arrays)

    def flush(self) -> None:
        """The run is over and no trace: what it wrote to memory that NumPy shares goes there."""
        for storage in self.written.values():
            storage.flush()

    def note_family(self, storage: Storage, link: Link) -> None:
        """A detached view has got history of its own."""
        self.families.append(weakref.ref(link))

    def note_outside_write(self, storage: Storage) -> None:
        """NumPy wrote to a tensor's memory."""
        if id(storage) in self.captures:
            self.unfaithful(Why.NUMPY_WRITES)

    def note_handle(self, t: Tensor) -> None:
        """A handle is about to be pointed elsewhere (`.data =`, `requires_grad_`)."""
        if t._storage.owner is not self and id(t) not in self.handles:
            self.handles[id(t)] = (t, t._storage, t._view, t._type)

    def note_grad_read(self, slot: Any, owner: Tensor | None) -> None:
        if id(slot) in self.grad_writes or id(slot) in self.grad_reads:
            return
        if slot.made_in is self.token:
            return  # each call makes its own
        self.grad_reads[id(slot)] = (slot, slot.grad, state_of_grad(slot.grad))
        if slot.grad is not None:
            self.grad_storages[id(slot.grad._storage)] = slot

    def note_grad_write(self, slot: Any, owner: Tensor | None) -> None:
        self.grad_before.setdefault(id(slot), (slot, slot.grad))
        self.grad_writes.setdefault(id(slot), slot)

    def needs_value(self, t: Tensor) -> None:
        """Python needs a tensor's value in the middle of the run."""
        self.unfaithful(Why.VALUE)

    def decides(self, condition: Tensor) -> bool:
        """The truth of a 0-d tensor in this run. Each replay looks whether it is the same before
        it changes anything."""
        from ..runtime.buffer import to_numpy
        from .evaluate import evaluate_beside

        value = root(condition._value())
        self.watch.paused += 1
        try:
            if value.buffer is None:
                with LOCK:
                    evaluate_beside(self.recorder, value)
        finally:
            self.watch.paused -= 1
        truth = bool(to_numpy(value.buffer))
        self.conditions.append((value, truth))
        return truth

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
                self.unfaithful(Why.DEVICES, f"{device} beside {self.device}")
                return False
            self.device = self.recorder.device = device
        return True

    def unfaithful(self, why: Why, *details: Any) -> None:
        """Note a reason why the run cannot be replayed, with the user's line."""
        self._note(reason(why, resolve(STATE.loc or here(3)), *details))

    def _blame(self, why: Why, place: RawLocation | None, *details: Any) -> None:
        if not self.watch.paused:
            self._note(reason(why, resolve(place), *details))

    def _note(self, new: Reason) -> None:
        if not any(r.reason == new.reason for r in self.reasons):
            self.reasons.append(new)

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
        self.outside(effect)

    def touch_attribute(self, owner: Any, name: str, label: str) -> None:
        """One of our own objects has Python state that is read here, and may be set."""
        self.watch.note(owner, name, label)
        self.attributes[id(owner), name] = (owner, name)

    def outside(self, make: Callable[[], T]) -> T:
        """Make something outside the run, as if before it began."""
        before = STATE.session, STATE.recorder, STATE.scope
        STATE.session, STATE.recorder, STATE.scope = None, self.outer, None
        self.watch.paused += 1
        try:
            made = make()
            evaluate_all()
            return made
        finally:
            STATE.session, STATE.recorder, STATE.scope = before
            self.watch.paused -= 1

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
        """Entries that held another tensor when the run began, by that one's storage; where it
        was in a structure, the item of that."""
        out: dict[int, Any] = {}
        for entry in self.watch.entries.values():
            value = entry.value
            if isinstance(value, Tensor):
                if entry.read() is not value:
                    out[id(value._storage)] = entry
            elif is_structure(value) and entry.read() is not value and not entry.holds():
                for item in Structure(entry, value).items:
                    out[id(item.value._storage)] = item
        return out

    def _is_made(self, entry: Entry, now: Any) -> bool:
        """Whether the call made what an entry holds now: a structure of tensors. One that
        grows or counts would be another at each call."""
        before = entry.value
        if now is before or not is_structure(now) or self.knew(now):
            return False
        if not all(isinstance(t, Tensor) or is_constant(t) for t in trees.flatten(now)[0]):
            return False
        if not is_structure(before) or not trees.flatten(before)[0]:
            return True
        return Structure(entry, before).holds()

    def _made(self) -> list[Any]:
        """The structures of tensors that the call put in the place of others."""
        found = []
        for entry in self.watch.entries.values():
            owner = self.watch.objects.get(id(entry.owner))
            if (owner is None or owner.lasting) and not entry.holds():
                now = entry.read()
                if self._is_made(entry, now):
                    found.append(now)
        return found

    def attribute_effects(self) -> list[tuple[Entry, Any]]:
        """Entries that hold another object than at the start: tensors or structures of them, to
        be set again.

        Any other change is noted as a reason.
        """
        out = []
        for entry in self.watch.entries.values():
            if entry.holds():
                continue
            if isinstance(entry.value, CACHES):
                entry.refresh()  # it computed something for the first time
                continue
            now = entry.read()
            followed = self.watch.objects.get(id(entry.owner))
            if id(entry.owner) in self.returned:
                continue  # a dataclass that the call made
            if followed is not None and not followed.lasting:
                # Made in the call, or come by in a way that nobody saw.
                self._blame(Why.CHANGES, self.watch.line_changing(entry), entry.label)
                continue
            if isinstance(now, Tensor) or self._is_made(entry, now):
                out.append((entry, now))
            elif not _known_change(now, entry):
                self._blame(Why.CHANGES, self.watch.line_changing(entry), entry.label)
        return out

    def _changed_arguments(self) -> None:
        """Containers given as arguments, and tensors, that hold something else than before."""
        changed = [c for c, before in self.given if not _same_items(trees.contents(c), before)]
        changed += [a for a, before in self.statics if by_contents(a) != before]
        for value in changed:
            kind = type(value).__name__
            self._blame(Why.ARGUMENT, self.watch.line_storing(), f"a {kind} among its arguments")
        for ref, before in self.tags.values():
            t = ref()
            if t is not None and (now := tags(t)) != before:
                name = min(k for k in {*now, *before} if now.get(k) != before.get(k))
                place = self.watch.line_changing_name(name)
                self._blame(Why.CHANGES, place, f"{name} of a tensor")

    def knew(self, value: Any) -> bool:
        """Whether an object was there before the run, as far as the watch knows."""
        followed = self.watch.objects.get(id(value))
        return (
            (followed is not None and (followed.lasting or id(value) in self.watch.functions))
            or any(value is argument for argument in self.arguments)
            or any(value is entry.value for entry in self.watch.entries.values())
        )

    def outer_mutations(self, result: Any) -> None:
        """Containers that were changed by a method and outlive the call are a reason, unless
        only the result holds them; so are generators that drew numbers."""
        self.watch.blame_silent(bool(self.effects))
        self.modules.update(self.watch.modules)
        now = modes()
        if now != self.modes:
            name, *_ = changed(now, self.modes)
            setter = "set_default_dtype" if "dtype" in name else "set_grad_enabled"
            self._blame(Why.MODE, self.watch.line_naming(setter), name)
        mutated, self.watch.mutated = self.watch.mutated, []
        held: dict[int, tuple[Any, RawLocation]] = {}
        for container, place in mutated:
            held.setdefault(id(container), (container, place))
        mutated.clear()
        container = place = None
        returned = _references(result)
        if id(result) in returned:
            returned[id(result)] += 2  # the variables of the caller and of this function
        made = self._made()
        for value in made:
            for key, count in _references(value).items():
                # The attribute's and our list's.
                returned[key] = returned.get(key, 0) + count + 2 * (key == id(value))
        value = None
        for key in list(held):
            container, place = held.pop(key)
            # Two references are ours: the variable and the call's argument.
            if sys.getrefcount(container) > 2 + returned.get(key, 0):
                self._blame(Why.CONTAINER, place)
            container = None
        if not any(r.why is Why.CONTAINER for r in self.reasons):
            self._changed_arguments()
            self.watch.blame_changed_functions()
        self.returned = {id(c) for c in _containers((result, *made))}
        if not self.reasons:
            self._shared((result, *made))

    def _shared(self, results: tuple) -> None:
        """Containers in what is returned and set that are known to somebody, or are there
        twice."""
        known = {id(c) for c, _ in self.given}
        known |= {id(c) for e in self.watch.entries.values() for c in _containers(e.found)}
        seen: set[int] = set()
        for container in _containers(results, repeated=True):
            if id(container) in known or id(container) in seen:
                self._blame(Why.SHARED, self.watch.line_naming("return"), type(container).__name__)
            seen.add(id(container))


# What a run changes of the thread's state. What autocast kept before is no value of the run, nor
# the other way round.
_RUNNING = ("session", "recorder", "scope", "module_depth", "autocast_cache")


class Running(Restoring):
    """The time in which a session records."""

    def __init__(self, session: Session):
        self.session = session

    def __enter__(self) -> None:
        session = self.session
        recorder = session.recorder
        profile = sys.getprofile()
        self.later(chain(restored(STATE, *_RUNNING), map(sys.setprofile, (profile,))))
        STATE.session, STATE.recorder, STATE.scope = session, recorder, None
        STATE.module_depth, STATE.autocast_cache = 0, None


# Of what a gradient slot has: its type, strides, whether it has history, and of a view more.
GradState = tuple | None


def state_of_grad(grad: Tensor | None) -> GradState:
    """What is guarded of a `.grad` that is read."""
    if grad is None:
        return None
    if grad._view is None:
        return grad._type, grad._strides, grad._storage.has_history()
    base = grad._storage.value.type
    return grad._type, grad._strides, grad.requires_grad, base, grad._view.signature()


def tags(t: Tensor) -> dict[str, Any]:
    """What the user has put on a tensor, by name, comparable."""
    return {k: exact(v) for k, v in t.__dict__.items() if k not in _OWN_TAGS}


# What the tracer itself keeps there.
_OWN_TAGS = frozenset(("_frozen", "_retained", "_retains", "_scope_name"))


def _slot_below(link: Any) -> Any:
    """The slot of the leaf that a tensor is a view of, detached or not."""
    while link is not None and link.kind != "leaf":
        link = link.parent
    return None if link is None else link.slot


def _containers(tree: Any, repeated: bool = False) -> list[Any]:
    """The containers in a tree that compare by identity, those met twice as well if asked."""
    out: list[Any] = []
    seen: set[int] = set()
    todo = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, (list, dict, tuple)) or trees.is_container(value):
            again = id(value) in seen
            seen.add(id(value))
            if not isinstance(value, tuple) and (repeated or not again):
                out.append(value)
            if not again or (repeated and isinstance(value, tuple)):
                todo += value if isinstance(value, tuple) else trees.contents(value)
    return out


def _same_items(now: tuple, before: tuple) -> bool:
    return len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True))


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
