"""Kullback-Leibler divergences between two distributions. Public as `distributions`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..api.decompositions import solve_triangular
from .continuous import Beta, Exponential, Gamma, Gumbel, HalfNormal, Laplace, Normal, Uniform
from .discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    OneHotCategorical,
    Poisson,
)
from .distribution import Distribution
from .multivariate import (
    Dirichlet,
    Independent,
    LogNormal,
    MultivariateNormal,
    TransformedDistribution,
    _half_log_det,
    sum_rightmost,
)

_KL: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}
_EULER = 0.57721566490153286060


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """Use the decorated function for the divergence between two classes and those below them."""
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"Expected a Distribution subclass but got {kind}")

    def put(fn: Any) -> Any:
        _KL[type_p, type_q] = fn
        return fn

    return put


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """The divergence of `q` from `p`. Raises: NotImplementedError if nobody registered it."""
    found = [
        (type(p).__mro__.index(a) + type(q).__mro__.index(b), fn)
        for (a, b), fn in _KL.items()
        if isinstance(p, a) and isinstance(q, b)
    ]
    if not found:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}"
        )
    return min(found, key=lambda pair: pair[0])[1](p, q)


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    def softplus(x: Any) -> Any:
        return x.clamp(min=0) + (-x.abs()).exp().log1p()

    yes = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    return yes + (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Any:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count")
    found = p.total_count * (
        p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    )
    return found.masked_fill(p.total_count > q.total_count, math.inf)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Any:
    found = p.probs * (p.logits - q.logits)
    found = found.masked_fill((q.probs == 0).expand(found.shape), math.inf)
    return found.masked_fill((p.probs == 0).expand(found.shape), 0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Any:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return found.masked_fill((q.low > p.low) | (q.high < p.high), math.inf)


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    norm = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return norm + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Any:
    total, other = p._a + p._b, q._a + q._b
    first = q._a.lgamma() + q._b.lgamma() + total.lgamma()
    second = p._a.lgamma() + p._b.lgamma() + other.lgamma()
    parts = (p._a - q._a) * p._a.digamma() + (p._b - q._b) * p._b.digamma()
    return first - second + parts + (other - total) * total.digamma()


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, gap = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + gap / q.scale + ratio * (-gap / p.scale).exp() - 1


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    scale = p.scale / q.scale
    shift = q.loc / q.scale - p.loc / q.scale
    tail = (shift + (1 + scale).lgamma()).exp()
    return -scale.log() - shift + scale * _EULER + tail - (1 + _EULER)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p._normal(), q._normal())


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    norm = a.sum(-1).lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norm + ((a - b) * (a.digamma() - a.sum(-1).digamma().unsqueeze(-1))).sum(-1)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be "
            "computed"
        )
    mine, other = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    spread: Any = solve_triangular(other, p.scale_tril, upper=False)
    gap: Any = solve_triangular(other, (q.loc - p.loc).unsqueeze(-1), upper=False)
    distance = spread.pow(2).sum((-2, -1)) + gap.pow(2).sum((-2, -1))
    return _half_log_det(other) - _half_log_det(mine) + 0.5 * (distance - p.event_shape[0])


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL between Independents of different dims")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(LogNormal, LogNormal)
@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    same = len(p.transforms) == len(q.transforms) and all(
        a is b or (type(a) is type(b) and vars(a) == vars(b))
        for a, b in zip(p.transforms, q.transforms, strict=False)
    )
    if not same or p.event_shape != q.event_shape:
        raise NotImplementedError("KL between different transforms")
    return kl_divergence(p.base_dist, q.base_dist)
