"""`thrace.strided` and the memory formats: names that PyTorch's arguments take.

Tensors are dense here, so the one layout is `strided`. Imported by the API and the front door.
"""

from __future__ import annotations

from ..ir.types import Shape

Ints = tuple[int, ...]


class Layout:
    """What kind of tensor it is; there is one, `thrace.strided`."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"thrace.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class MemoryFormat(Layout):
    """An order of axes in memory, as PyTorch's `memory_format` arguments name it."""


strided = Layout("strided")
contiguous_format = MemoryFormat("contiguous_format")
preserve_format = MemoryFormat("preserve_format")
channels_last = MemoryFormat("channels_last")
channels_last_3d = MemoryFormat("channels_last_3d")
_NDIM = {channels_last: 4, channels_last_3d: 5}


def format_strides(name: str, shape: Shape, memory_format: MemoryFormat) -> Ints | None:
    """Strides of a dense tensor in a format, None if that is row order.

    Raises: RuntimeError if the format is for another number of dims.
    """
    wanted = _NDIM.get(memory_format)
    if wanted is None:
        return None
    if len(shape) != wanted:
        raise RuntimeError(f"{name}: required rank {wanted} tensor to use {memory_format!r} format")
    strides = [0] * wanted
    strides[1], step = 1, max(shape[1], 1)
    for axis in range(wanted - 1, 1, -1):
        strides[axis] = step
        step *= max(shape[axis], 1)
    strides[0] = step
    return tuple(strides)


def lies_in(shape: Shape, strides: Ints, memory_format: MemoryFormat) -> bool:
    """Whether a tensor's elements lie in a format, but for axes along which nobody moves."""
    if len(shape) != _NDIM[memory_format]:
        return False
    wanted = format_strides("", shape, memory_format)
    assert wanted is not None
    return 0 in shape or all(
        n == 1 or s == w for n, s, w in zip(shape, strides, wanted, strict=True)
    )


def suggested(shape: Shape, strides: Ints) -> MemoryFormat:
    """The format that `cat` and functions on images keep: channels last if the axes follow each
    other so, with gaps or without, or else row order."""
    for memory_format, ndim in _NDIM.items():
        if len(shape) == ndim and _channels_inside(shape, strides):
            return memory_format
    return contiguous_format


def _channels_inside(shape: Shape, strides: Ints) -> bool:
    """Whether axis 1 lies inside the last, that inside the one before, and so on; where sizes of 1
    leave it open, as in PyTorch."""
    if not strides[1] or 0 in shape:
        return False
    least = 0
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        if strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * shape[axis]
    return True
