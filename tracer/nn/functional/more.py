"""Shrinking activations, dropout that keeps moments, local norms, unpooling, bags of words.

Public as `nn.functional`.
"""

from __future__ import annotations

import math
from typing import Any

from ....ir.errors import ShapeError
from ....ir.types import int64
from ... import prims
from ...api.random import rand
from ...promotion import check_tensor
from ...scoping import scoped
from ...tensor import Tensor
from .conv import _conv_transpose
from .linear import _channels, _check_p, _drop, embedding
from .pool import _adaptive_maximum, avg_pool1d, avg_pool2d, avg_pool3d


@scoped
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` where it is further from zero than `lambd`, else 0."""
    near = prims.le(prims.abs(input), float(lambd))
    return prims.select(near, 0, input)


@scoped
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` moved towards zero by `lambd`, 0 where it would cross it."""
    if lambd < 0:
        raise ShapeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    far = prims.add(input, float(lambd))
    near = prims.sub(input, float(lambd))
    low = prims.select(prims.lt(input, -float(lambd)), far, prims.mul(input, 0))
    return prims.select(prims.gt(input, float(lambd)), near, low)


@scoped
def _rrelu(input: Tensor, lower: float, upper: float, training: bool) -> Tensor:
    slope: Any = (lower + upper) / 2
    if training:
        span = rand(input._type.shape, dtype=input._type.dtype, device=input.device)
        slope = prims.add(prims.mul(span, upper - lower), lower)
    return prims.select(prims.ge(input, 0), input, prims.mul(input, slope))


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """A leaky ReLU whose slope is drawn for each element while training."""
    if lower > upper:
        raise ShapeError(
            f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        )
    out = _rrelu(input, lower, upper, training)
    return input._write(out) if inplace else out


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels. Shapes: (N, C, D, H, W) or (C, D, H, W)."""
    return _drop(input, _channels("dropout3d", input, 3), p, training, inplace)


_ALPHA = -1.7580993408473766  # SELU's limit at minus infinity


