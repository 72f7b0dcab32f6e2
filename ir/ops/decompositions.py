"""Factorisations of matrices, batched over leading axes, and triangular solves.

Gradients are written with products and solves alone, so they have gradients again.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..types import DType, TensorType, complex64, complex128, float32, float64, int32, int64
from .sort import along
from .table import op, table
from .typing import check_dtype

_FLOATS: tuple[DType, ...] = (float32, float64, complex64, complex128)


def check_matrix(name: str, x: TensorType, square: bool = False) -> None:
    if x.dtype not in _FLOATS:
        check_dtype(name, x.dtype, frozenset())
    if x.ndim < 2:
        raise ShapeError(f"{name}: shape {x.shape} is no matrix: it needs at least 2 dimensions")
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"{name}: A must be batches of square matrices, but they are {x.shape[-2]} by "
            f"{x.shape[-1]} matrices"
        )


# Matrices in gradient rules


def _mm(b: Any, x: Any, y: Any) -> Any:
    """The product of matrices with the same leading axes."""
    n = x.type.ndim
    lead = tuple(range(n - 2))
    return b.dot_general(x, y, contract=((n - 1,), (n - 2,)), batch=(lead, lead))


def _t(b: Any, x: Any) -> Any:
    n = x.type.ndim
    return b.transpose(x, (*range(n - 2), n - 1, n - 2))


def _h(b: Any, x: Any) -> Any:
    return b.conj(_t(b, x))


def _mask(b: Any, x: Any, keep: str, offset: int = 0) -> Any:
    """Where the row and column of an element are in an order: "ge", "le" or "eq"."""
    m, n = x.type.shape[-2:]
    row = b.iota(shape=(m, 1), axis=0, dtype=int64)
    column = b.iota(shape=(1, n), axis=1, dtype=int64)
    return getattr(b, keep)(row, b.sub(column, offset) if offset else column)


def _tril(b: Any, x: Any, offset: int = 0) -> Any:
    return b.select(_mask(b, x, "ge", offset), x, 0)


def _triu(b: Any, x: Any, offset: int = 0) -> Any:
    return b.select(_mask(b, x, "le", offset), x, 0)


def _diag(b: Any, x: Any) -> Any:
    """The diagonal of square matrices."""
    return b.sum(b.select(_mask(b, x, "eq"), x, 0), (x.type.ndim - 1,))


def _column(b: Any, d: Any) -> Any:
    return b.reshape(d, (*d.type.shape, 1))


def _row(b: Any, d: Any) -> Any:
    return b.reshape(d, (*d.type.shape[:-1], 1, d.type.shape[-1]))


def _with_diag(b: Any, x: Any, d: Any) -> Any:
    """Square matrices with another diagonal."""
    return b.select(_mask(b, x, "eq"), _row(b, d), x)


def _part(b: Any, x: Any, axis: int, start: int, size: int) -> Any:
    shape = x.type.shape
    axis += len(shape)
    if start == 0 and size == shape[axis]:
        return x
    return b.slice(
        x,
        starts=tuple(start if a == axis else 0 for a in range(len(shape))),
        sizes=tuple(size if a == axis else n for a, n in enumerate(shape)),
        strides=(1,) * len(shape),
    )


def _eye(b: Any, x: Any) -> Any:
    """Identity matrices in the shape of square matrices."""
    return b.select(_mask(b, x, "eq"), b.full_of(x.type, 1), 0)


def _solve(b: Any, a: Any, x: Any, *, lower: bool, adjoint: bool, unit: bool = False) -> Any:
    return b.triangular_solve(a, x, lower=lower, adjoint=adjoint, unit=unit)


def _solve_right(b: Any, x: Any, a: Any, *, lower: bool, unit: bool = False) -> Any:
    """`x` times the inverse of the adjoint of a triangular `a`."""
    return _h(b, _solve(b, a, _h(b, x), lower=lower, adjoint=False, unit=unit))


def _or_zeros(b: Any, g: Any, out: Any) -> Any:
    return b.zeros(out.type) if g is None else g


# Cholesky


def _cholesky_type(name: str, a: TensorType) -> TensorType:
    check_matrix(name, a, square=True)
    return a


def _cholesky_grad(b: Any, g: Any, out: Any, a: Any) -> Any:
    """Murray 2016, arXiv:1602.07527, equation 9; symmetric, as the operand is."""
    phi = _tril(b, _mm(b, _h(b, out), g))
    phi = _with_diag(b, phi, b.mul(_diag(b, phi), 0.5))
    half = _solve(b, out, phi, lower=True, adjoint=True)
    whole = _h(b, _solve(b, out, _h(b, half), lower=True, adjoint=True))
    return b.mul(b.add(whole, _h(b, whole)), 0.5)


def _cholesky(a: np.ndarray) -> np.ndarray:
    """nan where a matrix is not positive definite."""
    out = np.full(a.shape, np.nan, a.dtype)
    for place in np.ndindex(a.shape[:-2]):
        # Only the lower triangle is read.
        try:
            out[place] = np.linalg.cholesky(a[place])
        except np.linalg.LinAlgError:
            continue
    return out


# Triangular systems


def _triangular_type(
    name: str, a: TensorType, x: TensorType, *, lower: bool, adjoint: bool, unit: bool
) -> TensorType:
    check_matrix(name, a, square=True)
    check_matrix(name, x)
    if a.dtype is not x.dtype or a.shape[:-2] != x.shape[:-2] or a.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: Incompatible shapes or dtypes {a} and {x}")
    return x


def _triangular_grad_a(
    b: Any, g: Any, out: Any, a: Any, x: Any, *, lower: bool, adjoint: bool, unit: bool
) -> Any:
    gx = _solve(b, a, g, lower=lower, adjoint=not adjoint, unit=unit)
    ga = b.neg(_mm(b, out, _h(b, gx)) if adjoint else _mm(b, gx, _h(b, out)))
    return _tril(b, ga, -unit) if lower else _triu(b, ga, int(unit))


def _triangular(
    a: np.ndarray, x: np.ndarray, *, lower: bool, adjoint: bool, unit: bool
) -> np.ndarray:
    from scipy.linalg import solve_triangular

    out = np.zeros(x.shape, x.dtype)
    if x.size:
        for place in np.ndindex(a.shape[:-2]):
            matrix = a[place]
            if not unit and not np.diagonal(matrix).all():
                out[place] = np.inf  # the check beside this says that it is singular
                continue
            out[place] = solve_triangular(
                matrix, x[place], trans=2 * adjoint, lower=lower, unit_diagonal=unit,
                check_finite=False,
            )  # fmt: skip
    return out


# LU: both factors in one matrix, pivots counted from 0, and the permutation of rows


def _lu_type(name: str, a: TensorType) -> tuple[TensorType, ...]:
    check_matrix(name, a)
    *lead, m, n = a.shape
    return a, TensorType((*lead, min(m, n)), int32), TensorType((*lead, m), int64)


def rows_at(b: Any, x: Any, perm: Any) -> list[Any]:
    """Index operands that take the rows `perm` of matrices."""
    spread = b.broadcast(_column(b, perm), x.type.shape)
    return along(b, spread, x.type.ndim - 2)


def _lu_grad(b: Any, g: Any, out: Any, a: Any) -> Any:
    """Through triangular solves with either factor, whichever way the matrix is longer."""
    if g[0] is None:
        return b.zeros(a.type)
    packed, _, perm = out
    m, n = a.type.shape[-2:]
    k = min(m, n)
    top, g_top = (_part(b, t, -2, 0, k) for t in (packed, g[0]))
    square, g_square = (_part(b, t, -1, 0, k) for t in (top, g_top))
    lower = _with_diag(b, _tril(b, square, -1), b.full_of(_diag(b, square).type, 1))
    upper = _triu(b, square)
    l_part = _mm(b, _h(b, lower), _tril(b, g_square, -1))
    u_part = _mm(b, _triu(b, g_square), _h(b, upper))
    if n > k:
        u2, gu2 = (_part(b, t, -1, k, n - k) for t in (packed, g[0]))
        l_part = b.sub(l_part, _mm(b, gu2, _h(b, u2)))
    if m > k:
        l2, gl2 = (_part(b, t, -2, k, m - k) for t in (packed, g[0]))
        u_part = b.sub(u_part, _mm(b, _h(b, l2), gl2))
    inner = b.add(_tril(b, l_part, -1), _triu(b, u_part))
    inner = _solve(b, lower, inner, lower=True, adjoint=True, unit=True)
    ga = _solve_right(b, inner, upper, lower=False)
    last = a.type.ndim - 1
    if n > k:
        right = _solve(b, lower, gu2, lower=True, adjoint=True, unit=True)
        ga = b.concatenate(ga, right, axis=last)
    if m > k:
        ga = b.concatenate(ga, _solve_right(b, gl2, upper, lower=False), axis=last - 1)
    return b.index_set(b.zeros(a.type), ga, *rows_at(b, ga, perm))


def _lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scipy.linalg import lapack

    *lead, m, n = a.shape
    k = min(m, n)
    packed = np.array(a)
    pivots = np.zeros((*lead, k), np.int32)
    perm = np.broadcast_to(np.arange(m, dtype=np.int64), (*lead, m)).copy()
    if a.size:
        (getrf,) = lapack.get_lapack_funcs(("getrf",), (a,))
        for place in np.ndindex(*lead):
            packed[place], pivots[place], _ = getrf(a[place])
            for i, j in enumerate(pivots[place]):
                perm[(*place, i)], perm[(*place, j)] = perm[(*place, j)], perm[(*place, i)]
    return packed, pivots, perm


# QR


def _qr_type(name: str, a: TensorType, *, full: bool) -> tuple[TensorType, TensorType]:
    check_matrix(name, a)
    *lead, m, n = a.shape
    k = m if full else min(m, n)
    return a.with_shape((*lead, m, k)), a.with_shape((*lead, k, n))


def _qr_grad(b: Any, g: Any, out: Any, a: Any, *, full: bool) -> Any:
    """Walter & Lehmann 2018, arXiv:1009.6112v4, section 3; wide matrices by their square part."""
    q, r = out
    gq, gr = (_or_zeros(b, x, y) for x, y in zip(g, out, strict=True))
    m, n = a.type.shape[-2:]
    k = min(m, n)
    q, gq = (_part(b, t, -1, 0, k) for t in (q, gq))
    r, gr = (_part(b, t, -2, 0, k) for t in (r, gr))
    u, gu = (_part(b, t, -1, 0, k) for t in (r, gr))
    if n > m:
        v, gv = (_part(b, t, -1, k, n - k) for t in (r, gr))
        gq = b.add(gq, _mm(b, _mm(b, q, v), _h(b, gv)))
    inner = _triu(b, b.sub(_mm(b, gu, _h(b, u)), _mm(b, _h(b, q), gq)))
    inner = b.add(inner, _h(b, inner))
    diagonal = b.mul(_diag(b, inner), 0.5)
    if inner.type.dtype.is_complex:
        diagonal = b.convert(b.real(diagonal), inner.type.dtype)
    inner = _with_diag(b, inner, diagonal)
    ga = _solve_right(b, b.add(gq, _mm(b, q, inner)), u, lower=False)
    if n > m:
        return b.concatenate(ga, _mm(b, q, gv), axis=a.type.ndim - 1)
    return ga


def _qr(a: np.ndarray, *, full: bool) -> tuple[np.ndarray, np.ndarray]:
    *lead, m, n = a.shape
    if a.size:
        q, r = np.linalg.qr(a, "complete" if full else "reduced")
        return q, r
    k = m if full else min(m, n)
    return np.broadcast_to(np.eye(m, k, dtype=a.dtype), (*lead, m, k)).copy(), np.zeros(
        (*lead, k, n), a.dtype
    )


# Eigenvalues


def _eigh_type(name: str, a: TensorType) -> tuple[TensorType, TensorType]:
    check_matrix(name, a, square=True)
    return TensorType(a.shape[:-1], a.dtype.to_real() if a.dtype.is_complex else a.dtype), a


def _eigh_grad(b: Any, g: Any, out: Any, a: Any) -> Any:
    """Giles 2008, "An extended collection of matrix derivative results", section 3.1."""
    w, v = out
    inner = b.zeros(v.type)
    if g[1] is not None:
        gap = b.sub(_row(b, w), _column(b, w))
        gap = _with_diag(b, gap, b.full_of(w.type, 1))
        inner = b.div(_mm(b, _h(b, v), g[1]), b.convert(gap, v.type.dtype))
    gw = b.zeros(w.type) if g[0] is None else g[0]
    inner = _with_diag(b, inner, b.convert(gw, v.type.dtype))
    return _mm(b, _mm(b, v, inner), _h(b, v))


def _eigh(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w, v = np.linalg.eigh(a, "L")
    return w, v


def _eig_type(name: str, a: TensorType) -> tuple[TensorType, TensorType]:
    check_matrix(name, a, square=True)
    dtype = a.dtype if a.dtype.is_complex else a.dtype.to_complex()
    return TensorType(a.shape[:-1], dtype), TensorType(a.shape, dtype)


def _eig_grad(b: Any, g: Any, out: Any, a: Any) -> Any:
    """Boeddeker et al. 2017, arXiv:1701.00392, section 4.7: vectors have norm one."""
    w, v = out
    inner = b.zeros(v.type)
    vh = _h(b, v)
    if g[1] is not None:
        turned = _mm(b, vh, g[1])
        real = b.convert(b.real(_diag(b, turned)), v.type.dtype)
        turned = b.sub(turned, b.mul(_mm(b, vh, v), _row(b, real)))
        gap = b.conj(b.sub(_row(b, w), _column(b, w)))
        inner = b.div(turned, _with_diag(b, gap, b.full_of(w.type, 1)))
    gw = b.zeros(w.type) if g[0] is None else g[0]
    inner = _with_diag(b, inner, gw)
    ga = _solve_any(b, vh, _mm(b, inner, vh))
    return ga if a.type.dtype.is_complex else b.real(ga)


def _solve_any(b: Any, a: Any, x: Any) -> Any:
    """The solution of a linear system, by LU."""
    packed, _, perm = b.lu(a)
    x = b.index(x, *rows_at(b, x, perm))
    x = _solve(b, packed, x, lower=True, adjoint=False, unit=True)
    return _solve(b, packed, x, lower=False, adjoint=False)


def _eig(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w, v = np.linalg.eig(a)
    kind = np.complex64 if a.dtype in (np.float32, np.complex64) else np.complex128
    return w.astype(kind), v.astype(kind)


# Singular values


def _svd_type(name: str, a: TensorType, *, full: bool) -> tuple[TensorType, ...]:
    check_matrix(name, a)
    *lead, m, n = a.shape
    k = min(m, n)
    real = a.dtype.to_real() if a.dtype.is_complex else a.dtype
    left, right = ((m, m), (n, n)) if full else ((m, k), (k, n))
    return a.with_shape((*lead, *left)), TensorType((*lead, k), real), a.with_shape((*lead, *right))


def _svd_grad(b: Any, g: Any, out: Any, a: Any, *, full: bool) -> Any:
    """Townsend 2016, "Differentiating the singular value decomposition"."""
    m, n = a.type.shape[-2:]
    k = min(m, n)
    u, s, vh = _part(b, out[0], -1, 0, k), out[1], _part(b, out[2], -2, 0, k)
    dtype = a.type.dtype
    wide = b.convert(s, dtype)
    inner = b.zeros(TensorType((*a.type.shape[:-2], k, k), dtype))
    gs = b.zeros(wide.type) if g[1] is None else b.convert(g[1], dtype)
    if g[0] is not None or g[2] is not None:
        squares = b.mul(s, s)
        gap = b.sub(_row(b, squares), _column(b, squares))
        gap = b.convert(_with_diag(b, gap, b.full_of(s.type, 1)), dtype)
    if g[0] is not None:
        gu = _part(b, g[0], -1, 0, k)
        turned = _mm(b, _h(b, u), gu)
        skew = b.sub(turned, _h(b, turned))
        inner = b.add(inner, b.mul(b.div(skew, gap), _row(b, wide)))
        if dtype.is_complex:
            gs = b.add(gs, b.div(_diag(b, skew), b.mul(wide, 2)))
    if g[2] is not None:
        gv = _h(b, _part(b, g[2], -2, 0, k))
        turned = _mm(b, vh, gv)
        skew = b.sub(turned, _h(b, turned))
        inner = b.add(inner, b.mul(b.div(skew, gap), _column(b, wide)))
    inner = _with_diag(b, inner, gs)
    ga = _mm(b, _mm(b, u, inner), vh)
    if g[0] is not None and m > k:
        scaled = b.div(gu, _row(b, wide))
        outside = b.sub(scaled, _mm(b, u, _mm(b, _h(b, u), scaled)))
        ga = b.add(ga, _mm(b, outside, vh))
    if g[2] is not None and n > k:
        scaled = b.div(_h(b, gv), _column(b, wide))
        outside = b.sub(scaled, _mm(b, _mm(b, scaled, _h(b, vh)), vh))
        ga = b.add(ga, _mm(b, u, outside))
    return ga


def _svd(a: np.ndarray, *, full: bool) -> tuple[np.ndarray, ...]:
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    return u, s, vh


def _no_values(fn: Callable[..., Any]) -> Callable[..., Any]:
    """nan for matrices that LAPACK gives up on, as XLA has it."""

    def rule(a: np.ndarray, **attrs: Any) -> Any:
        try:
            return fn(a, **attrs)
        except np.linalg.LinAlgError:
            shapes = fn(np.zeros(a.shape, a.dtype), **attrs)
            return tuple(np.full(x.shape, np.nan, x.dtype) for x in shapes)

    return rule


DECOMPOSITIONS = table(
    op("cholesky", _cholesky_type, _cholesky_grad, evaluate=_cholesky),
    op(
        "triangular_solve",
        _triangular_type,
        _triangular_grad_a,
        lambda b, g, out, a, x, *, lower, adjoint, unit: _solve(
            b, a, g, lower=lower, adjoint=not adjoint, unit=unit
        ),
        attrs=("lower", "adjoint", "unit"),
        evaluate=_triangular,
    ),
    op("lu", _lu_type, _lu_grad, evaluate=_lu, multiple=True),
    op("qr", _qr_type, _qr_grad, attrs=("full",), evaluate=_qr, multiple=True),
    op("eigh", _eigh_type, _eigh_grad, evaluate=_no_values(_eigh), multiple=True),
    op("eig", _eig_type, _eig_grad, evaluate=_no_values(_eig), multiple=True),
    op("svd", _svd_type, _svd_grad, attrs=("full",), evaluate=_no_values(_svd), multiple=True),
)
