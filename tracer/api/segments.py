"""Reductions of segments of a dim, given by their lengths or where they begin.

Bound by `methods.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.errors import DTypeError, ShapeError
from ...ir.types import int32, int64
from .. import prims
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor
from .common import normalize_dim, require
from .running import cumsum

# The op of each reduction, and what it starts from unless `initial` is given.
_REDUCES: dict[str, tuple[Any, float]] = {
    "sum": (prims.index_add, 0),
    "mean": (prims.index_add, 0),
    "prod": (prims.index_mul, 1),
    "max": (prims.index_max, -math.inf),
    "min": (prims.index_min, math.inf),
}


def _bounds(name: str, given: Tensor, axis: int, x: Tensor, lengths: bool) -> tuple[Tensor, Tensor]:
    """Where segments begin and end, along the last dim."""
    check_tensor(name, given, "lengths" if lengths else "offsets")
    shape = given._type.shape
    if given._type.dtype not in (int32, int64):
        raise DTypeError(f"{name}: Expected integer lengths or offsets, got {given._type.dtype}")
    if len(shape) != axis + 1 or shape[:-1] != x._type.shape[:axis]:
        raise ShapeError(
            f"{name}: Expected all dims of lengths or offsets before axis {axis} to match those "
            f"of data, got {list(shape)} for {list(x._type.shape)}"
        )
    given = prims.convert(given, int64)
    if lengths:
        ends = cumsum(given, axis)
        return prims.sub(ends, given), ends
    count = shape[-1] - 1
    if count < 0:
        raise ShapeError(f"{name}: offsets must have at least one element")
    starts, ends = (given[..., i : i + count] for i in (0, 1))  # type: ignore[index]
    return starts, ends


@scoped
def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """Sum, mean, prod, max or min of consecutive parts of dim `axis`.

    `lengths` or `offsets` (one more than parts) says which, for each place of the dims before.
    Without elements a part has `initial`, or nan for the mean; `initial` takes part otherwise.
    Raises: RuntimeError unless lengths, or `unsafe`, fill the dim; equal extremes share the
    gradient evenly.
    """
    name = "segment_reduce"
    check_tensor(name, data)
    if reduce not in _REDUCES:
        raise RuntimeError(f"{name}: unsupported reduction given: {reduce}")
    if data._type.dtype.kind != "float":
        raise DTypeError(f"{name}: not implemented for {data._type.dtype}")
    if indices is not None:
        raise RuntimeError(f"{name}: currently only lengths and offsets are supported")
    given = offsets if lengths is None else lengths
    if given is None:
        raise RuntimeError(f"{name}: Either lengths or offsets must be defined")
    axis = normalize_dim(name, axis, data._type.ndim)
    starts, ends = _bounds(name, given, axis, data, lengths is not None)
    size, parts = data._type.shape[axis], starts._type.shape[-1]
    if lengths is not None and not unsafe:
        require(lengths, lambda n: n >= 0, f"{name}: lengths contains negative value!")
        if parts:
            total = ends[..., -1]  # type: ignore[index]
            require(
                total,
                lambda n: n == size,
                f"{name}: Expected all rows of lengths along axis to sum to {size}",
            )
    # Each element's part; what is in none goes to a part of its own, dropped below.
    lead, rest = data._type.shape[:axis], data._type.shape[axis + 1 :]
    place = prims.iota(shape=(size, 1), axis=0, dtype=int64, device=data.device)
    begins = prims.reshape(starts, shape=(*lead, 1, parts))
    stops = prims.reshape(ends, shape=(*lead, 1, parts))
    inside = prims.bit_and(prims.ge(place, begins), prims.lt(place, stops))
    number = prims.iota(shape=(1, parts), axis=1, dtype=int64, device=data.device)
    number = prims.broadcast(number, shape=inside._type.shape)
    which = prims.select(inside, number, 0)
    which = prims.add(
        prims.sum(which, axes=(axis + 1,)),
        prims.select(prims.any(inside, axes=(axis + 1,)), 0, _full_like(which, axis, parts)),
    )
    prim, start = _REDUCES[reduce]
    start = start if initial is None else initial
    dtype = data._type.dtype
    base = prims.full(
        float(start), shape=(*lead, parts + 1, *rest), dtype=dtype, device=data.device
    )
    grid = [
        prims.reshape(
            prims.iota(shape=(n,), axis=0, dtype=int64, device=data.device),
            shape=tuple(n if b == a else 1 for b in range(axis + 1)),
        )
        for a, n in enumerate(lead)
    ]
    made = prim(base, data, *grid, which)
    out = made.narrow(axis, 0, parts)  # type: ignore[attr-defined]
    if reduce != "mean":
        return out.clone()
    count = prims.reshape(prims.sub(ends, starts), shape=(*lead, parts, *(1,) * len(rest)))
    mean = prims.div(out, prims.convert(prims.maximum(count, 1), dtype))
    return mean if initial is not None else prims.select(prims.eq(count, 0), np.nan, mean)


def _full_like(x: Tensor, axis: int, value: int) -> Tensor:
    return prims.full(value, shape=x._type.shape[: axis + 1], dtype=int64, device=x.device)


METHODS: dict[str, Any] = {}
FUNCTIONS = {"segment_reduce": segment_reduce, "_segment_reduce": segment_reduce}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
