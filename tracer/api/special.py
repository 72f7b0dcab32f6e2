"""`thrace.special` and the special functions at the top level. Bound by `methods.py`.

Rows name the op that does the work; what is a formula is written as one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.errors import DTypeError, ShapeError
from ...ir.ops import OPS
from ...ir.types import bool_, int32
from .. import prims
from ..amp.autocast import autocasts_if_listed
from ..promotion import (
    Operand,
    as_operand,
    check_kinds,
    check_tensor,
    common_dtype,
    promote,
    promote_float,
    to_floating,
)
from ..scoping import scoped
from ..tensor import Tensor, from_host
from .bessel import SPECIAL as BESSEL
from .common import as_int, laid_like, relayout, with_out
from .softmax import log_softmax, logsumexp, softmax
from .unary import _inexact, erf, exp2, expm1, log1p, round, sigmoid

_LN2 = math.log(2.0)
_REAL = ("float", "int", "uint", "bool")


def _row(name: str, doc: str, *aliases: str, real: bool = False) -> Callable[..., Tensor]:
    """The function of one tensor that an op is, after promotion to floating point."""
    row = OPS[name]

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        check_tensor(name, input)
        if real:
            check_kinds(name, input, *_REAL)
        return _inexact(row, name, input, out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return autocasts_if_listed(function)


UNARY: dict[str, Callable[..., Tensor]] = {
    name: _row(name, doc, real=real)
    for name, doc, real in (
        ("asin", "The angle between -pi/2 and pi/2 with this sine.", False),
        ("acos", "The angle between 0 and pi with this cosine.", False),
        ("atan", "The angle between -pi/2 and pi/2 with this tangent.", False),
        ("sinh", "The hyperbolic sine.", False),
        ("cosh", "The hyperbolic cosine.", False),
        ("asinh", "The inverse of `sinh`.", False),
        ("acosh", "The inverse of `cosh` that is not negative.", False),
        ("atanh", "The inverse of `tanh`.", False),
        ("lgamma", "The logarithm of the absolute value of the gamma function.", True),
        ("digamma", "The derivative of `lgamma`.", True),
        ("erfc", "`1 - erf(input)`, exact where that is small.", True),
        ("erfinv", "The inverse of `erf`.", True),
        ("erfcx", "`exp(input ** 2) * erfc(input)`.", True),
        ("ndtri", "The inverse of the normal distribution function.", True),
        ("log_ndtr", "The logarithm of the normal distribution function.", True),
        ("i0e", "`exp(-abs(input)) * i0(input)`.", True),
        ("i1e", "`exp(-abs(input)) * i1(input)`.", True),
    )
}
asin, acos, atan, sinh = (UNARY[n] for n in ("asin", "acos", "atan", "sinh"))
cosh, asinh, acosh, atanh = (UNARY[n] for n in ("cosh", "asinh", "acosh", "atanh"))
lgamma, digamma, erfc, erfinv = (UNARY[n] for n in ("lgamma", "digamma", "erfc", "erfinv"))
_ARCS = {f"arc{n[1:]}": n for n in ("asin", "acos", "atan", "asinh", "acosh", "atanh")}


def _floats(name: str, x: Operand, y: Operand) -> list[Any]:
    """Operands of one floating dtype, numbers as literals. One of them is a tensor."""
    x, y = as_operand(name, x, "input", 1), as_operand(name, y)
    if common_dtype(x, y).kind == "complex":
        raise DTypeError(f"{name}: not implemented for complex numbers")
    return promote_float(x, y)


def _pair(name: str, doc: str) -> Callable[..., Tensor]:
    """The function of two tensors that an op is, after promotion to floating point."""
    row = OPS[name]

    @with_out
    @scoped(name=name)
    def function(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
        if name == "atan2":
            check_tensor(name, input)
            check_tensor(name, other, "other", 2)
        return prims.apply(row, tuple(_floats(name, input, other)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return autocasts_if_listed(function)


BINARY: dict[str, Callable[..., Tensor]] = {
    name: _pair(name, doc)
    for name, doc in (
        ("atan2", "The angle of the point (other, input): `input` is the height."),
        ("zeta", "The Hurwitz zeta function: the sum over k of (k + other) ** -input."),
    )
}


def _floating_pair(name: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Two tensors of one floating dtype; other dtypes are refused, as in PyTorch."""
    x, y = as_operand(name, x, "input", 1), as_operand(name, y)
    if common_dtype(x, y).kind != "float":
        raise DTypeError(f"{name}: not implemented for {common_dtype(x, y)}")
    a, b = promote(x, y)
    return a, b


