"""Views: tensors that show the same storage in another shape. Bound by `methods.py`.

Nothing here records arithmetic; a view is read where it is used. `reshape` alone may copy.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from ...ir.errors import AxisError, ShapeError
from ...ir.promotion import broadcast_shapes as common_shape
from ...ir.types import DType, Shape, int64
from .. import bits, prims, strided, views
from ..promotion import check_tensor
from ..scoping import GRAD_FN, scoped
from ..tensor import Size, Tensor
from .common import Dims, as_int, as_sizes, located, normalize_dim, normalize_dims

# Named as PyTorch's overload, whose backward function carries another number.
GRAD_FN["squeeze.dim"] = "SqueezeBackward1"
Ints = tuple[int, ...]


def infer_shape(name: str, x: Tensor, shape: Shape) -> Shape:
    """`shape` with its -1 worked out. Raises: ShapeError if the elements do not fit."""
    known, unknown = 1, -1
    for i, n in enumerate(shape):
        if n == -1:
            if unknown >= 0:
                raise ShapeError(f"{name}: only one dimension can be inferred")
            unknown = i
        elif n < 0:
            raise ShapeError(
                f"{name}: invalid shape dimension {n} at index {i} of shape {list(shape)}"
            )
        else:
            known *= n
    numel = x._type.numel
    if unknown >= 0 and known == 0 and numel == 0:
        raise ShapeError(
            f"{name}: cannot reshape tensor of 0 elements into shape {list(shape)} because the "
            "unspecified dimension size -1 can be any value and is ambiguous"
        )
    fits = known == numel if unknown < 0 else known != 0 and numel % known == 0
    if not fits:
        raise ShapeError(
            f"{name}: shape '{list(shape)}' is invalid for input of size {numel} "
            f"(shape {list(x._type.shape)})"
        )
    if unknown < 0:
        return shape
    return (*shape[:unknown], numel // known, *shape[unknown + 1 :])


@located
def view(self: Tensor, *size: Any, dtype: DType | None = None) -> Tensor:
    """The same elements in another shape, one size of which may be -1; never a copy.

    `view(dtype)` reads the same bits as another dtype, the last dim growing or shrinking with
    its size. Raises: ShapeError if the elements do not fit, or lie so in memory that no view
    can show them so.
    """
    if dtype is not None or (len(size) == 1 and isinstance(size[0], DType)):
        return _view_dtype(self, dtype or size[0])
    shape = as_sizes("view", size)
    return views.reshape(self, infer_shape("view", self, shape))


def _view_dtype(x: Tensor, dtype: DType) -> Tensor:
    shape, strides = x._type.shape, x.stride()
    old, new = x._type.dtype.itemsize, dtype.itemsize
    what = f"to view {x._type.dtype} as {dtype} (different element sizes)"
    if bits.is_conj(x._view):
        raise ShapeError(
            "view: is not supported for conjugate view tensors when converting to a different dtype"
        )
    if dtype is x._type.dtype:
        return views.restride(x, shape, strides, "view")
    if old == new:
        return bits.as_dtype(x, dtype, shape, strides)
    if not shape:
        raise ShapeError(f"view: self.dim() cannot be 0 {what}")
    if strides[-1] != 1:
        raise ShapeError(f"view: self.stride(-1) must be 1 {what}, but got {strides[-1]}")
    if old > new:
        grow = old // new
        sizes = (*shape[:-1], shape[-1] * grow)
        return bits.as_dtype(x, dtype, sizes, (*(s * grow for s in strides[:-1]), 1))
    shrink = new // old
    if shape[-1] % shrink:
        raise ShapeError(
            f"view: self.size(-1) must be divisible by {shrink} {what}, but got {shape[-1]}"
        )
    if strided.start_of(x) % shrink:
        raise ShapeError(f"view: self.storage_offset() must be divisible by {shrink} {what}")
    if any(s % shrink for s in strides[:-1]):
        raise ShapeError(f"view: self.stride() must be divisible by {shrink} {what}: {strides}")
    sizes = (*shape[:-1], shape[-1] // shrink)
    return bits.as_dtype(x, dtype, sizes, (*(s // shrink for s in strides[:-1]), 1))


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """A view in the shape of `other`."""
    return view(self, other._type.shape)


@located
def reshape(input: Tensor, shape: Any) -> Tensor:
    """The same elements in another shape: a view where strides allow it, else a copy."""
    check_tensor("reshape", input)
    shape = infer_shape("reshape", input, as_sizes("reshape", (shape,), "shape"))
    return _reshaped(input, shape)


def _reshaped(x: Tensor, shape: Shape) -> Tensor:
    return views.reshape(x, shape) if views.can_view(x, shape) else _copied(x, shape)


@scoped(name="reshape", grad_fn="UnsafeViewBackward0")
def _copied(x: Tensor, shape: Shape) -> Tensor:
    return prims.reshape(x, shape=shape)


def reshape_method(self: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape: a view where strides allow it, else a copy."""
    sizes = as_sizes("reshape", shape, "shape")
    return reshape(self, sizes)


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """`self` in the shape of `other`."""
    return reshape(self, other._type.shape)


