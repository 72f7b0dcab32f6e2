"""Images at places given by tensors. Public as `nn.functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....ir.errors import ShapeError
from ....ir.types import int64
from ... import prims
from ...amp.autocast import autocasts
from ...promotion import check_tensor
from ...scoping import scoped
from ...tensor import Tensor
from .common import constant
from .resize import CUBIC


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


@autocasts
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
    a = CUBIC

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
