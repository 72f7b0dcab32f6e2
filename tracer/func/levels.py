"""One level of differentiation: where its history begins, and how it ends.

Every transform that differentiates runs its function inside a `Level`. The tensors it
differentiates by enter with an edge of the level's own; when results leave, history that
leads to nothing but the level is cut, and history that goes on around it is kept.

Imported by the rest of `func` and by `autograd.functional`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.grad import Edge
from ...ir.graph import Node, Value
from ..api.common import same_value
from ..recording import next_seq, recorder_for
from ..restoring import Restoring, restored
from ..state import STATE, scope
from ..storage import alias
from ..tensor import Tensor


class Leaf:
    """The end of a level's history. `seq` says when the level began."""

    __slots__ = ("seq",)

    def __init__(self) -> None:
        self.seq = next_seq()


class Level(Restoring):
    """A context in which history is recorded, whatever the mode around it.

    With `shut`, as in function transforms, `backward()` cannot be called inside.
    """

    def __init__(self, shut: bool = True) -> None:
        self.start = next_seq()
        self.shut = shut

    def __enter__(self) -> Level:
        self.around = STATE.grad_enabled
        self.later(restored(STATE, "grad_enabled", "levels"))
        STATE.grad_enabled = True
        STATE.levels += self.shut
        return self

    def enter(self, t: Tensor) -> Tensor:
        """`t` with an edge of this level, on its own storage; writes reach `t` no more."""
        if t.requires_grad and self.around:
            return same_value(t)
        value = alias(t._value(), (Leaf(), 0))
        return Tensor._wrap(value, t.device, t._strides)

    def leave(self, tensors: Sequence[Tensor | None]) -> list[Any]:
        """Results as they are seen around the level."""
        values = [None if t is None else t._value() for t in tensors]
        going = _goes_on([v.edge for v in values if v is not None], self.start)
        out: list[Any] = []
        for t, v in zip(tensors, values, strict=True):
            if t is None or v is None or v.edge is None or (self.around and v.edge in going):
                out.append(t)
            else:
                out.append(Tensor._wrap(alias(v, None), t.device, t._strides))
        return out


def _goes_on(edges: Sequence[Edge | None], start: int) -> set[Edge]:
    """Those edges from which history leads to something that was there before `start`."""
    nodes: list[Node] = []
    seen: set[int] = set()
    stack = [e[0] for e in edges if e is not None]
    while stack:
        node = stack.pop()
        if not isinstance(node, Node) or node.seq < start or id(node) in seen:
            continue
        seen.add(id(node))
        nodes.append(node)
        stack += [o.edge[0] for o in node.operands if isinstance(o, Value) and o.edge is not None]
    nodes.sort(key=lambda n: n.seq)
    out: set[int] = set()

    def leads_out(target: Any) -> bool:
        if isinstance(target, Node) and target.seq >= start:
            return id(target) in out
        return not (isinstance(target, Leaf) and target.seq > start)

    for node in nodes:
        for o in node.operands:
            if isinstance(o, Value) and o.edge is not None and leads_out(o.edge[0]):
                out.add(id(node))
                break
    return {e for e in edges if e is not None and leads_out(e[0])}


def pull(
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    inputs: Sequence[Tensor],
    start: int,
) -> list[Tensor | None]:
    """The cotangents of `inputs`, None where nothing flows, given those of `outputs`.

    History from before `start` is not looked at. What is recorded can be differentiated
    again if the mode says so.
    """
    from ..engine import run_backward

    edges = [t._value().edge for t in inputs]
    roots = [(o, s) for o, s in zip(outputs, seeds, strict=True) if o._value().edge is not None]
    wanted = {e for e in edges if e is not None}
    if not roots or not wanted:
        return [None] * len(inputs)
    found, _ = run_backward(
        [o for o, _ in roots],
        [s for _, s in roots],
        True,
        STATE.grad_enabled,
        wanted,
        since=start,
    )
    return [
        None if e is None or e not in found else Tensor._wrap(found[e], t.device)
        for t, e in zip(inputs, edges, strict=True)
    ]


def zeros_like(t: Tensor) -> Tensor:
    return Tensor._wrap(recorder_for(t.device).zeros(t._type), t.device)


def ones_like(t: Tensor) -> Tensor:
    return Tensor._wrap(recorder_for(t.device).full_of(t._type, 1), t.device)


def filled(grads: Sequence[Tensor | None], likes: Sequence[Tensor]) -> list[Tensor]:
    """Gradients, zeros where there is none."""
    return [zeros_like(t) if g is None else g for g, t in zip(grads, likes, strict=True)]


class Linear:
    """The derivative of `outputs` by `inputs` as a linear function of tangents.

    Pulling a cotangent back is linear in it, so pulling a tangent back through that gives
    the derivative forwards. Source: J. Townsend, "A new trick for calculating Jacobian vector
    products", 2017.
    """

    def __init__(self, outputs: Sequence[Tensor], inputs: Sequence[Tensor], start: int):
        self.outputs = outputs
        self.start = start
        self.dummies = [self._dummy(t) for t in outputs]
        with scope("transpose", "phase"):
            self.pulled = pull(outputs, self.dummies, inputs, start)

    @staticmethod
    def _dummy(t: Tensor) -> Tensor:
        zeros = recorder_for(t.device).zeros(t._type)
        return Tensor._wrap(alias(zeros, (Leaf(), 0)), t.device)

    def __call__(self, tangents: Sequence[Tensor]) -> list[Tensor | None]:
        """The tangents of the outputs, None for zero, given those of the inputs."""
        pairs = [(g, t) for g, t in zip(self.pulled, tangents, strict=True) if g is not None]
        return pull([g for g, _ in pairs], [t for _, t in pairs], self.dummies, self.start)
