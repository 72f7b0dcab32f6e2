"""Bessel and Airy functions for XLA, put together from series; read by `lowering.table` alone.

Near zero a function is a series in x², after what is singular there. Far away it is a decaying
or oscillating factor times a series in 1/x (Abramowitz & Stegun 1964, 9.2, 9.7 and 10.4): the
series are fitted to what that factor leaves of SciPy's values.
"""

from __future__ import annotations

import math

import numpy as np
from jax import lax

from .chebyshev import Series
from .rules_elementwise import unary
from .rules_special import widened

_NEAR = 8.0  # where J and Y change from one form to the other
_K_NEAR = 2.0
_AIRY_LEFT, _AIRY_RIGHT = -6.0, 2.0


def _scipy(name, x):
    from scipy import special

    return getattr(special, name)(x)


def _of_square(fn):
    """A function of x as one of t = x²."""
    return lambda t: fn(np.sqrt(t))


def _turned(x, order, lib):
    """Cosine and sine of x - (2 order + 1) pi / 4, without rounding the difference."""
    c, s = lib.cos(x), lib.sin(x)
    half = math.sqrt(0.5)
    return (half * (c + s), half * (s - c)) if order == 0 else (half * (s - c), -half * (s + c))


def _phase(order, part):
    """What is left of J + iY in the limit, as a series in (8 / x)²: part 0 or 1 of it."""

    def fn(t):
        x = _NEAR / np.sqrt(t)
        cos, sin = _turned(x, order, np)
        j, y = _scipy(f"j{order}", x), _scipy(f"y{order}", x)
        turned = j * cos + y * sin if part == 0 else (y * cos - j * sin) * x / _NEAR
        return turned * np.sqrt(x * math.pi / 2)

    return Series(fn, 0.0, 1.0)


_PHASES = {order: (_phase(order, 0), _phase(order, 1)) for order in (0, 1)}
_SQUARE = _NEAR * _NEAR
_J = {
    0: Series(_of_square(lambda x: _scipy("j0", x)), 0.0, _SQUARE),
    1: Series(_of_square(lambda x: _scipy("j1", x) / x), 0.0, _SQUARE),
}
_TWO = 2 / math.pi
_Y = {
    0: Series(_of_square(lambda x: _scipy("y0", x) - _TWO * np.log(x) * _scipy("j0", x)), 0, 64),
    1: Series(
        _of_square(lambda x: (_scipy("y1", x) - _TWO * (np.log(x) * _scipy("j1", x) - 1 / x)) / x),
        0.0,
        _SQUARE,
    ),
}


def _far(x, order, second):
    """J (or Y, the second) of x beyond 8."""
    p, q = _PHASES[order]
    ratio = _NEAR / x
    square = ratio * ratio
    cos, sin = _turned(x, order, lax)
    cosine, sine = p(square), ratio * q(square)
    wave = cosine * sin + sine * cos if second else cosine * cos - sine * sin
    return wave * lax.sqrt(_TWO / x)


def _j_near(x, order):
    return _J[0](x * x) if order == 0 else x * _J[1](x * x)


def _bessel_j(order):
    def rule(x):
        size = lax.abs(x)
        near = _j_near(lax.min(size, lax.full_like(x, _NEAR)), order)
        far = _far(lax.max(size, lax.full_like(x, _NEAR)), order, False)
        out = lax.select(size > _NEAR, far, near)
        out = lax.select(x != x, x, out)
        return lax.select(x < 0, -out, out) if order else out

    return unary(widened(rule))


def _bessel_y(order):
    def rule(x):
        low = lax.min(x, lax.full_like(x, _NEAR))
        safe = lax.select(low > 0, low, lax.full_like(x, 1))
        singular = lax.log(safe) * _j_near(safe, order)
        rest = _Y[order](safe * safe)
        if order:
            singular, rest = singular - 1 / safe, safe * rest
        far = _far(lax.max(x, lax.full_like(x, _NEAR)), order, True)
        out = lax.select(x > _NEAR, far, _TWO * singular + rest)
        return _at_and_below_zero(x, out, -math.inf)

    return unary(widened(rule))


def _at_and_below_zero(x, out, limit):
    out = lax.select(x == 0, lax.full_like(x, limit), out)
    return lax.select(x >= 0, out, lax.full_like(x, math.nan))


