"""grad_fn: history seen through the API's scopes. Imported by `autograd` and tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..ir.grad import operand_types
from ..ir.graph import Node, Scope, Value
from .grad_fn_names import SHOWN, shown
from .grad_hooks import NodeHandle
from .scoping import GRAD_FN
from .storage import ANEW

if TYPE_CHECKING:
    from .engine import GradSlot


class HistoryNode:
    """A function in history: what `grad_fn` and `next_functions` show."""

    __slots__ = ()


class GradFn(HistoryNode):
    """One API call in history: a thin view on the nodes recorded under its scope.

    `name()` is PyTorch's name; `next_functions` are the calls and leaves its operands came
    from, each with the number of its result.
    """

    __slots__ = ("_node", "_scope")

    def __new__(cls, node: Node, scope: Scope | None) -> Any:
        self = object.__new__(GradFn)
        self._node, self._scope = node, scope
        made = object.__new__(_class_named(GradFn, self.name(), node.op.saved is not None))
        made._node, made._scope = node, scope
        return made

    def name(self) -> str:
        if self._node.op.saved is not None:
            return self._node.op.name
        chain = self._chain()
        if chain is not None:
            return chain[0]
        if self._scope is not None:
            return scope_grad_fn(self._scope)
        return _PRIMITIVE_NAMES.get(self._node.op.name) or _camel(self._node.op.name)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        chain = self._chain()
        if chain is not None:
            return tuple(_shown(self, part) for part in chain[1:])
        return tuple(follow(edge) for edge in self.edges())

    def _chain(self) -> Any:
        """The functions that PyTorch has for this one, where they are several."""
        if self._node.op.saved is not None:
            return None
        if self._scope is None:
            x, *rest = self._node.operands
            if self._node.op.name == "div" and not isinstance(x, Value):
                return ("MulBackward0", ("ReciprocalBackward0", rest[0].edge), None)  # type: ignore
            return None
        if self._scope.name not in SHOWN:
            return None
        types = operand_types(self._node.operands)
        out = self._node.op.infer(types, self._node.attrs)
        return shown(self._scope.name, self.edges(), getattr(out, "ndim", 0))

    def edges(self) -> list[Any]:
        """Where the gradients of the call's operands flow to, None for those without."""
        if self._scope is None or self._node.op.saved is not None:
            # A number beside a tensor is an operand like any other in PyTorch's arithmetic.
            return [
                o.edge if isinstance(o, Value) else None
                for o in self._node.operands
                if (isinstance(o, Value) and o.type.dtype.kind in ("float", "complex"))
                or (not isinstance(o, Value) and self._node.op.name in _WITH_NUMBERS)
            ]
        if self._scope.edges is not None:
            return self._scope.edges
        # Operands that enter the scope from outside, in the order they were used.
        return list(dict.fromkeys(self.entering()))

    def inside(self) -> list[Node]:
        """The nodes of the call that lead to the result, in the order of recording."""
        if self._scope is None or self._node.op.saved is not None:
            return [self._node]
        stack, seen = [self._node], {id(self._node): self._node}
        while stack:
            for o in stack.pop().operands:
                if not isinstance(o, Value) or o.edge is None:
                    continue
                target = o.edge[0]
                if id(target) in seen or not isinstance(target, Node):
                    continue
                if api_scope(target.scope) is self._scope:
                    seen[id(target)] = target
                    stack.append(target)
        return sorted(seen.values(), key=lambda n: n.seq)

    def entering(self) -> Iterator[Any]:
        """The edges by which gradients leave the call."""
        inside = self.inside()
        ids = {id(n) for n in inside}
        for node in inside:
            for o in node.operands:
                if isinstance(o, Value) and o.edge is not None and id(o.edge[0]) not in ids:
                    yield o.edge

    @property
    def metadata(self) -> dict:
        return _metadata(self._node, "metadata")

    def _add(self, when: str, hook: Callable) -> NodeHandle:
        return NodeHandle(_metadata(self._node, when, list), hook)

    def register_hook(self, hook: Callable) -> NodeHandle:
        """Call `hook(grad_inputs, grad_outputs)` when the gradient has passed this call.

        It may return other `grad_inputs`.
        """
        return self._add("post", hook)

    def register_prehook(self, hook: Callable) -> NodeHandle:
        """Call `hook(grad_outputs)` before the gradient passes this call; it may return
        others."""
        return self._add("pre", hook)

    def __getattr__(self, name: str) -> Any:
        # The ctx of an autograd.Function is its grad_fn, attributes and all.
        saved = self._node.op.saved
        if saved is None or name.startswith("__"):
            raise AttributeError(f"{self.name()!r} object has no attribute {name!r}")
        return getattr(saved.ctx, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GradFn):
            return NotImplemented
        if self._scope is not None:
            return self._scope is other._scope
        return self._node is other._node

    def __hash__(self) -> int:
        return hash(id(self._scope or self._node))

    def __repr__(self) -> str:
        place = "" if self._node.op.saved is None else f"{type(self).__module__}."
        return f"<{place}{self.name()} object at {hash(self):#x}>"


