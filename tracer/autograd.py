"""Autograd's state and engine: leaves, backward, grad modes. Imported by the tracer alone.

The engine walks history with `ir.grad.pull_back`, which records backward nodes; gradients
of gradients are therefore nothing special.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..ir.errors import AutogradError, ShapeError
from ..ir.grad import Cotangents, Edge, backward_scope, pull_back, reads
from ..ir.graph import Node, Scope, Value
from ..ir.source import here
from .recording import recorder_for, user_error
from .scoping import GRAD_FN
from .state import STATE
from .storage import alias
from .tensor import Tensor


class GradSlot:
    """Where a leaf's gradient collects; named by the leaf's link, shared by its aliases."""

    __slots__ = ("__weakref__", "frozen", "grad", "hooks", "made_in", "post_hooks")

    def __init__(self) -> None:
        session = STATE.session
        self.made_in = None if session is None else session.token  # of which run's leaf it is
        self.grad: Tensor | None = None
        self.frozen = False  # the leaf does not require grad for the moment: nothing collects
        self.hooks: dict[int, Callable] = {}
        self.post_hooks: dict[int, tuple[Callable, Any]] = {}

    def set(self, grad: Tensor | None, owner: Tensor) -> None:
        if STATE.session is not None:
            STATE.session.note_grad_write(self, owner)
        self.grad = grad


class set_grad_enabled:
    """Turn the recording of history on or off: a call, a context, or (subclasses) a decorator."""

    def __init__(self, mode: bool) -> None:
        self.before = STATE.grad_enabled
        self.mode = STATE.grad_enabled = bool(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        STATE.grad_enabled = self.before

    def __call__(self, fn: Callable) -> Callable:
        STATE.grad_enabled = self.before
        return _in_mode(fn, self.mode)


def _in_mode(fn: Callable, mode: bool) -> Callable:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        before = STATE.grad_enabled
        STATE.grad_enabled = mode
        try:
            return fn(*args, **kwargs)
        finally:
            STATE.grad_enabled = before

    return wrapper


class _Mode:
    """A grad mode as a context and as a decorator, with or without parentheses."""

    mode = False

    def __new__(cls, fn: Callable | None = None) -> Any:
        if fn is None:
            return object.__new__(cls)
        return _in_mode(fn, cls.mode)

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(STATE.grad_enabled)
        STATE.grad_enabled = self.mode

    def __exit__(self, *error: Any) -> None:
        STATE.grad_enabled = self._before.pop()

    def __call__(self, fn: Callable) -> Callable:
        return _in_mode(fn, self.mode)


class no_grad(_Mode):
    """What runs inside records no history."""


class enable_grad(_Mode):
    """What runs inside records history again."""

    mode = True


class inference_mode(_Mode):
    """As `no_grad`; `inference_mode(False)` leaves the mode as it is outside."""

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return _in_mode(mode, False)
        made = object.__new__(cls)
        made.mode = not mode
        return made

    def __init__(self, mode: bool = True) -> None:
        super().__init__()


# The engine


def seed_for(t: Tensor, gradient: Tensor | None, what: str) -> Value:
    """The cotangent that a pass starts with. Raises: RuntimeError if it cannot be one."""
    if gradient is None:
        if t._type.numel != 1:
            raise user_error(
                AutogradError(
                    f"grad can be implicitly created only for scalar outputs; {what} was called "
                    f"on a tensor of shape {list(t.shape)}: give it a gradient of that shape"
                )
            )
        if t.dtype.is_complex:
            raise user_error(
                AutogradError(
                    f"grad can be implicitly created only for real scalar outputs but got {t.dtype}"
                )
            )
        return recorder_for(t.device).full_of(t._type, 1)
    if gradient._type.shape != t._type.shape:
        raise user_error(
            ShapeError(
                f"Mismatch in shape: grad_output has a shape of {list(gradient.shape)} and the "
                f"output has a shape of {list(t.shape)}"
            )
        )
    value = gradient._value()
    return recorder_for(t.device).convert(value, t.dtype)


def run_backward(
    tensors: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    retain_graph: bool,
    create_graph: bool,
    wanted: set[Edge] | None,
    what: str,
) -> tuple[dict[Edge, Value], _Places]:
    """Cotangents of leaves or of the wanted edges, recorded as pending nodes."""
    roots: list[tuple[Edge, Value]] = []
    phase = Scope("backward", "phase")
    for t, g in zip(tensors, gradients, strict=True):
        value = t._value()
        if value.edge is None:
            raise user_error(
                AutogradError(
                    "element 0 of tensors does not require grad and does not have a grad_fn"
                )
            )
        before_seed, STATE.scope = STATE.scope, phase
        try:
            roots.append((value.edge, seed_for(t, g, what)))
        finally:
            STATE.scope = before_seed
    places = _Places(tensors[0].device)
    for t, (edge, _) in zip(tensors, roots, strict=True):
        places.note(edge, t.device)
    state = STATE
    before = (state.grad_enabled, state.scope, state.loc, state.cause)
    moved: dict[Scope, Scope] = {}
    in_flight: dict[Edge, Value] = {}
    freed: list[Node] = []

    def enter(node: Node, cots: Cotangents) -> Cotangents:
        state.scope = backward_scope(node.scope, phase, moved)
        state.cause = node.loc
        if node.hooks:
            cots = [call_hooks(node.hooks.get(i), c, places.here) for i, c in enumerate(cots)]
        return cots

    def leave(node: Node) -> None:
        if not retain_graph:
            freed.append(node)

    def in_use() -> list[Value]:
        return [*in_flight.values(), *(Value(v.type, edge=e) for e, v in roots)]

    state.grad_enabled = create_graph
    state.loc = here()
    state.scope = phase
    places.keep(in_use)
    try:
        found = pull_back(
            *(places.here, roots),
            wanted=wanted,
            enter=enter,
            leave=leave,
            pending=in_flight,
            place=places.enter,
        )
        for edge, c in list(found.items()):
            if isinstance(edge[0], GradSlot) and edge[0].hooks:
                at = recorder_for(places.of(edge))
                found[edge] = call_hooks(list(edge[0].hooks.values()), c, at)  # type: ignore
    except RuntimeError as error:
        raise user_error(error) from None
    finally:
        places.release()
        state.grad_enabled, state.scope, state.loc, state.cause = before
    for node in freed:
        free(node)
    return found, places


class _Places:
    """Where the cotangents of a pass are: each on the device of what it is a gradient of.

    Only `to(device)`, which stands in history as a custom function, leads from one to
    another. `here` is the recorder of the node that is being differentiated.
    """

    def __init__(self, device: Any):
        self.device = device
        self.others: dict[int, Any] = {}  # ids of nodes and slots that are elsewhere
        self.here = recorder_for(device)
        self.in_use: Any = None
        self.holding: list[Any] = []

    def note(self, edge: Edge, device: Any) -> None:
        if device is not self.device:
            self.others[id(edge[0])] = device

    def of(self, edge: Edge) -> Any:
        return self.others.get(id(edge[0]), self.device)

    def enter(self, node: Node) -> Any:
        """The recorder for the cotangents of a node's operands."""
        saved = node.op.saved
        if saved is None and not self.others:
            return self.here
        device = self.others.get(id(node), self.device)
        for i, o in enumerate(node.operands):
            if isinstance(o, Value) and o.edge is not None:
                if saved is not None:
                    device = saved.devices[i]
                self.note(o.edge, device)
        if self.here.device is not device:
            self.here = recorder_for(device)
            self.keep(self.in_use)
        return self.here

    def keep(self, in_use: Any) -> None:
        """An evaluation in the middle of the pass must not drop what the pass needs."""
        self.in_use = in_use
        if self.here not in self.holding:
            self.holding.append(self.here)
            self.here.held.append(in_use)

    def release(self) -> None:
        for recorder in self.holding:
            recorder.held.remove(self.in_use)


