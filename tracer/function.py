"""`autograd.Function`: a forward and backward that the user writes in Python.

The call stands in history as one node whose rule runs the user's backward. Imported by the
front door.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any

from ..ir.errors import AutogradError, ShapeError
from ..ir.graph import Node, Value
from ..ir.ops.table import Op
from ..ir.source import here
from .recording import next_seq, user_error
from .state import STATE
from .storage import alias
from .tensor import Tensor


class _Packed:
    """What a hook of `graph.saved_tensors_hooks` made of a saved tensor."""

    __slots__ = ("hooks", "packed")

    def __init__(self, hooks: Any, t: Tensor):
        self.hooks = hooks
        self.packed = hooks.pack_hook(t)

    def unpack(self) -> Tensor:
        return self.hooks.unpack_hook(self.packed)


def _packed(t: Tensor) -> Any:
    hooks = STATE.saved_hooks
    return _Packed(hooks[-1], t) if hooks else (t._value(), t.device, t._strides)


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
        self._shapes: tuple[Any, ...] = ()  # the arguments, without data, for a `jvp` alone

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `backward`, as they are now: later writes do not reach them.

        Raises: TypeError for what is neither a tensor nor None.
        """
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type "
                    f"{type(t).__name__}"
                )
        self._saved = tuple(None if t is None else _packed(t) for t in tensors)

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
            if entry.__class__ is _Packed:
                out.append(entry.unpack())
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
        return [entry[0] for entry in self.ctx._saved if entry.__class__ is tuple]

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
        STATE.loc = None  # what the user's rule records is recorded at its own lines
        ctx._node = node
        try:
            got = _backward_of(self.cls)(ctx, *grads)
        finally:
            STATE.loc = before
            ctx._node = None  # or history would hold itself
        results = list(got) if isinstance(got, (tuple, list)) else [got]
        while len(results) > len(self.slots) and results[-1] is None:
            results.pop()  # PyTorch lets trailing Nones pass
        if len(results) != len(self.slots):
            raise AutogradError(
                f"function {self.cls.__name__}Backward returned an incorrect number of "
                f"gradients (expected {len(self.slots)}, got {len(results)})"
            )
        answer: list[Any] = [None] * len(node.operands)
        for at_argument, (slot, g) in enumerate(zip(self.slots, results, strict=True)):
            if slot is None or g is None or not needs[slot]:
                continue
            if not isinstance(g, Tensor):
                raise TypeError(f"{self.cls.__name__}.backward must return tensors or None")
            wanted = node.operands[slot].type  # type: ignore[union-attr]
            value = g._value()
            if value.type.dtype.is_complex and not wanted.dtype.is_complex:
                value = Tensor._wrap(value, g.device).real._value()  # type: ignore[attr-defined]
            value = b.convert(value, wanted.dtype)
            try:
                answer[slot] = b.sum_to(value, wanted.shape)
            except ShapeError:
                raise AutogradError(
                    f"Function {self.cls.__name__}Backward returned an invalid gradient at index "
                    f"{at_argument} - got {list(value.type.shape)} but expected shape compatible "
                    f"with {list(wanted.shape)}"
                ) from None
        return answer


class Function:
    """Base of custom differentiable functions; call `apply`, never an instance.

    Define `forward(ctx, *args)`, or `forward(*args)` with `setup_context(ctx, inputs,
    output)`, and `backward(ctx, *grad_outputs)` (or `vjp`, the same), all static methods.
    Under `vmap` the backward of one example serves for all; a `vmap(info, in_dims, *args)`
    staticmethod, which returns outputs and their out_dims, replaces the forward there.
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any):
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod "
            "or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` without history and let `backward` stand for its gradient."""
        if not isinstance(cls.__dict__.get("forward", staticmethod(len)), staticmethod):
            raise RuntimeError(
                "Legacy autograd function with non-static forward method is deprecated. Please "
                "use new-style autograd function with static forward method."
            )
        ctx = FunctionCtx()
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        recording = STATE.grad_enabled and any(needs)
        ctx.needs_input_grad = needs
        before_values = [a._value() if isinstance(a, Tensor) else None for a in args]
        own_rule = _own_rule(cls, args)
        before = STATE.grad_enabled
        out: Any = None
        if own_rule is not None:
            from .func.calls import call_own_rule

            out = call_own_rule(cls, own_rule, args)
        STATE.grad_enabled = False
        try:
            if cls.setup_context is not Function.setup_context:
                if own_rule is None:
                    out = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, out)
            elif own_rule is None:
                out = cls.forward(ctx, *args, **kwargs)
        finally:
            STATE.grad_enabled = before
        if not recording:
            return out
        if cls.jvp is not Function.jvp:
            ctx._shapes = tuple(map(_shape_of, args))
        return _link(cls, ctx, args, before_values, out, own_rule is not None)


