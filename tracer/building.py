"""Turns a finished recording run into a trace. Imported by `compile.py`.

`build` says of every input where it is read at the next call, finds a place for every new
storage that outlives the run, and makes the graph; then the trace runs for the first time.
"""

from __future__ import annotations

import gc
import sys
import weakref
from itertools import chain as chain_changes
from typing import Any

from ..ir.grad import reads, topological
from ..ir.graph import Node, Value
from ..ir.ops import OPS
from . import trees
from .autograd import GradSlot
from .bindings import (
    Binding,
    HyperInput,
    Leaf,
    New,
    SlotRef,
    Source,
    argument_slots,
    signature_of,
)
from .entries import is_constant
from .evaluate import SET_BUFFER, SYMBOLIC, Part, holders, needed, settlement
from .history import differentiable_graph
from .naming import distinct
from .reasons import NotReplayable, Why
from .replay import Trace
from .restoring import consume
from .session import Capture, Session
from .shared import is_entangled
from .storage import BARE, Storage, root
from .structures import set_of
from .tensor import Tensor
from .views import Link, chain, leaf_slot, rebase

_CALL = OPS["call"]


def build(session: Session, arguments: list[Any], result: Any) -> Trace:
    """The trace of a run that has just ended, run for the first time.

    `arguments` are the flattened arguments. Raises: NotReplayable.
    """
    recorder = session.recorder
    outputs, _ = needed(recorder, [value for value, _ in session.conditions])
    plan = Part(recorder.nodes, outputs, holders(recorder))
    building = _Building(session, arguments, plan)
    storages = building.fill(result)
    trace = building.trace
    results: list[Any] = []
    # What another thread wrote to after the run did: its write is the last.
    skipped = {i for i, storage in session.written.items() if session.is_overwritten(storage)}
    session.latest.clear()  # it lives on for a while, in a cycle
    change, _ = trace.changes(results, plan.inputs, first=storages, skipped=skipped)
    unread = [i for i, v in enumerate(plan.outputs) if v.buffer is None]
    change = chain_changes(
        # Another thread may be about to read them.
        map(SET_BUFFER, [plan.outputs[i] for i in unread], map(results.__getitem__, unread)),
        change,
        settlement(recorder.nodes, {}, [])[1],
        map(setattr, (recorder,) * 2, ("nodes", "live"), ([], [])),
    )
    ran = False
    try:
        trace.execute(plan.inputs, arguments, results)
        ran = True
    finally:
        if results or ran:
            consume(change)
    trace._finish(plan.inputs, arguments)
    trace.first_arguments = ()
    trace.first_storages.clear()
    # What views showed in the run has history that kept no data.
    session.restore_views()
    return trace


