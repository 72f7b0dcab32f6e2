"""Reading and writing at computed positions.

All three ops index the leading axes of `x`, one per index operand. The index operands are
integers, not negative, and broadcast together to a shape B; what is read has shape
B + the remaining axes of `x`. Whoever records an index checks that it is in range.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..types import TensorType, is_half
from .table import op, table
from .typing import INTEGERS, check_dtype, common


def _picked(name: str, x: TensorType, indices: tuple[TensorType, ...]) -> TensorType:
    if not 1 <= len(indices) <= x.ndim:
        raise ShapeError(f"{name}: {len(indices)} indices for shape {x.shape}")
    shape, dtype = common(name, indices)
    check_dtype(name, dtype, INTEGERS)
    return x.with_shape((*shape, *x.shape[len(indices) :]))


def _index_type(name: str, x: TensorType, *indices: TensorType) -> TensorType:
    return _picked(name, x, indices)


def _put_type(name: str, x: TensorType, u: TensorType, *indices: TensorType) -> TensorType:
    picked = _picked(name, x, indices)
    if u.dtype is not x.dtype:
        raise DTypeError(f"{name}: expected one dtype, got {x.dtype} and {u.dtype}")
    if u.shape != picked.shape:
        raise ShapeError(f"{name}: the update has shape {u.shape}, expected {picked.shape}")
    return x


def _index_grad(b: Any, g: Any, out: Any, operands: Any, i: int) -> Any:
    return None if i else b.index_add(b.zeros(operands[0].type), g, *operands[1:])


def _index_add_grad(b: Any, g: Any, out: Any, operands: Any, i: int) -> Any:
    if i == 0:
        return g
    return b.index(g, *operands[2:]) if i == 1 else None


def _index_set_grad(b: Any, g: Any, out: Any, operands: Any, i: int) -> Any:
    if i == 0:
        return b.index_set(g, b.zeros(operands[1].type), *operands[2:])
    return b.index(g, *operands[2:]) if i == 1 else None


def _clipped(x: np.ndarray, indices: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...] | None:
    """Indices moved into range, as XLA does: a failed check reports them, not this rule.

    None where `x` has nothing to pick.
    """
    sizes = x.shape[: len(indices)]
    if 0 in sizes:
        return None
    return tuple(np.clip(i, 0, n - 1) for i, n in zip(indices, sizes, strict=True))


def _index(x: np.ndarray, *indices: np.ndarray) -> np.ndarray:
    inside = _clipped(x, indices)
    if inside is None:
        shape = np.broadcast_shapes(*(i.shape for i in indices))
        return np.zeros((*shape, *x.shape[len(indices) :]), x.dtype)
    return x[inside]


def _index_add(x: np.ndarray, u: np.ndarray, *indices: np.ndarray) -> np.ndarray:
    # Half precision would round each of the many terms on one place.
    out = x.astype(np.float32) if is_half(x.dtype) else np.array(x)
    inside = _clipped(x, indices)
    if inside is not None:
        np.add.at(out, inside, u)
    return out.astype(x.dtype)


def _index_set(x: np.ndarray, u: np.ndarray, *indices: np.ndarray) -> np.ndarray:
    out = np.array(x)
    inside = _clipped(x, indices)
    if inside is not None:
        out[inside] = u
    return out


def _combining(fn: Any):
    """The NumPy rule of an op that combines updates with what is there by a ufunc."""

    def rule(x: np.ndarray, u: np.ndarray, *indices: np.ndarray) -> np.ndarray:
        out = x.astype(np.float32) if is_half(x.dtype) else np.array(x)
        inside = _clipped(x, indices)
        if inside is not None:
            fn.at(out, inside, u)
        return out.astype(x.dtype)

    return rule


def _index_extreme_grad(b: Any, g: Any, out: Any, operands: Any, i: int) -> Any:
    """All that equal the extreme of a place share its gradient evenly."""
    x, u, *indices = operands
    if i > 1:
        return None
    mine = b.convert(b.eq(x, out), x.type.dtype)
    theirs = b.convert(b.eq(u, b.index(out, *indices)), x.type.dtype)
    count = b.index_add(mine, theirs, *indices)
    share = b.div(g, b.maximum(count, 1))
    return b.mul(share, mine) if i == 0 else b.mul(b.index(share, *indices), theirs)


def _index_mul_grad(b: Any, g: Any, out: Any, operands: Any, i: int) -> Any:
    """The product of all others, also where one factor of a place is zero."""
    x, u, *indices = operands
    if i > 1:
        return None
    if i == 0:
        none = b.eq(x, 0)
        safe = b.select(none, 1, x)
        return b.mul(g, b.conj(b.div(b.index_mul(safe, u, *indices), safe)))
    none = b.eq(u, 0)
    safe = b.select(none, 1, u)
    zeros = b.index_add(b.zeros(x.type), b.convert(none, x.type.dtype), *indices)
    others = b.index(b.index_mul(x, safe, *indices), *indices)
    count = b.index(zeros, *indices)
    lone = b.select(none, b.eq(count, 1), b.eq(count, 0))
    rest = b.select(lone, b.div(others, safe), 0)
    return b.mul(b.index(g, *indices), b.conj(rest))


INDEXING = table(
    op("index", _index_type, grad_each=_index_grad, evaluate=_index),
    op("index_add", _put_type, grad_each=_index_add_grad, evaluate=_index_add),
    op("index_set", _put_type, grad_each=_index_set_grad, evaluate=_index_set),
    op("index_mul", _put_type, grad_each=_index_mul_grad, evaluate=_combining(np.multiply)),
    op("index_max", _put_type, grad_each=_index_extreme_grad, evaluate=_combining(np.maximum)),
    op("index_min", _put_type, grad_each=_index_extreme_grad, evaluate=_combining(np.minimum)),
)
