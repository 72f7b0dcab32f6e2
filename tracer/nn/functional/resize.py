"""Images at other sizes. Public as `nn.functional`."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ....ir.errors import DTypeError, ShapeError
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import located, relayout
from ...formats import format_strides, suggested
from ...promotion import check_tensor
from ...scoping import scoped
from ...tensor import Tensor, from_host
from .adaptive import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .common import constant

_LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}
CUBIC = -0.75  # Keys' parameter, as PyTorch and OpenCV have it


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
    t, a = np.abs(t), CUBIC
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


@located
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
    return _upsampled(input, sizes, scales, mode, bool(align_corners), antialias)


@autocasts(name="resized")
def _upsampled(
    input: Tensor, sizes: Any, scales: Any, mode: str, align: bool, smooth: bool
) -> Tensor:
    kind = _KINDS[mode, input._type.ndim - 2, smooth]
    return kind(input, sizes, scales, (mode, align, smooth))


def _all_resized(x: Tensor, sizes: Any, scales: Any, along: tuple[str, bool, bool]) -> Tensor:
    mode, align, smooth = along
    out = x
    for axis, (count, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        out = _resized(out, axis, count, mode, align, scale, smooth)
    made = out.clone() if out is x else out  # type: ignore[attr-defined]
    kept = suggested(x._type.shape, x.stride())
    return relayout(made, format_strides("interpolate", made._type.shape, kept))


def _kind(name: str, rank: int, smooth: bool = False) -> Any:
    """The function under the name that its gradient has in PyTorch."""
    title = "".join(part.capitalize() for part in name.split("-"))
    name = name.replace("-", "_")
    end = "Aa" if smooth else ""
    return scoped(
        name=f"upsample_{name}{rank}d{'_aa' if smooth else ''}",
        grad_fn=f"Upsample{title}{rank}D{end}Backward0",
    )(_all_resized)


_KINDS = {
    (mode, rank, False): _kind(mode, rank)
    for mode in ("nearest", "nearest-exact")
    for rank in (1, 2, 3)
}
_KINDS |= {(mode, rank, False): _kind(mode, rank) for mode, rank in _LINEAR.items()}
_KINDS["bicubic", 2, False] = _kind("bicubic", 2)
_KINDS |= {(mode, 2, True): _kind(mode, 2, True) for mode in ("bilinear", "bicubic")}


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


@scoped(name="interpolate")
def antialiased(input: Tensor, sizes: Any, align: bool, scales: Any) -> Tensor:
    """`input` (N, C, H, W) linearly at another size, nothing skipped."""
    x = input
    for axis, (count, scale) in enumerate(zip(sizes, scales or (None, None), strict=True), 2):
        size = x._type.shape[axis]
        x = _along(x, axis, _smooth_matrix(size, count, align, scale, False))
    return x


def _warn_old(name: str) -> None:
    warnings.warn(
        f"nn.functional.{name} is deprecated; use nn.functional.interpolate.", stacklevel=3
    )


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """As `interpolate`."""
    _warn_old("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` to the nearest element."""
    _warn_old("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` linearly along both axes, corners aligned."""
    _warn_old("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)
