"""Factorisations and what is solved by them: most of `thrace.linalg`. Bound by `methods.py`.

A matrix that has no factorisation raises `LinAlgError` where results are observed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...ir.errors import DTypeError, ShapeError
from ...ir.promotion import broadcast_shapes
from ...ir.types import bool_, int32, int64
from .. import prims
from ..amp.autocast import autocasts
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor
from .common import as_int, relayout, require, with_out
from .linalg import bmm, combined, matmul
from .picking import along
from .reduce import span

_DTYPES = ("float32", "float64", "complex64", "complex128")


def _result(name: str, *fields: str) -> Any:
    """A named tuple that prints as PyTorch's results do."""
    base = NamedTuple(name, [(f, Tensor) for f in fields])  # type: ignore[misc]

    def shown(self: Any) -> str:
        lines = ",\n".join(f"{f}={getattr(self, f)!r}" for f in fields)
        return f"thrace.return_types.{name}(\n{lines})"

    return type(name, (base,), {"__slots__": (), "__repr__": shown})


_EIGH = _result("linalg_eigh", "eigenvalues", "eigenvectors")
_EIG = _result("linalg_eig", "eigenvalues", "eigenvectors")
_QR = _result("linalg_qr", "Q", "R")
_SVD = _result("linalg_svd", "U", "S", "Vh")
_SLOGDET = _result("linalg_slogdet", "sign", "logabsdet")
_LU = _result("linalg_lu", "P", "L", "U")
_LU_FACTOR = _result("linalg_lu_factor", "LU", "pivots")
_LU_FACTOR_EX = _result("linalg_lu_factor_ex", "LU", "pivots", "info")
_INV_EX = _result("linalg_inv_ex", "inverse", "info")
_CHOLESKY_EX = _result("linalg_cholesky_ex", "L", "info")
_SOLVE_EX = _result("linalg_solve_ex", "result", "info")
_LSTSQ = _result("linalg_lstsq", "solution", "residuals", "rank", "singular_values")


def _matrix(name: str, x: Any, square: bool = False, argument: str = "A") -> Tensor:
    check_tensor(name, x, argument)
    if x._type.ndim < 2:
        raise ShapeError(
            f"{name}: The input tensor {argument} must have at least 2 dimensions, got shape "
            f"{list(x._type.shape)}"
        )
    if square and x._type.shape[-1] != x._type.shape[-2]:
        raise ShapeError(
            f"{name}: {argument} must be batches of square matrices, but they are "
            f"{x._type.shape[-2]} by {x._type.shape[-1]} matrices"
        )
    if x._type.dtype.name not in _DTYPES:
        raise DTypeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {x._type.dtype}"
        )
    return x


def _swap(x: Tensor) -> Tensor:
    n = x._type.ndim
    return prims.transpose(x, perm=(*range(n - 2), n - 1, n - 2))


def _adjoint(x: Tensor) -> Tensor:
    x = _swap(x)
    return prims.conj(x) if x._type.dtype.kind == "complex" else x


def _order(x: Tensor, keep: Any, offset: int = 0) -> Tensor:
    """Where the row and column of an element are in an order."""
    m, n = x._type.shape[-2:]
    row = prims.iota(shape=(m, 1), axis=0, dtype=int64)
    column = prims.iota(shape=(1, n), axis=1, dtype=int64)
    return keep(row, prims.sub(column, offset) if offset else column)


def _tril(x: Tensor, offset: int = 0) -> Tensor:
    return prims.select(_order(x, prims.ge, offset), x, 0)


def _triu(x: Tensor, offset: int = 0) -> Tensor:
    return prims.select(_order(x, prims.le, offset), x, 0)


def _diagonal(x: Tensor) -> Tensor:
    """The diagonal of matrices, also of those that are not square."""
    k = min(x._type.shape[-2:])
    n = x._type.ndim
    x = span(span(x, n - 2, 0, k), n - 1, 0, k)
    return prims.sum(prims.select(_order(x, prims.eq), x, 0), axes=(n - 1,))


def _diagonals(d: Tensor) -> Tensor:
    """Square matrices with these diagonals."""
    n = d._type.shape[-1]
    wide = prims.broadcast(
        prims.reshape(d, shape=(*d._type.shape[:-1], 1, n)), shape=(*d._type.shape, n)
    )
    return prims.select(_order(wide, prims.eq), wide, 0)


def _of(x: Tensor, value: Tensor) -> Tensor:
    """`value` of the shape of `x`, which it depends on with gradient zero."""
    never = prims.full(False, shape=(), dtype=bool_, device=x.device)
    return prims.select(never, x, value)


def _identity(x: Tensor) -> Tensor:
    one = prims.full(1, shape=x._type.shape, dtype=x._type.dtype, device=x.device)
    return prims.select(_order(one, prims.eq), one, 0)


