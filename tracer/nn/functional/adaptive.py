"""Pooling to a given size. Public as `nn.functional`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ir.errors import DTypeError, ShapeError
from ....ir.types import int64
from ... import prims
from ...amp.autocast import autocasts, autocasts_if_listed
from ...api.common import same_value, seen
from ...scoping import scoped
from ...tensor import Tensor, from_host
from .common import constant, narrow, widen
from .pool import Windows, elements, lowest, wins

Ints = tuple[int, ...]


def _adaptive_sizes(name: str, input: Tensor, output_size: Any, rank: int) -> Ints:
    shape = input._type.shape
    if len(shape) not in (rank + 1, rank + 2):
        raise ShapeError(f"{name}: expected {rank + 1}D or {rank + 2}D tensor, got shape {shape}")
    if isinstance(output_size, int) or output_size is None:
        output_size = (output_size,) * rank
    elif len(output_size) == 1:
        output_size = tuple(output_size) * rank
    if len(output_size) != rank:
        raise ShapeError(f"{name}: output_size must have {rank} values, got {output_size}")
    spatial = shape[-rank:]
    if any(o is not None and o < 0 for o in output_size):
        raise ShapeError(f"{name}: Trying to create tensor with negative dimension: {output_size}")
    return tuple(n if o is None else int(o) for o, n in zip(output_size, spatial, strict=True))


def _averaging(size: int, parts: int) -> np.ndarray:
    """Row i averages the i-th part of an axis; parts overlap where they do not divide it."""
    out = np.zeros((parts, size))
    for i in range(parts):
        start, end = i * size // parts, -(-(i + 1) * size // parts)
        out[i, start:end] = 1 / (end - start)
    return out


def _adaptive_average(name: str, rank: int, input: Tensor, output_size: Any) -> Tensor:
    if not input._type.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {input.dtype}")
    x = widen(input)
    shape = x._type.shape
    for i, parts in enumerate(_adaptive_sizes(name, input, output_size, rank)):
        axis = len(shape) - rank + i
        size = x._type.shape[axis]
        if parts == size:
            continue
        if parts and size % parts == 0:
            split = (*x._type.shape[:axis], parts, size // parts, *x._type.shape[axis + 1 :])
            summed = prims.sum(prims.reshape(x, shape=split), axes=(axis + 1,))
            x = prims.div(summed, size // parts)
        else:
            table = constant(_averaging(size, parts), x)
            x = prims.dot_general(x, table, contract=((axis,), (1,)), batch=((), ()))
            perm = (*range(axis), len(shape) - 1, *range(axis, len(shape) - 1))
            x = prims.transpose(x, perm=perm)
    x = narrow(x, input._type.dtype)
    return same_value(x) if x is input else x


@scoped
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means of `output_size` parts of the last axis. Shapes: (N, C, L) or (C, L)."""
    return seen(_adaptive_average("adaptive_avg_pool1d", 1, input, output_size))


@scoped(grad_fn="AdaptiveAvgPool2DBackward0")
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of (H', W') parts of each image; None keeps an axis as it is.

    Shapes: (N, C, H, W) or (C, H, W). Dtypes: floating.
    """
    return _adaptive_average("adaptive_avg_pool2d", 2, input, output_size)


@autocasts
@scoped(grad_fn="AdaptiveAvgPool3DBackward0")
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means of (D', H', W') parts. Shapes: (N, C, D, H, W) or (C, D, H, W)."""
    return _adaptive_average("adaptive_avg_pool3d", 3, input, output_size)


def _parts(x: Tensor, axis: int, parts: int) -> list[Tensor]:
    """The first, second, ... element of each of `parts` parts of an axis.

    Parts that are shorter than others repeat their last element.
    """
    size = x._type.shape[axis]
    if size % parts == 0:
        step = size // parts
        return elements(x, Windows(axis, step, step, 1, 0, 0, parts, size), 0)
    i = np.arange(parts)
    starts, ends = i * size // parts, -(-(i + 1) * size // parts)
    longest = int((ends - starts).max())
    return [
        x.index_select(axis, from_host(np.minimum(starts + j, ends - 1), device=x.device))
        for j in range(longest)
    ]


def _adaptive_maximum(
    name: str, rank: int, input: Tensor, output_size: Any, return_indices: bool
) -> Any:
    sizes = _adaptive_sizes(name, input, output_size, rank)
    shape = input._type.shape
    if 0 in shape[len(shape) - rank - 1 :]:
        raise ShapeError(
            f"{name}: Expected input to have non-zero size for non-batch dimensions, but input has "
            f"sizes {list(shape)}"
        )
    lowest(input)
    x, at = input, None
    if return_indices:
        spatial = shape[-rank:]
        line = prims.iota(shape=(math.prod(spatial),), axis=0, dtype=int64, device=x.device)
        at = prims.broadcast(prims.reshape(line, shape=spatial), shape=shape)
    for i, parts in reversed(list(enumerate(sizes))):
        axis = len(shape) - rank + i
        if parts == x._type.shape[axis]:
            continue
        if not parts:
            x = x.narrow(axis, 0, 0)  # type: ignore[attr-defined]
            at = None if at is None else at.narrow(axis, 0, 0)  # type: ignore[attr-defined]
            continue
        best, *others = _parts(x, axis, parts)
        place, *places = [None] * (len(others) + 1) if at is None else _parts(at, axis, parts)
        for other, there in zip(others, places, strict=True):
            later = wins(other, best)
            best = prims.select(later, other, best)
            place = None if place is None else prims.select(later, there, place)
        x, at = best, place
    x = x.clone() if x is input else x  # type: ignore[attr-defined]
    return x if at is None else (x, at)


def _adaptive_max_pool(rank: int, shapes: str) -> Any:
    name = f"adaptive_max_pool{rank}d"

    @scoped(name=name)
    def pool(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        found = _adaptive_maximum(name, rank, input, output_size, return_indices)
        if rank > 1:
            return found
        return tuple(map(seen, found)) if return_indices else seen(found)

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = f"""The largest elements of as many parts of the last axes as `output_size` says.

    Shapes: {shapes}; a size of None keeps an axis as it is. Under `return_indices`, also their
    places in the flattened spatial axes.
    """
    return autocasts_if_listed(pool)


adaptive_max_pool1d = _adaptive_max_pool(1, "(N, C, L) or (C, L)")
adaptive_max_pool2d = _adaptive_max_pool(2, "(N, C, H, W) or (C, H, W)")
adaptive_max_pool3d = _adaptive_max_pool(3, "(N, C, D, H, W) or (C, D, H, W)")
