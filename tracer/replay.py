"""A trace: one recorded run as an executable, with what to read before and set after.

`Trace.build` turns a finished session into one; `Trace.run` replays it. The recording run
itself ends with the same `commit`, so first and later calls cannot differ. Imported by
`compile.py`.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.errors import StateLostError
from ..ir.grad import reads, topological
from ..ir.graph import Graph, Node, Value
from ..ir.ops import OPS
from ..ir.passes.strip import strip_history
from ..ir.source import here
from . import trees
from .autograd import GradSlot
from .entries import is_constant
from .evaluate import LOST, SYMBOLIC, Part, holders, needed, observe, settle
from .history import differentiable_graph
from .hyper import read as read_hyper
from .naming import distinct
from .recording import next_seq
from .session import Capture, Hyper, Session
from .state import LOCK
from .storage import Storage, root
from .tensor import Tensor
from .views import Link, leaf_slot, own_slots, rebase

_CALL = OPS["call"]


class Binding(NamedTuple):
    """Where an input is read at each call.

    `kind`: "argument" (`ref` its number), "storage" (a weak reference to a handle or, for
    storages without a lasting handle, to the storage), "entry" (the `read` of an attribute
    or variable that the run assigns another tensor to), "grad" (the slot), "hyper" (a
    `_HyperInput`), "constant" (the buffer). An argument enters as what it shows, or as its
    `whole` storage where that is written.
    """

    kind: str
    ref: Any
    name: str
    whole: bool = False


class Source(NamedTuple):
    """Where a storage's new value comes from: output number, and which output's history it
    has (None: none; -1: that of the value it replaces)."""

    output: int
    history: int | None


class New(NamedTuple):
    """A storage that each call makes."""

    source: Source
    strides: Any


class Leaf(NamedTuple):
    """An entry of the result.

    `kind`: "new" (on the new storage `index`, seen through `link`), "bound" (likewise on the
    storage of a binding; `ref` is the handle of the recording run, returned again if it
    still lives), "again" (the same object as entry `index`), "owner" (the tensor that a
    binding finds, itself), "view" (what `link` shows of argument `index`, whose own view was
    `ref`), "argument" (argument `index` itself), "static" (`index` is no tensor).
    """

    kind: str
    index: Any
    link: Link | None = None
    ref: Any = None


# A handle: the number of the argument that it is, or a weak reference.
HandleRef = int | weakref.ref[Tensor]
# A gradient slot: the number of the argument it belongs to, or a weak reference.
SlotRef = int | weakref.ref[GradSlot]


class NotReplayable(Exception):
    """Why a finished run cannot become a trace."""


class Trace:
    """One way a function went: bindings, executable, effects. See the module's docstring."""

    def __init__(self, session: Session, arguments: list[Any]):
        self.device = session.device
        self.bindings: list[Binding] = []
        self.writes: list[tuple[int, Source]] = []  # binding, source
        self.new: list[New] = []
        self.grads: list[tuple[SlotRef, int | None]] = []  # slot, new storage
        self.sets: list[tuple[Any, int, Link | None]] = []  # entry, new storage, link
        self.points: list[tuple[HandleRef, int, Link | None]] = []
        self.effects = list(session.effects)
        self.effects_first = session.effects_before_hypers > 0
        self.leaves: list[Leaf] = []
        self.spec: Any = None
        self.donate: tuple[int, ...] = ()
        self.graph: Graph | None = None  # differentiable, as recorded
        self.executable: Any = None
        self.calls = 0
        # Which inputs and outputs the gradient of the call reads.
        self.kept_reads: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
        self.freed_history = False
        self.freed_node: Node | None = None
        self.first_arguments: Sequence[Any] = arguments
        # The storages of the recording run by binding: it may have put others in their place.
        self.first_storages: dict[int, Storage] = {}
        self.first_edges: list[Any] = []
        self.place = here(1)

    # Building

    @classmethod
    def build(cls, session: Session, arguments: list[Any], result: Any) -> Trace:
        """The trace of a run that has just ended, run for the first time.

        `arguments` are the flattened arguments. Raises: NotReplayable.
        """
        trace = cls(session, arguments)
        recorder = session.recorder
        outputs, _ = needed(recorder, ())
        plan = Part(recorder.nodes, outputs, holders(recorder))
        trace._bind(session, arguments, plan)
        storages = trace._account(session, arguments, result, plan)
        trace._place_outputs(session, plan, storages)
        trace._make_graph(session, plan)
        trace._compile()
        results = trace._execute(plan.inputs, arguments)
        for v, buffer in zip(plan.outputs, results, strict=True):
            if v.buffer is None:
                v.buffer = buffer  # another thread may be about to read it
        trace._commit(results, plan.inputs, first=storages)
        trace.first_arguments = ()
        trace.first_storages.clear()
        # All of them, those nobody needed too: a view read in the run is still in a cache.
        settle(recorder.nodes, {})
        recorder.nodes, recorder.live = [], []
        return trace

    def _bind(self, session: Session, arguments: list[Any], plan: Part) -> None:
        """Say of each input where it comes from. Written storages are bound even if the
        graph does not read them: they must be there to be written."""
        by_value: dict[int, tuple[str, Any]] = {}
        for i, h in enumerate(session.hypers):
            by_value[id(h.value)] = ("hyper", i)
        for c in session.captures.values():
            by_value.setdefault(id(c.value), ("capture", c))
        self.argument_of: dict[int, int] = {}
        self.slots = argument_slots(arguments)
        for i, a in enumerate(arguments):
            if isinstance(a, Tensor):
                self.argument_of.setdefault(id(a._storage), i)
        names = session.argument_names
        primed = {id(v): i for i, v in session.primed_arguments.items()}
        self.bound: dict[int, int] = {}  # storage id -> binding
        for v in plan.inputs:
            kind, what = by_value.get(id(v), ("", None))
            if kind == "hyper":
                h = session.hypers[what]
                self.bindings.append(Binding("hyper", _HyperInput(h), h.key))
            elif kind == "capture":
                self.bound[id(what.storage)] = len(self.bindings)
                self.first_storages[len(self.bindings)] = what.storage
                self.bindings.append(self._binding(session, what))
            elif id(v) in primed:
                self.bindings.append(Binding("argument", primed[id(v)], names[primed[id(v)]]))
            elif v.buffer is not None and v.edge is None and v.buffer is not SYMBOLIC:
                self.bindings.append(Binding("constant", v.buffer, "constant"))
            else:
                raise NotReplayable("it reads history that was recorded outside")
        for storage in session.written.values():
            if id(storage) not in self.bound:
                if id(storage) not in session.captures:
                    raise NotReplayable("it writes to a tensor that only history holds")
                self._bind_storage(session, storage, plan)

    def _bind_storage(self, session: Session, storage: Storage, plan: Part) -> int:
        """The binding of a captured storage, made if the graph does not read it."""
        if id(storage) not in self.bound:
            c = session.captures[id(storage)]
            self.bound[id(storage)] = len(self.bindings)
            self.first_storages[len(self.bindings)] = storage
            self.bindings.append(self._binding(session, c))
            plan.inputs.append(c.value)
        return self.bound[id(storage)]

    def _bind_unread(self, session: Session, data: Value, plan: Part) -> None:
        """Bind a value that is an output and that no node reads, such as a plain copy."""
        for i, value in session.primed_arguments.items():
            if value is data:
                self.bindings.append(Binding("argument", i, session.argument_names[i]))
                plan.inputs.append(data)
                return
        for c in session.captures.values():
            if c.value is data:
                self._bind_storage(session, c.storage, plan)
                return
        if data.buffer is None:
            raise NotReplayable("a tensor it makes has no value")
        self.bindings.append(Binding("constant", data.buffer, "constant"))
        plan.inputs.append(data)

    def _binding(self, session: Session, capture: Capture) -> Binding:
        storage = capture.storage
        argument = self.argument_of.get(id(storage))
        if argument is not None:
            # Read as a whole if it is written, or if more than the argument's view is read.
            whole = id(storage) in session.written or bool(_signature(session.arguments[argument]))
            return Binding("argument", argument, session.argument_names[argument], whole)
        slot = session.grad_storages.get(id(storage))
        if slot is not None:
            return Binding("grad", self._slot_ref(slot), "grad")
        handle = capture.handle()
        name = session.name_of(storage)
        entry = session.assigned().get(id(storage))
        if entry is not None:
            return Binding("entry", entry.read, name)
        if handle is not None and (handle._view is None or handle._view.kind == "leaf"):
            return Binding("storage", capture.handle, name)
        return Binding("storage", weakref.ref(storage), name)

    def _slot_ref(self, slot: GradSlot) -> SlotRef:
        """An argument's gradient slot is that of whatever takes its place."""
        number = self.slots.get(id(slot))
        return weakref.ref(slot) if number is None else number

    def _account(
        self, session: Session, arguments: list[Any], result: Any, plan: Part
    ) -> dict[int, Storage]:
        """Find a place for every new storage that outlives the run.

        Returns them by their number. Raises: NotReplayable.
        """
        found: dict[int, int] = {}
        storages: dict[int, Storage] = {}

        def number(storage: Storage) -> int:
            if id(storage) not in found:
                found[id(storage)] = len(storages)
                storages[len(storages)] = storage
            return found[id(storage)]

        leaves, self.spec = trees.flatten(result)
        objects = {id(a): i for i, a in enumerate(arguments)}
        places: dict[int, int] = {}
        for i, leaf in enumerate(leaves):
            if not isinstance(leaf, Tensor):
                if not is_constant(leaf) and not session.knew(leaf):
                    raise NotReplayable(f"it returns a {type(leaf).__name__} made in the call")
                self.leaves.append(Leaf("static", leaf))
            elif places.setdefault(id(leaf), i) != i:
                self.leaves.append(Leaf("again", places[id(leaf)]))
            elif id(leaf) in objects:
                self.leaves.append(Leaf("argument", objects[id(leaf)]))
            elif leaf._storage.owner is session:
                self.leaves.append(Leaf("new", number(leaf._storage), leaf._view))
            else:
                self.leaves.append(self._old_leaf(session, arguments, leaf, plan))
        for slot in session.grad_writes.values():
            grad = slot.grad
            if grad is None:
                self.grads.append((self._slot_ref(slot), None))
            elif grad._storage.owner is session and grad._view is None:
                self.grads.append((self._slot_ref(slot), number(grad._storage)))
            else:
                raise NotReplayable("it sets .grad to a tensor made elsewhere")
        for entry, tensor in session.attribute_effects():
            if tensor._storage.owner is not session:
                raise NotReplayable(f"it sets {entry.label} to a tensor made elsewhere")
            self.sets.append((entry, number(tensor._storage), tensor._view))
        made = [e.link for e in self.leaves if e.kind == "new"] + [link for *_, link in self.sets]
        slots = [id(slot) for link in made if (slot := leaf_slot(link)) is not None]
        if len(set(slots)) < len(slots) or not session.grad_writes.keys().isdisjoint(slots):
            raise NotReplayable("a leaf made in the call has a gradient or several views")
        if session.reasons:
            raise NotReplayable("")
        for t, storage, link, _ in session.handles.values():
            if t._storage is storage and t._view is link:
                continue
            # The session's reference, this variable's and the call's: it died with the run,
            # as `x.detach().requires_grad_()` does.
            if sys.getrefcount(t) <= 3:
                continue
            if t._storage is storage:
                raise NotReplayable("it changes requires_grad of a tensor made outside")
            if t._storage.owner is not session:
                raise NotReplayable("it points a tensor at another one made elsewhere")
            self.points.append((objects.get(id(t), weakref.ref(t)), number(t._storage), t._view))
        del leaves, result
        for attempt in range(2):
            stray = [
                s
                for r in session.recorder.live
                if (s := r()) is not None and s.owner is session and id(s) not in found
            ]
            if not stray:
                return storages
            stray = []
            if attempt == 0:
                gc.collect()
        raise NotReplayable("a tensor made in the call outlives it where a replay could not put it")

    def _old_leaf(self, session: Session, arguments: list[Any], leaf: Tensor, plan: Part) -> Leaf:
        """How to return a tensor whose storage was there before the run."""
        for i, a in enumerate(arguments):
            if isinstance(a, Tensor) and a._storage is leaf._storage:
                link = leaf._view
                while link is not None and link is not a._view:
                    link = link.parent
                if link is a._view:
                    return Leaf("view", i, leaf._view, a._view)
        session.capture(leaf)
        number = self._bind_storage(session, leaf._storage, plan)
        if self.bindings[number].kind in ("entry", "grad"):
            entry = session.assigned().get(id(leaf._storage))
            owners = [grad for _, grad in session.grad_reads.values()]
            owners += [] if entry is None else [entry.value]
            if any(leaf is owner for owner in owners):
                return Leaf("owner", number)
            return Leaf("bound", number, leaf._view)
        return Leaf("bound", number, leaf._view, weakref.ref(leaf))

    def _place_outputs(self, session: Session, plan: Part, storages: dict[int, Storage]) -> None:
        """Give each storage written or made its output, with history where it has one."""
        numbers = {v: i for i, v in enumerate(plan.outputs)}

        def source(storage: Storage) -> Source:
            value = storage.value
            data = root(value)
            if data not in numbers:
                if data not in plan.inputs:
                    self._bind_unread(session, data, plan)
                numbers[data] = len(plan.outputs)
                plan.outputs.append(data)
            if value.edge is None:
                return Source(numbers[data], None)
            target, index = value.edge
            if not isinstance(target, Node) or not target.outputs:
                return Source(numbers[data], -1)
            history = target.outputs[index]
            if history not in numbers:
                numbers[history] = len(plan.outputs)
                plan.outputs.append(history)
            behind = topological([value.edge])
            if any(n.freed for n in behind):
                self.freed_history = True
            elif any(n.op.saved is not None for n in behind):
                raise NotReplayable("the gradient of what it returns is an autograd.Function's")
            elif any(n.hooks for n in behind):
                raise NotReplayable("a hook is to see a gradient that comes after the call")
            return Source(numbers[data], numbers[history])

        for storage in session.written.values():
            self.writes.append((self.bound[id(storage)], source(storage)))
        for i in range(len(storages)):
            made = source(storages[i])
            if made.history == -1:
                raise NotReplayable("it returns a tensor whose history was recorded outside")
            self.new.append(New(made, storages[i].strides))

    def _make_graph(self, session: Session, plan: Part) -> None:
        leaves: dict[Any, Value] = {}
        for v, b in zip(plan.inputs, self.bindings, strict=True):
            edge = self._first_edge(session, b)
            self.first_edges.append(edge)
            if edge is not None:
                leaves[edge] = v
        self.graph = differentiable_graph(
            *(plan, leaves),
            name=session.name,
            input_names=distinct([b.name for b in self.bindings]),
            output_names=distinct(self._output_names(session, len(plan.outputs))),
        )
        self.has_history = any(
            s.history is not None and s.history >= 0
            for s in [w[1] for w in self.writes] + [n.source for n in self.new]
        )
        if self.has_history and not self.freed_history:
            operands = tuple(Value(t) for t in self.graph.input_types)
            edges = zip(self.first_edges, self.graph.requires_grad, strict=True)
            needs = tuple(flag and edge is not None for edge, flag in edges)
            self.kept_reads = reads(Node(_CALL, operands, (self.graph,)), needs)
        # What a gradient reads later stays; nothing else needs the old value of what is written.
        kept = self.kept_reads[0]
        self.donate = tuple(
            i
            for i in dict.fromkeys(w[0] for w in self.writes)
            if i not in kept and self.bindings[i].kind in ("argument", "storage", "entry", "grad")
        )

    def _output_names(self, session: Session, count: int) -> list[str]:
        """What each output is: a result, a gradient, the new value of something, or a value
        kept for a backward pass outside."""
        names = ["saved"] * count
        for slot, number in self.grads:
            if number is not None:
                target = (self._slot(slot, self.first_arguments), 0)
                owner = next(
                    (
                        b.name
                        for b, e in zip(self.bindings, self.first_edges, strict=True)
                        if e == target
                    ),
                    "leaf",
                )
                names[self.new[number].source.output] = f"{owner}.grad"
        for entry, number, _ in self.sets:
            names[self.new[number].source.output] = entry.label
        for binding, source in self.writes:
            names[source.output] = f"{self.bindings[binding].name}.new"
        results = [leaf for leaf in self.leaves if leaf.kind == "new"]
        for i, leaf in enumerate(results):
            names[self.new[leaf.index].source.output] = "out" if len(results) == 1 else f"out{i}"
        return names

    def _first_edge(self, session: Session, b: Binding) -> Any:
        """The edge that an input's gradient went to when the run began."""
        if b.kind == "argument":
            a = session.arguments[b.ref]
            if b.whole and _signature(a):
                return session.captures[id(a._storage)].held.edge
            return session.argument_edges[b.ref]
        if b.kind == "entry":
            storage = next(i for i, n in self.bound.items() if self.bindings[n] is b)
            return session.captures[storage].held.edge
        if b.kind != "storage":
            return None
        owner = b.ref()
        if isinstance(owner, Tensor) and owner._slot is not None:
            return (owner._slot, 0)
        storage = owner._storage if isinstance(owner, Tensor) else owner
        return session.captures[id(storage)].held.edge

    def _edge(self, b: Binding, arguments: Sequence[Any]) -> Any:
        """The edge that an input's gradient goes to now."""
        if b.kind == "argument":
            a = arguments[b.ref]
            return (a._storage.value if b.whole and _signature(a) else a._value()).edge
        if b.kind in ("storage", "entry"):
            owner = b.ref()
            return owner._value().edge if isinstance(owner, Tensor) else owner.value.edge
        return None

    def _compile(self) -> None:
        from ..runtime import executable

        assert self.graph is not None
        self.executable = executable.compile_graph(
            strip_history(self.graph).optimize(), self.device, self.donate
        )

    # Running

    def gather(self, arguments: Sequence[Any]) -> list[Value]:
        """The values of all inputs, read where they are bound now."""
        values: list[Value] = []
        for b in self.bindings:
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
                values.append(root(self._slot(b.ref, arguments).grad._storage.value))
            elif kind == "hyper":
                values.append(b.ref.value())
            else:
                values.append(_HyperValue(b.ref))  # type: ignore[arg-type]
        return values

    def run(self, arguments: Sequence[Any]) -> Any:
        """Replay: read, execute, write back all or nothing, rebuild the result."""
        if self.effects_first:
            for effect in self.effects:
                effect()
        with LOCK:
            inputs = self.gather(arguments)
            results = self._execute(inputs, arguments)
            old = [self._old(leaf, arguments) for leaf in self.leaves]
            new = self._commit(results, inputs, arguments=arguments)
        if not self.effects_first:
            for effect in self.effects:
                effect()
        return trees.unflatten(self.spec, self._result(new, old, arguments))

    def _execute(self, inputs: list[Value], arguments: Sequence[Any]) -> list[Any]:
        """Run the executable on the inputs' buffers, donating what nobody else holds."""
        from ..runtime import buffer

        self.calls += 1
        args: list[Any] = []
        device = self.device
        for v in inputs:
            data = v.buffer
            if isinstance(data, np.ndarray):
                data = buffer.to_jax(data, device)
                v.buffer = data
            elif data is None:
                raise StateLostError(LOST)
            args.append(data)
        v = data = None
        for i in self.donate:
            # A value's references: the list here, its storage, and getrefcount's own; an
            # array's: its value, `args`, and getrefcount's own.
            if sys.getrefcount(inputs[i]) > _VALUE_REFS:
                # What was read through views of the old value is useless from here on.
                self._storage(i, arguments).cache = None
            if sys.getrefcount(inputs[i]) > _VALUE_REFS or sys.getrefcount(args[i]) > _ARRAY_REFS:
                args[i] = buffer.to_jax(buffer.to_numpy(args[i]), device)
        try:
            return list(self.executable(args))
        except BaseException:
            for i in self.donate:
                if args[i] is inputs[i].buffer and args[i].is_deleted():
                    inputs[i].buffer = None  # reading it says that it was lost
            raise

    def _commit(
        self,
        results: list[Any],
        inputs: list[Value],
        arguments: Sequence[Any] = (),
        first: dict[int, Storage] | None = None,
    ) -> list[Storage]:
        """Write results to the storages, make the new ones, and set what the run set.

        `first` has the recording run's own new storages: they receive the results.
        """
        assert self.graph is not None
        values = [Value(t, buffer=r) for t, r in zip(self.graph.output_types, results, strict=True)]
        if self.has_history:
            if first is not None or self.freed_history:
                edges = self.first_edges
            else:
                edges = [self._edge(b, arguments) for b in self.bindings]
            self._link(values, inputs, edges)
        new: list[Storage] = []
        for i, made in enumerate(self.new):
            value = _with_history(values, made.source)
            if first is not None:
                storage = first[i]
                storage.value = value
                storage.cache = None
                storage.owner = None
            else:
                storage = Storage(value, self.device, made.strides)
            new.append(storage)
        for binding, source in self.writes:
            storage = self._storage(binding, arguments or self.first_arguments)
            value = _with_history(values, source)
            if source.history == -1:
                value.edge = storage.value.edge
            storage.value = value
            storage.cache = None
            old = inputs[binding]
            if sys.getrefcount(old) > 3 and old.buffer.is_deleted():
                # Another thread read it meanwhile: it sees the write, as it might have.
                old.buffer = value.buffer
        if first is None:
            for slot, number in self.grads:
                owner = self._slot(slot, arguments)
                if owner is not None:
                    owner.grad = None if number is None else _handle(new[number], None)
            for entry, number, link in self.sets:
                entry.set(_handle(new[number], own_slots(link)))
            for reference, number, link in self.points:
                t = arguments[reference] if isinstance(reference, int) else reference()
                if t is not None:
                    if link is not None and link.kind == "leaf" and t._slot is not None:
                        link = Link(link.parent, "leaf", (t._slot,), link.type, link.strides)
                    t._point(new[number], link, link.type if link else new[number].value.type)
        for entry, _, _ in self.sets:
            entry.refresh()
        return new

    def _storage(self, binding: int, arguments: Sequence[Any]) -> Storage:
        if binding in self.first_storages:
            return self.first_storages[binding]
        b = self.bindings[binding]
        if b.kind == "argument":
            return arguments[b.ref]._storage
        if b.kind == "grad":
            return self._slot(b.ref, arguments).grad._storage
        owner = b.ref()
        return owner._storage if isinstance(owner, Tensor) else owner

    @staticmethod
    def _slot(ref: SlotRef, arguments: Sequence[Any]) -> Any:
        return arguments[ref]._slot if isinstance(ref, int) else ref()

    def _link(self, values: list[Value], inputs: list[Value], edges: list[Any]) -> None:
        """Put one `call` node behind the results, so that a backward pass outside reaches
        the inputs through the gradient of the whole graph."""
        graph = self.graph
        assert graph is not None
        if self.freed_history:
            # A backward pass inside used it up: one node that refuses another serves all calls.
            if self.freed_node is None:
                operands = tuple(
                    Value(t, edge=e) for t, e in zip(graph.input_types, edges, strict=True)
                )
                self.freed_node = Node(_CALL, operands, (graph,), self.place)
                self.freed_node.freed = True
            for i, v in enumerate(values):
                v.edge = (self.freed_node, i)
            return
        operands = []
        for i, (v, edge) in enumerate(zip(inputs, edges, strict=True)):
            edge = edge if graph.requires_grad[i] else None
            operands.append(Value(graph.inputs[i].type, edge=edge, buffer=v.buffer))
        node = Node(_CALL, tuple(operands), (graph,), self.place, None, None, next_seq())
        ins, outs = self.kept_reads
        node.operands = tuple(
            Value(o.type, edge=o.edge, source=root(inputs[i]) if i in ins else None)
            if isinstance(inputs[i], Value)
            else Value(o.type, buffer=o.buffer if i in ins else None)
            for i, o in enumerate(operands)
        )
        node.outputs = tuple(
            Value(v.type, index=i, buffer=v.buffer if i in outs else None)
            for i, v in enumerate(values)
        )
        for i, v in enumerate(values):
            v.edge = (node, i)

    def _old(self, leaf: Leaf, arguments: Sequence[Any]) -> Tensor | None:
        """A tensor of the result that is there before anything is written back."""
        if leaf.kind == "owner":
            b = self.bindings[leaf.index]
            return self._slot(b.ref, arguments).grad if b.kind == "grad" else b.ref()
        if leaf.kind == "bound":
            known = None if leaf.ref is None else leaf.ref()
            if known is not None:
                return known
            return _handle(self._storage(leaf.index, arguments), leaf.link)
        return None

    def _result(
        self, new: list[Storage], old: list[Tensor | None], arguments: Sequence[Any]
    ) -> list[Any]:
        out: list[Any] = []
        for leaf, known in zip(self.leaves, old, strict=True):
            if leaf.kind == "new":
                out.append(_handle(new[leaf.index], own_slots(leaf.link)))
            elif leaf.kind == "again":
                out.append(out[leaf.index])
            elif leaf.kind == "static":
                out.append(leaf.index)
            elif leaf.kind == "argument":
                out.append(arguments[leaf.index])
            elif leaf.kind == "view":
                a = arguments[leaf.index]
                out.append(_handle(a._storage, rebase(leaf.link, leaf.ref, a._view)))
            else:
                out.append(known)
        return out


