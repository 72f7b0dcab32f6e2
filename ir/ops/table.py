"""What an op is: one row with its typing rule, gradient rules and NumPy rule.

Imported by the op tables; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..types import TensorType


class _Zero:
    """Marks an operand whose gradient is zero everywhere it exists."""

    def __repr__(self) -> str:
        return "ZERO"


ZERO = _Zero()
GradRule = Callable[..., Any] | _Zero | None
Types = TensorType | tuple[TensorType, ...]


class Op:
    """A row of the op table.

    `typing(name, *types, **attrs)` gives the result's type (a tuple of them under
    `multiple`); the type of a literal operand is None there.
    `grads` has a rule per operand, `rule(b, g, out, *operands, **attrs)`: the cotangent of
    that operand, built with `b`, whatever its broadcasting. `ZERO` stands for zeros, None
    for an operand that is not differentiated (integers). Under `multiple`, `g` and `out`
    are tuples, and `g` has None where no cotangent came.
    `grad_each(b, g, out, operands, i, **attrs)` does the same for any number of operands.
    `vjp(b, node, cots, needs)` differentiates a node that holds graphs, by all operands at once.
    `evaluate(*arrays, **attrs)` is the NumPy rule.
    `no_grad` says why an op has no gradient.
    `saved` is the state of an op that a user's `autograd.Function` made for one call: it has
    `vjp(b, node, cots, needs)` and `free()`. Such ops stand in history alone.
    `free` names attributes that may become operands of the op `dynamic` (slice starts).
    """

    __slots__ = (
        "attrs",
        "cache",
        "dynamic",
        "effect",
        "elementwise",
        "evaluate",
        "flows",
        "free",
        "grad_each",
        "grads",
        "multiple",
        "name",
        "no_grad",
        "saved",
        "typing",
        "vjp",
    )

    def __init__(
        self,
        name: str,
        typing: Callable[..., Types],
        *grads: GradRule,
        attrs: tuple[str, ...] = (),
        evaluate: Callable[..., Any] | None = None,
        grad_each: Callable[..., Any] | None = None,
        vjp: Callable[..., Any] | None = None,
        no_grad: str = "",
        multiple: bool = False,
        elementwise: bool = False,
        effect: bool = False,
        free: tuple[str, ...] = (),
        dynamic: str = "",
        saved: Any = None,
    ):
        self.name = name
        self.typing = typing
        self.grads = grads
        self.attrs = attrs
        self.evaluate = evaluate
        self.grad_each = grad_each if vjp is None else _all_at_once
        self.vjp = vjp
        # Whether every operand is differentiated, so that nobody needs to look which ones are.
        self.flows = self.grad_each is not None or all(rule is not None for rule in grads)
        self.no_grad = no_grad
        self.multiple = multiple
        self.elementwise = elementwise
        self.effect = effect
        self.free = free
        self.dynamic = dynamic
        self.saved = saved
        # Result types by (attrs, operand types): a recorded op costs one dictionary look-up.
        self.cache: dict[tuple, Any] = {}

    @property
    def pure(self) -> bool:
        """Whether equal nodes may be merged and unread ones dropped."""
        return not self.effect

    @property
    def differentiable(self) -> bool:
        return not self.no_grad

    def pack(self, attrs: dict[str, Any]) -> tuple:
        """Attributes in the row's order. Raises: TypeError for a missing or unknown one."""
        if len(attrs) == len(self.attrs):
            try:
                return tuple([attrs[name] for name in self.attrs])
            except KeyError:
                pass
        raise TypeError(f"{self.name} takes attributes {self.attrs}, got {tuple(attrs)}")

    def grad_of(self, i: int) -> GradRule:
        """The rule for operand `i`, in the form `rule(b, g, out, *operands, **attrs)`."""
        if self.grad_each is not None:
            each = self.grad_each
            return lambda b, g, out, *operands, **attrs: each(b, g, out, operands, i, **attrs)
        return self.grads[i] if i < len(self.grads) else None

    def has_grad(self, i: int) -> bool:
        """Whether there is a rule for operand `i`."""
        return self.grad_each is not None or (i < len(self.grads) and self.grads[i] is not None)

    def infer(self, types: tuple[TensorType | None, ...], attrs: tuple = ()) -> Any:
        """The result's type, from cache or by the typing rule.

        Raises: ShapeError, DTypeError or AxisError without a source line.
        """
        key = (types, attrs)
        found = self.cache.get(key)
        if found is None:
            if len(self.cache) > 4096:  # shapes that never recur must not pile up
                self.cache.clear()
            found = self.typing(self.name, *types, **dict(zip(self.attrs, attrs, strict=True)))
            self.cache[key] = found
        return found

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def __reduce__(self):
        from . import get

        return (get, (self.name,))


def _all_at_once(*args: Any, **attrs: Any) -> Any:
    raise AssertionError("differentiated for all operands at once")


def op(name: str, typing: Callable[..., Types], *grads: GradRule, **options: Any) -> Op:
    """A row; see `Op`."""
    return Op(name, typing, *grads, **options)


def table(*rows: Op) -> dict[str, Op]:
    """Rows by name. Raises: ValueError if two have the same name."""
    out: dict[str, Op] = {}
    for row in rows:
        if row.name in out:
            raise ValueError(f"op {row.name!r} has two rows")
        out[row.name] = row
    return out
