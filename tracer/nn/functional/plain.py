"""What PyTorch's layers are made of, as functions of `thrace` itself: `native_layer_norm` and
the like. Bound by `methods.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....ir.errors import ShapeError
from ....ir.types import uint8
from ... import prims
from ...api.common import in_place_of, laid_like, relayout, with_out
from ...scoping import scoped
from ...tensor import Tensor
from . import norm, resize, sampling
from .activation import (
    celu,
    celu_,
    hardshrink,
    prelu,
    rrelu,
    rrelu_,
    selu,
    selu_,
    threshold,
    threshold_,
)
from .adaptive import adaptive_avg_pool1d, adaptive_max_pool1d
from .blocks import channel_shuffle, pixel_shuffle, pixel_unshuffle
from .common import Ints, count, narrow, widen
from .conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from .distance import bilinear, cosine_similarity, pairwise_distance
from .dropout import alpha_dropout, dropout, feature_alpha_dropout
from .embedding import embedding
from .norm import group_norm, layer_norm, rms_norm
from .pool import avg_pool1d, max_pool1d, max_pool2d, max_pool3d


def _normalised(
    input: Tensor, axes: Ints, eps: float, weight: Tensor | None, bias: Tensor | None, shape: Ints
) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised input, scaled and shifted in `shape`; mean and reciprocal deviation."""
    x = widen(input)
    if not count(x._type.shape, axes) or not x._type.numel:
        kept = tuple(1 if a in axes else n for a, n in enumerate(x._type.shape))
        none = prims.full(0, shape=kept, dtype=x._type.dtype, device=x.device)
        return input.clone(), none, none  # type: ignore[attr-defined]
    m = norm.moments(x, axes, shifted=False)
    scale = prims.rsqrt(prims.add(m.var, eps))
    out = prims.mul(m.centred, scale)
    for t, put in ((weight, prims.mul), (bias, prims.add)):
        if t is not None:
            out = put(out, prims.reshape(prims.convert(t, x._type.dtype), shape=shape))
    return narrow(out, input._type.dtype), m.mean, scale


