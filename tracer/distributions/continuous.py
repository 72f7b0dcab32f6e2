"""Continuous distributions of one number. Public as `distributions`."""

from __future__ import annotations

import math
from typing import Any

from ..api.compare import where
from ..api.join import stack
from ..api.random import rand, randn
from ..nn.functional import one_hot
from ..tensor import Tensor
from . import constraints
from .constraints import nonnegative, positive, real, unit_interval
from .distribution import Distribution, ExponentialFamily, broadcast_all
from .gamma import standard_gamma

_EULER = 0.57721566490153286060


def dirichlet_mode(concentration: Any) -> Any:
    """The likeliest probabilities; a corner where no concentration is above 1."""
    above = (concentration - 1).clamp(min=0.0)
    inside = above / above.sum(-1, True)
    corner = one_hot(inside.argmax(-1), inside.shape[-1]).to(inside.dtype)
    return where((concentration < 1).all(-1, True), corner, inside)


class _Uniformly(Distribution):
    """Drawn by putting uniform numbers into `icdf`."""

    has_rsample = True

    def _like(self) -> Tensor:
        return next(v for k, v in self.__dict__.items() if k in self.arg_constraints)

    def rsample(self, sample_shape: Any = ()) -> Any:
        like = self._like()
        u = rand(self._extended_shape(sample_shape), dtype=like.dtype, device=like.device)
        tiny = 1e-7 if like.dtype.itemsize < 8 else 1e-16
        return self.icdf(u.clamp(tiny, 1 - tiny))


class Normal(ExponentialFamily):
    """The normal distribution of a mean and a standard deviation."""

    arg_constraints = {"loc": real, "scale": positive}
    support = real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale**2)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        return self.loc + randn(shape, dtype=self.loc.dtype, device=self.loc.device) * self.scale

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        gap = (value - self.loc) / self.scale
        return -0.5 * gap**2 - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def icdf(self, value: Any) -> Any:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Any:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class Uniform(Distribution):
    """Equally likely numbers from `low` to below `high`."""

    arg_constraints = {"low": constraints.dependent, "high": constraints.dependent}
    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None):
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not (self.low < self.high).all():
            raise ValueError("Uniform is not defined when low>= high")

    @property
    def support(self) -> constraints.Constraint:
        return constraints.interval(self.low, self.high)

    mean = property(lambda self: (self.high + self.low) / 2)
    mode = property(lambda self: math.nan * self.high)
    stddev = property(lambda self: (self.high - self.low) / 12**0.5)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        u = rand(shape, dtype=self.low.dtype, device=self.low.device)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        inside = ((value >= self.low) & (value < self.high)).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Any) -> Any:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Any:
        return (self.high - self.low).log()


class Exponential(ExponentialFamily):
    """Waiting times at a rate."""

    arg_constraints = {"rate": positive}
    support = nonnegative
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    mean = property(lambda self: self.rate.reciprocal())
    mode = property(lambda self: self.rate * 0)
    stddev = property(lambda self: self.rate.reciprocal())
    variance = property(lambda self: self.rate.pow(-2))

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        u = rand(shape, dtype=self.rate.dtype, device=self.rate.device)
        return -(-u).log1p() / self.rate

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Any) -> Any:
        return -(-value).log1p() / self.rate

    def entropy(self) -> Any:
        return 1.0 - self.rate.log()


class Gamma(ExponentialFamily):
    """Sums of exponential waiting times: shape `concentration`, and a rate."""

    arg_constraints = {"concentration": positive, "rate": positive}
    support = nonnegative
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: ((self.concentration - 1) / self.rate).clamp(min=0))
    variance = property(lambda self: self.concentration / self.rate.pow(2))

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        drawn = standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        return drawn.clamp(min=1e-37 if drawn.dtype.itemsize < 8 else 1e-307)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        a, r = self.concentration, self.rate
        return a.xlogy(r) + (a - 1).xlogy(value) - r * value - a.lgamma()

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return self.concentration.igamma(self.rate * value)

    def entropy(self) -> Any:
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1.0 - a) * a.digamma()


