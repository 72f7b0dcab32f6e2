"""`thrace.masked`: reductions and normalisations of the elements that a mask picks.

What the mask leaves out counts as the neutral element of the operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.errors import DTypeError
from ...ir.types import DType, bool_, int64
from .. import prims
from ..promotion import check_tensor, to_floating
from ..scoping import scoped
from ..tensor import Tensor
from . import extremes, moments, reduce, softmax
from .arithmetic import logaddexp as plain_logaddexp
from .common import Dims, same_value
from .sort import nanmedian


def _lowest(x: Tensor) -> Any:
    if x._type.dtype.kind == "float":
        return -math.inf
    return False if x._type.dtype is bool_ else int(np.iinfo(x._type.dtype.np).min)


def _highest(x: Tensor) -> Any:
    if x._type.dtype.kind == "float":
        return math.inf
    return True if x._type.dtype is bool_ else int(np.iinfo(x._type.dtype.np).max)


def _mask(x: Tensor, mask: Any) -> Tensor | None:
    if mask is None:
        return None
    check_tensor("masked", mask, "mask")
    mask = prims.convert(mask, bool_)
    if mask._type.shape != x._type.shape:
        mask = mask.broadcast_to(x._type.shape)  # type: ignore[attr-defined]
    return mask


def _filled(name: str, x: Tensor, mask: Any, fill: Any, dtype: DType | None = None) -> Tensor:
    """`x` with the neutral element where the mask does not hold."""
    check_tensor(f"masked.{name}", x)
    if dtype is not None:
        x = prims.convert(x, dtype)
    picked = _mask(x, mask)
    if picked is None:
        return x
    return prims.select(picked, x, fill(x) if callable(fill) else fill)


def _integral(x: Tensor, dtype: DType | None) -> DType | None:
    """Sums and products of integers are int64."""
    if dtype is None and x._type.dtype.kind in ("bool", "int", "uint"):
        return int64
    return dtype


def _count(x: Tensor, mask: Any, dim: Dims, keepdim: bool) -> Tensor:
    ones = prims.full(1, shape=x._type.shape, dtype=int64, device=x.device)
    picked = _mask(x, mask)
    ones = ones if picked is None else prims.convert(picked, int64)
    return reduce.sum(ones, _dims(dim, x), keepdim)


def _dims(dim: Dims, x: Tensor) -> Any:
    """No dims at all mean all of them."""
    return None if dim is None or dim == () else dim


@scoped(name="masked_sum")
def sum(input: Tensor, dim: Dims = None, *, keepdim: Any = False, dtype: DType | None = None,
        mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The sum of the elements that `mask` picks; 0 of none."""
    x = _filled("sum", input, mask, 0, _integral(input, dtype))
    return reduce.sum(x, _dims(dim, x), bool(keepdim))


