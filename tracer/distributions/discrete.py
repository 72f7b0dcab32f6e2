"""Discrete distributions. Public as `distributions`."""

from __future__ import annotations

import math
from typing import Any

from ..api import distributions as draws
from ..api.random import bernoulli, rand
from ..api.ranges import arange
from ..grad_mode import no_grad
from ..nn.functional import one_hot
from . import constraints
from .constraints import nonnegative, nonnegative_integer, real, unit_interval
from .distribution import Distribution, ExponentialFamily, broadcast_all
from .gamma import standard_gamma


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept from 0 and 1 by an epsilon, so that they have logarithms."""
    eps = {2: 1e-3, 4: 1.1920928955078125e-07}.get(probs.dtype.itemsize, 2.220446049250313e-16)
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """The logits of probabilities: of two outcomes, or of many along the last dim."""
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """The probabilities of logits: of two outcomes, or of many along the last dim."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def _one_of(probs: Any, logits: Any) -> bool:
    """Whether `probs` was given. Raises: ValueError unless exactly one was."""
    if (probs is None) is (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return probs is not None


class _Binary(ExponentialFamily):
    """Of a probability, given as it is or by its logit; the other is worked out when asked."""

    def __init__(self, probs: Any, logits: Any, validate_args: bool | None, *others: Any):
        if _one_of(probs, logits):
            (self.probs, *rest) = broadcast_all(probs, *others)
        else:
            (self.logits, *rest) = broadcast_all(logits, *others)
        self._others(*rest)
        super().__init__(self._param.shape, validate_args=validate_args)

    def _others(self, *rest: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name == "probs" and "logits" in self.__dict__:
            return logits_to_probs(self.logits, is_binary=True)
        if name == "logits" and "probs" in self.__dict__:
            return probs_to_logits(self.probs, is_binary=True)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def _param(self) -> Any:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]


class Bernoulli(_Binary):
    """1 with a probability, else 0."""

    arg_constraints = {"probs": unit_interval, "logits": real}
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args)

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    @property
    def mode(self) -> Any:
        chosen = (self.probs >= 0.5).to(self.probs.dtype)
        return chosen.masked_fill(self.probs == 0.5, math.nan)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        logits, value = broadcast_all(self.logits, value)
        return value * logits - logits.clamp(min=0) - (-logits.abs()).exp().log1p()

    def entropy(self) -> Any:
        x = self.logits
        return x.clamp(min=0) - x * self.probs + (-x.abs()).exp().log1p()

    def enumerate_support(self, expand: bool = True) -> Any:
        return _values(2, self._param, self._batch_shape, expand)


def _values(count: int, like: Any, batch: Any, expand: bool) -> Any:
    dtype = like.dtype
    values = arange(count, dtype=dtype, device=like.device).view((-1, *(1,) * len(batch)))
    return values.expand((-1, *batch)) if expand else values


class Geometric(_Binary):
    """How often a trial fails before it succeeds."""

    arg_constraints = {"probs": unit_interval, "logits": real}
    support = nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args)

    mean = property(lambda self: 1.0 / self.probs - 1.0)
    mode = property(lambda self: self.probs * 0)
    variance = property(lambda self: (1.0 / self.probs - 1.0) / self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            probs = self.probs.expand(self._extended_shape(sample_shape))
            u = rand(probs.shape, dtype=probs.dtype, device=probs.device).clamp(min=1e-37)
            return (u.log() / (-probs).log1p()).floor()

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        value, probs = broadcast_all(value, self.probs)
        probs = probs.masked_fill((probs == 1) & (value == 0), 0)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Any:
        x = self.logits
        binary = x.clamp(min=0) - x * self.probs + (-x.abs()).exp().log1p()
        return binary / self.probs


class Binomial(_Binary):
    """Successes among `total_count` trials."""

    arg_constraints = {"total_count": nonnegative_integer, "probs": unit_interval, "logits": real}
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ):
        super().__init__(probs, logits, validate_args, total_count)

    def _others(self, *rest: Any) -> None:
        self.total_count = rest[0].to(self._param.dtype)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.integer_interval(0, self.total_count)

    mean = property(lambda self: self.total_count * self.probs)

    @property
    def mode(self) -> Any:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return draws.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        n, x = self.total_count, self.logits
        choices = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        return choices + value * x - n * (x.clamp(min=0) + (-x.abs()).exp().log1p())

    def entropy(self) -> Any:
        total = int(self.total_count.max())
        if not self.total_count.min() == total:
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        found = self.log_prob(self.enumerate_support(False))
        return -(found.exp() * found).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        total = int(self.total_count.max())
        if not self.total_count.min() == total:
            raise NotImplementedError(
                "Inhomogeneous total count not supported by `enumerate_support`."
            )
        return _values(1 + total, self._param, self._batch_shape, expand)