@located
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dims from `start_dim` to `end_dim` as one; `input` itself if that changes nothing."""
    check_tensor("flatten", input)
    shape = input._type.shape
    start = normalize_dim("flatten", start_dim, len(shape))
    end = normalize_dim("flatten", end_dim, len(shape))
    if start > end:
        raise ShapeError("flatten: start_dim cannot come after end_dim")
    if not shape:
        return _reshaped(input, (1,))
    if start == end:
        return input
    return _reshaped(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """The elements in one dim, in row order: a view if they lie so, else a copy."""
    check_tensor("ravel", input)
    if not input.is_contiguous():
        return _copied(input, (input._type.numel,))
    return reshape(input, (-1,))


@located
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Dim `dim` as several of the given sizes, one of which may be -1."""
    check_tensor("unflatten", input)
    shape = input._type.shape
    axis = normalize_dim("unflatten", dim, len(shape))
    sizes = as_sizes("unflatten", (sizes,), "sizes")
    if not sizes:
        raise ShapeError("unflatten: sizes must be non-empty")
    known = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and known and shape[axis] % known == 0:
        sizes = tuple(shape[axis] // known if n == -1 else n for n in sizes)
    if math.prod(sizes) != shape[axis] or -1 in sizes:
        raise ShapeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({shape[axis]}) in the input tensor"
        )
    return _reshaped(input, (*shape[:axis], *sizes, *shape[axis + 1 :]))


@located
def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """Drop dims of size 1: all of them, or those of `dim` that have size 1."""
    check_tensor("squeeze", input)
    shape, strides = input._type.shape, input.stride()
    if dim is None:
        axes: Ints = tuple(range(len(shape)))
    elif isinstance(dim, (tuple, list)) and not dim:
        axes = ()
    else:
        axes = normalize_dims("squeeze", dim, len(shape))
    left = [i for i, n in enumerate(shape) if n != 1 or i not in axes]
    name = "squeeze" if dim is None else "squeeze.dim"
    return views.restride(
        input, tuple(shape[i] for i in left), tuple(strides[i] for i in left), name
    )


@located
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Add a dim of size 1 at `dim`."""
    check_tensor("unsqueeze", input)
    shape, strides = input._type.shape, input.stride()
    axis = normalize_dim("unsqueeze", dim, len(shape) + 1)
    step = shape[axis] * strides[axis] if axis < len(shape) else 1
    return views.restride(
        input,
        (*shape[:axis], 1, *shape[axis:]),
        (*strides[:axis], step, *strides[axis:]),
        "unsqueeze",
    )


@located
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dims."""
    check_tensor("transpose", input)
    ndim = input._type.ndim
    a, b = normalize_dim("transpose", dim0, ndim), normalize_dim("transpose", dim1, ndim)
    perm = list(range(ndim))
    if ndim:
        perm[a], perm[b] = b, a
    return views.transpose(input, tuple(perm), "transpose")


