"""Functions that XLA lacks as Chebyshev series, fitted to SciPy's values when first needed.

A series serves on one interval, where its function is smooth; how a function is put together
from such pieces is said by its rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jax import Array, lax

TERMS = 64


class Series:
    """The function `fn` of a NumPy array on [low, high], for arrays of either float dtype.

    `fn` is asked at Chebyshev points only, which leave the ends of the interval out.
    """

    def __init__(self, fn: Callable[[np.ndarray], np.ndarray], low: float, high: float):
        self.fn, self.low, self.high = fn, low, high

    @functools.cached_property
    def coefficients(self) -> np.ndarray:
        from numpy.polynomial import chebyshev

        half, middle = (self.high - self.low) / 2, (self.high + self.low) / 2
        # Its annotations know functions of one number alone.
        function: Any = lambda u: self.fn(half * u + middle)  # noqa: E731
        return chebyshev.chebinterpolate(function, TERMS - 1)

    def __call__(self, t: Array) -> Array:
        """The series at `t` by Clenshaw's recurrence, without terms below the last bit."""
        smallest = np.finfo(t.dtype).eps / 8
        size = np.abs(self.coefficients)
        count = int(np.flatnonzero(size > smallest * size.max())[-1]) + 1
        u = (t - (self.high + self.low) / 2) * (2 / (self.high - self.low))
        after = lax.full_like(u, 0)
        sum_ = lax.full_like(u, 0)
        for c in self.coefficients[count - 1 : 0 : -1]:
            after, sum_ = sum_, 2 * u * sum_ - after + float(c)
        return u * sum_ - after + float(self.coefficients[0])
