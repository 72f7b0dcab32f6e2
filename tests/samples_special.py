"""Samples of special functions; see `samples.py`."""

from __future__ import annotations

import numpy as np
import scipy.special as s
from sampling import FLOATS, INEXACT, Arg, Sample, binary, sample, unary

WIDE = ("float32", "float64")

SPECIAL: tuple[Sample, ...] = (
    *unary("asin", np.arcsin, INEXACT, "unit"),
    *unary("acos", np.arccos, INEXACT, "unit"),
    *unary("atan", np.arctan, INEXACT),
    *unary("sinh", np.sinh, INEXACT),
    *unary("cosh", np.cosh, INEXACT),
    *unary("asinh", np.arcsinh, INEXACT),
    sample("acosh", Arg((3,), "positive"), oracle=lambda x: np.arccosh(x), dtypes=("complex64",)),
    sample("acosh", np.array([1.5, 2.0, 7.0], np.float32), oracle=np.arccosh),
    *unary("atanh", np.arctanh, INEXACT, "unit"),
    *binary("atan2", np.arctan2, FLOATS, literal=1.5),
    *unary("lgamma", s.gammaln, FLOATS, "positive"),
    *unary("digamma", s.digamma, FLOATS, "positive"),
    *(
        sample("polygamma", Arg((2, 3), "positive"), n=n, dtypes=WIDE,
               oracle=lambda x, n=n: s.polygamma(n, x))
        for n in (1, 2, 4)
    ),
    sample("zeta", np.array([1.5, 2.0, 4.0]), Arg((3,), "positive", "float64"), oracle=s.zeta,
           dtypes=("float64",)),
    *binary("igamma", s.gammainc, WIDE, ("positive", "positive")),
    *binary("igammac", s.gammaincc, WIDE, ("positive", "positive")),
    *unary("erfc", s.erfc, FLOATS),
    *unary("erfinv", s.erfinv, WIDE, "unit"),
    *unary("erfcx", s.erfcx, WIDE),
    sample("ndtri", np.array([0.01, 0.3, 0.5, 0.99]), oracle=s.ndtri, dtypes=("float64",)),
    *unary("log_ndtr", s.log_ndtr, WIDE),
    *unary("i0e", s.i0e, FLOATS),
    *unary("i1e", s.i1e, FLOATS),
    *binary("nextafter", np.nextafter, ("float64",)),
)  # fmt: skip