@functools.lru_cache(1024)
def _class_named(base: type, name: str, users: bool) -> type:
    """The class of a function in history, for `type(grad_fn)` to show its name."""
    module = "thrace.autograd.function" if users else "builtins"
    return type(name, (base,), {"__slots__": (), "__module__": module})


def _metadata(node: Node, key: str, make: Any = dict) -> Any:
    if node.hooks is None:
        node.hooks = {}
    return node.hooks.setdefault(key, make())  # type: ignore[call-overload]


class AccumulateGrad(HistoryNode):
    """The end of history at a leaf; `variable` is the leaf."""

    __slots__ = ("_slot",)
    __module__ = "builtins"

    def __init__(self, slot: GradSlot):
        self._slot = slot

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"  # what PyTorch answers, to the letter

    @property
    def variable(self) -> Any:
        return None if self._slot.owner is None else self._slot.owner()

    @property
    def next_functions(self) -> tuple:
        return ()

    @property
    def metadata(self) -> dict:
        return self._slot.more("metadata", dict)

    def register_hook(self, hook: Callable) -> NodeHandle:
        """Call `hook((), grad_outputs)` after the gradient was added to the leaf's."""
        return NodeHandle(self._slot.more("post", list), hook)

    def register_prehook(self, hook: Callable) -> NodeHandle:
        """Call `hook(grad_outputs)` before the gradient is added; it may return others."""
        return NodeHandle(self._slot.more("pre", list), hook)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and self._slot is other._slot

    def __hash__(self) -> int:
        return hash(id(self._slot))

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self._slot):#x}>"


class _Part(HistoryNode):
    """One of the functions that a call is in PyTorch and not here."""

    __slots__ = ("_chain", "_of")

    def __new__(cls, of: GradFn, chain: Any) -> Any:
        made = object.__new__(_class_named(_Part, chain[0], False))
        made._of, made._chain = of, chain
        return made

    def name(self) -> str:
        return self._chain[0]

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        return tuple(_shown(self._of, part) for part in self._chain[1:])

    @property
    def metadata(self) -> dict:
        return {}

    def register_hook(self, hook: Callable) -> Any:
        """No gradient is seen here: hook the call's own `grad_fn`, or a tensor."""
        raise RuntimeError(f"{self.name()} is part of {self._of.name()} here and has no hooks")

    register_prehook = register_hook

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Part) and (self._of, self._chain) == (other._of, other._chain)

    def __hash__(self) -> int:
        return hash((self._of, self._chain[0]))

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hash(self):#x}>"


def _shown(of: GradFn, part: Any) -> tuple[Any, int]:
    if isinstance(part, tuple) and part and isinstance(part[0], str):
        return (_Part(of, part), 0)
    return follow(part)


_WITH_NUMBERS = ("add", "sub", "mul", "div")
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


def scope_grad_fn(scope: Scope) -> str:
    """PyTorch's name for the backward of an API function."""
    if scope.name.endswith(ANEW):
        return "AsStridedBackward0"
    return GRAD_FN.get(scope.name) or _camel(scope.name)


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Backward0"


def api_scope(scope: Scope | None) -> Scope | None:
    """The outermost API function of a scope path, below its innermost module or phase."""
    found = None
    while scope is not None and scope.kind == "function":
        found = scope
        scope = scope.parent
    return found


def follow(edge: Any) -> tuple[Any, int]:
    """What an edge leads to as autograd shows it, with the number of its result."""
    if edge is None:
        return (None, 0)
    target, index = edge
    if isinstance(target, Node):
        return (GradFn(target, api_scope(target.scope)), index)
    # A slot collects; what else can stand there is the end of a transform's history.
    return (AccumulateGrad(target), 0) if hasattr(target, "grad") else (None, 0)


def grad_fn_of(value: Value) -> Any:
    """The function that autograd shows for a value with history."""
    return follow(value.edge)[0]
