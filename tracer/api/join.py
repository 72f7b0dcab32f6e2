"""Joining, repeating and rearranging elements, always into new storage. Bound by `methods.py`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.errors import AxisError, ShapeError
from ...ir.types import Shape, int64
from .. import prims
from ..amp.autocast import autocasts
from ..formats import format_strides, suggested
from ..promotion import check_tensor, common_dtype
from ..scoping import scoped
from ..tensor import Tensor, from_host
from .common import (
    as_int,
    as_sizes,
    dense_strides,
    located,
    normalize_dim,
    normalize_dims,
    relayout,
    same_value,
    seen,
    with_out,
)
from .shape import window

Tensors = Sequence[Tensor]


def tensor_list(name: str, tensors: Any, empty: str = "") -> list[Tensor]:
    """A list of a sequence of tensors. Raises: TypeError for anything else, RuntimeError with
    the text `empty`, if there is one, for no tensors."""
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        kind = type(tensors).__name__
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {kind}"
        )
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            kind = type(x).__name__
            raise TypeError(
                f"expected Tensor as element {i} in argument 0 of {name}, but got {kind}"
            )
    if empty and not tensors:
        raise ShapeError(empty)
    return list(tensors)


@autocasts
@with_out
@scoped
def cat(tensors: Tensors, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors one after another along `dim`; dtypes promote.

    Raises: ShapeError if they differ in another dim. Empty one-dimensional tensors are left
    out, as in PyTorch; of nothing else any `dim` will do.
    """
    parts = tensor_list("cat", tensors, "cat: expected a non-empty list of Tensors")
    dtype = common_dtype(*parts)
    for i, x in enumerate(parts):
        if not x._type.ndim:
            raise ShapeError(
                f"cat: zero-dimensional tensor (at position {i}) cannot be concatenated"
            )
    real = [(i, x) for i, x in enumerate(parts) if x._type.shape != (0,)]
    if not real:
        real, dim = [(0, parts[0])], 0
    first = real[0][1]._type.shape
    axis = normalize_dim("cat", dim, len(first))
    for i, x in real:
        shape = x._type.shape
        if len(shape) != len(first):
            raise ShapeError(
                "cat: Tensors must have same number of dimensions: got "
                f"{len(first)} and {len(shape)}"
            )
        for a, (m, n) in enumerate(zip(first, shape, strict=True)):
            if a != axis and m != n:
                raise ShapeError(
                    f"cat: Sizes of tensors must match except in dimension {axis}. Expected size "
                    f"{m} but got size {n} for tensor number {i} in the list."
                )
    # Nothing comes from parts left out, but their gradients are empty rather than missing.
    none = (*first[:axis], 0, *first[axis + 1 :])
    kept = [x for _, x in real]
    left_out = {id(x) for x in parts if x.requires_grad} - {id(x) for x in kept}
    kept += [prims.reshape(x, shape=none) for x in parts if id(x) in left_out]
    made = prims.concatenate(*(prims.convert(x, dtype) for x in kept), axis=axis)
    return _laid_out(made, parts)


def _laid_out(made: Tensor, parts: Tensors) -> Tensor:
    """`made` by joining `parts`, laid out as PyTorch does."""
    if made._type.ndim < 4 or all(x._strides is None for x in parts):
        return made
    layouts = [(x._type.shape, x.stride()) for x in parts]
    return relayout(made, _joined_strides(made._type.shape, layouts))


def _joined_strides(shape: Shape, layouts: list[tuple[Shape, Shape]]) -> Shape | None:
    """Strides of what is joined to `shape`: channels last if all parts are."""
    formats = {suggested(own, strides) for own, strides in layouts}
    return format_strides("cat", shape, formats.pop()) if len(formats) == 1 else None