def _spread(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    shape = (*lead, *x._type.shape[-2:])
    return x if x._type.shape == shape else prims.broadcast(x, shape=shape)


def _require(name: str, ok: Tensor, what: str) -> None:
    every = prims.all(ok, axes=tuple(range(ok._type.ndim))) if ok._type.ndim else ok
    prims.check(every, message=f"{name}: {what}")


# Cholesky


def _lower_of(x: Tensor, upper: bool) -> Tensor:
    return _adjoint(x) if upper else x


def _cholesky(name: str, a: Tensor, upper: bool, check: bool) -> tuple[Tensor, Tensor]:
    """The factor and `info`: 0, or 1 where a matrix is not positive definite."""
    a = _matrix(name, a, square=True)
    factor = prims.cholesky(_lower_of(a, upper))
    d = _diagonal(factor)
    d = prims.real(d) if d._type.dtype.kind == "complex" else d
    fine = prims.all(prims.eq(d, d), axes=(d._type.ndim - 1,))
    if check:
        _require(
            name, fine, "The factorization could not be completed because the input is not "
            "positive-definite",
        )  # fmt: skip
    info = prims.convert(prims.bit_not(fine), int32)
    factor = _tril(factor)
    return (_adjoint(factor) if upper else factor), info


@autocasts
@with_out
@scoped(name="linalg_cholesky")
def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The lower (or upper) triangular factor of positive-definite matrices.

    Only one triangle of `A` is read. Raises: LinAlgError where results are observed.
    """
    return _cholesky("linalg.cholesky", A, upper, True)[0]


@autocasts(name="cholesky")
@with_out
@scoped(name="cholesky")
def plain_cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """As `linalg.cholesky`."""
    return _cholesky("linalg.cholesky", input, upper, True)[0]


@autocasts
@with_out
@scoped(name="linalg_cholesky_ex")
def cholesky_ex(
    A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """(L, info) without an error: `info` is above 0 where a matrix has no factor."""
    return _CHOLESKY_EX(*_cholesky("linalg.cholesky_ex", A, upper, check_errors))


@autocasts
@with_out
@scoped
def cholesky_solve(
    B: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The solution of A X = B, given the Cholesky factor of A."""
    name = "cholesky_solve"
    b, factor = _matrix(name, B, argument="B"), _matrix(name, L, True, argument="L")
    b, factor = _systems(name, b, _lower_of(factor, upper))
    first = prims.triangular_solve(factor, b, lower=True, adjoint=False, unit=False)
    return prims.triangular_solve(factor, first, lower=True, adjoint=True, unit=False)


@autocasts
@with_out
@scoped
def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of a matrix, given its Cholesky factor."""
    factor = _lower_of(_matrix("cholesky_inverse", L, True, argument="L"), upper)
    first = prims.triangular_solve(factor, _identity(factor), lower=True, adjoint=False, unit=False)
    return prims.triangular_solve(factor, first, lower=True, adjoint=True, unit=False)


def _systems(name: str, b: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Right sides and matrices with the same leading dims and dtype."""
    if a._type.dtype is not b._type.dtype:
        raise DTypeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type "
            f"{a._type.dtype} and B of type {b._type.dtype} instead"
        )
    if a._type.shape[-1] != b._type.shape[-2]:
        raise ShapeError(
            f"{name}: Incompatible shapes of A and B for the equation AX = B "
            f"({a._type.shape[-2]}x{a._type.shape[-1]} and {b._type.shape[-2]}x{b._type.shape[-1]})"
        )
    lead = broadcast_shapes(name, a._type.shape[:-2], b._type.shape[:-2])
    return _spread(b, lead), _spread(a, lead)


# Linear systems by LU


def _permuted(x: Tensor, perm: Tensor) -> Tensor:
    """The rows `perm` of matrices."""
    axis = x._type.ndim - 2
    column = prims.reshape(perm, shape=(*perm._type.shape, 1))
    return prims.index(x, *along(x, axis, prims.broadcast(column, shape=x._type.shape)))


def _inverse_permutation(perm: Tensor) -> Tensor:
    return prims.sort(perm, axis=perm._type.ndim - 1, descending=False)[1]


def _lu_solved(packed: Tensor, perm: Tensor, b: Tensor, adjoint: bool = False) -> Tensor:
    if adjoint:  # A^H = U^H L^H P^T
        x = prims.triangular_solve(packed, b, lower=False, adjoint=True, unit=False)
        x = prims.triangular_solve(packed, x, lower=True, adjoint=True, unit=True)
        return _permuted(x, _inverse_permutation(perm))
    x = prims.triangular_solve(packed, _permuted(b, perm), lower=True, adjoint=False, unit=True)
    return prims.triangular_solve(packed, x, lower=False, adjoint=False, unit=False)


def _singular(packed: Tensor) -> Tensor:
    """Which matrices have no inverse: the place of the first zero pivot from 1, or 0."""
    d = _diagonal(packed)
    size = d._type.shape[-1]
    if not size:
        return prims.full(0, shape=d._type.shape[:-1], dtype=int32, device=packed.device)
    zero = prims.eq(d, 0)
    first = prims.argmax(prims.convert(zero, int32), axis=d._type.ndim - 1)
    there = prims.any(zero, axes=(d._type.ndim - 1,))
    return prims.convert(prims.select(there, prims.add(first, 1), 0), int32)


def _solved(name: str, a: Tensor, b: Tensor, left: bool, check: bool) -> tuple[Tensor, Tensor]:
    a = _matrix(name, a, square=True)
    check_tensor(name, b, "B", 2)
    vector = b._type.ndim == 1 or (
        b._type.ndim == a._type.ndim - 1 and b._type.shape == a._type.shape[:-1]
    )
    if vector:
        b = prims.reshape(b, shape=(*b._type.shape, 1))
    elif not left:
        a, b = _swap(a), _swap(b)
    b, a = _systems(name, b, a)
    packed, _, perm = prims.lu(a)
    info = _singular(packed)
    if check:
        _require(
            name, prims.eq(info, 0),
            "The solver failed because the input matrix is singular.",
        )  # fmt: skip
    x = _lu_solved(packed, perm, b)
    if vector:
        x = prims.reshape(x, shape=x._type.shape[:-1])
    elif not left:
        x = _swap(x)
    return x, info


@autocasts
@with_out
@scoped(name="linalg_solve")
def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X with A X = B (or X A = B): shapes (*, n, n) and (*, n, k) or (*, n).

    Raises: LinAlgError for a singular matrix, where results are observed.
    """
    return _solved("linalg.solve", A, B, left, True)[0]


@with_out
@scoped(name="linalg_solve_ex")
def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """(result, info) without an error: `info` is above 0 where a matrix is singular."""
    return _SOLVE_EX(*_solved("linalg.solve_ex", A, B, left, check_errors))


def _inverse(name: str, a: Tensor, check: bool) -> tuple[Tensor, Tensor]:
    a = _matrix(name, a, square=True)
    packed, _, perm = prims.lu(a)
    info = _singular(packed)
    if check:
        _require(
            name, prims.eq(info, 0),
            "The inversion could not be completed because the input matrix is singular.",
        )  # fmt: skip
    return _lu_solved(packed, perm, _identity(a)), info


@autocasts
@with_out
@scoped(name="linalg_inv", grad_fn="LinalgInvExBackward0")
def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of square matrices. Raises: LinAlgError for a singular one."""
    return _inverse("linalg.inv", A, True)[0]


@autocasts
@with_out
@scoped(name="linalg_inv_ex")
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """(inverse, info) without an error: `info` is above 0 where a matrix is singular."""
    return _INV_EX(*_inverse("linalg.inv_ex", A, check_errors))


