"""Distributions of vectors, and distributions made of others. Public as `distributions`."""

from __future__ import annotations

import math
from typing import Any

from ..api.decompositions import cholesky, solve_triangular
from ..api.random import randn
from ..api.ranges import eye
from ..tensor import Size
from . import constraints
from .continuous import dirichlet_mode
from .discrete import Categorical
from .distribution import Distribution, ExponentialFamily
from .gamma import standard_gamma
from .transforms import ComposeTransform, ExpTransform, Transform


class Dirichlet(ExponentialFamily):
    """Probabilities of several outcomes, of a concentration each."""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        drawn = standard_gamma(self.concentration.expand(self._extended_shape(sample_shape)))
        return drawn / drawn.sum(-1, keepdim=True)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        a = self.concentration
        return (a - 1.0).xlogy(value).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    mean = property(lambda self: self.concentration / self.concentration.sum(-1, True))

    mode = property(lambda self: dirichlet_mode(self.concentration))

    @property
    def variance(self) -> Any:
        a = self.concentration
        total = a.sum(-1, True)
        return a * (total - a) / (total.pow(2) * (total + 1))

    def entropy(self) -> Any:
        a = self.concentration
        k, total = a.shape[-1], a.sum(-1)
        norm = a.lgamma().sum(-1) - total.lgamma() - (k - total) * total.digamma()
        return norm - ((a - 1.0) * a.digamma()).sum(-1)


class MultivariateNormal(Distribution):
    """Normal vectors of a mean and a covariance, its inverse, or its Cholesky factor."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: m for name, m in given.items() if m is not None}
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional")
        batch = (matrix[..., 0, 0] + loc[..., 0]).shape
        n = loc.shape[-1]
        self.loc = loc.expand((*batch, n))
        self.__dict__[name] = matrix.expand((*batch, n, n))
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _precision_to_scale(matrix)

    def __getattr__(self, name: str) -> Any:
        if name == "_unbroadcasted_scale_tril" or "_unbroadcasted_scale_tril" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        factor = self._unbroadcasted_scale_tril
        shape = (*self._batch_shape, *self._event_shape, *self._event_shape)
        if name == "scale_tril":
            return factor.expand(shape)
        if name == "covariance_matrix":
            return (factor @ factor.mT).expand(shape)
        if name == "precision_matrix":
            one: Any = eye(shape[-1], dtype=factor.dtype, device=factor.device)
            half = solve_triangular(factor, one, upper=False)
            return (half.mT @ half).expand(shape)  # type: ignore[attr-defined]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @property
    def variance(self) -> Any:
        found = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return found.expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        eps: Any = randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + (self._unbroadcasted_scale_tril @ eps.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        factor = self._unbroadcasted_scale_tril
        gap = (value - self.loc).unsqueeze(-1)
        white: Any = solve_triangular(factor, gap, upper=False)
        distance = white.squeeze(-1).pow(2).sum(-1)
        n = self._event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + distance) - _half_log_det(factor)

    def entropy(self) -> Any:
        n = self._event_shape[0]
        found = 0.5 * n * (1.0 + math.log(2 * math.pi)) + _half_log_det(
            self._unbroadcasted_scale_tril
        )
        return found.expand(self._batch_shape)


def _half_log_det(factor: Any) -> Any:
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _precision_to_scale(precision: Any) -> Any:
    """The Cholesky factor of the inverse, by that of the matrix turned around."""
    turned: Any = cholesky(precision.flip((-2, -1)))
    upper = turned.flip((-2, -1)).mT
    one: Any = eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return solve_triangular(upper, one, upper=False)


class Independent(Distribution):
    """A distribution whose last batch dims count as dims of the event."""

    arg_constraints = {}

    def __init__(
        self,
        base_distribution: Any,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ):
        base = base_distribution
        if reinterpreted_batch_ndims > len(base.batch_shape):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                f"{reinterpreted_batch_ndims} vs {len(base.batch_shape)}"
            )
        shape = base.batch_shape + base.event_shape
        cut = len(base.batch_shape) - reinterpreted_batch_ndims
        self.base_dist = base
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        n = self.reinterpreted_batch_ndims
        inner = self._event_shape[:n]
        return type(self)(self.base_dist.expand((*batch_shape, *inner)), n, validate_args=False)

    has_rsample = property(lambda self: self.base_dist.has_rsample)  # type: ignore[assignment]
    mean = property(lambda self: self.base_dist.mean)
    mode = property(lambda self: self.base_dist.mode)
    variance = property(lambda self: self.base_dist.variance)

    @property
    def support(self) -> constraints.Constraint:
        found = self.base_dist.support
        n = self.reinterpreted_batch_ndims
        return constraints.independent(found, n) if n else found

    def sample(self, sample_shape: Any = ()) -> Any:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Any:
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Any:
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


def sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` dims."""
    return value if dim == 0 else value.sum(tuple(range(-dim, 0)))


