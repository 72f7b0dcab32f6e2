"""Sums, means, products, logic and running sums along dims. Bound by `methods.py`.

PyTorch's argument order is kept, so `x.sum(0, True)` works. The helpers at the top serve
the other reductions.
"""

from __future__ import annotations

import math
from typing import Any

from ...ir.errors import DTypeError
from ...ir.ops.reduce import kept
from ...ir.types import DType, bfloat16, bool_, float16, float32, int64, uint8
from .. import prims
from ..amp.autocast import autocasts
from ..promotion import check_tensor
from ..scoping import GRAD_FN, scoped
from ..state import scope
from ..tensor import Tensor
from .common import (
    Dims,
    as_dtype,
    give,
    located,
    normalize_dim,
    normalize_dims,
    relayout,
    same_value,
    with_out,
)

# Named as PyTorch's overloads, whose backward functions carry other numbers.
GRAD_FN |= {
    "sum.dim": "SumBackward1",
    "mean.dim": "MeanBackward1",
    "prod.dim": "ProdBackward1",
}
Axes = tuple[int, ...]
HALF = (float16, bfloat16)


def finish(x: Tensor, shape: tuple[int, ...], axes: Axes, keepdim: bool) -> Tensor:
    """The reduced `x`, with its axes put back as 1 under `keepdim`."""
    return prims.reshape(x, shape=kept(shape, axes)) if keepdim and axes else x


def total(x: Tensor, axes: Axes) -> Tensor:
    """The sum along axes; half precision adds up in single precision, as in PyTorch."""
    if not axes:
        return same_value(x)
    if x._type.dtype in HALF:
        wide = prims.sum(prims.convert(x, float32), axes=axes)
        return prims.convert(wide, x._type.dtype)
    return prims.sum(x, axes=axes)


def count_of(shape: tuple[int, ...], axes: Axes) -> int:
    """How many elements go into each result."""
    return math.prod(shape[a] for a in axes)


def dropped(shape: tuple[int, ...], axes: Axes, keepdim: bool) -> tuple[int, ...]:
    return kept(shape, axes) if keepdim else tuple(n for i, n in enumerate(shape) if i not in axes)


@autocasts
@with_out
def sum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum along `dim` (an int, several, or all). Integers and bools give int64."""
    check_tensor("sum", input)
    with scope("sum" if dim is None else "sum.dim"):
        axes = _axes("sum", input, dim)
        if dtype is not None:
            input = prims.convert(input, as_dtype("sum", dtype))
        elif input._type.dtype.kind in ("bool", "int", "uint"):
            input = prims.convert(input, int64)
        return finish(total(input, axes), input._type.shape, axes, keepdim)


@located
def _axes(name: str, x: Tensor, dim: Any) -> Axes:
    return normalize_dims(name, dim, x._type.ndim)


@with_out
def mean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean along `dim`; nan where there is nothing. Dtypes: floating and complex."""
    check_tensor("mean", input)
    with scope("mean" if dim is None else "mean.dim"):
        return _mean(input, dim, keepdim, dtype)


@located
def _mean(x: Tensor, dim: Any, keepdim: bool, dtype: DType | None) -> Tensor:
    axes = normalize_dims("mean", dim, x._type.ndim)
    if dtype is not None:
        x = prims.convert(x, as_dtype("mean", dtype))
    if x._type.dtype.kind not in ("float", "complex"):
        raise DTypeError(
            "mean: could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {x._type.dtype}"
        )
    shape, dtype = x._type.shape, x._type.dtype
    if dtype in HALF:
        x = prims.convert(x, float32)
    result = prims.div(total(x, axes), count_of(shape, axes))
    return finish(prims.convert(result, dtype), shape, axes, keepdim)


