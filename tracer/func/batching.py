"""The recorder inside `vmap`: what is recorded for one example is recorded for all.

A value inside has the type of one example, and history of its own, by which a `grad` inside
`vmap` finds its way. Each node is at once recorded around for the whole batch, by the rule of
`ir.batch`, where it has the history that a `grad` around `vmap` needs.

Imported by the rest of `func` and by `autograd.Function`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeVar

from ...ir.batch import batch_node, to_front, without_batch
from ...ir.errors import DataDependentError
from ...ir.graph import Node, Operand, Value
from ...ir.ops.table import Op
from ..recording import Recorder, next_seq, recorder_for, user_error
from ..restoring import Restoring, restored
from ..state import STATE
from ..storage import Storage, alias, root
from ..tensor import Tensor

# Makes the values that stand for one example of the operands of `vmap`.
_EXAMPLE = Op("example", lambda name, *types: types[0], no_grad="it stands for an operand")


class _Around:
    """The end of history inside, for a value whose history goes on around `vmap`."""

    __slots__ = ("edge",)

    def __init__(self, edge: Any):
        self.edge = edge


T = TypeVar("T")


class Batching(Recorder):
    """Records nodes of one example, and through the recorder `around` those of all `n`.

    `known` has the batch value of each value inside, with whether it has the batch axis.
    """

    around: Recorder

    def __init__(self, around: Recorder, n: int, randomness: str):
        super().__init__(around.device, around.session)
        self.around = around
        self.n = n
        self.randomness = randomness
        self.known: dict[Value, tuple[Value, bool]] = {}
        self.calls: dict[int, Node] = {}  # batch nodes of autograd.Function calls, by id
        self.own: set[int] = set()  # calls whose results have history of their own around
        self.keep: list[Node] = []  # the calls themselves, so that ids stay theirs
        self.inside: dict[int, Storage] = {}
        self.written: dict[int, Storage] = {}
        self.start = next_seq()

    def run(self, fn: Callable[[], T]) -> T:
        """Run a function inside."""
        try:
            with _Inside(self):
                made = fn()
            self._finish()
            return made
        except BaseException:
            self._finish()
            raise

    def batch_values(self) -> list[Value]:
        return [v for v, _ in self.known.values()]

    # Values

    def example(self, value: Value) -> Value:
        """The value inside that stands for one example of a value with the batch in front."""
        return self._inner(value, True)

    def constant(self, value: Value) -> Value:
        """The value inside for one that is the same for all examples."""
        return self._inner(value, False)

    def _inner(self, value: Value, batched: bool) -> Value:
        node = Node(_EXAMPLE, (), (), seq=next_seq(), owner=self)
        type = without_batch(value.type) if batched else value.type
        edge = None if value.edge is None else (_Around(value.edge), 0)
        inner = Value(type, node, 0, edge)
        node.outputs = (inner,)
        self.nodes.append(node)
        self.known[inner] = (value, batched)
        return inner

    def batch_of(self, o: Value) -> tuple[Value, bool]:
        """The batch value of a value as it is used, and whether it has the batch axis."""
        source = root(o)
        found = self.known.get(source)
        if found is None:  # from around: the same for each example
            edge = o.edge and self._edge_around(o.edge)
            return (o if edge == o.edge else alias(o, edge)), False
        value, batched = found
        if o is source or (o.edge is not None and id(o.edge[0]) in self.own):
            return value, batched
        if o.edge is None:
            edge = None
        else:
            edge = value.edge if o.edge == source.edge else self._edge_around(o.edge)
        return (value if edge == value.edge else alias(value, edge)), batched

    def _edge_around(self, edge: Any) -> Any:
        """Where the gradient of a batch value flows, given where that of an example does."""
        target, index = edge
        if isinstance(target, _Around):
            return target.edge
        if isinstance(target, Node):
            if target.owner is self:
                return self.known[target.outputs[index]][0].edge
            if target.op.saved is not None and target.seq > self.start:
                call = self.calls.get(id(target))
                return None if call is None else (call, index)
            return edge
        if getattr(target, "seq", -1) > self.start:
            return None  # a level inside, which ends before this one
        return edge

    # Recording

    def emit(self, op: Op, operands: tuple[Operand, ...], attrs: tuple = ()) -> Any:
        made = super().emit(op, operands, attrs)
        if made.__class__ is not Value and made.__class__ is not tuple:
            return made  # a number
        values: list[Any] = []
        flags: list[bool] = []
        for o in operands:
            value, batched = self.batch_of(o) if isinstance(o, Value) else (o, False)
            values.append(value)
            flags.append(batched)
        around = self.around
        batched = any(flags)
        if op.name == "rng_bits":
            outs, batched = self._draw(op, values, attrs)
        elif batched:
            try:
                outs = batch_node(around, op, values, flags, attrs, self.n)
            except NotImplementedError as error:
                raise user_error(error) from None
        else:
            outs = around.emit(op, tuple(values), attrs)
        if not op.multiple:
            self.known[made] = (outs, batched)
        else:
            each = batched if isinstance(batched, tuple) else (batched,) * len(made)
            for inner, out, flag in zip(made, outs, each, strict=True):
                self.known[inner] = (out, flag)
        return made

    def _draw(self, op: Op, values: list[Any], attrs: tuple) -> Any:
        """Random bits: the state is one, what is drawn is as `randomness` says."""
        if self.randomness == "error":
            raise user_error(
                RuntimeError(
                    "vmap: called random operation while in randomness error mode. Please either "
                    "use the 'same' or 'different' randomness flags on vmap or perform the "
                    "randomness operation out of vmap"
                )
            )
        if self.randomness == "same":
            return self.around.emit(op, tuple(values), attrs), False
        (shape,) = attrs
        return self.around.emit(op, tuple(values), ((self.n, *shape),)), (False, True)

    def is_batched(self, value: Value) -> bool:
        return self.batch_of(value)[1]

    def bring(self, value: Value) -> None:
        """Values from around are recorded around, which sees to them."""

    def maybe_evaluate(self) -> None:
        """Nothing inside can be evaluated."""

    def evaluate(self) -> None:
        """Nothing inside can be evaluated; what is pending around can."""
        self.around.evaluate()

    # Storages

    def note(self, storage: Storage) -> None:
        if id(storage) not in self.written:
            self.inside[id(storage)] = storage

    def note_write(self, storage: Storage, value: Value) -> None:
        if id(storage) in self.inside:
            return
        if self.batch_of(value)[1]:
            raise user_error(
                RuntimeError(
                    "vmap: inplace arithmetic(self, *extra_args) is not possible because there "
                    "exists a Tensor `other` in extra_args that has more elements than `self`. "
                    "This happened due to `other` being vmapped over but `self` not being "
                    "vmapped over in a vmap. Please try to use out-of-place operators instead of "
                    "inplace arithmetic. If said operator is being called inside the PyTorch "
                    "framework, please file a bug report instead."
                )
            )
        self.written[id(storage)] = storage

    def seen(self, value: Value) -> Value:
        """The value around whose data an example shows. Raises: RuntimeError if it is many."""
        outer, batched = self.batch_of(value)
        if batched:
            raise user_error(
                DataDependentError(
                    "vmap: It looks like you're calling .item() on a Tensor, or using one in "
                    "data-dependent control flow. A tensor that is vmapped over has no single "
                    "value; please rewrite this with other operations, such as where()"
                )
            )
        return root(outer)

    # The end

    def _finish(self) -> None:
        """Storages from around, and what is not batched, hold values from around again."""
        for storage in (*self.written.values(), *self.inside.values()):
            value, batched = self.batch_of(storage.value)
            if not batched and value is not storage.value:
                storage.cache = None
                storage.value = value
                if root(value).node is not None:
                    root(value).node.owner.note(storage)  # type: ignore[union-attr]
        self._drop()

    def _drop(self) -> None:
        """What is left of values inside cannot be read any more."""
        for node in self.nodes:
            for v in node.outputs:
                value, batched = self.known.get(v, (v, True))
                v.node, v.edge = None, None
                if not batched:
                    v.source, v.edge = root(value), value.edge
        # Nothing here may keep a tensor alive: what outlives a compiled call is looked for.
        self.nodes = []
        for table in (self.known, self.calls, self.inside, self.written):
            table.clear()
        self.keep.clear()


def batching() -> Batching | None:
    """The innermost `vmap` that is running, if there is one."""
    recorder = STATE.recorder
    return recorder if isinstance(recorder, Batching) else None


def is_batched(t: Any) -> bool:
    """Whether a tensor stands for one example of the innermost `vmap`."""
    level = batching()
    return level is not None and isinstance(t, Tensor) and level.is_batched(t._value())


def show(level: Batching, t: Tensor) -> str | None:
    """How a tensor of many examples prints; None for any other."""
    value, batched = level.batch_of(t._value())
    if not batched:
        return None
    with Outside(level):
        text = repr(Tensor._wrap(value, t.device)).replace("\n", "\n    ")
    return f"BatchedTensor(lvl={STATE.levels}, bdim=0, value=\n    {text}\n)"


class _Inside(Restoring):
    """Record for one example; an evaluation meanwhile does not drop batch values."""

    def __init__(self, level: Batching):
        self.level = level

    def __enter__(self) -> None:
        level = self.level
        held, name = level.around.held, level.batch_values
        self.later(
            chain(restored(STATE, "recorder", "levels"), map(dict.pop, (held,), (name,), (None,)))
        )
        held[name] = None
        STATE.recorder = level
        STATE.levels += 1


class Outside(Restoring):
    """Run outside a `vmap` for a moment, on batch values."""

    def __init__(self, level: Batching):
        self.level = level

    def __enter__(self) -> None:
        around = self.level.around
        self.later(restored(STATE, "recorder", "levels"))
        STATE.recorder = around
        STATE.levels -= 1


def front(level: Batching, t: Tensor) -> Value:
    """The batch value of a tensor inside, with the batch axis, recorded around."""
    value, batched = level.batch_of(t._value())
    return to_front(level.around, level.n, value, batched)


def enter(tensors: Sequence[Tensor], n: int, randomness: str) -> Batching:
    """A level around the recorder of the device that the tensors are on."""
    return Batching(recorder_for(tensors[0].device), n, randomness)
