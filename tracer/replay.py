"""A trace: one recorded run as an executable, with what to read before and set after.

`building.py` makes one of a finished session; `Trace.run` replays it. The recording run
itself ends with the same `commit`, so first and later calls cannot differ.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Container, Iterator, Sequence
from itertools import chain, starmap
from typing import Any

import numpy as np

from ..ir.graph import Graph, Node, Value
from ..ir.ops import OPS
from ..ir.passes.pack import Place
from ..ir.passes.strip import strip_history
from ..ir.source import here
from ..ir.types import TensorType
from . import trees
from .bindings import (
    Binding,
    HandleRef,
    HyperValue,
    Leaf,
    New,
    SlotRef,
    Source,
    signature_of,
)
from .engine import GradSlot
from .evaluate import SET_BUFFER, Lost, observe, state_lost
from .packing import Packing, packed
from .recording import next_seq, settle_foreign
from .restoring import consume
from .session import Session
from .shared import is_entangled
from .state import ANOMALIES, HANDLES, LOCK
from .storage import Storage, root
from .structures import Set
from .tensor import REPOINTED, Tensor
from .views import Link

_CALL = OPS["call"]
_HANDLE_SLOTS = ("_storage", "_view", "_type", "_strides")


class Diverged(Exception):
    """A condition that the recording run went by is another in a call: nothing was changed."""


class Views:
    """The chains of views for tensors that a call gives out, made of those that its trace keeps.
    Gradients collect and histories begin in what calls do not share."""

    __slots__ = ("arguments", "made", "new", "trace")

    def __init__(self, trace: Trace, arguments: Sequence[Any]):
        self.trace = trace
        self.arguments = arguments
        self.new: Sequence[Storage] = ()  # the call's, once they are there
        self.made: dict[Link, Link] = {}

    def of(self, link: Link | None, old: Link | None = None, base: Link | None = None) -> Any:
        """The chain above `old`, on top of `base`."""
        if link is old:
            return base
        assert link is not None
        if link in self.made:
            return self.made[link]
        parent, args = self.of(link.parent, old, base), link.args
        if link.kind == "leaf":
            args = (self._slot(link.slot),)
        elif link.kind == "pick" and self.new and args[1] in self.trace.places:
            args = (args[0], self.new[self.trace.places[args[1]]])
        begins = link.kind == "detach" and link not in self.trace.detached
        if args == link.args and parent is link.parent and not begins:
            return link
        made = Link(parent, link.kind, args, link.type, link.strides, link.name, link.born)
        self.made[link] = made
        return made

    def _slot(self, slot: GradSlot) -> GradSlot:
        """Of a leaf that the run made another, of an argument that of what takes its place."""
        ref = self.trace.slots.get(slot)
        if isinstance(ref, int):
            return self.arguments[ref]._grad_slot
        return slot.another() if ref is None else slot


class Trace:
    """One way a function went: bindings, executable, effects. See the module's docstring."""

    def __init__(self, session: Session, arguments: list[Any]):
        self.device = session.device
        self.bindings: list[Binding] = []
        self.writes: list[tuple[int, Source]] = []  # binding, source
        self.new: list[New] = []
        self.grads: list[tuple[SlotRef, int | None]] = []  # slot, new storage
        self.sets: list[Set] = []
        self.marked: list[int] = []  # arguments that `requires_grad_()` makes leaves
        self.points: list[tuple[HandleRef, int, Link | None]] = []
        self.name = session.name
        # What says where views lie that only a tensor's value places: new storages.
        self.places: dict[Storage, int] = {}
        # Those in chains of views that were there before.
        self.slots: dict[GradSlot, SlotRef] = {}
        self.detached: set[Link] = set()
        self.effects = [effect for _, effect in session.effects]
        self.schedulers = list({id(s): s for s, _ in session.effects}.values())
        self.attributes = [
            (owner, name, getattr(owner, name)) for owner, name in session.attributes.values()
        ]
        self.conditions: list[tuple[int, bool]] = []  # output, and its truth
        self.leaves: list[Leaf] = []
        self.spec: Any = None
        self.donate: tuple[int, ...] = ()
        self.graph: Graph | None = None  # differentiable, as recorded
        self.executable: Any = None
        self.packing: Packing | None = None  # of the executable's inputs and results
        self.steps = bool(session.optimizers)  # an optimizer, which uses the gradients up
        self.watched = 0  # calls that anomaly detection ran node by node
        self.recorded_s = 0.0  # what the recording run took, without the compile at its end
        # Which inputs and outputs the gradient of the call reads.
        self.kept_reads: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
        self.has_history = False
        self.freed_history = False
        self.freed_node: Node | None = None
        self.first_arguments: Sequence[Any] = arguments
        # The storages of the recording run by binding: it may have put others in their place.
        self.first_storages: dict[int, Storage] = {}
        self.first_edges: list[Any] = []
        self.line = here(1)

    def _edge(self, b: Binding, arguments: Sequence[Any]) -> Any:
        """The edge that an input's gradient goes to now."""
        if b.kind == "argument":
            a = arguments[b.ref]
            return (a._storage.value if b.whole and signature_of(a._view) else a._value()).edge
        if b.kind in ("storage", "entry"):
            owner = b.ref()
            return owner._value().edge if isinstance(owner, Tensor) else owner.value.edge
        if b.kind == "grad":
            owner = self.slot(b.ref, arguments).grad
            return owner._storage.value.edge if owner._slot is None else (owner._slot, 0)
        return None

    @property
    def is_special(self) -> bool:
        """Whether a call does what only `run` does."""
        more = self.sets or self.points or self.attributes or self.marked or self.places
        more = more or self.conditions or self.schedulers
        return bool(more) or (self.has_history and not self.freed_history)

    @property
    def calls(self) -> int:
        """How often it ran."""
        return self.executable.calls + self.watched

    def place(self, output: int) -> Place:
        """Where the executable has an output of the graph."""
        if self.packing is not None:
            return self.packing.outputs[output]
        return Place(output, None, self.type_of(output).shape)

    def place_of_input(self, number: int) -> Place:
        """Where the executable has an input of the graph."""
        assert self.graph is not None
        if self.packing is not None:
            return self.packing.inputs[number]
        return Place(number, None, self.graph.input_types[number].shape)

    def type_of(self, output: int) -> TensorType:
        """The type of an output of the graph."""
        assert self.graph is not None
        return self.graph.outputs[output].type

    def compile(self) -> None:
        from ..runtime import executable

        assert self.graph is not None
        graph, self.packing = packed(self, strip_history(self.graph).optimize())
        donate = self.donate if self.packing is None else self.packing.donate
        self.executable = executable.compile_graph(graph, self.device, donate)

    def summary(self) -> str:
        """What was recorded, in a line."""
        assert self.graph is not None
        counts = (
            (len(self.graph), "nodes"),
            (len(self.graph.inputs), "inputs"),
            (len(self.writes), "writes"),
            (len(self.donate), "donated"),
        )
        return f"recorded in {self.recorded_s:.2f} s: " + ", ".join(f"{n} {w}" for n, w in counts)

    def step_schedulers(self) -> dict[int, Any]:
        """Step all schedulers; hyper-parameters by input, as they were in between."""
        early: dict[int, Any] = {}
        hypers = [(b.ref.after, i) for i, b in enumerate(self.bindings) if b.kind == "hyper"]
        done = 0
        for after, i in sorted(hypers):
            for effect in self.effects[done:after]:
                effect()
            done = max(done, after)
            early[i] = self.bindings[i].ref.value()
        for effect in self.effects[done:]:
            effect()
        return early

    def gather(self, arguments: Sequence[Any], early: dict[int, Any]) -> list[Value]:
        """The values of all inputs, read where they are bound now."""
        values: list[Value] = []
        for i, b in enumerate(self.bindings):
            kind = b.kind
            if kind == "argument":
                t = arguments[b.ref]
                if b.whole or t._view is None:
                    values.append(root(t._storage.value))
                else:
                    observe(t)  # a view enters as its value
                    values.append(root(t._value()))
            elif kind == "storage" or kind == "entry":
                owner = b.ref()
                storage = owner._storage if isinstance(owner, Tensor) else owner
                values.append(root(storage.value))
            elif kind == "grad":
                values.append(root(self.slot(b.ref, arguments).grad._storage.value))
            elif kind == "hyper":
                values.append(early[i] if early else b.ref.value())
            else:
                values.append(HyperValue(b.ref))  # type: ignore[arg-type]
        return values

    def run(self, arguments: Sequence[Any]) -> Any:
        """Replay: read, execute, write back all or nothing, rebuild the result.

        All that is to be written is made ready before the executable runs; see `consume`.
        Raises: Diverged.
        """
        before = [scheduler.snapshot() for scheduler in self.schedulers]
        results: list[Any] = []
        ran = False
        try:
            with LOCK:
                inputs = self.gather(arguments, self.step_schedulers() if before else {})
                views = Views(self, arguments)
                old = [self._old(leaf, arguments, views) for leaf in self.leaves]
                change, new = self.changes(results, inputs, arguments, views=views)
                try:
                    self.execute(inputs, arguments, results)
                    if self.conditions:
                        self._check(results)
                    ran = True
                finally:
                    if ran or (results and not self.conditions):
                        consume(change)
                self._finish(inputs, arguments)
        except BaseException:
            if not ran and (not results or self.conditions):
                for restore in before:
                    restore()
            raise
        return trees.unflatten(self.spec, self._result(new, old, arguments, views))

    def _check(self, results: list[Any]) -> None:
        """Raises: Diverged."""
        for number, truth in self.conditions:
            if bool(np.asarray(results[number])) is not truth:
                raise Diverged

    def execute(self, inputs: list[Value], arguments: Sequence[Any], results: list[Any]) -> None:
        """Run the executable on the inputs' buffers, donating what nobody else holds."""
        from ..runtime import buffer

        device = self.device
        pieces = frozenset() if self.packing is None else self.packing.pieces
        args = [ready(v, None if i in pieces else device) for i, v in enumerate(inputs)]
        if ANOMALIES.watch_compiled is not None:
            from .anomaly import run_watched

            assert self.graph is not None
            self.watched += 1
            results += run_watched(ANOMALIES.watch_compiled, self.graph, args, device)
            return
        for i in self.donate:
            if i in pieces:
                continue  # copied
            # A value's references: the list here, its storage, and getrefcount's own; an
            # array's: its value, `args`, and getrefcount's own.
            if sys.getrefcount(inputs[i]) > _VALUE_REFS:
                # What was read through views of the old value is useless from here on.
                self.storage(i, arguments).cache = None
            if sys.getrefcount(inputs[i]) > _VALUE_REFS or sys.getrefcount(args[i]) > _ARRAY_REFS:
                args[i] = buffer.to_jax(buffer.to_numpy(args[i]), device)
        try:
            if self.packing is None:
                self.executable.into(args, results)
            else:
                self.packing.into(self.executable, args, results, device)
        except BaseException as error:
            if not results:
                lost = Lost(f"a call of {self.name}", error)
                for i in self.donate:
                    if args[i] is inputs[i].buffer and is_deleted(args[i]):
                        inputs[i].buffer = lost  # reading it says so
            raise

    def changes(
        self,
        results: list[Any],
        inputs: list[Value],
        arguments: Sequence[Any] = (),
        first: dict[int, Storage] | None = None,
        skipped: Container[int] = (),
        views: Views | None = None,
    ) -> tuple[Iterator[Any], list[Storage]]:
        """What a run changes, to be consumed once `results` are there, and the new storages:
        results written to the storages, the new ones made, and set what the run set.

        `first` has the recording run's own new storages: they receive the results. Storages
        whose ids are in `skipped` stay as they are.
        """
        assert self.graph is not None
        views = views or Views(self, arguments)
        values = [Value(t) for t in self.graph.output_types]
        if first is None:
            for i in self.marked:
                arguments[i].requires_grad_()
        copies: list[tuple[Value, int]] = []  # values that get the buffer of an output
        if self.has_history:
            if first is not None or self.freed_history:
                edges = self.first_edges
            else:
                edges = [self._edge(b, arguments) for b in self.bindings]
            copies = self._link(values, inputs, edges)
        targets: list[Any] = []
        names: list[str] = []
        to: list[Any] = []

        def later(target: Any, **attributes: Any) -> None:
            for name, value in attributes.items():
                targets.append(target)
                names.append(name)
                to.append(value)

        new: list[Storage] = []
        for i, made in enumerate(self.new):
            value = _with_history(values, made.source, copies)
            if first is not None:
                storage = first[i]
                later(storage, cache=None, value=value, owner=None)
            else:
                storage = self.make(made, value)
            new.append(storage)
        views.new = new
        for binding, source in self.writes:
            storage = self.storage(binding, arguments or self.first_arguments)
            if id(storage) in skipped:
                continue
            value = _with_history(values, source, copies)
            if source.history == -1:
                value.edge = storage.value.edge
            if storage.cache is not None:
                later(storage, writes=storage.writes + 1)  # for views, of which there are some
            later(storage, cache=None, value=value)
        items: list[tuple[Any, Any, Any]] = []
        assigned: list[tuple[Any, str, Any]] = []  # last: this may run code of the user's
        if first is None:
            for slot, number in self.grads:
                owner = self.slot(slot, arguments)
                if owner is not None:
                    later(owner, grad=None if number is None else handle(new[number], None))
            for entry, spec, leaves in self.sets:
                value = trees.unflatten(spec, self._leaves(leaves, new, views))
                place = entry.place()
                if place is not None:
                    items.append((place, entry.name, value))
                else:
                    assigned.append((entry.owner, entry.attribute, value))
            for reference, number, link in self.points:
                t = arguments[reference] if isinstance(reference, int) else reference()
                if t is not None:
                    if link is not None and link.kind == "leaf" and t._slot is not None:
                        link = Link(link.parent, "leaf", (t._slot,), link.type, link.strides)
                    link = self.placed(link, new)
                    items += [(count, 0, count[0] + 1) for count in (REPOINTED, HANDLES)]
                    other = handle(new[number], link)
                    later(t, **{name: getattr(other, name) for name in _HANDLE_SLOTS})
            # What else the run set: they are not data.
            assigned += self.attributes
        kept, numbers = [v for v, _ in copies], [i for _, i in copies]
        return chain(
            map(SET_BUFFER, values, results),
            map(SET_BUFFER, kept, map(results.__getitem__, numbers)),
            map(setattr, targets, names, to),
            starmap(operator.setitem, items),
            starmap(setattr, assigned),
        ), new

    def make(self, made: New, value: Value) -> Storage:
        """A storage that a call makes: no session's, whatever runs when it is made."""
        storage = Storage(value, self.device, made.strides)
        storage.owner = None
        storage.inference, storage.writes = made.inference, made.writes
        return storage

    def _leaves(
        self, leaves: list[tuple[int | None, Any]], new: list[Storage], views: Views
    ) -> list[Any]:
        """The leaves of a structure that the run made."""
        out: list[Any] = []
        for number, what in leaves:
            if number is None:
                out.append(what)
            elif number < 0:
                out.append(out[what])
            else:
                out.append(handle(new[number], views.of(what)))
        return out

    def _finish(self, inputs: list[Value], arguments: Sequence[Any]) -> None:
        """What remains once a run has changed what it changes."""
        for binding, _ in self.writes:
            old = inputs[binding]
            if sys.getrefcount(old) > 3 and is_deleted(old.buffer):
                # Another thread read it meanwhile: it sees the write, as it might have.
                old.buffer = self.storage(binding, arguments or self.first_arguments).value.buffer
        for made in self.sets:
            made.entry.refresh()

    def storage(self, binding: int, arguments: Sequence[Any]) -> Storage:
        if binding in self.first_storages:
            return self.first_storages[binding]
        b = self.bindings[binding]
        if b.kind == "argument":
            return arguments[b.ref]._storage
        if b.kind == "grad":
            return self.slot(b.ref, arguments).grad._storage
        owner = b.ref()
        return owner._storage if isinstance(owner, Tensor) else owner

    def is_entangled(self, arguments: Sequence[Any]) -> bool:
        """Whether storages that it reads and writes are apart only because NumPy joins them."""
        kinds = ("argument", "storage", "entry", "grad")
        bound = [i for i, b in enumerate(self.bindings) if b.kind in kinds]
        return is_entangled(
            [self.storage(i, arguments) for i in bound],
            [self.storage(i, arguments) for i, _ in self.writes],
        )

    @staticmethod
    def slot(ref: SlotRef, arguments: Sequence[Any]) -> Any:
        return arguments[ref]._grad_slot if isinstance(ref, int) else ref()

    def _link(
        self, values: list[Value], inputs: list[Value], edges: list[Any]
    ) -> list[tuple[Value, int]]:
        """Put one `call` node behind the results, so that a backward pass outside reaches
        the inputs through the gradient of the whole graph. Returns the values that keep a
        result for that, with which one it is."""
        graph = self.graph
        assert graph is not None
        if self.freed_history:
            # A backward pass inside used it up: one node that refuses another serves all calls.
            if self.freed_node is None:
                operands = tuple(
                    Value(t, edge=e) for t, e in zip(graph.input_types, edges, strict=True)
                )
                self.freed_node = Node(_CALL, operands, (graph,), self.line)
                self.freed_node.freed = True
            for i, v in enumerate(values):
                v.edge = (self.freed_node, i)
            return []
        operands = []
        for i, (v, edge) in enumerate(zip(inputs, edges, strict=True)):
            edge = edge if graph.requires_grad[i] else None
            operands.append(Value(graph.inputs[i].type, edge=edge, buffer=v.buffer))
        node = Node(_CALL, tuple(operands), (graph,), self.line, None, None, next_seq())
        ins, outs = self.kept_reads
        node.operands = tuple(
            Value(o.type, edge=o.edge, source=root(inputs[i]) if i in ins else None)
            if isinstance(inputs[i], Value)
            else Value(o.type, buffer=o.buffer if i in ins else None)
            for i, o in enumerate(operands)
        )
        node.outputs = tuple(Value(v.type, index=i) for i, v in enumerate(values))
        for i, v in enumerate(values):
            v.edge = (node, i)
        return [(node.outputs[i], i) for i in outs]

    def placed(self, link: Link | None, new: list[Storage]) -> Link | None:
        """A chain of views with those where this call's tensors place them."""
        if link is None or not self.places:
            return link
        parent, args = self.placed(link.parent, new), link.args
        if link.kind == "pick" and args[1] in self.places:
            args = (args[0], new[self.places[args[1]]])
        elif parent is link.parent:
            return link
        return Link(parent, link.kind, args, link.type, link.strides, link.name, link.born)

    def _old(self, leaf: Leaf, arguments: Sequence[Any], views: Views) -> Tensor | None:
        """A tensor of the result that is there before anything is written back."""
        if leaf.kind == "owner":
            b = self.bindings[leaf.index]
            return self.slot(b.ref, arguments).grad if b.kind == "grad" else b.ref()
        if leaf.kind == "handle":
            return leaf.index()
        if leaf.kind == "bound":
            known = None if leaf.ref is None else leaf.ref()
            if known is not None:
                return known
            return handle(self.storage(leaf.index, arguments), views.of(leaf.link))
        return None

    def _result(
        self,
        new: list[Storage],
        old: list[Tensor | None],
        arguments: Sequence[Any],
        views: Views,
    ) -> list[Any]:
        out: list[Any] = []
        for leaf, known in zip(self.leaves, old, strict=True):
            if leaf.kind == "new":
                out.append(handle(new[leaf.index], views.of(leaf.link)))
            elif leaf.kind == "grad":
                slot = self.slot(leaf.index, arguments)
                out.append(handle(new[leaf.ref], None) if slot is None else slot.grad)
            elif leaf.kind == "again":
                out.append(out[leaf.index])
            elif leaf.kind == "static":
                out.append(leaf.index)
            elif leaf.kind == "argument":
                out.append(arguments[leaf.index])
            elif leaf.kind in ("view", "below"):
                a = arguments[leaf.index]
                base = a._view if leaf.kind == "view" else a._view.parent
                out.append(handle(a._storage, views.of(leaf.link, leaf.ref, base)))
            elif leaf.kind == "bound" and self.places and known is not None:
                link = self.placed(known._view, new)
                out.append(known if link is known._view else handle(known._storage, link))
            else:
                out.append(known)
        return out