def free(node: Node) -> None:
    """Give up what history saved here, if it saved anything; a second pass is then refused."""
    if node.op.saved is not None:
        node.freed = node.op.saved.saves
        node.op.saved.free()
        return
    needs = tuple(isinstance(o, Value) and o.edge is not None for o in node.operands)
    ins, outs = reads(node, needs)
    if not ins and not outs:
        return
    node.freed = True
    if node.owner is None:  # evaluated: while pending, the recorder still needs the operands
        node.operands = tuple(
            Value(o.type, edge=o.edge) if isinstance(o, Value) else o for o in node.operands
        )
        node.outputs = ()


def call_hooks(hooks: Iterable[Callable] | None, c: Value | None, recorder: Any) -> Value | None:
    """The cotangent after each hook has seen it."""
    if not hooks or c is None:
        return c
    before = STATE.scope
    # What `retain_grad` keeps is the gradient after all other hooks.
    for hook in sorted(hooks, key=_Keep.__instancecheck__):
        seen = Tensor._wrap(c, recorder.device)
        got = hook(seen)
        c = (seen if got is None else got)._value()
    STATE.scope = before
    return c


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they depend on.

    `grad_tensors` has a gradient per tensor, None for scalars. With `inputs`, only those
    collect. Raises: RuntimeError as PyTorch does.
    """
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    seeds = _per_tensor(grad_tensors, len(roots))
    retain = create_graph if retain_graph is None else retain_graph
    wanted: set[Edge] | None = None
    targets: dict[Edge, Tensor] = {}
    if inputs is not None:
        chosen = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not chosen:
            raise RuntimeError("'inputs' argument to backward() cannot be empty")
        targets = {_edge_of(t): t for t in chosen}
        wanted = set(targets)
    found, places = run_backward(roots, seeds, retain, create_graph, wanted, "backward()")
    before = STATE.grad_enabled
    STATE.grad_enabled = create_graph
    try:
        with _phase("backward"):
            for edge, c in found.items():
                if isinstance(edge[0], GradSlot):
                    _collect(edge[0], c, places.of(edge), create_graph)
                elif edge in targets:
                    add_retained(targets[edge], Tensor._wrap(c, targets[edge].device))
    finally:
        STATE.grad_enabled = before
    recorder_for(roots[0].device).maybe_evaluate()


class _phase:
    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> None:
        self.before = STATE.scope
        STATE.scope = Scope(self.name, "phase", None)

    def __exit__(self, *error: Any) -> None:
        STATE.scope = self.before


def _per_tensor(gradients: Any, count: int) -> list[Tensor | None]:
    if gradients is None:
        return [None] * count
    out: list[Tensor | None] = [gradients] if isinstance(gradients, Tensor) else list(gradients)
    if len(out) != count:
        raise RuntimeError(f"got {count} tensors and {len(out)} gradients")
    return out


def _edge_of(t: Tensor) -> Edge:
    edge = t._value().edge
    if edge is None:
        raise user_error(AutogradError("One of the differentiated Tensors does not require grad"))
    return edge


def _collect(slot: GradSlot, c: Value, device: Any, create_graph: bool) -> None:
    """Add a gradient to a leaf's `.grad`: in place, so that other handles on it see it."""
    if slot.frozen:
        return
    if STATE.session is not None:
        STATE.session.note_grad_read(slot, None)
    if slot.grad is None:
        if STATE.session is not None:
            STATE.session.note_grad_write(slot, None)
        # A result may be the very value of another tensor; its history is not this one's.
        slot.grad = Tensor._wrap(c if create_graph or c.edge is None else alias(c, None), device)
    elif create_graph:
        slot.set(slot.grad + Tensor._wrap(c, device), slot.grad)  # type: ignore[operator]
    else:
        total = recorder_for(device).add(alias(slot.grad._value(), None), c)  # type: ignore
        slot.grad._write_value(total)
    for hook, owner in list(slot.post_hooks.values()):
        t = owner()
        if t is not None:
            hook(t)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of `outputs` (weighted by `grad_outputs`) by each input.

    Raises: RuntimeError for an input that was not used, unless `allow_unused`.
    """
    if is_grads_batched:
        raise ValueError("grad: is_grads_batched is not supported; use func.vmap over grad")
    outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    ins = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = _per_tensor(grad_outputs, len(outs))
    retain = create_graph if retain_graph is None else retain_graph
    edges = [_edge_of(t) for t in ins]
    found, _ = run_backward(outs, seeds, retain, create_graph, set(edges), "grad()")
    result: list[Tensor | None] = []
    for t, edge in zip(ins, edges, strict=True):
        c = found.get(edge)
        if c is not None:
            result.append(Tensor._wrap(c, t.device))
        elif materialize_grads:
            result.append(Tensor._wrap(recorder_for(t.device).zeros(t._type), t.device))
        elif allow_unused:
            result.append(None)
        else:
            raise user_error(
                AutogradError(
                    "One of the differentiated Tensors appears to not have been used in the "
                    "graph. Set allow_unused=True if this is the desired behavior."
                )
            )
    recorder_for(outs[0].device).maybe_evaluate()
    return tuple(result)


# Hooks


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away again."""

    def __init__(self, hooks: dict[int, Any], hook: Any):
        self._hooks = hooks
        self.id = max(hooks, default=-1) + 1
        hooks[self.id] = hook

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


