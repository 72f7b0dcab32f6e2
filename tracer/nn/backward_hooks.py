"""Hooks on the gradient of a module's call. Imported by `module` alone.

What goes in and what comes out passes through identities of `autograd.Function`: the one
behind sees the gradients of the results, the one in front those of the arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import trees
from ..function import Function
from ..tensor import Tensor
from .hooks import hooks_of

if TYPE_CHECKING:
    from .module import Module

Grads = tuple[Any, ...]


class WatchedCall:
    """One call of a module that has backward hooks."""

    def __init__(self, module: Module):
        self.module = module
        self.grad_outputs: Grads = ()
        self.watches_inputs = False
        self.count = 0

    def inputs(self, args: tuple) -> tuple:
        """The arguments, tensors among them watched."""
        if not hooks_of(self.module, "_backward_hooks"):
            return args
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.count = len(args)
        if not any(args[i].requires_grad for i in places):
            return args
        self.watches_inputs = True
        self.places = places
        out = list(args)
        for i, t in zip(places, _Front.apply(self, *(args[i] for i in places)), strict=True):
            out[i] = t
        return tuple(out)

    def outputs(self, result: Any) -> Any:
        """The results, tensors among them watched."""
        leaves, structure = trees.flatten(result)
        places = [i for i, t in enumerate(leaves) if isinstance(t, Tensor)]
        if not any(leaves[i].requires_grad for i in places):
            return result
        for i, t in zip(places, _Back.apply(self, *(leaves[i] for i in places)), strict=True):
            leaves[i] = t
        return trees.unflatten(structure, leaves)

    def arrived(self, grads: Grads) -> Grads:
        """Gradients of the results, as the hooks before leave them."""
        for hook in hooks_of(self.module, "_backward_pre_hooks"):
            grads = _replaced(hook(self.module, grads), grads, "pre_hook")
        self.grad_outputs = grads
        if not self.watches_inputs:
            self.finish((None,) * self.count)
        return grads

    def finish(self, grads: Grads) -> Grads:
        """Gradients of the arguments, as the hooks leave them."""
        for hook in hooks_of(self.module, "_backward_hooks"):
            grads = _replaced(hook(self.module, grads, self.grad_outputs), grads, "hook")
        self.grad_outputs = ()  # a compiled step must not leave tensors behind
        return grads

    def left(self, grads: Grads) -> Grads:
        """Gradients of the watched arguments, as the hooks leave them."""
        full: list[Any] = [None] * self.count
        for i, g in zip(self.places, grads, strict=True):
            full[i] = g
        full = list(self.finish(tuple(full)))
        return tuple(full[i] for i in self.places)


def _replaced(given: Any, grads: Grads, what: str) -> Grads:
    if given is None:
        return grads
    given = given if isinstance(given, tuple) else (given,)
    if len(given) != len(grads):
        raise RuntimeError(
            f"Backward {what} returned an invalid number of grad, got {len(given)}, but expected "
            f"{len(grads)}"
        )
    return given


class _Front(Function):
    @staticmethod
    def forward(ctx: Any, call: WatchedCall, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.call = call
        ctx.set_materialize_grads(False)
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.call.left(grads)


class _Back(Function):
    @staticmethod
    def forward(ctx: Any, call: WatchedCall, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.call = call
        ctx.set_materialize_grads(False)
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.call.arrived(grads)
