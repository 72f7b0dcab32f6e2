"""Reductions. `axes` are counted from 0 and ascend; results have those axes removed.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..types import Shape, TensorType, bool_, int64, is_half
from .table import op, table
from .typing import NUMERIC, ORDERED, Kinds, check_axes, check_dtype, drop_axes

Axes = tuple[int, ...]


def _reduced(kinds: Kinds, needs_items: bool = False):
    def rule(name: str, x: TensorType, *, axes: Axes) -> TensorType:
        check_axes(name, axes, x.ndim)
        check_dtype(name, x.dtype, kinds)
        if needs_items and any(x.shape[a] == 0 for a in axes):
            raise ShapeError(f"{name}: no items to reduce in shape {x.shape} along {axes}")
        return x.with_shape(drop_axes(x.shape, axes))

    return rule


def _logical(name: str, x: TensorType, *, axes: Axes) -> TensorType:
    check_axes(name, axes, x.ndim)
    check_dtype(name, x.dtype, frozenset({"bool"}))
    return TensorType(drop_axes(x.shape, axes), bool_)


def _arg(name: str, x: TensorType, *, axis: int) -> TensorType:
    check_axes(name, (axis,), x.ndim)
    check_dtype(name, x.dtype, ORDERED)
    if x.shape[axis] == 0:
        raise ShapeError(f"{name}: no items to reduce in shape {x.shape} along {axis}")
    return TensorType(drop_axes(x.shape, (axis,)), int64)


def kept(shape: Shape, axes: Axes) -> Shape:
    """`shape` with size 1 at `axes`."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _sum_grad(b: Any, g: Any, out: Any, x: Any, *, axes: Axes) -> Any:
    return b.broadcast(b.reshape(g, kept(x.type.shape, axes)), x.type.shape)


def _extremum_grad(b: Any, g: Any, out: Any, x: Any, *, axes: Axes) -> Any:
    """Equal extremes share the gradient evenly, as PyTorch's amax and amin do."""
    shape = kept(x.type.shape, axes)
    hit = b.convert(b.eq(x, b.reshape(out, shape)), x.type.dtype)
    share = b.div(b.reshape(g, shape), b.reshape(b.sum(hit, axes=axes), shape))
    return b.mul(hit, share)


def _sum_to_type(name: str, x: TensorType, *, shape: Shape) -> TensorType:
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for m, n in zip(x.shape[lead:], shape, strict=True)):
        raise ShapeError(f"{name}: shape {x.shape} does not sum to {shape}")
    return x.with_shape(shape)


def _sum_to(x: np.ndarray, *, shape: Shape) -> np.ndarray:
    lead = x.ndim - len(shape)
    axes = tuple(i for i in range(x.ndim) if i < lead or (shape[i - lead] == 1 and x.shape[i] != 1))
    return _sum(x, axes=axes).reshape(shape)


def _sum(x: np.ndarray, *, axes: Axes) -> np.ndarray:
    if not axes:
        return x  # NumPy would still add 0, which takes the sign off -0.0
    accumulator = np.float32 if is_half(x.dtype) else x.dtype
    return np.sum(x, axis=axes, dtype=accumulator).astype(x.dtype)


def _numpy(fn: Any):
    def rule(x: np.ndarray, *, axes: Axes) -> np.ndarray:
        return fn(x, axis=axes)

    return rule


REDUCE = table(
    op(
        "sum",
        _reduced(NUMERIC),
        _sum_grad,
        attrs=("axes",),
        evaluate=_sum,
    ),
    op(
        "sum_to",  # what broadcasting to the operand's shape repeated is summed
        _sum_to_type,
        lambda b, g, out, x, *, shape: b.broadcast(g, x.type.shape),
        attrs=("shape",),
        evaluate=_sum_to,
    ),
    op(
        "amax",
        _reduced(ORDERED, needs_items=True),
        _extremum_grad,
        attrs=("axes",),
        evaluate=_numpy(np.max),
    ),
    op(
        "amin",
        _reduced(ORDERED, needs_items=True),
        _extremum_grad,
        attrs=("axes",),
        evaluate=_numpy(np.min),
    ),
    op("any", _logical, attrs=("axes",), no_grad="its result is bool", evaluate=_numpy(np.any)),
    op("all", _logical, attrs=("axes",), no_grad="its result is bool", evaluate=_numpy(np.all)),
    op(
        "argmax",
        _arg,
        attrs=("axis",),
        no_grad="its result is an index",
        evaluate=lambda x, *, axis: np.argmax(x, axis=axis),
    ),
    op(
        "argmin",
        _arg,
        attrs=("axis",),
        no_grad="its result is an index",
        evaluate=lambda x, *, axis: np.argmin(x, axis=axis),
    ),
)
