"""Statistics and distances. Bound by `methods.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.errors import DTypeError, ShapeError
from ...ir.types import DType
from .. import prims
from ..amp.autocast import autocasts
from ..promotion import check_tensor, to_floating
from ..scoping import scoped
from ..tensor import Tensor, from_host
from .common import Dims, normalize_dim, relayout, require, with_out
from .moments import vector_norm
from .reduce import mean, span, sum

_sum, _mean = sum, mean


@autocasts
@with_out
@scoped
def nansum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum along `dim` of the elements that are numbers."""
    check_tensor("nansum", input)
    if input._type.dtype.kind == "complex":
        raise DTypeError("nansum: does not support complex inputs")
    x = input
    if x._type.dtype.kind == "float":
        x = prims.select(prims.ne(x, x), 0, x)
    return _sum(x, dim, keepdim, dtype=dtype)


@autocasts
@with_out
@scoped
def nanmean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean along `dim` of the elements that are numbers."""
    check_tensor("nanmean", input)
    if input._type.dtype.kind not in ("float", "complex"):
        raise DTypeError(
            f"nanmean: expected input to have floating point or complex dtype but got "
            f"{input._type.dtype}"
        )
    there = prims.eq(input, input)
    numbers = prims.select(there, input, 0)
    total = _sum(numbers, dim, keepdim, dtype=dtype)
    return total / _sum(there, dim, keepdim).to(total.dtype)  # type: ignore[attr-defined]


# Covariance


def _weights(name: str, w: Any, count: int, integral: bool) -> None:
    if w._type.ndim > 1:
        raise ShapeError(f"cov: expected {name} to have one or fewer dimensions")
    if w._type.numel != count:
        raise ShapeError(
            f"cov: expected {name} to have the same numel as there are observations in the input, "
            f"got {w._type.numel} != {count}"
        )
    require(w, lambda weight: weight >= 0, f"cov: {name} cannot be negative")
    if (w._type.dtype.kind in ("int", "uint")) is not integral:
        kind = "integral" if integral else "floating point"
        raise DTypeError(f"cov: expected {name} to have {kind} dtype but got {w._type.dtype}")


@scoped
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of the rows of `input`: shape (rows, rows), or () of one row.

    `fweights` are how often each column counts, `aweights` how much.
    """
    check_tensor("cov", input)
    if input._type.ndim > 2:
        raise ShapeError(
            f"cov: expected input to have two or fewer dimensions but got {input._type.ndim}"
        )
    if input._type.dtype.kind == "bool":
        raise DTypeError("cov: bool dtype is not supported for input")
    x = input if input._type.ndim == 2 else prims.reshape(input, shape=(1, input._type.numel))
    x = to_floating(x)
    real = x._type.dtype.to_real()
    count = x._type.shape[1]
    weights = None
    if fweights is not None:
        _weights("fweights", fweights, count, True)
        weights = prims.convert(prims.reshape(fweights, shape=(count,)), real)
    if aweights is not None:
        _weights("aweights", aweights, count, False)
        given = prims.reshape(aweights, shape=(count,))
        given = prims.convert(given, real)
        weights = given if weights is None else prims.mul(weights, given)
    if weights is None:
        total: Any = float(count)
        average = x.mean(1, keepdim=True) if count else x.sum(1, keepdim=True) * math.nan  # type: ignore[attr-defined]
        norm: Any = max(count - correction, 0)
    else:
        total = weights.sum()  # type: ignore[attr-defined]
        average = (x * weights).sum(1, keepdim=True) / total  # type: ignore[attr-defined]
        if aweights is None:
            norm = total - correction
        else:
            norm = total - correction * (weights * given).sum() / total  # type: ignore[attr-defined]
        norm = norm.clamp(min=0)  # type: ignore[attr-defined]
    centered = prims.sub(x, average)
    scaled = centered if weights is None else centered * weights
    product = scaled @ centered.mH  # type: ignore[attr-defined]
    product = product / norm if isinstance(norm, Tensor) or norm else product / 0.0
    return product.squeeze()


@scoped
def corrcoef(input: Tensor) -> Tensor:
    """The correlation of each two rows of `input`."""
    check_tensor("corrcoef", input)
    if input._type.ndim > 2:
        raise ShapeError(
            f"corrcoef: expected input to have two or fewer dimensions but got {input._type.ndim}"
        )
    c = cov(input)
    if not c._type.ndim:
        return c / c
    d = c.diagonal()  # type: ignore[attr-defined]
    root = (d.real if d.is_complex() else d).sqrt()
    out = c / root.unsqueeze(-1) / root.unsqueeze(0)
    if out.is_complex():
        from .complexes import complex as complex_of

        return complex_of(out.real.clamp(-1, 1), out.imag.clamp(-1, 1))
    return out.clamp(-1, 1)


