"""Parts of a dim as views: `tensor_split`, `unsafe_split`, `slice`. Bound by `methods.py`."""

from __future__ import annotations

import builtins
from typing import Any

from ...ir.errors import ShapeError
from .. import views
from ..promotion import check_tensor
from ..tensor import Tensor
from .common import as_int, located, normalize_dim
from .shape import chunk, part_sizes, split, window

Parts = tuple[Tensor, ...]


@located
def slice(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A view of every `step`-th element of a dim from `start` to below `end`.

    Both are cut to the dim's size and count from its end where negative. Raises: RuntimeError
    for a 0-d tensor or a step that is not positive.
    """
    check_tensor("slice", input)
    shape = input._type.shape
    if not shape:
        raise ShapeError("slice: cannot be applied to a 0-dim tensor.")
    axis, step = normalize_dim("slice", dim, len(shape)), as_int("slice", step, "step")
    if step <= 0:
        raise ShapeError("slice: step must be positive")
    low, high, _ = builtins.slice(start, end).indices(shape[axis])
    count = max(0, -(-(high - low) // step))
    at, sizes, steps = [0] * len(shape), list(shape), [1] * len(shape)
    at[axis], sizes[axis], steps[axis] = low, count, step
    return views.slice(input, tuple(at), tuple(sizes), tuple(steps))


@located
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> Parts:
    """Views of parts of `dim`, of the sizes given. Raises: RuntimeError if they do not add up."""
    return split(input, tuple(split_sizes), dim)


@located
def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> Parts:
    """`split`, whose parts may be written to in place while gradients are recorded."""
    return _unsafe("unsafe_split", input, as_int("unsafe_split", split_size, "split_size"), dim)


@located
def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> Parts:
    """`split_with_sizes`, whose parts may be written to in place."""
    return _unsafe("unsafe_split_with_sizes", input, tuple(split_sizes), dim)


@located
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> Parts:
    """`chunk`, whose parts may be written to in place."""
    sizes = [part._type.shape for part in chunk(input, chunks, dim)]
    axis = normalize_dim("unsafe_chunk", dim, input._type.ndim)
    return _unsafe("unsafe_split", input, tuple(n[axis] for n in sizes), dim)


def _unsafe(name: str, x: Tensor, sections: Any, dim: int) -> Parts:
    axis, sizes = part_sizes(name, x, sections, dim)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(window(x, axis, a, n, name) for a, n in zip(starts, sizes, strict=True))


@located
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> Parts:
    """Views of parts of `dim`: so many of nearly equal size, or cut at the indices given.

    A tensor of sections or indices has its values read. Raises: RuntimeError for a 0-d
    tensor, a number of sections below 1, or a tensor that is neither 0-d nor 1-d int64.
    """
    check_tensor("tensor_split", input)
    if not input._type.ndim:
        raise ShapeError(
            "tensor_split: expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    axis = normalize_dim("tensor_split", dim, input._type.ndim)
    where = indices_or_sections
    if isinstance(where, Tensor):
        if where._type.ndim > 1 or where._type.dtype.name != "int64":
            raise ShapeError(
                "tensor_split: expected tensor_indices_or_sections to be a zero-dimensional or "
                f"one-dimensional int64 tensor, got {where._type}"
            )
        where = where.tolist()
    size = input._type.shape[axis]
    if isinstance(where, (tuple, list)):
        cuts = [as_int("tensor_split", i, "indices") for i in where]
        ends = [builtins.slice(0, c).indices(size)[1] for c in cuts]
        bounds = list(zip([0, *ends], [*ends, size], strict=True))
        parts = [(a, max(0, b - a)) for a, b in bounds]
    else:
        count = as_int("tensor_split", where, "sections")
        if count <= 0:
            raise ShapeError(f"tensor_split: number of sections must be larger than 0, got {count}")
        small, larger = divmod(size, count)
        sizes = [small + (i < larger) for i in range(count)]
        parts = [(sum(sizes[:i]), n) for i, n in enumerate(sizes)]
    return tuple(window(input, axis, a, n) for a, n in parts)


def _along(name: str, least: int, dim: int) -> Any:
    """`hsplit` and its kin: `tensor_split` along a fixed dim that must divide evenly."""

    @located
    def part(input: Tensor, indices_or_sections: Any) -> Parts:
        check_tensor(name, input)
        ndim = input._type.ndim
        if ndim < least:
            raise ShapeError(
                f"{name}: requires a tensor with at least {least} dimension, but got a tensor "
                f"with {ndim} dimensions!"
            )
        axis = 0 if ndim == 1 else dim
        sections = indices_or_sections
        if not isinstance(sections, (tuple, list, Tensor)):
            count = as_int(name, sections, "sections")
            size = input._type.shape[axis]
            if count == 0 or size % count:
                raise ShapeError(
                    f"{name}: attempted to split along dimension {axis}, but the size of the "
                    f"dimension {size} is not divisible by the split_size {count}!"
                )
        return tensor_split(input, sections, axis)

    part.__name__ = part.__qualname__ = name
    part.__doc__ = (
        f"Views of parts of dim {dim}: so many of equal size, or cut at the indices given.\n\n"
        f"Raises: RuntimeError for fewer than {least} dims or sections that do not divide."
    )
    return part


hsplit = _along("hsplit", 1, 1)
vsplit = _along("vsplit", 2, 0)
dsplit = _along("dsplit", 3, 2)

METHODS = {
    f.__name__: f
    for f in (
        *(split_with_sizes, unsafe_split, unsafe_split_with_sizes, unsafe_chunk, tensor_split),
        *(hsplit, vsplit, dsplit),
    )
}
FUNCTIONS = METHODS | {"slice": slice}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
