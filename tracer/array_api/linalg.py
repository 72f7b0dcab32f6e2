"""The standard's linear algebra: `xp.linalg`, and the products of the main namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ...ir.errors import ShapeError
from ...ir.types import DType
from ..tensor import Tensor
from . import arrange, reductions
from .common import Axis, named, promoted, torch


class EighResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


def theirs(name: str) -> Callable[..., Any]:
    """`thrace.linalg`'s function of this name. Raises: NotImplementedError."""
    from ..api import decompositions, linalg

    found = (decompositions.LINALG | linalg.LINALG).get(name)
    if found is None:
        raise NotImplementedError(f"array_api.linalg: there is no thrace.linalg.{name} yet")
    return found


def _same(name: str) -> Callable[..., Any]:
    def function(x: Tensor, /) -> Any:
        return theirs(name)(x)

    return named(function, name, f"`{name}` of each matrix, as PyTorch's.")


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Matrix products; vectors are matrices of one row or column."""
    return torch("matmul")(*promoted("matmul", x1, x2))


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Tensor:
    """The sum of products over axes: the last and first ones by number, or pairs."""
    x1, x2 = promoted("tensordot", x1, x2)
    return torch("tensordot")(x1, x2, dims=axes)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The sum of products along an axis counted from the end, `x1` conjugated."""
    x1, x2 = promoted("vecdot", x1, x2)
    if not -min(x1.ndim, x2.ndim) <= axis < 0:
        raise ShapeError(f"vecdot: axis {axis} must be negative and one of both arrays")
    if x1.shape[axis] != x2.shape[axis]:
        raise ShapeError(f"vecdot: sizes {x1.shape[axis]} and {x2.shape[axis]} at axis {axis}")
    left = torch("conj")(x1) if x1.dtype.is_complex else x1
    return reductions.sum(left * x2, axis=axis, dtype=x1.dtype)  # type: ignore[operator]


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """All products of two vectors' elements."""
    return torch("outer")(*promoted("outer", x1, x2))


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Vector products along an axis of size 3."""
    x1, x2 = promoted("cross", x1, x2)
    return theirs("cross")(x1, x2, dim=axis)


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonal of the last two axes."""
    return torch("diagonal")(x, offset, -2, -1)


def trace(x: Tensor, /, *, offset: int = 0, dtype: DType | None = None) -> Tensor:
    """The sum of a diagonal of the last two axes."""
    return reductions.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The lower (or upper) factor of positive definite matrices."""
    return theirs("cholesky")(x, upper=upper)


def eigh(x: Tensor, /) -> EighResult:
    """Eigenvalues and eigenvectors of Hermitian matrices."""
    return EighResult(*theirs("eigh")(x))


def qr(x: Tensor, /, *, mode: str = "reduced") -> QRResult:
    """Orthogonal and triangular factors."""
    return QRResult(*theirs("qr")(x, mode=mode))


def slogdet(x: Tensor, /) -> SlogdetResult:
    """The sign of determinants and the logarithm of their size."""
    return SlogdetResult(*theirs("slogdet")(x))


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular values and vectors."""
    return SVDResult(*theirs("svd")(x, full_matrices=full_matrices))


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """What `x1` must be multiplied by to give `x2`, which is a vector only if it has one axis."""
    x1, x2 = promoted("solve", x1, x2)
    if x2.ndim == 1:
        return theirs("solve")(x1, x2[..., None])[..., 0]
    return theirs("solve")(x1, x2)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """Matrices multiplied by themselves, or by their inverses for negative `n`."""
    return theirs("matrix_power")(x, n)


def matrix_rank(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """How many singular values are above `rtol` times the largest."""
    return theirs("matrix_rank")(x, rtol=rtol)


def pinv(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """The Moore-Penrose inverse."""
    return theirs("pinv")(x, rtol=rtol)


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """A norm of each matrix."""
    return theirs("matrix_norm")(x, ord=ord, keepdim=keepdims)


def vector_norm(
    x: Tensor, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    """A norm over axes, all by default."""
    return theirs("vector_norm")(x, ord=ord, dim=axis, keepdim=keepdims)


LINALG: dict[str, Callable[..., Any]] = {
    **{name: _same(name) for name in ("det", "eigvalsh", "inv", "svdvals")},
    "matrix_transpose": arrange.matrix_transpose,
    **{
        fn.__name__: fn
        for fn in (
            *(cholesky, cross, diagonal, eigh, matmul, matrix_norm, matrix_power, matrix_rank),
            *(outer, pinv, qr, slogdet, solve, svd, tensordot, trace, vecdot, vector_norm),
        )
    },
}
FUNCTIONS = {name: LINALG[name] for name in ("matmul", "tensordot", "vecdot")}
globals().update(LINALG)
__all__ = list(LINALG)  # pyright: ignore[reportUnsupportedDunderAll]