class MixtureSameFamily(Distribution):
    """A `Categorical` choice among the last batch dim of another distribution."""

    arg_constraints = {}

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Any,
        validate_args: bool | None = None,
    ):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError("The mixture distribution needs to be an instance of Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The component distribution need to be an instance of Distribution")
        count = mixture_distribution._num_events
        if component_distribution.batch_shape[-1] != count:
            raise ValueError(
                f"`mixture_distribution` component ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` "
                f"({component_distribution.batch_shape[-1]})"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._num_component = count
        event = component_distribution.event_shape
        super().__init__(component_distribution.batch_shape[:-1], event, validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return type(self)(
            self._mixture_distribution.expand(batch_shape),
            self._component_distribution.expand((*batch_shape, self._num_component)),
            validate_args=False,
        )

    mixture_distribution = property(lambda self: self._mixture_distribution)
    component_distribution = property(lambda self: self._component_distribution)

    @property
    def support(self) -> constraints.Constraint:
        return self._component_distribution.support

    def _pad(self, x: Any) -> Any:
        """One more dim beside the event."""
        return x.unsqueeze(-1 - len(self._event_shape))

    def _weights(self) -> Any:
        probs = self._mixture_distribution.probs
        return probs.view((*probs.shape, *(1,) * len(self._event_shape)))

    def _mixed(self, x: Any) -> Any:
        return (self._weights() * x).sum(-1 - len(self._event_shape))

    mean = property(lambda self: self._mixed(self._component_distribution.mean))

    @property
    def variance(self) -> Any:
        own = self._mixed(self._component_distribution.variance)
        gap = self._component_distribution.mean - self._pad(self.mean)
        return own + self._mixed(gap.pow(2.0))

    def cdf(self, value: Any) -> Any:
        found = self._component_distribution.cdf(self._pad(value))
        return (found * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        found = self._component_distribution.log_prob(self._pad(value))
        weights = self._mixture_distribution.logits.log_softmax(-1)
        return (found + weights).logsumexp(-1)

    def sample(self, sample_shape: Any = ()) -> Any:
        axis = len(Size(sample_shape)) + len(self._batch_shape)
        chosen = self._mixture_distribution.sample(sample_shape)
        drawn = self._component_distribution.sample(sample_shape)
        at = chosen.reshape((*chosen.shape, *(1,) * (len(self._event_shape) + 1)))
        at = at.expand((*chosen.shape, 1, *self._event_shape))
        return drawn.gather(axis, at).squeeze(axis)

    def __repr__(self) -> str:
        return (
            f"MixtureSameFamily(\n  {self._mixture_distribution},\n  "
            f"{self._component_distribution})"
        )


class TransformedDistribution(Distribution):
    """A distribution seen through one or several transforms."""

    arg_constraints = {}

    def __init__(self, base_distribution: Any, transforms: Any, validate_args: bool | None = None):
        found = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in found):
            raise ValueError(
                f"transforms must be a Transform or list of Transforms, but was {transforms}"
            )
        self.transforms = found
        whole = ComposeTransform(found)
        base = base_distribution
        need = whole.domain_event_dim - len(base.event_shape)
        if need > 0:
            base = Independent(base, need, validate_args=False)
        self.base_dist = base
        shape = whole.forward_shape(base.batch_shape + base.event_shape)
        event = len(base.event_shape) + whole.codomain_event_dim - whole.domain_event_dim
        cut = len(shape) - max(event, whole.codomain_event_dim)
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return type(self)._of(self, self.base_dist.expand(batch_shape))

    def _of(self, base: Any) -> Any:
        return TransformedDistribution(base, self.transforms, validate_args=False)

    has_rsample = property(lambda self: self.base_dist.has_rsample)  # type: ignore[assignment]

    @property
    def support(self) -> constraints.Constraint:
        return self.transforms[-1].codomain if self.transforms else self.base_dist.support

    def sample(self, sample_shape: Any = ()) -> Any:
        return self._through(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._through(self.base_dist.rsample(sample_shape))

    def _through(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Any) -> Any:
        self._check(value)
        event = len(self._event_shape)
        total: Any = 0.0
        y = value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event += transform.domain_event_dim - transform.codomain_event_dim
            slope = transform.log_abs_det_jacobian(x, y)
            total = total - sum_rightmost(slope, event - transform.domain_event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        return total + sum_rightmost(base, event - len(self.base_dist.event_shape))

    def cdf(self, value: Any) -> Any:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        return self._turned(self.base_dist.cdf(value))

    def icdf(self, value: Any) -> Any:
        return self._through(self.base_dist.icdf(self._turned(value)))

    def _turned(self, value: Any) -> Any:
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        if isinstance(sign, int) and sign == 1:
            return value
        return sign * (value - 0.5) + 0.5


class LogNormal(TransformedDistribution):
    """Numbers whose logarithm is normal."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive  # type: ignore[assignment]

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        from .continuous import Normal

        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    def _of(self, base: Any) -> Any:
        return LogNormal(base.loc, base.scale, validate_args=False)

    loc = property(lambda self: self.base_dist.loc)
    scale = property(lambda self: self.base_dist.scale)
    mean = property(lambda self: (self.loc + self.scale.pow(2) / 2).exp())
    mode = property(lambda self: (self.loc - self.scale.square()).exp())

    @property
    def variance(self) -> Any:
        square = self.scale.pow(2)
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Any:
        return self.base_dist.entropy() + self.loc

    def __repr__(self) -> str:
        return "LogNormal()"


__all__ = [
    "Dirichlet",
    "Independent",
    "LogNormal",
    "MixtureSameFamily",
    "MultivariateNormal",
    "TransformedDistribution",
]
