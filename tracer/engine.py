"""A pass back through history: where it starts, what it calls, what it frees.

It walks history with `ir.grad.pull_back`, which records backward nodes; gradients of gradients
are therefore nothing special. Imported by `autograd` and the function transforms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from ..ir.errors import AnomalyError, AutogradError, DTypeError, ShapeError
from ..ir.grad import (
    Cotangents,
    Edge,
    backward_scope,
    operands_needed,
    pull_back,
    reads,
    results,
    spend,
)
from ..ir.graph import Node, Scope, Value
from ..ir.source import here, resolve
from .devices import CPU
from .grad_fn import AccumulateGrad, GradFn, api_scope, grad_fn_of
from .grad_hooks import Crossing, call_hooks
from .reasons import Why
from .recording import recorder_for, user_error
from .restoring import consume
from .state import ANOMALIES, STATE
from .tensor import Tensor


class GradSlot:
    """Where a leaf's gradient collects; named by the leaf's link, shared by its aliases. For
    `parked` see `parking.py`."""

    __slots__ = (
        *("__weakref__", "frozen", "grad", "hooks", "made_in", "node_hooks", "owner"),
        *("parked", "post_hooks"),
    )

    parked: tuple[Any, int]

    def __init__(self) -> None:
        session = STATE.session
        self.made_in = None if session is None else session.token  # of which run's leaf it is
        self.grad: Tensor | None = None
        self.frozen = False  # the leaf does not require grad for the moment: nothing collects
        self.hooks: dict[int, Callable] = {}
        self.post_hooks: dict[int, tuple[Callable, Any]] = {}
        self.node_hooks: dict[str, Any] | None = None  # of the AccumulateGrad, as of a node
        self.owner: Any = None  # a weak reference to the leaf

    def set(self, grad: Tensor | None, owner: Tensor) -> None:
        if STATE.session is not None:
            STATE.session.note_grad_write(self, owner)
        self.grad = grad

    @staticmethod
    def another() -> GradSlot:
        """A slot for another leaf."""
        return GradSlot()

    def more(self, key: str, make: Any) -> Any:
        if self.node_hooks is None:
            self.node_hooks = {}
        return self.node_hooks.setdefault(key, make())


class GradientEdge(NamedTuple):
    """A place in history: a function and which of its results. `get_gradient_edge` makes it."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor flows; accepted by `grad` and `backward` in its place."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not "
            "require gradients"
        )
    edge = tensor._value().edge
    assert edge is not None
    return GradientEdge(grad_fn_of(tensor._value()), edge[1] if isinstance(edge[0], Node) else 0)


class Root(NamedTuple):
    """A tensor, or a place in history, that a pass starts from or leads to."""

    edge: Edge | None
    type: Any
    device: Any


def root_of(t: Any) -> Root:
    if isinstance(t, GradientEdge):
        function = t.node
        if isinstance(function, AccumulateGrad):
            leaf = function.variable
            if leaf is None:
                raise RuntimeError("the leaf of this gradient edge is gone")
            return Root((function._slot, 0), leaf._type, leaf.device)
        node = function._node
        device = node.owner.device if node.owner is not None else recorder_device()
        return Root((node, t.output_nr), results(node)[t.output_nr].type, device)
    return Root(t._value().edge, t._type, t.device)


def recorder_device() -> Any:
    return CPU if STATE.recorder is None else STATE.recorder.device


def seed_for(root: Root, gradient: Any, i: int) -> Value:
    """The cotangent that a pass starts with. Raises: RuntimeError if it cannot be one."""
    type = root.type
    if gradient is None:
        if type.numel != 1:
            raise user_error(
                AutogradError("grad can be implicitly created only for scalar outputs")
            )
        if type.dtype.is_complex or not type.dtype.is_floating_point:
            raise user_error(
                AutogradError(
                    f"grad can be implicitly created only for real scalar outputs but got "
                    f"{type.dtype}"
                )
            )
        return recorder_for(root.device).full_of(type, 1)
    if not isinstance(gradient, Tensor):
        raise TypeError(
            f"gradients can be either Tensors or None, but got {gradient.__class__.__name__}"
        )
    if gradient._type.shape != type.shape:
        raise user_error(
            ShapeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {gradient.shape} and "
                f"output[{i}] has a shape of thrace.Size({list(type.shape)})."
            )
        )
    if gradient.dtype.is_complex != type.dtype.is_complex:
        raise user_error(
            DTypeError(
                "For complex Tensors, both grad_output and output are required to have the same "
                f"dtype. Mismatch in dtype: grad_output[{i}] has a dtype of {gradient.dtype} and "
                f"output[{i}] has a dtype of {type.dtype}."
            )
        )
    return recorder_for(root.device).convert(gradient._value(), type.dtype)


