"""Regions: functions recorded as graphs of their own in the middle of a recording run.

A branch or a loop's body is called once with its operations going to a recorder of its own.
What it reads from outside becomes an input of its graph, what it writes to outside a result;
whoever records the op that holds the graph passes the one and writes the other back.
Imported by the API of control flow alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.errors import DataDependentError
from ..ir.graph import Graph, Node, Operand, Value
from ..ir.ops.table import Op
from ..ir.passes.dce import eliminate_dead_code
from ..ir.types import TensorType
from . import trees
from .autograd import GradSlot
from .evaluate import SYMBOLIC, Part
from .history import Unmarked, differentiable_graph
from .reasons import Why
from .recording import Recorder, user_error
from .state import STATE
from .storage import Storage, alias, outside_calls, root
from .tensor import Tensor

# An outside value as a region sees it: its data, and where its gradient flows to.
Key = tuple[Value, Any]


class Unrecordable(Exception):
    """Why a function cannot become a graph; it can still run as Python."""


class End(Unmarked, GradSlot):
    """The end of history at the edge of a region: `backward()` inside must not reach it."""


class RegionRecorder(Recorder):
    """A recorder to which the values of all others are inputs."""

    session: Any

    def emit(self, op: Op, operands: tuple[Operand, ...], attrs: tuple = ()) -> Any:
        lift = self.session.lift
        return super().emit(
            op, tuple([lift(o) if o.__class__ is Value else o for o in operands]), attrs
        )

    def evaluate(self) -> None:
        raise user_error(DataDependentError(_NO_VALUE))


_BACKWARD = "it sets the .grad of a tensor outside (use autograd.grad inside)"
_NO_VALUE = "a tensor's value is needed here, inside a function that is recorded for any values"


class _Nobody:
    """In the place of a session outside of recording runs, where `vmap` records branches."""

    start = 0  # see `Region.start`

    def __getattr__(self, name: str) -> Any:
        raise Unrecordable("it has an effect outside")

    def capture(self, t: Tensor) -> None:
        pass

    def needs_value(self, t: Tensor) -> None:
        pass

    def decides(self, condition: Tensor) -> bool:
        return bool(condition)

    def touch_attribute(self, owner: Any, name: str, label: str) -> None:
        raise Unrecordable(f"it changes {label}")

    def note_outside_write(self, storage: Storage) -> None:
        pass

    def unfaithful(self, why: Why, *details: Any) -> None:
        pass

    def touch_module(self, module: Any) -> None:
        pass


_NOBODY = _Nobody()


class Region:
    """Stands in for the session while one function is recorded.

    `inputs` has the outside values it read, each with its stand-in; `written` the storages
    from outside that it wrote to; `outputs` the values of the tensors it returned.
    """

    start = 0  # history from around ends at `End`, so no node is from before

    def __init__(self, outer: Any, device: Any):
        self.outer = _NOBODY if outer is None else outer
        self.device = device
        self.token = object()
        self.recorder = RegionRecorder(device, session=self)  # type: ignore[arg-type]
        self.inputs: dict[Key, Value] = {}
        self.sources: dict[Key, Value] = {}  # what the inputs stand for
        self.own: set[Value] = set()  # inputs that are not read from outside
        self.touched: dict[int, tuple[Storage, Value, Any]] = {}
        self.written: dict[int, Storage] = {}
        self.families: list[tuple[Any, Any]] = []  # detached views outside, and their history there
        self.results: list[Any] = []
        self.structure: Any = None
        self.outputs: list[Value] = []
        self.after: dict[int, Value] = {}  # what the written storages held in the end

    def run(
        self, fn: Callable[..., Any], args: Sequence[Any], primed: dict[int, tuple[Storage, Value]]
    ) -> Region:
        """Record `fn(*args)`. `primed` storages hold these values meanwhile.

        Raises: Unrecordable, DataDependentError.
        """
        saved = (STATE.session, STATE.recorder, STATE.scope)
        STATE.session, STATE.recorder = self, self.recorder  # type: ignore[assignment]
        STATE.scope = outside_calls(STATE.scope)
        try:
            for storage, value in primed.values():
                self._touch(storage)
                storage.value, storage.cache = value, None
            result = fn(*args)
            self.results, self.structure = trees.flatten(result)
            del result
            self.outputs = [self.lift(t._value()) for t in self.results if isinstance(t, Tensor)]
            ends = {*self.recorder.nodes, *(v.edge[0] for v in self.own if v.edge is not None)}
            for key, storage in self.written.items():
                before = self.touched[key][1]
                if storage.value.type is not before.type:
                    raise Unrecordable("it changes the type of a tensor outside")
                value = self.after[key] = self.lift(storage.value)
                if value.edge is not None and value.edge[0] not in ends:
                    raise Unrecordable("it writes to a tensor under no_grad that has history")
            if any(n.hooks for n in self.recorder.nodes):
                raise Unrecordable("a hook is to see a gradient inside it")
        finally:
            STATE.session, STATE.recorder, STATE.scope = saved
            for storage, value, cache in self.touched.values():
                storage.value, storage.cache = value, cache
            while self.families:
                link, edge = self.families.pop()
                link.edge = edge
        return self

    def take(self, type: TensorType, flows: bool) -> Value:
        """A new input that is not read from outside; `flows` says that it has history."""
        value = Value(type, edge=(End(), 0) if flows else None, buffer=SYMBOLIC)
        self.own.add(value)
        return value

    def lift(self, o: Value) -> Value:
        """What stands for `o` in this region: itself if it was made here."""
        source = root(o)
        node = source.node
        if source in self.own or (node is not None and node.owner is self.recorder):
            return o
        key = (source, o.edge)
        found = self.inputs.get(key)
        if found is None:
            edge = o.edge
            if edge is not None and isinstance(edge[0], Node):
                edge = (End(), 0)  # a pass inside goes no further than this
            found = self.inputs[key] = Value(o.type, edge=edge, buffer=SYMBOLIC)
            self.sources[key] = o
            self.own.add(found)
        return found

    def value_of(self, key: Key) -> Value:
        """The stand-in for an outside value, unread if it was not there already."""
        return self.inputs.get(key) or Value(key[0].type)

    def graph(
        self, name: str, inputs: Sequence[Value], outputs: Sequence[Value], names: Sequence[str]
    ) -> Graph:
        """What was recorded, from these inputs to these outputs."""
        part: Any = Part(self.recorder.nodes, [root(v) for v in outputs], outputs)
        part.inputs = list(inputs)
        leaves = {v.edge: v for v in inputs if v.edge is not None}
        graph = differentiable_graph(part, leaves, outputs, name=name, input_names=names)
        return eliminate_dead_code(graph)

    def close(self) -> None:
        """A tensor that the function put somewhere says that it has no data."""
        for node in self.recorder.nodes:
            for v in node.outputs:
                v.node, v.buffer = None, SYMBOLIC
        self.recorder.nodes, self.recorder.live = [], []

    def _touch(self, storage: Storage) -> None:
        if id(storage) not in self.touched:
            cache = None if storage.cache is None else dict(storage.cache)
            self.touched[id(storage)] = (storage, storage.value, cache)

    # What the tracer calls through `STATE.session`; see Session

    def capture(self, t: Tensor) -> None:
        storage = t._storage
        if id(storage) in self.touched:
            return
        if storage.owner is not self.outer:
            self.outer.capture(t)
        self._touch(storage)
        for reference in storage.families:
            link = reference()
            if link is not None and link.edge is not None:
                self.families.append((link, link.edge))
                link.edge = self.lift(alias(storage.value, link.edge)).edge
        edge = storage.value.edge
        if edge is not None and isinstance(edge[0], Node):
            # Seen with the edge that it has in here, so that a pass inside may end at it.
            storage.value, storage.cache = self.lift(storage.value), None

    def note_write(self, storage: Storage, value: Value) -> None:
        if id(storage) not in self.touched:
            raise Unrecordable("it writes to a tensor that only history holds")
        self.written[id(storage)] = storage

    def note_outside_write(self, storage: Storage) -> None:
        self.outer.note_outside_write(storage)

    def note_family(self, storage: Storage, link: Any) -> None:
        if storage.owner is not self:
            raise Unrecordable("it gives a detached tensor outside history of its own")

    def edge_before(self, t: Any) -> None:
        """History from around ends at the region: there is no other edge."""

    def note_handle(self, t: Tensor) -> None:
        if t._storage.owner is not self:
            raise Unrecordable("it changes what a tensor outside is (.data, requires_grad)")

    def note_grad_read(self, slot: Any, owner: Tensor | None) -> None:
        if isinstance(slot, End):
            raise Unrecordable(_BACKWARD)
        if slot.made_in is not self.token:
            self.outer.note_grad_read(slot, owner)

    def note_grad_write(self, slot: Any, owner: Tensor | None) -> None:
        if slot.made_in is not self.token:
            raise Unrecordable(_BACKWARD)

    def needs_value(self, t: Tensor) -> None:
        node = root(t._value()).node
        if node is not None and node.owner is self.recorder:
            raise user_error(DataDependentError(_NO_VALUE))
        self.outer.needs_value(t)

    def decides(self, condition: Tensor) -> bool:
        return bool(condition)

    def constant(self, t: Tensor) -> None:
        """No value is looked at: what a body makes may be another number at each turn."""

    def settle_on(self, device: Any) -> bool:
        if device is not self.device:
            raise Unrecordable(f"it uses {device} beside {self.device}")
        return True

    def host_effect(self, scheduler: Any, effect: Callable[[], None]) -> None:
        raise Unrecordable("it steps a scheduler")

    def unfaithful(self, why: Why, *details: Any) -> None:
        self.outer.unfaithful(why, *details)

    def hyper(self, group: dict, key: str, index: int | None) -> Tensor:
        return self.outer.hyper(group, key, index)

    def guard_zero(self, group: dict, key: str, index: int | None, zero: bool) -> None:
        self.outer.guard_zero(group, key, index, zero)

    def outside(self, make: Callable[[], Tensor]) -> Tensor:
        return self.outer.outside(make)

    def touch_module(self, module: Any) -> None:
        self.outer.touch_module(module)

    def touch_optimizer(self, optimizer: Any) -> None:
        self.outer.touch_optimizer(optimizer)