@autocasts
@with_out
@scoped
def stack(tensors: Tensors, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors, which have one shape, along a new dim."""
    parts = tensor_list("stack", tensors, "stack: expects a non-empty TensorList")
    first = parts[0]._type.shape
    for i, x in enumerate(parts):
        if x._type.shape != first:
            raise ShapeError(
                f"stack: expects each tensor to be equal size, but got {list(first)} at entry 0 "
                f"and {list(x._type.shape)} at entry {i}"
            )
    axis = normalize_dim("stack", dim, len(first) + 1)
    shape = (*first[:axis], 1, *first[axis:])
    dtype = common_dtype(*parts)
    made = prims.concatenate(
        *(prims.reshape(prims.convert(x, dtype), shape=shape) for x in parts), axis=axis
    )
    if len(first) < 3 or all(x._strides is None for x in parts):
        return made
    return relayout(made, _stacked_strides(made._type.shape, parts, axis))


def _stacked_strides(shape: Shape, parts: list[Tensor], axis: int) -> Shape | None:
    """PyTorch joins along the dim that is there already and splits it, or adds one at the end."""
    if axis == len(shape) - 1:
        return _joined_strides(shape, [((*x._type.shape, 1), (*x.stride(), 1)) for x in parts])
    count, size = shape[axis : axis + 2]
    joined = (*shape[:axis], count * size, *shape[axis + 2 :])
    strides = _joined_strides(joined, [(x._type.shape, x.stride()) for x in parts])
    if strides is None:
        return None
    return (*strides[:axis], size * strides[axis], *strides[axis:])


@with_out
@located
def hstack(tensors: Tensors, *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side: along dim 1, vectors along dim 0."""
    given = tensor_list("hstack", tensors, "hstack: expects a non-empty TensorList")
    parts = [x if x._type.ndim else x.reshape(1) for x in given]
    return cat(parts, 0 if parts[0]._type.ndim == 1 else 1)


@with_out
@located
def vstack(tensors: Tensors, *, out: Tensor | None = None) -> Tensor:
    """The tensors below each other: along dim 0, vectors as rows."""
    given = tensor_list("vstack", tensors, "vstack: expects a non-empty TensorList")
    return cat([x if x._type.ndim > 1 else x.reshape(1, x._type.numel) for x in given], 0)


@scoped(grad_fn="RepeatBackward0")
def repeat(self: Tensor, *repeats: Any) -> Tensor:
    """The tensor copied `repeats` times along each dim, new leading ones included."""
    times = as_sizes("repeat", repeats, "repeats")
    if len(times) < self._type.ndim:
        raise ShapeError(
            "repeat: Number of dimensions of repeat dims can not be smaller than number of "
            f"dimensions of tensor: {list(times)} for shape {list(self._type.shape)}"
        )
    if any(n < 0 for n in times):
        raise ShapeError(f"repeat: negative number of repeats in {list(times)}")
    return _tiled(self, times)


def _tiled(x: Tensor, times: Shape) -> Tensor:
    shape = (1,) * (len(times) - x._type.ndim) + x._type.shape
    apart = tuple(n for size in shape for n in (1, size))
    spread = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    wide = prims.broadcast(prims.reshape(x, shape=apart), shape=spread)
    return prims.reshape(wide, shape=tuple(m * n for m, n in zip(times, shape, strict=True)))


@scoped(grad_fn="RepeatBackward0")
def tile(input: Tensor, dims: Any) -> Tensor:
    """`input` copied `dims` times along its last dims."""
    check_tensor("tile", input)
    times = as_sizes("tile", (dims,), "dims")
    return _tiled(input, (1,) * (input._type.ndim - len(times)) + times)


def tile_method(self: Tensor, *dims: Any) -> Tensor:
    """`self` copied `dims` times along its last dims."""
    return tile(self, as_sizes("tile", dims, "dims"))


@scoped
def repeat_interleave(
    input: Tensor,
    repeats: int | Tensor | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Each element (along `dim`, or of the flattened tensor) `repeats` times in a row.

    A tensor of repeats has its values read. With it alone, gives the positions repeated.
    """
    check_tensor("repeat_interleave", input)
    if repeats is None:
        counts = _repeats(input, output_size)
        return from_host(np.repeat(np.arange(counts.size), counts), device=input.device)
    x = input if dim is not None else prims.reshape(input, shape=(input._type.numel,))
    axis = 0 if dim is None else normalize_dim("repeat_interleave", dim, x._type.ndim)
    size = x._type.shape[axis]
    if isinstance(repeats, Tensor) and repeats._type.numel != 1:
        counts = _repeats(repeats, output_size)
        if counts.shape != (size,):
            raise ShapeError(
                "repeat_interleave: repeats must have the same size as input along dim, but got "
                f"repeats.size(0) = {counts.shape} and input.size({axis}) = {size}"
            )
        from .gather import index_select

        at = np.repeat(np.arange(size), counts)
        return index_select(x, axis, from_host(at, device=x.device))
    times = as_int("repeat_interleave", repeats, "repeats")
    if times < 0:
        raise ShapeError("repeat_interleave: repeats must be non-negative")
    _check_output_size(size * times, output_size)
    shape = x._type.shape
    column = prims.reshape(x, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
    wide = prims.broadcast(column, shape=(*shape[: axis + 1], times, *shape[axis + 1 :]))
    return seen(prims.reshape(wide, shape=(*shape[:axis], size * times, *shape[axis + 1 :])))


def _repeats(repeats: Tensor, output_size: int | None) -> np.ndarray:
    """The values of a tensor of repeats. Raises: ShapeError if they are none."""
    counts = repeats._host()
    if counts.ndim != 1 or counts.dtype not in (np.int64, np.int32) or (counts < 0).any():
        raise ShapeError(
            "repeat_interleave: repeats must be a vector of whole numbers that are not negative"
        )
    _check_output_size(int(counts.sum()), output_size)
    return counts


def _check_output_size(size: int, given: int | None) -> None:
    if given is not None and given != size:
        raise ShapeError(f"repeat_interleave: Invalid output_size, expected {size} but got {given}")


@scoped
def flip(input: Tensor, dims: Any) -> Tensor:
    """The elements of `dims` in reverse order; a copy."""
    check_tensor("flip", input)
    dims = as_sizes("flip", (dims,), "dims")
    axes = normalize_dims("flip", dims, input._type.ndim) if dims else ()
    return relayout(prims.reverse(input, axes=axes), dense_strides(input))


def flip_method(self: Tensor, *axes: Any, dims: Any = None) -> Tensor:
    """The elements of `dims` in reverse order; a copy."""
    return flip(self, as_sizes("flip", axes if dims is None else (dims,), "dims"))


@scoped
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved along `dims`, those pushed out coming in again at the other end."""
    check_tensor("roll", input)
    shifts = as_sizes("roll", (shifts,), "shifts")
    if dims is None or (isinstance(dims, (tuple, list)) and not dims):
        if len(shifts) != 1:
            raise ShapeError(
                f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims:0"
            )
        flat = prims.reshape(input, shape=(input._type.numel,))
        return prims.reshape(_rolled(flat, 0, shifts[0]), shape=input._type.shape)
    dims = as_sizes("roll", (dims,), "dims")
    if len(dims) != len(shifts):
        raise ShapeError(
            f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    if not input._type.numel:
        return same_value(input)  # whatever the dims are, as in PyTorch
    if not input._type.ndim:
        raise AxisError(f"roll: Dimension specified as {dims[0]} but tensor has no dimensions")
    x = input
    for shift, dim in zip(shifts, dims, strict=True):
        x = _rolled(x, normalize_dim("roll", dim, x._type.ndim), shift)
    return x


def _rolled(x: Tensor, axis: int, shift: int) -> Tensor:
    size = x._type.shape[axis] if x._type.ndim else 0
    shift = shift % size if size else 0
    if not shift:
        return relayout(same_value(x), None)
    head, tail = window(x, axis, 0, size - shift), window(x, axis, size - shift, shift)
    return _laid_out(prims.concatenate(tail, head, axis=axis), (tail, head))


def _triangle(name: str, prim: Any, x: Tensor, diagonal: Any) -> Tensor:
    """Zeros where `prim(column - row, diagonal)` fails."""
    check_tensor(name, x)
    offset = as_int(name, diagonal, "diagonal")
    if x._type.ndim < 2:
        raise ShapeError(f"{name}: input tensor must have at least 2 dimensions")
    size = x._type.shape[-2:]
    rows = prims.iota(shape=size, axis=0, dtype=int64, device=x.device)
    columns = prims.iota(shape=size, axis=1, dtype=int64, device=x.device)
    return relayout(prims.select(prim(prims.sub(columns, rows), offset), x, 0), None)


@with_out
@scoped
def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of the last two dims, from `diagonal` down; zeros elsewhere."""
    return _triangle("tril", prims.le, input, diagonal)


@with_out
@scoped
def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of the last two dims, from `diagonal` up; zeros elsewhere."""
    return _triangle("triu", prims.ge, input, diagonal)


@with_out
@scoped
def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """A square matrix with the vector `input` on a diagonal, or the diagonal of a matrix."""
    check_tensor("diag", input)
    if input._type.ndim == 2:
        return same_value(input.diagonal(diagonal))
    if input._type.ndim != 1:
        raise ShapeError(f"diag: Supports 1D or 2D tensors. Got {input._type.ndim}D")
    return embedded(input, diagonal)


def embedded(x: Tensor, offset: int) -> Tensor:
    """Square matrices with the last dim of `x` on a diagonal: it lies in memory with as many
    zeros between its elements as a row has."""
    *lead, count = x._type.shape
    side = count + abs(offset)
    first = offset if offset >= 0 else -offset * side
    between = side
    if not count:  # all of it is padding
        first = between = 0
    rest = side * side - first - max(count - 1, 0) * (between + 1) - min(count, 1)
    none = (0,) * len(lead)
    flat = prims.pad(x, 0, low=(*none, first), high=(*none, rest), interior=(*none, between))
    return prims.reshape(flat, shape=(*lead, side, side))


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Each vector spread over the grid that all of them span; views.

    `indexing` "xy" exchanges the first two dims; "ij", which is to be said, does not.
    """
    if indexing is None:
        warnings.warn(
            'meshgrid: say indexing="ij" or indexing="xy"; leaving it out is deprecated.',
            UserWarning,
            stacklevel=2,
        )
        indexing = "ij"
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    lines = tensor_list("meshgrid", tensors)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if any(x._type.ndim > 1 for x in lines):
        raise ShapeError("meshgrid: Expected 0D or 1D tensors in the tensor list")
    swap = indexing == "xy" and len(lines) > 1
    if swap:
        lines[0], lines[1] = lines[1], lines[0]
    shape = tuple(x._type.numel for x in lines)
    grids = [
        x.reshape([-1 if a == i else 1 for a in range(len(shape))]).expand(shape)
        for i, x in enumerate(lines)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def concat(tensors: Tensors, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors one after another along `dim`; see `cat`."""
    return cat(tensors, dim, out=out)


METHODS = {
    "repeat": repeat,
    "tile": tile_method,
    "repeat_interleave": repeat_interleave,
    "flip": flip_method,
    "roll": roll,
    "tril": tril,
    "triu": triu,
    "diag": diag,
}
FUNCTIONS = {
    f.__name__: f
    for f in (
        *(cat, concat, stack, hstack, vstack, tile, repeat_interleave, flip, roll, tril, triu),
        *(diag, meshgrid),
    )
}
FUNCTIONS |= {"concatenate": concat, "row_stack": vstack}
INPLACE = ("tril", "triu")
INPLACE_FUNCTIONS: tuple[str, ...] = ()