class NegativeBinomial(_Binary):
    """Successes before `total_count` failures."""

    arg_constraints = {
        "total_count": nonnegative,
        "probs": constraints.interval(0.0, 1.0),
        "logits": real,
    }
    support = nonnegative_integer

    def __init__(
        self,
        total_count: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ):
        super().__init__(probs, logits, validate_args, total_count)

    def _others(self, *rest: Any) -> None:
        self.total_count = rest[0].to(self._param.dtype)

    mean = property(lambda self: self.total_count * self.logits.exp())

    @property
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    variance = property(lambda self: self.mean / (-self.logits).sigmoid())

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            rate = standard_gamma(self.total_count.expand(shape)) * self.logits.exp().expand(shape)
            return draws.poisson(rate)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        n, x = self.total_count, self.logits
        lost = n * (-x).sigmoid().log() + value * x.sigmoid().log()
        ways = (n + value).lgamma() - (1.0 + value).lgamma() - n.lgamma()
        return lost + ways.masked_fill(n + value == 0.0, 0.0)


class Poisson(ExponentialFamily):
    """How often something happens that does so at a rate."""

    arg_constraints = {"rate": nonnegative}
    support = nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    mean = property(lambda self: self.rate)
    mode = property(lambda self: self.rate.floor())
    variance = property(lambda self: self.rate)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return draws.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()


class Categorical(Distribution):
    """One of several outcomes, by number; probabilities lie along the last dim."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        which = "probs" if _one_of(probs, logits) else "logits"
        param = probs if which == "probs" else logits
        if param.dim() < 1:
            raise ValueError(f"`{which}` parameter must be at least one-dimensional.")
        if which == "probs":
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
        self._num_events = param.shape[-1]
        super().__init__(param.shape[:-1], validate_args=validate_args)

    def __getattr__(self, name: str) -> Any:
        if name == "probs" and "logits" in self.__dict__:
            return logits_to_probs(self.logits)
        if name == "logits" and "probs" in self.__dict__:
            return probs_to_logits(self.probs)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def _param(self) -> Any:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def support(self) -> constraints.Constraint:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self) -> Any:
        return self._param.shape

    mean = property(lambda self: self.probs[..., 0] * math.nan)
    mode = property(lambda self: self.probs.argmax(-1))
    variance = property(lambda self: self.probs[..., 0] * math.nan)

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            count = math.prod(sample_shape)
            drawn: Any = draws.multinomial(rows, count, True)
            return drawn.t().reshape(shape)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        at, logits = value.long().unsqueeze(-1), self.logits
        batch = tuple(max(pair) for pair in _aligned(at.shape[:-1], logits.shape[:-1]))
        at, logits = at.expand((*batch, 1)), logits.expand((*batch, self._num_events))
        return logits.gather(-1, at).squeeze(-1)

    def entropy(self) -> Any:
        low = -3.4028234663852886e38 if self.logits.dtype.itemsize == 4 else -1e300
        return -(self.logits.clamp(min=low) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        values = arange(self._num_events, device=self._param.device)
        values = values.view((-1, *(1,) * len(self._batch_shape)))  # type: ignore[attr-defined]
        return values.expand((-1, *self._batch_shape)) if expand else values


def _aligned(a: Any, b: Any) -> list[tuple[int, int]]:
    size = max(len(a), len(b))
    return list(zip((*(1,) * (size - len(a)), *a), (*(1,) * (size - len(b)), *b), strict=True))


class OneHotCategorical(Distribution):
    """One of several outcomes, as a vector with one 1."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self._categorical = Categorical(probs, logits, validate_args)
        batch, event = self._categorical.batch_shape, self._categorical.param_shape[-1:]
        super().__init__(batch, event, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    mean = property(lambda self: self._categorical.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    @property
    def mode(self) -> Any:
        return one_hot(self.probs.argmax(-1), self._event_shape[0])

    def sample(self, sample_shape: Any = ()) -> Any:
        drawn = self._categorical.sample(sample_shape)
        return one_hot(drawn, self._event_shape[0]).to(self._categorical._param.dtype)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self) -> Any:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        n = self._event_shape[0]
        values: Any = one_hot(arange(n), n).to(self._categorical._param.dtype)
        values = values.view((n, *(1,) * len(self._batch_shape), n))
        return values.expand((n, *self._batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """Draws whose gradient is that of the probabilities. Bengio et al. 2013, arXiv:1308.3432."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Any:
        probs = self.probs
        return self.sample(sample_shape) + (probs - probs.detach())


class Multinomial(Distribution):
    """How often each outcome occurs among `total_count`."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(
        self,
        total_count: int = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args)
        batch, event = self._categorical.batch_shape, self._categorical.param_shape[-1:]
        super().__init__(batch, event, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def support(self) -> constraints.Constraint:
        return constraints.multinomial(self.total_count)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape: Any = ()) -> Any:
        drawn = self._categorical.sample((self.total_count, *sample_shape))
        return one_hot(drawn, self._event_shape[0]).sum(0).to(self._categorical._param.dtype)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -math.inf), 0)
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Any:
        n = self.total_count
        found = Binomial(n, probs=self.probs, validate_args=False)
        support = found.enumerate_support(expand=False)[1:]
        weights = found.log_prob(support).exp()
        own = n * self._categorical.entropy() - math.lgamma(n + 1)
        return own + (weights * (support + 1).lgamma()).sum((0, -1))