@autocasts
@with_out
@scoped(name="inverse", grad_fn="LinalgInvExBackward0")
def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As `linalg.inv`."""
    return _inverse("linalg.inv", input, True)[0]


@with_out
@scoped(name="linalg_solve_triangular")
def solve_triangular(
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """X with A X = B (or X A = B) for triangular matrices; the other triangle is not read."""
    name = "linalg.solve_triangular"
    a, b = _matrix(name, A, True), _matrix(name, B, argument="B")
    if not left:
        a, b, upper = _swap(a), _swap(b), not upper
    b, a = _systems(name, b, a)
    x = prims.triangular_solve(a, b, lower=not upper, adjoint=False, unit=unitriangular)
    return x if left else _swap(x)


@autocasts
@with_out
@scoped
def triangular_solve(
    input: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
    *,
    out: Any = None,
) -> Any:
    """(solution, cloned_coefficient) of A X = input for triangular `A`."""
    name = "triangular_solve"
    b, a = _matrix(name, input, argument="b"), _matrix(name, A, True)
    b, a = _systems(name, b, a)
    used, lower = (_swap(a), upper) if transpose else (a, not upper)
    x = prims.triangular_solve(used, b, lower=lower, adjoint=False, unit=unitriangular)
    return _result("triangular_solve", "solution", "cloned_coefficient")(x, a.clone())  # type: ignore[attr-defined]


def _permutation_matrix(perm: Tensor, x: Tensor) -> Tensor:
    """P with P x[perm] = x."""
    m = perm._type.shape[-1]
    column = prims.reshape(perm, shape=(*perm._type.shape[:-1], 1, m))
    row = prims.iota(shape=(m, 1), axis=0, dtype=int64)
    return prims.convert(prims.eq(row, column), x._type.dtype)


def _lu_parts(packed: Tensor) -> tuple[Tensor, Tensor]:
    n = packed._type.ndim
    k = min(packed._type.shape[-2:])
    lower, upper = span(packed, n - 1, 0, k), span(packed, n - 2, 0, k)
    lower = prims.select(_order(lower, prims.eq), 1, _tril(lower, -1))
    return lower, _triu(upper)


@with_out
@scoped(name="linalg_lu")
def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """(P, L, U) with A = P L U. Without pivoting P is empty."""
    a = _matrix("linalg.lu", A)
    _pivoting("linalg.lu", pivot)
    packed, _, perm = prims.lu(a)
    return _LU(_permutation_matrix(perm, a), *_lu_parts(packed))


def _pivoting(name: str, pivot: bool) -> None:
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")


def _lu_factored(name: str, a: Tensor, pivot: bool, check: bool) -> tuple[Tensor, Tensor, Tensor]:
    a = _matrix(name, a)
    _pivoting(name, pivot)
    packed, pivots, _ = prims.lu(a)
    info = _singular(packed)
    if check:
        _require(name, prims.eq(info, 0), "U has a zero on its diagonal, so it is singular.")
    return packed, prims.add(pivots, 1), info


@with_out
@scoped(name="linalg_lu_factor")
def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """(LU, pivots): both factors in one matrix, and the row exchanged at each step, from 1."""
    return _LU_FACTOR(*_lu_factored("linalg.lu_factor", A, pivot, False)[:2])


@with_out
@scoped(name="linalg_lu_factor_ex")
def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """(LU, pivots, info)."""
    return _LU_FACTOR_EX(*_lu_factored("linalg.lu_factor_ex", A, pivot, check_errors))


@autocasts(name="lu")
@scoped(name="lu")
def plain_lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """(LU, pivots), with `info` if asked for."""
    packed, pivots, info = _lu_factored("linalg.lu_factor_ex", A, pivot, False)
    made = (packed, pivots, info) if get_infos else (packed, pivots)
    if out is None:
        return made
    for target, result in zip(out, made, strict=True):
        target.resize_(result.shape).copy_(result)  # any dtype takes the numbers, as in PyTorch
    return out


def _permutation_of(pivots: Tensor, rows: int) -> Tensor:
    """The permutation that exchanging rows one after the other makes."""
    lead, k = pivots._type.shape[:-1], pivots._type.shape[-1]
    perm = prims.iota(shape=(*lead, rows), axis=len(lead), dtype=int64)
    places = prims.iota(shape=(rows,), axis=0, dtype=int64)
    zero_based = prims.sub(prims.convert(pivots, int64), 1)
    last = len(lead)
    for i in range(k):
        j = span(zero_based, last, i, 1)
        here = span(perm, last, i, 1)
        there = prims.index(perm, *along(perm, last, j))
        perm = prims.select(prims.eq(places, j), here, perm)
        at_i = prims.eq(places, i)
        perm = prims.select(at_i, there, perm)
    return perm


@with_out
@scoped
def lu_unpack(
    LU_data: Tensor,
    LU_pivots: Tensor,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
    *,
    out: Any = None,
) -> Any:
    """(P, L, U) from what `linalg.lu_factor` gives."""
    name = "lu_unpack"
    check_tensor(name, LU_data, "LU_data")
    if unpack_pivots and LU_pivots._type.dtype is not int32:
        raise DTypeError(f"{name}: LU_pivots must be int32, got {LU_pivots._type.dtype}")
    none = prims.full(0, shape=(0,), dtype=LU_data._type.dtype, device=LU_data.device)
    p = lower = upper = none
    if unpack_pivots:
        rows = LU_data._type.shape[-2]
        require(
            LU_pivots,
            lambda pivot: (pivot >= 1) & (pivot <= rows),
            f"{name}: pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive",
        )
        p = _permutation_matrix(_permutation_of(LU_pivots, rows), LU_data)
    if unpack_data:
        lower, upper = _lu_parts(LU_data)
    return _result("lu_unpack", "P", "L", "U")(p, lower, upper)


def _lu_solve(name: str, packed: Tensor, pivots: Tensor, b: Tensor, left: bool, adjoint: bool):
    packed, b = _matrix(name, packed, True, "LU"), _matrix(name, b, argument="B")
    if pivots._type.dtype is not int32:
        raise DTypeError(f"{name}: pivots should be a Tensor of scalar type Int32. Got "
                         f"{pivots._type.dtype}")  # fmt: skip
    if pivots._type.shape != packed._type.shape[:-1]:
        raise ShapeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix"
        )
    if not left:
        b, adjoint = _adjoint(b), not adjoint
    lead = broadcast_shapes(name, packed._type.shape[:-2], b._type.shape[:-2])
    perm = _permutation_of(pivots, packed._type.shape[-1])
    perm = prims.broadcast(perm, shape=(*lead, perm._type.shape[-1]))
    b, packed = _systems(name, b, packed)
    x = _lu_solved(packed, perm, b, adjoint)
    return x if left else _adjoint(x)


@with_out
@scoped(name="linalg_lu_solve")
def lu_solve(
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """X with A X = B (or X A = B, or with the adjoint of A), given what `lu_factor` gives."""
    return _lu_solve("linalg.lu_solve", LU, pivots, B, left, adjoint)


@autocasts(name="lu_solve")
@with_out
@scoped(name="lu_solve")
def plain_lu_solve(
    b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """As `linalg.lu_solve`, with the right side first."""
    return _lu_solve("linalg.lu_solve", LU_data, LU_pivots, b, True, False)


# Determinants


def _log_det(name: str, a: Tensor) -> tuple[Tensor, Tensor]:
    """Sign and logarithm of the absolute value of the determinant."""
    a = _matrix(name, a, square=True)
    packed, pivots, _ = prims.lu(a)
    d = _diagonal(packed)
    last = d._type.ndim - 1
    size = a._type.shape[-1]
    swaps = prims.ne(pivots, prims.iota(shape=(size,), axis=0, dtype=int32))
    odd = prims.sum(prims.convert(swaps, int64), axes=(last,))
    odd = prims.eq(prims.bit_and(odd, 1), 1)
    size_of = d.abs()  # type: ignore[attr-defined]
    sign = d.sgn().prod(-1)  # type: ignore[attr-defined]
    sign = prims.select(odd, prims.neg(sign), sign)
    return sign, prims.sum(prims.log(size_of), axes=(last,))


@with_out
@scoped(name="linalg_slogdet")
def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """(sign, logabsdet) of square matrices."""
    return _SLOGDET(*_log_det("linalg.slogdet", A))


@with_out
@scoped(name="slogdet")
def plain_slogdet(input: Tensor, *, out: Any = None) -> Any:
    """As `linalg.slogdet`."""
    return _result("slogdet", "sign", "logabsdet")(*_log_det("linalg.slogdet", input))


@scoped
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant: nan where it is negative."""
    sign, log = _log_det("linalg.logdet", input)
    if sign._type.dtype.kind == "complex":
        return prims.add(prims.log(sign), prims.convert(log, sign._type.dtype))
    return prims.select(prims.lt(sign, 0), math.nan, log)