class _NodeHandle:
    def __init__(self, hooks: list[Callable], hook: Callable):
        self._hooks, self._hook = hooks, hook
        hooks.append(hook)

    def remove(self) -> None:
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


def register_hook(t: Tensor, hook: Callable) -> Any:
    """See `Tensor.register_hook`. Raises: RuntimeError if no gradient will come."""
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    slot = t._slot
    if slot is not None:
        return RemovableHandle(slot.hooks, hook)
    node, index = _edge_of(t)
    if node.hooks is None:
        node.hooks = {}
    return _NodeHandle(node.hooks.setdefault(index, []), hook)


def register_post_hook(t: Tensor, hook: Callable) -> Any:
    """See `Tensor.register_post_accumulate_grad_hook`."""
    slot = t._slot
    if slot is None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return RemovableHandle(slot.post_hooks, (hook, weakref.ref(t)))


class _Keep:
    """The hook of `retain_grad`: adds what it sees to the `.grad` of a tensor, not a leaf."""

    def __init__(self, t: Tensor):
        self.target = weakref.ref(t)

    def __call__(self, g: Tensor) -> None:
        t = self.target()
        if t is not None:
            add_retained(t, g)


def add_retained(t: Tensor, g: Tensor) -> None:
    """Add to the `.grad` of a tensor that is not a leaf."""
    before = t.__dict__.get("_retained")
    t.__dict__["_retained"] = g if before is None else before + g