class Chi2(Gamma):
    """Sums of `df` squared standard normal numbers."""

    arg_constraints = {"df": positive}

    def __init__(self, df: Any, validate_args: bool | None = None):
        (half,) = broadcast_all(df)
        super().__init__(0.5 * half, 0.5, validate_args)

    df = property(lambda self: self.concentration * 2)

    def _parameters(self) -> dict[str, Any]:
        return dict.fromkeys(("concentration", "rate"))


class Beta(ExponentialFamily):
    """Numbers between 0 and 1 of two concentrations."""

    arg_constraints = {"concentration1": positive, "concentration0": positive}
    support = unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        self._a, self._b = broadcast_all(concentration1, concentration0)
        super().__init__(self._a.shape, validate_args=None)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            Gamma(self._a, self._b, validate_args=True)

    concentration1 = property(lambda self: self._a)
    concentration0 = property(lambda self: self._b)
    mean = property(lambda self: self._a / (self._a + self._b))

    @property
    def mode(self) -> Any:
        return dirichlet_mode(stack([self._a, self._b], -1))[..., 0]

    @property
    def variance(self) -> Any:
        total = self._a + self._b
        return self._a * self._b / (total.pow(2) * (total + 1))

    def _parameters(self) -> dict[str, Any]:
        return dict.fromkeys(("_a", "_b"))

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        x, y = (standard_gamma(c.expand(shape)) for c in (self._a, self._b))
        return x / (x + y)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        a, b = self._a, self._b
        norm = (a + b).lgamma() - a.lgamma() - b.lgamma()
        return (a - 1).xlogy(value) + (b - 1).xlogy(1 - value) + norm

    def entropy(self) -> Any:
        a, b = self._a, self._b
        total = a + b
        norm = a.lgamma() + b.lgamma() - total.lgamma()
        spread = (total - 2) * total.digamma()
        return norm - (a - 1) * a.digamma() - (b - 1) * b.digamma() + spread

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class StudentT(Distribution):
    """Student's t distribution of `df` degrees of freedom."""

    arg_constraints = {"df": positive, "loc": real, "scale": positive}
    support = real
    has_rsample = True

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    mode = property(lambda self: self.loc)

    @property
    def mean(self) -> Any:
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def variance(self) -> Any:
        df = self.df
        known = self.scale.pow(2) * df / (df - 2)
        return known.masked_fill(df <= 2, math.inf).masked_fill(df <= 1, math.nan)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        x = randn(shape, dtype=self.df.dtype, device=self.df.device)
        z = standard_gamma((self.df / 2).expand(shape)) * 2
        return self.loc + self.scale * x * (z / self.df).rsqrt()

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        y = (value - self.loc) / self.scale
        z = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi)
        z = z + (0.5 * self.df).lgamma() - (0.5 * (self.df + 1)).lgamma()
        return -0.5 * (self.df + 1) * (y**2 / self.df).log1p() - z

    def entropy(self) -> Any:
        df = self.df
        beta = (0.5 * df).lgamma() + math.lgamma(0.5) - (0.5 * (df + 1)).lgamma()
        change = (0.5 * (df + 1)).digamma() - (0.5 * df).digamma()
        return self.scale.log() + 0.5 * (df + 1) * change + 0.5 * df.log() + beta


class Laplace(_Uniformly):
    """Two exponential tails around a location."""

    arg_constraints = {"loc": real, "scale": positive}
    support = real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: 2 * self.scale.pow(2))
    stddev = property(lambda self: 2**0.5 * self.scale)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Any) -> Any:
        self._check(value)
        gap = value - self.loc
        return 0.5 - 0.5 * gap.sign() * (-gap.abs() / self.scale).expm1()

    def icdf(self, value: Any) -> Any:
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()

    def entropy(self) -> Any:
        return 1 + (2 * self.scale).log()


class Cauchy(_Uniformly):
    """Ratios of normal numbers: without mean or variance."""

    arg_constraints = {"loc": real, "scale": positive}
    support = real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc * math.nan)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: self.scale * math.inf)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        return (
            -math.log(math.pi) - self.scale.log() - (((value - self.loc) / self.scale) ** 2).log1p()
        )

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return ((value - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Any) -> Any:
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Any:
        return math.log(4 * math.pi) + self.scale.log()


class Gumbel(_Uniformly):
    """Largest values of many."""

    arg_constraints = {"loc": real, "scale": positive}
    support = real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc + self.scale * _EULER)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: math.pi / 6**0.5 * self.scale)
    variance = property(lambda self: self.stddev.pow(2))

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        y = (self.loc - value) / self.scale
        return y - y.exp() - self.scale.log()

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return (-((self.loc - value) / self.scale).exp()).exp()

    def icdf(self, value: Any) -> Any:
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self) -> Any:
        return self.scale.log() + (1 + _EULER)


