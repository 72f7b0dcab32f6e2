"""Batching rules of `cond`, `while_loop` and `scan`; read by `ir.batch` alone.

A predicate of each example's own selects between both branches, or keeps what an example had
when its loop was over. Carries have the batch axis throughout, since a step may give it to
those that begin without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .build import Builder
from .graph import Graph, Value
from .loops import inline, once
from .types import TensorType

Flags = Sequence[bool]


def _batched(graph: Graph, flags: Flags, n: int) -> Graph:
    from .batch import batch_graph

    flags = tuple(flags)
    return once((graph,), ("batched", flags, n), lambda: batch_graph(graph, flags, n))


def _select(b: Any, pred: Value, x: Value, y: Value) -> Value:
    """Examples of `x` where `pred` holds, else of `y`."""
    return b.select(b.reshape(pred, (pred.type.shape[0], *(1,) * (x.type.ndim - 1))), x, y)


def cond(
    b: Any, n: int, operands: Any, batched: Flags, *, true_graph: Graph, false_graph: Graph
) -> Any:
    pred, *rest = operands
    if any(batched[1:]):
        taken, other = (_batched(g, batched[1:], n) for g in (true_graph, false_graph))
    else:
        taken, other = true_graph, false_graph
    if not batched[0]:
        return b.cond(pred, *rest, true_graph=taken, false_graph=other)
    pairs = zip(b.call(*rest, graph=taken), b.call(*rest, graph=other), strict=True)
    if any(batched[1:]):
        return tuple(_select(b, pred, x, y) for x, y in pairs)
    return tuple(
        _select(b, pred, b.reshape(x, (1, *x.type.shape)), b.reshape(y, (1, *y.type.shape)))
        for x, y in pairs
    )


def while_loop(
    b: Any,
    n: int,
    operands: Any,
    batched: Flags,
    *,
    cond_graph: Graph,
    body_graph: Graph,
    carries: int,
) -> Any:
    from .batch import to_front

    flags = (*(True,) * carries, *batched[carries:])
    fronts = [to_front(b, n, o, f) for o, f in zip(operands, batched, strict=True)][:carries]
    args = (*fronts, *operands[carries:])
    types = tuple(a.type for a in args)
    condition, step = once(
        (cond_graph, body_graph),
        ("batched", flags, n),
        lambda: _each_until_done(
            _batched(cond_graph, flags, n), _batched(body_graph, flags, n), carries, types
        ),
    )
    return b.while_loop(*args, cond_graph=condition, body_graph=step, carries=carries)


def _each_until_done(
    condition: Graph, body: Graph, carries: int, types: tuple[TensorType, ...]
) -> tuple[Graph, Graph]:
    """A loop for as long as any example's goes on; the others stay as they are."""

    def make(test: bool) -> Graph:
        b: Any = Builder()
        inputs = [Value(t) for t in types]
        (pred,) = inline(b, condition, inputs)
        if test:
            return b.finish(inputs, [b.any(pred, axes=(0,))], name=condition.name)
        after = inline(b, body, inputs)
        kept = zip(after, inputs[:carries], strict=True)
        return b.finish(inputs, [_select(b, pred, x, y) for x, y in kept], name=body.name)

    return make(True), make(False)


def scan(
    b: Any,
    n: int,
    operands: Any,
    batched: Flags,
    *,
    graph: Graph,
    carries: int,
    xs: int,
    **attrs: Any,
) -> Any:
    from .batch import to_front

    flags = (*(True,) * carries, *batched[carries:])
    args = [
        to_front(b, n, o, f) if i < carries else _swapped(b, o) if i < carries + xs and f else o
        for i, (o, f) in enumerate(zip(operands, batched, strict=True))
    ]
    step = graph
    if any(flags):
        step = _batched(graph, flags, n)
    got = b.scan(*args, graph=step, carries=carries, xs=xs, **attrs)
    return (*got[:carries], *(_swapped(b, y) for y in got[carries:]))


def _swapped(b: Any, x: Value) -> Value:
    """The batch axis and that of the steps exchanged."""
    return b.transpose(x, perm=(1, 0, *range(2, x.type.ndim)))


RULES = {"cond": cond, "while_loop": while_loop, "scan": scan}
