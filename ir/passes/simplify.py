"""Algebraic simplification: a table of identities. Imported by `ir.passes` alone.

Each row holds to the last bit, signed zeros, infinities and nan included, which is why
`x + 0.0` stays (it turns -0.0 into 0.0) and `x * 0` is 0 for whole numbers only. Complex
products are left alone: an infinite part makes the other nan.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..collector import without_collector
from ..graph import Graph, Node, Operand, Value
from ..ops import OPS, Op
from ..rebuild import Rebuilder
from ..types import DType, Shape, TensorType
from .fold import uniform

Ints = tuple[int, ...]


class Emit(NamedTuple):
    """Put this node in the place of the one looked at."""

    op: Op
    operands: tuple[Operand, ...]
    attrs: tuple = ()


def emit(op: str, *operands: Operand, **attrs: Any) -> Emit:
    row = OPS[op]
    return Emit(row, operands, row.pack(attrs) if row.attrs else ())


class Site(NamedTuple):
    """The node looked at: its result type, its op and its attributes."""

    type: TensorType
    op: Op
    attrs: tuple

    @property
    def whole(self) -> bool:
        """Whether the result is of whole numbers or bool."""
        return self.type.dtype.kind in ("bool", "uint", "int")

    @property
    def real(self) -> bool:
        return not self.type.dtype.is_complex

    def same(self, x: Operand) -> Value | None:
        """`x`, if it has the result's type: the identity then needs no broadcast."""
        return x if isinstance(x, Value) and x.type is self.type else None

    def full(self, number: Any) -> Emit:
        return Emit(OPS["full"], (number,), (self.type.shape, self.type.dtype))


Rule = Callable[..., Value | Emit | None]


def made_by(x: Operand, op: str) -> Node | None:
    """The node that makes `x`, if it is of this op."""
    if isinstance(x, Value) and x.node is not None and x.node.op.name == op:
        return x.node
    return None


def inner(x: Operand, op: str) -> Any:
    """The operand of the one-operand node that makes `x`, if it is of this op."""
    node = made_by(x, op)
    return None if node is None else node.operands[0]


def is_number(x: Operand, number: float) -> bool:
    n = uniform(x)
    return n is not None and n == number


def is_plus_zero(x: Operand) -> bool:
    n = uniform(x)
    if n is None or n != 0:
        return False
    parts = (n.real, n.imag) if isinstance(n, complex) else (n,)
    return all(math.copysign(1.0, p) > 0 for p in parts)


def is_minus_zero(x: Operand) -> bool:
    n = uniform(x)
    return isinstance(n, float) and n == 0 and math.copysign(1.0, n) < 0


# Arithmetic.


def add(at: Site, x: Operand, y: Operand) -> Any:
    for a, b in ((x, y), (y, x)):
        # x + 0 = x for whole numbers, x + False = x, x + -0.0 = x
        if (at.whole and is_number(b, 0)) or (at.real and is_minus_zero(b)):
            return at.same(a)
    return None


def add_neg(at: Site, x: Operand, y: Operand) -> Any:
    for a, b in ((x, y), (y, x)):
        negated = inner(b, "neg")
        if negated is not None:  # x + -y = x - y
            return emit("sub", a, negated)
    return None


def sub(at: Site, x: Operand, y: Operand) -> Any:
    if is_plus_zero(y):  # x - 0 = x
        return at.same(x)
    if at.whole and x is y:  # x - x = 0
        return at.full(0)
    nothing = (at.whole and is_number(x, 0)) or (at.real and is_minus_zero(x))
    if nothing and at.same(y):  # 0 - x = -x
        return emit("neg", y)
    negated = inner(y, "neg")
    return None if negated is None else emit("add", x, negated)  # x - -y = x + y


def mul(at: Site, x: Operand, y: Operand) -> Any:
    for a, b in ((x, y), (y, x)):
        if at.real and is_number(b, 1):  # x * 1 = x
            return at.same(a)
        if at.whole and is_number(b, 0):  # x * 0 = 0
            return at.full(0)
    return None


def mul_neg(at: Site, x: Operand, y: Operand) -> Any:
    if at.type.dtype.kind != "float":
        return None
    a, b = inner(x, "neg"), inner(y, "neg")
    if a is not None and b is not None:  # -x * -y = x * y
        return emit("mul", a, b)
    for negated, other in ((a, y), (b, x)):
        if negated is not None and not isinstance(other, Value):  # -x * c = x * -c
            return emit("mul", negated, -float(other))  # type: ignore[arg-type]
    return None


def div(at: Site, x: Operand, y: Operand) -> Any:
    return at.same(x) if at.real and is_number(y, 1) else None  # x / 1 = x


def power(at: Site, x: Operand, y: Operand) -> Any:
    if at.real and is_number(y, 1):  # x ** 1 = x
        return at.same(x)
    if at.real and is_number(y, 0):  # x ** 0 = 1, for nan as well
        return at.full(1)
    return None