class _Building:
    """A trace that is being filled from the session of its recording run."""

    def __init__(self, session: Session, arguments: list[Any], plan: Part):
        self.session = session
        self.arguments = arguments
        self.plan = plan
        self.trace = Trace(session, arguments)
        self.kept: dict[Any, Link] = {}  # what `rebase` made
        self.argument_of: dict[int, int] = {}  # storage id -> argument
        self.slots = argument_slots(arguments)
        self.bound: dict[int, int] = {}  # storage id -> binding
        self.assigned = session.assigned()
        self.made: list[Storage] = []  # in the call, and outliving it

    def fill(self, result: Any) -> dict[int, Storage]:
        """Make the trace complete. Returns the new storages by their number."""
        self._bind()
        if is_entangled(
            [c.storage for c in self.session.captures.values()],
            list(self.session.written.values()),
        ):
            raise NotReplayable(Why.NUMPY_SHARED)
        storages = self._account(result)
        self.made = list(storages.values())
        self._place_outputs(storages)
        self._make_graph()
        self.trace.compile()
        return storages

    def _bind(self) -> None:
        """Say of each input where it comes from. Written storages are bound even if the
        graph does not read them: they must be there to be written."""
        trace, session = self.trace, self.session
        by_value: dict[int, tuple[str, Any]] = {}
        for i, h in enumerate(session.hypers):
            by_value[id(h.value)] = ("hyper", i)
        for c in session.captures.values():
            by_value.setdefault(id(c.value), ("capture", c))
        for i, a in enumerate(self.arguments):
            if isinstance(a, Tensor):
                self.argument_of.setdefault(id(self._before(a)[0]), i)
        names = session.argument_names
        primed = {id(v): i for i, v in session.primed_arguments.items()}
        for v in self.plan.inputs:
            kind, what = by_value.get(id(v), ("", None))
            if kind == "hyper":
                h = session.hypers[what]
                trace.bindings.append(Binding("hyper", HyperInput(h), h.key))
            elif kind == "capture":
                self.bound[id(what.storage)] = len(trace.bindings)
                trace.first_storages[len(trace.bindings)] = what.storage
                trace.bindings.append(self._binding(what))
            elif id(v) in primed:
                trace.bindings.append(Binding("argument", primed[id(v)], names[primed[id(v)]]))
            elif v.buffer is not None and v.edge is None and v.buffer is not SYMBOLIC:
                trace.bindings.append(Binding("constant", v.buffer, "constant"))
            else:
                raise NotReplayable(Why.HISTORY, "it reads")
        for storage in session.written.values():
            if id(storage) not in self.bound:
                if id(storage) not in session.captures:
                    raise NotReplayable(Why.HISTORY, "it writes to a tensor held by")
                self._bind_storage(storage)

    def _bind_storage(self, storage: Storage) -> int:
        """The binding of a captured storage, made if the graph does not read it."""
        if id(storage) not in self.bound:
            c = self.session.captures[id(storage)]
            self.bound[id(storage)] = len(self.trace.bindings)
            self.trace.first_storages[len(self.trace.bindings)] = storage
            self.trace.bindings.append(self._binding(c))
            self.plan.inputs.append(c.value)
        return self.bound[id(storage)]

    def _bind_unread(self, data: Value) -> None:
        """Bind a value that is an output and that no node reads, such as a plain copy."""
        for i, value in self.session.primed_arguments.items():
            if value is data:
                self.trace.bindings.append(Binding("argument", i, self.session.argument_names[i]))
                self.plan.inputs.append(data)
                return
        for c in self.session.captures.values():
            if c.value is data:
                self._bind_storage(c.storage)
                return
        if data.buffer is None:
            raise NotReplayable(Why.ESCAPES)
        self.trace.bindings.append(Binding("constant", data.buffer, "constant"))
        self.plan.inputs.append(data)

    def _binding(self, capture: Capture) -> Binding:
        storage = capture.storage
        argument = self.argument_of.get(id(storage))
        if argument is not None:
            # Read as a whole if it is written, or if more than the argument's view is read.
            view = self._before(self.arguments[argument])[1]
            whole = id(storage) in self.session.written or bool(signature_of(view))
            return Binding("argument", argument, self.session.argument_names[argument], whole)
        slot = self.session.grad_storages.get(id(storage))
        if slot is not None:
            return Binding("grad", self._slot_ref(slot), "grad")
        handle = capture.handle()
        if capture.slot is not None and (handle is None or handle._slot is not capture.slot):
            # First touched through a view, as in `x @ w.t()`: gradients go to the leaf.
            owner = None if capture.slot.owner is None else capture.slot.owner()
            if owner is not None and owner._storage is storage:
                handle = owner
        for t, before, *_ in self.session.handles.values():
            if before is storage and t._storage is not storage and t is not handle:
                raise NotReplayable(Why.ELSEWHERE, "a tensor that it reads by another name")
        name = self.session.name_of(storage)
        entry = self.assigned.get(id(storage))
        if entry is not None:
            return Binding("entry", entry.read, name)
        if handle is not None and (handle._view is None or handle._view.kind == "leaf"):
            return Binding("storage", weakref.ref(handle), name)
        return Binding("storage", weakref.ref(storage), name)

    def _before(self, t: Tensor) -> tuple[Storage, Link | None]:
        """The storage and the view that a tensor was when the run began."""
        _, storage, link, _ = self.session.handles.get(id(t), (t, t._storage, t._view, None))
        return storage, link

    def _slot_ref(self, slot: GradSlot) -> SlotRef:
        """An argument's gradient slot is that of whatever takes its place."""
        number = self.slots.get(id(slot))
        return weakref.ref(slot) if number is None else number

    def _is_made(self, slot: GradSlot) -> bool:
        """Whether it is that of a leaf that the run made."""
        return slot.made_in is not None and slot.made_in is self.session.token

    def _account(self, result: Any) -> dict[int, Storage]:
        """Find a place for every new storage that outlives the run.

        Returns them by their number. Raises: NotReplayable.
        """
        trace, session = self.trace, self.session
        found: dict[int, int] = {}
        storages: dict[int, Storage] = {}

        def number(storage: Storage) -> int:
            if id(storage) not in found:
                found[id(storage)] = len(storages)
                storages[len(storages)] = storage
            return found[id(storage)]

        leaves, trace.spec = trees.flatten(result)
        objects = {id(a): i for i, a in enumerate(self.arguments)}
        grads = {
            id(slot.grad): slot
            for slot in session.grad_writes.values()
            if slot.grad is not None and slot.grad._storage.owner is session
        }
        places: dict[int, int] = {}
        for i, leaf in enumerate(leaves):
            if not isinstance(leaf, Tensor):
                if not is_constant(leaf) and not session.knew(leaf):
                    raise NotReplayable(Why.RETURNS, f"a {type(leaf).__name__}")
                trace.leaves.append(Leaf("static", leaf))
            elif places.setdefault(id(leaf), i) != i:
                trace.leaves.append(Leaf("again", places[id(leaf)]))
            elif id(leaf) in objects:
                trace.leaves.append(Leaf("argument", objects[id(leaf)]))
            elif id(leaf) in grads:
                slot = self._slot_ref(grads[id(leaf)])
                trace.leaves.append(Leaf("grad", slot, None, number(leaf._storage)))
            elif id(leaf) in session.handles and session.knew(leaf):
                trace.leaves.append(Leaf("handle", weakref.ref(leaf)))
            elif leaf._storage.owner is session:
                trace.leaves.append(Leaf("new", number(leaf._storage), self._kept(leaf)))
            else:
                trace.leaves.append(self._old_leaf(leaf))
        for slot in session.grad_writes.values():
            grad = slot.grad
            if grad is None:
                trace.grads.append((self._slot_ref(slot), None))
            elif grad._storage.owner is session and grad._view is None:
                trace.grads.append((self._slot_ref(slot), number(grad._storage)))
            else:
                raise NotReplayable(Why.ELSEWHERE, ".grad")
        for entry, value in session.attribute_effects():
            made = set_of(entry, value, number, session)
            if made is None:
                raise NotReplayable(Why.ELSEWHERE, entry.label)
            trace.sets.append(made)
        links = [link for made in trace.sets for link in made.links()]
        made = [e.link for e in trace.leaves if e.kind == "new"] + links
        for link in [e.link for e in trace.leaves] + links:
            trace.places |= {index: number(index) for index in self._indices(link)}
            for step in chain(link):
                if step is None:
                    continue
                if step.kind == "leaf" and not self._is_made(step.slot):
                    trace.slots[step.slot] = self._slot_ref(step.slot)
                if step.kind == "detach" and step.number < session.first_link:
                    trace.detached.add(step)
        slots = [leaf_slot(link) for link in made]
        slots += [leaf._grad_slot for leaf in leaves if isinstance(leaf, Tensor)]  # or frozen
        leaves_made = [slot for slot in slots if slot is not None and self._is_made(slot)]
        if any(slot.hooks or slot.post_hooks for slot in leaves_made):
            raise NotReplayable(Why.LATE_HOOK)
        if not session.grad_writes.keys().isdisjoint(map(id, leaves_made)):
            raise NotReplayable(Why.LEAF, "it keeps the gradient of")
        kept = {"_retained", "_retains"}
        if any(isinstance(t, Tensor) and kept.intersection(t.__dict__) for t in leaves):
            raise NotReplayable(Why.RETAINED)
        if any(handle.id in handle.hooks for handle in session.hooks_added):
            raise NotReplayable(Why.HOOK)
        if session.reasons:
            raise NotReplayable()
        for t, storage, link, _ in session.handles.values():
            slot = t._grad_slot
            frozen = slot is not None and slot.frozen and self._is_made(slot)
            if t._storage is storage and t._view is link and not frozen:
                continue
            # The session's reference, this variable's and the call's: it died with the run,
            # as `x.detach().requires_grad_()` does.
            if sys.getrefcount(t) <= 3:
                continue
            number_of = objects.get(id(t))
            became_leaf = t._view is not None and t._view.kind == "leaf" and t._view.parent is link
            if t._storage is storage and number_of is not None and became_leaf:
                trace.marked.append(number_of)
                continue
            if t._storage is storage:
                raise NotReplayable(Why.REQUIRES_GRAD)
            if t._storage.owner is not session:
                raise NotReplayable(Why.ELSEWHERE, "the data of a tensor")
            target = weakref.ref(t) if number_of is None else number_of
            trace.points.append((target, number(t._storage), t._view))
            trace.places |= {index: number(index) for index in self._indices(t._view)}
        if any(r() is not None for r in session.families):
            gc.collect()
        if any((link := r()) is not None and link.edge is not None for r in session.families):
            raise NotReplayable(Why.DETACHED)
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
        raise NotReplayable(Why.ESCAPES)

    def _indices(self, link: Link | None) -> list[Storage]:
        """Tensors of the run that say where views of a chain lie: each call has its own."""
        picks = [step.args[1] for step in chain(link) if step is not None and step.kind == "pick"]
        return [index for index in picks if index.owner is self.session]

    def _old_leaf(self, leaf: Tensor) -> Leaf:
        """How to return a tensor whose storage was there before the run."""
        sharing = [
            (i, a)
            for i, a in enumerate(self.arguments)
            if isinstance(a, Tensor) and a._storage is leaf._storage
        ]
        for link in chain(leaf._view):  # the argument that it is nearest to
            for i, a in sharing:
                kind = "view" if a._view is link else ""
                kind = kind or ("below" if link is self._before(a)[1] else "")  # became a leaf
                if kind:
                    above = self._kept(leaf, link, leaf._storage.writes)
                    return Leaf(kind, i, above, link)
        self.session.capture(leaf)
        number = self._bind_storage(leaf._storage)
        if self.trace.bindings[number].kind in ("entry", "grad"):
            entry = self.assigned.get(id(leaf._storage))
            owners = [grad for _, grad, _ in self.session.grad_reads.values()]
            owners += [] if entry is None else [entry.value]
            if any(leaf is owner for owner in owners):
                return Leaf("owner", number)
            return Leaf("bound", number, self._settled(leaf))
        lasts = self.trace.bindings[number].kind != "argument" and not self._indices(leaf._view)
        view = leaf._view
        lasts = lasts and (view is None or view.number < self.session.first_link)
        return Leaf("bound", number, self._settled(leaf), weakref.ref(leaf) if lasts else None)

    def _kept(
        self, leaf: Tensor, ground: Link | None = None, writes: int | None = None
    ) -> Link | None:
        """The chain of a tensor of the result above `ground`, as the trace keeps it: with what
        other chains share, without what the user does to the tensor."""
        return rebase(leaf._view, ground, ground, writes, self.kept)

    def _settled(self, leaf: Tensor) -> Link | None:
        """The chain of a tensor of the result, for another storage or the same one later."""
        ground: Link | None = None
        bare = True
        for link in reversed(chain(leaf._view)):
            bare = bare and (link is None or link.kind in BARE)
            before = link is not None and link.number < self.session.first_link
            if bare or (before and link.kind == "detach"):  # type: ignore[union-attr]
                ground = link
        return self._kept(leaf, ground, leaf._storage.writes)

    def _place_outputs(self, storages: dict[int, Storage]) -> None:
        """Give each storage written or made its output, with history where it has one."""
        trace, plan = self.trace, self.plan
        self._order_outputs()
        numbers = {v: i for i, v in enumerate(plan.outputs)}

        def source(storage: Storage) -> Source:
            value = storage.value
            data = root(value)
            if data not in numbers:
                if data not in plan.inputs:
                    self._bind_unread(data)
                numbers[data] = len(plan.outputs)
                plan.outputs.append(data)
            if value.edge is None:
                return Source(numbers[data], None)
            target, index = value.edge
            if not isinstance(target, Node) or target.owner is not self.session.recorder:
                return Source(numbers[data], -1)
            history = target.outputs[index]
            if history not in numbers:
                numbers[history] = len(plan.outputs)
                plan.outputs.append(history)
            behind = topological([value.edge])
            if any(n.freed for n in behind):
                trace.freed_history = True
            elif any(n.op.saved is not None for n in behind):
                raise NotReplayable(Why.FUNCTION)
            elif any(n.hooks for n in behind):
                raise NotReplayable(Why.LATE_HOOK)
            return Source(numbers[data], numbers[history])

        for storage in [*self.session.written.values(), *storages.values()]:
            if storage.hooks is not None and storage.hooks.waiting():
                raise NotReplayable(Why.LATE_HOOK)
        for storage in self.session.written.values():
            trace.writes.append((self.bound[id(storage)], source(storage)))
        for value, truth in self.session.conditions:
            if value not in numbers:  # it is always the same
                continue
            trace.conditions.append((numbers[value], truth))
        for i in range(len(storages)):
            made = source(storages[i])
            if made.history == -1:
                raise NotReplayable(Why.HISTORY, "it returns a tensor with")
            s = storages[i]
            trace.new.append(New(made, s.strides, s.inference, s.writes))

    def _order_outputs(self) -> None:
        """New values of what is written in the order of the old ones, and before other outputs of
        their types: XLA's caller gives each output the first donated input of its type, and the
        new value of something else would have to wait until the old one is read, or copy it."""
        written = sorted(self.session.written.values(), key=lambda s: self.bound[id(s)])
        values = [root(storage.value) for storage in written]
        rank = {v: i for i, v in enumerate(dict.fromkeys(values), 1)}
        types = {v.type for v in values}
        others = {v: 0 if v.type not in types else len(rank) + 1 for v in self.plan.outputs}
        self.plan.outputs.sort(key=lambda v: rank.get(v, others[v]))

    def _make_graph(self) -> None:
        plan = self.plan
        trace = self.trace
        leaves: dict[Any, Value] = {}
        for v, b in zip(plan.inputs, trace.bindings, strict=True):
            edge = self._first_edge(b)
            trace.first_edges.append(edge)
            if edge is not None:
                leaves[edge] = v
        trace.graph = differentiable_graph(
            *(plan, leaves),
            name=self.session.name,
            input_names=distinct([b.name for b in trace.bindings]),
            output_names=distinct(self._output_names(len(plan.outputs))),
        )
        trace.has_history = any(
            s.history is not None and s.history >= 0
            for s in [w[1] for w in trace.writes] + [n.source for n in trace.new]
        )
        if trace.has_history and not trace.freed_history:
            self._check_leaves(leaves)
            operands = tuple(Value(t) for t in trace.graph.input_types)
            edges = zip(trace.first_edges, trace.graph.requires_grad, strict=True)
            needs = tuple(flag and edge is not None for edge, flag in edges)
            trace.kept_reads = reads(Node(_CALL, operands, (trace.graph,)), needs)
        # What a gradient reads later stays; nothing else needs the old value of what is written.
        kept = trace.kept_reads[0]
        # Where a condition does not hold, nothing may have been consumed.
        trace.donate = (
            ()
            if trace.conditions
            else tuple(
                i
                for i in dict.fromkeys(w[0] for w in trace.writes)
                if i not in kept
                and trace.bindings[i].kind in ("argument", "storage", "entry", "grad")
            )
        )

    def _check_leaves(self, leaves: dict[Any, Value]) -> None:
        """Raises: NotReplayable if what is returned depends on a leaf that somebody still
        has and that is no input by itself: its gradient would be lost."""
        made = [*self.session.written.values(), *self.made]
        edges = [s.value.edge for s in made if s.value.edge is not None]
        for node in topological(edges):
            if node.owner is not self.session.recorder:
                continue  # from before the run
            for o in node.operands:
                if isinstance(o, Value) and o.edge is not None and o.edge not in leaves:
                    owner = getattr(o.edge[0], "owner", None)
                    if isinstance(owner, weakref.ref) and owner() is not None:
                        raise NotReplayable(
                            Why.LEAF,
                            "what it returns has in its history one of several leaves"
                            " on one storage, or",
                        )

    def _output_names(self, count: int) -> list[str]:
        """What each output is: a result, a gradient, the new value of something, or a value
        kept for a backward pass outside."""
        trace = self.trace
        names = ["saved"] * count
        for slot, number in trace.grads:
            if number is not None:
                target = (trace.slot(slot, trace.first_arguments), 0)
                owner = next(
                    (
                        b.name
                        for b, e in zip(trace.bindings, trace.first_edges, strict=True)
                        if e == target
                    ),
                    "leaf",
                )
                names[trace.new[number].source.output] = f"{owner}.grad"
        for made in trace.sets:
            for number in made.numbers():
                names[trace.new[number].source.output] = made.entry.label
        for binding, source in trace.writes:
            names[source.output] = f"{trace.bindings[binding].name}.new"
        results = [leaf for leaf in trace.leaves if leaf.kind == "new"]
        for i, leaf in enumerate(results):
            names[trace.new[leaf.index].source.output] = "out" if len(results) == 1 else f"out{i}"
        return names

    def _first_edge(self, b: Binding) -> Any:
        """The edge that an input's gradient went to when the run began."""
        if b.kind == "argument":
            a = self.session.arguments[b.ref]
            if b.ref in self.trace.marked:
                return (self.arguments[b.ref]._slot, 0)
            storage, view = self._before(a)
            if b.whole and signature_of(view):
                return self.session.captures[id(storage)].held.edge
            return self.session.argument_edges[b.ref]
        if b.kind == "entry":
            storage = next(i for i, n in self.bound.items() if self.trace.bindings[n] is b)
            return self.session.captures[storage].held.edge
        if b.kind == "grad":
            slot = self.trace.slot(b.ref, self.arguments)
            owner = self.session.grad_reads[id(slot)][1]
        elif b.kind == "storage":
            owner = b.ref()
        else:
            return None
        if isinstance(owner, Tensor) and owner._slot is not None:
            return (owner._slot, 0)
        storage = self._before(owner)[0] if isinstance(owner, Tensor) else owner
        return self.session.captures[id(storage)].held.edge
