"""Elementwise functions of one tensor. Bound by `methods.py`, re-exported by `thrace`."""

from __future__ import annotations

import math

import ml_dtypes

from ...ir.errors import DTypeError
from ...ir.ops import OPS
from ...ir.ops.table import Op
from ...ir.types import DTYPES, int64
from .. import prims
from ..amp.autocast import autocasts
from ..promotion import Number, check_kinds, check_tensor, to_floating
from ..recording import user_error
from ..scoping import scoped
from ..state import scope
from ..tensor import Tensor
from .common import give, same_value, with_out

_LARGEST = {d: float(ml_dtypes.finfo(d.np).max) for d in DTYPES if d.kind == "float"}
_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
_INEXACT = ("float", "complex")


def _inexact(row: Op, name: str, x: Tensor, out: Tensor | None) -> Tensor:
    """An op on floating-point numbers; integers and bools become the default dtype."""
    check_tensor(name, x)
    if x._type.dtype.kind in _INEXACT:
        result = prims.apply(row, (x,))
    else:
        with scope(name):
            result = prims.apply(row, (to_floating(x),))
    return result if out is None else give(name, result, out, (x,))


def _rounded(row: Op, name: str, x: Tensor, out: Tensor | None) -> Tensor:
    """An op that leaves integers as they are."""
    check_tensor(name, x)
    check_kinds(name, x, "float", "int", "uint")
    result = prims.apply(row, (x,)) if x._type.dtype.kind == "float" else same_value(x)
    return result if out is None else give(name, result, out, (x,))


def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Absolute value; of complex numbers real. Dtypes: all but bool."""
    check_tensor("abs", input)
    result = _size(input) if input._type.dtype.kind == "complex" else prims.abs(input)
    return result if out is None else give("abs", result, out, (input,))


def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`-input`. Dtypes: all but bool."""
    check_tensor("neg", input)
    if input._type.dtype.kind == "bool":
        raise user_error(
            DTypeError(
                "neg: Negation, the `-` operator, on a bool tensor is not supported. If you are "
                "trying to invert a mask, use the `~` or `logical_not()` operator instead."
            )
        )
    result = prims.neg(input)
    return result if out is None else give("neg", result, out, (input,))


def positive(input: Tensor) -> Tensor:
    """`input` itself. Dtypes: all but bool."""
    check_tensor("positive", input)
    check_kinds("positive", input, "float", "complex", "int", "uint")
    return input


@scoped(name="abs")
def _size(x: Tensor) -> Tensor:
    from .special import hypot

    return hypot(prims.real(x), prims.imag(x))


@with_out
@scoped
def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of complex numbers; of real ones 0, or pi below zero."""
    check_tensor("angle", input)
    if input._type.dtype.kind == "complex":
        return prims.atan2(prims.imag(input), prims.real(input))
    x = _floating("angle", input)
    turned = prims.select(prims.lt(x, 0), math.pi, prims.mul(x, 0))
    return prims.select(prims.ne(x, x), x, turned)


@with_out
@scoped
def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As `sign`; a complex number divided by its absolute value, 0 of 0."""
    check_tensor("sgn", input)
    if input._type.dtype.kind != "complex":
        return sign(input)
    size = _size(input)
    none = prims.eq(size, 0)
    safe = prims.select(none, 1, size)
    return prims.select(none, 0, prims.div(input, prims.convert(safe, input._type.dtype)))


@with_out
@scoped
def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1, of nan 0; bools stay what they are. The gradient is zero."""
    check_tensor("sign", input)
    kind = input._type.dtype.kind
    if kind == "bool":
        return same_value(input)
    result = prims.sign(input)
    return prims.select(prims.ne(input, input), 0, result) if kind == "float" else result


@autocasts
def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e to the power of each element."""
    return _inexact(OPS["exp"], "exp", input, out)


@with_out
@scoped
def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """2 to the power of each element."""
    return prims.pow(2.0, _floating("exp2", input))


@autocasts
def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`exp(input) - 1`, exact near zero."""
    return _inexact(OPS["expm1"], "expm1", input, out)


@autocasts
def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Natural logarithm."""
    return _inexact(OPS["log"], "log", input, out)


@autocasts
def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`log(1 + input)`, exact near zero."""
    return _inexact(OPS["log1p"], "log1p", input, out)


@autocasts
@with_out
@scoped
def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to the base 2."""
    return prims.div(prims.log(_floating("log2", input)), _LN2)


@autocasts
@with_out
@scoped
def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Logarithm to the base 10."""
    return prims.div(prims.log(_floating("log10", input)), _LN10)


def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Square root; nan below zero."""
    return _inexact(OPS["sqrt"], "sqrt", input, out)


@autocasts
def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """One over the square root."""
    if isinstance(input, Tensor) and input._type.dtype.is_complex:
        return _complex_rsqrt(input, out=out)
    return _inexact(OPS["rsqrt"], "rsqrt", input, out)


@with_out
@scoped(name="rsqrt")
def _complex_rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    return prims.div(1.0, prims.sqrt(input))


