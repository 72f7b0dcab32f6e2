"""Symmetric indefinite factorisation A = L D L^T (Bunch and Kaufman), and solves with it.

LAPACK's packed form: L below the diagonal, 1x1 and 2x2 blocks of D on it, and pivots from 1:
negative ones belong to blocks of two. `hermitian` has L^H for L^T.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..types import TensorType, int32
from .decompositions import check_matrix
from .table import op, table


def _factor_type(name: str, a: TensorType, *, hermitian: bool) -> tuple[TensorType, TensorType]:
    check_matrix(name, a, square=True)
    return a, TensorType(a.shape[:-1], int32)


def _prefix(a: np.ndarray, hermitian: bool) -> str:
    return "he" if hermitian and a.dtype.kind == "c" else "sy"


def _factor(a: np.ndarray, *, hermitian: bool) -> tuple[np.ndarray, np.ndarray]:
    from scipy.linalg import lapack

    packed, pivots = np.zeros_like(a), np.zeros(a.shape[:-1], np.int32)
    if a.size:
        (factor,) = lapack.get_lapack_funcs((f"{_prefix(a, hermitian)}trf",), (a,))
        for place in np.ndindex(a.shape[:-2]):
            made, pivots[place], _ = factor(a[place], lower=1)
            packed[place] = np.tril(made)
    return packed, pivots


def _solve_type(
    name: str, packed: TensorType, pivots: TensorType, x: TensorType, *, hermitian: bool
) -> TensorType:
    check_matrix(name, packed, square=True)
    check_matrix(name, x)
    if (
        packed.dtype is not x.dtype
        or packed.shape[:-2] != x.shape[:-2]
        or packed.shape[-1] != x.shape[-2]
        or pivots.shape != packed.shape[:-1]
        or pivots.dtype is not int32
    ):
        raise ShapeError(f"{name}: Incompatible shapes or dtypes {packed}, {pivots} and {x}")
    return x


def _solve(packed: np.ndarray, pivots: np.ndarray, x: np.ndarray, *, hermitian: bool) -> np.ndarray:
    from scipy.linalg import lapack

    out = np.zeros_like(x)
    if x.size:
        (solve,) = lapack.get_lapack_funcs((f"{_prefix(x, hermitian)}trs",), (x,))
        for place in np.ndindex(x.shape[:-2]):
            out[place], _ = solve(packed[place], pivots[place], x[place], lower=1)
    return out


_NO_GRAD = "PyTorch has none either: the packed form is for solving"

LDL = table(
    op(
        "ldl_factor",
        _factor_type,
        attrs=("hermitian",),
        evaluate=_factor,
        multiple=True,
        no_grad=_NO_GRAD,
    ),
    op(
        "ldl_solve",
        _solve_type,
        attrs=("hermitian",),
        evaluate=_solve,
        no_grad=_NO_GRAD,
    ),
)