@located
def t(input: Tensor) -> Tensor:
    """The transposed matrix; a vector or scalar as it is."""
    check_tensor("t", input)
    ndim = input._type.ndim
    if ndim > 2:
        raise ShapeError(f"t: expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return views.transpose(input, tuple(reversed(range(ndim))), "t")


def reversed_dims(self: Tensor) -> Tensor:
    """The tensor with its dims in reverse order."""
    if self._type.ndim not in (0, 2):
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 is deprecated. Consider `x.mT` "
            "to transpose batches of matrices or `x.permute(*range(x.ndim - 1, -1, -1))` to "
            "reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return views.transpose(self, tuple(reversed(range(self._type.ndim))))


@located
def matrix_transpose(self: Tensor) -> Tensor:
    """The tensor with its last two dims exchanged."""
    if not self._type.ndim:
        return views.transpose(self, ())
    if self._type.ndim < 2:
        raise ShapeError(
            "mT: only supported on matrices or batches of matrices. Got "
            f"{self._type.ndim}-D tensor."
        )
    return transpose(self, -2, -1)


@located
def permute(input: Tensor, dims: Any) -> Tensor:
    """The dims in another order."""
    check_tensor("permute", input)
    dims = as_sizes("permute", (dims,), "dims")
    ndim = input._type.ndim
    if len(dims) != ndim:
        raise ShapeError(
            "permute: number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = "
            f"{len(dims)}"
        )
    perm = tuple(normalize_dim("permute", d, ndim) for d in dims)
    if len(set(perm)) != ndim:
        raise ShapeError("permute: duplicate dims are not allowed.")
    return views.transpose(input, perm)


def permute_method(self: Tensor, *dims: Any) -> Tensor:
    """The dims in another order."""
    return permute(self, as_sizes("permute", dims, "dims"))


@located
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Move dims to other places; the rest keep their order."""
    check_tensor("movedim", input)
    ndim = input._type.ndim
    ends = []
    for what in (source, destination):
        dims = what if isinstance(what, (tuple, list)) else (what,)
        ends.append([normalize_dim("movedim", d, ndim) for d in dims])
    if len(ends[0]) != len(ends[1]):
        raise ShapeError(
            "movedim: Invalid source or destination dims: source should have the same number of "
            f"elements as destination, got {len(ends[0])} and {len(ends[1])}"
        )
    for what, dims in zip(("source", "destination"), ends, strict=True):
        if len(set(dims)) != len(dims):
            raise ShapeError(f"movedim: repeated dim in `{what}` ({dims})")
    if not ndim:
        return views.transpose(input, ())
    rest = iter([i for i in range(ndim) if i not in ends[0]])
    perm = [ends[0][ends[1].index(i)] if i in ends[1] else next(rest) for i in range(ndim)]
    return views.transpose(input, tuple(perm))


@located
def expand(self: Tensor, *size: Any, implicit: bool = False) -> Tensor:
    """Repeat dims of size 1 and add leading ones, without copying; -1 keeps a size."""
    wanted = as_sizes("expand", size)
    shape = self._type.shape
    lead = len(wanted) - len(shape)
    if lead < 0:
        raise ShapeError(
            f"expand: the number of sizes provided ({len(wanted)}) must be greater or equal to the "
            f"number of dimensions in the tensor ({len(shape)})"
        )
    full = []
    for i, n in enumerate(wanted):
        own = shape[i - lead] if i >= lead else None
        if n == -1 and own is None:
            raise ShapeError(
                "expand: The expanded size of the tensor (-1) isn't allowed in a leading, "
                f"non-existing dimension {i}"
            )
        if (own is not None and n not in (-1, own) and own != 1) or n < -1:
            raise ShapeError(
                f"expand: The expanded size of the tensor ({n}) must match the existing size "
                f"({own}) at non-singleton dimension {i}.  Target sizes: {list(wanted)}.  Tensor "
                f"sizes: {list(shape)}"
            )
        full.append(own if n == -1 and own is not None else n)
    return views.expand(self, tuple(full))


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`self` expanded to the shape of `other`."""
    return expand(self, other._type.shape)


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """The sum over the dims that broadcasting `size` to this shape would repeat.

    Of the same shape it is the tensor itself.
    Raises: RuntimeError if `size` does not broadcast to this shape.
    """
    wanted = as_sizes("sum_to_size", size)
    return self if wanted and wanted == self._type.shape else _summed_to(self, wanted)


@scoped(name="sum_to_size")
def _summed_to(self: Tensor, wanted: Shape) -> Tensor:
    shape = self._type.shape
    lead = len(shape) - len(wanted)
    if lead < 0 or any(n not in (1, m) for n, m in zip(wanted, shape[lead:], strict=True)):
        raise ShapeError(
            f"sum_to_size: size {list(wanted)} is not expandable to size {list(shape)}."
        )
    whole = self._type.dtype.kind in ("float", "complex")
    return prims.sum_to(self if whole else prims.convert(self, int64), shape=wanted)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """`input` expanded to `size`; a view."""
    check_tensor("broadcast_to", input)
    return expand(input, as_sizes("broadcast_to", (size,)))


@located
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to."""
    out: Shape = ()
    for shape in shapes:
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        out = common_shape("broadcast_shapes", out, sizes)
    return Size(out)


@located
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of the tensors in their common shape."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    out: Shape = ()
    for x in tensors:
        out = common_shape("broadcast_tensors", out, x._type.shape)
    return tuple(x if x._type.shape == out else views.expand(x, out) for x in tensors)


def window(x: Tensor, axis: int, start: int, length: int, name: str = "slice") -> Tensor:
    """A view of part of one axis; everything is in range already."""
    shape = x._type.shape
    return views.slice(
        x,
        tuple(start if a == axis else 0 for a in range(len(shape))),
        tuple(length if a == axis else n for a, n in enumerate(shape)),
        (1,) * len(shape),
        name,
    )


@located
def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """A view of `length` elements of `dim` from `start` on."""
    check_tensor("narrow", input)
    if not input._type.ndim:
        raise ShapeError("narrow: cannot be applied to a 0-dim tensor.")
    axis = normalize_dim("narrow", dim, input._type.ndim)
    size = input._type.shape[axis]
    if isinstance(start, Tensor) and (start._type.ndim or start._type.dtype.kind != "int"):
        raise ShapeError("narrow: start must be an 0-dim integral Tensor.")
    start, length = as_int("narrow", start, "start"), as_int("narrow", length, "length")
    if length < 0:
        raise ShapeError("narrow: length must be non-negative.")
    if not -size <= start <= size:
        raise AxisError(
            f"narrow: start out of range (expected to be in range of [{-size}, {size}], but got "
            f"{start})"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise ShapeError(
            f"narrow: start ({start}) + length ({length}) exceeds dimension size ({size})."
        )
    return window(input, axis, start, length)


@located
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of element `index` of `dim`, without that dim."""
    check_tensor("select", input)
    if not input._type.ndim:
        raise AxisError("select: cannot be applied to a 0-dim tensor.")
    axis = normalize_dim("select", dim, input._type.ndim)
    size = input._type.shape[axis]
    i = as_int("select", index, "index")
    if not -size <= i < size:
        raise AxisError(
            f"select: index {i} out of range for tensor of size {list(input._type.shape)} at "
            f"dimension {axis}"
        )
    return views.select(input, axis, i % size)


@located
def split(
    tensor: Tensor, split_size_or_sections: int | list[int] | tuple[int, ...], dim: int = 0
) -> tuple[Tensor, ...]:
    """Views of parts of `dim`: of one size, the last maybe smaller, or of the sizes given."""
    axis, sizes = part_sizes("split", tensor, split_size_or_sections, dim)
    several = isinstance(split_size_or_sections, (tuple, list))
    name = "split_with_sizes" if several else "split"
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(window(tensor, axis, a, n, name) for a, n in zip(starts, sizes, strict=True))


def part_sizes(name: str, x: Tensor, sections: Any, dim: int) -> tuple[int, list[int]]:
    """The axis and the sizes of its parts, given as one size or as all of them."""
    check_tensor(name, x, "tensor")
    if not x._type.ndim:
        raise ShapeError(f"{name}: expects at least a 1-dimensional tensor")
    axis = normalize_dim(name, dim, x._type.ndim)
    size = x._type.shape[axis]
    if isinstance(sections, (tuple, list)):
        sizes = [as_int(name, n, "split_sizes") for n in sections]
        if any(n < 0 for n in sizes) or sum(sizes) != size:
            raise ShapeError(
                f"{name}: split_with_sizes expects split_sizes to sum exactly to {size} (input "
                f"tensor's size at dimension {axis}), but got split_sizes={sizes}"
            )
        return axis, sizes
    part = as_int(name, sections, "split_size")
    if part < 0:
        raise ShapeError(f"{name}: expects split_size be non-negative, but got split_size={part}")
    if part == 0 and size:
        raise ShapeError(
            f"{name}: split_size can only be 0 if dimension size is 0, but got dimension size of "
            f"{size}"
        )
    return axis, [min(part, size - i) for i in range(0, size, part)] if size else [0]


@located
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of `dim` in at most `chunks` parts of equal size, the last maybe smaller."""
    check_tensor("chunk", input)
    chunks = as_int("chunk", chunks, "chunks")
    if not input._type.ndim:
        raise ShapeError("chunk: expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise ShapeError(f"chunk: expects `chunks` to be greater than 0, got: {chunks}")
    axis = normalize_dim("chunk", dim, input._type.ndim)
    size = input._type.shape[axis]
    if not size:
        return split(input, [0] * chunks, axis)
    return split(input, -(-size // chunks), axis)


@located
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of each element of `dim`."""
    check_tensor("unbind", input)
    if not input._type.ndim:
        raise AxisError("unbind: Dimension specified as 0 but tensor has no dimensions")
    axis = normalize_dim("unbind", dim, input._type.ndim)
    return tuple(views.select(input, axis, i, "unbind") for i in range(input._type.shape[axis]))


@located
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the diagonal of two dims, as the last dim."""
    check_tensor("diagonal", input)
    ndim = input._type.ndim
    a, b = normalize_dim("diagonal", dim1, ndim), normalize_dim("diagonal", dim2, ndim)
    if a == b:
        raise ShapeError(f"diagonal: dimensions cannot be identical {dim1}, {dim2}")
    return views.diagonal(input, as_int("diagonal", offset, "offset"), a, b)


METHODS = {
    f.__name__: f
    for f in (
        *(
            view,
            view_as,
            sum_to_size,
            reshape_as,
            flatten,
            ravel,
            unflatten,
            squeeze,
            unsqueeze,
            transpose,
            t,
        ),
        *(movedim, expand, expand_as, broadcast_to, narrow, select, split, chunk, unbind),
        diagonal,
    )
}
METHODS |= {
    "reshape": reshape_method,
    "permute": permute_method,
    "moveaxis": movedim,
    "swapaxes": transpose,
    "swapdims": transpose,
}
PROPERTIES = {"T": property(reversed_dims), "mT": property(matrix_transpose)}
FUNCTIONS = {
    f.__name__: f
    for f in (
        *(reshape, flatten, ravel, unflatten, squeeze, unsqueeze, transpose, t, permute, movedim),
        *(broadcast_to, broadcast_shapes, broadcast_tensors, narrow, select, split, chunk, unbind),
        diagonal,
    )
}
FUNCTIONS |= {"moveaxis": movedim, "swapaxes": transpose, "swapdims": transpose}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
