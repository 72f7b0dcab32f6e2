"""Resizing, sampling and rearranging images. Public as `nn.functional`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ir.errors import DTypeError, ShapeError
from ....ir.types import int64
from ... import prims
from ...promotion import check_tensor
from ...scoping import scoped
from ...tensor import Tensor, from_host
from .common import constant
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

_LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}
_CUBIC = -0.75  # Keys' parameter, as PyTorch and OpenCV have it


def _along(x: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    """Each line along `axis` times a constant matrix (out, in)."""
    weights = constant(matrix, x)
    product = prims.dot_general(x, weights, contract=((axis,), (1,)), batch=((), ()))
    ndim = x._type.ndim
    order = (*range(axis), ndim - 1, *range(axis, ndim - 1))
    return product if order == tuple(range(ndim)) else prims.transpose(product, perm=order)


def _places(size: int, count: int, align: bool, scale: float | None) -> np.ndarray:
    """Where each of `count` results lies among `size` elements."""
    i = np.arange(count, dtype=np.float64)
    if align:
        return i * (size - 1) / (count - 1) if count > 1 else i * 0
    step = 1 / scale if scale else size / count
    return (i + 0.5) * step - 0.5


def _linear_matrix(size: int, count: int, align: bool, scale: float | None) -> np.ndarray:
    at = np.maximum(_places(size, count, align, scale), 0)
    low = np.minimum(np.floor(at).astype(int), size - 1)
    high = np.minimum(low + 1, size - 1)
    part = at - low
    matrix = np.zeros((count, size))
    np.add.at(matrix, (np.arange(count), low), 1 - part)
    np.add.at(matrix, (np.arange(count), high), part)
    return matrix


def _cubic(t: np.ndarray) -> np.ndarray:
    """Keys 1981, doi:10.1109/TASSP.1981.1163711: the convolution kernel."""
    t, a = np.abs(t), _CUBIC
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _cubic_matrix(size: int, count: int, align: bool, scale: float | None) -> np.ndarray:
    at = _places(size, count, align, scale)
    base = np.floor(at).astype(int)
    matrix = np.zeros((count, size))
    for offset in range(-1, 3):
        weight = _cubic(at - (base + offset))
        np.add.at(matrix, (np.arange(count), np.clip(base + offset, 0, size - 1)), weight)
    return matrix


def _smooth_matrix(size: int, count: int, align: bool, scale: float | None, cubic: bool):
    """With a kernel as wide as what a result stands for, so that nothing is skipped."""
    step = (
        ((size - 1) / (count - 1) if count > 1 else 0.0)
        if align
        else (1 / scale if scale else size / count)
    )
    reach = 2.0 if cubic else 1.0
    wide = max(step, 1.0)
    matrix = np.zeros((count, size))
    for i in range(count):
        middle = step * (i + 0.5)
        low = max(int(middle - reach * wide + 0.5), 0)
        high = min(int(middle + reach * wide + 0.5), size)
        j = np.arange(low, high)
        t = (j - middle + 0.5) / wide
        weight = _aa_cubic(t) if cubic else np.maximum(0.0, 1 - np.abs(t))
        if weight.sum():
            matrix[i, low:high] = weight / weight.sum()
    return matrix


def _aa_cubic(t: np.ndarray) -> np.ndarray:
    t, a = np.abs(t), -0.5
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = (((t - 5) * t + 8) * t - 4) * a
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def _nearest(size: int, count: int, exact: bool, scale: float | None) -> np.ndarray:
    step = np.float32(1 / scale) if scale else np.float32(size / count)
    i = np.arange(count, dtype=np.float32)
    at = np.floor((i + np.float32(0.5)) * step) if exact else np.floor(i * step)
    return np.minimum(at.astype(np.int64), size - 1)


def _sizes(
    input: Tensor, size: Any, scale_factor: Any, recompute: Any, rank: int
) -> tuple[list[int], list[float | None]]:
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    shape = input._type.shape[2:]
    if size is not None:
        sizes = [size] * rank if isinstance(size, int) else list(size)
        if len(sizes) != rank:
            raise ValueError(
                f"Input and output must have the same number of spatial dimensions, but got input "
                f"with spatial dimensions of {list(shape)} and output size of {size}."
            )
        return [int(n) for n in sizes], [None] * rank
    factors: list[Any] = (
        list(scale_factor) if isinstance(scale_factor, (list, tuple)) else [scale_factor] * rank
    )
    if len(factors) != rank:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got "
            f"input with spatial dimensions of {list(shape)} and scale_factor of shape "
            f"{scale_factor}."
        )
    sizes = [math.floor(n * f) for n, f in zip(shape, factors, strict=True)]
    scales: list[float | None] = [None if recompute else float(f) for f in factors]
    return sizes, scales


@scoped
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """`input` (N, C, ...) at another size, given or by a factor.

    `mode`: nearest, nearest-exact, area, linear (3-D), bilinear and bicubic (4-D), trilinear
    (5-D). Each axis is a product with a constant matrix, or an index.
    """
    check_tensor("interpolate", input)
    rank = input._type.ndim - 2
    if mode in ("nearest", "nearest-exact", "area"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | "
                "bilinear | bicubic | trilinear"
            )
    elif mode not in (*_LINEAR, "bicubic"):
        raise NotImplementedError(f"interpolate: mode {mode!r} is not known")
    if rank not in (1, 2, 3):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input._type.ndim}D)"
        )
    wanted = 2 if mode == "bicubic" else _LINEAR.get(mode)
    if wanted is not None and wanted != rank:
        raise NotImplementedError(
            f"Got {rank + 2}D input, but {mode} mode needs {wanted + 2}D input"
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D "
            "tensor as input"
        )
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    sizes, scales = _sizes(input, size, scale_factor, recompute_scale_factor, rank)
    if any(n <= 0 for n in (*sizes, *input._type.shape[2:])):
        raise ShapeError(
            f"Input and output sizes should be greater than 0, but got input "
            f"{list(input._type.shape[2:])} and output {sizes}"
        )
    if mode == "area":
        pools = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
        return pools[rank - 1](input, sizes)
    x = input
    for i, (count, scale) in enumerate(zip(sizes, scales, strict=True)):
        x = _resized(x, 2 + i, count, mode, bool(align_corners), scale, antialias)
    return x.clone() if x is input else x  # type: ignore[attr-defined]


def _resized(
    x: Tensor, axis: int, count: int, mode: str, align: bool, scale: float | None, smooth: bool
) -> Tensor:
    size = x._type.shape[axis]
    if mode.startswith("nearest"):
        at = _nearest(size, count, mode == "nearest-exact", scale)
        if size == count and (at == np.arange(size)).all():
            return x
        return x.index_select(axis, from_host(at, device=x.device))  # type: ignore[attr-defined]
    if size == count and not smooth and (align or scale in (None, 1.0)):
        return x
    dtype = x._type.dtype
    if dtype.kind != "float":
        raise DTypeError(f"interpolate: not implemented for {dtype} in mode {mode!r}")
    if smooth:
        matrix = _smooth_matrix(size, count, align, scale, mode == "bicubic")
    elif mode == "bicubic":
        matrix = _cubic_matrix(size, count, align, scale)
    else:
        matrix = _linear_matrix(size, count, align, scale)
    return _along(x, axis, matrix)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """As `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` to the nearest element."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` linearly along both axes, corners aligned."""
    return interpolate(input, size, scale_factor, "bilinear", True)


