"""Elementwise functions beyond the elementary: inverse and hyperbolic ones, gamma, Bessel.

NumPy rules come from SciPy. Imported by `ir.ops` alone; everyone else looks ops up through
`ir.ops.get`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import ZERO, Op, op, table
from .typing import FLOATING, INEXACT, Kinds, same_dtype

_ROOT_PI = math.sqrt(math.pi)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)


def _called(name: str, *args: Any) -> np.ndarray:
    """SciPy's function in double precision, back in the dtype of the arrays."""
    from scipy import special

    dtype = next(a.dtype for a in args if isinstance(a, np.ndarray))
    wide = [np.asarray(a, np.float64) for a in args]
    return np.asarray(getattr(special, name)(*wide)).astype(dtype)


def scipy_rule(name: str) -> Any:
    return lambda x: _called(name, x)


def _scipy_pair(name: str) -> Any:
    return lambda x, y: _called(name, x, y)


def _polygamma(x: np.ndarray, *, order: int) -> np.ndarray:
    from scipy import special

    return np.asarray(special.polygamma(order, np.asarray(x, np.float64))).astype(x.dtype)


def unary_row(name: str, grad: Any, evaluate: Any, kinds: Kinds = FLOATING) -> Op:
    return op(name, same_dtype(kinds), grad, evaluate=evaluate, elementwise=True)


def _binary(name: str, *grads: Any, evaluate: Any, no_grad: str = "") -> Op:
    return op(
        name, same_dtype(FLOATING), *grads, evaluate=evaluate, elementwise=True, no_grad=no_grad
    )


def _over(b: Any, g: Any, divisor: Any) -> Any:
    return b.div(g, b.conj(divisor))


def _square(b: Any, x: Any) -> Any:
    return b.mul(x, x)


def _acosh_grad(b: Any, g: Any, out: Any, x: Any) -> Any:
    if x.type.dtype.is_complex:
        return _over(b, g, b.mul(b.sqrt(b.sub(x, 1)), b.sqrt(b.add(x, 1))))
    return b.div(g, b.sqrt(b.sub(_square(b, x), 1)))


def _atan2_grad(b: Any, g: Any, y: Any, x: Any, of: Any) -> Any:
    square = b.add(b.mul(y, y), b.mul(x, x))
    safe = b.select(b.eq(square, 0), 1, square)  # zero at the origin, as in PyTorch
    return b.mul(g, b.div(of, safe))


def _igamma_slope(b: Any, g: Any, a: Any, x: Any) -> Any:
    """The integrand x ** (a - 1) exp(-x) / gamma(a)."""
    power = b.mul(b.sub(a, 1), b.log(x))
    return b.mul(g, b.exp(b.sub(b.sub(power, x), b.lgamma(a))))


def _i1e_grad(b: Any, g: Any, out: Any, x: Any) -> Any:
    near = b.eq(x, 0)
    safe = b.select(near, 1, x)
    slope = b.sub(b.i0e(safe), b.mul(b.i1e(safe), b.add(b.sign(safe), b.div(1.0, safe))))
    return b.mul(g, b.select(near, 0.5, slope))


SPECIAL = table(
    unary_row(
        "asin",
        lambda b, g, out, x: _over(b, g, b.sqrt(b.sub(1, _square(b, x)))),
        np.arcsin,
        INEXACT,
    ),
    unary_row(
        "acos",
        lambda b, g, out, x: b.neg(_over(b, g, b.sqrt(b.sub(1, _square(b, x))))),
        np.arccos,
        INEXACT,
    ),
    unary_row(
        "atan", lambda b, g, out, x: _over(b, g, b.add(_square(b, x), 1)), np.arctan, INEXACT
    ),
    unary_row("sinh", lambda b, g, out, x: b.mul(g, b.conj(b.cosh(x))), np.sinh, INEXACT),
    unary_row("cosh", lambda b, g, out, x: b.mul(g, b.conj(b.sinh(x))), np.cosh, INEXACT),
    unary_row(
        "asinh",
        lambda b, g, out, x: _over(b, g, b.sqrt(b.add(_square(b, x), 1))),
        np.arcsinh,
        INEXACT,
    ),
    unary_row("acosh", _acosh_grad, np.arccosh, INEXACT),
    unary_row(
        "atanh", lambda b, g, out, x: _over(b, g, b.sub(1, _square(b, x))), np.arctanh, INEXACT
    ),
    _binary(
        "atan2",
        lambda b, g, out, y, x: _atan2_grad(b, g, y, x, x),
        lambda b, g, out, y, x: b.neg(_atan2_grad(b, g, y, x, y)),
        evaluate=np.arctan2,
    ),
    unary_row("lgamma", lambda b, g, out, x: b.mul(g, b.digamma(x)), scipy_rule("gammaln")),
    unary_row(
        "digamma", lambda b, g, out, x: b.mul(g, b.polygamma(x, order=1)), scipy_rule("digamma")
    ),
    op(
        "polygamma",
        lambda name, x, *, order: same_dtype(FLOATING)(name, x),
        lambda b, g, out, x, *, order: b.mul(g, b.polygamma(x, order=order + 1)),
        attrs=("order",),
        evaluate=_polygamma,
    ),
    _binary(
        "zeta",
        None,  # no formula by the exponent is in use anywhere
        lambda b, g, out, x, q: b.mul(g, b.mul(b.neg(x), b.zeta(b.add(x, 1), q))),
        evaluate=_scipy_pair("zeta"),
    ),
    _binary(
        "igamma",
        None,
        lambda b, g, out, a, x: _igamma_slope(b, g, a, x),
        evaluate=_scipy_pair("gammainc"),
    ),
    _binary(
        "igammac",
        None,
        lambda b, g, out, a, x: b.neg(_igamma_slope(b, g, a, x)),
        evaluate=_scipy_pair("gammaincc"),
    ),
    unary_row(
        "erfc",
        lambda b, g, out, x: b.mul(g, b.mul(b.exp(b.neg(_square(b, x))), -2 / _ROOT_PI)),
        scipy_rule("erfc"),
    ),
    unary_row(
        "erfinv",
        lambda b, g, out, x: b.mul(g, b.mul(b.exp(_square(b, out)), _ROOT_PI / 2)),
        scipy_rule("erfinv"),
    ),
    unary_row(
        "erfcx",
        lambda b, g, out, x: b.mul(g, b.sub(b.mul(b.mul(x, out), 2), 2 / _ROOT_PI)),
        scipy_rule("erfcx"),
    ),
    unary_row(
        "ndtri",
        lambda b, g, out, x: b.mul(g, b.mul(b.exp(b.mul(_square(b, out), 0.5)), _ROOT_TWO_PI)),
        scipy_rule("ndtri"),
    ),
    unary_row(
        "log_ndtr",
        lambda b, g, out, x: b.mul(
            g, b.div(b.exp(b.sub(b.mul(_square(b, x), -0.5), out)), _ROOT_TWO_PI)
        ),
        scipy_rule("log_ndtr"),
    ),
    unary_row(
        "i0e",
        lambda b, g, out, x: b.mul(g, b.sub(b.i1e(x), b.mul(b.sign(x), out))),
        scipy_rule("i0e"),
    ),
    unary_row("i1e", _i1e_grad, scipy_rule("i1e")),
    _binary("nextafter", lambda b, g, out, x, y: g, ZERO, evaluate=np.nextafter),
)
