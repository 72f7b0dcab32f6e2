"""Arithmetic of two tensors or a tensor and a number. Bound by `methods.py`."""

from __future__ import annotations

import math
from typing import Any

from ...ir.errors import DTypeError, UnsupportedDTypeError
from ...ir.ops import OPS
from ...ir.types import bool_, complex128, float64
from .. import prims
from ..amp.autocast import autocasts
from ..promotion import (
    Number,
    Operand,
    as_operand,
    cast,
    check_kinds,
    check_tensor,
    common_dtype,
    elementwise,
    literal,
    promote,
    promote_float,
    wrong_type,
)
from ..recording import user_error
from ..scoping import GRAD_FN, scoped
from ..state import scope
from ..tensor import Tensor
from .common import give, laid_like, relayout, require, with_out
from .unary import truncated

_ADD, _SUB, _MUL, _DIV = OPS["add"], OPS["sub"], OPS["mul"], OPS["div"]
_INEXACT = ("float", "complex")
# Named as PyTorch's overloads, whose backward functions carry other numbers.
GRAD_FN |= {"pow.tensor": "PowBackward1", "pow.scalar": "PowBackward2", "rsub": "RsubBackward1"}


def add(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """`input + alpha * other`. Shapes broadcast, dtypes promote; bools add as logical or."""
    if alpha.__class__ is int and alpha == 1:
        result = elementwise(_ADD, "add", input, other)
    else:
        result = _scaled(_ADD, "add", input, other, alpha)
    return result if out is None else give("add", result, out, (input, other))


def sub(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """`input - alpha * other`. Shapes broadcast, dtypes promote; bools are refused."""
    _refuse_bools(input, other)
    if alpha.__class__ is int and alpha == 1:
        result = elementwise(_SUB, "sub", input, other)
    else:
        result = _scaled(_SUB, "sub", input, other, alpha)
    return result if out is None else give("sub", result, out, (input, other))


def rsub(input: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """`other - alpha * input`."""
    check_tensor("rsub", input)
    with scope("rsub"):
        return sub(other, input, alpha=alpha)


def _scaled(row: Any, name: str, x: Operand, y: Operand, alpha: Number) -> Tensor:
    x, y = as_operand(name, x, "input", 1), as_operand(name, y)
    kind = common_dtype(x, y).kind
    if alpha.__class__ is bool and kind != "bool":
        raise RuntimeError(f"{name}: Boolean alpha only supported for Boolean results.")
    if alpha.__class__ is float and kind not in _INEXACT:
        raise RuntimeError(
            f"{name}: For integral input tensors, argument alpha must not be a floating point "
            "number."
        )
    with scope(name):
        x, y = promote(x, y)
        if not isinstance(y, Tensor):
            return elementwise(row, name, x, y * alpha)
        return prims.apply(row, (x, prims.mul(y, literal(alpha, y._type.dtype))))


def _refuse_bools(x: Operand, y: Operand) -> None:
    """Raises: DTypeError where PyTorch refuses to subtract bools."""
    bools = [
        (t._type.dtype is bool_) if isinstance(t, Tensor) else t.__class__ is bool for t in (x, y)
    ]
    if all(bools):
        hint = "two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
    elif any(bools):
        hint = (
            "a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
            "`logical_not()` operator instead."
        )
    else:
        return
    raise user_error(DTypeError(f"sub: Subtraction, the `-` operator, with {hint}"))


def mul(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input * other`. Shapes broadcast, dtypes promote; bools multiply as logical and."""
    result = elementwise(_MUL, "mul", input, other)
    return result if out is None else give("mul", result, out, (input, other))


def div(
    input: Operand,
    other: Operand,
    *,
    rounding_mode: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """`input / other`; integers give the default dtype.

    `rounding_mode` "trunc" rounds towards zero, "floor" downwards; both keep integers.
    Raises: RuntimeError for another rounding mode, or for integers divided by a zero that
    is known; by one that is not, they give -1.
    """
    if rounding_mode is None:
        result = _true_div(input, other)
    elif rounding_mode == "floor":
        result = _floor_div("div", input, other)
    elif rounding_mode == "trunc":
        result = _trunc_div(input, other)
    else:
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )
    return result if out is None else give("div", result, out, (input, other))


def _true_div(x: Any, y: Any) -> Tensor:
    t = x if isinstance(x, Tensor) else y
    if isinstance(t, Tensor) and t._type.dtype.kind in _INEXACT:
        return elementwise(_DIV, "div", x, y)
    x, y = as_operand("div", x, "input", 1), as_operand("div", y)
    if not isinstance(t, Tensor):
        raise wrong_type("div", "input", 1, x)
    with scope("div"):
        return prims.apply(_DIV, tuple(promote_float(x, y)))


@autocasts
def rdiv(input: Operand, other: Operand) -> Tensor:
    """`other / input`, as the operator computes it."""
    return div(other, input)


def true_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input / other`; integers give the default dtype."""
    return div(input, other, out=out)


def floor_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input // other`: the quotient rounded down, as in Python. The gradient is zero."""
    result = _floor_div("floor_divide", input, other)
    return result if out is None else give("floor_divide", result, out, (input, other))


def _operands(name: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Promoted operands of a division that keeps integers."""
    x, y = as_operand(name, x, "input", 1), as_operand(name, y)
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        raise wrong_type(name, "input", 1, x)
    dtype = common_dtype(x, y)
    if dtype.kind in ("bool", "complex"):
        raise user_error(UnsupportedDTypeError(f"{name}: not implemented for {dtype}"))
    if dtype.kind != "float":
        if isinstance(y, Tensor):
            require(y, lambda divisor: divisor != 0, "ZeroDivisionError")
        elif y == 0:
            raise RuntimeError("ZeroDivisionError")
    return cast(x, dtype), cast(y, dtype)


def _is_float(x: Any, y: Any) -> bool:
    return (x if isinstance(x, Tensor) else y)._type.dtype.kind == "float"


def _below_zero(x: Any) -> Any:
    return prims.lt(x, 0) if isinstance(x, Tensor) else x < 0


def _floor_div(name: str, x: Any, y: Any) -> Tensor:
    with scope(name):
        x, y = _operands(name, x, y)
        rest = prims.rem(x, y)
        differ = prims.ne(prims.lt(rest, 0), _below_zero(y))
        inexact = prims.bit_and(prims.ne(rest, 0), differ)
        if not _is_float(x, y):
            quotient = prims.int_div(x, y)
            return laid_like(prims.select(inexact, prims.sub(quotient, 1), quotient), x, y)
        # floor(x / y) would round up first: 1.0 // 0.1 is 9. What is left of x after rem
        # divides exactly, but for the last bit.
        quotient = prims.div(prims.sub(x, rest), y)
        quotient = prims.select(inexact, prims.sub(quotient, 1), quotient)
        below = prims.floor(quotient)
        whole = prims.select(prims.gt(prims.sub(quotient, below), 0.5), prims.add(below, 1), below)
        ratio = prims.div(x, y)
        whole = prims.select(prims.eq(quotient, 0), prims.mul(ratio, 0), whole)  # -0.0 or 0.0
        by_zero = prims.eq(y, 0) if isinstance(y, Tensor) else y == 0
        if by_zero is True:
            whole = ratio
        elif by_zero is not False:
            whole = prims.select(by_zero, ratio, whole)
        # Rounding changes nothing, but ends the gradient here.
        return laid_like(prims.floor(whole), x, y)


def _trunc_div(x: Any, y: Any) -> Tensor:
    with scope("div"):
        x, y = _operands("div", x, y)
        return truncated(prims.div(x, y)) if _is_float(x, y) else prims.int_div(x, y)


@with_out
@scoped
def remainder(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input % other`, with the sign of `other`, as Python's operator."""
    x, y = _operands("remainder", input, other)
    rest = prims.rem(x, y)
    differ = prims.ne(prims.lt(rest, 0), _below_zero(y))
    wrong = prims.bit_and(prims.ne(rest, 0), differ)
    return prims.select(wrong, prims.add(rest, y), rest)


@with_out
@scoped
def fmod(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The remainder with the sign of `input`, as C's function."""
    check_tensor("fmod", input)
    return prims.rem(*_operands("fmod", input, other))


@autocasts
def pow(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input ** exponent`. Raises: RuntimeError for integers to a negative integer number."""
    if isinstance(exponent, Tensor):
        with scope("pow.tensor" if isinstance(input, Tensor) else "pow.scalar"):
            result = _tensor_power(input, exponent)
            if not isinstance(input, Tensor):
                result = relayout(result, None)  # in row order, as in PyTorch
    else:
        exponent = as_operand("pow", exponent, "exponent")
        check_tensor("pow", input)
        kind = input._type.dtype.kind  # type: ignore[union-attr]
        if exponent.__class__ is bool and kind == "bool":
            return _bool_power(input, exponent, out)  # type: ignore[arg-type]
        if exponent.__class__ is int and exponent < 0 and kind not in _INEXACT:  # type: ignore
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        result = elementwise(OPS["pow"], "pow", input, exponent)
    return result if out is None else give("pow", result, out, (input, exponent))


def _bool_power(x: Tensor, exponent: bool, out: Tensor | None) -> Tensor:
    result = prims.bit_or(x, not exponent)
    return result if out is None else give("pow", result, out, (x,))


def _tensor_power(x: Any, y: Tensor) -> Tensor:
    x, y = promote(as_operand("pow", x, "input", 1), y)
    if y._type.dtype.kind != "int":
        return prims.pow(x, y)
    # Whole numbers to a negative power: 1 and -1 have one, of the rest nothing is left.
    positive = prims.pow(x, prims.maximum(y, 0))
    base = x if isinstance(x, Tensor) else prims.full(x, shape=(), dtype=y._type.dtype)
    odd = prims.ne(prims.bit_and(y, 1), 0)
    minus = prims.select(prims.bit_and(prims.eq(base, -1), odd), base, 0)
    one = prims.bit_or(prims.eq(base, 1), prims.bit_and(prims.eq(base, -1), prims.bit_not(odd)))
    inverse = prims.add(minus, prims.convert(one, y._type.dtype))
    return prims.select(prims.lt(y, 0), inverse, positive)


@with_out
@scoped
def float_power(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input ** exponent` in double precision, complex if an operand is."""
    x, y = as_operand("float_power", input, "input", 1), as_operand("float_power", exponent)
    wide = complex128 if common_dtype(x, y).is_complex else float64
    return pow(cast(x, wide), cast(y, wide))


def float_power_(self: Tensor, exponent: Operand) -> Tensor:
    """`float_power`, written into this tensor. Raises: RuntimeError unless it has that dtype."""
    result = float_power(self, exponent)
    if result._type.dtype is not self._type.dtype:
        raise user_error(
            DTypeError(
                f"float_power_: the base given has dtype {self._type.dtype} but the operation's "
                f"result requires dtype {result._type.dtype}"
            )
        )
    return self._write(result)


@with_out
@scoped
def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two elements; nan if one is. Equal ones share the gradient."""
    return _extremum(prims.maximum, "maximum", input, other)


@with_out
@scoped
def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two elements; nan if one is. Equal ones share the gradient."""
    return _extremum(prims.minimum, "minimum", input, other)


def _extremum(prim: Any, name: str, x: Any, y: Any) -> Tensor:
    check_tensor(name, x)
    check_tensor(name, y, "other", 2)
    return prim(*promote(x, y))


@with_out
@scoped
def lerp(input: Tensor, end: Tensor, weight: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input + weight * (end - input)`, exact at both ends."""
    check_tensor("lerp", input)
    check_tensor("lerp", end, "end", 2)
    for what, t in (("end", end), ("weight", weight)):
        if isinstance(t, Tensor) and t._type.dtype is not input._type.dtype:
            raise DTypeError(
                f"lerp: expected dtype {input._type.dtype} for `{what}` but got dtype "
                f"{t._type.dtype}"
            )
    check_kinds("lerp", input, "float", "complex")
    span = prims.sub(end, input)
    if not isinstance(weight, Tensor):
        if abs(weight) < 0.5:
            made = prims.add(input, prims.mul(span, weight))
        else:
            made = prims.sub(end, prims.mul(span, 1 - weight))  # type: ignore[operator]
        return laid_like(made, input, end)
    near = prims.add(input, prims.mul(span, weight))
    far = prims.sub(end, prims.mul(span, prims.sub(1, weight)))
    made = prims.select(prims.lt(prims.abs(weight), 0.5), near, far)
    return laid_like(made, input, end, weight)


@autocasts
@with_out
@scoped
def addcmul(
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    *,
    value: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`input + value * tensor1 * tensor2`."""
    check_tensor("addcmul", input)
    x, a, b = promote(input, tensor1, tensor2)
    if value != 1:
        a = prims.mul(a, literal(value, a._type.dtype))
    return prims.add(x, prims.mul(a, b))


@autocasts
@with_out
@scoped
def addcdiv(
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    *,
    value: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`input + value * tensor1 / tensor2`. Dtypes: floating."""
    check_tensor("addcdiv", input)
    if common_dtype(tensor1, tensor2).kind not in _INEXACT:
        raise DTypeError("addcdiv: Integer division with addcdiv is no longer supported")
    x, a, b = promote(input, tensor1, tensor2)
    if value != 1:
        a = prims.mul(a, literal(value, a._type.dtype))
    return prims.add(x, prims.div(a, b))


@with_out
@scoped
def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`log(exp(input) + exp(other))` without overflow. Dtypes: floating and complex."""
    check_tensor("logaddexp", input)
    check_tensor("logaddexp", other, "other", 2)
    x, y = promote(input, other)
    check_kinds("logaddexp", x, "float", "complex")
    if x._type.dtype.is_complex:
        return _complex_logaddexp(x, y)
    # Chosen by side, for gradients of all orders where the two are equal.
    above = prims.gt(x, y)
    gap = prims.sub(prims.select(above, y, x), prims.select(above, x, y))
    total = prims.add(prims.select(above, x, y), prims.log1p(prims.exp(gap)))
    # Equal infinities: their difference is nan.
    same = prims.bit_and(prims.eq(x, y), prims.eq(prims.abs(x), math.inf))
    return prims.select(same, x, total)


def _complex_logaddexp(x: Tensor, y: Tensor) -> Tensor:
    """The one of the larger real part is taken out."""
    a, b = prims.real(x.detach()), prims.real(y.detach())
    first = prims.ge(a, b)
    large, small = prims.select(first, x, y), prims.select(first, y, x)
    total = prims.add(large, prims.log1p(prims.exp(prims.sub(small, large))))
    both = prims.eq(a, b)
    plain = prims.log(prims.add(prims.exp(x), prims.exp(y)))
    total = prims.select(prims.bit_and(both, prims.eq(a, math.inf)), plain, total)
    return prims.select(prims.bit_and(both, prims.eq(a, -math.inf)), small, total)


FUNCTIONS = {
    f.__name__: f
    for f in (
        *(add, sub, rsub, mul, div, true_divide, floor_divide, remainder, fmod, pow),
        *(float_power, maximum, minimum, lerp, addcmul, addcdiv, logaddexp),
    )
}
FUNCTIONS |= {"subtract": sub, "multiply": mul, "divide": div}
METHODS: dict[str, Any] = {name: f for name, f in FUNCTIONS.items() if name != "rsub"}
METHODS["float_power_"] = float_power_
INPLACE = (
    *("add", "sub", "mul", "div", "true_divide", "floor_divide", "remainder", "fmod", "pow"),
    *("lerp", "addcmul", "addcdiv", "subtract", "multiply", "divide"),
)
INPLACE_FUNCTIONS: tuple[str, ...] = ()
