"""Stacking, rotating and laying out elements, as compositions of `cat`, `flip` and `pad`.

Bound by `methods.py`.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ...ir.errors import ShapeError, UnsupportedDTypeError
from ...ir.ops.shape import Constant
from ...ir.types import DType, int32, int64
from .. import prims
from ..promotion import check_tensor, common_dtype
from ..scoping import scoped
from ..state import default_dtype
from ..tensor import Tensor
from . import shape as shapes
from .common import as_int, as_sizes, located, normalize_dim, relayout, same_value, with_out
from .convert import number_for
from .gather import index_select
from .join import Tensors, cat, embedded, flip, stack, tensor_list

# More dims


def _at_least(name: str, widen: Any) -> Any:
    def atleast(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            return tuple(widen(x) for x in tensor_list(name, tensors[0]))
        for i, x in enumerate(tensors):
            check_tensor(name, x, "tensors", i + 1)
        return widen(tensors[0]) if len(tensors) == 1 else tuple(map(widen, tensors))

    atleast.__name__ = atleast.__qualname__ = name
    atleast.__doc__ = f"Views with {name[-2]} dims or more, of one tensor or of each of several."
    return located(atleast)


def _as_1d(x: Tensor) -> Tensor:
    return x if x._type.ndim else x.reshape(1)


def _as_2d(x: Tensor) -> Tensor:
    return x if x._type.ndim > 1 else _as_1d(x).unsqueeze(0)


def _as_3d(x: Tensor) -> Tensor:
    return x if x._type.ndim > 2 else _as_2d(x).unsqueeze(-1)


atleast_1d = _at_least("atleast_1d", _as_1d)
atleast_2d = _at_least("atleast_2d", _as_2d)
atleast_3d = _at_least("atleast_3d", _as_3d)

# Joining


@with_out
@located
def column_stack(tensors: Tensors, *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side, vectors and scalars as columns."""
    parts = tensor_list("column_stack", tensors, "column_stack: expects a non-empty TensorList")
    return cat([x.reshape(x._type.numel, 1) if x._type.ndim < 2 else x for x in parts], 1)


@with_out
@located
def dstack(tensors: Tensors, *, out: Tensor | None = None) -> Tensor:
    """The tensors one behind the other, along dim 2."""
    parts = tensor_list("dstack", tensors, "dstack: expects a non-empty TensorList")
    return cat([_as_3d(x) for x in parts], 2)