# Norms and distances


@autocasts
@with_out
@scoped
def renorm(
    input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None
) -> Tensor:
    """`input` with the slices of `dim` shrunk to a `p`-norm of `maxnorm` where it is more."""
    check_tensor("renorm", input)
    if p <= 0:
        raise ShapeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise ShapeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input._type.ndim < 2:
        raise ShapeError(
            f"renorm: input needs at least 2 dimensions, got {input._type.ndim} dimensions"
        )
    axis = normalize_dim("renorm", dim, input._type.ndim)
    others = [a for a in range(input._type.ndim) if a != axis]
    size = vector_norm(input, p, others, keepdim=True)
    factor = prims.select(
        prims.gt(size, float(maxnorm)), prims.div(float(maxnorm), prims.add(size, 1e-7)), 1.0
    )
    return relayout(prims.mul(input, prims.convert(factor, input._type.dtype)), None)


@autocasts
@scoped
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The `p`-norm of `input - other`."""
    check_tensor("dist", input)
    check_tensor("dist", other, "other", 2)
    return vector_norm(to_floating(input - other), p)


def _distances(difference: Tensor, p: float) -> Tensor:
    """The `p`-norm along the last dim, with the gradient zero where it is zero."""
    axis = difference._type.ndim - 1
    if p == 0:
        return prims.sum(prims.sign(prims.abs(difference)), axes=(axis,))
    size = prims.abs(difference)
    if p == math.inf:
        if not difference._type.shape[axis]:
            return prims.sum(size, axes=(axis,))
        return prims.amax(size, axes=(axis,))
    if p == 1:
        return prims.sum(size, axes=(axis,))
    powered = prims.mul(difference, difference) if p == 2 else _power(size, p)
    total = prims.sum(powered, axes=(axis,))
    none = prims.eq(total, 0)
    safe = prims.select(none, 1, total)
    root = prims.sqrt(safe) if p == 2 else prims.pow(safe, 1 / p)
    return prims.select(none, 0, root)


def _power(size: Tensor, p: float) -> Tensor:
    """`size ** p`, whose gradient at zero is zero for p < 1 too."""
    none = prims.eq(size, 0)
    return prims.select(none, 0, prims.pow(prims.select(none, 1, size), float(p)))


@autocasts
@scoped
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: Any = None) -> Tensor:
    """The `p`-norm distances of each row of `x1` (..., P, M) from each of `x2` (..., R, M).

    Shape (..., P, R); leading dims broadcast.
    """
    for name, t in (("x1", x1), ("x2", x2)):
        check_tensor("cdist", t, name)
        if t._type.dtype.kind != "float":
            raise DTypeError(
                f"cdist only supports floating-point dtypes, {name} got {t._type.dtype}"
            )
        if t._type.ndim < 2:
            raise ShapeError(
                f"cdist only supports at least 2D tensors, {name} got: {t._type.ndim}D"
            )
    if x1._type.shape[-1] != x2._type.shape[-1]:
        raise ShapeError(
            "cdist: X1 and X2 must have the same number of columns. X1: "
            f"{x1._type.shape[-1]} "
            f"X2: {x2._type.shape[-1]}"
        )
    if p < 0:
        raise ShapeError("cdist only supports non-negative p values")
    if compute_mode not in (
        *(None, "use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist"),
        "donot_use_mm_for_euclid_dist",
    ):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    return _distances(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)  # type: ignore[attr-defined]


@autocasts
@scoped
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The `p`-norm distances of each two rows of `input` (N, M): shape (N (N - 1) / 2,)."""
    check_tensor("pdist", input)
    if input._type.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {input._type.ndim}D")
    if input._type.dtype.kind != "float":
        raise DTypeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise ShapeError("pdist only supports non-negative p values")
    first, second = np.triu_indices(input._type.shape[0], 1)
    rows = [prims.index(input, from_host(i.astype(np.int64), device=input.device))
            for i in (first, second)]  # fmt: skip
    return _distances(prims.sub(*rows), p)


# Numerical gradients