@autocasts
@with_out
def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The product along one dim or of all elements. Integers and bools give int64.

    Multiplied pairwise, so that the gradient is right where elements are zero.
    """
    check_tensor("prod", input)
    with scope("prod" if dim is None else "prod.dim"):
        return _prod(input, dim, keepdim, dtype)


@located
def _prod(x: Tensor, dim: int | None, keepdim: bool, dtype: DType | None) -> Tensor:
    if dtype is not None:
        x = prims.convert(x, as_dtype("prod", dtype))
    elif x._type.dtype.kind in ("bool", "int", "uint"):
        x = prims.convert(x, int64)
    shape = x._type.shape
    if dim is None:
        x, axis, axes = prims.reshape(x, shape=(x._type.numel,)), 0, tuple(range(len(shape)))
    elif not shape:
        normalize_dim("prod", dim, 0)
        return same_value(x)
    else:
        axis = normalize_dim("prod", dim, len(shape))
        axes = (axis,)
    x = pairwise(x, axis)
    if dim is None:
        return prims.reshape(x, shape=(1,) * len(shape) if keepdim else ())
    return prims.reshape(x, shape=dropped(x._type.shape, axes, keepdim))


def pairwise(x: Tensor, axis: int) -> Tensor:
    """The product along `axis`, which becomes 1, by halving it."""
    size = x._type.shape[axis]
    if size == 0:
        none = prims.reshape(prims.sum(x, axes=(axis,)), shape=kept(x._type.shape, (axis,)))
        return prims.add(none, 1)
    while size > 1:
        half = size // 2
        paired = prims.mul(span(x, axis, 0, half), span(x, axis, half, half))
        if size % 2:
            paired = prims.concatenate(paired, span(x, axis, size - 1, 1), axis=axis)
        x, size = paired, half + size % 2
    return x


def span(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    shape = x._type.shape
    return prims.slice(
        x,
        starts=tuple(start if a == axis else 0 for a in range(len(shape))),
        sizes=tuple(size if a == axis else n for a, n in enumerate(shape)),
        strides=(1,) * len(shape),
    )


# Logic and counts


def _truth(name: str, prim: Any, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    check_tensor(name, x)
    # Unlike other reductions, no dims at all mean none here.
    axes = () if dim == () or dim == [] else normalize_dims(name, dim, x._type.ndim)
    result = same_value(x) if x._type.dtype is bool_ else prims.convert(x, bool_)
    if axes:
        result = finish(prim(result, axes=axes), x._type.shape, axes, keepdim)
    return prims.convert(result, uint8) if x._type.dtype is uint8 else result


@with_out
@scoped
def any(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Whether an element along `dim` differs from zero."""
    return _truth("any", prims.any, input, dim, keepdim)


@with_out
@scoped
def all(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Whether all elements along `dim` differ from zero."""
    return _truth("all", prims.all, input, dim, keepdim)


@scoped
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements along `dim` differ from zero."""
    check_tensor("count_nonzero", input)
    axes = normalize_dims("count_nonzero", dim, input._type.ndim)
    return total(prims.convert(prims.ne(input, 0), int64), axes)


# Running sums


@autocasts
def cumsum(
    input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
) -> Tensor:
    """Running sum along `dim`. Integers and bools give int64, an `out` its own dtype."""
    return _cumulative("cumsum", prims.add, 0, input, dim, dtype, out)


@autocasts
def cumprod(
    input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
) -> Tensor:
    """Running product along `dim`. Integers and bools give int64, an `out` its own dtype."""
    return _cumulative("cumprod", prims.mul, 1, input, dim, dtype, out)


@located
def _cumulative(
    name: str, prim: Any, neutral: int, x: Any, dim: Any, dtype: Any, out: Tensor | None
) -> Tensor:
    if dtype is None and isinstance(out, Tensor):
        dtype = out._type.dtype
    with scope(name):
        result = relayout(_running(name, prim, neutral, x, dim, dtype), None)
    if out is None:
        return result
    return give(name, result, out, (x,))


def _running(name: str, prim: Any, neutral: int, x: Tensor, dim: Any, dtype: Any) -> Tensor:
    """Combine each element with those before it, in log2(size) steps of doubling reach.

    Source: Hillis & Steele 1986, doi:10.1145/7902.7903.
    """
    check_tensor(name, x)
    axis = normalize_dim(name, dim, x._type.ndim)
    if dtype is not None:
        x = prims.convert(x, as_dtype(name, dtype))
    elif x._type.dtype.kind in ("bool", "int", "uint"):
        x = prims.convert(x, int64)
    if not x._type.ndim:
        return same_value(x)
    shape, reach = x._type.shape, 1
    if shape[axis] < 2:
        return same_value(x)
    while reach < shape[axis]:
        low = tuple(reach if a == axis else 0 for a in range(len(shape)))
        none = (0,) * len(shape)
        earlier = span(x, axis, 0, shape[axis] - reach)
        x = prim(x, prims.pad(earlier, neutral, low=low, high=none, interior=none))
        reach *= 2
    return x


FUNCTIONS = {f.__name__: f for f in (sum, mean, prod, any, all, count_nonzero, cumsum, cumprod)}
METHODS = dict(FUNCTIONS)
INPLACE = ("cumsum", "cumprod")
INPLACE_FUNCTIONS: tuple[str, ...] = ()
