"""Ready parametrizations: weight norm, spectral norm, orthogonal matrices.

Public as `nn.utils.parametrizations`.
"""

from __future__ import annotations

from typing import Any

from ....ir.errors import AxisError
from ... import prims
from ...api.decompositions import geqrf, householder_product, matrix_exp, qr, solve
from ...api.join import cat
from ...api.moments import vector_norm
from ...api.ranges import eye
from ...autograd import no_grad
from ...random import normal
from ...tensor import Tensor
from .. import functional as F
from ..layers.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from . import parametrize


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all axes but `dim`, which is kept; over all axes for -1."""
    if dim == -1:
        return vector_norm(v, pow)
    axes = [i for i in range(v.ndim) if i != dim % v.ndim]
    return vector_norm(v, pow, axes, True) if axes else v.abs()


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, 2, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """A tensor as magnitude (`original0`) times direction (`original1`).

    Source: Salimans & Kingma 2016, arXiv:1602.07868.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(_: Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        old = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if all(key in state for key in old):  # as `nn.utils.weight_norm` saved it
            for i, key in enumerate(old):
                state[f"{prefix}parametrizations.{name}.original{i}"] = state.pop(key)

    module.register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ):
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise AxisError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but "
                f"got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = self._matrix(weight)
                for key, size in zip(("_u", "_v"), matrix.shape, strict=True):
                    drawn = normal((size,), weight.dtype, None, weight.device)
                    self.register_buffer(key, F.normalize(drawn, dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    @no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        for _ in range(times):
            self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.mH @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / (u.conj() * (matrix @ v)).sum()

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """A tensor divided by its largest singular value, which power iteration follows.

    Source: Miyato et al. 2018, arXiv:1802.05957.
    """
    weight = _tensor_of(module, name)
    if dim is None:
        transposed = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    norm = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, norm)


def _tensor_of(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


_MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool = True):
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = tuple(weight.shape)
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        transposed = X.shape[-2] < X.shape[-1]
        X = X.mT if transposed else X
        n, k = X.shape[-2:]
        if self.orthogonal_map == "householder":
            A = X.tril(-1)
            tau = 2.0 / (1.0 + (A * A).sum(-2))
            Q = householder_product(A, tau)
            Q = Q * X.diagonal(0, -2, -1).int().unsqueeze(-2)
        else:
            A = X.tril()
            if n != k:  # into a square matrix
                A = cat([A, A.new_zeros(*A.shape[:-1], n - k)], -1)
            A = A - A.mH
            if self.orthogonal_map == "matrix_exp":
                Q = matrix_exp(A)
            else:
                one = eye(n, dtype=A.dtype, device=A.device)
                Q = solve(one - A / 2, one + A / 2)
            Q = Q[..., :k] if n != k else Q
        if "base" in self._buffers:
            Q = self.base @ Q
        return Q.mT if transposed else Q

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if tuple(Q.shape) != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {tuple(Q.shape)}."
            )
        start = Q
        transposed = Q.shape[-2] < Q.shape[-1]
        Q = Q.mT if transposed else Q
        n, k = Q.shape[-2:]
        if "base" not in self._buffers:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley "
                    "parametrizations when use_trivialization=False."
                )
            A, tau = geqrf(Q)
            signs = A.diagonal(0, -2, -1).sign()
            signs = prims.select(tau == 0, -signs, signs)
            A = A.clone()
            A.diagonal(0, -2, -1).copy_(signs)
            return A.mT if transposed else A
        if n != k:  # the rest of a square orthogonal matrix is drawn
            drawn = normal((*Q.shape[:-1], n - k), Q.dtype, None, Q.device)
            self.base = _made_orthogonal(cat([Q, drawn], -1))
        else:
            self.base = Q.clone() if _is_orthogonal(Q) else _made_orthogonal(Q)
        out = start * 0
        out.diagonal(0, -2, -1).fill_(-1.0)
        return out


def _is_orthogonal(Q: Tensor) -> bool:
    size = Q.shape[-1]
    eps = 10.0 * size * {8: 2.0**-52, 4: 2.0**-23}.get(Q.dtype.to_real().itemsize, 2.0**-10)
    one = eye(size, dtype=Q.dtype, device=Q.device)
    return bool(((Q.mH @ Q - one).abs() <= eps).all())


def _made_orthogonal(A: Tensor) -> Tensor:
    """The orthogonal factor nearest in sign to A."""
    Q, R = qr(A)
    return Q * R.diagonal(0, -2, -1).sgn().unsqueeze(-2)


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """A matrix kept orthogonal (or with orthonormal columns, or rows).

    `orthogonal_map`: matrix_exp, cayley or householder; under `use_trivialization` it acts
    around the present matrix. Source: Lezcano-Casado 2019, arXiv:1909.09501.
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1] or weight.is_complex()
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    kept = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return parametrize.register_parametrization(module, name, kept, unsafe=True)


__all__ = ["orthogonal", "spectral_norm", "weight_norm"]