@scoped(name="masked_prod")
def prod(input: Tensor, dim: Dims = None, *, keepdim: Any = False, dtype: DType | None = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The product of the elements that `mask` picks; 1 of none."""
    x = _filled("prod", input, mask, 1, _integral(input, dtype))
    dims = _dims(dim, x)
    if dims is None:
        dims = tuple(range(x._type.ndim))
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    dims = sorted((d % max(x._type.ndim, 1) for d in dims), reverse=True)
    for d in dims:
        x = reduce.prod(x, d, bool(keepdim)) if x._type.ndim else x
    return same_value(x) if x is input and dims else x


@scoped(name="masked_cumsum")
def cumsum(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The running sum of the elements that `mask` picks."""
    return reduce.cumsum(_filled("cumsum", input, mask, 0, _integral(input, dtype)), dim)


@scoped(name="masked_cumprod")
def cumprod(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The running product of the elements that `mask` picks."""
    return reduce.cumprod(_filled("cumprod", input, mask, 1, _integral(input, dtype)), dim)


def _extreme(name: str, fn: Callable[..., Tensor], fill: Any) -> Callable[..., Tensor]:
    @scoped(name=f"masked_{name}")
    def function(input: Tensor, dim: Dims = None, *, keepdim: Any = False,
                 dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
        x = _filled(name, input, mask, fill, dtype)
        return fn(x, _dims(dim, x), bool(keepdim))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of the elements that `mask` picks."
    return function


amax = _extreme("amax", extremes.amax, _lowest)
amin = _extreme("amin", extremes.amin, _highest)


@scoped(name="masked_argmax")
def argmax(input: Tensor, dim: int | None = None, *, keepdim: Any = False,
           dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Where the largest of the elements that `mask` picks stands."""
    found = extremes.argmax(_filled("argmax", input, mask, _lowest), dim, bool(keepdim))
    return prims.convert(found, input._type.dtype if dtype is None else dtype)


@scoped(name="masked_argmin")
def argmin(input: Tensor, dim: int | None = None, *, keepdim: Any = False,
           dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Where the smallest of the elements that `mask` picks stands."""
    found = extremes.argmin(_filled("argmin", input, mask, _highest), dim, bool(keepdim))
    return prims.convert(found, input._type.dtype if dtype is None else dtype)


@scoped(name="masked_mean")
def mean(input: Tensor, dim: Dims = None, *, keepdim: Any = False, dtype: DType | None = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The mean of the elements that `mask` picks; nan of none."""
    x = _filled("mean", input, mask, 0, dtype)
    if x._type.dtype.kind in ("int", "uint", "bool"):
        x = to_floating(x)
    total = reduce.sum(x, _dims(dim, x), bool(keepdim))
    return prims.div(total, prims.convert(_count(x, mask, dim, bool(keepdim)), total._type.dtype))


@scoped(name="masked_median")
def median(input: Tensor, dim: int = -1, *, keepdim: Any = False, dtype: DType | None = None,
           mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The median of the elements that `mask` picks; nan of none."""
    x = input if dtype is None else prims.convert(input, dtype)
    if x._type.dtype.kind != "float":
        if mask is not None:
            raise DTypeError(f"masked median expects no fully masked out rows if dtype is not "
                             f"floating point, got {x._type.dtype}")  # fmt: skip
        x = to_floating(x)
    return nanmedian(_filled("median", x, mask, math.nan), dim, bool(keepdim)).values


@scoped(name="masked_norm")
def norm(input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: Any = False,
         dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The norm of the elements that `mask` picks."""
    order = 2.0 if ord is None else float(ord)
    x = input if dtype is None else prims.convert(input, dtype)
    fill = math.inf if order < 0 else 0
    return moments.vector_norm(_filled("norm", x, mask, fill), order, _dims(dim, x), bool(keepdim))


def _correction(unbiased: bool | None, correction: Any) -> Any:
    if correction is not None:
        return correction
    return int(unbiased is None or unbiased)


def _spread(name: str, x: Tensor, dim: Dims, correction: Any, keepdim: Any, dtype: Any, mask: Any):
    x = x if dtype is None else prims.convert(x, dtype)
    if x._type.dtype.kind in ("int", "uint", "bool"):
        x = to_floating(x)
    count = _count(x, mask, dim, True)
    total = reduce.sum(_filled(name, x, mask, 0), _dims(dim, x), True)
    gap = prims.sub(x, prims.div(total, prims.convert(count, x._type.dtype)))
    squares = prims.mul(gap, prims.conj(gap)) if x._type.dtype.kind == "complex" else gap * gap
    summed = reduce.sum(_filled(name, squares, mask, 0), _dims(dim, x), bool(keepdim))
    count = _count(x, mask, dim, bool(keepdim))
    count = prims.convert(
        count, summed._type.dtype.to_real() if summed._type.dtype.is_complex else summed._type.dtype
    )
    if correction:
        count = prims.maximum(prims.sub(count, float(correction)), 0.0)
    return prims.div(summed, prims.convert(count, summed._type.dtype))


@scoped(name="masked_var")
def var(input: Tensor, dim: Dims = None, unbiased: bool | None = None, *,
        correction: Any = None, keepdim: Any = False,
        dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The variance of the elements that `mask` picks."""
    return _spread("var", input, dim, _correction(unbiased, correction), keepdim, dtype, mask)


@scoped(name="masked_std")
def std(input: Tensor, dim: Dims = None, unbiased: bool | None = None, *,
        correction: Any = None, keepdim: Any = False,
        dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The standard deviation of the elements that `mask` picks."""
    count = _correction(unbiased, correction)
    return prims.sqrt(_spread("std", input, dim, count, keepdim, dtype, mask))


@scoped(name="masked_softmax")
def masked_softmax(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """`softmax` over the elements that `mask` picks; nan where there are none."""
    return softmax.softmax(_filled("softmax", input, mask, -math.inf, dtype), dim)


@scoped(name="masked_log_softmax")
def masked_log_softmax(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """`log_softmax` over the elements that `mask` picks."""
    return softmax.log_softmax(_filled("log_softmax", input, mask, -math.inf, dtype), dim)


@scoped(name="masked_softmin")
def softmin(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """`softmax(-input)` over the elements that `mask` picks."""
    return softmax.softmax(prims.neg(_filled("softmin", input, mask, math.inf, dtype)), dim)


@scoped(name="masked_logsumexp")
def logsumexp(input: Tensor, dim: Dims = None, *, keepdim: Any = False,
              dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """`logsumexp` of the elements that `mask` picks."""
    x = input if dtype is None else prims.convert(input, dtype)
    kind = x._type.dtype
    x = to_floating(x)
    dims = tuple(range(x._type.ndim)) if _dims(dim, x) is None else dim
    made = softmax.logsumexp(_filled("logsumexp", x, mask, -math.inf), dims, bool(keepdim))
    return prims.convert(made, kind)


@scoped(name="masked_logaddexp")
def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: DType | None = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """`logaddexp` of what either mask picks."""
    x = _filled("logaddexp", input, input_mask, -math.inf, dtype)
    y = _filled("logaddexp", other, other_mask, -math.inf, dtype)
    return plain_logaddexp(x, y)


@scoped(name="masked_normalize")
def normalize(input: Tensor, ord: float, dim: int, *, eps: float = 1e-12,
              dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """`input` divided by the norm of the elements that `mask` picks, or by `eps` if larger."""
    x = input if dtype is None else prims.convert(input, dtype)
    size = norm(x, ord, dim, keepdim=True, mask=mask)
    size = size.maximum(prims.full(eps, shape=(), dtype=size._type.dtype))  # type: ignore
    return _filled("normalize", x / size, mask, 0)


MASKED: dict[str, Callable[..., Tensor]] = {
    f.__name__: f
    for f in (
        *(sum, prod, cumsum, cumprod, amax, amin, argmax, argmin, mean, median, norm, var, std),
        *(softmin, logsumexp, logaddexp, normalize),
    )
}
MASKED |= {"softmax": masked_softmax, "log_softmax": masked_log_softmax}