def retain_grad(t: Tensor) -> None:
    """See `Tensor.retain_grad`."""
    if not t.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if t._slot is not None or "_retains" in t.__dict__:
        return
    t.__dict__["_retains"] = register_hook(t, _Keep(t))


def move_retained(t: Tensor) -> None:
    """After a write in place: what `retain_grad` keeps is the gradient of the new value."""
    t.__dict__.pop("_retains").remove()
    retain_grad(t)


# grad_fn: history seen through the API's scopes


class GradFn:
    """One API call in history: a thin view on the nodes recorded under its scope.

    `name()` is PyTorch's name; `next_functions` are the calls and leaves its operands came
    from, each with the number of its result.
    """

    __slots__ = ("_node", "_scope")

    def __init__(self, node: Node, scope: Scope | None):
        self._node = node
        self._scope = scope

    def name(self) -> str:
        if self._node.op.saved is not None:
            return self._node.op.name
        if self._scope is not None:
            return GRAD_FN.get(self._scope.name) or _camel(self._scope.name)
        return _PRIMITIVE_NAMES.get(self._node.op.name) or _camel(self._node.op.name)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        if self._scope is None:
            # A number beside a tensor is an operand like any other in PyTorch's arithmetic.
            return tuple(
                _next(o) if isinstance(o, Value) else (None, 0)
                for o in self._node.operands
                if isinstance(o, Value) or self._node.op.name in ("add", "sub", "mul", "div")
            )
        if self._scope.edges is not None:
            return tuple(_follow(edge) for edge in self._scope.edges)
        # Operands that enter the scope from outside, in the order they were used.
        inside: list[Node] = []
        stack, seen = [self._node], {id(self._node)}
        entering: dict[Any, tuple[Any, int]] = {}
        while stack:
            node = stack.pop()
            inside.append(node)
            for o in node.operands:
                if not isinstance(o, Value) or o.edge is None:
                    continue
                target = o.edge[0]
                if id(target) in seen or not isinstance(target, Node):
                    continue
                if _api_scope(target.scope) is self._scope:
                    seen.add(id(target))
                    stack.append(target)
        for node in sorted(inside, key=lambda n: n.seq):
            for o in node.operands:
                if isinstance(o, Value) and o.edge is not None:
                    target = o.edge[0]
                    if not (isinstance(target, Node) and id(target) in seen):
                        entering.setdefault(o.edge, _next(o))
        return tuple(entering.values())

    @property
    def metadata(self) -> dict:
        return {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GradFn):
            return NotImplemented
        if self._scope is not None:
            return self._scope is other._scope
        return self._node is other._node

    def __hash__(self) -> int:
        return hash(id(self._scope or self._node))

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hash(self):#x}>"


class AccumulateGrad:
    """The end of history at a leaf; `variable` is a handle on the leaf."""

    __slots__ = ("_slot",)

    def __init__(self, slot: GradSlot):
        self._slot = slot

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"  # what PyTorch answers, to the letter

    @property
    def next_functions(self) -> tuple:
        return ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and self._slot is other._slot

    def __hash__(self) -> int:
        return hash(id(self._slot))

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self._slot):#x}>"


_PRIMITIVE_NAMES = {
    "logistic": "SigmoidBackward0",
    "select": "WhereBackward0",
    "convert": "ToCopyBackward0",
    "broadcast": "ExpandBackward0",
    "concatenate": "CatBackward0",
    "reverse": "FlipBackward0",
    "rem": "FmodBackward0",
    "log1p": "Log1PBackward0",
    "transpose": "PermuteBackward0",
    "reshape": "ViewBackward0",
    "update_slice": "CopySlices",
}


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Backward0"


def _api_scope(scope: Scope | None) -> Scope | None:
    """The outermost API function of a scope path, below its innermost module or phase."""
    found = None
    while scope is not None and scope.kind == "function":
        found = scope
        scope = scope.parent
    return found


def _next(o: Value) -> tuple[Any, int]:
    return _follow(o.edge)


def _follow(edge: Edge | None) -> tuple[Any, int]:
    if edge is None:
        return (None, 0)
    target, index = edge
    if isinstance(target, GradSlot):
        return (AccumulateGrad(target), 0)
    return (GradFn(target, _api_scope(target.scope)), index)


def grad_fn_of(value: Value) -> Any:
    """The function that autograd shows for a value with history."""
    return _next(value)[0] if value.edge is not None else None