def _spacings(name: str, x: Tensor, spacing: Any, dims: list[int]) -> list[Any]:
    """What each dim is spaced by: a number, or a vector of coordinates."""
    if spacing is None:
        spacing = 1
    if isinstance(spacing, (int, float, complex)):
        return [spacing] * len(dims)
    if isinstance(spacing, Tensor):
        spacing = [spacing]
    if len(spacing) != len(dims):
        raise ShapeError(
            f"{name} expected spacing to be unspecified, a scalar, or a list of length {len(dims)}, "
            f"but got a list of length {len(spacing)}"
        )
    for d, s in zip(dims, spacing, strict=True):
        if not isinstance(s, Tensor) or not s._type.ndim:
            continue
        if s._type.ndim != 1 or s._type.numel != x._type.shape[d]:
            raise ShapeError(
                f"{name} expected coordinates to have dimension 1 and the size of their dim, got "
                f"{list(s._type.shape)} for {x._type.shape[d]}"
            )
    return list(spacing)


@scoped
def gradient(
    input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Numerical derivatives along each dim by central differences of second order.

    `spacing`: a number or coordinates for each dim. At the edges one-sided differences of
    order `edge_order`. Source: Fornberg 1988, doi:10.1090/S0025-5718-1988-0935077-0.
    """
    name = "gradient"
    check_tensor(name, input)
    if edge_order not in (1, 2):
        raise ShapeError(f"{name} only supports edge_order=1 and edge_order=2.")
    ndim = input._type.ndim
    if dim is None:
        dims = list(range(ndim))
        if isinstance(spacing, (list, tuple)) and len(spacing) != ndim:
            raise ShapeError(
                f"{name} expected spacing to be unspecified, a scalar or a list of length {ndim}"
            )
    else:
        given = [dim] if isinstance(dim, int) else list(dim)
        dims = [normalize_dim(name, d, ndim) for d in given]
        if len(set(dims)) < len(dims):
            raise ShapeError(f"dim {dims} appears multiple times in the list of dims")
    for d in dims:
        if input._type.shape[d] < edge_order + 1:
            raise ShapeError(
                f"{name} expected each dimension size to be at least edge_order+1, got "
                f"{input._type.shape[d]} at dim {d}"
            )
    x = input if input._type.dtype.kind in ("float", "complex") else to_floating(input)
    steps = zip(dims, _spacings(name, x, spacing, dims), strict=True)
    return tuple(_derivative(x, d, s, edge_order) for d, s in steps)


def _derivative(x: Tensor, axis: int, step: Any, edge_order: int) -> Tensor:
    size = x._type.shape[axis]

    def part(start: int, count: int) -> Tensor:
        return span(x, axis, start, count)

    def column(h: Tensor) -> Tensor:
        return h.reshape([-1 if a == axis else 1 for a in range(x._type.ndim)])

    uneven = isinstance(step, Tensor) and step._type.ndim == 1
    if uneven:
        h = prims.sub(span(step, 0, 1, size - 1), span(step, 0, 0, size - 1))
        before, after = (column(span(h, 0, s, size - 2)) for s in (0, 1))
        first, last = (column(span(h, 0, s, 1)) for s in (0, size - 2))
    else:
        before = after = first = last = step
    middle = (
        part(2, size - 2) * before / (after * (before + after))
        - part(0, size - 2) * after / (before * (before + after))
        + part(1, size - 2) * (after - before) / (before * after)
        if uneven
        else (part(2, size - 2) - part(0, size - 2)) / (2 * step)
    )
    if edge_order == 1:
        low = (part(1, 1) - part(0, 1)) / first
        high = (part(size - 1, 1) - part(size - 2, 1)) / last
    else:
        if uneven:
            first2, last2 = (column(span(h, 0, s, 1)) for s in (1, size - 3))
        else:
            first2 = last2 = step
        low = (
            -part(0, 1) * (2 * first + first2) / (first * (first + first2))
            + part(1, 1) * (first + first2) / (first * first2)
            - part(2, 1) * first / (first2 * (first + first2))
        )
        high = (
            part(size - 3, 1) * last / (last2 * (last + last2))
            - part(size - 2, 1) * (last + last2) / (last * last2)
            + part(size - 1, 1) * (2 * last + last2) / (last * (last + last2))
        )
    return prims.concatenate(low, middle, high, axis=axis)


METHODS: dict[str, Any] = {f.__name__: f for f in (nansum, nanmean, cov, corrcoef, renorm, dist)}
FUNCTIONS = METHODS | {f.__name__: f for f in (cdist, pdist, gradient)}
INPLACE = ("renorm",)
INPLACE_FUNCTIONS: tuple[str, ...] = ()