class HalfNormal(Distribution):
    """The size of a normal number around 0."""

    arg_constraints = {"scale": positive}
    support = nonnegative
    has_rsample = True

    def __init__(self, scale: Any, validate_args: bool | None = None):
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    mode = property(lambda self: self.scale * 0)
    variance = property(lambda self: self.scale.pow(2) * (1 - 2 / math.pi))

    def _normal(self) -> Normal:
        return Normal(self.scale * 0, self.scale, validate_args=False)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._normal().rsample(sample_shape).abs()

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        found = self._normal().log_prob(value) + math.log(2)
        return found.masked_fill(value < 0, -math.inf)

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return 2 * self._normal().cdf(value) - 1

    def icdf(self, value: Any) -> Any:
        return self._normal().icdf((value + 1) / 2)

    def entropy(self) -> Any:
        return self._normal().entropy() - math.log(2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class HalfCauchy(_Uniformly):
    """The size of a Cauchy number around 0."""

    arg_constraints = {"scale": positive}
    support = nonnegative

    def __init__(self, scale: Any, validate_args: bool | None = None):
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    mean = property(lambda self: self.scale * math.inf)
    mode = property(lambda self: self.scale * 0)
    variance = property(lambda self: self.scale * math.inf)

    def _cauchy(self) -> Cauchy:
        return Cauchy(self.scale * 0, self.scale, validate_args=False)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        found = self._cauchy().log_prob(value) + math.log(2)
        return found.masked_fill(value < 0, -math.inf)

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return 2 * self._cauchy().cdf(value) - 1

    def icdf(self, value: Any) -> Any:
        return self._cauchy().icdf((value + 1) / 2)

    def entropy(self) -> Any:
        return self._cauchy().entropy() - math.log(2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Weibull(_Uniformly):
    """Life times whose hazard goes with a power of time."""

    arg_constraints = {"scale": positive, "concentration": positive}
    support = positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None):
        self.scale, self.concentration = broadcast_all(scale, concentration)
        super().__init__(self.scale.shape, validate_args=validate_args)

    mean = property(lambda self: self.scale * (1 + 1 / self.concentration).lgamma().exp())

    @property
    def mode(self) -> Any:
        k = self.concentration
        return self.scale * ((k - 1) / k) ** (1 / k)

    @property
    def variance(self) -> Any:
        k = self.concentration
        second, first = (1 + 2 / k).lgamma().exp(), (2 * (1 + 1 / k).lgamma()).exp()
        return self.scale.pow(2) * (second - first)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        k, y = self.concentration, value / self.scale
        return k.log() - self.scale.log() + (k - 1) * y.log() - y**k

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return 1 - (-((value / self.scale) ** self.concentration)).exp()

    def icdf(self, value: Any) -> Any:
        return self.scale * (-(-value).log1p()) ** (1 / self.concentration)

    def entropy(self) -> Any:
        k = self.concentration
        return _EULER * (1 - 1 / k) + (self.scale / k).log() + 1


class Pareto(_Uniformly):
    """Numbers above `scale` whose tail is a power."""

    arg_constraints = {"alpha": positive, "scale": positive}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None):
        self.scale, self.alpha = broadcast_all(scale, alpha)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.greater_than_eq(self.scale)

    mode = property(lambda self: self.scale)

    @property
    def mean(self) -> Any:
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def variance(self) -> Any:
        a = self.alpha.clamp(min=2)
        return self.scale.pow(2) * a / ((a - 1).pow(2) * (a - 2))

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        return self.alpha.log() + self.alpha * self.scale.log() - (self.alpha + 1) * value.log()

    def cdf(self, value: Any) -> Any:
        self._check(value)
        return 1 - (self.scale / value) ** self.alpha

    def icdf(self, value: Any) -> Any:
        return self.scale * (1 - value) ** (-1 / self.alpha)

    def entropy(self) -> Any:
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())