def _with_history(values: list[Value], source: Source, copies: list[tuple[Value, int]]) -> Value:
    """The value of a source with its own history alone."""
    data = values[source.output]
    if source.history == source.output:
        return data
    edge = None if source.history in (None, -1) else values[source.history].edge
    value = Value(data.type, edge=edge)
    copies.append((value, source.output))
    return value


def ready(value: Any, device: Any) -> Any:
    """The array of a value, on a device, or where it is. Raises: StateLostError."""
    data = value.buffer
    if data is None:
        # Another thread left it pending, or a recording run that an error ended.
        settle_foreign(value)
        data = value.buffer
    if isinstance(data, np.ndarray):
        if device is None:
            return data
        from ..runtime import buffer

        data = value.buffer = buffer.to_jax(data, device)
    elif data is None or data.__class__ is Lost:
        raise state_lost(data)
    return data


def is_deleted(buffer: Any) -> bool:
    """Whether XLA consumed an array."""
    return hasattr(buffer, "is_deleted") and buffer.is_deleted()


def handle(storage: Storage, link: Link | None) -> Tensor:
    """A tensor that shows a storage through a chain of views."""
    t = object.__new__(Tensor)
    t._point(storage, link, storage.value.type if link is None else link.type)
    return t


def _calibrate() -> tuple[int, int]:
    """How many references a value and its array have when only their storage holds them.

    Measured once in the same circumstances as `execute`, because interpreters count
    temporaries differently.
    """

    class Holder:
        def __init__(self) -> None:
            self.buffer = object()

    holder = [Holder()]
    storage = holder[0]
    inputs, args = [storage], [storage.buffer]
    del storage
    i = 0
    return sys.getrefcount(inputs[i]), sys.getrefcount(args[i])


_VALUE_REFS, _ARRAY_REFS = _calibrate()
