"""Sorting along one axis.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..types import TensorType, int64
from .table import op, table
from .typing import ORDERED, check_axes, check_dtype


def _sort_type(
    name: str, x: TensorType, *, axis: int, descending: bool
) -> tuple[TensorType, TensorType]:
    if not x.ndim:
        raise ShapeError(f"{name}: a tensor without axes has nothing to sort")
    check_axes(name, (axis,), x.ndim)
    check_dtype(name, x.dtype, ORDERED)
    return x, TensorType(x.shape, int64)


def along(b: Any, index: Any, axis: int) -> list[Any]:
    """Index operands that take, at each place of `index`, the element it names along `axis`."""
    shape = index.type.shape
    out = []
    for a, n in enumerate(shape):
        if a == axis:
            out.append(index)
            continue
        line = tuple(n if i == a else 1 for i in range(len(shape)))
        out.append(b.iota(shape=line, axis=a, dtype=int64))
    return out


def _sort_grad(b: Any, g: Any, out: Any, x: Any, *, axis: int, descending: bool) -> Any:
    if g[0] is None:
        return b.zeros(x.type)
    return b.index_set(b.zeros(x.type), g[0], *along(b, out[1], axis))


def _sort(x: np.ndarray, *, axis: int, descending: bool) -> tuple[np.ndarray, np.ndarray]:
    # nan counts as the largest, and equal elements keep their order either way.
    if descending:
        flipped = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
        order = x.shape[axis] - 1 - np.flip(flipped, axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    return np.take_along_axis(x, order, axis), order.astype(np.int64)


SORT = table(
    op(
        "sort",
        _sort_type,
        _sort_grad,
        attrs=("axis", "descending"),
        evaluate=_sort,
        multiple=True,
    ),
)
