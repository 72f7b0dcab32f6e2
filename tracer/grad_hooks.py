"""Hooks of autograd: on tensors, on leaves, on functions in history.

Imported by `autograd` and, on use, by tensors.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..ir.graph import Node, Value
from .reasons import Why
from .recording import user_error
from .state import HANDLES, STATE
from .storage import alias
from .tensor import Tensor

if TYPE_CHECKING:
    from .engine import GradSlot
    from .grad_fn import GradFn
    from .views import Link


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away again."""

    def __init__(self, hooks: dict[int, Any], hook: Any):
        self._hooks = hooks
        self.id = max(hooks, default=-1) + 1
        hooks[self.id] = hook
        HANDLES[0] += 1

    def remove(self) -> None:
        self._hooks.pop(self.id, None)
        HANDLES[0] += 1

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


class NodeHandle:
    """`RemovableHandle` for a hook in a list."""

    def __init__(self, hooks: list[Callable], hook: Callable):
        self._hooks, self._hook = hooks, hook
        hooks.append(hook)

    def remove(self) -> None:
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def __enter__(self) -> NodeHandle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


def call_hooks(hooks: Iterable[Callable] | None, c: Value | None, recorder: Any) -> Value | None:
    """The cotangent after each hook has seen it."""
    if not hooks or c is None:
        return c
    before = STATE.scope
    # What `retain_grad` keeps is the gradient after all other hooks.
    for hook in sorted(hooks, key=_Keep.__instancecheck__):
        seen = Tensor._wrap(c, recorder.device)
        got = _called(hook, seen)
        if got is not None:
            c = _replacement(got, c)
        else:
            c = seen._value()
    STATE.scope = before
    return c


def _called(hook: Callable, *args: Any) -> Any:
    """What a hook returns; what it records is recorded at its own lines, not at the pass's."""
    before = STATE.loc
    STATE.loc = None
    try:
        return hook(*args)
    finally:
        STATE.loc = before


def _replacement(got: Any, c: Value) -> Value:
    """What a hook returned, as the cotangent in the place of `c`."""
    if not isinstance(got, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(got).__name__}'")
    value = got._value()
    if value.type.shape != c.type.shape:
        raise user_error(
            RuntimeError(
                f"hook '<lambda>' has changed the size of value: from {list(c.type.shape)} to "
                f"{list(value.type.shape)}"
            )
        )
    if value.type.dtype is not c.type.dtype:
        raise user_error(
            RuntimeError(
                f"hook '<lambda>' has changed the type of value (was {c.type.dtype} got "
                f"{value.type.dtype})"
            )
        )
    return value


def register_hook(t: Tensor, hook: Callable) -> Any:
    """See `Tensor.register_hook`. Raises: RuntimeError if no gradient will come."""
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    slot = t._slot
    session = STATE.session
    read = None
    if session is not None and t._storage.owner is not session:
        session.unfaithful(Why.HOOK)
        if slot is None:
            read = session.show_as_before(t)
    if slot is not None:
        return RemovableHandle(slot.hooks, hook)
    edge = t._value().edge
    assert edge is not None
    node, index = edge
    if not isinstance(node, Node):
        raise RuntimeError("cannot register a hook on an argument of a function transform")
    if node.hooks is None:
        node.hooks = {}
    hooks = node.hooks.setdefault(index, [])
    if read is not None and read.edge not in (None, edge):
        _attach(read.edge, hooks)
    storage = t._storage
    if storage.hooks is None:
        storage.hooks = Hooks()
    storage.hooks.note(t._view, edge, hooks)
    return NodeHandle(hooks, hook)


class Hooks:
    """The hooks on a storage's base and on its views, which outlive the nodes they lie on: a view
    is recorded anew when it is read after an evaluation or a write."""

    def __init__(self) -> None:
        self.of_base: tuple[Any, list[Callable]] | None = None  # with the edge it had
        self.of_views: weakref.WeakKeyDictionary[Link, list[Callable]] = weakref.WeakKeyDictionary()
        # Views whose base was written to: what `retain_grad` keeps goes over to their new value
        # when that is looked at, and not before, as in PyTorch.
        self.stale: weakref.WeakSet[Link] = weakref.WeakSet()

    def note(self, link: Link | None, edge: Any, hooks: list[Callable]) -> None:
        """`hooks` lie where the gradient of a view, or of the base, flows to."""
        if link is None:
            self.of_base = (edge, hooks)
        else:
            self.of_views[link] = hooks
            self.stale.discard(link)

    def waiting(self) -> bool:
        """Whether there is a hook on any of them."""
        of_base = [] if self.of_base is None else self.of_base[1]
        return bool(of_base) or any(self.of_views.values())

    def carry(self, link: Link, value: Value) -> None:
        """A view was recorded anew as `value`."""
        hooks = self.of_views.get(link)
        if link in self.stale:
            self.stale.discard(link)
            hooks = self.of_views[link] = _taken(hooks or [])
        if hooks and value.edge is not None:
            self.of_views[link] = _attach(value.edge, hooks)

    def written(self, edge: Any, value: Value) -> None:
        """The base is being written to: hooks stay with the old value, but what `retain_grad`
        keeps is the gradient of the new one; of both, if the write leaves history alone."""
        for link, hooks in list(self.of_views.items()):
            if edge == value.edge:
                self.of_views[link] = [h for h in hooks if isinstance(h, _Keep)]
            else:
                self.stale.add(link)
        if self.of_base is not None and self.of_base[0] != value.edge:
            kept = _taken(self.of_base[1])
            self.of_base = None
            if kept and value.edge is not None:
                self.of_base = (value.edge, _attach(value.edge, kept))


