"""Autograd's functions: `backward` and `grad`. Imported by the tracer and the front door.

The pass itself is in `engine`, modes in `grad_mode`, hooks in `grad_hooks`, what `grad_fn`
shows in `grad_fn`.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..ir.errors import AutogradError
from ..ir.grad import Edge, topological
from ..ir.graph import Node, Scope, Value
from .engine import GradientEdge, GradSlot, free, get_gradient_edge, root_of, run_backward
from .grad_hooks import call_slot_hooks, retain_grad
from .grad_mode import enable_grad, no_grad
from .recording import recorder_for, user_error
from .state import LOCK, STATE
from .storage import alias
from .strided import memory_order
from .tensor import Tensor


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they depend on.

    `grad_tensors` has a gradient per tensor, None for scalars. With `inputs`, only those
    collect. Raises: RuntimeError as PyTorch does.
    """
    if STATE.levels:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
            "transforms."
        )
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    roots = _as_list(tensors)
    if not roots:
        raise RuntimeError("backward() needs at least one tensor to start from")
    seeds = _per_tensor(grad_tensors, len(roots))
    retain = create_graph if retain_graph is None else retain_graph
    wanted: set[Edge] | None = None
    targets: dict[Edge, Any] = {}
    kept: list[Tensor] = []
    if inputs is not None:
        chosen = _as_list(inputs)
        if not chosen:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        targets = {_edge_of(t): t for t in chosen}
        wanted = set(targets)
        kept = [t for t in chosen if isinstance(t, Tensor) and not t.is_leaf]
        kept = [t for t in kept if retain_grad(t)]  # from now on, as in PyTorch
    try:
        found, places = run_backward(roots, seeds, retain, create_graph, wanted)
    except BaseException:
        for t in kept:
            t.__dict__.pop("_retains").remove()
        raise
    phase = Scope("backward", "phase", None)
    before = STATE.grad_enabled, STATE.scope
    STATE.grad_enabled, STATE.scope = create_graph, phase
    try:
        for edge, c in found.items():
            if isinstance(edge[0], GradSlot):
                _collect(edge[0], c, places.of(edge), create_graph)
    finally:
        STATE.grad_enabled, STATE.scope = before
    recorder_for(places.device).maybe_evaluate()


def _as_list(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, (Tensor, GradientEdge)) else list(tensors)


def _per_tensor(gradients: Any, count: int) -> list[Tensor | None]:
    if gradients is None:
        return [None] * count
    out: list[Tensor | None] = [gradients] if isinstance(gradients, Tensor) else list(gradients)
    if len(out) != count:
        raise RuntimeError(f"got {count} tensors and {len(out)} gradients")
    return out


def _edge_of(t: Any) -> Edge:
    edge = root_of(t).edge
    if edge is None:
        raise user_error(AutogradError("One of the differentiated Tensors does not require grad"))
    return edge


def _collect(slot: GradSlot, c: Value, device: Any, create_graph: bool) -> None:
    """Add a gradient to a leaf's `.grad`: in place, so that other handles on it see it. What does
    not require grad for the moment collects nothing, but its hooks run."""
    if slot.node_hooks is not None:
        c = call_slot_hooks(slot, c, device, "pre")
    if not slot.frozen:
        with LOCK:  # of passes in several threads none is lost
            _accumulate(slot, c, device, create_graph)
    if slot.node_hooks is not None:
        call_slot_hooks(slot, c, device, "post")
    for hook, owner in list(slot.post_hooks.values()):
        t = owner()
        if t is not None:
            hook(t)


def _accumulate(slot: GradSlot, c: Value, device: Any, create_graph: bool) -> None:
    if STATE.session is not None:
        STATE.session.note_grad_read(slot, None)
    if slot.grad is None:
        if STATE.session is not None:
            STATE.session.note_grad_write(slot, None)
        # A result may be the very value of another tensor; its history is not this one's.
        value = c if create_graph or c.edge is None else alias(c, None)
        slot.grad = Tensor._wrap(value, device, _leaf_strides(slot))
    elif create_graph:
        slot.set(slot.grad + Tensor._wrap(c, device), slot.grad)  # type: ignore[operator]
    else:
        total = recorder_for(device).add(alias(slot.grad._value(), None), c)  # type: ignore
        slot.grad._write_value(total)


def _leaf_strides(slot: GradSlot) -> tuple[int, ...] | None:
    """How the first gradient of a leaf lies in memory: as the leaf, if that fills its memory."""
    leaf = None if slot.owner is None else slot.owner()
    if leaf is None or leaf._strides is None:
        return None
    return leaf._strides if memory_order(leaf._type.shape, leaf._strides) is not None else None


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of the sum of `outputs` (weighted by `grad_outputs`) by each input.

    With `is_grads_batched`, dim 0 of each of `grad_outputs` and of the results counts
    examples. Raises: RuntimeError for an input that was not used, unless `allow_unused` or
    `materialize_grads` (then its gradient is zeros).
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    outs, ins = _as_list(outputs), _as_list(inputs)
    if not ins:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    seeds = _per_tensor(grad_outputs, len(outs))
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        return _batched(outs, ins, seeds, retain, create_graph, allow_unused, materialize_grads)
    ends = [root_of(t) for t in ins]
    edges = [_edge_of(t) for t in ins]
    # A recording run reads a view from outside anew; history from outside leads to the old value.
    session = STATE.session
    before = [None if session is None else session.edge_before(t) for t in ins]
    wanted = {*edges, *(e for e in before if e is not None)}
    found, places = run_backward(outs, seeds, retain, create_graph, wanted)
    result: list[Tensor | None] = []
    for end, edge, old in zip(ends, edges, before, strict=True):
        c, more = found.get(edge), None if old in (None, edge) else found.get(old)
        if more is not None:
            c = more if c is None else recorder_for(end.device).add(c, more)
        if c is not None:
            result.append(Tensor._wrap(c, end.device))
        elif materialize_grads:
            zeros = Tensor._wrap(recorder_for(end.device).zeros(end.type), end.device)
            result.append(zeros.requires_grad_() if create_graph else zeros)
        elif allow_unused:
            result.append(None)
        else:
            raise user_error(
                AutogradError(
                    "One of the differentiated Tensors appears to not have been used in the "
                    "graph. Set allow_unused=True if this is the desired behavior."
                )
            )
    recorder_for(places.device).maybe_evaluate()
    return tuple(result)


def _batched(
    outs: list[Any],
    ins: list[Any],
    seeds: list[Any],
    retain: bool,
    create_graph: bool,
    allow_unused: bool | None,
    materialize: bool,
) -> tuple[Any, ...]:
    """`grad` for a batch of `grad_outputs`."""
    from .func.vmap import vmap

    unused: list[int] = []

    def one(*given: Tensor) -> tuple[Any, ...]:
        left = iter(given)
        each = [None if s is None else next(left) for s in seeds]
        got = grad(outs, ins, each, True, create_graph, True, allow_unused, False, materialize)
        unused[:] = [i for i, g in enumerate(got) if g is None]
        return tuple(g for g in got if g is not None)

    made = list(vmap(one)(*(s for s in seeds if s is not None)))
    if not retain:
        for node in _passed(outs):
            free(node)
    for i in unused:
        made.insert(i, None)
    return tuple(made)


def _passed(outs: list[Any]) -> list[Node]:
    return topological([e for t in outs if (e := root_of(t).edge) is not None])


__all__ = [
    "GradSlot",
    "GradientEdge",
    "backward",
    "enable_grad",
    "get_gradient_edge",
    "grad",
    "no_grad",
    "run_backward",
]
