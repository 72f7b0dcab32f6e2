"""Running extremes and sums, and differences of neighbours. Bound by `methods.py`."""

from __future__ import annotations

import math
from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.types import int64
from .. import prims
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor
from .common import as_int, give_each, normalize_dim, relayout, same_value, with_out
from .join import cat
from .picking import along
from .reduce import cumsum, span
from .sort import _kind

CUMMAX, CUMMIN = _kind("cummax"), _kind("cummin")


def _shifted(x: Tensor, axis: int, reach: int, fill: Any) -> Tensor:
    """Each element `reach` places further along `axis`; `fill` comes in."""
    ndim = x._type.ndim
    low = tuple(reach if a == axis else 0 for a in range(ndim))
    none = (0,) * ndim
    earlier = span(x, axis, 0, x._type.shape[axis] - reach)
    return prims.pad(earlier, fill, low=low, high=none, interior=none)


def _running_extreme(name: str, x: Tensor, dim: Any, beats: Any) -> tuple[Tensor, Tensor]:
    """The extreme so far and its last place, in log2(size) steps; nan stays once it came."""
    check_tensor(name, x)
    if x._type.dtype.kind == "complex":
        raise DTypeError(f"{name}: does not support complex input")
    axis = normalize_dim(name, dim, x._type.ndim)
    if not x._type.ndim or not x._type.numel:
        return same_value(x), prims.full(0, shape=x._type.shape, dtype=int64, device=x.device)
    shape = x._type.shape
    best = x.detach()
    is_bool = x._type.dtype.kind == "bool"
    if is_bool:
        best = prims.convert(best, int64)
    line = tuple(n if a == axis else 1 for a, n in enumerate(shape))
    place = prims.iota(shape=line, axis=axis, dtype=int64)
    place = prims.broadcast(place, shape=shape)
    positions = place
    reach = 1
    while reach < shape[axis]:
        earlier = _shifted(best, axis, reach, 0)
        earlier_place = _shifted(positions, axis, reach, 0)
        keeps = beats(best, earlier)
        if x._type.dtype.kind == "float":
            keeps = prims.bit_and(keeps, prims.eq(earlier, earlier))
            keeps = prims.bit_or(keeps, prims.ne(best, best))
        keeps = prims.bit_or(keeps, prims.lt(place, reach))
        best = prims.select(keeps, best, earlier)
        positions = prims.select(keeps, positions, earlier_place)
        reach *= 2
    return prims.index(x, *along(x, axis, positions)), relayout(positions, None)


@scoped
def _cummax(x: Tensor, dim: Any) -> Any:
    return CUMMAX(*_running_extreme("cummax", x, dim, prims.ge))


@scoped
def _cummin(x: Tensor, dim: Any) -> Any:
    return CUMMIN(*_running_extreme("cummin", x, dim, prims.le))


def cummax(input: Tensor, dim: int, *, out: Any = None) -> Any:
    """(values, indices): the largest element so far along `dim`, and its last place."""
    found = _cummax(input, dim)
    if out is None:
        return found
    return give_each("cummax", found, out, (input,))


def cummin(input: Tensor, dim: int, *, out: Any = None) -> Any:
    """(values, indices): the smallest element so far along `dim`, and its last place."""
    found = _cummin(input, dim)
    if out is None:
        return found
    return give_each("cummin", found, out, (input,))


