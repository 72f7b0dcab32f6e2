"""Views by memory position, resizing, and what PyTorch's memory looks like. Bound by `methods.py`.

In-place forms of views (`t_`, `squeeze_`) point the handle elsewhere; no element moves.
"""

from __future__ import annotations

import functools
from typing import Any

from ...ir.errors import ShapeError
from ...ir.types import Shape
from .. import prims, strided, views
from ..promotion import check_tensor
from ..recording import user_error
from ..scoping import GRAD_FN
from ..state import STATE
from ..storage import Storage
from ..tensor import Tensor
from . import shape as shapes
from .common import as_int, as_sizes, located, normalize_dim

GRAD_FN["as_strided"] = "AsStridedBackward0"


@located
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the elements of `input`'s storage at `storage_offset + sum(index * stride)`.

    Elements may overlap. Gradients flow to what `input` itself shows. Raises: RuntimeError
    if sizes and strides differ in number, are negative, or leave the storage.
    """
    return strided_view("as_strided", input, size, stride, storage_offset)


def strided_view(name: str, x: Tensor, size: Any, stride: Any, offset: Any) -> Tensor:
    check_tensor(name, x)
    sizes, strides = as_sizes(name, (size,)), as_sizes(name, (stride,), "stride")
    start = strided.start_of(x) if offset is None else as_int(name, offset, "storage_offset")
    if len(sizes) != len(strides):
        raise ShapeError(
            f"{name}: mismatch in length of strides and shape: {list(strides)} and {list(sizes)}"
        )
    if any(n < 0 for n in sizes):
        raise ShapeError(f"{name}: Trying to create tensor with negative dimension: {list(sizes)}")
    if any(s < 0 for s in strides):
        raise ShapeError(
            f"{name}: Negative strides are not supported at the moment, got strides: "
            f"{list(strides)}"
        )
    if start < 0:
        raise ShapeError(f"{name}: Tensor: invalid storage offset {start}")
    return strided.as_strided(x, sizes, strides, start, name)


@located
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` elements of a dim, `step` apart, as a view.

    Shapes: the dim becomes the number of windows, a last dim has their elements. Raises:
    RuntimeError if `size` is negative or larger than the dim, or `step` is not positive.
    """
    check_tensor("unfold", self)
    x = self if self._type.ndim else views.restride(self, (1,), (1,), "")
    axis = normalize_dim("unfold", dimension, self._type.ndim)
    size, step = as_int("unfold", size, "size"), as_int("unfold", step, "step")
    length = x._type.shape[axis]
    if size < 0:
        raise ShapeError(f"unfold: size is {size} but must be >= 0")
    if size > length:
        raise ShapeError(
            f"unfold: maximum size for tensor at dimension {axis} is {length} but size is {size}"
        )
    if step <= 0:
        raise ShapeError(f"unfold: step is {step} but must be > 0")
    if not self._type.ndim:
        return shapes.window(x, 0, 0, size, "unfold")
    return strided.unfold(x, axis, size, step)


# Pointing a handle elsewhere


def repoint(self: Tensor, other: Tensor) -> Tensor:
    """Make `self` show what `other` shows."""
    if STATE.session is not None:
        STATE.session.note_handle(self)
    self._repoint(other._storage, other._view, other._type)
    return self


