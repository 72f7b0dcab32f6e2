"""`autograd.Function` inside `vmap`: the call as history around has it.

Imported by `tracer.function`, on use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...ir.batch import to_front
from ...ir.graph import Node, Value
from ...ir.ops.table import Op
from ..recording import next_seq
from ..storage import alias
from ..tensor import Tensor
from .batching import Batching, Outside


class VmapInfo(NamedTuple):
    """What the `vmap` staticmethod of a Function is told."""

    batch_size: int
    randomness: str


def call_own_rule(cls: Any, level: Batching, args: tuple) -> Any:
    """The results, for one example, of a Function with a `vmap` staticmethod of its own."""
    from .trees import flatten, spread, unflatten

    seen: list[Any] = []
    dims: list[int | None] = []
    for a in args:
        if not isinstance(a, Tensor):
            seen.append(a)
            dims.append(None)
            continue
        value, batched = level.batch_of(a._value())
        seen.append(Tensor._wrap(value, a.device))
        dims.append(0 if batched else None)
    with Outside(level):
        got = cls.vmap(VmapInfo(level.n, level.randomness), tuple(dims), *seen)
        if not isinstance(got, tuple) or len(got) != 2:
            raise RuntimeError(
                f"Expected the vmap staticmethod of {cls.__name__} to return two results, the "
                "outputs and their out_dims"
            )
        leaves, spec = flatten(got[0])
        places = spread(got[1], got[0])
        if places is None:
            raise RuntimeError(
                f"Expected the vmap staticmethod of {cls.__name__} to return out_dims with the "
                "structure of its outputs"
            )
        fronts = [
            t.movedim(d, 0) if isinstance(t, Tensor) and d else t  # type: ignore[attr-defined]
            for t, d in zip(leaves, places, strict=True)
        ]
        values = [t._value() if isinstance(t, Tensor) else t for t in fronts]
    out = []
    for t, v, d in zip(fronts, values, places, strict=True):
        if not isinstance(t, Tensor):
            out.append(t)
        else:
            inner = level.constant(v) if d is None else level.example(v)
            out.append(Tensor._wrap(inner, t.device))
    return unflatten(spec, out)


def note_call(level: Batching, node: Node, arguments: list[Value], outputs: list[Value]) -> None:
    """Give a call inside `vmap` its place in history around."""
    operands = [level.batch_of(v) for v in arguments]
    outs = [level.batch_of(v) for v in outputs]
    state = _BatchCall(node, level, [f for _, f in operands], [f for _, f in outs])
    types = tuple(v.type for v, _ in outs)
    op = Op(
        node.op.name, lambda name, *_: types, multiple=True, saved=state, grad_each=lambda *_: None
    )
    made = Node(
        op,
        tuple(Value(v.type, edge=v.edge) for v, _ in operands),
        (),
        node.loc,
        node.scope,
        None,
        next_seq(),
    )
    level.calls[id(node)] = made
    level.keep.append(node)


class _BatchCall:
    """The state of a call for all examples: runs the user's backward for one of them."""

    def __init__(self, node: Node, level: Batching, operands: list[bool], outputs: list[bool]):
        self.inner = node
        self.call = node.op.saved
        self.n = level.n
        self.randomness = level.randomness
        self.operands = operands
        self.outputs = outputs
        self.devices = self.call.devices
        self.ctx = self.call.ctx
        # (batch value, has it the batch axis, device, strides, number of the result it is)
        self.kept: list[Any] = []
        for entry in self.ctx._saved:
            if entry is None:
                self.kept.append(None)
                continue
            value, device, strides = entry
            batch, batched = level.batch_of(value)
            self.kept.append((batch, batched, device, strides, self.ctx._outputs.get(value)))

    def free(self) -> None:
        self.kept = []
        self.ctx._freed = True

    @property
    def saves(self) -> bool:
        return bool(self.kept)

    def values(self) -> list[Value]:
        return [entry[0] for entry in self.kept if entry is not None]

    def vjp(self, b: Any, node: Node, cots: list[Any], needs: Sequence[bool]) -> list[Any]:
        level = Batching(b, self.n, self.randomness)
        ctx, before = self.ctx, (self.ctx._saved, self.ctx._outputs)

        def inside() -> list[Any]:
            saved = []
            for entry in self.kept:
                if entry is None:
                    saved.append(None)
                    continue
                value, batched, device, strides, output = entry
                if output is not None:
                    value = alias(value, (node, output))
                saved.append((level._inner(value, batched), device, strides))
            inner = [
                None if c is None else level._inner(c, f)
                for c, f in zip(cots, self.outputs, strict=True)
            ]
            ctx._saved, ctx._outputs = tuple(saved), {}
            try:
                made = self.call.vjp(level, self.inner, inner, needs)
            finally:
                ctx._saved, ctx._outputs = before
            answer = []
            for g, batched in zip(made, self.operands, strict=True):
                if g is None:
                    answer.append(None)
                    continue
                value, has = level.batch_of(g)
                if batched:
                    value = to_front(b, self.n, value, has)
                elif has:
                    value = b.sum(value, (0,))
                answer.append(value)
            return answer

        return level.run(inside)
