"""Elementwise functions of the standard, by the names PyTorch has for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from .common import check_array, named, promoted, torch

_UNARY = {
    **{
        name: name
        for name in (
            *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh"),
            *("exp", "expm1", "floor", "imag", "isfinite", "isinf", "isnan", "log", "log1p"),
            *("log2", "log10", "logical_not", "negative", "positive", "real", "reciprocal"),
            *("round", "signbit", "sin", "sinh", "square", "sqrt", "tan", "tanh", "trunc"),
        )
    },
    "bitwise_invert": "bitwise_not",
    "conj": "conj",
    "sign": "sgn",  # of a complex number, what it is divided by its size
}
_BINARY = {
    **{
        name: name
        for name in (
            *("add", "atan2", "bitwise_and", "bitwise_left_shift", "bitwise_or"),
            *("bitwise_right_shift", "bitwise_xor", "copysign", "divide", "floor_divide"),
            *("greater", "greater_equal", "hypot", "less", "less_equal", "logaddexp"),
            *("logical_and", "logical_or", "logical_xor", "maximum", "minimum", "multiply"),
            *("nextafter", "not_equal", "pow", "remainder", "subtract"),
        )
    },
    "equal": "eq",
}


def _unary(name: str, theirs: str) -> Callable[..., Any]:
    def function(x: Tensor, /) -> Tensor:
        check_array(name, x)
        return torch(theirs)(x)

    return named(function, name, f"Elementwise `{name}` of `x`; the standard's name.")


def _binary(name: str, theirs: str) -> Callable[..., Any]:
    def function(x1: Any, x2: Any, /) -> Tensor:
        return torch(theirs)(*promoted(name, x1, x2))

    return named(function, name, f"Elementwise `{name}` of arrays or of one and a number.")


def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:
    """`x` between `min` and `max`, either of which may be None; its dtype stays.

    Shapes: what the arguments broadcast to. Raises: TypeError if `x` is no array.
    """
    check_array("clip", x)

    def bound(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(x.dtype)  # type: ignore[attr-defined]
        return torch("full")((), value, dtype=x.dtype, device=x.device)

    out = x
    if min is not None:
        out = torch("maximum")(out, bound(min))
    if max is not None:
        out = torch("minimum")(out, bound(max))
    return torch("clone")(x) if out is x else out


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _unary(name, theirs) for name, theirs in _UNARY.items()},
    **{name: _binary(name, theirs) for name, theirs in _BINARY.items()},
    "clip": clip,
}