def run_backward(
    tensors: Sequence[Any],
    gradients: Sequence[Tensor | None],
    retain_graph: bool,
    create_graph: bool,
    wanted: set[Edge] | None,
    since: int = -1,
) -> tuple[dict[Edge, Value], _Places]:
    """Cotangents of leaves or of the wanted edges, recorded as pending nodes.

    History from before `since` is not walked.
    """
    starts = [root_of(t) for t in tensors]
    roots: list[tuple[Edge, Value]] = []
    phase = Scope("backward", "phase")
    state = STATE
    before = (state.grad_enabled, state.scope, state.loc, state.cause)
    state.scope = phase
    try:
        for i, (start, g) in enumerate(zip(starts, gradients, strict=True)):
            if start.edge is None:
                raise user_error(
                    AutogradError(
                        f"element {i} of tensors does not require grad and does not have a grad_fn"
                    )
                )
            roots.append((start.edge, seed_for(start, g, i)))
    finally:
        state.scope = before[1]
    places = _Places(starts[0].device)
    for start in starts:
        places.note(start.edge, start.device)  # type: ignore[arg-type]
    moved: dict[Scope, Scope] = {}
    in_flight: dict[Edge, Value] = {}
    freed: list[tuple[Node, frozenset[int]]] = []
    crossing = Crossing()
    anomaly = ANOMALIES.in_gradients and state.session is None and not state.levels
    outer_pass = state.backward_pass
    unpacked: list[Any] = []
    current: Cotangents = []

    def enter(node: Node, cots: Cotangents) -> Cotangents:
        current[:] = cots
        if state.session is not None and node.seq < state.session.start:
            state.session.unfaithful(Why.HISTORY, "a backward pass inside follows")
        state.scope = backward_scope(node.scope, phase, moved)
        state.cause = node.loc
        if node.hooks:
            cots = [call_hooks(node.hooks.get(i), c, places.here) for i, c in enumerate(cots)]
            if "pre" in node.hooks or "post" in node.hooks:
                cots = crossing.enter(node, cots, places.here.device)
                if node.hooks.get("post"):  # type: ignore[call-overload]
                    crossing.open(GradFn(node, api_scope(node.scope)))
            if "packed" in node.hooks:
                from .saved_hooks import Unpacked

                unpacked.append(Unpacked(node))
        return cots

    def leave(node: Node, made: Cotangents) -> Cotangents:
        if not retain_graph:
            freed.append((node, frozenset([i for i, c in enumerate(current) if c is not None])))
        if unpacked:
            unpacked.pop().undo()
        current[:] = made
        if anomaly:
            _refuse_nan(node, made, places.here.device)
        if crossing.watched:
            made = crossing.leave(node, made, places.here.device)
        return made

    def in_use() -> list[Value]:
        held = [c for c in current if c is not None]
        return [*held, *in_flight.values(), *(Value(v.type, edge=e) for e, v in roots)]

    place = here()
    # One call of C code: an interrupt comes before or after it.
    release = partial(consume, map(dict.pop, places.holding, repeat(in_use), repeat(None)))
    state.backward_pass = crossing
    state.grad_enabled = create_graph
    state.loc = place
    state.scope = phase
    try:
        places.keep(in_use)
        found = pull_back(
            *(places.here, roots),
            wanted=wanted,
            enter=enter,
            leave=leave,
            pending=in_flight,
            place=places.enter,
            since=since,
        )
        for edge, c in list(found.items()):
            if isinstance(edge[0], GradSlot) and edge[0].hooks:
                at = recorder_for(places.of(edge))
                found[edge] = call_hooks(list(edge[0].hooks.values()), c, at)  # type: ignore
        crossing.close()
    except RuntimeError as error:
        raise user_error(error) from None
    finally:
        state.backward_pass = outer_pass
        state.grad_enabled, state.scope, state.loc, state.cause = before
        release()
    for node, given in freed:
        free(node, given)
    return found, places


def _refuse_nan(node: Node, made: Cotangents, device: Any) -> None:
    """Anomaly detection. Raises: RuntimeError if a gradient has nan, which observes it."""
    for i, c in enumerate(made):
        if c is not None and Tensor._wrap(c, device).isnan().any().item():  # type: ignore
            name = GradFn(node, api_scope(node.scope)).name()
            message = f"Function '{name}' returned nan values in its {i}th output."
            place = resolve(node.loc)
            if place is not None:
                message += f"\n  differentiates {place}"
            raise user_error(AnomalyError(message))


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
        self.holding: list[dict[Any, None]] = []

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
        self.holding.append(self.here.held)
        self.here.held[in_use] = None


def free(node: Node, given: frozenset[int] | None = None) -> None:
    """Give up what history saved here, if it saved anything; a second pass is then refused.
    Of a call's results only those `given` may have been differentiated."""
    if node.op.saved is not None:
        node.freed = node.op.saved.saves
        node.op.saved.free()
        return
    ins, outs = reads(node, operands_needed(node))
    if not ins and not outs:
        return
    if given is not None and node.op.name == "call" and spend(node, given):
        return
    node.freed = True
    if node.hooks:
        node.hooks.pop("packed", None)  # type: ignore[call-overload]
    if node.owner is None:  # evaluated: while pending, the recorder still needs the operands
        node.operands = tuple(
            Value(o.type, edge=o.edge) if isinstance(o, Value) else o for o in node.operands
        )
        node.outputs = ()
