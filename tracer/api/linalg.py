"""Products of vectors and matrices. Bound by `methods.py`; `LINALG` is `thrace.linalg`.

Every product is one `dot_general`; scopes carry the names of PyTorch's kernels.
"""

from __future__ import annotations

import math
from typing import Any

from ...ir.errors import AxisError, DTypeError, ShapeError
from ...ir.promotion import broadcast_shapes
from ...ir.types import DType, bool_, int64
from .. import prims, views
from ..amp.autocast import autocasts
from ..promotion import Number, check_tensor, literal
from ..scoping import GRAD_FN, scoped
from ..tensor import Tensor
from .common import Dims, located, normalize_dim, relayout, seen, with_out
from .moments import norm_operand, vector_norm
from .reduce import finish, total

GRAD_FN |= {"matmul": "UnsafeViewBackward0", "outer": "MulBackward0"}
NO_BATCH = ((), ())


def _check(name: str, *tensors: Any) -> None:
    """Raises: TypeError for what is no tensor, DTypeError for different dtypes, or for bools that
    are to be multiplied."""
    for position, x in enumerate(tensors, 1):
        check_tensor(name, x, "input" if position == 1 else "other", position)
    first = tensors[0]._type.dtype
    for x in tensors[1:]:
        if x._type.dtype is not first:
            raise DTypeError(
                f"{name}: expected m1 and m2 to have the same dtype, but got: {first} != "
                f"{x._type.dtype}"
            )
    if first.kind == "bool" and (name == "dot" or all(x._type.numel for x in tensors)):
        raise DTypeError(f"{name}: not implemented for {first}")


