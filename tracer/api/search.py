"""Searching in sorted lines, counting, and what is there once. Bound by `methods.py`.

`unique` and `bincount` read values, because shapes hang on them; the others are recorded.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ...ir.errors import DTypeError, ShapeError
from ...ir.types import bool_, int32, int64
from .. import prims
from ..promotion import check_tensor, common_dtype
from ..recording import user_error
from ..scoping import scoped
from ..state import default_dtype
from ..tensor import Tensor, from_host
from .common import as_int, give, located, normalize_dim, with_out
from .picking import along

_BROADCASTS = 64  # elements to look for one by one rather than by sorting


def _refuse(name: str, x: Tensor, *kinds: str) -> None:
    if x._type.dtype.kind in kinds:
        raise DTypeError(f"{name}: not implemented for {x._type.dtype}")


@with_out
@scoped
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where to put elements so that the last dim of `sorted_sequence` stays sorted.

    `right` (or `side="right"`): behind equal elements. `sorter` are indices that sort the
    sequence. A binary search, log2(size) + 1 steps.
    """
    name = "searchsorted"
    check_tensor(name, sorted_sequence, "sorted_sequence")
    if not isinstance(input, Tensor):
        input = from_host(np.asarray(input), device=sorted_sequence.device)
        input = prims.convert(input, sorted_sequence._type.dtype)
        scalar = True
    else:
        scalar = not input._type.ndim
    line = sorted_sequence
    for t in (line, input):
        _refuse(name, t, "complex")
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"{name}: side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            f"{name}: side and right can't be set to opposites, got side of left while right was "
            "True"
        )
    right = right or side == "right"
    if not line._type.ndim:
        raise ShapeError(f"{name}: sorted_sequence should have at least 1 dimension")
    if line._type.ndim > 1 and scalar:
        raise ShapeError(
            f"{name}: input value can be a scalar only when sorted_sequence dimension is 1"
        )
    if line._type.ndim > 1 and line._type.shape[:-1] != input._type.shape[:-1]:
        raise ShapeError(
            f"{name}: boundaries tensor should be 1 dimension or the first N-1 dimensions of "
            f"boundaries tensor and input value tensor must match, got {list(line._type.shape)} "
            f"and {list(input._type.shape)}"
        )
    if line._type.dtype is not input._type.dtype:
        raise DTypeError(
            f"{name}: input value tensor and sorted_sequence tensor should have same dtype, got "
            f"{input._type.dtype} and {line._type.dtype}"
        )
    if sorter is not None:
        if sorter._type.shape != line._type.shape:
            raise ShapeError(
                f"{name}: sorted_sequence and sorter must have the same size, got "
                f"{list(line._type.shape)} and {list(sorter._type.shape)}"
            )
        if sorter._type.dtype is not int64:
            raise DTypeError(f"{name}: sorter must be a tensor of long dtype")
        known = sorter._host_if_ready()
        size = line._type.shape[-1]
        if known is not None and known.size and (known.min() < 0 or known.max() >= size):
            raise ShapeError(f"{name}: sorter index out of range")
        line = prims.index(line, *along(line, line._type.ndim - 1, sorter))
    dtype = int32 if out_int32 else int64
    values = prims.reshape(input, shape=(1,)) if not input._type.ndim else input
    found = _search(line, values, right)
    found = prims.reshape(found, shape=input._type.shape)
    return prims.convert(found, dtype)


def _search(line: Tensor, values: Tensor, right: bool) -> Tensor:
    """How many elements of the last dim come before each value."""
    size, shape = line._type.shape[-1], values._type.shape
    low = prims.full(0, shape=shape, dtype=int64, device=values.device)
    if not size:
        return low
    high = prims.full(size, shape=shape, dtype=int64, device=values.device)
    if line._type.dtype is bool_:
        line, values = prims.convert(line, int64), prims.convert(values, int64)
    for _ in range(size.bit_length()):
        middle = prims.shift_right(prims.add(low, high), 1)
        at = prims.minimum(middle, size - 1)
        if line._type.ndim == 1:
            there = prims.index(line, at)
        else:
            there = prims.index(line, *along(line, line._type.ndim - 1, at))
        # Written so that nan, of which nothing is true, goes to the end.
        reached = prims.gt(there, values) if right else prims.ge(there, values)
        open_ = prims.lt(low, high)
        low, high = (
            prims.select(prims.bit_and(open_, prims.bit_not(reached)), prims.add(middle, 1), low),
            prims.select(prims.bit_and(open_, reached), middle, high),
        )
    return low


