"""Bessel and Airy functions of one real number; K exponentially scaled, as XLA has I.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .special import scipy_rule, unary_row
from .table import op, table
from .typing import FLOATING, same_dtype


def _over_first(b: Any, out: Any, x: Any, at_zero: float) -> Any:
    """`out / x` for a function that vanishes at zero like `at_zero * x`."""
    zero = b.eq(x, 0)
    return b.select(zero, at_zero, b.div(out, b.select(zero, 1, x)))


def _airy_ai(x: np.ndarray, *, order: int) -> np.ndarray:
    from scipy import special

    return np.asarray(special.airy(np.asarray(x, np.float64))[order]).astype(x.dtype)


def _airy_grad(b: Any, g: Any, out: Any, x: Any, *, order: int) -> Any:
    if order == 0:
        return b.mul(g, b.airy_ai(x, order=1))
    return b.mul(g, b.mul(x, b.airy_ai(x, order=0)))


BESSEL = table(
    unary_row("bessel_j0", lambda b, g, out, x: b.neg(b.mul(g, b.bessel_j1(x))), scipy_rule("j0")),
    unary_row(
        "bessel_j1",
        lambda b, g, out, x: b.mul(g, b.sub(b.bessel_j0(x), _over_first(b, out, x, 0.5))),
        scipy_rule("j1"),
    ),
    unary_row("bessel_y0", lambda b, g, out, x: b.neg(b.mul(g, b.bessel_y1(x))), scipy_rule("y0")),
    unary_row(
        "bessel_y1",
        lambda b, g, out, x: b.mul(g, b.sub(b.bessel_y0(x), b.div(out, x))),
        scipy_rule("y1"),
    ),
    unary_row("k0e", lambda b, g, out, x: b.mul(g, b.sub(out, b.k1e(x))), scipy_rule("k0e")),
    unary_row(
        "k1e",
        lambda b, g, out, x: b.mul(g, b.sub(b.sub(out, b.k0e(x)), b.div(out, x))),
        scipy_rule("k1e"),
    ),
    op(
        "airy_ai",  # the function (order 0) or its derivative (order 1)
        lambda name, x, *, order: same_dtype(FLOATING)(name, x),
        _airy_grad,
        attrs=("order",),
        evaluate=_airy_ai,
    ),
)