def _det(name: str, a: Tensor) -> Tensor:
    a = _matrix(name, a, square=True)
    packed, pivots, _ = prims.lu(a)
    size = a._type.shape[-1]
    swaps = prims.ne(pivots, prims.iota(shape=(size,), axis=0, dtype=int32))
    odd = prims.sum(prims.convert(swaps, int64), axes=(pivots._type.ndim - 1,))
    product = _diagonal(packed).prod(-1)  # type: ignore[attr-defined]
    return prims.select(prims.eq(prims.bit_and(odd, 1), 1), prims.neg(product), product)


@with_out
@scoped(name="linalg_det")
def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinant of square matrices."""
    return _det("linalg.det", A)


@scoped(name="det")
def plain_det(input: Tensor) -> Tensor:
    """As `linalg.det`."""
    return _det("linalg.det", input)


# Orthogonal factors


_MODES = ("reduced", "complete", "r")


def _qr(name: str, a: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    a = _matrix(name, a)
    if mode not in _MODES:
        raise ShapeError(
            f"{name} received unrecognized mode '{mode}' but expected one of 'reduced' (default), "
            "'r', or 'complete'"
        )
    q, r = prims.qr(a, full=mode == "complete")
    if mode == "r":
        q = prims.full(0, shape=(0,), dtype=a._type.dtype, device=a.device)
    return q, r


@autocasts
@with_out
@scoped(name="linalg_qr")
def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """(Q, R) with A = Q R, Q orthonormal and R upper triangular. `mode` "r": R alone."""
    return _QR(*_qr("linalg.qr", A, mode))


@autocasts(name="qr")
@with_out
@scoped(name="qr")
def plain_qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """As `linalg.qr`."""
    return _result("qr", "Q", "R")(*_qr("linalg.qr", input, "reduced" if some else "complete"))


# Eigenvalues and singular values


def _hermitian(name: str, a: Tensor, uplo: str) -> Tensor:
    a = _matrix(name, a, square=True)
    if uplo.upper() not in ("L", "U"):
        raise ShapeError(f"{name}: Expected UPLO argument to be 'L' or 'U', but got {uplo}")
    return a if uplo.upper() == "L" else _adjoint(a)


@autocasts
@with_out
@scoped(name="linalg_eigh")
def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors) of symmetric or Hermitian matrices, values ascending.

    Only one triangle is read: the lower, or the upper with "U".
    """
    return _EIGH(*prims.eigh(_hermitian("linalg.eigh", A, UPLO)))


@autocasts
@with_out
@scoped(name="linalg_eigvalsh")
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of symmetric or Hermitian matrices, ascending."""
    return prims.eigh(_hermitian("linalg.eigvalsh", A, UPLO))[0]


@autocasts
@with_out
@scoped(name="linalg_eig")
def eig(A: Tensor, *, out: Any = None) -> Any:
    """(eigenvalues, eigenvectors) of square matrices, complex. On the CPU alone."""
    return _EIG(*prims.eig(_matrix("linalg.eig", A, square=True)))


@autocasts
@with_out
@scoped(name="linalg_eigvals")
def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of square matrices, complex. On the CPU alone."""
    return prims.eig(_matrix("linalg.eigvals", A, square=True))[0]


@autocasts
@with_out
@scoped(name="linalg_svd")
def svd(
    A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None
) -> Any:
    """(U, S, Vh) with A = U diag(S) Vh, S descending."""
    _driver("linalg.svd", driver)
    return _SVD(*prims.svd(_matrix("linalg.svd", A), full=bool(full_matrices)))


