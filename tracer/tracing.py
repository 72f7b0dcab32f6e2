"""`thrace.trace` and `thrace.spec`: a function's graph, recorded without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.collector import without_collector
from ..ir.errors import AutogradError, DataDependentError
from ..ir.grad import topological
from ..ir.graph import Graph, Node, Value
from ..ir.ops import OPS
from ..ir.ops.shape import Constant
from ..ir.types import TensorType, parse_type
from ..runtime.buffer import to_numpy
from . import naming, trees
from .devices import CPU, Device, as_device
from .evaluate import NO_DATA, SYMBOLIC, Part, observe
from .history import Unmarked, differentiable_graph
from .recording import evaluate_all, user_error
from .session import Running, Session
from .storage import alias, root
from .tensor import Tensor


class Spec:
    """The type of a tensor argument, written as `f32[64,1,8,8]`; `requires_grad`, or `grad` behind
    the type, marks it as a leaf. Without a device it is where the other tensors of the call are."""

    def __init__(self, text: str | TensorType, requires_grad: bool = False, device: Any = None):
        marked = isinstance(text, str) and text.endswith(" grad")
        plain = text.removesuffix(" grad") if isinstance(text, str) else text
        self.type = plain if isinstance(plain, TensorType) else parse_type(plain)
        self.requires_grad = requires_grad or marked
        self.device = None if device is None else as_device(device)
        if self.requires_grad and self.type.dtype.kind not in ("float", "complex"):
            raise ValueError(f"{str(self.type)!r} has no gradient: only tensors of floating point "
                             "and complex dtype can require gradients")  # fmt: skip

    def __repr__(self) -> str:
        return f"thrace.spec('{self.type}{' grad' if self.requires_grad else ''}')"


def spec(text: str | TensorType, requires_grad: bool = False, device: Any = None) -> Spec:
    """A stand-in for an example tensor: `spec("f32[64,1,8,8]")`, or `spec("f32[64] grad")` for one
    that requires grad.

    Raises: ValueError if the text is not a type, or the type has no gradient.
    """
    return Spec(text, requires_grad, device)


def trace(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph that `fn(*args, **kwargs)` records; nothing is computed.

    Arguments are example tensors or specs (anything else is passed as it is). Inputs of
    the graph are the tensor arguments, named as in the signature, then the tensors that the
    function reads from elsewhere, such as parameters. Outputs are the tensors it returns
    and then the new values of tensors it writes to (`<name>.new`) and gradients it
    leaves (`<name>.grad`).

    Of a matrix it is the sum of the diagonal, as `torch.trace`.
    Raises: DataDependentError where the function needs a tensor's value.
    """
    if isinstance(fn, Tensor):  # PyTorch's function of this name
        return fn.trace(*args, **kwargs)  # type: ignore[return-value]
    return _traced(fn, args, kwargs)[0]


def trace_with_data(
    fn: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[Graph, list[np.ndarray | None]]:
    """What `trace` gives, and what each input of the graph holds now: an example tensor's data,
    a parameter's; None for a spec.
    """
    graph, held = _traced(fn, args, kwargs)
    return graph, [None if b is None else np.asarray(to_numpy(b)) for b in held]


@without_collector
def _traced(fn: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Graph, list[Any]]:
    """The graph, and the buffer of each of its inputs, None for a spec."""
    from .compile import CompiledFunction

    if isinstance(fn, CompiledFunction):
        fn = fn.fn
    leaves, structure = trees.flatten((args, kwargs))
    names = naming.argument_names(fn, args, kwargs)
    evaluate_all()
    place = _device_of(fn, leaves)
    session = _Tracing(place)
    symbols: list[Tensor] = []
    symbol_names: list[str] = []
    examples: list[Any] = []
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, (Spec, Tensor)):
            t = _symbol(leaf, place)
            leaves[i] = t
            symbols.append(t)
            symbol_names.append(names[i])
            examples.append(None if isinstance(leaf, Spec) else leaf)
    session.begin(getattr(fn, "__name__", type(fn).__name__), leaves, names)
    new_args, new_kwargs = trees.unflatten(structure, leaves)
    try:
        session.watch.read_names(fn)
        with Running(session):
            result = _run(fn, new_args, new_kwargs)
            graph, inputs = _graph(session, symbols, symbol_names, result)
    finally:
        session.restore()
    held = [None if t is None else _buffer_of(t) for t in examples]
    return graph, [*held, *(v.buffer for v in inputs[len(held) :])]


