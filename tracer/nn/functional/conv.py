"""Convolutions and padding. Public as `nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....ir.errors import DTypeError, ShapeError
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import seen
from ...scoping import scoped
from ...tensor import Tensor, from_host
from ..factory import pair

Ints = tuple[int, ...]


@autocasts
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlation of `input` (N, C, L) with `weight` (out, C / groups, k); see `conv2d`."""
    return _conv1d(input, weight, bias, stride, padding, dilation, groups)


@autocasts
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlation of each image with each kernel, plus `bias` per output channel.

    Shapes: input (N, C, H, W) or (C, H, W), weight (out, C / groups, kH, kW), bias (out).
    `padding` is a number, one per axis, "same" (stride 1 only) or "valid".
    Raises: ShapeError for shapes that do not fit, DTypeError if the dtypes differ.
    """
    return _conv2d(input, weight, bias, stride, padding, dilation, groups)


@autocasts
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlation of `input` (N, C, D, H, W) with `weight`; see `conv2d`."""
    return _conv3d(input, weight, bias, stride, padding, dilation, groups)


@scoped(name="conv1d", grad_fn="ConvolutionBackward0")
def _conv1d(input: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
    return _conv("conv1d", 1, input, weight, bias, *options)


@scoped(name="conv2d", grad_fn="ConvolutionBackward0")
def _conv2d(input: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
    return _conv("conv2d", 2, input, weight, bias, *options)


@scoped(name="conv3d", grad_fn="ConvolutionBackward0")
def _conv3d(input: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
    return _conv("conv3d", 3, input, weight, bias, *options)


def _conv(
    name: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    _check(name, rank, input, weight, bias, groups, weight.shape[0], 1)
    strides = _positive(name, "stride", pair(stride, rank, "stride"))
    steps = _positive(name, "dilation", pair(dilation, rank, "dilation"))
    low, high = _amounts(name, padding, weight._type.shape[2:], strides, steps)
    x, batched = _batched(input, rank)
    if x._type.shape[1] != weight._type.shape[1] * groups:
        raise ShapeError(
            f"{name}: given groups={groups} and weight of shape {weight._type.shape}, expected "
            f"input of shape {input._type.shape} to have {weight._type.shape[1] * groups} "
            f"channels, but got {x._type.shape[1]}"
        )
    out = prims.convolution(
        *(x, weight),
        strides=strides,
        low=low,
        high=high,
        lhs_dilation=(1,) * rank,
        rhs_dilation=steps,
        groups=groups,
        batch_groups=1,
    )
    return _finish(out, bias, rank, batched)


@autocasts
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The gradient of `conv1d` by its input, as a layer; see `conv_transpose2d`."""
    return _conv_transpose1d(input, weight, bias, stride, padding, output_padding, groups, dilation)


@autocasts
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The gradient of `conv2d` by its input, as a layer.

    Shapes: input (N, C, H, W) or (C, H, W), weight (C, out / groups, kH, kW), bias (out).
    Source: Dumoulin & Visin 2016, arXiv:1603.07285, section 4.
    """
    return _conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)


@autocasts
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
    return _conv_transpose3d(input, weight, bias, stride, padding, output_padding, groups, dilation)


@scoped(name="conv_transpose1d", grad_fn="ConvolutionBackward0")
def _conv_transpose1d(input: Tensor, weight: Tensor, bias: Any, *options: Any) -> Tensor:
    return _conv_transpose("conv_transpose1d", 1, input, weight, bias, *options)


@scoped(name="conv_transpose2d", grad_fn="ConvolutionBackward0")
def _conv_transpose2d(input: Tensor, weight: Tensor, bias: Any, *options: Any) -> Tensor:
    return _conv_transpose("conv_transpose2d", 2, input, weight, bias, *options)


@scoped(name="conv_transpose3d", grad_fn="ConvolutionBackward0")
def _conv_transpose3d(input: Tensor, weight: Tensor, bias: Any, *options: Any) -> Tensor:
    return _conv_transpose("conv_transpose3d", 3, input, weight, bias, *options)


def _conv_transpose(
    name: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    strides = _positive(name, "stride", pair(stride, rank, "stride"))
    steps = _positive(name, "dilation", pair(dilation, rank, "dilation"))
    pads = pair(padding, rank, "padding")
    extra = pair(output_padding, rank, "output_padding")
    _check(name, rank, input, weight, bias, groups, weight.shape[1] * groups, 0)
    for e, s, d in zip(extra, strides, steps, strict=True):
        if e < 0 or e >= max(s, d):
            raise ShapeError(
                f"{name}: output padding must be smaller than either stride or dilation, "
                f"but got output_padding {extra}, stride {strides}, dilation {steps}"
            )
    x, batched = _batched(input, rank)
    channels, per_group, *kernel = weight._type.shape
    if x._type.shape[1] != channels:
        raise ShapeError(
            f"{name}: given transposed=1 and weight of shape {weight._type.shape}, expected "
            f"input of shape {input._type.shape} to have {channels} channels"
        )
    # (groups * a, b, ...) to (groups * b, a, ...): inputs and outputs change places.
    w = prims.reshape(weight, shape=(groups, channels // groups, per_group, *kernel))
    w = prims.transpose(w, perm=(0, 2, 1, *range(3, rank + 3)))
    w = prims.reshape(w, shape=(groups * per_group, channels // groups, *kernel))
    reach = [d * (k - 1) for d, k in zip(steps, kernel, strict=True)]
    out = prims.convolution(
        *(x, prims.reverse(w, axes=tuple(range(2, rank + 2)))),
        strides=(1,) * rank,
        low=tuple(r - p for r, p in zip(reach, pads, strict=True)),
        high=tuple(r - p + e for r, p, e in zip(reach, pads, extra, strict=True)),
        lhs_dilation=strides,
        rhs_dilation=steps,
        groups=groups,
        batch_groups=1,
    )
    return _finish(out, bias, rank, batched)


def _check(
    name: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    groups: int,
    outputs: int,
    input_axis: int,
) -> None:
    x, w = input._type, weight._type
    if w.ndim != rank + 2:
        raise ShapeError(f"{name}: weight must have {rank + 2} dimensions, got shape {w.shape}")
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{name}: expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input, but got "
            f"input of shape {x.shape}"
        )
    if groups < 1 or w.shape[0] % groups:
        raise ShapeError(f"{name}: groups={groups} does not divide weight of shape {w.shape}")
    tensors = (("input", x), ("weight", w), *((("bias", bias._type),) if bias is not None else ()))
    if len({t.dtype for _, t in tensors}) > 1:
        found = ", ".join(f"{what} {t.dtype}" for what, t in tensors)
        raise DTypeError(f"{name}: input, weight and bias must have one dtype, got {found}")
    if bias is not None and bias._type.shape != (outputs,):
        raise ShapeError(
            f"{name}: given weight of shape {w.shape}, expected bias to have shape "
            f"({outputs},), but got {bias._type.shape}"
        )


def _positive(name: str, what: str, values: Ints) -> Ints:
    if any(v < 1 for v in values):
        raise ShapeError(f"{name}: {what} must be positive, got {values}")
    return values


def _batched(input: Tensor, rank: int) -> tuple[Tensor, bool]:
    if input._type.ndim == rank + 2:
        return input, True
    return prims.reshape(input, shape=(1, *input._type.shape)), False


def _finish(out: Tensor, bias: Tensor | None, rank: int, batched: bool) -> Tensor:
    if bias is not None:
        out = prims.add(out, prims.reshape(bias, shape=(*bias._type.shape, *(1,) * rank)))
    return out if batched else seen(prims.reshape(out, shape=out._type.shape[1:]))


def _amounts(
    name: str, padding: Any, kernel: Ints, strides: Ints, steps: Ints
) -> tuple[Ints, Ints]:
    """Padding before and after each spatial axis."""
    if isinstance(padding, str):
        if padding == "valid":
            return (0,) * len(kernel), (0,) * len(kernel)
        if padding != "same":
            raise ShapeError(f"Invalid padding string: {padding!r}; 'valid' or 'same'")
        if any(s != 1 for s in strides):
            raise ShapeError("padding='same' is not supported for strided convolutions")
        return same_padding(kernel, steps)
    pads = pair(padding, len(kernel), "padding")
    if any(p < 0 for p in pads):
        raise ShapeError("negative padding is not supported")
    return pads, pads


def same_padding(kernel: Ints, steps: Ints) -> tuple[Ints, Ints]:
    """What keeps the size; an odd one goes to the end."""
    both = [d * (k - 1) for d, k in zip(steps, kernel, strict=True)]
    return tuple(n // 2 for n in both), tuple(n - n // 2 for n in both)


# How many amounts PyTorch's autocast knows these modes for.
_EDGES_CAST = {"reflect": 4, "replicate": 6}


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Elements before and after the last axes: `pad` has two numbers per axis, last first.

    `mode` is constant (with `value`; negative amounts crop), reflect, replicate or circular.
    Raises: ShapeError if the amounts do not fit the shape or the mode.
    """
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if mode != "constant" and value not in (None, 0):
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    amounts = tuple(int(n) for n in pad)
    if len(amounts) <= _EDGES_CAST.get(mode, 0):
        return _pad_edges(input, amounts, mode)
    return _pad(input, amounts, mode, 0 if value is None else value)


@autocasts(name="pad_edges")
def _pad_edges(input: Tensor, amounts: Ints, mode: str) -> Tensor:
    return _pad(input, amounts, mode, 0)


@scoped(name="pad", grad_fn="ConstantPadNdBackward0")
def _pad(input: Tensor, amounts: Ints, mode: str, value: Any) -> Tensor:
    ndim = input._type.ndim
    if len(amounts) % 2 or len(amounts) > 2 * ndim:
        raise ShapeError(
            f"pad: {amounts} must have two numbers for each of the last axes of shape "
            f"{input._type.shape}: Padding length must be divisible by 2 and at most {2 * ndim}"
        )
    low, high = [0] * ndim, [0] * ndim
    for i in range(len(amounts) // 2):
        low[ndim - 1 - i], high[ndim - 1 - i] = amounts[2 * i], amounts[2 * i + 1]
    if mode == "constant":
        bounds = zip(input._type.shape, low, high, strict=True)
        if any(n + min(a, 0) + min(b, 0) < 0 for n, a, b in bounds):
            raise ShapeError(
                f"pad: {amounts} crops more than there is of shape {input._type.shape}"
            )
        return prims.pad(input, value, low=tuple(low), high=tuple(high), interior=(0,) * ndim)
    if ndim not in (len(amounts) // 2 + 1, len(amounts) // 2 + 2):
        raise NotImplementedError(
            f"Padding size {len(amounts)} is not supported for {ndim}D input tensor."
        )
    if mode != "circular" and 0 in input._type.shape[ndim - len(amounts) // 2 - 1 :]:
        raise ShapeError(f"pad: mode {mode} needs elements, but the shape is {input._type.shape}")
    for axis in range(ndim):
        if low[axis] or high[axis]:
            input = _extend(input, axis, low[axis], high[axis], mode)
    return input if any(amounts) else input.clone()


def _extend(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    size = x._type.shape[axis]
    cropped = size + min(before, 0) + min(after, 0)
    limit = {"reflect": size - 1, "circular": cropped}.get(mode, max(before, after))
    left = cropped if mode == "circular" else size + before + after - 1
    if max(before, after) > limit or left < 0:
        raise ShapeError(
            f"pad: padding size ({before}, {after}) is too large for mode {mode} at axis {axis} "
            f"of shape {x._type.shape}"
        )
    if mode != "circular" and min(before, after) < 0:
        # What is cropped on one side is there for the other all the same.
        place = np.arange(-before, size + after)
        if mode == "replicate":
            place = np.clip(place, 0, size - 1)
        else:
            place = size - 1 - np.abs(size - 1 - np.abs(place))
        return x.index_select(axis, from_host(place, device=x.device))  # type: ignore[attr-defined]
    if min(before, after) < 0:
        x = _piece(x, axis, max(-before, 0), cropped)
        before, after, size = max(before, 0), max(after, 0), cropped
    if mode == "reflect":
        first = prims.reverse(_piece(x, axis, 1, before), axes=(axis,))
        last = prims.reverse(_piece(x, axis, size - 1 - after, after), axes=(axis,))
    elif mode == "circular":
        first, last = _piece(x, axis, size - before, before), _piece(x, axis, 0, after)
    else:
        first = _repeat(_piece(x, axis, 0, 1), axis, before)
        last = _repeat(_piece(x, axis, size - 1, 1), axis, after)
    parts = [p for p, n in ((first, before), (x, 1), (last, after)) if n]
    return prims.concatenate(*parts, axis=axis)


def _piece(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    shape = x._type.shape
    return prims.slice(
        x,
        starts=tuple(start if i == axis else 0 for i in range(len(shape))),
        sizes=tuple(size if i == axis else n for i, n in enumerate(shape)),
        strides=(1,) * len(shape),
    )


def _repeat(x: Tensor, axis: int, times: int) -> Tensor:
    shape = x._type.shape
    return prims.broadcast(x, shape=(*shape[:axis], times, *shape[axis + 1 :]))