def _driver(name: str, driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(f"{name}: keyword argument `driver=` is only supported on CUDA inputs")


@autocasts(name="svd")
@with_out
@scoped(name="svd")
def plain_svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """(U, S, V) with input = U diag(S) V^H."""
    a = _matrix("linalg.svd", input)
    made = _result("svd", "U", "S", "V")
    u, s, vh = prims.svd(a, full=not some)
    if compute_uv:
        return made(u, s, _adjoint(vh))
    m, n = a._type.shape[-2:]
    lead = a._type.shape[:-2]
    none = [
        prims.full(0, shape=(*lead, k, k), dtype=a._type.dtype, device=a.device) for k in (m, n)
    ]
    return made(none[0], s, none[1])


@autocasts
@with_out
@scoped(name="linalg_svdvals")
def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values of matrices, descending."""
    _driver("linalg.svdvals", driver)
    return prims.svd(_matrix("linalg.svdvals", A), full=False)[1]


# What is put together from these


def _epsilon(x: Tensor) -> float:
    return 2.0**-23 if x._type.dtype.name in ("float32", "complex64") else 2.0**-52


def _cutoff(a: Tensor, s: Tensor, atol: Any, rtol: Any) -> Tensor:
    """Below which singular values count as zero."""
    if rtol is None:
        given = atol is not None
        default = _epsilon(a) * max(a._type.shape[-2:], default=0)
        if isinstance(atol, Tensor):
            rtol = prims.mul(prims.convert(prims.le(atol, 0), s._type.dtype), default)
        else:
            rtol = 0.0 if given and atol > 0 else default
    atol = 0.0 if atol is None else atol
    largest = s.amax(-1, keepdim=True) if s._type.shape[-1] else s.sum(-1, keepdim=True)  # type: ignore[attr-defined]

    def column(t: Any) -> Any:
        return t.unsqueeze(-1).to(s.dtype) if isinstance(t, Tensor) else t  # type: ignore[attr-defined]

    relative = largest * column(rtol)
    absolute = column(atol)
    if isinstance(absolute, Tensor):
        return relative.maximum(absolute + relative * 0)
    return relative.clamp(min=absolute)


def _spectrum(a: Tensor, hermitian: bool) -> Tensor:
    if hermitian:
        return prims.abs(prims.eigh(a)[0])
    return prims.svd(a, full=False)[1]


@autocasts
@with_out
@scoped(name="linalg_matrix_rank")
def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """How many singular values lie above `max(atol, rtol * largest)`: int64."""
    name = "linalg.matrix_rank"
    a = _matrix(name, A, square=hermitian)
    if tol is not None:
        atol, rtol = tol, 0.0
    s = _spectrum(a, hermitian)
    above = prims.gt(s, _cutoff(a, s, atol, rtol))
    return prims.sum(prims.convert(above, int64), axes=(above._type.ndim - 1,))


@with_out
@scoped(name="linalg_pinv")
def pinv(
    input: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The pseudoinverse: singular values below `max(atol, rtol * largest)` count as zero."""
    A = input
    name = "linalg.pinv"
    a = _matrix(name, A, square=hermitian)
    rtol = rcond if rcond is not None else rtol
    if not a._type.numel:
        return _adjoint(a)
    if hermitian:
        w, v = prims.eigh(a)
        size = prims.abs(w)
        keep = prims.gt(size, _cutoff(a, size, atol, rtol))
        inverse_w = prims.select(keep, prims.div(1.0, prims.select(keep, w, 1)), 0)
        return matmul(prims.mul(v, _row(inverse_w, v)), _adjoint(v))
    u, s, vh = prims.svd(a, full=False)
    keep = prims.gt(s, _cutoff(a, s, atol, rtol))
    inverse_s = prims.select(keep, prims.div(1.0, prims.select(keep, s, 1)), 0)
    made = matmul(prims.mul(_adjoint(vh), _row(inverse_s, u)), _adjoint(u))
    return _pinv_with_history(a, made.detach()) if a.requires_grad else made


def _pinv_with_history(a: Tensor, p: Tensor) -> Tensor:
    """The pseudoinverse `p` of `a`, differentiable by `a` among matrices of its rank.

    The gradient of singular vectors is infinite where singular values coincide, so it goes
    another way. With c = p^H p p^H, a^H c a^H is p here and has the rows and columns of
    a^H beside it; there Newton's iteration (Ben-Israel & Cohen 1966, doi:10.1137/0703035)
    squares the distance from the pseudoinverse, so two steps give three derivatives.
    """
    ah, ph = _adjoint(a), _adjoint(p)
    near = matmul(matmul(ah, matmul(matmul(ph, p), ph)), ah)
    for _ in range(2):
        near = prims.graft(p, near)
        near = 2 * near - matmul(matmul(near, a), near)
    return prims.graft(p, near)


def _row(d: Tensor, x: Tensor) -> Tensor:
    made = prims.reshape(d, shape=(*d._type.shape[:-1], 1, d._type.shape[-1]))
    return prims.convert(made, x._type.dtype)


@autocasts
@scoped
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """As `linalg.pinv`."""
    return pinv(input, rcond)


@autocasts
@with_out
@scoped(name="linalg_cond")
def cond(A: Tensor, p: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The condition number: the norm of `A` times that of its inverse."""
    from .linalg import matrix_norm

    name = "linalg.cond"
    a = _matrix(name, A)
    if p is None or p in (2, -2):
        s = prims.svd(a, full=False)[1]
        if not s._type.shape[-1]:
            return prims.sum(s, axes=(s._type.ndim - 1,))
        first, last = s[..., 0], s[..., -1]  # type: ignore[index]
        return last / first if p == -2 else first / last
    a = _matrix(name, A, square=True)
    if p not in ("fro", "nuc", math.inf, -math.inf, 1, -1):
        raise ShapeError(f"{name} got an invalid norm type: {p}")
    return matrix_norm(a, p) * matrix_norm(_inverse(name, a, False)[0], p)


@with_out
@scoped
def matrix_power(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The `n`-th power of square matrices, by repeated squaring; negative of the inverse."""
    name = "linalg.matrix_power"
    check_tensor(name, input)
    n = as_int(name, n, "n")
    shape = input._type.shape
    if input._type.ndim < 2 or shape[-1] != shape[-2]:
        raise ShapeError(
            f"{name}: A must be batches of square matrices, but they are of shape {list(shape)}"
        )
    if n == 0:
        return _of(input, _identity(input))
    x = _inverse(name, input, True)[0] if n < 0 else input
    n = abs(n)
    made: Tensor | None = None
    while n:
        if n & 1:
            made = x if made is None else matmul(made, x)
        n >>= 1
        if n:
            x = matmul(x, x)
    assert made is not None
    return made.clone() if made is input else made  # type: ignore[attr-defined]


# Coefficients of the [13/13] Padé approximant, and the largest norm it serves in double
# precision: Higham 2005, doi:10.1137/04061101X, table 2.3.
_PADE = (
    *(64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0),
    *(129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0),
    *(40840800.0, 960960.0, 16380.0, 182.0, 1.0),
)
_THETA = 5.371920351148152
_SQUARINGS = 16


@autocasts
@scoped(name="matrix_exp")
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices, by scaling, a Padé approximant and squaring."""
    a = _matrix("linalg.matrix_exp", A, square=True)
    if not a._type.numel:
        return a.clone()  # type: ignore[attr-defined]
    size = a.detach().abs().sum(-2).amax(-1)  # type: ignore[attr-defined]
    steps = (size / _THETA).log2().ceil().clamp(0, _SQUARINGS)
    factor = (2.0 ** (-steps)).unsqueeze(-1).unsqueeze(-1)
    x = a * factor.to(a.dtype)
    eye = _identity(x)
    x2 = matmul(x, x)
    x4 = matmul(x2, x2)
    x6 = matmul(x4, x2)
    c = _PADE
    odd = matmul(x6, c[13] * x6 + c[11] * x4 + c[9] * x2)
    odd = matmul(x, odd + c[7] * x6 + c[5] * x4 + c[3] * x2 + c[1] * eye)
    even = matmul(x6, c[12] * x6 + c[10] * x4 + c[8] * x2)
    even = even + c[6] * x6 + c[4] * x4 + c[2] * x2 + c[0] * eye
    packed, _, perm = prims.lu(even - odd)
    made = _lu_solved(packed, perm, even + odd)
    many = steps.unsqueeze(-1).unsqueeze(-1)
    known = steps._host_if_ready()
    bound = _SQUARINGS if known is None else int(known.max())
    for i in range(bound):
        made = prims.select(prims.gt(many, float(i)), matmul(made, made), made)
    return made


@autocasts
@with_out
@scoped(name="linalg_lstsq")
def lstsq(
    input: Tensor, b: Tensor, rcond: Any = None, *, driver: str | None = None, out: Any = None
) -> Any:
    """(solution, residuals, rank, singular_values) of least squares, by the pseudoinverse."""
    A, B = input, b
    name = "linalg.lstsq"
    a = _matrix(name, A)
    check_tensor(name, B, "B", 2)
    if a._type.dtype is not B._type.dtype:
        raise DTypeError(
            f"{name}: Expected input and other to have the same dtype, but got {a._type.dtype} and "
            f"{B._type.dtype}"
        )
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ShapeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    m, n = a._type.shape[-2:]
    vector = B._type.ndim == a._type.ndim - 1 or B._type.ndim == 1
    b = B.unsqueeze(-1) if vector else B  # type: ignore[attr-defined]
    if b._type.shape[-2] != m:
        raise ShapeError(
            f"{name}: input.size(-2) should match other.size(-{1 if vector else 2}), got {m} and "
            f"{b._type.shape[-2]}"
        )
    s = prims.svd(a, full=False)[1].detach()
    tolerance = _epsilon(a) * max(m, n) if rcond is None else float(rcond)
    solution = matmul(pinv(a, rtol=tolerance), b)
    rank = matrix_rank(a.detach(), rtol=tolerance)
    none = prims.full(0, shape=(0,), dtype=s._type.dtype, device=a.device)
    residuals = none
    if m > n and driver != "gelsy":
        gap = matmul(a, solution) - b
        residuals = (gap.abs() ** 2).sum(-2)
    ranks = rank if driver != "gels" else prims.full(0, shape=(0,), dtype=int64, device=a.device)
    values = s if driver in ("gelsd", "gelss") else none
    if vector:
        solution = solution.squeeze(-1)  # type: ignore[attr-defined]
    return _LSTSQ(solution, residuals, ranks, values)


@autocasts
@with_out
@scoped(name="linalg_multi_dot")
def multi_dot(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The product of matrices in the order that costs least.

    Source: Cormen et al., Introduction to Algorithms, section 15.2.
    """
    name = "linalg.multi_dot"
    parts = list(tensors)
    if len(parts) < 2:
        raise ShapeError(f"{name}: expected at least 2 tensors but got {len(parts)}")
    for i, t in enumerate(parts):
        check_tensor(name, t, "tensors")
        edge = i in (0, len(parts) - 1)
        if t._type.ndim != 2 and not (edge and t._type.ndim == 1):
            raise ShapeError(f"{name}: tensor {i} must be 2D but got {t._type.ndim}D")
        if t._type.dtype is not parts[0]._type.dtype:
            raise DTypeError(f"{name}: all tensors must have be the same dtype but tensor 0 is "
                             f"{parts[0]._type.dtype} and tensor {i} {t._type.dtype}")  # fmt: skip
    first, last = parts[0]._type.ndim == 1, parts[-1]._type.ndim == 1
    if first:
        parts[0] = prims.reshape(parts[0], shape=(1, parts[0]._type.numel))
    if last:
        parts[-1] = prims.reshape(parts[-1], shape=(parts[-1]._type.numel, 1))
    for i, (x, y) in enumerate(itertools.pairwise(parts)):
        if x._type.shape[1] != y._type.shape[0]:
            raise ShapeError(
                f"{name}: tensors {i} and {i + 1} with shapes {list(x._type.shape)} and "
                f"{list(y._type.shape)} cannot be multiplied"
            )
    made = _chain(parts)
    shape = made._type.shape
    if first or last:
        made = prims.reshape(made, shape=shape[int(first) : 2 - int(last)])
    return made


def _chain(parts: list[Tensor]) -> Tensor:
    sizes = [parts[0]._type.shape[0], *(t._type.shape[1] for t in parts)]
    count = len(parts)
    cost = [[0] * count for _ in range(count)]
    cut = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i][j], cut[i][j] = min(options)

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return parts[i]
        k = cut[i][j]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, count - 1)