def batched(name: str, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Operands of a product of batches: of one dtype, unless there is nothing to multiply. The
    result then has the second one's dtype, as in PyTorch."""
    if x._type.numel and y._type.numel:
        _check(name, x, y)
        return x, y
    return prims.convert(x, y._type.dtype), y


def _dot(x: Tensor, y: Tensor, contract: Any, batch: Any = NO_BATCH) -> Tensor:
    if x._type.dtype.kind != "bool":
        return prims.dot_general(x, y, contract=contract, batch=batch)
    x, y = prims.convert(x, int64), prims.convert(y, int64)  # of bools that have no elements
    return prims.convert(prims.dot_general(x, y, contract=contract, batch=batch), bool_)


@autocasts
@with_out
@scoped
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices."""
    for name, x in (("self", input), ("mat2", mat2)):
        check_tensor("mm", x, name)
        if x._type.ndim != 2:
            raise ShapeError(f"mm: {name} must be a matrix, got shape {list(x._type.shape)}")
    return _mm("mm", input, mat2)


def _mm(name: str, x: Tensor, y: Tensor) -> Tensor:
    (m, k), (k2, n) = x._type.shape, y._type.shape
    if k != k2:
        raise ShapeError(
            f"{name}: mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {k2}x{n})"
        )
    _check(name, x, y)
    return _dot(x, y, ((1,), (0,)))


@autocasts
@with_out
@scoped
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of a matrix and a vector."""
    _check("mv", input, vec)
    if input._type.ndim != 2 or vec._type.ndim != 1:
        raise ShapeError(
            "mv: vector + matrix @ vector expected, got "
            f"{list(input._type.shape)} and {list(vec._type.shape)}"
        )
    if input._type.shape[1] != vec._type.shape[0]:
        m, k = input._type.shape
        raise ShapeError(
            f"mv: size mismatch, got input ({m}), mat ({m}x{k}), vec ({vec._type.shape[0]})"
        )
    return _dot(input, vec, ((1,), (0,)))


@autocasts
@with_out
@scoped
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of products of two vectors."""
    _check("dot", input, tensor)
    if input._type.ndim != 1 or tensor._type.ndim != 1:
        raise ShapeError(
            f"dot: 1D tensors expected, but got {input._type.ndim}D and {tensor._type.ndim}D "
            "tensors"
        )
    m, n = input._type.numel, tensor._type.numel
    if m != n:
        raise ShapeError(
            f"dot: inconsistent tensor size, expected tensor [{m}] and src [{n}] to have the same "
            f"number of elements, but got {m} and {n} elements respectively"
        )
    return _dot(input, tensor, ((0,), (0,)))


@autocasts
@with_out
@scoped
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of two batches of matrices."""
    for name, x in (("batch1", input), ("batch2", mat2)):
        check_tensor("bmm", x, name)
        if x._type.ndim != 3:
            raise ShapeError(f"bmm: {name} must be a 3D tensor, got {list(x._type.shape)}")
    b, _, k = input._type.shape
    if mat2._type.shape[:2] != (b, k):
        raise ShapeError(
            "bmm: Expected size for first two dimensions of batch2 tensor to be: "
            f"[{b}, {k}] but got: {list(mat2._type.shape[:2])}."
        )
    input, mat2 = batched("bmm", input, mat2)
    return _dot(input, mat2, ((2,), (1,)), ((0,), (0,)))


@autocasts
@with_out
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product, over leading dims that broadcast; vectors as rows or columns.

    Raises: ShapeError if the inner sizes differ, DTypeError if the dtypes do.
    """
    check_tensor("matmul", input)
    check_tensor("matmul", other, "other", 2)
    ranks = input._type.ndim, other._type.ndim
    if ranks == (2, 2) and input._type.shape[1] == other._type.shape[0]:
        return mm(input, other)
    if ranks == (1, 1):
        return dot(input, other)
    if ranks == (2, 1):
        return mv(input, other)
    return _matmul(input, other)


@scoped(name="matmul")
def _matmul(x: Tensor, y: Tensor) -> Tensor:
    m, n = x._type.ndim, y._type.ndim
    if not m or not n:
        raise ShapeError(
            f"matmul: both arguments to matmul need to be at least 1D, but they are {m}D and {n}D"
        )
    own, other = x._type.shape, y._type.shape
    axis = max(n - 2, 0)
    if own[-1] != other[axis]:
        if n == 1 or m > 2 or n > 2:
            shapes = f"{list(own)} and {list(other)}"
        else:
            shapes = f"{'x'.join(map(str, own))} and {'x'.join(map(str, other))}"
        raise ShapeError(f"matmul: mat1 and mat2 shapes cannot be multiplied ({shapes})")
    # PyTorch takes batches as they are unless it can make one matrix of them.
    if n > 2 and (m > 2 or (m == 2 and not x.requires_grad)):
        x, y = batched("matmul", x, y)
    else:
        _check("matmul", x, y)
    if n <= 2:  # the leading dims of x are rows
        return _dot(x, y, ((m - 1,), (axis,)))
    if m == 1:
        return _dot(x, y, ((0,), (axis,)))
    if m == 2:  # rows of x come first; they belong before the last dim
        rows_first = _dot(x, y, ((1,), (axis,)))
        return prims.transpose(rows_first, perm=(*range(1, n - 1), 0, n - 1))
    lead = broadcast_shapes("matmul", own[:-2], other[:-2])
    if own[:-2] != lead:
        x = prims.broadcast(x, shape=(*lead, *own[-2:]))
    if other[:-2] != lead:
        y = prims.broadcast(y, shape=(*lead, *other[-2:]))
    batch = tuple(range(len(lead)))
    return _dot(x, y, ((len(lead) + 1,), (len(lead),)), (batch, batch))


@with_out
@scoped
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of an element of one vector and one of the other."""
    check_tensor("outer", input)
    check_tensor("outer", vec2, "vec2", 2)
    for name, x in (("self", input), ("vec2", vec2)):
        if x._type.ndim != 1:
            raise ShapeError(f"outer: Expected 1-D argument {name}, but got {x._type.ndim}-D")
    return input.reshape(-1, 1) * vec2


def combined(name: str, base: Tensor, product: Tensor, beta: Number, alpha: Number) -> Tensor:
    """`beta * base + alpha * product`, where `base` is expanded to the product's shape."""
    shape, dtype = product._type.shape, product._type.dtype
    if dtype.kind == "bool" and name != "addr":  # PyTorch has products of bools by elements alone
        raise DTypeError(f"{name}: not implemented for {dtype}")
    if base._type.dtype is not dtype:
        raise DTypeError(
            f"{name}: self and mat2 must have the same dtype, but got {base._type.dtype} and "
            f"{dtype}"
        )
    try:
        fits = broadcast_shapes(name, base._type.shape, shape) == shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{name}: The expanded size of the tensor {list(shape)} must match the existing size: "
            f"input of shape {list(base._type.shape)} does not broadcast to it"
        )
    if alpha != 1:
        product = prims.mul(product, literal(alpha, dtype))
    if beta == 0:  # nan and infinity in `base` are ignored then
        return product
    return prims.add(base if beta == 1 else prims.mul(base, literal(beta, dtype)), product)


