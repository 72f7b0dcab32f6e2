"""Bessel and Airy functions of `thrace.special`. Bound by `methods.py`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import prims
from ..promotion import check_kinds, check_tensor, to_floating
from ..scoping import scoped
from ..tensor import Tensor
from .common import with_out

_REAL = ("float", "int", "uint", "bool")


def _spherical_j0(x: Tensor) -> Tensor:
    zero = prims.eq(x, 0)
    safe = prims.select(zero, 1, x)
    # At zero a parabola with the second derivative of the function.
    close = prims.sub(1.0, prims.div(prims.mul(x, x), 6.0))
    far = prims.select(prims.eq(prims.abs(x), float("inf")), 0, prims.div(prims.sin(safe), safe))
    return prims.select(zero, close, far)


def _unscaled(prim: Callable[..., Tensor], x: Tensor) -> Tensor:
    return prims.mul(prim(x), prims.exp(prims.neg(x)))


def _function(name: str, body: Callable[[Tensor], Tensor], doc: str) -> Callable[..., Tensor]:
    @with_out
    @scoped(name=f"special_{name}")
    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        check_tensor(name, input)
        check_kinds(name, input, *_REAL)
        return body(to_floating(input))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


_FIRST, _SECOND = "the first kind", "the second kind"
SPECIAL: dict[str, Callable[..., Any]] = {
    name: _function(name, body, doc)
    for name, body, doc in (
        ("airy_ai", lambda x: prims.airy_ai(x, order=0), "The Airy function Ai."),
        ("bessel_j0", prims.bessel_j0, f"The Bessel function of {_FIRST} of order 0."),
        ("bessel_j1", prims.bessel_j1, f"The Bessel function of {_FIRST} of order 1."),
        ("bessel_y0", prims.bessel_y0, f"The Bessel function of {_SECOND} of order 0."),
        ("bessel_y1", prims.bessel_y1, f"The Bessel function of {_SECOND} of order 1."),
        (
            "modified_bessel_k0",
            functools.partial(_unscaled, prims.k0e),
            f"The modified Bessel function of {_SECOND} of order 0.",
        ),
        (
            "modified_bessel_k1",
            functools.partial(_unscaled, prims.k1e),
            f"The modified Bessel function of {_SECOND} of order 1.",
        ),
        ("scaled_modified_bessel_k0", prims.k0e, "`exp(input) * modified_bessel_k0(input)`."),
        ("scaled_modified_bessel_k1", prims.k1e, "`exp(input) * modified_bessel_k1(input)`."),
        ("spherical_bessel_j0", _spherical_j0, "`sin(input) / input`, 1 at 0."),
    )
}