@scoped
def native_layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`nn.functional.layer_norm`, the mean, and the reciprocal of the deviation."""
    axes = norm._last_axes("native_layer_norm", input, normalized_shape, weight, bias)
    shape = input._type.shape
    out, mean, scale = _normalised(input, axes, eps, weight, bias, shape[axes[0] :])
    # The last two have no gradient in PyTorch.
    return relayout(out, None), mean.detach(), scale.detach()


@scoped
def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`nn.functional.group_norm` of (N, C, HxW), and means and reciprocal deviations (N, group)."""
    if group < 1 or C % group or input._type.numel != N * C * HxW:
        raise ShapeError(
            f"native_group_norm: {group} groups of {C} channels do not fit {input._type.shape}"
        )
    x = prims.reshape(input, shape=(N, group, C // group, HxW))
    column = (group, C // group, 1)
    out, mean, scale = _normalised(x, (2, 3), eps, weight, bias, column)
    small = (N, group)
    return (
        norm.keeping_format(input, prims.reshape(out, shape=input._type.shape)),
        prims.reshape(mean, shape=small),
        prims.reshape(scale, shape=small),
    )


def _batch(
    name: str,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    norm._check_floating(name, input)
    shape = input._type.shape
    if len(shape) < 2:
        raise ShapeError(f"{name}: input must have a channel axis 1, got shape {shape}")
    if not training:
        out = norm._batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        none = prims.full(0, shape=(0,), dtype=widen(input)._type.dtype, device=input.device)
        return out, none, prims.full(0, shape=(0,), dtype=none._type.dtype, device=input.device)
    axes = (0, *range(2, len(shape)))
    column = (shape[1], *(1,) * (len(shape) - 2))
    out, mean, scale = _normalised(input, axes, eps, weight, bias, column)
    n = count(shape, axes)
    if n:
        m = norm.moments(widen(input).detach(), axes, shifted=False)
        norm._move(running_mean, m.mean, momentum)
        norm._move(running_var, prims.mul(m.var, n / (n - 1) if n > 1 else float("nan")), momentum)
    # The last two have no gradient in PyTorch.
    return out, *(prims.reshape(t.detach(), shape=(shape[1],)) for t in (mean, scale))


@with_out
@scoped
def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    *,
    out: Any = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`nn.functional.batch_norm`; under `training` also the batch's mean and 1 / deviation."""
    options = (running_mean, running_var, training, momentum, eps)
    return _batch("native_batch_norm", input, weight, bias, *options)


@with_out
@scoped
def _native_batch_norm_legit(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, *options: Any, out: Any = None
) -> tuple[Tensor, Tensor, Tensor]:
    """As `native_batch_norm`, with running statistics or without."""
    options = options if len(options) == 5 else (None, None, *options)
    return _batch("_native_batch_norm_legit", input, weight, bias, *options)


@with_out
@scoped
def _batch_norm_with_update(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
    *,
    out: Any = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As `native_batch_norm` while training, with an empty reserve behind."""
    options = (running_mean, running_var, True, momentum, eps)
    made = _batch("_batch_norm_with_update", input, weight, bias, *options)
    return *made, prims.full(0, shape=(0,), dtype=uint8, device=input.device)


@scoped
def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """`grad_output` where the mask holds, times `scale`."""
    return laid_like(prims.select(mask, grad_output, 0) * float(scale), grad_output, mask)


@scoped
def _softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: Any
) -> Tensor:
    """What softmax's gradient is, from its result."""
    product = grad_output * output  # type: ignore[operator]
    return relayout(product - output * product.sum(dim, keepdim=True), None)


@scoped
def _safe_softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """`softmax` along `dim`; lines that are -inf throughout give zeros."""
    masked = (self.detach() == -float("inf")).all(dim, keepdim=True)
    x: Any = prims.select(masked, 0, self)  # no nan, nor a gradient of nan
    return prims.select(masked, 0, x.softmax(dim, dtype=dtype))


@scoped
def max_pool2d_with_indices_backward(
    grad_output: Tensor,
    self: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """The gradient of `max_pool2d`: each window's, added at the place of its maximum."""
    *lead, height, width = self._type.shape
    rows = grad_output.reshape(*lead, -1)  # type: ignore[attr-defined]
    zeros = grad_output.new_zeros(*lead, height * width)  # type: ignore[attr-defined]
    at = indices.reshape(*lead, -1)  # type: ignore[attr-defined]
    return in_place_of(self, zeros.scatter_add(len(lead), at, rows).reshape(self._type.shape))


_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`nn.functional.grid_sample` with its modes as numbers."""
    mode, padding = _MODES[interpolation_mode], _PADDINGS[padding_mode]
    return sampling.grid_sample(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def _upsample_bilinear2d_aa(
    input: Tensor,
    output_size: Any,
    align_corners: bool,
    scale_factors: Any = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """`nn.functional.interpolate` under `antialias`; `scales_h` and `scales_w` move the places."""
    scales: Any = (scales_h, scales_w)
    if output_size is None:
        output_size = [
            int(n * f) for n, f in zip(input._type.shape[2:], scale_factors, strict=True)
        ]
        scales = scale_factors
    return resize.antialiased(input, output_size, align_corners, scales)


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`nn.functional.batch_norm`, its arguments in another order."""
    options = (running_mean, running_var, weight, bias, training, momentum, eps)
    return norm.batch_norm(input, *options)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`nn.functional.instance_norm`, its arguments in another order."""
    options = (running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
    return norm.instance_norm(input, *options)


def embedding_rows(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """`nn.functional.embedding`, weights first; a `padding_idx` of -1 is none."""
    none = None if padding_idx == -1 else padding_idx
    return embedding(indices, weight, none, scale_grad_by_freq=scale_grad_by_freq)


# In `thrace` as in `nn.functional`.
_SAME = (
    *(celu, celu_, hardshrink, prelu, rrelu, rrelu_, selu, selu_, threshold, threshold_),
    *(adaptive_avg_pool1d, adaptive_max_pool1d, avg_pool1d, max_pool1d, max_pool2d, max_pool3d),
    *(conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d),
    *(bilinear, cosine_similarity, pairwise_distance, dropout, alpha_dropout),
    *(feature_alpha_dropout, channel_shuffle, pixel_shuffle, pixel_unshuffle),
    *(group_norm, layer_norm, rms_norm),
)
_NATIVE = (
    *(native_layer_norm, native_group_norm, native_batch_norm, _native_batch_norm_legit),
    *(
        _batch_norm_with_update,
        native_dropout_backward,
        max_pool2d_with_indices_backward,
        _softmax_backward_data,
        _safe_softmax,
    ),
    *(_upsample_bilinear2d_aa, grid_sampler, batch_norm, instance_norm),
)
FUNCTIONS = {f.__name__: f for f in (*_SAME, *_NATIVE)}
FUNCTIONS |= {"grid_sampler_2d": grid_sampler, "grid_sampler_3d": grid_sampler}
FUNCTIONS["embedding"] = embedding_rows
METHODS = {"hardshrink": hardshrink, "prelu": prelu}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
