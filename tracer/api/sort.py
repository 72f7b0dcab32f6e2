"""Sorting, and what is read off a sorted line: top, median, quantiles. Bound by `methods.py`."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...ir.errors import AxisError, DTypeError, ShapeError
from ...ir.ops.reduce import kept
from ...ir.types import DType, float32, float64, int64
from .. import prims
from ..amp.autocast import autocasts
from ..promotion import check_tensor
from ..scoping import GRAD_FN, scoped
from ..tensor import Tensor
from .common import (
    as_int,
    dense_strides,
    give,
    give_each,
    normalize_dim,
    relayout,
    with_out,
)
from .picking import along
from .reduce import span

GRAD_FN |= {"median": "MedianBackward0", "nanmedian": "NanmedianBackward0"}


class _Pair(NamedTuple):
    """Values along a dim and where they stood."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"thrace.return_types.{kind}(\nvalues={self.values!r},\nindices={self.indices!r})"


def _kind(name: str) -> Any:
    return type(name, (_Pair,), {"__slots__": ()})


SORTED, TOPK, KTHVALUE, MEDIAN, NANMEDIAN, MODE = map(
    _kind, ("sort", "topk", "kthvalue", "median", "nanmedian", "mode")
)


def _given(name: str, pair: Any, out: Any, x: Tensor) -> Any:
    """The pair, made of `x`, written into the two tensors of `out` if there are any."""
    if out is None:
        return pair
    return give_each(name, pair, out, (x,))


def _ordered(name: str, x: Tensor, axis: int, descending: bool = False) -> tuple[Tensor, Tensor]:
    """Sorted along `axis`; equal elements keep their order. One element has no axes."""
    if x._type.dtype.kind == "complex":
        raise DTypeError(f"{name}: Sort does not support complex dtypes on CPU")
    if not x._type.ndim:
        line = prims.reshape(x, shape=(1,))
        values, order = prims.sort(line, axis=0, descending=descending)
        return prims.reshape(values, shape=()), prims.reshape(order, shape=())
    values, order = prims.sort(x, axis=axis, descending=descending)
    return relayout(values, dense_strides(x)), relayout(order, dense_strides(x))


@scoped
def _sort(x: Tensor, dim: Any, descending: Any) -> Any:
    check_tensor("sort", x)
    axis = normalize_dim("sort", dim, x._type.ndim)
    return SORTED(*_ordered("sort", x, axis, bool(descending)))


def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    stable: bool | None = False,
    *,
    out: Any = None,
) -> Any:
    """(values, indices) of `input` sorted along `dim`; nan counts as the largest.

    Equal elements keep their order, whatever `stable` says. Raises: IndexError for a dim
    out of range.
    """
    return _given("sort", _sort(input, dim, descending), out, input)


@with_out
@scoped
def argsort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The indices that sort `input` along `dim`: int64."""
    check_tensor("argsort", input)
    return _ordered("argsort", input, normalize_dim("argsort", dim, input._type.ndim), descending)[
        1
    ]


@with_out
@scoped
def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input` sorted along its first dim."""
    check_tensor("msort", input)
    return _ordered("msort", input, 0)[0]


@scoped
def _topk(x: Tensor, k: Any, dim: Any, largest: Any) -> Any:
    check_tensor("topk", x)
    axis = normalize_dim("topk", dim, x._type.ndim)
    k = as_int("topk", k, "k")
    size = x._type.shape[axis] if x._type.ndim else 1
    if not 0 <= k <= size:
        raise ShapeError("topk: selected index k out of range")
    values, order = _ordered("topk", x, axis, bool(largest))
    if not x._type.ndim:
        return TOPK(values, order)
    return TOPK(span(values, axis, 0, k), span(order, axis, 0, k))


def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: Any = None,
) -> Any:
    """(values, indices) of the `k` largest (or smallest) elements along `dim`, in order.

    Raises: RuntimeError if there are fewer than `k`.
    """
    return _given("topk", _topk(input, k, dim, largest), out, input)


def _taken(x: Tensor, order: Tensor, place: int, axis: int, keepdim: bool) -> tuple[Tensor, Tensor]:
    """The element at a place of the order along `axis`, and its index."""
    index = span(order, axis, place, 1)
    values = prims.index(x, *along(x, axis, index))
    if keepdim:
        return values, index
    shape = tuple(n for a, n in enumerate(x._type.shape) if a != axis)
    return prims.reshape(values, shape=shape), prims.reshape(index, shape=shape)


def _nonempty(name: str, x: Tensor, axis: int) -> None:
    if x._type.ndim and not x._type.shape[axis]:
        raise AxisError(f"{name}: Expected reduction dim {axis} to have non-zero size.")


