"""Largest and smallest elements, and where they stand. Bound by `methods.py`."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...ir.errors import AxisError, DTypeError, ShapeError
from ...ir.ops.reduce import kept
from ...ir.types import bool_, int64
from .. import prims
from ..promotion import check_tensor
from ..scoping import GRAD_FN, scoped
from ..state import STATE, scope
from ..tensor import Tensor
from .arithmetic import maximum, minimum
from .common import (
    Dims,
    give,
    give_each,
    located,
    normalize_dim,
    normalize_dims,
    same_value,
    with_out,
)
from .reduce import Axes, dropped, finish

# Named as PyTorch's overloads, whose backward functions carry other numbers.
GRAD_FN |= {
    "max": "MaxBackward1",
    "max.dim": "MaxBackward0",
    "min": "MinBackward1",
    "min.dim": "MinBackward0",
}


class Extremes(NamedTuple):
    """Values along a dim and where they stood, as `max(dim)` and `min(dim)` return them."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"thrace.return_types.{kind}(\nvalues={self.values!r},\nindices={self.indices!r})"


class Ends(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor

    def __repr__(self) -> str:
        return f"thrace.return_types.aminmax(\nmin={self.min!r},\nmax={self.max!r})"


MAX = type("max", (Extremes,), {"__slots__": ()})
MIN = type("min", (Extremes,), {"__slots__": ()})


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
    return finish(prim(x, axes=axes), x._type.shape, axes, keepdim)


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


@with_out
@scoped
def aminmax(
    input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: Any = None
) -> Ends:
    """(min, max): the smallest and the largest element along `dim`."""
    low = _all_extremes("aminmax", prims.amin, input, dim, keepdim)
    return Ends(low, _all_extremes("aminmax", prims.amax, input, dim, keepdim))


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
        return result if out is None else give(f"{name}.all", result, out)
    with scope(f"{name}.dim"):
        axis = normalize_dim(name, dim, x._type.ndim)
        result = make(*_along(name, x, axis, arg, reduce, keepdim))
    if out is not None:
        return give_each(name, result, out, (x,))
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
    indices = prims.reshape(found, shape=dropped(shape, (axis,), keepdim))
    return finish(values, shape, (axis,), keepdim), indices


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
    return finish(prim(x, axis=axis), shape, (axis,), keepdim)


FUNCTIONS = {f.__name__: f for f in (amax, amin, aminmax, max, min, argmax, argmin)}
METHODS = dict(FUNCTIONS)
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