@autocasts
@scoped
def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """As `linalg.multi_dot`."""
    given = list(matrices)
    return multi_dot(given) if len(given) > 1 else given[0]


def _reflected(name: str, a: Tensor, tau: Tensor, other: Tensor, left: bool, transpose: bool):
    """`other` times the product of the reflections in the columns of `a`."""
    n = a._type.ndim
    lower = prims.select(_order(a, prims.eq), 1, _tril(a, -1))
    count = tau._type.shape[-1]
    order = range(count) if left == transpose else range(count - 1, -1, -1)
    for i in order:
        v = span(lower, n - 1, i, 1)
        t = prims.reshape(span(tau, n - 2, i, 1), shape=(*tau._type.shape[:-1], 1, 1))
        if transpose and t._type.dtype.kind == "complex":
            t = prims.conj(t)
        if left:
            other = other - matmul(v * t, matmul(_adjoint(v), other))
        else:
            other = other - matmul(matmul(other, v) * t, _adjoint(v))
    return other


@autocasts
@with_out
@scoped(name="linalg_householder_product")
def householder_product(A: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first columns of the product of Householder reflections I - tau v v^H, whose
    vectors are the columns of `A` below the diagonal."""
    name = "linalg.householder_product"
    a = _matrix(name, A)
    check_tensor(name, tau, "tau", 2)
    m, n = a._type.shape[-2:]
    if m < n:
        raise ShapeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if n < tau._type.shape[-1]:
        raise ShapeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if tau._type.ndim != a._type.ndim - 1 or tau._type.shape[:-1] != a._type.shape[:-2]:
        raise ShapeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau._type.shape[:-1])}"
        )
    if tau._type.dtype is not a._type.dtype:
        raise DTypeError(f"{name}: tau dtype {tau._type.dtype} does not match input dtype "
                         f"{a._type.dtype}")  # fmt: skip
    return _reflected(name, a, tau, _of(a, _identity(a)), True, False)


@autocasts
@with_out
@scoped
def ormqr(
    input: Tensor,
    tau: Tensor,
    other: Tensor,
    left: bool = True,
    transpose: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`other` times the product of Householder reflections, or its adjoint, from a side."""
    name = "ormqr"
    a, other = _matrix(name, input), _matrix(name, other, argument="other")
    check_tensor(name, tau, "tau", 2)
    m = a._type.shape[-2]
    if other._type.shape[-2 if left else -1] != m:
        raise ShapeError(
            f"{name}: other.shape[{-2 if left else -1}] must be equal to input.shape[-2]"
        )
    if tau._type.shape[-1] > min(a._type.shape[-2:]):
        raise ShapeError(f"{name}: tau.shape[-1] must be less than or equal to input.shape[-1]")
    return _reflected(name, a, tau, other, left, transpose)


@autocasts
@with_out
@scoped
def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """(a, tau): R above the diagonal, and the vectors of its Householder reflections below."""
    a = _matrix("geqrf", input)
    n = a._type.ndim
    m, columns = a._type.shape[-2:]
    rows = prims.iota(shape=(m, 1), axis=0, dtype=int64)
    taus: list[Tensor] = []
    for i in range(min(m, columns)):
        x = span(a, n - 1, i, 1)
        below = prims.select(prims.gt(rows, i), x, 0)
        alpha = span(x, n - 2, i, 1)
        rest = (below.abs() ** 2).sum(-2, keepdim=True)
        size = ((alpha.abs() ** 2) + rest).sqrt()
        real = alpha.real if alpha._type.dtype.kind == "complex" else alpha
        beta = prims.select(prims.ge(real, 0), prims.neg(size), size)
        beta_c = beta.to(a.dtype)
        still = prims.eq(rest, 0)
        if a._type.dtype.kind == "complex":
            still = prims.bit_and(still, prims.eq(alpha.imag, 0))
        safe = prims.select(still, 1, beta_c)
        tau = prims.select(still, 0, (beta_c - alpha) / safe)
        scale = prims.select(still, 1, alpha - beta_c)
        v = prims.select(prims.eq(rows, i), 1, below / scale)
        v = prims.select(prims.lt(rows, i), 0, v)
        factor = tau.conj() if a._type.dtype.kind == "complex" else tau
        reflected = a - matmul(v * factor, matmul(_adjoint(v), a))
        column = prims.select(prims.gt(rows, i), v, span(reflected, n - 1, i, 1))
        pieces = [span(a, n - 1, 0, i), column, span(reflected, n - 1, i + 1, columns - i - 1)]
        a = prims.concatenate(*[p for p in pieces if p._type.shape[-1]], axis=n - 1)
        taus.append(prims.reshape(tau, shape=(*a._type.shape[:-2], 1)))
    if taus:
        tau_all = prims.concatenate(*taus, axis=n - 2) if len(taus) > 1 else taus[0]
    else:
        tau_all = prims.full(0, shape=(*a._type.shape[:-2], 0), dtype=a._type.dtype)
    return _result("geqrf", "a", "tau")(a, tau_all)


@scoped(name="linalg_vander")
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers 0 to N - 1 of each element along a new last dim."""
    check_tensor("linalg.vander", x)
    if x._type.dtype.kind == "bool":
        x = prims.convert(x, int64)
    if not x._type.ndim:
        x = prims.reshape(x, shape=(1,))
    count = x._type.shape[-1] if N is None else as_int("linalg.vander", N, "N")
    if count <= 1:
        raise ShapeError("linalg.vander: N must be greater than 1.")
    ones = prims.full(1, shape=(*x._type.shape, 1), dtype=x._type.dtype, device=x.device)
    if x._type.dtype.kind in ("int", "uint") and x._type.dtype is not int64:
        x, ones = prims.convert(x, int64), prims.convert(ones, int64)
    column = prims.reshape(x, shape=(*x._type.shape, 1))
    wide = prims.broadcast(column, shape=(*x._type.shape, count - 1))
    return prims.concatenate(ones, wide.cumprod(-1), axis=x._type.ndim)  # type: ignore[attr-defined]


@autocasts
@with_out
@scoped(name="linalg_tensorinv")
def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `tensordot` by `A`, whose first `ind` dims are the result's."""
    check_tensor("linalg.tensorinv", A)
    if ind <= 0:
        raise ShapeError("Expected a strictly positive integer for 'ind'")
    shape = A._type.shape
    first, rest = math.prod(shape[:ind]), math.prod(shape[ind:])
    if first != rest:
        raise ShapeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {rest} != {first}"
        )
    flat = prims.reshape(A, shape=(first, rest))
    made = _inverse("linalg.tensorinv", flat, True)[0]
    return prims.reshape(made, shape=(*shape[ind:], *shape[:ind]))


