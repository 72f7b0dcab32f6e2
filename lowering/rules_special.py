"""Special elementwise functions as `jax.lax` calls; read by `lowering.table` alone."""

from __future__ import annotations

import math

import numpy as np
from jax import lax
from jax.scipy import special

from .rules_elementwise import binary, broadcast_right, unary


def widened(fn):
    """`fn` in single precision for half precision, which some functions lack."""

    def wide(*args):
        dtype = args[0].dtype
        if dtype.itemsize > 2:
            return fn(*args)
        return lax.convert_element_type(
            fn(*(lax.convert_element_type(a, np.float32) for a in args)), dtype
        )

    return wide


STEPS = 1e5  # further below zero than this nobody walks


def _zeta(s, q):
    """The Hurwitz zeta function. XLA's expansion of it needs a q above zero, as by
    zeta(s, q) = q ** -s + zeta(s, q + 1) it comes to be.

    Source: DLMF 25.11.3.
    """

    def is_below(q):
        return lax.bitwise_and(q < 0, q > -STEPS)

    def step(state):
        q, total = state
        below = is_below(q)
        term = lax.select(below, lax.pow(q, -s), lax.full_like(q, 0))
        return lax.select(below, q + 1, q), total + term

    start = (q, lax.full_like(q, 0))
    q, total = lax.while_loop(
        lambda state: lax.reduce_or(is_below(state[0]), (*range(q.ndim),)), step, start
    )
    return lax.select(q == 0, lax.full_like(q, math.inf), total + lax.zeta(s, q))


def _polygamma(node, x):
    order = node.attr("order")

    def fn(y):
        """Source: DLMF 25.11.12."""
        n = lax.full_like(y, order)
        below = (-1.0) ** (order + 1) * lax.exp(lax.lgamma(n + 1)) * _zeta(n + 1, y)
        above = lax.select(y == math.inf, lax.full_like(y, 0), lax.polygamma(n, y))
        return lax.select(y < 0, below, above)

    return widened(fn)(x)


def _equal_shapes(fn):
    """Functions of `lax` that take operands of one shape alone."""

    def rule(node, x, y):
        shape = node.outputs[0].type.shape
        return widened(fn)(broadcast_right(x, shape), broadcast_right(y, shape))

    return rule


def _erfcx(x):
    """exp(x²) erfc(x); for large x the start of its asymptotic series."""
    limit = 9.0 if x.dtype == np.float32 else 25.0
    small = lax.min(x, np.asarray(limit, x.dtype))
    near = lax.exp(small * small) * lax.erfc(small)
    square = 1 / (x * x)
    far = (1 - square / 2 + 3 * square * square / 4) / (x * math.sqrt(math.pi))
    return lax.select(x < limit, near, far)


def _atan2(y, x):
    """The angle of (x, y). At the origin the sign of x decides, as it would of 1 or -1: XLA for CPUs
    divides 0 by 0 there and gives nan where it knows both beforehand, as of two `iota`s.
    """
    signed = lax.bitcast_convert_type(x, np.dtype(f"int{8 * x.dtype.itemsize}"))
    unit = lax.select(signed < 0, lax.full_like(x, -1), lax.full_like(x, 1))
    return lax.atan2(y, lax.select(lax.bitwise_and(x == 0, y == 0), unit, x))


RULES = {
    "asin": unary(lax.asin),
    "acos": unary(lax.acos),
    "atan": unary(lax.atan),
    "sinh": unary(lax.sinh),
    "cosh": unary(lax.cosh),
    "asinh": unary(lax.asinh),
    "acosh": unary(lax.acosh),
    "atanh": unary(lax.atanh),
    "atan2": _equal_shapes(_atan2),
    "lgamma": unary(widened(lax.lgamma)),
    "digamma": unary(widened(lax.digamma)),
    "polygamma": _polygamma,
    "zeta": _equal_shapes(_zeta),
    "igamma": _equal_shapes(lax.igamma),
    "igammac": _equal_shapes(lax.igammac),
    "erfc": unary(widened(lax.erfc)),
    "erfinv": unary(widened(lax.erf_inv)),
    "erfcx": unary(widened(_erfcx)),
    "ndtri": unary(widened(special.ndtri)),
    "log_ndtr": unary(widened(special.log_ndtr)),
    "i0e": unary(widened(lax.bessel_i0e)),
    "i1e": unary(widened(lax.bessel_i1e)),
    "nextafter": binary(lax.nextafter),
}