@with_out
@scoped
def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the running sum of exponentials along `dim`, without overflow."""
    check_tensor("logcumsumexp", input)
    if input._type.dtype.kind not in ("float", "complex"):
        raise DTypeError(f"logcumsumexp: not implemented for {input._type.dtype}")
    axis = normalize_dim("logcumsumexp", dim, input._type.ndim)
    if not input._type.ndim or input._type.shape[axis] < 2:
        return relayout(same_value(input), None)
    if input._type.dtype.kind == "complex":
        peak = input.real.detach().amax(axis, keepdim=True)
        return prims.add(prims.log(cumsum(prims.exp(prims.sub(input, peak.to(input.dtype))), axis)),
                         peak.to(input.dtype))  # fmt: skip
    x, reach, size = input, 1, input._type.shape[axis]
    while reach < size:
        rest = span(x, axis, reach, size - reach)
        before = span(x, axis, 0, size - reach)
        peak = prims.maximum(rest.detach(), before.detach())
        peak = prims.select(prims.lt(prims.abs(peak), math.inf), peak, 0)  # inf - inf is nan
        parts = (prims.exp(prims.sub(part, peak)) for part in (rest, before))
        summed = prims.add(prims.log(prims.add(*parts)), peak)
        x = prims.concatenate(span(x, axis, 0, reach), summed, axis=axis)
        reach *= 2
    return relayout(x, None)


@with_out
@scoped
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along `dim`, `n` times; of bools whether they differ."""
    check_tensor("diff", input)
    if not input._type.ndim:
        raise ShapeError("diff expects input to be at least one-dimensional")
    axis = normalize_dim("diff", dim, input._type.ndim)
    n = as_int("diff", n, "n")
    if n < 0:
        raise ShapeError(f"order must be non-negative but got {n}")
    for name, more in (("prepend", prepend), ("append", append)):
        if more is None:
            continue
        if more._type.ndim != input._type.ndim:
            raise ShapeError(f"diff expects {name} to be the same dimension as input")
        for a, (own, other) in enumerate(zip(input._type.shape, more._type.shape, strict=True)):
            if a != axis and own != other:
                raise ShapeError(
                    "diff expects the shape of tensor to prepend or append to match that of input "
                    f"except along the differencing dimension; input.size({a}) = {own}, but got "
                    f"tensor.size({a}) = {other}"
                )
    parts = [t for t in (prepend, input, append) if t is not None]
    x = cat(parts, axis) if len(parts) > 1 and n else input
    for _ in range(n):
        size = x._type.shape[axis]
        if size == 0:
            break
        later, earlier = x.narrow(axis, 1, size - 1), x.narrow(axis, 0, size - 1)
        minus = prims.ne if x._type.dtype.kind == "bool" else prims.sub
        x = minus(later, earlier)
    return same_value(x) if x is input else x


def _axis(name: str, y: Tensor, x: Any, dx: Any, dim: Any) -> int:
    check_tensor(name, y)
    if y._type.dtype.kind == "bool" or (isinstance(x, Tensor) and x._type.dtype.kind == "bool"):
        raise DTypeError(f"{name}: received a bool input, but bool is not supported")
    axis = normalize_dim(name, dim, y._type.ndim)
    if not y._type.ndim:
        raise ShapeError(f"{name}: the input must have a dim to integrate along")
    if x is not None and dx is not None:
        raise RuntimeError(f"{name}: expected only one of 'x' or 'dx'")
    return axis


def _ends(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """All but the last element along `axis`, and all but the first."""
    size = x._type.shape[axis]
    count = max(size - 1, 0)
    return span(x, axis, 0, count), span(x, axis, size - count, count)


def _areas(name: str, y: Tensor, x: Any, step: Any, axis: int) -> Tensor:
    """Twice the areas between neighbours."""
    left, right = _ends(y, axis)
    heights = left + right
    if not isinstance(x, Tensor):
        return heights * step
    size, ndim = y._type.shape[axis], y._type.ndim
    if x._type.ndim == 1:
        if x._type.shape[0] != size:
            raise ShapeError(
                f"{name}: There must be one `x` value for each sample point, got "
                f"{x._type.shape[0]} for {size}"
            )
        x = x.reshape([size if a == axis else 1 for a in range(ndim)])
    elif x._type.ndim < ndim:
        x = x.reshape((*(1,) * (ndim - x._type.ndim), *x._type.shape))
    before, after = _ends(x, axis)
    return heights * (after - before)


@scoped
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoidal rule, at places `x` or `dx` apart."""
    return _integral("trapezoid", y, x, dx, dim)


@scoped
def trapz(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """As `trapezoid`."""
    return _integral("trapz", y, x, dx, dim)


def _integral(name: str, y: Tensor, x: Any, dx: Any, dim: Any) -> Tensor:
    axis = _axis(name, y, x, dx, dim)
    step = 1 if dx is None else dx
    if not y._type.shape[axis]:
        return y.detach().sum(axis, dtype=y._type.dtype)  # type: ignore[call-arg]
    if isinstance(x, Tensor) or isinstance(step, Tensor):
        return _areas(name, y, x, step, axis).sum(axis) / 2
    first, last = y.select(axis, 0), y.select(axis, -1)  # type: ignore[attr-defined]
    return (y.sum(axis) - (first + last) * 0.5) * step


@scoped
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1
) -> Tensor:
    """The running integral along `dim` by the trapezoidal rule."""
    axis = _axis("cumulative_trapezoid", y, x, dx, dim)
    step = 1 if dx is None else dx
    return cumsum(_areas("cumulative_trapezoid", y, x, step, axis), axis) / 2


METHODS = {f.__name__: f for f in (cummax, cummin, logcumsumexp, diff)}
FUNCTIONS = METHODS | {f.__name__: f for f in (trapezoid, trapz, cumulative_trapezoid)}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
