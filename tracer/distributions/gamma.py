"""Numbers of the gamma distribution, with gradients by its shape. Read by the files beside it.

They are drawn on the host, so a compiled function that draws them runs uncompiled. The gradient
is implicit: of the distribution function, which at a sample stays the same. Source: Figurnov,
Mohamed & Mnih 2018, arXiv:1805.08498.
"""

from __future__ import annotations

from typing import Any

from ...ir.types import float64
from ..api.distributions import _host_generator
from ..function import Function
from ..tensor import Tensor, from_host

_STEP = 1e-4  # of the difference quotient, relative; its error is of second order


class StandardGamma(Function):
    """Numbers of rate 1."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        shape = concentration._host().astype("float64")
        drawn = _host_generator(None, concentration.device).standard_gamma(shape)
        out = from_host(drawn, concentration.dtype, concentration.device)
        ctx.save_for_backward(concentration, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        a, x = (t.to(float64) for t in ctx.saved_tensors)
        h = a * _STEP
        slope = ((a + h).igamma(x) - (a - h).igamma(x)) / (2 * h)
        density = ((a - 1).xlogy(x) - x - a.lgamma()).exp()
        by_shape = (-slope / density).nan_to_num(0.0)
        return grads[0] * by_shape.to(grads[0].dtype)


def standard_gamma(concentration: Tensor) -> Any:
    """A number of each shape, with rate 1."""
    return StandardGamma.apply(concentration)