def neg(at: Site, x: Operand) -> Any:
    if (negated := inner(x, "neg")) is not None:  # --x = x
        return negated
    if at.whole and (node := made_by(x, "sub")):  # -(x - y) = y - x; a zero has no sign
        return emit("sub", *reversed(node.operands))
    return None


def absolute(at: Site, x: Operand) -> Any:
    if made_by(x, "abs"):  # ||x|| = |x|
        return x
    negated = inner(x, "neg")
    if negated is None or at.type.dtype.kind == "uint":  # where -x has wrapped round
        return None
    return emit("abs", negated)  # |-x| = |x|


def conj(at: Site, x: Operand) -> Any:
    return inner(x, "conj")


def idempotent(at: Site, x: Operand, y: Operand) -> Any:
    return x if x is y else None  # max(x, x) = x & x = x | x = x


def no_bits(at: Site, x: Operand, y: Operand) -> Any:
    for a, b in ((x, y), (y, x)):
        if is_number(b, 0):  # x | 0 = x ^ 0 = x
            return at.same(a)
    return None


def no_shift(at: Site, x: Operand, y: Operand) -> Any:
    return at.same(x) if is_number(y, 0) else None


def bit_not(at: Site, x: Operand) -> Any:
    return inner(x, "bit_not")  # ~~x = x


def select(at: Site, c: Operand, x: Operand, y: Operand) -> Any:
    known = uniform(c)
    chosen = (x if known else y) if known is not None else x if x is y else None
    if chosen is not None:  # the condition does not matter
        if isinstance(chosen, Value):
            return at.same(chosen) or emit("broadcast", chosen, shape=at.type.shape)
        return at.full(chosen)
    if (negated := inner(c, "bit_not")) is not None:
        return emit("select", negated, y, x)
    return None


# Conversions.