def _taken(hooks: list[Callable]) -> list[Callable]:
    """What `retain_grad` put among hooks, taken from them."""
    kept = [h for h in hooks if isinstance(h, _Keep)]
    hooks[:] = [h for h in hooks if not isinstance(h, _Keep)]
    return kept


def _attach(edge: Any, hooks: list[Callable]) -> list[Callable]:
    """Hooks put at the end of history that `edge` names; returns all that are there."""
    node, index = edge
    if not isinstance(node, Node):
        return hooks
    if node.hooks is None:
        node.hooks = {}
    there = node.hooks.setdefault(index, hooks)
    if there is not hooks:
        there += [h for h in hooks if h not in there]
    return there


def register_post_hook(t: Tensor, hook: Callable) -> Any:
    """See `Tensor.register_post_accumulate_grad_hook`."""
    if not t.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    slot = t._slot
    if slot is None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    if STATE.session is not None and t._storage.owner is not STATE.session:
        STATE.session.unfaithful(Why.HOOK)
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
    if not STATE.grad_enabled and g.requires_grad:
        g = Tensor._wrap(alias(g._value(), None), g.device)  # a seed may have a history
    before = t.__dict__.get("_retained")
    t.__dict__["_retained"] = g if before is None else before + g


def retain_grad(t: Tensor) -> bool:
    """See `Tensor.retain_grad`. Returns whether that was new."""
    if not t.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if t._slot is not None or "_retains" in t.__dict__:
        return False
    t.__dict__["_retains"] = register_hook(t, _Keep(t))
    return True


def retains_grad(t: Tensor) -> bool:
    """Whether `retain_grad` keeps the gradient of a tensor that is not a leaf."""
    return "_retains" in t.__dict__


# Hooks on functions in history. They lie on the node of the function's result ("pre") and,
# once per pass, see what flowed into the function and out of it ("post").


class Crossing:
    """What a pass has seen of the functions in history that have hooks."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[Any, ...]] = {}  # cotangents that entered, by id of node
        self.watched: dict[int, _Open] = {}  # the functions still being passed, by id of node

    def enter(self, node: Node, cots: list[Value | None], device: Any) -> list[Value | None]:
        """Cotangents of the results after the hooks that run before the function."""
        hooks = node.hooks
        assert hooks is not None
        grads = tuple(None if c is None else Tensor._wrap(c, device) for c in cots)
        for hook in hooks.get("pre", ()):  # type: ignore[call-overload]
            got = _called(hook, grads)
            if got is not None:
                grads = got if isinstance(got, tuple) else (got,)
        if "post" in hooks:
            self.seen[id(node)] = grads
        return [None if g is None else g._value() for g in grads]

    def open(self, function: GradFn) -> None:
        """A pass has come to a function with hooks that run after it."""
        opened = _Open(function, self.seen[id(function._node)])
        for node in opened.inside:
            self.watched[id(node)] = opened

    def leave(self, node: Node, made: list[Value | None], device: Any) -> list[Value | None]:
        """The cotangents of a node's operands, after the hooks if they are the last ones."""
        opened = self.watched.pop(id(node), None)
        if opened is None:
            return made
        for o, c in zip(node.operands, made, strict=True):
            if isinstance(o, Value) and o.edge is not None and id(o.edge[0]) not in opened.ids:
                opened.add(o.edge, c, device)
        if node is not opened.inside[0]:
            return made
        return opened.close(node, made)

    def close(self) -> None:
        """The pass is over: functions of which a part was not passed have their hooks called."""
        for opened in dict.fromkeys(self.watched.values()):
            opened.close(None, [])
        self.watched.clear()


class _Open:
    """A function with hooks while a pass is inside it."""

    def __init__(self, function: GradFn, grad_outputs: tuple[Any, ...]):
        self.function = function
        self.grad_outputs = grad_outputs
        self.inside = function.inside()
        self.ids = {id(n) for n in self.inside}
        self.given: dict[Any, Tensor | None] = {}
        self.closed = False

    def add(self, edge: Any, c: Value | None, device: Any) -> None:
        before = self.given.get(edge)
        now = None if c is None else Tensor._wrap(c, device)
        if before is not None and now is not None:
            now = before + now  # type: ignore[operator]
        self.given[edge] = before if now is None else now

    def close(self, node: Node | None, made: list[Value | None]) -> list[Value | None]:
        if self.closed:
            return made
        self.closed = True
        edges = self.function.edges()
        grads: tuple[Any, ...] = tuple(None if e is None else self.given.get(e) for e in edges)
        for hook in self.function._node.hooks["post"]:  # type: ignore[index, call-overload]
            got = _called(hook, grads, self.grad_outputs)
            if got is None:
                continue
            grads = got if isinstance(got, tuple) else (got,)
            if node is None or len(self.inside) > 1:
                raise RuntimeError(
                    f"a hook on {self.function.name()} cannot replace its gradients: the function "
                    "is several operations here; hook the tensors that it is given"
                )
            new = dict(zip(edges, grads, strict=True))
            made = [
                c
                if not isinstance(o, Value) or o.edge not in new or c is None
                else new[o.edge]._value()
                for o, c in zip(node.operands, made, strict=True)
            ]
        return made


def call_slot_hooks(slot: GradSlot, c: Value, device: Any, when: str) -> Value:
    """The hooks of a leaf's `AccumulateGrad`, before or after it adds to `.grad`."""
    hooks = None if slot.node_hooks is None else slot.node_hooks.get(when)
    for hook in hooks or ():
        g = Tensor._wrap(c, device)
        got = _called(hook, (g,)) if when == "pre" else _called(hook, (), (g,))
        if got is not None and when == "pre":
            c = (got[0] if isinstance(got, tuple) else got)._value()
    return c
