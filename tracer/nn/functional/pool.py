"""Pooling. Public as `nn.functional`.

Windows are taken one axis at a time: the maximum of a window's row maxima is the window's
maximum, and the first row that has it holds its first element, so ties and gradients fall
as they do over the whole window at once. The gradient needs no rule of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ....ir.errors import DTypeError, ShapeError
from ....ir.types import int64
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import seen, with_out
from ...promotion import INT_RANGE
from ...scoping import scoped
from ...tensor import Tensor
from ..factory import pair
from .common import constant, narrow, widen

Ints = tuple[int, ...]


class Windows(NamedTuple):
    """Where the windows of one axis lie: the padded axis is `low + size + high` long."""

    axis: int
    kernel: int
    stride: int
    step: int
    low: int
    high: int
    count: int
    size: int


def _windows(
    name: str,
    input: Tensor,
    rank: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> list[Windows]:
    """Raises: ShapeError for a rank, padding or window size that does not fit."""
    shape = input._type.shape
    kernels = pair(kernel, rank, "kernel_size")
    strides = kernels if stride is None or stride == () else pair(stride, rank, "stride")
    pads, steps = pair(padding, rank, "padding"), pair(dilation, rank, "dilation")
    if len(shape) not in (rank + 1, rank + 2) or 0 in shape[len(shape) - rank - 1 :]:
        raise ShapeError(
            f"{name}: non-empty {rank + 1}D or {rank + 2}D (batch mode) tensor expected for "
            f"input, got shape {shape}"
        )
    out = []
    for i in range(rank):
        axis = len(shape) - rank + i
        n, k, s, p, d = shape[axis], kernels[i], strides[i], pads[i], steps[i]
        if k < 1 or s < 1 or d < 1 or p < 0:
            raise ShapeError(
                f"{name}: kernel_size, stride and dilation must be positive and padding not "
                f"negative, got {k}, {s}, {d} and {p}"
            )
        reach = d * (k - 1) + 1
        if p > reach // 2:
            raise ShapeError(
                f"{name}: pad should be at most half of effective kernel size, but got pad={p}, "
                f"kernel_size={k} and dilation={d}"
            )
        span = n + 2 * p - reach
        count = span // s + 1
        if ceil_mode:
            count = -(-span // s) + 1
            if (count - 1) * s >= n + p:  # a window must begin inside
                count -= 1
        if count < 1 or (span < 0 and not ceil_mode):
            raise ShapeError(
                f"{name}: input of shape {shape} is too small at axis {axis} for "
                f"kernel_size={k}, stride={s}, padding={p}, dilation={d}"
            )
        high = max((count - 1) * s + reach - n - p, 0)
        out.append(Windows(axis, k, s, d, p, high, count, n))
    return out


def elements(x: Tensor, w: Windows, fill: Any) -> list[Tensor]:
    """The first, second, ... element of every window of one axis, each as one slice."""
    ndim = x._type.ndim
    if w.low or w.high:
        low = tuple(w.low if i == w.axis else 0 for i in range(ndim))
        high = tuple(w.high if i == w.axis else 0 for i in range(ndim))
        x = prims.pad(x, fill, low=low, high=high, interior=(0,) * ndim)
    shape = x._type.shape
    sizes = tuple(w.count if i == w.axis else n for i, n in enumerate(shape))
    strides = tuple(w.stride if i == w.axis else 1 for i in range(ndim))
    return [
        prims.slice(
            x,
            starts=tuple(j * w.step if i == w.axis else 0 for i in range(ndim)),
            sizes=sizes,
            strides=strides,
        )
        for j in range(w.kernel)
    ]


def lowest(x: Tensor) -> Any:
    dtype = x._type.dtype
    if dtype.is_floating_point:
        return float("-inf")
    if dtype.is_complex or dtype.kind == "bool":
        raise DTypeError(f"max_pool: not implemented for {dtype}")
    return INT_RANGE[dtype][0]


def _max_windows(x: Tensor, windows: list[Windows]) -> Tensor:
    fill = lowest(x)
    for w in reversed(windows):
        best, *others = elements(x, w, fill)
        for other in others:
            best = prims.select(wins(other, best), other, best)
        x = best
    return x


def wins(other: Tensor, best: Tensor) -> Tensor:
    """Whether a later element replaces the best so far: nan always does."""
    larger = prims.gt(other, best)
    if other._type.dtype.is_floating_point:
        return prims.bit_or(larger, prims.ne(other, other))
    return larger


def _max_windows_and_indices(x: Tensor, windows: list[Windows]) -> tuple[Tensor, Tensor]:
    """Also where in the flattened spatial axes each maximum lies."""
    shape = x._type.shape
    spatial = shape[windows[0].axis :]
    number = 1
    for n in spatial:
        number *= n
    line = prims.iota(shape=(number,), axis=0, dtype=int64, device=x.device)
    at = prims.broadcast(prims.reshape(line, shape=spatial), shape=shape)
    fill = lowest(x)
    for w in reversed(windows):
        best, *others = elements(x, w, fill)
        place, *places = elements(at, w, -1)
        for other, there in zip(others, places, strict=True):
            # The first element that is no padding is taken whatever it is.
            later = prims.bit_or(wins(other, best), prims.lt(place, 0))
            later = prims.bit_and(later, prims.ge(there, 0)) if w.low or w.high else later
            best = prims.select(later, other, best)
            place = prims.select(later, there, place)
        x, at = best, place
    return x, at


def _max_pool(rank: int) -> Any:
    name = f"max_pool{rank}d"

    @scoped(name=name, grad_fn=f"MaxPool{rank}DWithIndicesBackward0")
    def pool(input: Tensor, *options: Any) -> Tensor:
        found = _max_windows(input, _windows(name, input, rank, *options))
        # PyTorch has a kernel of its own for what needs no gradient.
        return seen(found) if rank == 1 and found.requires_grad else found

    @scoped(name=f"{name}_with_indices", grad_fn=f"MaxPool{rank}DWithIndicesBackward0")
    def pool_with_indices(input: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
        found, at = _max_windows_and_indices(input, _windows(name, input, rank, *options))
        return (seen(found), seen(at)) if rank == 1 else (found, at)

    return pool, pool_with_indices


_MAX = {rank: _max_pool(rank) for rank in (1, 2, 3)}


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window. Shapes: (N, C, L) or (C, L). See `max_pool2d`."""
    pool = _MAX[1][return_indices]
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window; of equal ones the first gets the gradient.

    Shapes: (N, C, H, W) or (C, H, W). Dtypes: real. `stride` is `kernel_size` by default.
    Under `return_indices`, also their places in the flattened H, W.
    Raises: ShapeError if windows and shape do not fit.
    """
    pool = _MAX[2][return_indices]
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window. Shapes: (N, C, D, H, W) or (C, D, H, W)."""
    pool = _MAX[3][1] if return_indices else _max_pool3d
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