@with_out
def bucketize(
    input: Any,
    boundaries: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Which of the intervals between the sorted `boundaries` each element lies in."""
    check_tensor("bucketize", boundaries, "boundaries", 2)
    if boundaries._type.ndim != 1:
        shape = ShapeError(
            f"bucketize: boundaries tensor must be 1 dimension, but got dim({boundaries._type.ndim})"
        )
        raise user_error(shape)
    if isinstance(input, Tensor) and input._type.dtype is not boundaries._type.dtype:
        dtype = common_dtype(input, boundaries)
        input, boundaries = prims.convert(input, dtype), prims.convert(boundaries, dtype)
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@with_out
@scoped
def isin(
    elements: Any,
    test_elements: Any,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Whether each of `elements` is one of `test_elements`; either may be a number."""
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin(): one of the arguments must be a Tensor")
    place = elements.device if isinstance(elements, Tensor) else test_elements.device
    x, tests = (
        t if isinstance(t, Tensor) else from_host(np.asarray(t), device=place)
        for t in (elements, test_elements)
    )
    for t in (x, tests):
        _refuse("isin", t, "complex")
    dtype = common_dtype(x, tests)
    x, tests = prims.convert(x, dtype), prims.convert(tests, dtype)
    tests = prims.reshape(tests, shape=(tests._type.numel,))
    shape, count = x._type.shape, tests._type.numel
    if count <= _BROADCASTS:
        pairs = prims.eq(prims.reshape(x, shape=(*shape, 1)), tests)
        found = prims.any(pairs, axes=(len(shape),))
    else:
        line = prims.sort(tests, axis=0, descending=False)[0]
        flat = prims.reshape(x, shape=(x._type.numel,))
        at = prims.minimum(_search(line, flat, right=False), count - 1)
        found = prims.reshape(prims.eq(prims.index(line, at), flat), shape=shape)
    return prims.bit_not(found) if invert else found


# Counts


@located
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number from 0 on is there, or the sum of its weights.

    Reads the values: its shape hangs on the largest. Raises: RuntimeError for negative
    numbers, more than one dim, or weights of another shape.
    """
    check_tensor("bincount", input)
    if input._type.ndim != 1 and input._type.numel:
        raise ShapeError("bincount only supports 1-d non-negative integral inputs.")
    if input._type.dtype.kind not in ("int", "uint"):
        raise DTypeError(f"bincount: not implemented for {input._type.dtype}")
    if minlength < 0:
        raise ShapeError("minlength should be >= 0")
    if weights is not None and weights._type.shape != input._type.shape:
        raise ShapeError("weights should be 1-d and have the same length as input")
    array = input._host().reshape(-1)
    if array.size and array.min() < 0:
        raise ShapeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return from_host(
            np.bincount(array, minlength=minlength).astype(np.int64), device=input.device
        )
    given = weights._host()
    made = np.bincount(array, given, minlength)
    dtype = given.dtype if given.dtype == np.float32 else np.float64
    return from_host(made.astype(dtype), device=input.device)


@with_out
@scoped
def histc(
    input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0, *, out: Tensor | None = None
) -> Tensor:
    """How many elements fall into each of `bins` equal intervals of [min, max].

    Where the two are equal, the smallest and the largest element take their place.
    """
    check_tensor("histc", input)
    _refuse("histc", input, "bool", "complex")
    bins = as_int("histc", bins, "bins")
    if bins <= 0:
        raise ShapeError("histc: bins must be > 0")
    given: Any = [t.item() if isinstance(t, Tensor) else t for t in (min, max)]
    low_known, high_known = given
    if not (math.isfinite(low_known) and math.isfinite(high_known)):
        raise ShapeError(f"histc: range of [{low_known}, {high_known}] is not finite")
    if low_known > high_known:
        raise ShapeError("histc: max must be larger than min")
    dtype = input._type.dtype
    flat = prims.reshape(input.detach(), shape=(input._type.numel,))
    if dtype.kind != "float":
        flat = prims.convert(flat, default_dtype())
    kind = flat._type.dtype
    if low_known == high_known and flat._type.numel:
        known = flat._host_if_ready()
        if known is not None and not np.isfinite(known.astype(np.float64)).all():
            raise ShapeError(f"histc: range of [{known.min()}, {known.max()}] is not finite")
        low: Any = prims.amin(flat, axes=(0,))
        high: Any = prims.amax(flat, axes=(0,))
    else:
        low = prims.full(float(low_known), shape=(), dtype=kind, device=input.device)
        high = prims.full(float(high_known), shape=(), dtype=kind, device=input.device)
    same = prims.eq(low, high)
    low = prims.select(same, prims.sub(low, 1.0), low)
    high = prims.select(same, prims.add(high, 1.0), high)
    inside = prims.bit_and(prims.ge(flat, low), prims.le(flat, high))
    part = prims.div(prims.mul(prims.sub(flat, low), float(bins)), prims.sub(high, low))
    bucket = prims.convert(prims.select(inside, part, 0.0), int64)
    bucket = prims.minimum(bucket, bins - 1)
    counts = prims.full(0, shape=(bins,), dtype=dtype, device=input.device)
    return prims.index_add(counts, prims.convert(inside, dtype), bucket)


class _Histogram(NamedTuple):
    hist: Tensor
    bin_edges: Any

    def __repr__(self) -> str:
        return f"thrace.return_types.histogram(\nhist={self.hist!r},\nbin_edges={self.bin_edges!r})"


def _edges(name: str, x: Tensor, bins: Any, span: Any, dims: int) -> list[np.ndarray]:
    """The edges of bins along each of `dims` columns, as arrays of the dtype of `x`."""
    array = x._host().reshape(-1, dims)
    dtype = array.dtype
    if isinstance(bins, Tensor):
        bins = [bins]
    if isinstance(bins, int):
        bins = [bins] * dims
    if len(bins) != dims:
        raise ShapeError(
            f"{name}: The size of bins must be equal to the innermost dimension of the input."
        )
    if span is not None and len(span) != 2 * dims:
        raise ShapeError(f"{name}: range should have {2 * dims} elements, but got {len(span)}")
    out = []
    for d, b in enumerate(bins):
        if isinstance(b, Tensor):
            if b._type.ndim != 1:
                raise ShapeError(f"{name}: bins tensor should have one dimension")
            out.append(b._host().astype(dtype))
            continue
        if b <= 0:
            raise ShapeError(f"{name}: bins must be > 0, but got {b} for dimension {d}")
        if span is not None:
            low, high = span[2 * d], span[2 * d + 1]
        elif array.shape[0]:
            low, high = float(array[:, d].min()), float(array[:, d].max())
        else:
            low, high = 0.0, 1.0
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ShapeError(f"{name}: dimension {d}'s range [{low}, {high}] is not finite")
        if low > high:
            raise ShapeError(f"{name}: min should not exceed max, but got {low} and {high}")
        if low == high:
            low, high = low - 0.5, high + 0.5
        out.append(np.linspace(low, high, b + 1).astype(dtype))
    return out


def _histogram(
    name: str, x: Tensor, bins: Any, span: Any, weight: Tensor | None, density: bool, dims: int
) -> tuple[Tensor, list[Tensor]]:
    check_tensor(name, x)
    if x._type.dtype.kind != "float":
        raise DTypeError(f"{name}: not implemented for {x._type.dtype}")
    if weight is not None:
        if weight._type.dtype is not x._type.dtype:
            raise DTypeError(
                f"{name}: if weight tensor is provided, input tensor and weight tensor should have "
                f"the same dtype, but got input {x._type.dtype}, and weight {weight._type.dtype}"
            )
        if weight._type.numel * dims != x._type.numel:
            raise ShapeError(f"{name}: weight should have one element for each of input")
    edges = _edges(name, x, bins, span, dims)
    array = x._host().reshape(-1, dims)
    given = np.ones(len(array)) if weight is None else weight._host().reshape(-1)
    counted = np.zeros([max(len(e) - 1, 0) for e in edges])
    inside = np.ones(len(array), bool)
    places = []
    for d, e in enumerate(edges):
        column = array[:, d]
        inside &= (column >= e[0]) & (column <= e[-1])
        at = np.searchsorted(e, column, side="right") - 1
        places.append(np.where(column == e[-1], len(e) - 2, at))
    np.add.at(counted, tuple(p[inside] for p in places), given[inside])
    if density:
        volume = functools.reduce(np.multiply.outer, [np.diff(e.astype(np.float64)) for e in edges])
        counted = counted / counted.sum() / volume
    made = from_host(counted.astype(array.dtype), device=x.device)
    return made, [from_host(e, device=x.device) for e in edges]


@located
def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: Any = None,
) -> Any:
    """(hist, bin_edges) of all elements; `bins` is a number of intervals or their edges.

    Reads the values, as the edges may hang on them.
    """
    hist, edges = _histogram("histogram", input, bins, range, weight, density, 1)
    if out is not None:
        return _Histogram(give("histogram", hist, out[0]), give("histogram", edges[0], out[1]))
    return _Histogram(hist, edges[0])


@located
def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(hist, bin_edges) of points: the last dim of `input` holds their coordinates."""
    check_tensor("histogramdd", input)
    if input._type.ndim < 2:
        raise ShapeError("histogramdd: input tensor should have at least 2 dimensions")
    dims = input._type.shape[-1]
    hist, edges = _histogram("histogramdd", input, bins, range, weight, density, dims)
    if isinstance(bins, (tuple, list)):
        edges = [b if isinstance(b, Tensor) else e for b, e in zip(bins, edges, strict=False)]
    return _Histogram(hist, tuple(edges))


# What is there once


def _results(*parts: Any) -> Any:
    there = [p for p in parts if p is not None]
    return there[0] if len(there) == 1 else tuple(there)


@located
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices of `dim`), sorted; with their inverse and counts.

    Reads the values: the shape hangs on them.
    """
    check_tensor("unique", input)
    array = input._host()
    axis = None if dim is None else normalize_dim("unique", dim, input._type.ndim)
    if axis is not None and array.ndim and 0 in array.shape and array.shape[axis]:
        raise ShapeError(
            "unique: There are 0 sized dimensions, and they aren't selected, so unique cannot be "
            "applied"
        )
    if not array.ndim:
        axis = None
    found, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(array.shape) if axis is None else inverse.reshape(-1)
    made = [
        from_host(np.array(a, order="C"), device=input.device)
        for a in (found, inverse.astype(np.int64), counts.astype(np.int64))
    ]
    return _results(
        made[0], made[1] if return_inverse else None, made[2] if return_counts else None
    )


@located
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The first of each run of equal elements (or slices of `dim`). Reads the values."""
    check_tensor("unique_consecutive", input)
    array = input._host()
    axis = None if dim is None else normalize_dim("unique_consecutive", dim, input._type.ndim)
    flat = array.reshape(-1) if axis is None else np.moveaxis(np.atleast_1d(array), axis, 0)
    if flat.shape[0]:
        changes = flat[1:] != flat[:-1]
        while changes.ndim > 1:
            changes = changes.any(-1)
        first = np.concatenate([[True], changes])
    else:
        first = np.zeros(0, bool)
    found = flat[first]
    if axis is not None:
        found = np.moveaxis(found, 0, axis)
    inverse = np.cumsum(first) - 1
    inverse = inverse.reshape(array.shape) if axis is None else inverse
    counts = np.diff(np.append(np.flatnonzero(first), flat.shape[0]))
    made = [
        from_host(np.array(a, order="C"), device=input.device)
        for a in (found, inverse.astype(np.int64), counts.astype(np.int64))
    ]
    return _results(
        made[0], made[1] if return_inverse else None, made[2] if return_counts else None
    )


METHODS: dict[str, Any] = {
    f.__name__: f for f in (bincount, histc, histogram, isin, unique, unique_consecutive)
}
FUNCTIONS = METHODS | {f.__name__: f for f in (searchsorted, bucketize, histogramdd)}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