class _HyperValue:
    """An input that no storage holds."""

    __slots__ = ("buffer", "source")

    def __init__(self, buffer: Any):
        self.buffer = buffer
        self.source = None


class _HyperInput:
    """A hyper-parameter as an input. Its array is made again only when the number changed."""

    __slots__ = ("group", "holder", "index", "key", "number")

    def __init__(self, hyper: Hyper):
        self.group, self.key, self.index = hyper.group, hyper.key, hyper.index
        self.number: Any = None
        self.holder: Any = None

    def value(self) -> Any:
        number = read_hyper(self.group, self.key, self.index)
        if self.holder is None or number is not self.number:
            self.number = number
            self.holder = _HyperValue(np.asarray(number, np.float64))
        return self.holder


def _with_history(values: list[Value], source: Source) -> Value:
    """The value of a source with its own history alone."""
    data = values[source.output]
    if source.history == source.output:
        return data
    edge = None if source.history in (None, -1) else values[source.history].edge
    return Value(data.type, edge=edge, buffer=data.buffer)


def _signature(t: Tensor) -> tuple:
    return () if t._view is None else t._view.signature()


def argument_slots(arguments: Sequence[Any]) -> dict[int, int]:
    """Which argument each gradient slot belongs to."""
    slots: dict[int, int] = {}
    for i, a in enumerate(arguments):
        if isinstance(a, Tensor) and a._slot is not None:
            slots.setdefault(id(a._slot), i)
    return slots


def _handle(storage: Storage, link: Link | None) -> Tensor:
    t = object.__new__(Tensor)
    t._point(storage, link, storage.value.type if link is None else link.type)
    return t


def _calibrate() -> tuple[int, int]:
    """How many references a value and its array have when only their storage holds them.

    Measured once in the same circumstances as `_execute`, because interpreters count
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
