"""`softmax`, `log_softmax` and `logsumexp`: exponentials that do not overflow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...ir.ops.reduce import kept
from ...ir.types import DType, float32
from .. import prims, views
from ..amp.autocast import autocasts
from ..promotion import check_kinds, check_tensor, to_floating
from ..scoping import scoped
from ..tensor import Tensor
from .common import Dims, as_dtype, normalize_dim, normalize_dims, relayout, same_value, with_out
from .reduce import HALF, Axes, dropped, finish, total


@autocasts
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
    if dim is None:
        raise TypeError("logsumexp(): argument 'dim' must be tuple of ints, not NoneType")
    x = to_floating(input)
    axes = normalize_dims("logsumexp", dim, x._type.ndim)
    if not x._type.numel:
        return finish(prims.log(total(prims.exp(x), axes)), x._type.shape, axes, keepdim)
    peak = _peak(x, axes)
    peak = prims.select(prims.lt(prims.abs(peak), math.inf), peak, 0)  # inf - inf would be nan
    peak = prims.convert(peak, x._type.dtype)
    mass = keep(total(prims.exp(prims.sub(x, peak)), axes), x, axes)
    result = prims.add(prims.log(mass), peak)
    return result if keepdim else prims.reshape(result, shape=dropped(x._type.shape, axes, False))


def keep(reduced: Tensor, x: Tensor, axes: Axes) -> Tensor:
    return prims.reshape(reduced, shape=kept(x._type.shape, axes)) if axes else reduced


def _peak(x: Tensor, axes: Axes) -> Tensor:
    """The largest elements (real parts), axes kept, as a constant: shifting by it changes no
    gradient."""
    constant = views.detach(x) if x.requires_grad else x
    if x._type.dtype.kind == "complex":
        constant = prims.real(constant)
    return keep(prims.amax(constant, axes=axes), x, axes) if axes else constant


def _softmax_input(name: str, x: Tensor, dim: Any, dtype: DType | None) -> tuple[Tensor, Axes]:
    check_tensor(name, x)
    if dtype is not None:
        x = prims.convert(x, as_dtype(name, dtype))
    check_kinds(name, x, "float")
    axis = normalize_dim(name, dim, x._type.ndim)
    return x, (axis,) if x._type.ndim else ()


@autocasts
@with_out
@scoped
def softmax(
    input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Exponentials along `dim`, divided by their sum."""
    x, axes = _softmax_input("softmax", input, dim, dtype)
    if not x._type.numel:
        return same_value(x)
    return relayout(_through_single(_softmax, x, axes), None)


def _softmax(x: Tensor, axes: Axes) -> Tensor:
    powers = prims.exp(prims.sub(x, _peak(x, axes)))
    return prims.div(powers, keep(total(powers, axes), x, axes))


@autocasts
@with_out
@scoped
def log_softmax(
    input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Logarithm of `softmax`, without overflow."""
    x, axes = _softmax_input("log_softmax", input, dim, dtype)
    if not x._type.numel:
        return same_value(x)
    return relayout(_through_single(_log_softmax, x, axes), None)


def _log_softmax(x: Tensor, axes: Axes) -> Tensor:
    shifted = prims.sub(x, _peak(x, axes))
    mass = keep(total(prims.exp(shifted), axes), x, axes)
    return prims.sub(shifted, prims.log(mass))


def _through_single(fn: Callable[[Tensor, Axes], Tensor], x: Tensor, axes: Axes) -> Tensor:
    """`fn` in single precision where the dtype is half, as PyTorch computes it."""
    dtype = x._type.dtype
    if dtype in HALF:
        return prims.convert(fn(prims.convert(x, float32), axes), dtype)
    return fn(x, axes)


FUNCTIONS = {f.__name__: f for f in (logsumexp, softmax, log_softmax)}
METHODS = dict(FUNCTIONS)
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
