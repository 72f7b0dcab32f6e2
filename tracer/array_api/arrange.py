"""Functions of the standard that move, pick, sort and count elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...ir.errors import ShapeError
from ...ir.ops.typing import normalize_axis
from ..tensor import Tensor
from .common import check_array, promoted, torch


def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]:
    """The arrays, broadcast to one shape. Raises: ValueError if they do not."""
    return tuple(torch("broadcast_tensors")(*arrays))


def broadcast_to(x: Tensor, /, shape: Sequence[int]) -> Tensor:
    """`x` broadcast to a shape. Raises: ValueError if it does not fit."""
    return torch("broadcast_to")(x, tuple(shape))


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that shapes broadcast to. Raises: ValueError if there is none."""
    return tuple(torch("broadcast_shapes")(*shapes)) if shapes else ()


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Arrays joined along an axis, flattened first if it is None."""
    joined = promoted("concat", *arrays)
    if axis is None:
        joined, axis = [torch("flatten")(x) for x in joined], 0
    return torch("cat")(joined, axis)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Arrays of one shape side by side along a new axis."""
    return torch("stack")(promoted("stack", *arrays), axis)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of `x` along an axis."""
    check_array("unstack", x)
    return tuple(torch("unbind")(x, axis))


def expand_dims(x: Tensor, /, *, axis: int = 0) -> Tensor:
    """`x` with an axis of size 1. Raises: IndexError out of range."""
    return torch("unsqueeze")(x, axis)


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """`x` without axes of size 1. Raises: ValueError if one of them has another size."""
    axes = tuple(normalize_axis("squeeze", a, x.ndim) for a in _tuple(axis))
    if any(x.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze: axes {axes} of shape {tuple(x.shape)} are not all of size 1")
    return torch("squeeze")(x, axes) if axes else x


def _tuple(axis: int | Sequence[int]) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """`x` the other way round along axes, all by default."""
    return torch("flip")(x, tuple(range(x.ndim)) if axis is None else _tuple(axis))


def moveaxis(x: Tensor, source: Any, destination: Any, /) -> Tensor:
    """`x` with axes moved to other places."""
    return torch("movedim")(x, source, destination)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """`x` with its axes in another order."""
    return torch("permute")(x, tuple(axes))


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two axes exchanged. Raises: ValueError for less than two."""
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: needs two axes, got shape {tuple(x.shape)}")
    return torch("transpose")(x, -2, -1)


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element so many times, flattened if `axis` is None."""
    return torch("repeat_interleave")(x, repeats, axis)


def reshape(x: Tensor, /, shape: Sequence[int], *, copy: bool | None = None) -> Tensor:
    """The same elements in another shape. Raises: ValueError if copy=False and one is needed."""
    if copy is False:
        return torch("reshape")(x, tuple(shape)) if x.is_contiguous() else _view(x, tuple(shape))
    return torch("reshape")(torch("clone")(x) if copy else x, tuple(shape))


def _view(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x.view(shape)  # type: ignore[attr-defined]


def roll(x: Tensor, /, shift: Any, *, axis: Any = None) -> Tensor:
    """Elements moved round along axes, or through the flat array if there are none."""
    return torch("roll")(x, shift, axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """`x` laid side by side."""
    return torch("tile")(x, tuple(repetitions))


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """Elements by number along an axis, which may be left out for a vector."""
    check_array("take", x, indices)
    if axis is None:
        if x.ndim != 1:
            raise ShapeError(f"take: axis is needed for shape {tuple(x.shape)}")
        axis = 0
    axis = normalize_axis("take", axis, x.ndim)
    return x[(slice(None),) * axis + (indices,)]  # type: ignore[index]


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """Elements by number along an axis, a number for each place."""
    return torch("take_along_dim")(x, indices, axis)


def argsort(
    x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """The numbers that sort `x` along an axis."""
    return torch("argsort")(x, dim=axis, descending=descending, stable=stable)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """`x` sorted along an axis."""
    return torch("sort")(x, dim=axis, descending=descending, stable=stable)[0]


def searchsorted(
    x1: Tensor, x2: Any, /, *, side: str = "left", sorter: Tensor | None = None
) -> Tensor:
    """Where each of `x2` would go into the sorted vector `x1`."""
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    x1, x2 = promoted("searchsorted", x1, x2)
    return torch("searchsorted")(x1, x2, side=side, sorter=sorter)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The indices of what is not zero, an array per axis. Raises: ValueError for a scalar."""
    if not x.ndim:
        raise ShapeError("nonzero: needs at least one axis")
    return tuple(torch("nonzero")(x, as_tuple=True))


def where(condition: Tensor, x1: Any, x2: Any, /) -> Tensor:
    """`x1` where the condition holds, else `x2`."""
    a, b = promoted("where", x1, x2)
    return torch("where")(condition, a, b)


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    """Whether each of `x1` is somewhere in `x2`."""
    a, b = promoted("isin", x1, x2)
    return torch("isin")(a, b, invert=invert)


class UniqueAll(NamedTuple):
    """Distinct values, where each is first, each element's number, and how often each is."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """Distinct values and how often each is there."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """Distinct values and the number of each element's."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """Distinct values, first places, numbers and counts. Not in compiled functions."""
    values, inverse, counts = torch("unique")(x, return_inverse=True, return_counts=True)
    order = torch("argsort")(torch("flatten")(inverse), stable=True)
    first = order[torch("cumsum")(counts, 0) - counts]
    return UniqueAll(values, first, inverse.reshape(x.shape), counts)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """Distinct values and counts. Not in compiled functions."""
    return UniqueCounts(*torch("unique")(x, return_counts=True))


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """Distinct values and each element's number. Not in compiled functions."""
    values, inverse = torch("unique")(x, return_inverse=True)
    return UniqueInverse(values, inverse.reshape(x.shape))


def unique_values(x: Tensor, /) -> Tensor:
    """Distinct values. Not in compiled functions."""
    return torch("unique")(x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    fn.__name__: fn
    for fn in (
        *(argsort, broadcast_arrays, broadcast_shapes, broadcast_to, concat, expand_dims, flip),
        *(isin, matrix_transpose, moveaxis, nonzero, permute_dims, repeat, reshape, roll),
        *(searchsorted, sort, squeeze, stack, take, take_along_axis, tile, unique_all),
        *(unique_counts, unique_inverse, unique_values, unstack, where),
    )
}
