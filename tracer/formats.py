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
    """The format that functions on images keep: channels last, or else row order."""
    for memory_format in (channels_last, channels_last_3d):
        if lies_in(shape, strides, memory_format):
            rows = lies_in_rows(shape, strides)
            return contiguous_format if rows else memory_format
    return contiguous_format


def lies_in_rows(shape: Shape, strides: Ints) -> bool:
    """Whether a tensor's elements lie in row order."""
    step = 1
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        if n != 1 and s != step:
            return False
        step *= max(n, 1)
    return True