atan2 = BINARY["atan2"]


@with_out
@scoped
def igamma(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised lower incomplete gamma function of order `input` at `other`."""
    return prims.igamma(*_floating_pair("igamma", input, other))


@with_out
@scoped
def igammac(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised upper incomplete gamma function of order `input` at `other`."""
    return prims.igammac(*_floating_pair("igammac", input, other))


@with_out
@scoped
def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next floating-point number after `input` towards `other`."""
    return prims.nextafter(*_floating_pair("nextafter", input, other))


@with_out
@scoped
def hypot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`sqrt(input ** 2 + other ** 2)`, without overflow in between."""
    x, y = _floating_pair("hypot", input, other)
    a, b = prims.abs(x), prims.abs(y)
    large, small = prims.maximum(a, b), prims.minimum(a, b)
    none = prims.bit_or(prims.eq(large, 0), prims.eq(large, math.inf))
    safe = prims.select(none, 1, large.detach())
    ratio = prims.add(
        prims.mul(prims.div(x, safe), prims.div(x, safe)),
        prims.mul(prims.div(y, safe), prims.div(y, safe)),
    )
    root = prims.mul(prims.sqrt(prims.select(none, 1, ratio)), safe)
    del small
    return laid_like(prims.select(none, large, root), x, y)


@with_out
@scoped
def copysign(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The size of `input` with the sign of `other`, that of zeros included."""
    check_tensor("copysign", input)
    x, y = _floats("copysign", input, other)
    size = prims.mul(x, prims.sign(x.detach()))
    if isinstance(y, Tensor):
        return laid_like(prims.select(signbit(y.detach()), prims.neg(size), size), x, y)
    return prims.neg(size) if math.copysign(1, y) < 0 else size


_BITS = {2: "int16", 4: "int32", 8: "int64"}


@with_out
@scoped
def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether the sign of each element is set, that of -0.0 and of nan included."""
    check_tensor("signbit", input)
    dtype = input._type.dtype
    if dtype.kind == "complex":
        raise DTypeError("signbit is not implemented for complex tensors.")
    if dtype.kind in ("bool", "uint"):
        made = prims.full(False, shape=input._type.shape, dtype=bool_, device=input.device)
        return laid_like(made, input)
    if dtype.kind == "int":
        return prims.lt(input, 0)
    from ...ir.types import dtype_from_name

    bits = prims.bitcast(input.detach(), dtype=dtype_from_name(_BITS[dtype.itemsize]))
    return laid_like(prims.lt(bits, 0), input)


@with_out
@scoped
def logaddexp2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`log2(2 ** input + 2 ** other)`, without overflow."""
    x, y = _floating_pair("logaddexp2", input, other)
    above = prims.gt(x, y)  # as in logaddexp
    peak = prims.select(above, x, y)
    gap = prims.sub(prims.select(above, y, x), peak)
    apart = prims.div(prims.log1p(prims.pow(2.0, gap)), _LN2)
    same = prims.bit_and(prims.eq(x, y), prims.eq(prims.abs(x), math.inf))
    return prims.select(same, x, prims.add(peak, apart))


@with_out
@scoped
def xlogy(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input * log(other)`, 0 where `input` is 0 unless `other` is nan."""
    return _times_log("xlogy", input, other, prims.log, 0)


@with_out
@scoped
def xlog1py(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input * log1p(other)`, 0 where `input` is 0 unless `other` is nan."""
    return _times_log("xlog1py", input, other, prims.log1p, -1)


def _times_log(name: str, x: Operand, y: Operand, log: Any, start: float) -> Tensor:
    """`x * log(y)`; the logarithm is minus infinity at `start`."""
    x, y = _floats(name, x, y)
    like: Any = x if isinstance(x, Tensor) else y
    numbers: tuple[Any, Any] = (x, y)
    a, b = (
        t if isinstance(t, Tensor)
        else prims.full(float(t), shape=(), dtype=like._type.dtype, device=like.device)
        for t in numbers
    )  # fmt: skip
    # Elsewhere zero times a finite logarithm is 0 by itself, and its gradient is right.
    outside = prims.bit_or(prims.le(b, start), prims.eq(b, math.inf))
    nothing = prims.bit_and(prims.eq(a, 0), outside)
    product = prims.mul(a, log(prims.select(nothing, start + 1, b)))
    return laid_like(prims.select(prims.ne(b, b), math.nan, product), a, b)


@with_out
@scoped
def entr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`-input * log(input)`: 0 at 0, minus infinity below."""
    check_tensor("entr", input)
    check_kinds("entr", input, *_REAL)
    x = to_floating(input)
    inside = prims.gt(x, 0)
    value = prims.neg(prims.mul(x, prims.log(prims.select(inside, x, 1))))
    value = prims.select(prims.eq(x, 0), 0, prims.select(prims.lt(x, 0), -math.inf, value))
    return prims.select(prims.ne(x, x), math.nan, value)


@with_out
@scoped
def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The normal distribution function."""
    check_tensor("ndtr", input)
    check_kinds("ndtr", input, *_REAL)
    return prims.mul(prims.erfc(prims.mul(to_floating(input), -math.sqrt(0.5))), 0.5)


@with_out
@scoped
def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """`log(input / (1 - input))`, of `input` kept `eps` away from 0 and 1."""
    check_tensor("logit", input)
    check_kinds("logit", input, *_REAL)
    x = to_floating(input)
    if eps is not None:
        x = x.clamp(eps, 1 - eps)  # type: ignore[attr-defined]
    return prims.log(prims.div(x, prims.sub(1.0, x)))


@with_out
@scoped
def i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind of order 0."""
    check_tensor("i0", input)
    check_kinds("i0", input, *_REAL)
    x = to_floating(input)
    return prims.mul(prims.i0e(x), prims.exp(prims.abs(x)))


@with_out
@scoped
def i1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind of order 1."""
    check_tensor("i1", input)
    check_kinds("i1", input, *_REAL)
    x = to_floating(input)
    return prims.mul(prims.i1e(x), prims.exp(prims.abs(x)))


@with_out
@scoped
def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`sin(pi x) / (pi x)`, 1 at 0."""
    check_tensor("sinc", input)
    x = prims.mul(to_floating(input), math.pi)
    near = prims.eq(x, 0)
    safe = prims.select(near, 1, x)
    # At zero a parabola with the second derivative of sinc.
    close = prims.sub(1.0, prims.div(prims.mul(x, x), 6.0))
    return prims.select(near, close, prims.div(prims.sin(safe), safe))


@with_out
@scoped
def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians."""
    check_tensor("deg2rad", input)
    check_kinds("deg2rad", input, *_REAL)
    return prims.mul(to_floating(input), math.pi / 180)


@with_out
@scoped
def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees."""
    check_tensor("rad2deg", input)
    check_kinds("rad2deg", input, *_REAL)
    return prims.mul(to_floating(input), 180 / math.pi)


@with_out
@scoped(name="polygamma")
def _polygamma(x: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    x = to_floating(x)
    return prims.digamma(x) if n == 0 else laid_like(prims.polygamma(x, order=n), x)


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The `n`-th derivative of `digamma`."""
    check_tensor("polygamma", input, "input", 2)
    n = as_int("polygamma", n, "n")
    if n < 0:
        raise ShapeError("polygamma(n, x) does not support negative n.")
    return _polygamma(input, n, out=out)


def polygamma_method(self: Tensor, n: int) -> Tensor:
    """The `n`-th derivative of `digamma`."""
    return polygamma(n, self)


@with_out
@scoped
def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension `p`."""
    check_tensor("mvlgamma", input)
    check_kinds("mvlgamma", input, "float", "int", "uint")
    p = as_int("mvlgamma", p, "p")
    if p < 1:
        raise ShapeError("p has to be greater than or equal to 1")
    x = to_floating(input)
    total: Tensor | None = None
    for i in range(p):
        term = prims.lgamma(prims.sub(x, i / 2) if i else x)
        total = term if total is None else prims.add(total, term)
    assert total is not None
    return relayout(prims.add(total, p * (p - 1) / 4 * math.log(math.pi)), None)


# Whole numbers and parts of numbers


def _integers(name: str, x: Tensor, y: Tensor) -> list[Tensor]:
    for t in (x, y):
        check_tensor(name, t)
    if common_dtype(x, y).kind not in ("int", "uint"):
        raise DTypeError(f"{name}: not implemented for {common_dtype(x, y)}")
    return promote(x, y)


def _divisor(x: Tensor, y: Tensor) -> Tensor:
    """Euclid's algorithm, as many steps as the dtype's numbers can need."""
    a, b = prims.abs(x), prims.abs(y)
    steps = {1: 12, 2: 24, 4: 46, 8: 92}[x._type.dtype.itemsize]
    for t in (a, b):
        known = t._host_if_ready()
        if known is not None and known.size:
            # Each two steps halve the smaller number at least.
            steps = min(steps, 2 * int(np.abs(known).max()).bit_length() + 2)
    for _ in range(steps):
        none = prims.eq(b, 0)
        rest = prims.rem(a, prims.select(none, 1, b))
        a, b = prims.select(none, a, b), prims.select(none, 0, rest)
    return a


@with_out
@scoped
def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The greatest common divisor of whole numbers."""
    return laid_like(_divisor(*_integers("gcd", input, other)), input, other)


@with_out
@scoped
def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The least common multiple of whole numbers."""
    x, y = _integers("lcm", input, other)
    divisor = _divisor(x, y)
    none = prims.eq(divisor, 0)
    part = prims.int_div(x, prims.select(none, 1, divisor))
    return prims.abs(prims.mul(part, y))


@with_out
@scoped
def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 below zero, 1 above, `values` at zero."""
    check_tensor("heaviside", input)
    check_tensor("heaviside", values, "values", 2)
    if input._type.dtype is not values._type.dtype:
        raise DTypeError("heaviside is not yet implemented for tensors with different dtypes.")
    if input._type.dtype.kind == "complex":
        raise DTypeError("heaviside is not yet implemented for complex tensors.")
    if input._type.dtype is bool_:
        return prims.bit_or(input, values)
    above = prims.convert(prims.gt(input, 0), input._type.dtype)
    return laid_like(prims.select(prims.eq(input, 0), values, above), input, values)


@with_out
@scoped
def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input * 2 ** other`."""
    check_tensor("ldexp", input)
    check_tensor("ldexp", other, "other", 2)
    from .arithmetic import mul, pow

    return mul(input, pow(2.0, other))


@with_out
@scoped
def frexp(input: Tensor, *, out: Any = None) -> Any:
    """(mantissa, exponent) with `input = mantissa * 2 ** exponent`, 0.5 <= |mantissa| < 1."""
    check_tensor("frexp", input)
    if input._type.dtype.kind != "float":
        raise DTypeError("frexp() only supports floating-point dtypes")
    x = input
    plain = prims.bit_and(prims.lt(prims.abs(x), math.inf), prims.ne(x, 0))
    size = prims.select(plain, prims.abs(x.detach()), 1)
    # Subnormal numbers are brought into range first.
    tiny = prims.lt(size, 2.0**-100 if x._type.dtype.itemsize >= 4 else 2.0**-10)
    lift = 200 if x._type.dtype.itemsize >= 4 else 14
    size = prims.select(
        tiny, prims.mul(prims.mul(size, 2.0 ** (lift // 2)), 2.0 ** (lift // 2)), size
    )
    log = prims.add(prims.floor(prims.div(prims.log(size), _LN2)), 1.0)
    scaled = prims.mul(size, prims.pow(2.0, prims.neg(log)))
    log = prims.select(prims.ge(scaled, 1.0), prims.add(log, 1.0), log)
    log = prims.select(prims.lt(scaled, 0.5), prims.sub(log, 1.0), log)
    exponent = prims.select(tiny, prims.sub(log, float(lift)), log)
    exponent = prims.select(plain, exponent, 0)
    half = prims.floor(prims.div(exponent, 2.0))
    mantissa = prims.mul(
        prims.mul(x, prims.pow(2.0, prims.neg(half))),
        prims.pow(2.0, prims.sub(half, exponent)),
    )
    from .decompositions import _result

    kind = _result("frexp", "mantissa", "exponent")
    return kind(prims.select(plain, mantissa, x), prims.convert(exponent, int32))


def _extreme_of_numbers(name: str, x: Tensor, y: Tensor, prim: Any) -> Tensor:
    check_tensor(name, x)
    check_tensor(name, y, "other", 2)
    if common_dtype(x, y).kind == "complex":
        raise DTypeError(f"{name}: not implemented for complex tensors.")
    a, b = promote(x, y)
    if a._type.dtype.kind != "float":
        return prim(a, b)
    both = prim(a, b)
    made = prims.select(prims.ne(a, a), b, prims.select(prims.ne(b, b), a, both))
    return laid_like(made, x, y)


@with_out
@scoped
def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two elements; a number rather than nan."""
    return _extreme_of_numbers("fmax", input, other, prims.maximum)


@with_out
@scoped
def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two elements; a number rather than nan."""
    return _extreme_of_numbers("fmin", input, other, prims.minimum)


@scoped
def isreal(input: Tensor) -> Tensor:
    """Where the imaginary part is zero."""
    check_tensor("isreal", input)
    if input._type.dtype.kind != "complex":
        made = prims.full(True, shape=input._type.shape, dtype=bool_, device=input.device)
        return laid_like(made, input)
    return prims.eq(prims.imag(input), 0)


# Polynomials, by their recurrences: each row is (first, second, next) with
# next(x, k, p, q) = the polynomial of degree k + 1 from p of degree k and q of k - 1.

_Step = Callable[[Tensor, int, Tensor, Tensor], Tensor]


def _doubled(x: Tensor, k: int, p: Tensor, q: Tensor) -> Tensor:
    return 2 * x * p - q


_POLYNOMIALS: dict[str, tuple[Callable[[Tensor], Tensor], _Step, bool]] = {
    "chebyshev_polynomial_t": (lambda x: x, _doubled, False),
    "chebyshev_polynomial_u": (lambda x: 2 * x, _doubled, False),
    "chebyshev_polynomial_v": (lambda x: 2 * x - 1, _doubled, False),
    "chebyshev_polynomial_w": (lambda x: 2 * x + 1, _doubled, False),
    "shifted_chebyshev_polynomial_t": (lambda x: x, _doubled, True),
    "shifted_chebyshev_polynomial_u": (lambda x: 2 * x, _doubled, True),
    "shifted_chebyshev_polynomial_v": (lambda x: 2 * x - 1, _doubled, True),
    "shifted_chebyshev_polynomial_w": (lambda x: 2 * x + 1, _doubled, True),
    "hermite_polynomial_h": (lambda x: 2 * x, lambda x, k, p, q: 2 * x * p - 2 * k * q, False),
    "hermite_polynomial_he": (lambda x: x, lambda x, k, p, q: x * p - k * q, False),
    "laguerre_polynomial_l": (
        lambda x: 1 - x,
        lambda x, k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1),
        False,
    ),
    "legendre_polynomial_p": (
        lambda x: x,
        lambda x, k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1),
        False,
    ),
}


def _polynomial(name: str) -> Callable[..., Tensor]:
    first, step, shifted = _POLYNOMIALS[name]

    @with_out
    @scoped(name=f"special_{name}")
    def function(input: Operand, n: Operand, *, out: Tensor | None = None) -> Tensor:
        x, degree = _floats(name, input, n)
        if not isinstance(degree, Tensor):
            degrees: Any = int(degree)
            highest = degrees
        else:
            # The degrees say how far the recurrence goes: they are read.
            host = degree.detach().numpy().astype(np.int64)
            degrees = from_host(host, device=degree.device)
            highest = int(host.max()) if host.size else 0
        if not isinstance(x, Tensor):
            x = prims.full(float(x), shape=(), dtype=degree._type.dtype, device=degree.device)
        at = 2 * x - 1 if shifted else x
        before, now = prims.add(prims.mul(at, 0), 1), first(at)
        if not isinstance(degrees, Tensor):
            if degrees < 1:
                return prims.mul(before, 0) if degrees < 0 else before
            for k in range(1, degrees):
                before, now = now, step(at, k, now, before)
            return now
        result = prims.select(prims.lt(degrees, 0), 0, before)
        result = prims.select(prims.eq(degrees, 1), now, result)
        for k in range(1, highest):
            before, now = now, step(at, k, now, before)
            result = prims.select(prims.eq(degrees, k + 1), now, result)
        return laid_like(result, input, n)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name.replace('_', ' ')} of degree `n`, by its recurrence."
    return function


_TOP = (igamma, igammac, nextafter, hypot, copysign, signbit, logaddexp2, xlogy, logit, i0, sinc,
        deg2rad, rad2deg, mvlgamma, gcd, lcm, heaviside, ldexp, frexp, fmax, fmin, isreal)  # fmt: skip
_NAMED = {name: UNARY[name] for name in UNARY if name not in ("erfcx", "ndtri", "log_ndtr")}
METHODS: dict[str, Callable[..., Any]] = {
    **{name: fn for name, fn in _NAMED.items() if name not in ("i0e", "i1e")},
    **{alias: UNARY[name] for alias, name in _ARCS.items()},
    "atan2": BINARY["atan2"],
    "arctan2": BINARY["atan2"],
    **{f.__name__: f for f in _TOP},
}
FUNCTIONS = METHODS | {"polygamma": polygamma}
METHODS = METHODS | {"polygamma": polygamma_method}
INPLACE = (
    *("asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "lgamma", "digamma"),
    *("erfc", "erfinv", "atan2", "igamma", "igammac", "nextafter", "hypot", "copysign"),
    *("xlogy", "logit", "i0", "sinc", "deg2rad", "rad2deg", "mvlgamma", "gcd", "lcm"),
    *("heaviside", "ldexp", "polygamma", *_ARCS, "arctan2"),
)
INPLACE_FUNCTIONS = tuple(n for n in INPLACE if n not in ("mvlgamma", "igamma", "igammac",
                          "hypot", "copysign", "nextafter", "heaviside", "polygamma", "atan2",
                          "arctan2", "lgamma", "digamma", "erfinv"))  # fmt: skip
SPECIAL: dict[str, Callable[..., Any]] = {
    **{name: UNARY[name] for name in ("digamma", "erfc", "erfinv", "erfcx", "ndtri", "log_ndtr",
                                      "i0e", "i1e")},
    **{f.__name__: f for f in (entr, ndtr, logit, i0, i1, sinc, xlogy, xlog1py, polygamma)},
    **{name: _polynomial(name) for name in _POLYNOMIALS},
    **BESSEL,
    "zeta": BINARY["zeta"],
    "modified_bessel_i0": i0,
    "modified_bessel_i1": i1,
    "gammaln": UNARY["lgamma"],
    "psi": UNARY["digamma"],
    "gammainc": igamma,
    "gammaincc": igammac,
    "multigammaln": mvlgamma,
    "expit": sigmoid,
    "erf": erf,
    "exp2": exp2,
    "expm1": expm1,
    "log1p": log1p,
    "round": round,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
}  # fmt: skip