@autocasts
@with_out
@scoped(name="linalg_tensorsolve")
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Tensor | None = None) -> Tensor:
    """X with `tensordot(A, X, X.ndim) == B`."""
    check_tensor("linalg.tensorsolve", A)
    x = A
    if dims is not None:
        moved = [d % A._type.ndim for d in dims]
        order = (*(d for d in range(A._type.ndim) if d not in moved), *moved)
        x = prims.transpose(A, perm=order)
    rest = x._type.shape[B._type.ndim :]
    if (
        math.prod(rest) != B._type.numel
        or math.prod(x._type.shape[: B._type.ndim]) != B._type.numel
    ):
        raise ShapeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {math.prod(rest)} != {B._type.numel}"
        )
    flat = prims.reshape(x, shape=(B._type.numel, math.prod(rest)))
    vector = prims.reshape(B, shape=(B._type.numel,))
    made = _solved("linalg.tensorsolve", flat, vector, True, True)[0]
    return prims.reshape(made, shape=rest)


@with_out
@scoped(name="linalg_cross")
def linalg_cross(
    input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None
) -> Tensor:
    """The cross product of vectors of three elements along `dim`."""
    return _cross("linalg.cross", input, other, dim)


@autocasts
@with_out
@scoped
def cross(
    input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The cross product along `dim`, or along the first dim of size 3."""
    check_tensor("cross", input)
    if dim is None:
        found = [d for d, n in enumerate(input._type.shape) if n == 3]
        if not found:
            raise ShapeError("no dimension of size 3 in input")
        dim = found[0]
    return _cross("linalg.cross", input, other, dim)


def _cross(name: str, x: Tensor, y: Tensor, dim: int) -> Tensor:
    from .common import normalize_dim
    from .join import roll

    check_tensor(name, x)
    check_tensor(name, y, "other", 2)
    if x._type.ndim != y._type.ndim:
        raise ShapeError(f"{name}: inputs must have the same number of dimensions.")
    axis = normalize_dim(name, dim, x._type.ndim)
    if x._type.shape[axis] != 3 or y._type.shape[axis] != 3:
        raise ShapeError(
            f"{name}: inputs dimension {axis} must have length 3. Got {x._type.shape[axis]} and "
            f"{y._type.shape[axis]}"
        )
    broadcast_shapes(name, x._type.shape, y._type.shape)
    return roll(x, -1, axis) * roll(y, -2, axis) - roll(x, -2, axis) * roll(y, -1, axis)


@scoped(name="linalg_diagonal")
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of matrices."""
    return A.diagonal(offset, dim1, dim2)  # type: ignore[attr-defined]


# Products


@autocasts
@with_out
@scoped
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two vectors, the first conjugated."""
    from .linalg import dot

    check_tensor("vdot", input)
    x = prims.conj(input) if input._type.dtype.kind == "complex" else input
    return dot(x, other)


@with_out
@scoped
def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of products along the last dim of both; of numbers their product."""
    from .linalg import dot, tensordot

    check_tensor("inner", input)
    check_tensor("inner", other, "other", 2)
    if not input._type.ndim or not other._type.ndim:
        return input * other
    if input._type.shape[-1] != other._type.shape[-1]:
        raise ShapeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input._type.shape)} and {list(other._type.shape)}"
        )
    if input._type.ndim == other._type.ndim == 1:
        return dot(input, other)
    return tensordot(input, other, ([-1], [-1]))


