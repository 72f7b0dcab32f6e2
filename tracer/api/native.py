"""PyTorch's native names of what `nn.functional` does. Imported by `methods` alone.

`nn` builds upon this folder, so that its functions are imported when they are called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..tensor import Tensor


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """`nn.functional.pad` with a constant. Raises: ShapeError if the amounts do not fit."""
    from ..nn.functional import conv

    return conv.pad(input, pad, "constant", value)


def native_layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`nn.functional.layer_norm`, the means and the reciprocal standard deviations.

    Shapes: the last two have size 1 at the normalized axes.
    """
    from ..nn.functional import norm

    out = norm.layer_norm(input, normalized_shape, weight, bias, eps)
    axes = tuple(range(input._type.ndim - len(normalized_shape), input._type.ndim))
    m = norm.moments(input, axes, shifted=False)
    return out, m.mean, (m.var + eps).rsqrt()  # type: ignore[attr-defined]


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
    """`nn.functional.group_norm`, the means and the reciprocal standard deviations (N, group)."""
    from ..nn.functional import norm

    out = norm.group_norm(input, group, weight, bias, eps)
    rows = input.reshape(N, group, C // group * HxW)
    m = norm.moments(rows, (2,), shifted=False)
    return out, m.mean.squeeze(2), (m.var + eps).rsqrt().squeeze(2)  # type: ignore


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`nn.functional.batch_norm`, the batch's means and reciprocal standard deviations.

    Outside of training the last two are empty.
    """
    from ..nn.functional import norm

    out = norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        none: Tensor = input.new_zeros((0,))  # type: ignore[attr-defined]
        return out, none, none.clone()  # type: ignore[attr-defined]
    axes = (0, *range(2, input._type.ndim))
    m = norm.moments(input, axes, shifted=False)
    return out, m.mean.reshape(-1), (m.var + eps).rsqrt().reshape(-1)  # type: ignore


def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """The gradient of dropout: `grad_output` where `mask` is set, times `scale`."""
    return grad_output * mask * scale  # type: ignore[operator]


_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _grid_sampler(rank: int) -> Callable[..., Tensor]:
    def sampler(
        input: Tensor,
        grid: Tensor,
        interpolation_mode: int,
        padding_mode: int,
        align_corners: bool,
    ) -> Tensor:
        """`nn.functional.grid_sample` with numbers for the modes."""
        from ..nn.functional import resize

        mode, padding = _MODES[interpolation_mode], _PADDINGS[padding_mode]
        return resize.grid_sample(input, grid, mode, padding, align_corners)

    sampler.__name__ = sampler.__qualname__ = f"grid_sampler_{rank}d"
    return sampler


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
    """The gradient of `max_pool2d`: each window's added at the place of its maximum."""
    shape = self._type.shape
    lead = shape[:-2]
    flat = self.new_zeros((*lead, math.prod(shape[-2:])))  # type: ignore[attr-defined]
    at = indices.reshape(*lead, -1)
    return flat.scatter_add(len(lead), at, grad_output.reshape(*lead, -1)).reshape(shape)


METHODS: dict[str, Callable[..., Any]] = {}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "constant_pad_nd": constant_pad_nd,
    "grid_sampler_2d": _grid_sampler(2),
    "grid_sampler_3d": _grid_sampler(3),
    "max_pool2d_with_indices_backward": max_pool2d_with_indices_backward,
    "native_batch_norm": native_batch_norm,
    "native_dropout_backward": native_dropout_backward,
    "native_group_norm": native_group_norm,
    "native_layer_norm": native_layer_norm,
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
