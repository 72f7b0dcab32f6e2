"""Invertible functions with their Jacobians. Public as `distributions.transforms`."""

from __future__ import annotations

import math
from typing import Any

from ..nn.functional import softplus
from . import constraints


class Transform:
    """`t(x)`, its inverse `t.inv(y)`, and the logarithm of its Jacobian's absolute determinant."""

    bijective = True
    domain: constraints.Constraint = constraints.real
    codomain: constraints.Constraint = constraints.real
    domain_event_dim = 0
    codomain_event_dim = 0

    def __init__(self, cache_size: int = 0):
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size = cache_size

    @property
    def sign(self) -> Any:
        """1 if increasing, -1 if decreasing."""
        raise NotImplementedError

    @property
    def inv(self) -> Transform:
        """The inverse, a transform."""
        return _Inverse(self)

    def __call__(self, x: Any) -> Any:
        return self._call(x)

    def _call(self, x: Any) -> Any:
        raise NotImplementedError

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """At `x`, of which `y` is the image."""
        raise NotImplementedError

    def forward_shape(self, shape: Any) -> Any:
        """The shape of images."""
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        """The shape of what has images of a shape."""
        return shape

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, of: Transform):
        super().__init__()
        self._of = of
        self.domain, self.codomain = of.codomain, of.domain
        self.domain_event_dim, self.codomain_event_dim = of.codomain_event_dim, of.domain_event_dim

    sign = property(lambda self: self._of.sign)

    @property
    def inv(self) -> Transform:
        return self._of

    def _call(self, x: Any) -> Any:
        return self._of._inverse(x)

    def _inverse(self, y: Any) -> Any:
        return self._of._call(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -self._of.log_abs_det_jacobian(y, x)

    def __repr__(self) -> str:
        return f"_InverseTransform({self._of!r})"


class ComposeTransform(Transform):
    """Transforms one after another."""

    def __init__(self, parts: list[Transform], cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = list(parts)
        if self.parts:
            self.domain, self.codomain = self.parts[0].domain, self.parts[-1].codomain
        need = self.parts[-1].codomain_event_dim if self.parts else 0
        for part in reversed(self.parts):
            need = max(
                need + part.domain_event_dim - part.codomain_event_dim, part.domain_event_dim
            )
        self.domain_event_dim = need
        for part in self.parts:
            need = max(
                need + part.codomain_event_dim - part.domain_event_dim, part.codomain_event_dim
            )
        self.codomain_event_dim = need

    @property
    def sign(self) -> Any:
        out: Any = 1
        for part in self.parts:
            out = out * part.sign
        return out

    def _call(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Any) -> Any:
        for part in reversed(self.parts):
            y = part._inverse(y)
        return y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        from .multivariate import sum_rightmost

        total: Any = None
        event = self.domain_event_dim
        for part in self.parts:
            image = part(x)
            own = sum_rightmost(part.log_abs_det_jacobian(x, image), event - part.domain_event_dim)
            total = own if total is None else total + own
            event += part.codomain_event_dim - part.domain_event_dim
            x = image
        return x * 0 if total is None else total

    def forward_shape(self, shape: Any) -> Any:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def __repr__(self) -> str:
        lines = ",\n    ".join(map(repr, self.parts))
        return f"ComposeTransform(\n    {lines}\n)"


class ExpTransform(Transform):
    """`exp(x)`."""

    codomain = constraints.positive
    sign = 1  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


def _sign(x: Any) -> Any:
    return x.sign() if hasattr(x, "sign") else int(math.copysign(1, x))


class PowerTransform(Transform):
    """`x ** exponent` of positive numbers."""

    domain = codomain = constraints.positive

    def __init__(self, exponent: Any, cache_size: int = 0):
        super().__init__(cache_size)
        self.exponent = exponent

    @property
    def sign(self) -> Any:
        return (
            self.exponent.sign()
            if hasattr(self.exponent, "sign")
            else math.copysign(1, self.exponent)
        )

    def _call(self, x: Any) -> Any:
        return x.pow(self.exponent)

    def _inverse(self, y: Any) -> Any:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return (self.exponent * y / x).abs().log()


class SigmoidTransform(Transform):
    """The logistic function."""

    codomain = constraints.unit_interval
    sign = 1  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        tiny, eps = (1.1754943508222875e-38, 1.1920928955078125e-07)
        if x.dtype.itemsize == 8:
            tiny, eps = 2.2250738585072014e-308, 2.220446049250313e-16
        return x.sigmoid().clamp(min=tiny, max=1.0 - eps)

    def _inverse(self, y: Any) -> Any:
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x) - softplus(x)


class SoftplusTransform(Transform):
    """`log(1 + exp(x))`."""

    codomain = constraints.positive
    sign = 1  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        return softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -softplus(-x)


class TanhTransform(Transform):
    """`tanh(x)`."""

    codomain = constraints.interval(-1.0, 1.0)
    sign = 1  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class AffineTransform(Transform):
    """`loc + scale * x`, elementwise."""

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim
        self.domain_event_dim = self.codomain_event_dim = event_dim
        if event_dim:
            self.domain = self.codomain = constraints.independent(constraints.real, event_dim)

    @property
    def sign(self) -> Any:
        return (
            self.scale.sign() if hasattr(self.scale, "sign") else int(math.copysign(1, self.scale))
        )

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        size = x * 0 + abs(self.scale)
        found = size.log()
        return found.sum(tuple(range(-self._event_dim, 0))) if self._event_dim else found

    def forward_shape(self, shape: Any) -> Any:
        from ..api.shape import broadcast_shapes

        others = [getattr(v, "shape", ()) for v in (self.loc, self.scale)]
        return broadcast_shapes(shape, *others)


__all__ = [
    "AffineTransform",
    "ComposeTransform",
    "ExpTransform",
    "PowerTransform",
    "SigmoidTransform",
    "SoftplusTransform",
    "TanhTransform",
    "Transform",
]