@with_out
@scoped
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: each element of `input` times all of `other`."""
    check_tensor("kron", input)
    check_tensor("kron", other, "other", 2)
    ndim = max(input._type.ndim, other._type.ndim)
    a = (1,) * (ndim - input._type.ndim) + input._type.shape
    b = (1,) * (ndim - other._type.ndim) + other._type.shape
    x = input.reshape([n for m in a for n in (m, 1)])
    y = other.reshape([n for m in b for n in (1, m)])
    product: Tensor = x * y
    seen = product.reshape([m * n for m, n in zip(a, b, strict=True)])
    return relayout(prims.reshape(product, shape=seen._type.shape), seen._strides)


@autocasts
@with_out
@scoped
def addbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`beta * input` plus `alpha` times the sum of the products of a batch of matrices."""
    check_tensor("addbmm", input)
    if input._type.ndim > 2:
        raise ShapeError("addbmm: expand: the number of sizes provided (2) must be greater or equal "
                         f"to the number of dimensions in the tensor ({input._type.ndim})")  # fmt: skip
    product = prims.sum(bmm(batch1, batch2), axes=(0,))
    return relayout(combined("addbmm", input, product, beta, alpha), None)


LINALG: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(cholesky, cholesky_ex, solve, solve_ex, inv, inv_ex, solve_triangular, lu, lu_factor),
        *(lu_factor_ex, lu_solve, slogdet, det, qr, eigh, eigvalsh, eig, eigvals, svd, svdvals),
        *(matrix_rank, pinv, cond, matrix_power, matrix_exp, lstsq, multi_dot, vander),
        *(householder_product, tensorinv, tensorsolve),
    )
}
LINALG |= {"cross": linalg_cross, "diagonal": linalg_diagonal}
METHODS: dict[str, Callable[..., Any]] = {
    "cholesky": plain_cholesky,
    "det": plain_det,
    "slogdet": plain_slogdet,
    "qr": plain_qr,
    "svd": plain_svd,
    "lu": plain_lu,
    "lu_solve": plain_lu_solve,
    **{
        f.__name__: f
        for f in (
            *(cholesky_solve, cholesky_inverse, inverse, logdet, matrix_power, matrix_exp),
            *(pinverse, ormqr, geqrf, triangular_solve, cross, vdot, inner, kron, addbmm),
        )
    },
    "orgqr": householder_product,
}
FUNCTIONS = METHODS | {"lu_unpack": lu_unpack, "chain_matmul": chain_matmul}
INPLACE = ("addbmm",)
INPLACE_FUNCTIONS: tuple[str, ...] = ()
