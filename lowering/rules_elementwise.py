"""Elementwise IR ops as `jax.lax` calls; read by `lowering.table` alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import lax

from ..ir.graph import Value

# Multiplied out, which is quicker and more exact than exp(y * log(x)).
UNROLLED_POWERS = range(9)
UNROLLED_INEXACT_POWERS = range(-4, 9)


def unary(fn):
    """`fn` applied to the one operand."""

    def rule(node, x):
        return fn(x)

    return rule


def binary(fn, on_bool=None):
    """Broadcast both operands to the result's shape, then apply `fn`.

    A zero-dimensional operand stays as it is: `lax` takes one beside a larger operand.
    """

    def rule(node, x, y):
        if x.shape != y.shape:
            shape = node.outputs[0].type.shape
            x = x if x.ndim == 0 else broadcast_right(x, shape)
            y = y if y.ndim == 0 else broadcast_right(y, shape)
        return (on_bool if on_bool and x.dtype == np.bool_ else fn)(x, y)

    return rule


def select(node, condition, x, y):
    shape = node.outputs[0].type.shape
    return lax.select(*(broadcast_right(a, shape) for a in (condition, x, y)))


def broadcast_right(a, shape):
    """`a` repeated to `shape`, axes aligned at the last one."""
    if a.shape == shape:
        return a
    return lax.broadcast_in_dim(a, shape, range(len(shape) - a.ndim, len(shape)))


def is_unsigned(x) -> bool:
    return x.dtype.kind == "u"


def absolute(x):
    return x if is_unsigned(x) else lax.abs(x)


def shift_right(x, y):
    return lax.shift_right_logical(x, y) if is_unsigned(x) else lax.shift_right_arithmetic(x, y)


def convert(node, x):
    return to_dtype(x, node.attr("dtype").np)


def to_dtype(x, dtype):
    """Conversion by the IR's rules: complex numbers lose their imaginary part."""
    if x.dtype == dtype:
        return x
    if x.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        if dtype == np.bool_:
            return lax.ne(x, np.zeros(x.shape, x.dtype))
        x = lax.real(x)
    if x.dtype == np.bool_:
        # A conversion times y XLA makes `select(x, y, 0)`, which drops what is nan or infinite.
        return lax.select(x, lax.full(x.shape, 1, dtype), lax.full(x.shape, 0, dtype))
    return lax.convert_element_type(x, dtype)


def power(node, x, y):
    exponent = node.operands[1]
    unrolled = UNROLLED_POWERS if x.dtype.kind in "iu" else UNROLLED_INEXACT_POWERS
    if not isinstance(exponent, Value) and exponent in unrolled:
        return lax.integer_pow(x, int(exponent.real))
    shape = node.outputs[0].type.shape
    x, y = broadcast_right(x, shape), broadcast_right(y, shape)
    return integer_power(x, y) if x.dtype.kind in "iu" else lax.pow(x, y)


def integer_power(x, y):
    """Repeated squaring, modulo the width. One over a number is 0 unless it is 1 or -1."""
    one, zero = lax.full_like(x, 1), lax.full_like(x, 0)
    negative = None
    if not is_unsigned(x):
        negative = lax.lt(y, zero)
        # x ** -n is 1 / x ** n; x = 1 and x = -1 are their own inverses.
        inverse = lax.select(lax.eq(lax.abs(x), one), x, zero)
        x = lax.select(negative, inverse, x)
        y = lax.abs(y)

    def bits_left(state: Any):
        left = lax.ne(state[2], zero)
        return lax.reduce_or(left, tuple(range(left.ndim)))

    def step(state: Any):
        out, base, left = state
        odd = lax.ne(lax.bitwise_and(left, one), zero)
        out = lax.select(odd, lax.mul(out, base), out)
        return out, lax.mul(base, base), lax.shift_right_logical(left, one)

    return lax.while_loop(bits_left, step, (one, x, y))[0]


RULES = {
    "neg": unary(lax.neg),
    "abs": unary(absolute),
    "sign": unary(lax.sign),
    "floor": unary(lax.floor),
    "ceil": unary(lax.ceil),
    "round": unary(lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)),
    "exp": unary(lax.exp),
    "expm1": unary(lax.expm1),
    "log": unary(lax.log),
    "log1p": unary(lax.log1p),
    "sqrt": unary(lax.sqrt),
    "rsqrt": unary(lax.rsqrt),
    "sin": unary(lax.sin),
    "cos": unary(lax.cos),
    "tanh": unary(lax.tanh),
    "logistic": unary(lax.logistic),
    "erf": unary(lax.erf),
    "conj": unary(lax.conj),
    "convert": convert,
    "add": binary(lax.add, on_bool=lax.bitwise_or),
    "sub": binary(lax.sub),
    "mul": binary(lax.mul, on_bool=lax.bitwise_and),
    "div": binary(lax.div),
    "int_div": binary(lax.div),  # by zero: -1, as the IR has it
    "rem": binary(lax.rem),  # of integers by zero: the dividend
    "pow": power,
    "maximum": binary(lax.max),
    "minimum": binary(lax.min),
    "eq": binary(lax.eq),
    "ne": binary(lax.ne),
    "lt": binary(lax.lt),
    "le": binary(lax.le),
    "gt": binary(lax.gt),
    "ge": binary(lax.ge),
    "select": select,
    "bit_and": binary(lax.bitwise_and),
    "bit_or": binary(lax.bitwise_or),
    "bit_xor": binary(lax.bitwise_xor),
    "bit_not": unary(lax.bitwise_not),
    "shift_left": binary(lax.shift_left),
    "shift_right": binary(shift_right),
}
