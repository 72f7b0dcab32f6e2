"""Symmetric indefinite factorisation: `linalg.ldl_factor` and what is solved by it.

Bound by `methods.py`, into `thrace.linalg`.
"""

from __future__ import annotations

from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.promotion import broadcast_shapes
from ...ir.types import int32
from .. import prims
from ..scoping import scoped
from ..tensor import Tensor
from .common import with_out
from .decompositions import _diagonal, _matrix, _require, _result, _spread

_FACTOR = _result("linalg_ldl_factor", "LD", "pivots")
_FACTOR_EX = _result("linalg_ldl_factor_ex", "LD", "pivots", "info")


def _factored(name: str, a: Tensor, hermitian: bool, check: bool) -> tuple[Tensor, ...]:
    """The packed factors, the pivots, and the number of the first block of D that is zero."""
    a = _matrix(name, a, square=True)
    packed, pivots = prims.ldl_factor(a, hermitian=hermitian)
    n = a._type.shape[-1]
    zero = prims.bit_and(prims.eq(_diagonal(packed), 0), prims.gt(pivots, 0))
    number = prims.add(prims.iota(shape=(n,), axis=0, dtype=int32, device=a.device), 1)
    last = len(pivots._type.shape) - 1
    first = prims.select(zero, number, n + 1)
    none = prims.bit_not(prims.any(zero, axes=(last,)))
    info = prims.select(none, 0, prims.amin(first, axes=(last,)) if n else _none(pivots))
    if check:
        _require(name, prims.eq(info, 0), "D has a zero block, so it is singular.")
    return packed, pivots, info


def _none(pivots: Tensor) -> Tensor:
    return prims.full(0, shape=pivots._type.shape[:-1], dtype=int32, device=pivots.device)


@with_out
@scoped(name="linalg_ldl_factor")
def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """(LD, pivots): the factors of a symmetric (or Hermitian) matrix in LAPACK's packed form.

    Only the lower triangle of `A` is read. For `linalg.ldl_solve`; it has no gradient.
    """
    return _FACTOR(*_factored("linalg.ldl_factor", A, hermitian, True)[:2])


@with_out
@scoped(name="linalg_ldl_factor_ex")
def ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """(LD, pivots, info); `info` is the number of the first zero on the diagonal of D, or 0."""
    return _FACTOR_EX(*_factored("linalg.ldl_factor_ex", A, hermitian, check_errors))


@with_out
@scoped(name="linalg_ldl_solve")
def ldl_solve(
    LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Tensor | None = None
) -> Tensor:
    """X with A X = B, given what `linalg.ldl_factor` gives for A."""
    name = "linalg.ldl_solve"
    packed, b = _matrix(name, LD, True, "LD"), _matrix(name, B, argument="B")
    if pivots._type.dtype is not int32:
        raise DTypeError(f"{name}: Expected pivots to be integers. Got {pivots._type.dtype}")
    if pivots._type.shape != packed._type.shape[:-1]:
        raise ShapeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with "
            f"shape {list(pivots._type.shape)} instead"
        )
    if packed._type.dtype is not b._type.dtype:
        raise DTypeError(
            f"{name}: LD dtype {packed._type.dtype} does not match b dtype {b._type.dtype}"
        )
    if packed._type.shape[-1] != b._type.shape[-2]:
        raise ShapeError(
            f"{name}: Incompatible matrix sizes: {list(packed._type.shape)} and "
            f"{list(b._type.shape)}"
        )
    lead = broadcast_shapes(name, packed._type.shape[:-2], b._type.shape[:-2])
    order = prims.broadcast(pivots, shape=(*lead, pivots._type.shape[-1]))
    return prims.ldl_solve(_spread(packed, lead), order, _spread(b, lead), hermitian=hermitian)


LINALG = {f.__name__: f for f in (ldl_factor, ldl_factor_ex, ldl_solve)}
