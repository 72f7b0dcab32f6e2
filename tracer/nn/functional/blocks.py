"""Rearranging images: pixels and channels shuffled, blocks taken out and put back.

Public as `nn.functional`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....ir.errors import ShapeError
from ... import prims
from ...scoping import scoped
from ...tensor import Tensor, from_host


@scoped
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r², H, W) to (*, C, H r, W r). Source: Shi et al. 2016, arXiv:1609.05158."""
    r, shape = upscale_factor, input._type.shape
    if len(shape) < 3:
        raise ShapeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got {len(shape)}"
        )
    if r <= 0:
        raise ShapeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = shape
    if c % (r * r):
        raise ShapeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    x = input.reshape(*lead, c // (r * r), r, r, h, w)
    x = x.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return prims.reshape(x, shape=(*lead, c // (r * r), h * r, w * r))


@scoped
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) to (*, C r², H, W)."""
    r, shape = downscale_factor, input._type.shape
    if len(shape) < 3:
        raise ShapeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got {len(shape)}"
        )
    if r <= 0:
        raise ShapeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = shape
    for what, m in (("height", h), ("width", w)):
        if m % r:
            raise ShapeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but {m} is "
                f"not divisible by {r}"
            )
    n = len(lead)
    x = input.reshape(*lead, c, h // r, r, w // r, r)
    x = x.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return prims.reshape(x, shape=(*lead, c * r * r, h // r, w // r))


@scoped
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of (*, g k, ...) in the order (*, k g, ...). Source: arXiv:1707.01083."""
    shape = input._type.shape
    if len(shape) < 3:
        raise ShapeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}"
        )
    if groups <= 0:
        raise ShapeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if shape[1] % groups:
        raise ShapeError("Number of channels must be divisible by groups. Got "
                         f"{shape[1]} channels and {groups} groups.")  # fmt: skip
    x = input.reshape(shape[0], groups, shape[1] // groups, *shape[2:])
    return prims.reshape(x.transpose(1, 2), shape=shape)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _blocks(size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> list[np.ndarray]:
    """For each axis, the place in the padded image of each kernel element and block."""
    out = []
    for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True):
        count = (n + 2 * p - d * (k - 1) - 1) // s + 1
        out.append(np.arange(k)[:, None] * d + np.arange(max(count, 0))[None, :] * s)
    return out


def _check_blocks(name: str, *parts: tuple[str, tuple[int, int], int]) -> None:
    for what, values, least in parts:
        if min(values) < least:
            raise ShapeError(f"{name}: {what} should be at least {least}, but got {values}")


@scoped
def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Sliding blocks of images as columns: (N, C, H, W) to (N, C k², L), or without N."""
    name = "unfold"
    k, d, p, s = map(_pair, (kernel_size, dilation, padding, stride))
    _check_blocks(
        name, ("kernel_size", k, 1), ("dilation", d, 1), ("padding", p, 0), ("stride", s, 1)
    )
    if input._type.ndim not in (3, 4):
        raise ShapeError(
            f"{name}: Expected 3D or 4D (batch mode) tensor, but got: {list(input.shape)}"
        )
    x = input if input._type.ndim == 4 else input.unsqueeze(0)  # type: ignore[attr-defined]
    n, c, h, w = x._type.shape
    rows, columns = _blocks((h, w), k, d, p, s)
    if not rows.shape[1] or not columns.shape[1]:
        raise ShapeError(
            f"{name}: Given input with spatial size ({h}, {w}), kernel_size={k}, dilation={d}, "
            f"padding={p}, calculated shape of the array of sliding blocks as "
            f"({rows.shape[1]}, {columns.shape[1]}), but its components must be at least one."
        )
    x = prims.pad(x, 0, low=(0, 0, *p), high=(0, 0, *p), interior=(0,) * 4)
    i = from_host(rows.reshape(-1).astype(np.int64), device=x.device)
    j = from_host(columns.reshape(-1).astype(np.int64), device=x.device)
    x = x.index_select(2, i).index_select(3, j)  # type: ignore[attr-defined]
    x = x.reshape(n, c, *rows.shape, *columns.shape).permute(0, 1, 2, 4, 3, 5)
    blocks = (c * k[0] * k[1], rows.shape[1] * columns.shape[1])
    return prims.reshape(x, shape=(n, *blocks) if input._type.ndim == 4 else blocks)


@scoped
def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """The opposite of `unfold`: blocks put back, added where they overlap."""
    name = "fold"
    size, k, d, p, s = map(_pair, (output_size, kernel_size, dilation, padding, stride))
    _check_blocks(
        *(name, ("kernel_size", k, 1), ("dilation", d, 1), ("padding", p, 0)),
        *(("stride", s, 1), ("output_size", size, 1)),
    )
    if input._type.ndim not in (2, 3):
        raise ShapeError(
            f"{name}: Expected 2D or 3D (batch mode) tensor for input, but got: {list(input.shape)}"
        )
    x = input if input._type.ndim == 3 else input.unsqueeze(0)  # type: ignore[attr-defined]
    n, columns_, blocks = x._type.shape
    if columns_ % (k[0] * k[1]):
        raise ShapeError(
            f"{name}: Expected size of input's dimension 1 to be divisible by the product of "
            f"kernel_size, but got input.size(1)={columns_} and kernel_size={k}."
        )
    c = columns_ // (k[0] * k[1])
    rows, columns = _blocks(size, k, d, p, s)
    if rows.shape[1] * columns.shape[1] != blocks:
        raise ShapeError(
            f"{name}: Given output_size={size}, kernel_size={k}, dilation={d}, padding={p}, "
            f"stride={s}, expected size of input's dimension 2 to match the calculated number of "
            f"sliding blocks {rows.shape[1]} * {columns.shape[1]}, but got {blocks}."
        )
    x = x.reshape(n, c, k[0], k[1], rows.shape[1], columns.shape[1]).permute(0, 1, 2, 4, 3, 5)
    x = x.reshape(n, c, rows.size, columns.size)
    h, w = size[0] + 2 * p[0], size[1] + 2 * p[1]
    i = from_host(rows.reshape(-1).astype(np.int64), device=x.device)
    j = from_host(columns.reshape(-1).astype(np.int64), device=x.device)
    out = x.new_zeros(n, c, h, columns.size).index_add(2, i, x)
    out = x.new_zeros(n, c, h, w).index_add(3, j, out)
    out = out[:, :, p[0] : h - p[0], p[1] : w - p[1]]
    return out.clone() if input._type.ndim == 3 else out.squeeze(0).clone()