def _digits(d: DType) -> int:
    """Binary digits that the dtype holds exactly, without the sign."""
    if d.kind == "bool":
        return 1
    if d.kind in ("uint", "int"):
        return d.itemsize * 8 - (d.kind == "int")
    return {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[d.to_real().name]


def keeps_all(a: DType, b: DType) -> bool:
    """Whether every number of dtype `a` is one of dtype `b`."""
    if a is b:
        return True
    order = ("bool", "uint", "int", "float", "complex")
    if order.index(a.kind) > order.index(b.kind) or {a.name, b.name} == {"float16", "bfloat16"}:
        return False
    return _digits(a) <= _digits(b)


def convert(at: Site, x: Value) -> Any:
    if x.type is at.type:  # to the same dtype
        return x
    node = made_by(x, "convert")
    if node is None:
        return None
    source: Any = node.operands[0]
    a, b, c = source.type.dtype, x.type.dtype, at.type.dtype
    # Whole numbers wrap, but saturate on the way from a floating dtype.
    saturates = c.kind in ("uint", "int") and a.kind in ("uint", "int") and b.kind in "floatcomplex"
    if keeps_all(a, b) and (not saturates or keeps_all(a, c)):
        return source if a is c else emit("convert", source, dtype=c)
    return None


# Moving elements.


def reshape(at: Site, x: Value) -> Any:
    if x.type is at.type:
        return x
    source = inner(x, "reshape")
    return None if source is None else emit("reshape", source, shape=at.type.shape)


def transpose(at: Site, x: Value) -> Any:
    (perm,) = at.attrs
    if perm == tuple(range(len(perm))):
        return x
    node = made_by(x, "transpose")
    if node is None:
        return None
    (before,) = node.attrs
    return emit("transpose", node.operands[0], perm=tuple(before[p] for p in perm))


def broadcast(at: Site, x: Value) -> Any:
    if x.type is at.type:
        return x
    source = inner(x, "broadcast")
    return None if source is None else emit("broadcast", source, shape=at.type.shape)


def sum_to(at: Site, x: Value) -> Any:
    return x if x.type is at.type else None


def reduce_none(at: Site, x: Value) -> Any:
    return x if at.attrs == ((),) else None  # over no axes


def window(starts: Ints, strides: Ints) -> bool:
    """Whether a window begins at the first element and leaves none out."""
    return not any(starts) and all(s == 1 for s in strides)


def slices(at: Site, x: Value) -> Any:
    starts, sizes, strides = at.attrs
    if x.type is at.type and window(starts, strides):
        return x
    if node := made_by(x, "slice"):  # a slice of a slice
        first, _, steps = node.attrs
        if 0 in sizes:
            return None  # an empty window may begin past the end
        return emit(
            "slice",
            node.operands[0],
            starts=tuple(a + b * s for a, b, s in zip(first, starts, steps, strict=True)),
            sizes=sizes,
            strides=tuple(s * t for s, t in zip(steps, strides, strict=True)),
        )
    if node := made_by(x, "update_slice"):  # reading what was just written
        written = node.operands[1]
        if node.attrs == (starts, strides) and at.same(written):
            return written
    return None


def unslice(at: Site, x: Value) -> Any:
    _, starts, strides = at.attrs
    return x if x.type is at.type and window(starts, strides) else None


def update_slice(at: Site, x: Value, u: Value) -> Any:
    starts, strides = at.attrs
    if u.type is at.type and window(starts, strides):  # everything is overwritten
        return u
    node = made_by(x, "update_slice")
    if node and node.attrs == at.attrs and node.operands[1].type is u.type:  # type: ignore[union-attr]
        return emit("update_slice", node.operands[0], u, starts=starts, strides=strides)
    return None


def pad(at: Site, x: Value, value: Operand) -> Any:
    return x if not any(map(any, at.attrs)) else None


def concatenate(at: Site, *xs: Value) -> Any:
    return xs[0] if len(xs) == 1 else None


def reverse(at: Site, x: Value) -> Any:
    if not at.attrs[0]:
        return x
    node = made_by(x, "reverse")
    return node.operands[0] if node and node.attrs == at.attrs else None


def move_full(at: Site, x: Value) -> Any:
    number = uniform(x)
    return None if number is None else at.full(number)


# Broadcasting is free in an elementwise op, so what only widens an operand is left out.


def narrow_operands(at: Site, *operands: Operand) -> Any:
    """A number spread out becomes a literal, and a broadcast operand what was broadcast."""
    if len(operands) < 2:
        return None
    out = list(operands)
    for i, o in enumerate(operands):
        if not isinstance(o, Value):
            continue
        source = inner(o, "broadcast")
        number = None if at.op.name == "select" and i == 0 else uniform(o)
        narrower = source if number is None else number
        if narrower is not None and _keeps_type(at, [*out[:i], narrower, *out[i + 1 :]]):
            out[i] = narrower
    return None if tuple(out) == operands else Emit(at.op, tuple(out), at.attrs)


def _keeps_type(at: Site, operands: list[Operand]) -> bool:
    typed = operands[1:] if at.op.name == "select" else operands
    if not any(isinstance(o, Value) for o in typed):
        return False
    shapes = [o.type.shape for o in operands if isinstance(o, Value)]
    return _widest(shapes) == at.type.shape


def _widest(shapes: list[Shape]) -> Shape:
    """What shapes that fit together broadcast to."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))


def checked_true(at: Site, ok: Value) -> Any:
    return ok if uniform(ok) is True else None  # a check that cannot fail


RULES: dict[str, tuple[Rule, ...]] = {
    "add": (add, add_neg),
    "sub": (sub,),
    "mul": (mul, mul_neg),
    "div": (div,),
    "pow": (power,),
    "neg": (neg,),
    "abs": (absolute,),
    "conj": (conj,),
    "maximum": (idempotent,),
    "minimum": (idempotent,),
    "bit_and": (idempotent,),
    "bit_or": (idempotent, no_bits),
    "bit_xor": (no_bits,),
    "bit_not": (bit_not,),
    "shift_left": (no_shift,),
    "shift_right": (no_shift,),
    "select": (select,),
    "convert": (convert,),
    "reshape": (move_full, reshape),
    "transpose": (move_full, transpose),
    "broadcast": (move_full, broadcast),
    "slice": (move_full, slices),
    "reverse": (move_full, reverse),
    "sum_to": (sum_to,),
    "sum": (reduce_none,),
    "amax": (reduce_none,),
    "amin": (reduce_none,),
    "any": (reduce_none,),
    "all": (reduce_none,),
    "unslice": (unslice,),
    "update_slice": (update_slice,),
    "pad": (pad,),
    "concatenate": (concatenate,),
    "check": (checked_true,),
}


@without_collector
def simplify(graph: Graph) -> Graph:
    """Apply the rules to each node, in order, until none holds for what stands there."""
    new = Rebuilder(graph)
    changed = False
    for node in graph.nodes:
        operands = new.map(node.operands)
        found = _rewrite(node, operands) if len(node.outputs) == 1 else None
        if found is None:
            new.copy(node, operands)
            continue
        changed = True
        if isinstance(found, Emit):
            made = Node(*found, node.loc, node.scope, node.cause, len(new.nodes))
            made.outputs = (Value(node.outputs[0].type, made),)
            new.nodes.append(made)
            found = made.outputs[0]
        new.replace(node, (found,))
    return new.finish() if changed else graph


def _rewrite(node: Node, operands: tuple[Operand, ...]) -> Value | Emit | None:
    """What to put in the node's place, or None. Each rule makes the expression smaller."""
    type = node.outputs[0].type
    at, found = Site(type, node.op, node.attrs), None
    while True:
        step = _one_step(at, operands)
        if not isinstance(step, Emit):
            return found if step is None else step
        found = step
        at, operands = Site(type, step.op, step.attrs), step.operands


def _one_step(at: Site, operands: tuple[Operand, ...]) -> Value | Emit | None:
    for rule in RULES.get(at.op.name, ()):
        found = rule(at, *operands)
        if found is not None:
            return found
    return narrow_operands(at, *operands) if at.op.elementwise else None