@scoped
def block_diag(*tensors: Any) -> Tensor:
    """Matrices (vectors and scalars as rows) along the diagonal of a matrix, zeros elsewhere.

    Raises: RuntimeError for a tensor of more than two dims.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    parts = [_as_2d(x) for x in tensor_list("block_diag", tensors)]
    for i, x in enumerate(parts):
        if x._type.ndim > 2:
            raise ShapeError(
                "block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {x._type.ndim} dimensions"
            )
    if not parts:
        return prims.full(0.0, shape=(1, 0), dtype=default_dtype())
    dtype = common_dtype(*parts)
    width, at, rows = sum(x._type.shape[1] for x in parts), 0, []
    for x in parts:
        count = x._type.shape[1]
        x, low = prims.convert(x, dtype), (0, at)
        at += count
        rows.append(prims.pad(x, 0, low=low, high=(0, width - at), interior=(0, 0)))
    return prims.concatenate(*rows, axis=0) if len(rows) > 1 else rows[0]


@with_out
@scoped
def _chunk_cat(tensors: Tensors, dim: int, num_chunks: int, *, out: Tensor | None = None) -> Tensor:
    """Each tensor in `num_chunks` parts along `dim`, filled up with zeros and flattened from
    there; then all tensors' first parts side by side, their second ones, and so on."""
    parts = tensor_list("_chunk_cat", tensors, "_chunk_cat: expects a non-empty TensorList")
    chunks = as_int("_chunk_cat", num_chunks, "num_chunks")
    if chunks < 1:
        raise ShapeError("_chunk_cat: expects positive num_chunks")
    first = parts[0]._type
    if any(not x._type.numel for x in parts):
        raise ShapeError("_chunk_cat: expects non-empty tensors")
    axis = normalize_dim("_chunk_cat", dim, first.ndim)
    rows = []
    for x in parts:
        shape = x._type.shape
        if len(shape) <= axis or shape[:axis] != first.shape[:axis]:
            raise ShapeError("_chunk_cat: expects same sizes of 0,...,dim-1 dimensions")
        if x._type.dtype is not first.dtype:
            raise ShapeError("_chunk_cat: expects all input tensors to have the same dtype")
        missing = -shape[axis] % chunks
        if missing:
            high = tuple(missing if a == axis else 0 for a in range(len(shape)))
            zero = (0,) * len(shape)
            x = prims.pad(x, 0, low=zero, high=high, interior=zero)
        count = x._type.numel
        for n in shape[:axis]:
            count //= n
        rows.append(prims.reshape(x, shape=(*shape[:axis], chunks, count // chunks)))
    return prims.concatenate(*rows, axis=axis + 1)


@scoped(grad_fn="StackBackward0")
def cartesian_prod(*tensors: Any) -> Tensor:
    """All ways to take one element of each vector, a row each; of one vector, itself."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    lines = tensor_list("cartesian_prod", tensors)
    if any(x._type.ndim != 1 for x in lines):
        raise ShapeError("cartesian_prod: Expect a 1D vector")
    if len(lines) == 1:
        return lines[0]
    sizes = tuple(x._type.shape[0] for x in lines)
    grids = []
    for i, x in enumerate(lines):
        column = x.reshape([-1 if a == i else 1 for a in range(len(sizes))])
        grids.append(column.expand(sizes).reshape(-1))
    return stack(grids, 1)


@scoped(grad_fn="StackBackward0")
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All subsets of `r` elements of a vector, a row each, in the order of their places."""
    check_tensor("combinations", input)
    r = as_int("combinations", r, "r")
    if input._type.ndim != 1:
        raise ShapeError(f"combinations: Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise ShapeError(f"combinations: Expect a non-negative number, but got {r}")
    if not r:
        return prims.full(0, shape=(0,), dtype=input._type.dtype, device=input.device)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array([*choose(range(input._type.shape[0]), r)], np.int64).reshape(-1, r)
    at = prims.constant(data=Constant(rows.reshape(-1)), device=input.device)
    return prims.reshape(index_select(input, 0, at), shape=rows.shape)


# Turning


@scoped(grad_fn="FlipBackward0")
def fliplr(input: Tensor) -> Tensor:
    """Dim 1 in reverse order; a copy. Raises: RuntimeError for fewer than two dims."""
    check_tensor("fliplr", input)
    if input._type.ndim < 2:
        raise ShapeError("fliplr: Input must be >= 2-d.")
    return flip(input, (1,))


@scoped(grad_fn="FlipBackward0")
def flipud(input: Tensor) -> Tensor:
    """Dim 0 in reverse order; a copy. Raises: RuntimeError for a 0-d tensor."""
    check_tensor("flipud", input)
    if not input._type.ndim:
        raise ShapeError("flipud: Input must be >= 1-d.")
    return flip(input, (0,))


@scoped
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned by `k` quarters in the plane of two dims, from the first towards the second.

    Raises: RuntimeError unless two different dims of the tensor are given.
    """
    check_tensor("rot90", input)
    ndim, dims = input._type.ndim, as_sizes("rot90", (dims,), "dims")
    if len(dims) != 2:
        raise ShapeError(f"rot90: expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise ShapeError(f"rot90: expected total dims >= 2, but got total dims = {ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == ndim:
        raise ShapeError(
            f"rot90: expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = "
            f"{dims[1]}"
        )
    for i, d in enumerate(dims):
        if not -ndim <= d < ndim:
            raise ShapeError(f"rot90: Rotation dim{i} out of range, dim{i} = {d}")
    k = as_int("rot90", k, "k") % 4
    if k == 0:
        return relayout(same_value(input), None)
    if k == 2:
        return flip(input, dims)
    turned = shapes.transpose(flip(input, (dims[1] if k == 1 else dims[0],)), *dims)
    # Laid out so, but no view.
    return Tensor._wrap(turned._value(), input.device, turned._strides)


# Diagonals and padding


@scoped
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Square matrices in two new dims with the last dim of `input` on a diagonal.

    Raises: IndexError for dims out of range, RuntimeError for one dim given twice.
    """
    check_tensor("diag_embed", input)
    ndim = input._type.ndim + 1
    a, b = normalize_dim("diag_embed", dim1, ndim), normalize_dim("diag_embed", dim2, ndim)
    if a == b:
        raise ShapeError(f"diag_embed: diagonal dimensions cannot be identical {dim1}, {dim2}")
    if not input._type.ndim:
        raise ShapeError("diag_embed: input must have at least one dimension")
    square = embedded(input, as_int("diag_embed", offset, "offset"))
    rest = iter(range(ndim - 2))
    perm = tuple(ndim - 2 if i == a else ndim - 1 if i == b else next(rest) for i in range(ndim))
    return square if perm == tuple(range(ndim)) else prims.transpose(square, perm=perm)


@scoped
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A square matrix with all elements of `input`, in row order, on a diagonal."""
    check_tensor("diagflat", input)
    flat = prims.reshape(input, shape=(input._type.numel,))
    return embedded(flat, as_int("diagflat", offset, "offset"))


@with_out
@scoped
def constant_pad_nd(
    input: Tensor, pad: Any, value: Any = 0, *, out: Tensor | None = None
) -> Tensor:
    """`value` around the last dims; negative amounts cut off. `pad` has two per dim, last first.

    Raises: RuntimeError for an odd number of amounts, more than two per dim, or a dim that
    would get a negative size.
    """
    check_tensor("constant_pad_nd", input)
    amounts, shape = as_sizes("constant_pad_nd", (pad,), "pad"), input._type.shape
    if len(amounts) % 2:
        raise ShapeError(
            f"constant_pad_nd: Length of pad must be even but instead it equals {len(amounts)}"
        )
    if len(amounts) > 2 * len(shape):
        raise ShapeError(
            "constant_pad_nd: Length of pad should be no more than twice the number of dimensions "
            f"of the input. Pad length is {len(amounts)} while the input has {len(shape)} "
            "dimensions."
        )
    none = (0,) * (len(shape) - len(amounts) // 2)
    low, high = (*none, *amounts[-2::-2]), (*none, *amounts[:0:-2])
    for a, (n, m, p) in enumerate(zip(shape, low, high, strict=True)):
        if n + m + p < 0:
            raise ShapeError(
                f"constant_pad_nd: The input size {n}, plus negative padding {m} and {p} resulted "
                f"in a negative output size, which is invalid. Check dimension {a} of your input."
            )
    number = number_for("constant_pad_nd", value, input._type.dtype)
    return prims.pad(input, number, low=low, high=high, interior=(0,) * len(shape))


# Index tables


def _indices(name: str, choose: Any) -> Any:
    def make(
        row: int,
        col: int,
        offset: int = 0,
        *,
        dtype: DType = int64,
        device: Any = None,
        layout: Any = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor:
        rows, columns = as_int(name, row, "row"), as_int(name, col, "col")
        for what, n in (("row", rows), ("col", columns)):
            if n < 0:
                raise ShapeError(f"{name}: {what} must be non-negative, got {n}")
        if dtype not in (int32, int64):
            raise UnsupportedDTypeError(f'"{name}" not implemented for {dtype!r}')
        at = np.array(choose(rows, as_int(name, offset, "offset"), columns), dtype.np)
        return prims.constant(data=Constant(at), device=device)

    which = "lower" if name.startswith("tril") else "upper"
    make.__name__ = make.__qualname__ = name
    make.__doc__ = (
        f"Rows and columns of the {which} triangle of a matrix, int64[2, count] in row order."
    )
    return located(make)


tril_indices = _indices("tril_indices", lambda n, k, m: np.tril_indices(n, k, m))
triu_indices = _indices("triu_indices", lambda n, k, m: np.triu_indices(n, k, m))


@scoped
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of a vector's elements, one row each, falling from `N - 1` unless `increasing`.

    Dtypes: integers and bool give int64. Raises: RuntimeError for other than one dim or a
    negative `N`.
    """
    check_tensor("vander", x, "x")
    if x._type.ndim != 1:
        raise ShapeError("vander: x must be a one-dimensional tensor.")
    count = x._type.shape[0] if N is None else as_int("vander", N, "N")
    if count < 0:
        raise ShapeError("vander: N must be non-negative.")
    dtype = x._type.dtype if x._type.dtype.kind in ("float", "complex") else int64
    shape = (x._type.shape[0], 1)
    if not count:
        return prims.full(0, shape=(shape[0], 0), dtype=dtype, device=x.device)
    x = prims.reshape(prims.convert(x, dtype), shape=shape)
    columns = [prims.full(1, shape=shape, dtype=dtype, device=x.device)]
    while len(columns) < count:
        columns.append(prims.mul(columns[-1], x) if len(columns) > 1 else x)
    return prims.concatenate(*(columns if increasing else columns[::-1]), axis=1)


METHODS = {f.__name__: f for f in (fliplr, flipud, rot90, diag_embed, diagflat)}
FUNCTIONS = METHODS | {
    f.__name__: f
    for f in (
        *(atleast_1d, atleast_2d, atleast_3d, column_stack, dstack, block_diag, _chunk_cat),
        *(cartesian_prod, combinations, constant_pad_nd, tril_indices, triu_indices, vander),
    )
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
