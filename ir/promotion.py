"""PyTorch's type promotion and broadcasting, on types alone.

Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html (type promotion) and
https://docs.pytorch.org/docs/stable/notes/broadcasting.html.
"""

from __future__ import annotations

from collections.abc import Iterable

from .errors import ShapeError
from .types import (
    DType,
    Shape,
    TensorType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int16,
    int32,
    int64,
    uint8,
)

_KIND_ORDER = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}
_CACHE: dict[tuple[DType, DType], DType] = {}
_NEXT_INT = {1: int16, 2: int32, 4: int64, 8: int64}


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype that holds both, as `torch.promote_types` has it."""
    if type1 is type2:
        return type1
    found = _CACHE.get((type1, type2))
    if found is None:
        found = _CACHE[type1, type2] = _promote(type1, type2)
    return found


def _promote(a: DType, b: DType) -> DType:
    order_a, order_b = _KIND_ORDER[a.kind], _KIND_ORDER[b.kind]
    if order_a > order_b:
        a, b = b, a
        order_a, order_b = order_b, order_a
    if order_b == 3 and order_a == 2:  # a float and a complex: the wider of the parts
        return complex128 if float64 in (a, b) or complex128 in (a, b) else complex64
    if order_a < order_b:
        return b
    if {a, b} == {float16, bfloat16}:
        return float32
    if a.kind == b.kind:
        return a if a.rank >= b.rank else b
    # A signed and an unsigned integer: the next signed one that holds both.
    unsigned, signed = (a, b) if a.kind == "uint" else (b, a)
    if unsigned is not uint8:
        return float32 if unsigned.itemsize == 8 else _NEXT_INT[max(4, unsigned.itemsize)]
    return signed if signed.itemsize > 1 else int16


def scalar_dtype(value: object, default: DType = float32) -> DType:
    """The dtype a Python scalar has on its own: bool, int64, the default, or its complex."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return default
    if isinstance(value, complex):
        return default.to_complex()
    raise TypeError(f"expected a number, got {type(value).__name__}")


def result_type(
    types: Iterable[TensorType], scalars: Iterable[object] = (), default: DType = float32
) -> DType:
    """The dtype of an operation on tensors and Python scalars.

    Tensors with dimensions decide; a zero-dimensional tensor, then a scalar, only counts
    if its kind (bool, integer, floating, complex) is higher than what was found so far.
    """
    dims: DType | None = None
    zero: DType | None = None
    wrapped: DType | None = None
    for t in types:
        if t.ndim:
            dims = t.dtype if dims is None else promote_types(dims, t.dtype)
        else:
            zero = t.dtype if zero is None else promote_types(zero, t.dtype)
    for s in scalars:
        d = scalar_dtype(s, default)
        wrapped = d if wrapped is None else promote_types(wrapped, d)
    return _combine(_combine(dims, zero), wrapped)  # type: ignore[return-value]


def _combine(higher: DType | None, lower: DType | None) -> DType | None:
    if higher is None:
        return lower
    if lower is None or _KIND_ORDER[higher.kind] >= _KIND_ORDER[lower.kind]:
        return higher
    if higher.kind == "float":
        return higher.to_complex()  # the precision is that of what counts more
    return promote_types(higher, lower)


def broadcast_shapes(op: str, a: Shape, b: Shape) -> Shape:
    """The common shape of `a` and `b`, aligned at the last axis.

    Raises: ShapeError naming both shapes and the first axis (from the end) that differs.
    """
    if a == b:
        return a
    out: list[int] = []
    for axis in range(-1, -max(len(a), len(b)) - 1, -1):
        m = a[axis] if -axis <= len(a) else 1
        n = b[axis] if -axis <= len(b) else 1
        if m != n and 1 not in (m, n):
            raise ShapeError(
                f"{op}: shapes {a} and {b} do not broadcast: sizes {m} and {n} at axis {axis}"
            )
        out.append(n if m == 1 else m)
    return tuple(reversed(out))