_I = {
    0: Series(_of_square(lambda x: _scipy("i0", x)), 0.0, _K_NEAR**2),
    1: Series(_of_square(lambda x: _scipy("i1", x) / x), 0.0, _K_NEAR**2),
}
_K = {
    0: Series(
        _of_square(lambda x: _scipy("k0", x) + np.log(x / 2) * _scipy("i0", x)), 0.0, _K_NEAR**2
    ),
    1: Series(
        _of_square(lambda x: (_scipy("k1", x) - np.log(x / 2) * _scipy("i1", x) - 1 / x) / x),
        0.0,
        _K_NEAR**2,
    ),
}
_K_FAR = {
    order: Series(
        lambda t, name=f"k{order}e": _scipy(name, _K_NEAR / t) * np.sqrt(_K_NEAR / t), 0.0, 1.0
    )
    for order in (0, 1)
}


def _bessel_k(order):
    def rule(x):
        two = lax.full_like(x, _K_NEAR)
        low = lax.min(x, two)
        safe = lax.select(low > 0, low, lax.full_like(x, 1))
        square = safe * safe
        log = lax.log(safe / 2)
        if order == 0:
            near = _K[0](square) - log * _I[0](square)
        else:
            near = 1 / safe + safe * (_K[1](square) + log * _I[1](square))
        high = lax.max(x, two)
        far = _K_FAR[order](_K_NEAR / high) / lax.sqrt(high)
        out = lax.select(x > _K_NEAR, far, lax.exp(safe) * near)
        return _at_and_below_zero(x, out, math.inf)

    return unary(widened(rule))


def _rise(x, lib):
    """2/3 x^(3/2), the exponent and phase of the Airy functions."""
    return x * lib.sqrt(x) * (2 / 3)


_RISE_LEFT = float(_rise(-_AIRY_LEFT, math))
_RISE_RIGHT = float(_rise(_AIRY_RIGHT, math))
_ROOT_PI = math.sqrt(math.pi)


def _airy_right(order):
    """What is left of the scaled function at (3/2 rise)^(2/3), by the rise at 2 over it."""

    def fn(t):
        x = np.cbrt(1.5 * _RISE_RIGHT / t) ** 2
        return _scipy("airye", x)[order] * 2 * _ROOT_PI * x ** (0.25 if order == 0 else -0.25)

    return Series(fn, 0.0, 1.0)


def _airy_left(order, part):
    """What is left of Ai + iBi at minus x, as a series in the square of rises over each other."""

    def fn(t):
        ratio = np.sqrt(t)
        x = np.cbrt(1.5 * _RISE_LEFT / ratio) ** 2
        cos, sin = _turned(_rise(x, np), 0, np)
        values = _scipy("airy", -x)
        a, b = values[order], values[order + 2]
        if order == 0:
            turned = a * cos - b * sin if part == 0 else (a * sin + b * cos) / ratio
            return turned * _ROOT_PI * x**0.25
        turned = a * sin + b * cos if part == 0 else (b * sin - a * cos) / ratio
        return turned * _ROOT_PI * x**-0.25

    return Series(fn, 0.0, 1.0)


_AIRY = {
    order: (
        Series(lambda x, order=order: _scipy("airy", x)[order], _AIRY_LEFT, _AIRY_RIGHT),
        _airy_right(order),
        _airy_left(order, 0),
        _airy_left(order, 1),
    )
    for order in (0, 1)
}


def _airy_ai(node, x):
    order = node.attr("order")
    middle, right, cosine, sine = _AIRY[order]

    def rule(x):
        left_end, right_end = lax.full_like(x, _AIRY_LEFT), lax.full_like(x, _AIRY_RIGHT)
        near = middle(lax.clamp(left_end, x, right_end))
        # Decaying on the right
        high = lax.max(x, right_end)
        rise = _rise(high, lax)
        root = lax.sqrt(lax.sqrt(high))
        decay = lax.exp(-rise) * right(_RISE_RIGHT / rise) / (2 * _ROOT_PI)
        decay = decay / root if order == 0 else decay * root
        # Waves on the left
        low = -lax.min(x, left_end)
        rise = _rise(low, lax)
        ratio = _RISE_LEFT / rise
        cos, sin = _turned(rise, 0, lax)
        p, q = cosine(ratio * ratio), ratio * sine(ratio * ratio)
        root = lax.sqrt(lax.sqrt(low))
        wave = (cos * p + sin * q) / root if order == 0 else (sin * p - cos * q) * root
        wave = wave / _ROOT_PI
        out = lax.select(x > _AIRY_RIGHT, decay, lax.select(x < _AIRY_LEFT, wave, near))
        finite = lax.abs(x) < math.inf
        return lax.select(finite, out, lax.full_like(x, math.nan))  # as SciPy has it

    return widened(rule)(x)


RULES = {
    "bessel_j0": _bessel_j(0),
    "bessel_j1": _bessel_j(1),
    "bessel_y0": _bessel_y(0),
    "bessel_y1": _bessel_y(1),
    "k0e": _bessel_k(0),
    "k1e": _bessel_k(1),
    "airy_ai": _airy_ai,
}