@autocasts
@with_out
@scoped
def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)`."""
    check_tensor("addmm", input)
    for name, x in (("mat1", mat1), ("mat2", mat2)):
        check_tensor("addmm", x, name, 2)
        if x._type.ndim != 2:
            raise ShapeError(f"addmm: {name} must be a matrix, got {x._type.ndim}-D tensor")
    return relayout(combined("addmm", input, _mm("addmm", mat1, mat2), beta, alpha), None)


@autocasts
@with_out
@scoped
def addmv(
    input: Tensor,
    mat: Tensor,
    vec: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`beta * input + alpha * (mat @ vec)`."""
    check_tensor("addmv", input)
    return combined("addmv", input, mv(mat, vec), beta, alpha)


@autocasts
@with_out
@scoped
def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`beta * input + alpha * bmm(batch1, batch2)`."""
    check_tensor("baddbmm", input)
    return relayout(combined("baddbmm", input, bmm(batch1, batch2), beta, alpha), None)


@autocasts
@with_out
@scoped
def addr(
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`beta * input + alpha * outer(vec1, vec2)`."""
    check_tensor("addr", input)
    return combined("addr", input, outer(vec1, vec2), beta, alpha)


@autocasts
@scoped
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    check_tensor("trace", input)
    if input._type.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, but got tensor with dim {input._type.ndim}")
    x = views.diagonal(input, 0, 0, 1)
    if x._type.dtype.kind in ("bool", "int", "uint"):
        x = prims.convert(x, int64)
    return prims.sum(x, axes=(0,))


@autocasts
@with_out
@scoped
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, *, out: Tensor | None = None) -> Tensor:
    """Sum the products over pairs of dims: the last of `a` with the first of `b`, or as given."""
    _check("tensordot", a, b)
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a._type.ndim, b._type.ndim):
            raise ShapeError(f"tensordot: {dims} dims for {a._type.ndim}-D and {b._type.ndim}-D")
        pairs = (range(a._type.ndim - dims, a._type.ndim), range(dims))
    else:
        pairs = tuple((d,) if isinstance(d, int) else d for d in dims)
    axes_a = tuple(normalize_dim("tensordot", d, a._type.ndim) for d in pairs[0])
    axes_b = tuple(normalize_dim("tensordot", d, b._type.ndim) for d in pairs[1])
    if len(axes_a) != len(axes_b):
        raise ShapeError("tensordot: both dimension lists should have same length")
    for i, j in zip(axes_a, axes_b, strict=True):
        m, n = a._type.shape[i], b._type.shape[j]
        if 1 in (m, n) and m != n:  # a dim of one is repeated
            a, b = a.sum_to_size(_with_one(a, i)), b.sum_to_size(_with_one(b, j))  # type: ignore[attr-defined]
        elif m != n:
            raise ShapeError(
                "tensordot: contracted dimensions need to match, but first has size "
                f"{a._type.shape[i]} in dim {i} and second has size {b._type.shape[j]} in dim {j}"
            )
    # What contracts to a number PyTorch computes as a `dot`, the rest as a matrix product.
    whole = len(axes_a) == a._type.ndim and len(axes_b) == b._type.ndim
    return seen((_dot if whole else _tensordot)(a, b, (axes_a, axes_b)))


def _with_one(x: Tensor, axis: int) -> tuple[int, ...]:
    shape = x._type.shape
    return (*shape[:axis], 1, *shape[axis + 1 :])


@autocasts(name="tensordot_product")
def _tensordot(a: Tensor, b: Tensor, contract: Any) -> Tensor:
    return _dot(a, b, contract)


@autocasts
@with_out
@scoped
def matrix_norm(
    input: Tensor,
    ord: Any = "fro",
    dim: tuple[int, int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The norm of matrices: "fro", the largest (smallest) sum of a column (1) or row (inf),
    the largest (smallest) singular value (2), or the sum of all of them ("nuc").

    Dtypes: floating and complex, whose norm is real.
    """
    A = input
    name = "linalg.matrix_norm"
    check_tensor(name, A, "A")
    if A._type.ndim < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise ShapeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    row, column = (normalize_dim(name, d, A._type.ndim) for d in dim)
    if row == column:
        raise ShapeError(f"{name}: dims must be different. Got {tuple(dim)}")
    if ord == "fro":
        return vector_norm(A, 2, (row, column), keepdim, dtype=dtype)
    if ord not in ("nuc", 2, -2, 1, -1, math.inf, -math.inf):
        raise RuntimeError(f"{name}: Order {ord} not supported")
    x = norm_operand(name, A, dtype)
    if ord in ("nuc", 2, -2):
        result = _spectral_norm(x, ord, row, column)
    else:
        summed, other = (row, column) if abs(ord) == 1 else (column, row)
        totals = total(prims.abs(x), (summed,))
        result = _extreme(name, totals, ord, other - (other > summed))
    return finish(result, x._type.shape, (row, column), keepdim)


def _spectral_norm(x: Tensor, ord: Any, row: int, column: int) -> Tensor:
    """The norms that hang on singular values."""
    lead = [d for d in range(x._type.ndim) if d not in (row, column)]
    s = prims.svd(prims.transpose(x, perm=(*lead, row, column)), full=False)[1]
    if ord == "nuc":
        return prims.sum(s, axes=(len(lead),))
    return _extreme("linalg.matrix_norm", s, ord, len(lead))


def _extreme(name: str, x: Tensor, ord: float, axis: int) -> Tensor:
    """The largest or, of a negative order, the smallest; the largest of none is zero."""
    if x._type.shape[axis]:
        return (prims.amax if ord > 0 else prims.amin)(x, axes=(axis,))
    if ord > 0:
        return prims.sum(x, axes=(axis,))
    raise AxisError(f"{name}: Order {ord} of an empty matrix is the smallest of no numbers")


@located
def norm(
    input: Tensor,
    ord: Any = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A vector norm, or with two dims and an `ord` a matrix norm; the 2-norm of all by default."""
    A = input
    check_tensor("linalg.norm", A, "A")
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype, out=out)
    if isinstance(dim, (tuple, list)) and len(dim) == 2:
        return matrix_norm(A, ord, (dim[0], dim[1]), keepdim, dtype=dtype, out=out)
    if dim is None and A._type.ndim == 2:
        return matrix_norm(A, ord, (0, 1), keepdim, dtype=dtype, out=out)
    if dim is None and A._type.ndim != 1:
        raise ShapeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{A._type.ndim}D."
        )
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: order {ord!r} needs two dims")
    return vector_norm(A, ord, dim, keepdim, dtype=dtype, out=out)


@autocasts
@with_out
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The sum of products along `dim`; the rest broadcasts."""
    check_tensor("linalg.vecdot", x, "x")
    return (x.conj() * y).sum(dim)


METHODS = {
    f.__name__: f for f in (matmul, mm, mv, dot, bmm, outer, addmm, addmv, baddbmm, addr, trace)
}
METHODS |= {"ger": outer}
FUNCTIONS = METHODS | {"tensordot": tensordot}
INPLACE = ("addmm", "addmv", "baddbmm", "addr")
INPLACE_FUNCTIONS: tuple[str, ...] = ()
# `thrace.linalg`.
LINALG = {
    "norm": norm,
    "vector_norm": vector_norm,
    "matrix_norm": matrix_norm,
    "matmul": matmul,
    "vecdot": vecdot,
}
