"""Fills and draws from given distributions: cauchy, geometric, multinomial. Bound by `methods.py`.

As all random numbers they are made from `tracer.random`'s, so that compiled and uncompiled runs
draw the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.errors import DTypeError, ShapeError, UnsupportedDTypeError
from ...ir.types import DType, float32, float64, int64
from .. import prims
from .. import random as source
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor, from_host
from .common import as_int, in_place_of, located, require
from .random import ascending, fill_dtype, given

Generator = source.Generator


@scoped
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers from the exponential distribution of rate `lambd`."""
    dtype = fill_dtype("exponential_", self)
    if not lambd > 0 or math.isnan(lambd):
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    x = source.uniform(self._type.shape, dtype, generator, self.device)
    return self._write(prims.div(prims.neg(prims.log(prims.sub(1.0, x))), float(lambd)))


@scoped
def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers from the Cauchy distribution. Raises: RuntimeError for `sigma` <= 0."""
    dtype = fill_dtype("cauchy_", self)
    if not sigma > 0:
        raise ShapeError(f"cauchy_: expects sigma > 0.0, but found sigma={sigma}")
    u = source.uniform(self._type.shape, _wide(dtype), generator, self.device)
    angle = prims.mul(prims.sub(u, 0.5), math.pi)
    x = prims.div(prims.sin(angle), prims.cos(angle))
    return self._write(prims.convert(prims.add(prims.mul(x, float(sigma)), float(median)), dtype))


@scoped
def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers whose logarithm is normal. Raises: RuntimeError for `std` <= 0."""
    dtype = fill_dtype("log_normal_", self)
    if not std > 0:
        raise ShapeError(f"log_normal_: expects std > 0.0, but found std={std}")
    x = source.normal(self._type.shape, _wide(dtype), generator, self.device)
    x = prims.exp(prims.add(prims.mul(x, float(std)), float(mean)))
    return self._write(prims.convert(x, dtype))


@scoped
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with how many trials of probability `p` it took to succeed, 1 or more.

    Raises: RuntimeError unless 0 < `p` < 1, or for complex and bool dtypes.
    """
    dtype = fill_dtype("geometric_", self, "uint", "int", "float")
    if not 0 < p < 1:
        raise ShapeError(f"geometric_: expects p to be in (0, 1), but got p={p}")
    u = prims.sub(1.0, source.uniform(self._type.shape, float64, generator, self.device))
    trials = prims.maximum(prims.ceil(prims.div(prims.log(u), math.log1p(-p))), 1.0)
    return self._write(prims.convert(trials, dtype))


def _wide(dtype: DType) -> DType:
    """The dtype that numbers are computed in before they are rounded to `dtype`."""
    return float64 if dtype is float64 else float32


# Draws from given distributions


@located
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Positions drawn with the probabilities in each row of `input`, which need not sum to 1.

    Shapes: (n,) or (m, n) gives int64 (num_samples,) or (m, num_samples). Raises:
    RuntimeError for other shapes or dtypes, more samples than there are positions without
    replacement, and probabilities that are negative, infinite, nan or sum to 0.
    Source: Efraimidis & Spirakis 2006, doi:10.1016/j.ipl.2005.11.003 (without replacement).
    """
    check_tensor("multinomial", input)
    shape, dtype = input._type.shape, input._type.dtype
    count = as_int("multinomial", num_samples, "num_samples")
    if dtype.kind != "float":
        raise UnsupportedDTypeError(
            f"multinomial: only supports floating-point dtypes for input, got: {dtype}"
        )
    if out is not None and out._type.dtype is not int64:
        raise DTypeError(f"multinomial: expects Long tensor out, got: {out._type.dtype}")
    if len(shape) not in (1, 2):
        raise ShapeError("multinomial: prob_dist must be 1 or 2 dim")
    if count <= 0:
        raise ShapeError("multinomial: cannot sample n_sample <= 0 samples")
    if not replacement and count > shape[-1]:
        raise ShapeError(
            "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    if shape[-1] > 1 << 24:
        raise ShapeError("multinomial: number of categories cannot exceed 2^24")
    made = _sampled(input.detach(), count, replacement, generator)
    return made if out is None else given("multinomial", made, out)


@scoped(name="multinomial")
def _sampled(x: Tensor, count: int, replacement: bool, generator: Generator | None) -> Tensor:
    shape = x._type.shape
    require(
        x,
        lambda p: (p >= 0) & (p < math.inf),
        "probability tensor contains either `inf`, `nan` or element < 0",
    )
    require(
        x,
        lambda p: p.sum(-1) > 0,
        "invalid multinomial distribution (sum of probabilities <= 0)",
    )
    x = prims.convert(x, _wide(x._type.dtype))
    if not replacement:
        u = source.uniform(shape, x._type.dtype, generator, x.device)
        waits = prims.div(prims.neg(prims.log(prims.sub(1.0, u))), x)  # the rarer, the longer
        if count == 1:
            return waits.argmin(-1, keepdim=True)
        return prims.convert(ascending(waits).narrow(-1, 0, count), int64)
    reached = x.cumsum(-1)
    total = reached.narrow(-1, shape[-1] - 1, 1)
    u = source.uniform((*shape[:-1], count), x._type.dtype, generator, x.device)
    # The first position whose running total is beyond the level.
    below = prims.le(reached.unsqueeze(-2), prims.mul(u, total).unsqueeze(-1))
    at = prims.sum(prims.convert(below, int64), axes=(len(shape),))
    return prims.minimum(at, shape[-1] - 1)


def _host_generator(generator: Generator | None, device: Any) -> np.random.Generator:
    """NumPy's generator, started by two words of ours; reads them."""
    words = source.bits((4,), generator, device).numpy()
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words.tolist())))


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers from the Poisson distributions of the rates in `input`; reads their values.

    The gradient is zero. Raises: RuntimeError for a negative rate or a dtype that is not
    floating.
    """
    check_tensor("poisson", input)
    fill_dtype("poisson", input)
    rates = input.detach()._host().astype(np.float64)
    if not (rates >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    drawn = np.asarray(_host_generator(generator, input.device).poisson(rates))
    return in_place_of(input, from_host(drawn, input._type.dtype, input.device))


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of `count` trials of probability `prob` succeed; reads the values of both.

    The tensors broadcast. Raises: RuntimeError unless both have one floating dtype and
    0 <= `prob` <= 1.
    """
    check_tensor("binomial", count, "count")
    check_tensor("binomial", prob, "prob", 2)
    fill_dtype("binomial", count)
    if count._type.dtype is not prob._type.dtype:
        raise DTypeError(
            f"binomial: Found dtype {prob._type.dtype} but expected {count._type.dtype}"
        )
    n, p = (t.detach()._host().astype(np.float64) for t in (count, prob))
    if not ((p >= 0) & (p <= 1) & (n >= 0)).all():
        raise RuntimeError("binomial: expects count >= 0 and 0 <= prob <= 1")
    drawn = _host_generator(generator, count.device).binomial(n.astype(np.int64), p)
    return from_host(np.asarray(drawn), count._type.dtype, count.device)


METHODS = {f.__name__: f for f in (exponential_, cauchy_, log_normal_, geometric_, multinomial)}
FUNCTIONS = {f.__name__: f for f in (multinomial, poisson, binomial)}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
