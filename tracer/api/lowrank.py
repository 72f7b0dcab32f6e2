"""Singular value decompositions of low rank, by random projections. Bound by `methods.py`."""

from __future__ import annotations

from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor
from .common import as_int
from .decompositions import _adjoint, qr, svd
from .linalg import matmul
from .random import randn


@scoped
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) with `U diag(S) V^H` close to `A` (less `M`, if given), of rank `q`.

    `niter` subspace iterations sharpen the basis, which begins at random.
    Source: Halko, Martinsson & Tropp 2011, doi:10.1137/090771806, algorithms 4.4 and 5.1.
    """
    name = "svd_lowrank"
    check_tensor(name, A)
    if A._type.ndim < 2:
        raise ShapeError(f"{name}: A must have at least 2 dimensions, got {A._type.ndim}")
    if A._type.dtype.kind not in ("float", "complex"):
        raise DTypeError(f"{name}: expected a floating or complex matrix, got {A._type.dtype}")
    count = 6 if q is None else as_int(name, q, "q")
    rounds = 2 if niter is None else as_int(name, niter, "niter")
    x = A if M is None else A - M.broadcast_to(A.shape)  # type: ignore[operator, attr-defined]
    m, n = x._type.shape[-2:]
    if m < n:
        u, s, v = _tall(_adjoint(x), count, rounds)
        return v, s, u
    return _tall(x, count, rounds)


def _tall(x: Tensor, count: int, rounds: int) -> tuple[Tensor, Tensor, Tensor]:
    flipped = _adjoint(x)
    start = randn(x._type.shape[-1], count, dtype=x._type.dtype, device=x.device)
    basis = qr(matmul(x, start)).Q
    for _ in range(rounds):
        basis = qr(matmul(flipped, basis)).Q
        basis = qr(matmul(x, basis)).Q
    u, s, vh = svd(matmul(_adjoint(basis), x), full_matrices=False)
    return matmul(basis, u), s, _adjoint(vh)


@scoped
def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V): the `q` principal components of the rows of `A`, centred unless told not to.

    Raises: ValueError if `q` is larger than a dim of `A`, or `niter` negative.
    """
    name = "pca_lowrank"
    check_tensor(name, A)
    if A._type.ndim < 2 or A._type.dtype.kind not in ("float", "complex"):
        raise ShapeError(f"{name}: expected a floating or complex matrix, got {A._type}")
    m, n = A._type.shape[-2:]
    count = min(6, m, n) if q is None else as_int(name, q, "q")
    if not 0 <= count <= min(m, n):
        raise ValueError(
            f"q(={count}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    x: Any = A
    if center:
        x = x - x.mean(dim=-2, keepdim=True)
    return svd_lowrank(x, count, niter)


METHODS: dict[str, Any] = {}
FUNCTIONS = {"svd_lowrank": svd_lowrank, "pca_lowrank": pca_lowrank}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
