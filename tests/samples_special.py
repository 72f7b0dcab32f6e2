"""Samples of special functions; see `samples.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.special as s
from sampling import FLOATS, INEXACT, Arg, Sample, binary, sample, special, unary

WIDE = ("float32", "float64")


def by_second(op: str, oracle: Any, first: np.ndarray) -> Iterator[Sample]:
    """A function of two operands, as a function of the second at numbers."""
    for value in first.tolist():
        yield sample(op, value, Arg((3,), "positive"), oracle=oracle, dtypes=("float64", "float32"))
    for made in binary(op, oracle, WIDE, ("positive", "positive")):
        yield made._replace(differentiate=False)


# Both sides of where one way of computing takes over from another.
FAR = np.array([0.05, 1.99, 2.01, 5.9, 6.1, 7.99, 8.01, 31.0])


def bessel(op: str, oracle: Any, kind: str = "spaced", **attrs: Any) -> Iterator[Sample]:
    numbers = FAR if kind == "positive" else np.concatenate([-FAR, FAR])
    yield sample(op, Arg((3, 4), kind), oracle=oracle, dtypes=WIDE, **attrs)
    yield sample(op, Arg((0, 3), kind), oracle=oracle, dtypes=WIDE[:1], **attrs)
    yield sample(op, numbers, oracle=oracle, dtypes=("float64",), **attrs)


SPECIAL: tuple[Sample, ...] = (
    *unary("asin", np.arcsin, INEXACT, "unit"),
    *unary("acos", np.arccos, INEXACT, "unit"),
    *unary("atan", np.arctan, INEXACT),
    *unary("sinh", np.sinh, INEXACT),
    *unary("cosh", np.cosh, INEXACT),
    *unary("asinh", np.arcsinh, INEXACT),
    sample("acosh", Arg((3,), "positive"), oracle=lambda x: np.arccosh(x), dtypes=("complex64",)),
    sample("acosh", np.array([1.5, 2.0, 7.0]), oracle=np.arccosh, dtypes=("float64",)),
    *unary("atanh", np.arctanh, INEXACT, "unit"),
    *binary("atan2", np.arctan2, FLOATS, literal=1.5),
    *unary("lgamma", s.gammaln, FLOATS, "positive"),
    *unary("digamma", s.digamma, FLOATS, "positive"),
    *(
        sample("polygamma", Arg((2, 3), "positive"), order=n, dtypes=WIDE,
               oracle=lambda x, n=n: s.polygamma(n, x))
        for n in (1, 2, 4)
    ),
    special("polygamma", np.array([-8.4784, -0.3, -40.2, 2.5, np.inf]), order=1,
            oracle=lambda x: s.polygamma(1, x)),
    special("zeta", np.full(5, 3.0), np.array([-8.4784, -0.3, -40.2, -3.0, 2.5]), oracle=s.zeta),
    # By the first operand there is no formula.
    *by_second("zeta", s.zeta, np.array([1.5, 2.0, 4.0])),
    *by_second("igamma", s.gammainc, np.array([0.5, 2.0, 4.0])),
    *by_second("igammac", s.gammaincc, np.array([0.5, 2.0, 4.0])),
    *unary("erfc", s.erfc, FLOATS),
    *unary("erfinv", s.erfinv, WIDE, "unit"),
    *unary("erfcx", s.erfcx, WIDE),
    sample("ndtri", np.array([0.01, 0.3, 0.5, 0.99]), oracle=s.ndtri, dtypes=("float64",)),
    *unary("log_ndtr", s.log_ndtr, WIDE),
    *unary("i0e", s.i0e, FLOATS),
    *unary("i1e", s.i1e, FLOATS),
    *bessel("bessel_j0", s.j0),
    *bessel("bessel_j1", s.j1),
    *bessel("bessel_y0", s.y0, "positive"),
    *bessel("bessel_y1", s.y1, "positive"),
    *bessel("k0e", s.k0e, "positive"),
    *bessel("k1e", s.k1e, "positive"),
    *(
        made
        for order in (0, 1)
        for made in bessel("airy_ai", lambda x, n=order: s.airy(x)[n], order=order)
    ),
    *binary("nextafter", np.nextafter, ("float64",)),
)  # fmt: skip