@autocasts
@with_out
@scoped(grad_fn="PowBackward0")
def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input * input`. Bools become int64."""
    check_tensor("square", input)
    if input._type.dtype.kind == "bool":
        input = prims.convert(input, int64)
    return prims.mul(input, input)


@autocasts
@with_out
@scoped
def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`1 / input`."""
    return prims.div(1.0, _floating("reciprocal", input))


def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sine of an angle in radians."""
    return _inexact(OPS["sin"], "sin", input, out)


def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Cosine of an angle in radians."""
    return _inexact(OPS["cos"], "cos", input, out)


@autocasts
@with_out
@scoped
def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Tangent of an angle in radians."""
    x = _floating("tan", input)
    return prims.div(prims.sin(x), prims.cos(x))


def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Hyperbolic tangent."""
    return _inexact(OPS["tanh"], "tanh", input, out)


def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`1 / (1 + exp(-input))`."""
    return _inexact(OPS["logistic"], "sigmoid", input, out)


def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The error function."""
    return _inexact(OPS["erf"], "erf", input, out)


def floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest whole number that is not larger. The gradient is zero."""
    return _rounded(OPS["floor"], "floor", input, out)


def ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest whole number that is not smaller. The gradient is zero."""
    return _rounded(OPS["ceil"], "ceil", input, out)


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest number with `decimals` digits after the point; halves go to even."""
    if decimals == 0:
        return _rounded(OPS["round"], "round", input, out)
    check_tensor("round", input)
    check_kinds("round", input, "float")
    with scope("round"):
        power = 10.0 ** (decimals if decimals > 0 else -decimals)
        if decimals > 0:
            result = prims.div(prims.round(prims.mul(input, power)), power)
        else:
            result = prims.mul(prims.round(prims.div(input, power)), power)
    return result if out is None else give("round", result, out, (input,))


def truncated(x: Tensor) -> Tensor:
    """`x`, which is floating, without its fraction; for use inside other functions."""
    return prims.select(prims.lt(x, 0), prims.ceil(x), prims.floor(x))


@with_out
@scoped
def trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The whole part: rounded towards zero. The gradient is zero."""
    check_tensor("trunc", input)
    check_kinds("trunc", input, "float", "int", "uint")
    return truncated(input) if input._type.dtype.kind == "float" else same_value(input)


@with_out
@scoped
def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """What `trunc` takes away, with the sign of `input`."""
    check_tensor("frac", input)
    check_kinds("frac", input, "float")
    return prims.sub(input, truncated(input))


@scoped
def relu(input: Tensor) -> Tensor:
    """`input` where it is positive, else 0. At zero the gradient is 0; nan stays nan."""
    check_tensor("relu", input)
    check_kinds("relu", input, "float", "int", "uint")
    return prims.select(prims.le(input, 0), 0, input)


def isnan(input: Tensor) -> Tensor:
    """Whether each element is not a number."""
    check_tensor("isnan", input)
    return prims.ne(input, input)


@scoped
def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite."""
    check_tensor("isinf", input)
    if input._type.dtype.kind != "float":
        return prims.ne(input, input)
    return prims.eq(prims.abs(input), math.inf)


@with_out
@scoped
def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is positive infinity."""
    check_tensor("isposinf", input)
    return prims.eq(to_floating(input), math.inf)


@with_out
@scoped
def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is negative infinity."""
    check_tensor("isneginf", input)
    return prims.eq(to_floating(input), -math.inf)


@scoped
def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor nan."""
    check_tensor("isfinite", input)
    if input._type.dtype.kind != "float":
        return prims.eq(input, input)
    return prims.lt(prims.abs(input), math.inf)


@with_out
@scoped
def nan_to_num(
    input: Tensor,
    nan: Number | None = None,
    posinf: Number | None = None,
    neginf: Number | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Replace nan (by 0) and infinities (by the largest finite numbers) by what is given."""
    check_tensor("nan_to_num", input)
    if input._type.dtype.kind != "float":
        return same_value(input)
    largest = finfo_max(input)
    x = prims.select(prims.ne(input, input), 0.0 if nan is None else nan, input)
    x = prims.select(prims.eq(input, math.inf), largest if posinf is None else posinf, x)
    return prims.select(prims.eq(input, -math.inf), -largest if neginf is None else neginf, x)


def finfo_max(x: Tensor) -> float:
    """The largest finite number of a floating dtype."""
    return _LARGEST[x._type.dtype]


def _floating(name: str, x: Tensor) -> Tensor:
    check_tensor(name, x)
    return to_floating(x)


METHODS = {
    f.__name__: f
    for f in (
        *(abs, neg, positive, sign, exp, exp2, expm1, log, log1p, log2, log10, sqrt, rsqrt),
        *(square, reciprocal, sin, cos, tan, tanh, sigmoid, erf, floor, ceil, round, trunc),
        *(frac, relu, isnan, isinf, isposinf, isneginf, isfinite, nan_to_num),
    )
}
METHODS |= {"absolute": abs, "negative": neg, "fix": trunc, "sgn": sgn, "angle": angle}
FUNCTIONS = dict(METHODS)
INPLACE = (
    *("abs", "neg", "sign", "sgn", "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sqrt"),
    *("rsqrt", "square", "reciprocal", "sin", "cos", "tan", "tanh", "sigmoid", "erf", "floor"),
    *("ceil", "round", "trunc", "frac", "relu", "nan_to_num", "absolute", "negative", "fix"),
    "sgn",
)
# `thrace.exp_(x)` and the like.
INPLACE_FUNCTIONS = INPLACE
