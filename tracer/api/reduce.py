"""Reductions along dims: sums, extremes, moments, norms. Bound by `methods.py`.

PyTorch's argument order is kept, so `x.sum(0, True)` and `x.var(0, False)` work.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...ir.errors import AxisError, DTypeError, ShapeError
from ...ir.ops.reduce import kept
from ...ir.types import DType, bfloat16, bool_, float16, float32, int64, uint8
from .. import prims, views
from ..promotion import Number, check_kinds, check_tensor, to_floating
from ..scoping import GRAD_FN, scoped
from ..state import STATE, scope
from ..tensor import Tensor
from .arithmetic import maximum, minimum
from .common import Dims, as_dtype, located, normalize_dim, normalize_dims, same_value, with_out

# Named as PyTorch's overloads, whose backward functions carry other numbers.
GRAD_FN |= {
    "sum.dim": "SumBackward1",
    "mean.dim": "MeanBackward1",
    "prod.dim": "ProdBackward1",
    "max": "MaxBackward1",
    "max.dim": "MaxBackward0",
    "min": "MinBackward1",
    "min.dim": "MinBackward0",
    "vector_norm": "LinalgVectorNormBackward0",
}
Axes = tuple[int, ...]
_HALF = (float16, bfloat16)


class Extremes(NamedTuple):
    """Values along a dim and where they stood, as `max(dim)` and `min(dim)` return them."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"thrace.return_types.{kind}(\nvalues={self.values!r},\nindices={self.indices!r})"


MAX = type("max", (Extremes,), {"__slots__": ()})
MIN = type("min", (Extremes,), {"__slots__": ()})


def _finish(x: Tensor, shape: tuple[int, ...], axes: Axes, keepdim: bool) -> Tensor:
    """The reduced `x`, with its axes put back as 1 under `keepdim`."""
    return prims.reshape(x, shape=kept(shape, axes)) if keepdim and axes else x


def _total(x: Tensor, axes: Axes) -> Tensor:
    """The sum along axes; half precision adds up in single precision, as in PyTorch."""
    if not axes:
        return same_value(x)
    if x._type.dtype in _HALF:
        wide = prims.sum(prims.convert(x, float32), axes=axes)
        return prims.convert(wide, x._type.dtype)
    return prims.sum(x, axes=axes)


def count_of(shape: tuple[int, ...], axes: Axes) -> int:
    """How many elements go into each result."""
    return math.prod(shape[a] for a in axes)


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
        return _finish(_total(input, axes), input._type.shape, axes, keepdim)


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
    if dtype in _HALF:
        x = prims.convert(x, float32)
    total = prims.div(_total(x, axes), count_of(shape, axes))
    return _finish(prims.convert(total, dtype), shape, axes, keepdim)


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
    x = _pairwise(x, axis)
    if dim is None:
        return prims.reshape(x, shape=(1,) * len(shape) if keepdim else ())
    return prims.reshape(x, shape=_dropped(x._type.shape, axes, keepdim))


def _dropped(shape: tuple[int, ...], axes: Axes, keepdim: bool) -> tuple[int, ...]:
    return kept(shape, axes) if keepdim else tuple(n for i, n in enumerate(shape) if i not in axes)


def _pairwise(x: Tensor, axis: int) -> Tensor:
    """The product along `axis`, which becomes 1, by halving it."""
    size = x._type.shape[axis]
    if size == 0:
        return prims.full(
            1, shape=kept(x._type.shape, (axis,)), dtype=x._type.dtype, device=x.device
        )
    while size > 1:
        half = size // 2
        paired = prims.mul(_span(x, axis, 0, half), _span(x, axis, half, half))
        if size % 2:
            paired = prims.concatenate(paired, _span(x, axis, size - 1, 1), axis=axis)
        x, size = paired, half + size % 2
    return x


