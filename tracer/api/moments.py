"""Variance, standard deviation and norms along dims. Bound by `methods.py`.

PyTorch's argument order is kept, so `x.var(0, False)` works.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.ops.reduce import kept
from ...ir.types import DType, float32
from .. import prims
from ..amp.autocast import autocasts
from ..promotion import Number, check_tensor
from ..scoping import GRAD_FN, scoped
from ..tensor import Tensor
from .common import Dims, as_dtype, normalize_dims, with_out
from .reduce import HALF, Axes, count_of, dropped, finish, total

GRAD_FN |= {"vector_norm": "LinalgVectorNormBackward0"}


def _moments(name: str, x: Tensor, dim: Any, correction: Any) -> tuple[Tensor, Tensor, Axes, DType]:
    """Mean and variance with their axes kept, and the dtype of the mean. Variances are real."""
    check_tensor(name, x)
    dtype = x._type.dtype
    if dtype.kind not in ("float", "complex"):
        raise DTypeError(f"{name}: std and var only support floating point dtypes, got {dtype}")
    axes = normalize_dims(name, dim, x._type.ndim)
    if dtype in HALF:
        x = prims.convert(x, float32)
    count = count_of(x._type.shape, axes)
    if count <= correction and x._type.numel:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0: {count} elements less a correction of "
            f"{correction}.",
            UserWarning,
            stacklevel=3,
        )
    shape = kept(x._type.shape, axes)
    center = prims.reshape(prims.div(total(x, axes), count), shape=shape)
    gap = prims.sub(x, center)
    square = (
        prims.real(prims.mul(gap, prims.conj(gap))) if dtype.is_complex else prims.mul(gap, gap)
    )
    spread = prims.reshape(total(square, axes), shape=shape)
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
    return _settle(spread, axes, keepdim, dtype.to_real())


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
    return _settle(root(spread), axes, keepdim, dtype.to_real())


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
    real = dtype.to_real()
    return _settle(spread, axes, keepdim, real), _settle(center, axes, keepdim, dtype)


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
    real = dtype.to_real()
    return _settle(root(spread), axes, keepdim, real), _settle(center, axes, keepdim, dtype)


# Norms


@autocasts
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

    Dtypes: floating and complex, whose norm is real. Where the norm is 0 its gradient is 0.
    """
    name = "linalg.vector_norm"
    check_tensor(name, x, "x")
    x = norm_operand(name, x, dtype)
    axes = normalize_dims(name, dim, x._type.ndim)
    shape = x._type.shape
    if not count_of(shape, axes) and (ord < 0 or ord == math.inf):  # type: ignore[operator]
        raise ShapeError(
            f"{name}: cannot compute the {ord} norm on an empty tensor because the operation does "
            "not have an identity"
        )
    if ord == 2 and axes:
        return finish(root(total(_squares(x), axes)), shape, axes, keepdim)
    size = prims.abs(x)
    if ord == 0:  # the slope of a sign is zero
        result = total(prims.select(prims.ne(size, 0), 1, prims.sign(size)), axes)
    elif ord == 1:
        result = total(size, axes)
    elif not axes:
        result = size
    elif ord in (math.inf, -math.inf):
        result = (prims.amax if ord > 0 else prims.amin)(size, axes=axes)  # type: ignore[operator]
    else:
        result = _power_norm(size, float(ord), axes)  # type: ignore[arg-type]
    return finish(result, shape, axes, keepdim)


def norm_operand(name: str, x: Tensor, dtype: DType | None) -> Tensor:
    """`x` in the dtype that its norm is computed in. Raises: DTypeError."""
    if dtype is not None:
        to, old = as_dtype(name, dtype), x._type.dtype
        if to.kind not in ("float", "complex"):
            raise DTypeError(f"{name}: dtype should be floating point or complex. Got {to}")
        if to.is_complex != old.is_complex:
            which = "complex" if old.is_complex else "real"
            raise DTypeError(f"{name}: dtype should be {which} for {which} inputs. Got {to}")
        if old.kind in ("float", "complex") and to.itemsize < old.itemsize:
            raise DTypeError(
                f"{name}: the dtype of the input ({old}) should be convertible without narrowing "
                f"to the specified dtype ({to})"
            )
        x = prims.convert(x, to)
    if x._type.dtype.kind not in ("float", "complex"):
        raise DTypeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {x._type.dtype}"
        )
    return x


def _squares(x: Tensor) -> Tensor:
    """The squares of absolute values."""
    if not x._type.dtype.is_complex:
        return prims.mul(x, x)
    a, b = prims.real(x), prims.imag(x)
    return prims.add(prims.mul(a, a), prims.mul(b, b))


def _power_norm(size: Tensor, p: float, axes: Axes) -> Tensor:
    """The general case; zeros are kept out of the powers, whose slope there may be infinite."""
    zero = prims.eq(size, 0)
    powers = prims.select(zero, 0, prims.pow(prims.select(zero, 1, size), p))
    whole = total(powers, axes)
    none = prims.any(zero, axes=axes) if p < 0 else prims.eq(whole, 0)
    return prims.select(none, 0, prims.pow(prims.select(none, 1, whole), 1 / p))


@autocasts
def norm(
    input: Tensor,
    p: Number | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """The `p`-norm of the elements along `dim`; "fro" is the 2-norm, "nuc" that of matrices."""
    check_tensor("norm", input)
    if p == "nuc":
        from .linalg import matrix_norm

        axes = (-2, -1) if dim is None else dim
        return matrix_norm(input, p, axes, keepdim, dtype=dtype, out=out)  # type: ignore[arg-type]
    if p is None or p == "fro":
        p = 2
    if isinstance(p, str):
        raise RuntimeError(f"norm: unsupported norm {p!r}; see linalg.norm for matrix norms")
    return vector_norm(input, p, dim, keepdim, dtype=dtype, out=out)


FUNCTIONS = {f.__name__: f for f in (var, std, var_mean, std_mean, norm)}
METHODS = {n: FUNCTIONS[n] for n in ("var", "std", "norm")}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
