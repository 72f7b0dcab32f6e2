"""`autograd.graph`: hooks on what is saved for backward, and on several gradients at once.

Imported by the recorder and the engine on use, and by the front door.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.grad import reads, results
from ..ir.graph import Node, Value
from .grad_hooks import register_hook
from .restoring import Restoring, restored
from .state import STATE
from .storage import alias
from .tensor import Tensor

_REFUSED: list[str] = []


class saved_tensors_hooks(Restoring):
    """Inside, what is saved for backward is what `pack_hook(tensor)` returns; a backward pass
    reads `unpack_hook` of it."""

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]):
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        if _REFUSED:
            raise RuntimeError(_REFUSED[-1])
        self.later(restored(STATE, "saved_hooks"))
        STATE.saved_hooks = (*STATE.saved_hooks, self)


class save_on_cpu(saved_tensors_hooks):
    """Inside, what is saved for backward lies on the CPU until it is needed."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(
            lambda t: (t.device, t.cpu()),  # type: ignore[attr-defined]
            lambda packed: packed[1].to(packed[0]),
        )


class disable_saved_tensors_hooks:
    """Inside, to use hooks on saved tensors is a RuntimeError with this message."""

    def __init__(self, error_message: str):
        self.message = error_message

    def __enter__(self) -> None:
        if STATE.saved_hooks:
            raise RuntimeError(self.message)
        _REFUSED.append(self.message)

    def __exit__(self, *error: Any) -> None:
        _REFUSED.pop()


class allow_mutation_on_saved_tensors:
    """Accepted as PyTorch does; saved values never change here, so nothing is to be allowed."""

    def __enter__(self) -> allow_mutation_on_saved_tensors:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def clear(self) -> None:
        """Nothing is kept."""


def increment_version(tensor: Any) -> None:
    """Accepted as PyTorch does; saved values never change here."""


# What the recorder and the engine call


def pack(node: Node) -> None:
    """Hand what the node saves for backward to the hook."""
    hooks = STATE.saved_hooks[-1]
    needs = tuple(isinstance(o, Value) and o.edge is not None for o in node.operands)
    ins, outs = reads(node, needs)
    before, STATE.saved_hooks = STATE.saved_hooks, ()
    grad_enabled, STATE.grad_enabled = STATE.grad_enabled, False
    device = node.owner.device
    packed: dict[tuple[str, int], Any] = {}
    try:
        for kind, numbers, values in (("in", ins, node.operands), ("out", outs, node.outputs)):
            for i in sorted(numbers):
                v = values[i]
                assert isinstance(v, Value)
                made = hooks.pack_hook(Tensor._wrap(alias(v, None), device))
                packed[kind, i] = (hooks.unpack_hook, made)
    finally:
        STATE.saved_hooks, STATE.grad_enabled = before, grad_enabled
    if packed:
        if node.hooks is None:
            node.hooks = {}
        node.hooks["packed"] = packed  # type: ignore[index, assignment]


class Unpacked:
    """A node whose saved values are, for a moment, what the hooks give back."""

    def __init__(self, node: Node):
        self.node = node
        self.before = (node.operands, node.outputs)
        operands, outputs = list(node.operands), list(results(node))
        for (kind, i), (unpack, made) in node.hooks["packed"].items():  # type: ignore[index]
            t = unpack(made)
            if not isinstance(t, Tensor):
                raise RuntimeError(
                    f"Output of saved tensor unpack_hook expected to be a Tensor, got {type(t)}"
                )
            where: Any = operands if kind == "in" else outputs
            where[i] = alias(t._value(), where[i].edge)
        node.operands, node.outputs = tuple(operands), tuple(outputs)

    def undo(self) -> None:
        self.node.operands, self.node.outputs = self.before


# Hooks on several gradients


class _MultiHandle:
    def __init__(self, handles: Sequence[Any]):
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _MultiHandle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> Any:
    """Call `fn` with a list of all gradients of `tensors`, once every one has come in a pass
    ("all"), or with the first one that comes ("any")."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    grads: list[Tensor | None] = [None] * len(tensors)
    state = {"pass": None, "left": len(tensors)}

    def hook_for(i: int) -> Callable[[Tensor], None]:
        def hook(g: Tensor) -> None:
            if state["pass"] is not STATE.backward_pass:
                state["pass"], state["left"] = STATE.backward_pass, len(tensors)
                grads[:] = [None] * len(tensors)
                if mode == "any":
                    fn(g)
            grads[i] = g
            state["left"] -= 1  # type: ignore[operator]
            if mode == "all" and state["left"] == 0:
                fn(list(grads))

        return hook

    return _MultiHandle([register_hook(t, hook_for(i)) for i, t in enumerate(tensors)])