def _span(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    shape = x._type.shape
    return prims.slice(
        x,
        starts=tuple(start if a == axis else 0 for a in range(len(shape))),
        sizes=tuple(size if a == axis else n for a, n in enumerate(shape)),
        strides=(1,) * len(shape),
    )


# Moments


def _moments(name: str, x: Tensor, dim: Any, correction: Any) -> tuple[Tensor, Tensor, Axes, DType]:
    """Mean and variance with their axes kept, and the dtype they are for."""
    check_tensor(name, x)
    dtype = x._type.dtype
    if dtype.kind != "float":
        raise DTypeError(f"{name}: std and var only support floating point dtypes, got {dtype}")
    axes = normalize_dims(name, dim, x._type.ndim)
    if dtype in _HALF:
        x = prims.convert(x, float32)
    count = count_of(x._type.shape, axes)
    shape = kept(x._type.shape, axes)
    center = prims.reshape(prims.div(_total(x, axes), count), shape=shape)
    gap = prims.sub(x, center)
    spread = prims.reshape(_total(prims.mul(gap, gap), axes), shape=shape)
    return center, prims.div(spread, builtins.max(count - correction, 0)), axes, dtype


def _correction(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, Number]:
    """`dim` and the correction, from PyTorch's three ways of giving them."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is not None:
        return dim, correction
    return dim, 1 if unbiased is None or unbiased else 0


def _settle(x: Tensor, axes: Axes, keepdim: bool, dtype: DType) -> Tensor:
    """A result that has its axes as 1, brought to the shape and dtype wanted."""
    shape = _dropped(x._type.shape, axes, keepdim)
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


# Extremes


def _check_items(name: str, x: Tensor, dim: Any, axes: Axes) -> None:
    """Raises: ShapeError or AxisError where there is nothing to take an extreme of."""
    if x._type.numel:
        return
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        raise ShapeError(
            f"{name}: Expected reduction dim to be specified for input.numel() == 0. Specify the "
            "reduction dim with the 'dim' argument."
        )
    for a in axes:
        if x._type.shape[a] == 0:
            raise AxisError(f"{name}: Expected reduction dim {a} to have non-zero size.")


def _all_extremes(name: str, prim: Any, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    check_tensor(name, x)
    axes = normalize_dims(name, dim, x._type.ndim)
    _check_items(name, x, dim, axes)
    if not axes:
        return same_value(x)
    return _finish(prim(x, axes=axes), x._type.shape, axes, keepdim)


@with_out
@scoped
def amax(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The largest element along `dim`; nan if there is one. Equal ones share the gradient."""
    return _all_extremes("amax", prims.amax, input, dim, keepdim)


@with_out
@scoped
def amin(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The smallest element along `dim`; nan if there is one. Equal ones share the gradient."""
    return _all_extremes("amin", prims.amin, input, dim, keepdim)


@scoped
def aminmax(
    input: Tensor, *, dim: int | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The smallest and the largest element along `dim`."""
    low = _all_extremes("aminmax", prims.amin, input, dim, keepdim)
    return low, _all_extremes("aminmax", prims.amax, input, dim, keepdim)


def max(
    input: Tensor,
    dim: int | Tensor | None = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    out: Any = None,
) -> Any:
    """The largest element; with `dim`, (values, indices) along it; with a tensor, `maximum`.

    Along a dim only the element that was taken gets the gradient.
    """
    kind = (MAX, prims.argmax, prims.amax, maximum)
    return _extreme("max", kind, input, dim, keepdim, other, out)


def min(
    input: Tensor,
    dim: int | Tensor | None = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    out: Any = None,
) -> Any:
    """The smallest element; with `dim`, (values, indices) along it; with a tensor, `minimum`.

    Along a dim only the element that was taken gets the gradient.
    """
    kind = (MIN, prims.argmin, prims.amin, minimum)
    return _extreme("min", kind, input, dim, keepdim, other, out)


@located
def _extreme(name: str, kind: tuple, x: Tensor, dim: Any, keepdim: bool, other: Any, out: Any):
    make, arg, reduce, pair = kind
    check_tensor(name, x)
    other = dim if isinstance(dim, Tensor) else other
    if other is not None:
        return pair(x, other, out=out)
    if dim is None:
        with scope(name):
            result = _all_extremes(name, reduce, x, None, False)
        return result if out is None else out._write(result)
    with scope(f"{name}.dim"):
        axis = normalize_dim(name, dim, x._type.ndim)
        result = make(*_along(name, x, axis, arg, reduce, keepdim))
    if out is not None:
        for target, value in zip(out, result, strict=True):
            target._write(value)
        return make(*out)
    return result


def _along(name: str, x: Tensor, axis: int, arg: Any, reduce: Any, keepdim: bool) -> tuple:
    shape = x._type.shape
    if not shape:
        return same_value(x), prims.full(0, shape=(), dtype=int64, device=x.device)
    _check_items(name, x, axis, (axis,))
    found = prims.reshape(arg(x, axis=axis), shape=kept(shape, (axis,)))
    if x.requires_grad and STATE.grad_enabled:
        # A mask and a sum instead of a gather: XLA fuses them, forward and backward.
        hit = prims.eq(prims.iota(shape=shape, axis=axis, dtype=int64, device=x.device), found)
        values = prims.sum(prims.select(hit, x, 0), axes=(axis,))
    else:
        values = reduce(x, axes=(axis,))
    indices = prims.reshape(found, shape=_dropped(shape, (axis,), keepdim))
    return _finish(values, shape, (axis,), keepdim), indices


@with_out
@scoped
def argmax(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Where the largest element stands along `dim`, or among all in row order."""
    return _position("argmax", prims.argmax, input, dim, keepdim)


@with_out
@scoped
def argmin(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Where the smallest element stands along `dim`, or among all in row order."""
    return _position("argmin", prims.argmin, input, dim, keepdim)


def _position(name: str, prim: Any, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    check_tensor(name, x)
    shape = x._type.shape
    if x._type.dtype is bool_:
        raise DTypeError(f"{name}: does not support bool input")
    if dim is None:
        if not x._type.numel:
            raise AxisError(
                f"{name}: Expected reduction dim to be specified for input.numel() == 0."
            )
        found = prim(prims.reshape(x, shape=(x._type.numel,)), axis=0)
        return prims.reshape(found, shape=(1,) * len(shape)) if keepdim else found
    axis = normalize_dim(name, dim, len(shape))
    if not shape:
        return prims.full(0, shape=(), dtype=int64, device=x.device)
    _check_items(name, x, dim, (axis,))
    return _finish(prim(x, axis=axis), shape, (axis,), keepdim)


# Logic and counts


def _truth(name: str, prim: Any, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    check_tensor(name, x)
    axes = normalize_dims(name, dim, x._type.ndim)
    result = prims.convert(x, bool_)
    if axes:
        result = _finish(prim(result, axes=axes), x._type.shape, axes, keepdim)
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
    return _total(prims.convert(prims.ne(input, 0), int64), axes)


# Exponentials


@with_out
@scoped
def logsumexp(
    input: Tensor, dim: Dims, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Logarithm of the sum of exponentials of `input` along `dim`, without overflow.

    Shapes: any; the result lacks `dim`, or has it as 1 under `keepdim`.
    Dtypes: floating; integers and bools are promoted to the default dtype.
    Raises: IndexError if `dim` is outside [-ndim, ndim - 1].
    Source: Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038 (shifted form).
    """
    check_tensor("logsumexp", input)
    x = to_floating(input)
    axes = normalize_dims("logsumexp", dim, x._type.ndim)
    if not x._type.numel:
        return _finish(prims.log(_total(prims.exp(x), axes)), x._type.shape, axes, keepdim)
    peak = _peak(x, axes)
    peak = prims.select(prims.lt(prims.abs(peak), math.inf), peak, 0)  # inf - inf would be nan
    total = _keep(_total(prims.exp(prims.sub(x, peak)), axes), x, axes)
    result = prims.add(prims.log(total), peak)
    return result if keepdim else prims.reshape(result, shape=_dropped(x._type.shape, axes, False))


def _keep(reduced: Tensor, x: Tensor, axes: Axes) -> Tensor:
    return prims.reshape(reduced, shape=kept(x._type.shape, axes)) if axes else reduced


def _peak(x: Tensor, axes: Axes) -> Tensor:
    """The largest elements, axes kept, as a constant: shifting by it changes no gradient."""
    constant = views.detach(x) if x.requires_grad else x
    return _keep(prims.amax(constant, axes=axes), x, axes) if axes else constant


def _softmax_input(name: str, x: Tensor, dim: Any, dtype: DType | None) -> tuple[Tensor, Axes]:
    check_tensor(name, x)
    if dtype is not None:
        x = prims.convert(x, as_dtype(name, dtype))
    check_kinds(name, x, "float")
    axis = normalize_dim(name, dim, x._type.ndim)
    return x, (axis,) if x._type.ndim else ()


@with_out
@scoped
def softmax(
    input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Exponentials along `dim`, divided by their sum."""
    x, axes = _softmax_input("softmax", input, dim, dtype)
    if not x._type.numel:
        return same_value(x)
    return _through_single(_softmax, x, axes)


def _softmax(x: Tensor, axes: Axes) -> Tensor:
    powers = prims.exp(prims.sub(x, _peak(x, axes)))
    return prims.div(powers, _keep(_total(powers, axes), x, axes))


@with_out
@scoped
def log_softmax(
    input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Logarithm of `softmax`, without overflow."""
    x, axes = _softmax_input("log_softmax", input, dim, dtype)
    if not x._type.numel:
        return same_value(x)
    return _through_single(_log_softmax, x, axes)


def _log_softmax(x: Tensor, axes: Axes) -> Tensor:
    shifted = prims.sub(x, _peak(x, axes))
    total = _keep(_total(prims.exp(shifted), axes), x, axes)
    return prims.sub(shifted, prims.log(total))


def _through_single(fn: Callable[[Tensor, Axes], Tensor], x: Tensor, axes: Axes) -> Tensor:
    """`fn` in single precision where the dtype is half, as PyTorch computes it."""
    dtype = x._type.dtype
    if dtype in _HALF:
        return prims.convert(fn(prims.convert(x, float32), axes), dtype)
    return fn(x, axes)


# Running sums


@with_out
@scoped
def cumsum(
    input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
) -> Tensor:
    """Running sum along `dim`. Integers and bools give int64."""
    return _running("cumsum", prims.add, 0, input, dim, dtype)


@with_out
@scoped
def cumprod(
    input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
) -> Tensor:
    """Running product along `dim`. Integers and bools give int64."""
    return _running("cumprod", prims.mul, 1, input, dim, dtype)


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
        earlier = _span(x, axis, 0, shape[axis] - reach)
        x = prim(x, prims.pad(earlier, neutral, low=low, high=none, interior=none))
        reach *= 2
    return x


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
        result = _total(prims.convert(prims.ne(x, 0), x._type.dtype), axes)
    elif ord == 1:
        result = _total(prims.abs(x), axes)
    elif ord == 2:
        result = root(_total(prims.mul(x, x), axes)) if axes else prims.abs(x)
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
    return _finish(result, shape, axes, keepdim)


def _power_norm(x: Tensor, p: float, axes: Axes) -> Tensor:
    """The general case; zeros are kept out of the powers, whose slope there may be infinite."""
    size = prims.abs(x)
    if p < 0:
        return prims.pow(_total(prims.pow(size, p), axes), 1 / p)
    zero = prims.eq(size, 0)
    powers = prims.select(zero, 0, prims.pow(prims.select(zero, 1, size), p))
    total = _total(powers, axes)
    none = prims.eq(total, 0)
    return prims.select(none, 0, prims.pow(prims.select(none, 1, total), 1 / p))


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


FUNCTIONS = {
    f.__name__: f
    for f in (
        *(sum, mean, prod, var, std, var_mean, std_mean, amax, amin, aminmax, max, min, argmax),
        *(argmin, any, all, count_nonzero, logsumexp, softmax, log_softmax, cumsum, cumprod, norm),
    )
}
METHODS = {n: f for n, f in FUNCTIONS.items() if n not in ("var_mean", "std_mean")}
INPLACE = ("cumsum", "cumprod")
INPLACE_FUNCTIONS: tuple[str, ...] = ()