@autocasts(name="max_pool3d")
def _max_pool3d(*args: Any) -> Any:
    return _MAX[3][0](*args)


def _average(
    name: str,
    rank: int,
    input: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    whole = input._type.dtype is int64
    if not (whole or input._type.dtype.is_floating_point):
        raise DTypeError(f"{name}: not implemented for {input.dtype}")
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    windows = _windows(name, input, rank, kernel, stride, padding, 1, ceil_mode)
    x = widen(input)
    for w in reversed(windows):
        x = _sum_windows(x, w)
    counts = [_counts(w, count_include_pad) for w in windows]
    if divisor is None and all((c == c[0]).all() for c in counts):
        divisor = int(np.prod([c[0] for c in counts]))
    if divisor is not None:
        if whole:
            return x.div(divisor, rounding_mode="trunc")  # type: ignore[attr-defined]
        x = prims.mul(x, 1 / divisor) if divisor & (divisor - 1) == 0 else prims.div(x, divisor)
    else:
        table = np.ones(())
        for c in counts:
            table = table[..., None] * c
        if whole:
            return x.div(constant(table, x), rounding_mode="trunc")  # type: ignore[attr-defined]
        x = prims.div(x, constant(table, x))
    return narrow(x, input._type.dtype)


def _sum_windows(x: Tensor, w: Windows) -> Tensor:
    if w.kernel == w.stride and not w.low and not w.high:
        shape = x._type.shape
        if w.count * w.kernel != w.size:
            sizes = tuple(w.count * w.kernel if i == w.axis else n for i, n in enumerate(shape))
            x = prims.slice(x, starts=(0,) * len(shape), sizes=sizes, strides=(1,) * len(shape))
        split = (*shape[: w.axis], w.count, w.kernel, *shape[w.axis + 1 :])
        return prims.sum(prims.reshape(x, shape=split), axes=(w.axis + 1,))
    first, *others = elements(x, w, 0)
    for other in others:
        first = prims.add(first, other)
    return first


def _counts(w: Windows, include_padding: bool) -> np.ndarray:
    """What each window's sum is divided by; beyond the declared padding nothing counts."""
    starts = np.arange(w.count) * w.stride - w.low
    ends = np.minimum(starts + w.kernel, w.size + w.low)
    if not include_padding:
        starts, ends = np.maximum(starts, 0), np.minimum(ends, w.size)
    return ends - starts


@scoped
def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window. Shapes: (N, C, L) or (C, L). See `avg_pool2d`."""
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, None)
    return seen(_average("avg_pool1d", 1, input, *options))


@with_out
@scoped(grad_fn="AvgPool2DBackward0")
def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of each window, or its sum divided by `divisor_override`.

    Shapes: (N, C, H, W) or (C, H, W). Dtypes: floating and int64, rounded towards zero.
    """
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average("avg_pool2d", 2, input, *options)


@autocasts
@with_out
@scoped(grad_fn="AvgPool3DBackward0")
def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of each window. Shapes: (N, C, D, H, W) or (C, D, H, W)."""
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average("avg_pool3d", 3, input, *options)