def _inplace_view(view: Any) -> Any:
    """`view_`: this very handle becomes the view. Raises: RuntimeError where a write would."""
    name = f"{view.__name__}_"

    @functools.wraps(view)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if STATE.grad_enabled and self._view is not None:
            self._check_writable(self._view, tracked=False)
        return repoint(self, view(self, *args, **kwargs))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{view.__name__}` of this very tensor, which is returned; no element moves."
    return method


def resized(self: Tensor, shape: Shape) -> Tensor:
    """`self` in `shape` over the same storage, or a larger copy of it."""
    if self._type.shape == shape:
        return self
    strides = views.contiguous_strides(shape)
    start, size = strided.start_of(self), strided.storage_size(self)
    wanted = start + strided.span(shape, strides)
    base = self._storage.value.type
    if wanted <= size and base.dtype is self._type.dtype:
        return repoint(self, strided.as_strided(self, shape, strides, start, ""))
    count = wanted - start
    held = strided.as_strided(self, (size - start,), (1,), start, "")
    grown = prims.pad(held, 0, low=(0,), high=(count - (size - start),), interior=(0,))
    return repoint(self, prims.reshape(grown, shape=shape))


def _check_resizable(name: str, x: Tensor) -> None:
    if x.requires_grad:
        raise user_error(RuntimeError(f"{name}: cannot resize variables that require grad"))


@located
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give this tensor another shape, row by row, over the storage it has.

    A tensor that grows beyond its storage gets a new one, whose further elements are zero;
    unlike in PyTorch, other views stay with the old one. Raises: RuntimeError if it
    requires grad.
    """
    _check_resizable("resize_", self)
    shape = as_sizes("resize_", sizes)
    if any(n < 0 for n in shape):
        raise ShapeError(f"resize_: requires non-negative sizes, got {list(shape)}")
    return resized(self, shape)


def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    check_tensor("resize_as_", the_template, "the_template", 2)
    return resize_(self, the_template._type.shape)


@located
def set_(
    self: Tensor,
    source: Any = None,
    storage_offset: int = 0,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Make this tensor share the storage of another, or a `Storage`; with none, be empty.

    Raises: RuntimeError if the dtypes differ, or sizes and strides leave the storage.
    """
    if source is None:
        return repoint(self, prims.full(0, shape=(0,), dtype=self._type.dtype, device=self.device))
    if isinstance(source, UntypedStorage):
        base = source.tensor
        size = (base._type.numel,) if size is None else size
    elif size is None:
        check_tensor("set_", source, "source", 2)
        base = source
    else:
        base = source
    if base._type.dtype is not self._type.dtype:
        raise ShapeError(
            f"set_: could not set tensor of type {self._type.dtype} to a tensor of type "
            f"{base._type.dtype}"
        )
    if size is None:
        return repoint(self, base)
    sizes = as_sizes("set_", (size,))
    steps = views.contiguous_strides(sizes) if stride is None else stride
    return repoint(self, strided_view("set_", base, sizes, steps, storage_offset))


# Memory as PyTorch would show it


def storage_offset(self: Tensor) -> int:
    """The place of the first element in the storage."""
    return strided.start_of(self)


class UntypedStorage:
    """What tensors that alias each other share; equal for all of them.

    It has no bytes of its own to read: elements are read through tensors.
    """

    __slots__ = ("_storage", "tensor")

    def __init__(self, x: Tensor):
        self._storage: Storage = x._storage
        base = x._storage.value.type
        whole = x._handle(x._storage, None, base)
        if x._storage.strides is not None:
            order = strided.memory_order(base.shape, x._storage.strides)
            whole = whole.permute(order)
        self.tensor = whole.detach().view(-1)

    def data_ptr(self) -> int:
        return self.tensor.data_ptr()

    def nbytes(self) -> int:
        return self._storage.value.type.size_bytes

    size = nbytes

    def __len__(self) -> int:
        return self.nbytes()

    @property
    def device(self) -> Any:
        return self._storage.device

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._storage is other._storage

    def __hash__(self) -> int:
        return id(self._storage)


class TypedStorage(UntypedStorage):
    """A storage as elements of one dtype, which can be read by number."""

    __slots__ = ("line",)

    def __init__(self, x: Tensor):
        super().__init__(x)
        self.line = self.tensor.view(x._type.dtype)

    @property
    def dtype(self) -> Any:
        return self.line.dtype

    def __len__(self) -> int:
        return self.line.numel()

    size = __len__

    def __getitem__(self, index: Any) -> Any:
        got = self.line[index]
        return got if isinstance(index, slice) else got.item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.line[index] = value

    def __iter__(self) -> Any:
        return iter(self.tolist())

    def tolist(self) -> list[Any]:
        return self.line.tolist()

    def untyped(self) -> UntypedStorage:
        return UntypedStorage(self.line)

    def __repr__(self) -> str:
        lines = "\n".join(f" {x}" for x in self.tolist())
        kind = f"thrace.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
        return f"{lines}\n[{kind} of size {len(self)}]"


def storage(self: Tensor) -> TypedStorage:
    """The storage that this tensor shares with its views, as elements of its dtype."""
    return TypedStorage(self)


def is_view(self: Tensor) -> bool:
    """Whether this is a view of another tensor."""
    return _base(self) is not None


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The storage that this tensor shares with its views."""
    return UntypedStorage(self)


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same elements of one storage in the same order."""
    return (
        self._storage is tensor._storage
        and self._type is tensor._type
        and self.stride() == tensor.stride()
        and strided.start_of(self) == strided.start_of(tensor)
    )


@located
def dim_order(self: Tensor) -> tuple[int, ...]:
    """The dims from outermost to innermost in memory."""
    strides, sizes = self.stride(), self._type.shape
    return tuple(
        sorted(range(len(strides)), key=lambda a: (-strides[a], 0 if sizes[a] != 1 else -1))
    )


def get_device(input: Tensor) -> int:
    """The number of the CUDA device, -1 on the CPU."""
    return (input.device.index or 0) if input.is_cuda else -1


def _base(self: Tensor) -> Tensor | None:
    """The tensor that this one is a view of, None if it owns its storage."""
    link = self._view
    while link is not None and link.kind in ("leaf", "detach"):
        link = link.parent
    if link is None:
        return None
    return self._handle(self._storage, None, self._storage.value.type)


t_ = _inplace_view(shapes.t)
transpose_ = _inplace_view(shapes.transpose)
squeeze_ = _inplace_view(shapes.squeeze)
unsqueeze_ = _inplace_view(shapes.unsqueeze)
as_strided_ = _inplace_view(as_strided)

METHODS = {
    f.__name__: f
    for f in (
        *(as_strided, unfold, resize_, resize_as_, set_, storage_offset, storage, untyped_storage),
        *(is_set_to, dim_order, get_device, t_, transpose_, squeeze_, unsqueeze_, as_strided_),
    )
}
METHODS |= {"swapaxes_": transpose_, "swapdims_": transpose_, "_is_view": is_view}
PROPERTIES = {"_base": property(_base)}
FUNCTIONS = {
    "as_strided": as_strided,
    "as_strided_": as_strided_,
    "resize_as_": resize_as_,
    "get_device": get_device,
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