@scoped
def _kthvalue(x: Tensor, k: Any, dim: Any, keepdim: bool) -> Any:
    check_tensor("kthvalue", x)
    axis = normalize_dim("kthvalue", dim, x._type.ndim)
    k = as_int("kthvalue", k, "k")
    _nonempty("kthvalue", x, axis)
    size = x._type.shape[axis] if x._type.ndim else 1
    if not 1 <= k <= size:
        raise ShapeError("kthvalue: selected number k out of range for dimension " + str(axis))
    if not x._type.ndim:
        return KTHVALUE(*_ordered("kthvalue", x, 0))
    order = _ordered("kthvalue", x.detach(), axis)[1]
    return KTHVALUE(*_taken(x, order, k - 1, axis, keepdim))


def kthvalue(
    input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None
) -> Any:
    """(values, indices) of the `k`-th smallest element along `dim`, counted from 1."""
    return _given("kthvalue", _kthvalue(input, k, dim, keepdim), out, input)


def _middle(name: str, x: Tensor, axis: int, keepdim: bool, skips_nan: bool) -> tuple:
    """The lower of the two in the middle. A nan is the median, unless it is to be skipped."""
    if not x._type.ndim:
        return _ordered(name, x, 0)
    _nonempty(name, x, axis)
    size = x._type.shape[axis]
    order = _ordered(name, x.detach(), axis)[1]
    if x._type.dtype.kind != "float":
        return _taken(x, order, (size - 1) // 2, axis, keepdim)
    missing = prims.convert(prims.ne(x, x), int64)
    count = prims.reshape(prims.sum(missing, axes=(axis,)), shape=kept(x._type.shape, (axis,)))
    if skips_nan:
        left = prims.sub(size, count)  # those that are numbers stand first
        place = prims.maximum(prims.int_div(prims.sub(left, 1), 2), 0)
    else:
        first_nan = prims.sub(size, count)
        place = prims.select(prims.gt(count, 0), first_nan, (size - 1) // 2)
    index = prims.index(order, *along(order, axis, place))
    values = prims.index(x, *along(x, axis, index))
    if not keepdim:
        shape = tuple(n for a, n in enumerate(x._type.shape) if a != axis)
        return prims.reshape(values, shape=shape), prims.reshape(index, shape=shape)
    return values, index


def _none(dtype: DType) -> Any:
    """The median of nothing: nan, which as a whole number is what the processor makes of it."""
    if dtype.kind in ("float", "bool"):
        return float("nan") if dtype.kind == "float" else True
    return {64: -(2**63), 32: -(2**31)}.get(8 * dtype.itemsize, 0)


@scoped(name="median", grad_fn="MedianBackward0")
def _median(x: Tensor, dim: Any, keepdim: bool, skips_nan: bool) -> Any:
    name = "nanmedian" if skips_nan else "median"
    check_tensor(name, x)
    if dim is None:
        if not x._type.numel:
            return prims.full(_none(x._type.dtype), shape=(), dtype=x._type.dtype, device=x.device)
        flat = prims.reshape(x, shape=(x._type.numel,))
        return _middle(name, flat, 0, False, skips_nan)[0]
    axis = normalize_dim(name, dim, x._type.ndim)
    kind = NANMEDIAN if skips_nan else MEDIAN
    return kind(*_middle(name, x, axis, keepdim, skips_nan))


def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The median: of two in the middle the lower. With `dim`, (values, indices) along it.

    A nan is the median of what it is among. Only the element taken gets the gradient.
    """
    found = _median(input, dim, keepdim, False)
    if dim is None:
        return found if out is None else give("median", found, out)
    return _given("median", found, out, input)


def nanmedian(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None
) -> Any:
    """As `median`, of the elements that are numbers."""
    found = _median(input, dim, keepdim, True)
    if dim is None:
        return found if out is None else give("nanmedian", found, out)
    return _given("nanmedian", found, out, input)


@scoped
def _mode(x: Tensor, dim: Any, keepdim: bool) -> Any:
    check_tensor("mode", x)
    axis = normalize_dim("mode", dim, x._type.ndim)
    if not x._type.ndim:
        return MODE(*_ordered("mode", x, 0))
    _nonempty("mode", x, axis)
    ordered, order = _ordered("mode", x.detach(), axis)
    size = x._type.shape[axis]
    # How long the run of equal elements is that ends at each place of the sorted line.
    place = prims.iota(shape=tuple(size if a == axis else 1 for a in range(x._type.ndim)),
                       axis=axis, dtype=int64)  # fmt: skip
    before = prims.concatenate(
        span(ordered, axis, 0, 1), span(ordered, axis, 0, size - 1), axis=axis
    )
    starts = prims.bit_or(prims.ne(ordered, before), prims.eq(place, 0))
    start = prims.select(starts, prims.broadcast(place, shape=x._type.shape), 0)
    from .running import cummax

    length = prims.sub(place, cummax(start, axis)[0])
    longest = prims.reshape(prims.argmax(length, axis=axis), shape=kept(x._type.shape, (axis,)))
    index = prims.index(order, *along(order, axis, longest))
    values = prims.index(x, *along(x, axis, index))
    if keepdim:
        return MODE(values, index)
    shape = tuple(n for a, n in enumerate(x._type.shape) if a != axis)
    return MODE(prims.reshape(values, shape=shape), prims.reshape(index, shape=shape))


def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """(values, indices) of the most frequent element along `dim`: of several the smallest,
    at its last place."""
    return _given("mode", _mode(input, dim, keepdim), out, input)


_METHODS_OF = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    name: str, x: Tensor, q: Any, dim: Any, keepdim: bool, interpolation: str, skips_nan: bool
) -> Tensor:
    check_tensor(name, x)
    dtype = x._type.dtype
    if dtype not in (float32, float64):
        raise DTypeError(f"{name}: input tensor must be either float or double dtype")
    if interpolation not in _METHODS_OF:
        raise RuntimeError(
            f"{name}: interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    scalar = not isinstance(q, Tensor)
    if scalar:
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}: q must be in the range [0, 1] but got {q}")
        q = prims.full(float(q), shape=(), dtype=dtype, device=x.device)
    if q._type.ndim > 1:
        raise ShapeError(f"{name}: q must be a scalar or 1D tensor")
    if q._type.dtype is not dtype:
        raise DTypeError(f"{name}: q tensor must be same dtype as the input tensor")
    if not x._type.numel:
        raise ShapeError(f"{name}: input tensor must be non-empty")
    shape = x._type.shape
    if dim is None:
        line, axis, axes = prims.reshape(x, shape=(x._type.numel,)), 0, tuple(range(len(shape)))
    else:
        axis = normalize_dim(name, dim, len(shape))
        line, axes = (x, (axis,)) if shape else (prims.reshape(x, shape=(1,)), ())
    # The sorted line goes last, the quantiles become the first dim.
    order = (*(a for a in range(line._type.ndim) if a != axis), axis)
    line = line if order == tuple(range(line._type.ndim)) else prims.transpose(line, perm=order)
    last = line._type.ndim - 1
    size = line._type.shape[last]
    ordered = prims.sort(line, axis=last, descending=False)[0]
    missing = prims.sum(prims.convert(prims.ne(line, line), dtype), axes=(last,))
    count = q._type.numel
    ranks = prims.reshape(q, shape=(count,) + (1,) * last)
    if skips_nan:
        top = prims.maximum(prims.sub(prims.sub(float(size), missing), 1.0), 0.0)
        rank = prims.mul(ranks, top)
    else:
        rank = prims.mul(ranks, float(size - 1))
        rank = prims.broadcast(rank, shape=(count, *line._type.shape[:-1]))
        rank = prims.select(prims.gt(missing, 0.0), float(size - 1), rank)
    if interpolation == "lower":
        rank = prims.floor(rank)
    elif interpolation == "higher":
        rank = prims.ceil(rank)
    elif interpolation == "nearest":
        rank = prims.round(rank)
    low = prims.floor(rank)
    # Quantiles behind, as places along the sorted line.
    back = (*range(1, last + 1), 0)
    at_low = (
        prims.transpose(prims.convert(low, int64), perm=back) if last else prims.convert(low, int64)
    )
    values = prims.index(ordered, *along(ordered, last, at_low))
    if interpolation in ("linear", "midpoint"):
        up = prims.convert(prims.ceil(rank), int64)
        at_up = prims.transpose(up, perm=back) if last else up
        above = prims.index(ordered, *along(ordered, last, at_up))
        if interpolation == "midpoint":
            weight: Any = prims.full(0.5, shape=(), dtype=dtype, device=x.device)
        else:
            part = prims.sub(rank, low)
            weight = prims.transpose(part, perm=back) if last else part
        from .arithmetic import lerp

        values = lerp(values, above, weight)
    front = (last, *range(last))
    values = prims.transpose(values, perm=front) if last else values
    rest = kept(shape, axes) if keepdim else tuple(n for a, n in enumerate(shape) if a not in axes)
    return prims.reshape(values, shape=(rest if scalar or not q._type.ndim else (count, *rest)))


@autocasts
@with_out
@scoped
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """Quantiles along `dim` (or of all elements); a vector `q` becomes the first dim.

    `interpolation` between two elements: linear, lower, higher, midpoint or nearest.
    Dtypes: float32 and float64. Raises: RuntimeError for a number `q` outside [0, 1].
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@autocasts
@with_out
@scoped
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """As `quantile`, of the elements that are numbers."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


METHODS = {
    f.__name__: f
    for f in (
        *(sort, argsort, msort, topk, kthvalue, median, nanmedian, mode, quantile, nanquantile),
    )
}
FUNCTIONS = dict(METHODS)
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