# Rearranging


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
    return x.reshape(*lead, c // (r * r), h * r, w * r)


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
    return x.reshape(*lead, c * r * r, h // r, w // r)


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
    return x.transpose(1, 2).reshape(shape)


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
    x = x.reshape(n, c * k[0] * k[1], rows.shape[1] * columns.shape[1])
    return x if input._type.ndim == 4 else x.squeeze(0)


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


# Sampling


@scoped
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Where the elements of an image of `size` come from under affine maps `theta`.

    Shapes: theta (N, 2, 3) and size (N, C, H, W), or (N, 3, 4) and (N, C, D, H, W).
    """
    name = "affine_grid"
    if theta._type.dtype.kind != "float":
        raise ValueError(f"Expected theta to have floating point type, but got {theta._type.dtype}")
    rank = len(size) - 2
    if rank not in (2, 3):
        raise NotImplementedError(f"{name} only supports 4D and 5D sizes, got size={size}")
    if theta._type.ndim != 3 or theta._type.shape[-2:] != (rank, rank + 1):
        raise ValueError(f"Expected a batch of {rank}x{rank + 1} affine matrices for shape {size}. "
                         f"Got {list(theta.shape)}.")  # fmt: skip
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    lines = []
    for n in size[2:]:
        line = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
        lines.append(line if align_corners or n == 1 else line * (n - 1) / n)
    grids = np.meshgrid(*lines, indexing="ij")
    points = np.stack([*reversed(grids), np.ones_like(grids[0])], -1).reshape(-1, rank + 1)
    out = constant(points, theta) @ theta.transpose(1, 2)  # type: ignore[attr-defined,operator]
    return out.reshape(theta._type.shape[0], *size[2:], rank)


def _unnormalized(x: Tensor, size: int, align: bool) -> Tensor:
    return (x + 1) / 2 * (size - 1) if align else ((x + 1) * size - 1) / 2  # type: ignore[operator]


def _reflected(x: Tensor, low: float, high: float) -> Tensor:
    """Folded back into [low, high], as between two mirrors."""
    if low == high:
        return prims.mul(x, 0.0)
    span = high - low
    x = (x - low).abs()  # type: ignore[operator]
    turns = prims.floor(x / span)
    rest = x - turns.detach() * span
    even = prims.eq(turns - 2 * prims.floor(turns / 2), 0)
    return prims.select(even, rest + low, span - rest + low)


def _inside(x: Tensor, size: int, padding: str, align: bool) -> Tensor:
    if padding == "reflection":
        x = _reflected(x, 0, size - 1) if align else _reflected(x, -0.5, size - 0.5)
    if padding in ("border", "reflection"):
        x = x.clamp(0, size - 1)  # type: ignore[attr-defined]
    return x


_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


@scoped
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """`input` (N, C, H, W) at the places of `grid` (N, H', W', 2), whose x and y run from -1
    to 1; or (N, C, D, H, W) at (N, D', H', W', 3).

    `mode`: bilinear, nearest, bicubic (4-D alone); `padding_mode`: zeros, border, reflection.
    Source: Jaderberg et al. 2015, arXiv:1506.02025.
    """
    name = "grid_sample"
    check_tensor(name, input)
    check_tensor(name, grid, "grid", 2)
    if mode not in _MODES:
        raise ValueError(
            f"{name}: expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            f"{name}: expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    rank = input._type.ndim - 2
    if rank not in (2, 3) or grid._type.ndim != rank + 2:
        raise ShapeError(
            f"{name}: expected 4D or 5D input and grid with same number of dimensions, but got "
            f"input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input._type.shape[0] != grid._type.shape[0]:
        raise ShapeError(
            f"{name}: expected grid and input to have same batch size, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid._type.shape[-1] != rank:
        raise ShapeError(
            f"{name}: expected grid to have size {rank} in last dimension, but got grid with "
            f"sizes {list(grid.shape)}"
        )
    if min(input._type.shape[2:], default=1) == 0:
        raise ShapeError(f"{name}: expected input to have non-empty spatial dimensions")
    if mode == "bicubic" and rank == 3:
        raise ShapeError(f"{name}: bicubic interpolation only supports 4D input")
    align = bool(align_corners)
    sizes = input._type.shape[2:]
    places = [_unnormalized(grid[..., rank - 1 - a], n, align) for a, n in enumerate(sizes)]
    if mode == "bicubic":
        return _bicubic(input, places, padding_mode, align)
    places = [_inside(p, n, padding_mode, align) for p, n in zip(places, sizes, strict=True)]
    if mode == "nearest":
        return _taken(input, [prims.round(p.detach()) for p in places])
    low = [prims.floor(p.detach()) for p in places]
    out: Tensor | None = None
    for corner in range(1 << rank):
        at, weight = [], None
        for a, (p, q) in enumerate(zip(places, low, strict=True)):
            up = corner >> a & 1
            at.append(q + 1 if up else q)
            part = p - q if up else 1 - (p - q)
            weight = part if weight is None else weight * part
        term = _taken(input, at) * weight.unsqueeze(1)  # type: ignore[union-attr]
        out = term if out is None else out + term
    assert out is not None
    return out


def _taken(x: Tensor, places: list[Tensor]) -> Tensor:
    """Elements of (N, C, ...) at whole places (N, ...), zero outside: shape (N, C, ...)."""
    sizes = x._type.shape[2:]
    inside: Tensor | None = None
    indices: list[Tensor] = []
    for p, n in zip(places, sizes, strict=True):
        fits = prims.bit_and(prims.ge(p, 0), prims.le(p, n - 1))
        inside = fits if inside is None else prims.bit_and(inside, fits)
        indices.append(prims.convert(prims.select(fits, p, 0), int64))
    assert inside is not None
    count = x._type.shape[0]
    first = prims.iota(shape=(count,) + (1,) * (places[0]._type.ndim - 1), axis=0, dtype=int64)
    rank = len(sizes)
    moved = prims.transpose(x, perm=(0, *range(2, rank + 2), 1))
    found = prims.index(moved, first, *indices)
    last = found._type.ndim - 1
    found = prims.transpose(found, perm=(0, last, *range(1, last)))
    return prims.select(inside.unsqueeze(1), found, 0)  # type: ignore[attr-defined]


def _cubic_weights(t: Tensor) -> list[Tensor]:
    a = _CUBIC

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _bicubic(x: Tensor, places: list[Tensor], padding: str, align: bool) -> Tensor:
    sizes = x._type.shape[2:]
    low = [prims.floor(p.detach()) for p in places]
    rows, columns = (_cubic_weights(p - q) for p, q in zip(places, low, strict=True))
    out: Tensor | None = None
    for i in range(4):
        for j in range(4):
            at = [
                _inside(q + (offset - 1), n, padding, align)
                for q, offset, n in zip(low, (i, j), sizes, strict=True)
            ]
            term = _taken(x, at) * (rows[i] * columns[j]).unsqueeze(1)
            out = term if out is None else out + term
    assert out is not None
    return out
