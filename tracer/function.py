"""`autograd.Function`: a forward and backward that the user writes in Python.

The call stands in history as one node whose rule runs the user's backward. Imported by the
front door.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.errors import AutogradError
from ..ir.graph import Node, Value
from ..ir.ops.table import Op
from ..ir.source import here
from .recording import next_seq, user_error
from .state import STATE
from .storage import alias
from .tensor import Tensor


class FunctionCtx:
    """What `forward` leaves for `backward`; attributes of any name may be set on it."""

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._outputs: dict[Value, int] = {}  # saved values that are results of the call
        self._node: Node | None = None  # the call in history, while its backward runs
        self._freed = False
        self._non_differentiable: set[int] = set()
        self._dirty: tuple[Tensor, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `backward`, as they are now: later writes do not reach them."""
        self._saved = tuple(
            None if t is None else (t._value(), t.device, t._strides) for t in tensors
        )

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept. Raises: RuntimeError after a pass has freed it."""
        if self._freed:
            raise AutogradError(
                "Trying to backward through the graph a second time (or directly access saved "
                "tensors after they have already been freed). Specify retain_graph=True."
            )
        out = []
        for entry in self._saved:
            if entry is None:
                out.append(None)
                continue
            value, device, strides = entry
            if self._node is not None and value in self._outputs:
                value = alias(value, (self._node, self._outputs[value]))
            out.append(Tensor._wrap(value, device, strides))
        return tuple(out)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These outputs have no gradient."""
        self._non_differentiable = {id(t) for t in tensors}

    def mark_dirty(self, *tensors: Tensor) -> None:
        """These inputs were written to by `forward`."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a gradient that did not come is zeros (the default) or None."""
        self._materialize = value


class _Call:
    """The state of one call: runs the user's backward when the engine gets here."""

    def __init__(self, cls: type[Function], ctx: FunctionCtx, outputs: list[Any], device: Any):
        self.cls = cls
        self.ctx = ctx
        self.outputs = outputs  # a type per output, None for what is no tensor
        self.device = device
        self.slots: list[int | None] = []  # operand number of each argument
        self.devices: list[Any] = []  # of each operand

    def free(self) -> None:
        self.ctx._freed = True
        self.ctx._saved = ()
        self.ctx._outputs = {}

    @property
    def saves(self) -> bool:
        return bool(self.ctx._saved)

    def values(self) -> list[Value]:
        """What was saved for backward, which evaluation must keep."""
        return [entry[0] for entry in self.ctx._saved if entry is not None]

    def vjp(self, b: Any, node: Node, cots: list[Any], needs: Sequence[bool]) -> list[Any]:
        ctx = self.ctx
        grads = []
        at = 0
        for type in self.outputs:
            if type is None:
                grads.append(None)
                continue
            c = cots[at]
            at += 1
            if c is None and ctx._materialize:
                c = b.zeros(type)
            grads.append(None if c is None else Tensor._wrap(c, self.device))
        before = STATE.loc
        ctx._node = node
        try:
            got = self.cls.backward(ctx, *grads)
        finally:
            STATE.loc = before
            ctx._node = None  # or history would hold itself
        results = list(got) if isinstance(got, (tuple, list)) else [got]
        while len(results) > len(self.slots) and results[-1] is None:
            results.pop()
        if len(results) != len(self.slots):
            raise AutogradError(
                f"function {self.cls.__name__}Backward returned an incorrect number of "
                f"gradients (expected {len(self.slots)}, got {len(results)})"
            )
        answer: list[Any] = [None] * len(node.operands)
        for slot, g in zip(self.slots, results, strict=True):
            if slot is None or g is None or not needs[slot]:
                continue
            if not isinstance(g, Tensor):
                raise TypeError(f"{self.cls.__name__}.backward must return tensors or None")
            operand = node.operands[slot]
            value = b.convert(g._value(), operand.type.dtype)  # type: ignore[union-attr]
            answer[slot] = b.sum_to(value, operand.type.shape)  # type: ignore[union-attr]
        return answer


class Function:
    """Base of custom differentiable functions; call `apply`, never an instance.

    Define `forward(ctx, *args)`, or `forward(*args)` with `setup_context(ctx, inputs,
    output)`, and `backward(ctx, *grad_outputs)`, all static methods.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom Function.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError("You must implement the backward function for custom Function.")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run `forward` without history and let `backward` stand for its gradient."""
        ctx = FunctionCtx()
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        recording = STATE.grad_enabled and any(needs)
        ctx.needs_input_grad = needs
        before_values = [a._value() if isinstance(a, Tensor) else None for a in args]
        before = STATE.grad_enabled
        STATE.grad_enabled = False
        try:
            setup = getattr(cls, "setup_context", None)
            if setup is not None:
                out = cls.forward(*args)
                setup(ctx, args, out)
            else:
                out = cls.forward(ctx, *args)
        finally:
            STATE.grad_enabled = before
        if not recording:
            return out
        return _link(cls, ctx, args, before_values, out)


def _link(cls: type[Function], ctx: FunctionCtx, args: Any, values: Any, out: Any) -> Any:
    """Give the outputs of a call their place in history."""
    outs = list(out) if isinstance(out, tuple) else [out]
    tensors = [o for o in outs if isinstance(o, Tensor)]
    if not tensors:
        return out
    state = _Call(
        cls, ctx, [o._type if isinstance(o, Tensor) else None for o in outs], tensors[0].device
    )
    operands: list[Value] = []
    for a, v in zip(args, values, strict=True):
        if isinstance(a, Tensor):
            state.slots.append(len(operands))
            operands.append(Value(v.type, edge=v.edge))
            state.devices.append(a.device)
        else:
            state.slots.append(None)
    types = tuple(o._type for o in tensors)
    op = Op(
        f"{cls.__name__}Backward",
        lambda name, *_: types,
        multiple=True,
        saved=state,
        grad_each=lambda *_: None,
    )
    node = Node(op, tuple(operands), (), STATE.loc or here(), STATE.scope, None, next_seq())
    results: list[Any] = []
    at = 0
    for o in outs:
        if not isinstance(o, Tensor):
            results.append(o)
            continue
        index, at = at, at + 1
        inexact = o.dtype.is_floating_point or o.dtype.is_complex
        if id(o) in ctx._non_differentiable or not inexact:
            results.append(o)
            continue
        dirty = any(o is d for d in ctx._dirty)
        value = o._value()
        if any(entry is not None and entry[0] is value for entry in ctx._saved):
            ctx._outputs[value] = index
        value = alias(value, (node, index))
        if dirty:
            if o._slot is not None:
                raise user_error(
                    AutogradError(
                        "a leaf Variable that requires grad is being used in an in-place operation."
                    )
                )
            o._write_value(value)
            results.append(o)
        else:
            results.append(Tensor._wrap(value, o.device, o._strides))
    return tuple(results) if isinstance(out, tuple) else results[0]


def once_differentiable(fn: Any) -> Any:
    """A `backward` that may not be differentiated again."""
    import functools

    @functools.wraps(fn)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        before = STATE.grad_enabled
        STATE.grad_enabled = False
        try:
            return fn(ctx, *grads)
        finally:
            STATE.grad_enabled = before

    return wrapper
