"""Elementwise primitives: one row holds an op's typing rule, gradients and NumPy rule.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..types import DType, TensorType, bool_
from .table import ZERO, Op, op, table
from .typing import (
    ANY,
    FLOATING,
    INEXACT,
    INTEGERS,
    INTEGRAL,
    NUMERIC,
    ORDERED,
    REAL,
    Kinds,
    common,
    predicate,
    same_dtype,
)

_BOOL = "its result is bool"
_INT = "it works on integers"


def _select_type(name: str, *types: TensorType | None) -> TensorType:
    if types[0] is None or types[0].dtype is not bool_:
        raise DTypeError(f"{name}: the condition must be a bool tensor")
    _, dtype = common(name, types[1:])
    shape, _ = common(name, tuple(t and t.with_dtype(dtype) for t in types))
    return TensorType(shape, dtype)


def _abs_type(name: str, x: TensorType | None) -> TensorType:
    """Complex numbers have real absolute values."""
    out = same_dtype(NUMERIC)(name, x)
    return out.with_dtype(out.dtype.to_real()) if out.dtype.is_complex else out


def _abs_grad(b: Any, g: Any, out: Any, x: Any) -> Any:
    """The cotangent along the direction of `x`, which zero does not have."""
    if not x.type.dtype.is_complex:
        return b.mul(g, b.sign(x))
    zero = b.eq(out, 0)
    size = b.convert(b.select(zero, 1, out), x.type.dtype)
    return b.mul(b.convert(g, x.type.dtype), b.select(zero, 0, b.div(x, size)))


def _pow_x(b: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    if not hasattr(y, "type"):
        if y == 0:
            return b.zeros(out.type)
        if y == 1:
            return g
        power = x if y == 2 else b.pow(x, y - 1)
        return b.mul(g, b.conj(b.mul(power, y)))
    # x ** (0 - 1) is infinite at x = 0, and infinity times zero would be nan.
    slope = b.mul(y, b.pow(x, b.sub(y, 1)))
    return b.select(b.eq(y, 0), 0, b.mul(g, b.conj(slope)))


def _pow_y(b: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    if not hasattr(x, "type"):
        if x == 0:
            return b.mul(g, _zero_base_slope(b, out, y))
        return b.mul(g, b.conj(b.mul(out, np.log(x).item() if x > 0 else math.nan)))
    # The slope of base 0 is chosen after the logarithm, whose own is kept finite there:
    # zero times infinity would be nan in the second gradient.
    zero = b.eq(b.broadcast(x, out.type.shape), 0)
    slope = b.mul(out, b.log(b.select(zero, 1, x)))
    return b.mul(g, b.conj(b.select(zero, _zero_base_slope(b, out, y), slope)))


def _zero_base_slope(b: Any, out: Any, y: Any) -> Any:
    """0 ** y rises from minus infinity to its value at y = 0."""
    if not hasattr(y, "type"):
        return 0 if isinstance(y, complex) or y >= 0 else -math.inf
    if y.type.dtype.is_complex:
        return 0
    return b.select(b.ge(y, 0), 0, b.full_of(y.type, -math.inf))


def _extremum(wins: str, first: bool):
    """The gradient goes to the operand that was taken; equal ones share it (as PyTorch)."""

    def rule(b: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
        mine, other = (x, y) if first else (y, x)
        if not hasattr(mine, "type"):
            return None
        taken = getattr(b, wins)(mine, other)
        return b.select(taken, g, b.select(b.eq(mine, other), b.mul(g, 0.5), 0))

    return rule


def _convert_type(name: str, x: TensorType | None, *, dtype: DType) -> TensorType:
    if x is None:
        raise DTypeError(f"{name}: needs a tensor operand")
    return x.with_dtype(dtype)


def _convert_grad(b: Any, g: Any, out: Any, x: Any, *, dtype: DType) -> Any:
    return b.convert(g, x.type.dtype)


def _convert(x: np.ndarray, *, dtype: DType) -> np.ndarray:
    if x.dtype.kind == "c" and not dtype.is_complex and dtype is not bool_:
        x = np.real(x)
    if dtype.kind in ("int", "uint") and x.dtype.kind not in "biu":
        # XLA's conversion saturates and takes nan to zero; NumPy's is undefined there.
        info = np.iinfo(dtype.np)
        wide = np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
        out = np.clip(wide, float(info.min), float(info.max))
        result = np.where(out >= float(info.max), info.max, 0).astype(dtype.np)
        inside = out < float(info.max)
        return np.where(inside, np.where(inside, out, 0).astype(dtype.np), result)
    return x.astype(dtype.np)


def _int_div(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Division of integers, rounded towards zero; by zero it gives -1, as XLA's does."""
    safe = np.where(y == 0, np.ones_like(y), y)
    ones = np.invert(np.zeros_like(safe))  # -1, or the largest unsigned number
    return np.where(y == 0, ones, (x - np.fmod(x, safe)) // safe)


def _int_rem(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind in "biu":
        safe = np.where(y == 0, np.ones_like(y), y)
        return np.where(y == 0, x, np.fmod(x, safe))
    return np.fmod(x, y)


def _pow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Powers; one over a whole number is 0 unless that is 1 or -1, as in PyTorch."""
    if x.dtype.kind != "i":
        return np.power(x, y)
    x = np.where((y < 0) & (np.abs(x) != 1), 0, x)
    return np.power(x, np.abs(y))


def _logistic(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + z), z / (1 + z)).astype(x.dtype)


def _erf(x: np.ndarray) -> np.ndarray:
    wide = np.asarray(x, np.float64)
    flat = [math.erf(v) for v in wide.ravel().tolist()]
    return np.asarray(flat, np.float64).reshape(wide.shape).astype(x.dtype)


def _shift(fn: Any):
    """Shifts by the width or more give zero (or the sign), as in XLA."""

    def rule(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        bits = x.dtype.itemsize * 8
        inside = (y >= 0) & (y < bits)
        out = fn(x, np.where(inside, y, 0))
        lost = np.where(x < 0, -1, 0) if fn is np.right_shift else 0
        return np.where(inside, out, lost).astype(x.dtype)

    return rule


def _unary(name: str, kinds: Kinds, grad: Any, evaluate: Any) -> Op:
    return op(name, same_dtype(kinds), grad, evaluate=evaluate, elementwise=True)


def _binary(name: str, kinds: Kinds, *grads: Any, evaluate: Any, no_grad: str = "") -> Op:
    typing = same_dtype(kinds)
    return op(name, typing, *grads, evaluate=evaluate, elementwise=True, no_grad=no_grad)


def _compare(name: str, kinds: Kinds, evaluate: Any) -> Op:
    return op(name, predicate(kinds), no_grad=_BOOL, evaluate=evaluate, elementwise=True)


TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)

# One gradient per operand, so a cotangent nobody needs is never recorded. Rows ignore
# broadcasting: ir/grad.py sums a cotangent back to its operand's shape.
ELEMENTWISE = table(
    _unary("neg", NUMERIC, lambda b, g, out, x: b.neg(g), np.negative),
    op("abs", _abs_type, _abs_grad, evaluate=np.abs, elementwise=True),
    _unary("sign", REAL, ZERO, np.sign),  # piecewise constant
    _unary("floor", FLOATING, ZERO, np.floor),
    _unary("ceil", FLOATING, ZERO, np.ceil),
    _unary("round", FLOATING, ZERO, np.rint),  # ties to even
    _unary("exp", INEXACT, lambda b, g, out, x: b.mul(g, b.conj(out)), np.exp),
    _unary("expm1", INEXACT, lambda b, g, out, x: b.mul(g, b.conj(b.add(out, 1))), np.expm1),
    _unary("log", INEXACT, lambda b, g, out, x: b.div(g, b.conj(x)), np.log),
    _unary("log1p", INEXACT, lambda b, g, out, x: b.div(g, b.conj(b.add(x, 1))), np.log1p),
    _unary("sqrt", INEXACT, lambda b, g, out, x: b.div(g, b.conj(b.mul(out, 2))), np.sqrt),
    _unary(
        "rsqrt",
        FLOATING,
        lambda b, g, out, x: b.mul(g, b.mul(b.mul(out, b.mul(out, out)), -0.5)),
        lambda x: 1 / np.sqrt(x),
    ),
    _unary("sin", INEXACT, lambda b, g, out, x: b.mul(g, b.conj(b.cos(x))), np.sin),
    _unary("cos", INEXACT, lambda b, g, out, x: b.neg(b.mul(g, b.conj(b.sin(x)))), np.cos),
    _unary(
        "tanh",
        INEXACT,
        lambda b, g, out, x: b.mul(g, b.conj(b.sub(1, b.mul(out, out)))),
        np.tanh,
    ),
    _unary(
        "logistic",
        INEXACT,
        lambda b, g, out, x: b.mul(g, b.conj(b.mul(out, b.sub(1, out)))),
        _logistic,
    ),
    _unary(
        "erf",
        FLOATING,
        lambda b, g, out, x: b.mul(g, b.mul(b.exp(b.neg(b.mul(x, x))), TWO_OVER_SQRT_PI)),
        _erf,
    ),
    _unary("conj", frozenset({"complex"}), lambda b, g, out, x: b.conj(g), np.conj),
    op(
        "convert",
        _convert_type,
        _convert_grad,
        attrs=("dtype",),
        evaluate=_convert,
        elementwise=True,
    ),
    _binary("add", ANY, lambda b, g, *_: g, lambda b, g, *_: g, evaluate=np.add),
    _binary("sub", NUMERIC, lambda b, g, *_: g, lambda b, g, *_: b.neg(g), evaluate=np.subtract),
    _binary(
        "mul",
        ANY,
        lambda b, g, out, x, y: b.mul(g, b.conj(y)),
        lambda b, g, out, x, y: b.mul(g, b.conj(x)),
        evaluate=np.multiply,
    ),
    _binary(
        "div",
        INEXACT,
        lambda b, g, out, x, y: b.div(g, b.conj(y)),
        lambda b, g, out, x, y: b.neg(b.div(b.mul(g, b.conj(out)), b.conj(y))),
        evaluate=np.true_divide,
    ),
    _binary("int_div", INTEGERS, evaluate=_int_div, no_grad=_INT),
    _binary(
        "rem",  # the sign of the dividend, as C's fmod
        REAL,
        lambda b, g, out, x, y: g,
        lambda b, g, out, x, y: b.neg(b.mul(g, b.div(b.sub(x, out), y))),
        evaluate=_int_rem,
    ),
    _binary("pow", NUMERIC, _pow_x, _pow_y, evaluate=_pow),
    _binary(
        "maximum",
        ORDERED,
        _extremum("gt", first=True),
        _extremum("gt", first=False),
        evaluate=np.maximum,
    ),
    _binary(
        "minimum",
        ORDERED,
        _extremum("lt", first=True),
        _extremum("lt", first=False),
        evaluate=np.minimum,
    ),
    _compare("eq", ANY, np.equal),
    _compare("ne", ANY, np.not_equal),
    _compare("lt", ORDERED, np.less),
    _compare("le", ORDERED, np.less_equal),
    _compare("gt", ORDERED, np.greater),
    _compare("ge", ORDERED, np.greater_equal),
    op(
        "select",
        _select_type,
        None,
        lambda b, g, out, c, x, y: b.select(c, g, 0),
        lambda b, g, out, c, x, y: b.select(c, 0, g),
        evaluate=np.where,
        elementwise=True,
    ),
    _binary("bit_and", INTEGRAL, evaluate=np.bitwise_and, no_grad=_INT),
    _binary("bit_or", INTEGRAL, evaluate=np.bitwise_or, no_grad=_INT),
    _binary("bit_xor", INTEGRAL, evaluate=np.bitwise_xor, no_grad=_INT),
    op(
        "bit_not",
        same_dtype(INTEGRAL),
        no_grad=_INT,
        evaluate=np.invert,
        elementwise=True,
    ),
    _binary("shift_left", INTEGERS, evaluate=_shift(np.left_shift), no_grad=_INT),
    _binary("shift_right", INTEGERS, evaluate=_shift(np.right_shift), no_grad=_INT),
)