class _Shape:
    """A type and a place: what is left of an argument once it may go."""

    __slots__ = ("_type", "device")

    def __init__(self, t: Tensor):
        self._type = t._type
        self.device = t.device


def _shape_of(a: Any) -> _Shape | None:
    inexact = isinstance(a, Tensor) and (a.dtype.is_floating_point or a.dtype.is_complex)
    return _Shape(a) if inexact else None


def _own_rule(cls: type[Function], args: tuple) -> Any:
    """What calls the Function's own rule, if it has one and is called inside `vmap`."""
    recorder = STATE.recorder
    if recorder is None or recorder.around is None or cls.vmap is Function.vmap:
        return None
    batched = any(isinstance(a, Tensor) and recorder.is_batched(a._value()) for a in args)
    return recorder if batched else None


def _backward_of(cls: type[Function]) -> Any:
    """The Function's backward, under either name. Raises: RuntimeError if it has both."""
    has_backward = cls.backward is not Function.backward
    has_vjp = cls.vjp is not Function.vjp
    if has_backward and has_vjp:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
            "should only implement one of them."
        )
    if not has_vjp and not has_backward and cls.jvp is not Function.jvp:
        return functools.partial(_transposed, cls)
    return cls.vjp if has_vjp else cls.backward


def _transposed(cls: type[Function], ctx: FunctionCtx, *grads: Any) -> Any:
    """The backward of a Function that has a `jvp` alone, which is linear in its tangents."""
    from .func.levels import Leaf, pull, zeros_like

    before, STATE.grad_enabled = STATE.grad_enabled, True
    try:
        tangents = [
            None
            if t is None
            else Tensor._wrap(alias(zeros_like(t)._value(), (Leaf(), 0)), t.device)
            for t in ctx._shapes
        ]
        made = cls.jvp(ctx, *tangents)
        outs = made if isinstance(made, tuple) else (made,)
        pairs = [
            (o, g) for o, g in zip(outs, grads, strict=True) if o is not None and g is not None
        ]
        moved = [t for t in tangents if t is not None]
        STATE.grad_enabled = before
        found = iter(pull([o for o, _ in pairs], [g for _, g in pairs], moved, -1))
    finally:
        STATE.grad_enabled = before
    return tuple(None if t is None else next(found) for t in tangents)


def _link(
    cls: type[Function], ctx: FunctionCtx, args: Any, values: Any, out: Any, own_rule: bool
) -> Any:
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
    recorder = STATE.recorder
    if recorder is not None and recorder.around is not None:
        from .func.calls import note_call

        if own_rule:
            recorder.own.add(id(node))  # type: ignore[attr-defined]
            recorder.keep.append(node)  # type: ignore[attr-defined]
        else:
            given = [v for v in values if v is not None]
            note_call(recorder, node, given, [o._value() for o in tensors])  # type: ignore
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


class _Refuse(Function):
    """Passes tensors on; to differentiate the results is an error."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> Any:
        return tuple(t.detach() for t in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(fn: Any) -> Any:
    """A `backward` that may not be differentiated again: RuntimeError if somebody does."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        before = STATE.grad_enabled
        STATE.grad_enabled = False
        try:
            made = fn(ctx, *grads)
        finally:
            STATE.grad_enabled = before
        sources = [g for g in (*grads, *ctx.saved_tensors) if isinstance(g, Tensor)]
        sources = [g for g in sources if g.requires_grad]
        if not before or not sources:
            return made
        outs = list(made) if isinstance(made, tuple) else [made]
        tensors = [o for o in outs if isinstance(o, Tensor)]
        left = iter(_Refuse.apply(len(tensors), *tensors, *sources))
        outs = [next(left) if isinstance(o, Tensor) else o for o in outs]
        return tuple(outs) if isinstance(made, tuple) else outs[0]

    return wrapper