@scoped(name="alpha_dropout")
def _alpha(input: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """Klambauer et al. 2017, arXiv:1706.02515: mean and variance stay."""
    if p == 1:
        return prims.mul(input, 0)
    keep = prims.ge(rand(shape, device=input.device), p)
    a = 1 / math.sqrt((1 - p) * (1 + p * _ALPHA**2))
    shift = -a * _ALPHA * p
    kept = prims.select(keep, input, _ALPHA)
    return prims.add(prims.mul(kept, a), shift)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`dropout` for SELU: what is dropped gets SELU's limit, and moments stay."""
    _check_p(p)
    if not training or p == 0:
        return input
    out = _alpha(input, input._type.shape, p)
    return input._write(out) if inplace else out


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels."""
    _check_p(p)
    if not training or p == 0:
        return input
    if input._type.ndim < 2:
        raise ShapeError("Feature dropout requires at least 2 dimensions in the input")
    shape = input._type.shape
    out = _alpha(input, (*shape[:2], *(1,) * (len(shape) - 2)), p)
    return input._write(out) if inplace else out


@scoped
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """`input` divided by a power of the squares of neighbouring channels.

    Source: Krizhevsky et al. 2012, section 3.3.
    """
    ndim = input._type.ndim
    if ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {ndim} dimensions)")
    if not input._type.numel:
        return input
    squares = prims.mul(input, input)
    none = (0,) * ndim
    low = tuple(size // 2 if a == 1 else 0 for a in range(ndim))
    high = tuple((size - 1) // 2 if a == 1 else 0 for a in range(ndim))
    padded = prims.pad(squares, 0, low=low, high=high, interior=none)
    total: Tensor | None = None
    for i in range(size):
        part = padded.narrow(1, i, input._type.shape[1])  # type: ignore[attr-defined]
        total = part if total is None else total + part
    assert total is not None
    return input / (total / size * alpha + k) ** beta


@scoped(name="conv_transpose3d", grad_fn="ConvolutionBackward0")
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The gradient of `conv3d` by its input, as a layer; see `conv_transpose2d`."""
    return _conv_transpose(
        *("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding),
        *(groups, dilation),
    )


@scoped
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of (D', H', W') parts; None keeps an axis as it is."""
    return _adaptive_maximum("adaptive_max_pool3d", 3, input, output_size, return_indices)


_AVERAGES = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}


def _lp_pool(
    rank: int, input: Tensor, p: float, kernel: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    sizes = (kernel,) * rank if isinstance(kernel, int) else tuple(kernel)
    mean = _AVERAGES[rank](input**p, kernel, stride, 0, ceil_mode)  # type: ignore[operator]
    count = math.prod(sizes)
    return (mean.sign() * mean.abs().relu() * count) ** (1.0 / p)


@scoped
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of windows."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@scoped
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of windows."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@scoped
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of windows."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _unpooled(
    rank: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    name = f"max_unpool{rank}d"
    check_tensor(name, input)
    check_tensor(name, indices, "indices", 2)
    kernel = _tuple(kernel_size, rank)
    steps = kernel if stride is None else _tuple(stride, rank)
    pads = _tuple(padding, rank)
    shape = input._type.shape
    if len(shape) not in (rank + 1, rank + 2):
        raise ShapeError(f"{name}: expected {rank + 1} or {rank + 2} dimensions, got {list(shape)}")
    if indices._type.shape != shape:
        raise ShapeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor "
            f"({list(shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    default = [
        (n - 1) * s - 2 * p + k
        for n, s, p, k in zip(shape[-rank:], steps, pads, kernel, strict=True)
    ]
    sizes = default if output_size is None else list(output_size)[-rank:]
    for d, (n, s) in enumerate(zip(sizes, steps, strict=True)):
        if output_size is not None and not default[d] - s < n < default[d] + s:
            raise ValueError(
                f'invalid output_size "{output_size}" (dim {d} must be between '
                f"{default[d] - s} and {default[d] + s})"
            )
    lead, count = shape[:-rank], math.prod(shape[-rank:])
    from .common import check_range

    at = prims.convert(indices, int64).reshape(*lead, count)
    check_range(at, math.prod(sizes), f"{name}: found an invalid max index: {{}}")
    flat = input.new_zeros(*lead, math.prod(sizes))  # type: ignore[attr-defined]
    return flat.scatter(len(lead), at, input.reshape(*lead, count)).reshape(*lead, *sizes)


@scoped
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """What `max_pool1d` took put back where it was, zeros elsewhere."""
    return _unpooled(1, input, indices, kernel_size, stride, padding, output_size)


@scoped
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """What `max_pool2d` took put back where it was, zeros elsewhere."""
    return _unpooled(2, input, indices, kernel_size, stride, padding, output_size)


@scoped
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """What `max_pool3d` took put back where it was, zeros elsewhere."""
    return _unpooled(3, input, indices, kernel_size, stride, padding, output_size)


@scoped
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of `weight` in each bag of indices.

    Bags are the rows of a 2-D `input`, or begin at `offsets` of a 1-D one.
    """
    name = "embedding_bag"
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{name}: mode has to be one of sum, mean or max")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            f"{name}: per_sample_weights was not None. per_sample_weights is only supported for "
            f"mode='sum' (got mode='{mode}')."
        )
    if per_sample_weights is not None and per_sample_weights._type.shape != input._type.shape:
        raise ValueError(
            f"{name}: If per_sample_weights is not None, then it must have the same shape as the "
            f"input, got {list(per_sample_weights.shape)}"
        )
    rows = weight._type.shape[0]
    padding = None if padding_idx is None else padding_idx % rows
    if input._type.ndim == 2:
        if offsets is not None:
            raise ValueError(f"{name}: if input is 2D, then offsets has to be None")
        bags, size = input._type.shape
        bag = prims.iota(shape=(bags, size), axis=0, dtype=int64).reshape(-1)
    elif input._type.ndim == 1:
        if offsets is None:
            raise ValueError(f"{name}: offsets has to be a 1D Tensor but got None")
        if offsets._type.ndim != 1:
            raise ValueError(f"{name}: offsets has to be a 1D Tensor")
        bags = offsets._type.shape[0] - bool(include_last_offset)
        from ...api.search import searchsorted

        place = prims.iota(shape=input._type.shape, axis=0, dtype=int64)
        starts = prims.convert(offsets, int64)[:bags]
        bag = searchsorted(starts, place, right=True) - 1
    else:
        raise ValueError(f"{name}: input has to be 1D or 2D Tensor, but got Tensor of dimension "
                         f"{input._type.ndim}")  # fmt: skip
    flat = input.reshape(-1)
    found = embedding(flat, weight, padding, max_norm, norm_type, scale_grad_by_freq)
    counts = prims.full(1, shape=flat._type.shape, dtype=int64, device=weight.device)
    if padding is not None:
        there = prims.ne(flat, padding)
        counts = prims.convert(there, int64)
        if mode != "max":
            found = prims.select(there.unsqueeze(-1), found, 0)
    if per_sample_weights is not None:
        found = found * per_sample_weights.reshape(-1, 1)
    out = weight.new_zeros(bags, weight._type.shape[1])  # type: ignore[attr-defined]
    many = prims.index_add(prims.full(0, shape=(bags,), dtype=int64), counts, bag)
    if mode == "max":
        if padding is not None:
            found = prims.select(there.unsqueeze(-1), found, -math.inf)
        spread = bag.unsqueeze(-1).expand(-1, weight._type.shape[1])
        out = out.scatter_reduce(  # type: ignore[attr-defined]
            0, spread, found, "amax", include_self=False
        )
        return prims.select(prims.gt(many, 0).unsqueeze(-1), out, 0)
    out = out.index_add(0, bag, found)
    if mode == "mean":
        out = out / prims.maximum(many, 1).unsqueeze(-1).to(out.dtype)
    return out
