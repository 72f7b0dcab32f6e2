"""`nn.init`: filling tensors in place, without history. Layers initialise themselves with it."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import prims
from ..autograd import no_grad
from ..random import Generator, normal, uniform
from ..tensor import Tensor, from_host

_GAINS = {"sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 3 / 4}
_LINEAR = ("linear", "conv1d", "conv2d", "conv3d")
_LINEAR += ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """What keeps the variance through a nonlinearity. Raises: ValueError for an unknown one."""
    if nonlinearity in _LINEAR:
        return 1.0
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


def fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output reads, and how many outputs an input reaches.

    Raises: ValueError for fewer than two dimensions.
    """
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = 1
    for n in shape[2:]:
        field *= n
    return shape[1] * field, shape[0] * field


_calculate_fan_in_and_fan_out = fan_in_and_fan_out


def _fill(tensor: Tensor, values: Tensor) -> Tensor:
    with no_grad():
        return tensor._write(values)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    shape, dtype = tensor._type.shape, tensor._type.dtype
    return _fill(tensor, prims.full(val, shape=shape, dtype=dtype, device=tensor.device))


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1)


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers spread evenly over [a, b)."""
    with no_grad():
        drawn = uniform(tensor._type.shape, tensor._type.dtype, generator, tensor.device)
        return tensor._write(prims.add(prims.mul(drawn, b - a), a))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers."""
    with no_grad():
        drawn = normal(tensor._type.shape, tensor._type.dtype, generator, tensor.device)
        drawn = prims.mul(drawn, std) if std != 1 else drawn
        return tensor._write(prims.add(drawn, mean) if mean else drawn)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers, those outside [a, b] excluded, by the inverse distribution.

    Source: Giles 2011, "Approximating the erfinv function", for the inverse error function.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in trunc_normal_: the distribution of values "
            "may be incorrect",
            stacklevel=2,
        )

    def below(x: float) -> float:
        return math.erf((x - mean) / std / math.sqrt(2))

    low, high = below(a), below(b)
    with no_grad():
        drawn = uniform(tensor._type.shape, tensor._type.dtype, generator, tensor.device)
        p = prims.add(prims.mul(drawn, high - low), low)
        p = prims.minimum(prims.maximum(p, 1e-7 - 1), 1 - 1e-7)  # infinite at -1 and 1
        x = prims.add(prims.mul(_erfinv(p), std * math.sqrt(2)), mean)
        return tensor._write(prims.minimum(prims.maximum(x, a), b))


# Coefficients of Giles' single-precision polynomials, highest power first.
_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087)
_CENTRE += (-0.00125372503, -0.00417768164, 0.246640727, 1.50140941)
_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773)
_TAIL += (-0.0076224613, 0.00943887047, 1.00167406, 2.83297682)


def _erfinv(p: Tensor) -> Tensor:
    w = prims.neg(prims.log(prims.mul(prims.sub(1, p), prims.add(p, 1))))
    small = prims.lt(w, 5)
    centre = _horner(_CENTRE, prims.sub(w, 2.5))
    tail = _horner(_TAIL, prims.sub(prims.sqrt(prims.maximum(w, 5)), 3))
    return prims.mul(prims.select(small, centre, tail), p)


def _horner(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    first, second, *rest = coefficients
    out = prims.add(prims.mul(x, first), second)
    for c in rest:
        out = prims.add(prims.mul(out, x), c)
    return out


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on its diagonal, zeros elsewhere. Raises: ValueError."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    from ...ir.types import int64

    rows, columns = tensor._type.shape
    place = tensor.device
    row = prims.iota(shape=(rows, 1), axis=0, dtype=int64, device=place)
    column = prims.iota(shape=(1, columns), axis=1, dtype=int64, device=place)
    return _fill(tensor, prims.convert(prims.eq(row, column), tensor._type.dtype))


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform, variance 2 / (fan_in + fan_out) times gain squared.

    Source: Glorot & Bengio 2010, proceedings.mlr.press/v9/glorot10a.html.
    """
    fan_in, fan_out = fan_in_and_fan_out(tensor)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal, variance 2 / (fan_in + fan_out) times gain squared."""
    fan_in, fan_out = fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan = fan_in_and_fan_out(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform, variance gain squared / fan. A tensor without elements stays as it is.

    Source: He et al. 2015, arXiv:1502.01852.
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal, variance gain squared / fan. A tensor without elements stays as it is."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that it passes as many channels on as it can.

    Shapes: three to five dimensions. Raises: ValueError for another number, or if `groups` do
    not divide axis 0.
    """
    shape = tensor._type.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    rows = shape[0] // groups
    host = np.zeros(shape, bool)
    middle = tuple(n // 2 for n in shape[2:])
    for group in range(groups):
        for i in range(min(rows, shape[1])):
            host[(group * rows + i, i, *middle)] = True
    ones = from_host(host, device=tensor.device)
    return _fill(tensor, prims.convert(ones, tensor._type.dtype))


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a (half) orthogonal matrix, axes after the first taken together.

    Raises: ValueError for fewer than two dimensions. Source: Saxe et al. 2014, arXiv:1312.6120.
    """
    from ..api.decompositions import qr  # the API imports this file's neighbours

    shape, dtype = tensor._type.shape, tensor._type.dtype
    if len(shape) < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor._type.numel:
        return tensor
    rows = shape[0]
    columns = tensor._type.numel // rows
    with no_grad():
        size = (max(rows, columns), min(rows, columns))
        q, r = qr(normal(size, dtype, generator, tensor.device))
        q = q * r.diagonal(0, -2, -1).sign()  # uniform over the orthogonal matrices
        q = q.mT if rows < columns else q
        return tensor._write(prims.mul(prims.reshape(q, shape=shape), gain))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Fill a matrix with normal numbers, but a share of each column, drawn, with zeros.

    Raises: ValueError unless there are two dimensions. Source: Martens 2010, section 5.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    shape, dtype = tensor._type.shape, tensor._type.dtype
    zeros = math.ceil(sparsity * shape[0])
    with no_grad():
        drawn = prims.mul(normal(shape, dtype, generator, tensor.device), std)
        order = uniform(shape, dtype, generator, tensor.device)
        rank = order.argsort(0).argsort(0)
        return tensor._write(prims.select(prims.lt(rank, zeros), 0, drawn))


def _old(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """PyTorch's name without the underscore, which warns."""
    name = fn.__name__.removesuffix("_")

    @functools.wraps(fn)
    def deprecated(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.",
            FutureWarning,
            stacklevel=2,
        )
        return fn(*args, **kwargs)

    deprecated.__name__ = deprecated.__qualname__ = name
    return deprecated


constant, eye, dirac, orthogonal, sparse = map(
    _old, (constant_, eye_, dirac_, orthogonal_, sparse_)
)
xavier_uniform, xavier_normal = _old(xavier_uniform_), _old(xavier_normal_)
kaiming_uniform, kaiming_normal = _old(kaiming_uniform_), _old(kaiming_normal_)