def _buffer_of(t: Tensor) -> Any:
    """The data of an example tensor; None if it was traced without data itself."""
    value = root(t._value())
    return None if value.buffer is SYMBOLIC else observe(t)


def _run(fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    return fn(*args, **kwargs)


def _device_of(fn: Any, leaves: list[Any]) -> Device:
    """Where the arguments are, or a module's parameters."""
    owner = getattr(fn, "__self__", fn)
    tensors = [a for a in leaves if isinstance(a, (Spec, Tensor))]
    tensors += owner.parameters() if hasattr(owner, "named_parameters") else []
    return next((t.device for t in tensors if t.device is not None), CPU)


def _symbol(leaf: Spec | Tensor, place: Device) -> Tensor:
    type_ = leaf.type if isinstance(leaf, Spec) else leaf._type
    value = Value(type_, buffer=SYMBOLIC)
    if not leaf.requires_grad and (type_.dtype.is_floating_point or type_.dtype.is_complex):
        value.edge = (Unmarked(), 0)
    t = Tensor._wrap(value, leaf.device or place)
    return t.requires_grad_() if leaf.requires_grad else t


def _constant(value: Value) -> Node:
    """A node that gives the data of a tensor which the function made."""
    if value.buffer is SYMBOLIC:
        raise user_error(DataDependentError(NO_DATA))
    node = Node(OPS["constant"], (), (Constant(to_numpy(value.buffer)),))
    node.outputs = (value,)
    return node


class _Tracing(Session):
    """A session that computes nothing, and in the end takes back what its run did to tensors,
    optimizers and schedulers."""

    def __init__(self, device: Device):
        super().__init__(device)
        self.before: dict[int, Callable[[], None]] = {}  # the first touch of each object

    def needs_value(self, t: Tensor) -> None:
        """Parameters have data, but the graph is one for any data."""
        inputs = {id(c.value) for c in self.captures.values()} | {id(h.value) for h in self.hypers}
        seen: set[int] = set()
        values = [root(t._value())]
        while values:
            v = values.pop()
            if v.node is None:
                if v.buffer is SYMBOLIC or id(v) in inputs:
                    raise user_error(
                        DataDependentError(
                            "a tensor's value is needed here, but the graph that is being traced "
                            "is for any values of its inputs"
                        )
                    )
            elif id(v.node) not in seen:
                seen.add(id(v.node))
                values += [root(o) for o in v.node.operands if isinstance(o, Value)]

    def decides(self, condition: Tensor) -> bool:
        return bool(condition)

    def touch_optimizer(self, optimizer: Any) -> None:
        super().touch_optimizer(optimizer)
        if id(optimizer) not in self.before:
            groups = _groups_of(optimizer)
            state = {p: dict(entry) for p, entry in optimizer.state.items()}
            stepped = optimizer._stepped

            def restore() -> None:
                groups()
                for p in [p for p in optimizer.state if p not in state]:
                    del optimizer.state[p]
                for p, entry in state.items():
                    _refill(optimizer.state[p], entry)
                optimizer._stepped = stepped

            self.before[id(optimizer)] = restore

    def host_effect(self, scheduler: Any, effect: Callable[[], None]) -> None:
        if id(scheduler) not in self.before:
            groups, state = _groups_of(scheduler.optimizer), scheduler.state_dict()

            def restore() -> None:
                scheduler.load_state_dict(state)
                groups()

            self.before[id(scheduler)] = restore
        effect()

    def touch_attribute(self, owner: Any, name: str, label: str) -> None:
        value = getattr(owner, name)
        key = hash((id(owner), name))
        self.before.setdefault(key, lambda: setattr(owner, name, value))

    def restore(self) -> None:
        """No data was computed, so nothing that was there before may keep any."""
        for storage in self.written.values():
            capture = self.captures.get(id(storage))
            if capture is not None:
                storage.value = capture.held
                storage.cache = None
        for slot, grad in self.grad_before.values():
            slot.grad = grad
        for t, storage, link, type_ in self.handles.values():
            t._point(storage, link, type_)
        for restore in reversed(self.before.values()):
            restore()
        # A tensor that the function put somewhere says so when it is looked at.
        for node in self.recorder.nodes:
            for v in node.outputs:
                v.node, v.buffer = None, SYMBOLIC
            node.outputs = ()  # no cycles: all goes at once, without Python's collector
        self.recorder.nodes, self.recorder.live = [], []


def _groups_of(optimizer: Any) -> Callable[[], None]:
    """Puts the optimizer's groups back to what they hold now."""
    saved = [(group, dict(group)) for group in optimizer.param_groups]

    def restore() -> None:
        for group, items in saved:
            _refill(group, items)

    return restore


def _refill(target: dict, items: dict) -> None:
    target.clear()
    target.update(items)


def _graph(
    session: Session, symbols: list[Tensor], names: list[str], result: Any
) -> tuple[Graph, list[Value]]:
    """The session's pending nodes as a graph with named inputs and outputs, and the recorded
    values that its inputs stand for."""
    found, _ = trees.flatten(result)
    out_names = []
    outputs: list[Value] = []
    tensors = [t for t in found if isinstance(t, Tensor)]
    for i, t in enumerate(tensors):
        outputs.append(t._value())
        out_names.append("out" if len(tensors) == 1 else f"out{i}")
    if not outputs and not session.written:
        raise AutogradError("trace: the function returned no tensor and wrote to none")
    inputs: list[Value] = []
    for t in symbols:
        capture = session.captures.get(id(t._storage))
        inputs.append(root(t._storage.value) if capture is None else capture.value)
    arg_storages = {id(t._storage) for t in symbols}
    input_names = list(names)
    leaves: dict[Any, Value] = {}
    for t, v in zip(symbols, inputs, strict=True):
        if t._slot is not None:
            leaves[(t._slot, 0)] = v
        elif v.edge is not None:
            leaves[v.edge] = v
    for c in session.captures.values():
        handle = c.handle()
        if handle is not None and handle._slot is not None:
            leaves[(handle._slot, 0)] = c.value
        if id(c.storage) in arg_storages:
            continue
        inputs.append(c.value)
        input_names.append(session.name_of(c.storage))
    for h in session.hypers:
        inputs.append(h.value)
        input_names.append(h.key)
    for storage in session.written.values():
        outputs.append(storage.value)
        label = session.name_of(storage)
        if id(storage) in arg_storages:
            label = names[[id(t._storage) for t in symbols].index(id(storage))]
        out_names.append(f"{label}.new")
    for slot in session.grad_writes.values():
        if slot.grad is not None and slot.grad._storage.owner is session:
            outputs.append(slot.grad._value())
            target = leaves.get((slot, 0))
            name = input_names[inputs.index(target)] if target in inputs else "leaf"
            out_names.append(f"{name}.grad")
    plan = Part(session.recorder.nodes, [root(v) for v in outputs], outputs)
    given = set(inputs)
    data = [v for v in (*plan.inputs, *plan.outputs) if v.node is None and v not in given]
    plan.nodes = [*map(_constant, dict.fromkeys(data)), *plan.nodes]
    plan.inputs = inputs
    graph = differentiable_graph(
        plan,
        leaves,
        _ends(session, outputs),
        name=session.name,
        input_names=naming.distinct(input_names),
        output_names=naming.distinct(out_names),
    )
    return graph, inputs


def _ends(session: Session, outputs: list[Value]) -> list[Value]:
    """The outputs; without history where a `backward()` used some of it up."""
    before = [c.held.edge for c in session.captures.values()]
    if not any(node.freed for node in session.recorder.nodes) and not any(
        edge is not None and isinstance(edge[0], Node) for edge in before
    ):
        return outputs  # what there is of history was made here
    return [
        v if v.edge is None or not any(n.freed for n in topological([v.edge])) else alias(v, None)
        for v in outputs
    ]
