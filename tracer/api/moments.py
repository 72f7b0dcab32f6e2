"""Variance, standard deviation and norms along dims. Bound by `methods.py`.

PyTorch's argument order is kept, so `x.var(0, False)` works.
"""

from __future__ import annotations

import math
from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.ops.reduce import kept
from ...ir.types import DType, float32
from .. import prims
from ..promotion import Number, check_tensor
from ..scoping import GRAD_FN, scoped
from ..tensor import Tensor
from .common import Dims, as_dtype, normalize_dims, with_out
from .reduce import HALF, Axes, count_of, dropped, finish, total

GRAD_FN |= {"vector_norm": "LinalgVectorNormBackward0"}


def _moments(name: str, x: Tensor, dim: Any, correction: Any) -> tuple[Tensor, Tensor, Axes, DType]:
    """Mean and variance with their axes kept, and the dtype they are for."""
    check_tensor(name, x)
    dtype = x._type.dtype
    if dtype.kind != "float":
        raise DTypeError(f"{name}: std and var only support floating point dtypes, got {dtype}")
    axes = normalize_dims(name, dim, x._type.ndim)
    if dtype in HALF:
        x = prims.convert(x, float32)
    count = count_of(x._type.shape, axes)
    shape = kept(x._type.shape, axes)
    center = prims.reshape(prims.div(total(x, axes), count), shape=shape)
    gap = prims.sub(x, center)
    spread = prims.reshape(total(prims.mul(gap, gap), axes), shape=shape)
    return center, prims.div(spread, max(count - correction, 0)), axes, dtype


def _correction(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, Number]:
    """`dim` and the correction, from PyTorch's three ways of giving them."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is not None:
        return dim, correction
    return dim, 1 if unbiased is None or unbiased else 0


def _settle(x: Tensor, axes: Axes, keepdim: bool, dtype: DType) -> Tensor:
    """A result that has its axes as 1, brought to the shape and dtype wanted."""
    shape = dropped(x._type.shape, axes, keepdim)
    if shape != x._type.shape:
        x = prims.reshape(x, shape=shape)
    return prims.convert(x, dtype)


def root(x: Tensor) -> Tensor:
    """The square root, with gradient 0 instead of infinity at 0."""
    zero = prims.eq(x, 0)
    return prims.select(zero, 0, prims.sqrt(prims.select(zero, 1, x)))


@with_out
@scoped
def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Variance along `dim`: squared distances from the mean over (count - correction)."""
    dim, correction = _correction(dim, unbiased, correction)
    _, spread, axes, dtype = _moments("var", input, dim, correction)
    return _settle(spread, axes, keepdim, dtype)


@with_out
@scoped
def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Standard deviation along `dim`; see `var`. Where it is 0 the gradient is 0."""
    dim, correction = _correction(dim, unbiased, correction)
    _, spread, axes, dtype = _moments("std", input, dim, correction)
    return _settle(root(spread), axes, keepdim, dtype)


@scoped
def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean along `dim`; see `var`."""
    dim, correction = _correction(dim, unbiased, correction)
    center, spread, axes, dtype = _moments("var_mean", input, dim, correction)
    return _settle(spread, axes, keepdim, dtype), _settle(center, axes, keepdim, dtype)


@scoped
def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean along `dim`; see `var`."""
    dim, correction = _correction(dim, unbiased, correction)
    center, spread, axes, dtype = _moments("std_mean", input, dim, correction)
    return _settle(root(spread), axes, keepdim, dtype), _settle(center, axes, keepdim, dtype)


# Norms


@with_out
@scoped
def vector_norm(
    x: Tensor,
    ord: Number = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """`(sum |x|^ord)^(1/ord)` along `dim`; infinities give the extremes, 0 counts non-zeros.

    Dtypes: floating. Where the norm is 0 its gradient is 0.
    """
    check_tensor("linalg.vector_norm", x, "x")
    if dtype is not None:
        x = prims.convert(x, as_dtype("linalg.vector_norm", dtype))
    if x._type.dtype.kind != "float":
        raise DTypeError(
            f"linalg.vector_norm: Expected a floating point tensor as input. Got {x._type.dtype}"
        )
    axes = normalize_dims("linalg.vector_norm", dim, x._type.ndim)
    shape = x._type.shape
    if ord == 0:
        result = total(prims.convert(prims.ne(x, 0), x._type.dtype), axes)
    elif ord == 1:
        result = total(prims.abs(x), axes)
    elif ord == 2:
        result = root(total(prims.mul(x, x), axes)) if axes else prims.abs(x)
    elif ord in (math.inf, -math.inf):
        if not count_of(shape, axes):
            raise ShapeError(
                f"linalg.vector_norm: cannot compute the {ord} norm on an empty tensor because "
                "the operation does not have an identity"
            )
        prim = prims.amax if ord > 0 else prims.amin  # type: ignore[operator]
        result = prim(prims.abs(x), axes=axes) if axes else prims.abs(x)
    else:
        result = _power_norm(x, float(ord), axes)  # type: ignore[arg-type]
    return finish(result, shape, axes, keepdim)


def _power_norm(x: Tensor, p: float, axes: Axes) -> Tensor:
    """The general case; zeros are kept out of the powers, whose slope there may be infinite."""
    size = prims.abs(x)
    if p < 0:
        return prims.pow(total(prims.pow(size, p), axes), 1 / p)
    zero = prims.eq(size, 0)
    powers = prims.select(zero, 0, prims.pow(prims.select(zero, 1, size), p))
    whole = total(powers, axes)
    none = prims.eq(whole, 0)
    return prims.select(none, 0, prims.pow(prims.select(none, 1, whole), 1 / p))


def norm(
    input: Tensor,
    p: Number | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """The `p`-norm of the elements along `dim`; "fro" is the 2-norm."""
    check_tensor("norm", input)
    if p is None or p == "fro":
        p = 2
    if isinstance(p, str):
        raise RuntimeError(f"norm: unsupported norm {p!r}; see linalg.norm for matrix norms")
    return vector_norm(input, p, dim, keepdim, dtype=dtype, out=out)


FUNCTIONS = {f.__name__: f for f in (var, std, var_mean, std_mean, norm)}
METHODS = {n: FUNCTIONS[n] for n in ("var", "std", "norm")}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
