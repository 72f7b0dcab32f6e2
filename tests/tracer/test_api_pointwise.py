"""Elementwise functions and type promotion against PyTorch."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from api_oracle import Case, array, bools, cases, check, integers

import thrace

X = array(3, 4)
P = array(3, 4, low=0.1, high=3.0)
Y = array(4, seed=1)
I = integers(3, 4)
N = integers(3, 4, low=1, high=6)
B = bools(3, 4)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5], np.float32)
TIES = np.array([-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 3.0], np.float32)
EMPTY = np.zeros((0, 3), np.float32)
ZERO_D = np.array(1.5, np.float32)


def named(name: str, *args: Any, **kwargs: Any) -> Any:
    return lambda T, *xs: getattr(T, name)(*xs, *args, **kwargs)


UNARY = (
    *("abs", "neg", "sign", "exp", "exp2", "expm1", "square", "reciprocal", "sin", "cos", "tan"),
    *("tanh", "sigmoid", "erf", "floor", "ceil", "round", "trunc", "frac", "relu", "isnan"),
    *("isinf", "isfinite", "isposinf", "isneginf", "logical_not", "nan_to_num", "positive"),
    *("log", "log2", "log10", "log1p", "sqrt", "rsqrt"),
)
POSITIVE = ("log", "log2", "log10", "log1p", "sqrt", "rsqrt")
UNARY_CASES = [
    Case(f"{name}-{what}", named(name), (data,), grad)
    for name in UNARY
    for what, data, grad in (
        ("float", P if name in POSITIVE else X, True),
        ("double", P.astype(np.float64), True),
        ("int", N if name in POSITIVE else I, False),
        ("bool", B, False),
        ("special", SPECIAL, False),
        ("ties", np.abs(TIES) if name in POSITIVE else TIES, False),
        ("empty", EMPTY, True),
        ("scalar", ZERO_D, True),
    )
]


@cases(UNARY_CASES)
def test_unary(case: Case) -> None:
    check(case)


BINARY = (
    *("add", "sub", "mul", "div", "true_divide", "floor_divide", "remainder", "fmod", "pow"),
    *("maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or"),
    *("logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "logaddexp", "float_power"),
    *("isclose", "bitwise_left_shift", "bitwise_right_shift"),
)
_SHIFTS = ("bitwise_left_shift", "bitwise_right_shift")
BINARY_CASES = [
    Case(f"{name}-{what}", named(name), args, grad)
    for name in BINARY
    for what, args, grad in (
        ("floats", (P, array(3, 4, seed=1, low=0.5)), True),
        ("broadcast", (P, np.abs(Y) + 0.5), True),
        ("column", (array(3, 1, low=0.5), P), True),
        ("ints", (I, N), False),
        ("int-float", (N, P), True),
        ("bools", (B, bools(3, 4, seed=1)), False),
        ("bool-int", (B, N), False),
        ("int32-int64", (N.astype(np.int32), N), False),
        ("uint8-int8", (N.astype(np.uint8), N.astype(np.int8)), False),
        ("float-double", (P, P.astype(np.float64)), True),
        ("float-double0", (P, np.array(2.5)), True),
        ("int-float0", (N, np.array(2.5)), False),
        ("half-float", (P.astype(np.float16), P), False),
        ("empty", (EMPTY, np.ones(3, np.float32)), True),
        ("scalars", (ZERO_D, np.array(2.0, np.float32)), True),
    )
    if not (name in _SHIFTS and what == "empty")
]


@cases(BINARY_CASES)
def test_binary(case: Case) -> None:
    check(case)


NUMBERS = (2, -3, 2.5, 0.5, True, 0)
OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "eq", "ne", "lt", "le", "gt"),
    *("ge", "and_", "or_", "xor"),
)


def right(name: str, number: Any) -> Any:
    return lambda T, x: getattr(operator, name)(x, number)


def left(name: str, number: Any) -> Any:
    return lambda T, x: getattr(operator, name)(number, x)


NUMBER_CASES = [
    Case(f"{name}-{side.__name__}-{number}-{what}", side(name, number), (data,), grad)
    for name in OPERATORS
    for side in (right, left)
    for number in NUMBERS
    for what, data, grad in (
        ("float", P, True),
        ("int", N, False),
        ("bool", B, False),
        ("uint8", N.astype(np.uint8), False),
        ("half", P.astype(np.float16), False),
    )
    # The last bit of half precision decides these.
    if not (what == "half" and name in ("mod", "floordiv"))
]


@cases(NUMBER_CASES)
def test_number_operand(case: Case) -> None:
    check(case)


MORE = (
    ("add-alpha", lambda T, x, y: T.add(x, y, alpha=2.5), (X, Y)),
    ("add-alpha-number", lambda T, x: T.add(x, 3, alpha=2), (X,)),
    ("sub-alpha", lambda T, x, y: x.sub(y, alpha=3), (X, Y)),
    ("add-alpha-int", lambda T, x: x.add(1, alpha=2.5), (I,)),
    ("add-alpha-bool", lambda T, x: x.add(1, alpha=True), (I,)),
    ("rsub", lambda T, x: T.rsub(x, 2, alpha=3), (X,)),
    ("div-floor", lambda T, x, y: T.div(x, y, rounding_mode="floor"), (X, P)),
    ("div-trunc", lambda T, x, y: T.div(x, y, rounding_mode="trunc"), (X, P)),
    ("div-floor-int", lambda T, x, y: T.div(x, y, rounding_mode="floor"), (I, N)),
    ("div-trunc-int", lambda T, x, y: T.div(x, -y, rounding_mode="trunc"), (I, N)),
    ("div-mode", lambda T, x: T.div(x, 2, rounding_mode="up"), (X,)),
    ("floordiv-tenth", lambda T, x: x // 0.1, (np.array([1.0, 0.3, -0.7], np.float64),), False),
    ("floordiv-zero", lambda T, x: x // 0, (SPECIAL,), False),
    ("floordiv-int-zero", lambda T, x: x // 0, (I,)),
    ("mod-int-zero", lambda T, x: x % 0, (I,)),
    ("mod-negative", lambda T, x, y: x % -y, (X, P)),
    ("fmod-negative", lambda T, x, y: T.fmod(x, -y), (X, P)),
    ("remainder-special", lambda T, x: x % 1.5, (SPECIAL,), False),
    ("pow-ints", lambda T, x, y: x**y, (I, N)),
    ("pow-negative-int", lambda T, x: x**-1, (I,)),
    (
        "pow-negative-tensor",
        lambda T, x, y: x**-y,
        (np.array([1, -1, 2, -1]), np.array([3, 3, 2, 2])),
    ),
    (
        "pow-zero-base",
        lambda T, x, y: x**y,
        (np.zeros(3, np.float32), np.array([0, 1, 2], np.float32)),
    ),
    ("pow-fraction", lambda T, x: x**0.5, (P,)),
    ("pow-cube", lambda T, x: x**3, (X,)),
    ("pow-zero", lambda T, x: x**0, (X,)),
    ("pow-scalar-base", lambda T, x: 2**x, (X,)),
    ("pow-function-base", lambda T, x: T.pow(2.5, x), (X,)),
    ("clamp", lambda T, x: x.clamp(-0.5, 0.5), (X,)),
    ("clamp-ties", lambda T, x: x.clamp(-0.5, 1.5), (TIES,)),
    ("clamp-min", lambda T, x: T.clamp(x, min=0), (X,)),
    ("clamp-max", lambda T, x: T.clip(x, max=0.25), (X,)),
    ("clamp-crossed", lambda T, x: x.clamp(1, -1), (X,)),
    ("clamp-nan", lambda T, x: x.clamp(-1, 1), (SPECIAL,), False),
    ("clamp-int-float", lambda T, x: x.clamp(-1.5, 2), (I,)),
    ("clamp-tensors", lambda T, x, a, b: x.clamp(a, b), (X, Y - 1, Y + 1)),
    ("clamp-nothing", lambda T, x: x.clamp(), (X,)),
    ("clamp_min", lambda T, x: x.clamp_min(0.1), (X,)),
    ("clamp_max", lambda T, x: x.clamp_max(0.1), (X,)),
    ("where", lambda T, c, x, y: T.where(c, x, y), (B, X, Y)),
    ("where-number", lambda T, c, x: T.where(c, x, 0), (B, X)),
    ("where-number-first", lambda T, c, x: T.where(c, 1.5, x), (B, I)),
    ("where-numbers", lambda T, c: T.where(c, 1.0, 2), (B,)),
    ("where-int-numbers", lambda T, c: T.where(c, 1, 2), (B,)),
    ("where-promotes", lambda T, c, x, y: T.where(c, x, y), (B, X, I)),
    ("where-alone", lambda T, c: T.where(c), (B,)),
    ("where-method", lambda T, c, x, y: x.where(c, y), (B, X, Y)),
    ("where-dtype", lambda T, c, x: T.where(c, x, x), (X, X)),
    ("lerp", lambda T, x, y: T.lerp(x, y, 0.3), (X, P)),
    ("lerp-far", lambda T, x, y: T.lerp(x, y, 0.8), (X, P)),
    ("lerp-tensor", lambda T, x, y, w: T.lerp(x, y, w), (X, P, array(3, 4, seed=5, low=0, high=1))),
    ("lerp-dtype", lambda T, x, y: T.lerp(x, y, 0.3), (X, P.astype(np.float64))),
    ("addcmul", lambda T, x, y, z: T.addcmul(x, y, z, value=0.5), (X, Y, P)),
    ("addcdiv", lambda T, x, y, z: T.addcdiv(x, y, z, value=0.5), (X, Y, P)),
    ("addcdiv-int", lambda T, x: T.addcdiv(x, x, x), (N,)),
    ("round-decimals", lambda T, x: x.round(decimals=1), (X,)),
    ("round-tens", lambda T, x: T.round(x * 100, decimals=-1), (X,)),
    ("nan_to_num", lambda T, x: T.nan_to_num(x, 1.0, 2.0, 3.0), (SPECIAL,)),
    ("isclose-nan", lambda T, x: T.isclose(x, x, equal_nan=True), (SPECIAL,), False),
    ("allclose", lambda T, x: T.allclose(x, x + 1e-7), (X,), False),
    ("allclose-not", lambda T, x: x.allclose(x + 1), (X,), False),
    ("equal", lambda T, x: T.equal(x, x.clone()), (X,), False),
    ("equal-shapes", lambda T, x, y: T.equal(x, y), (X, Y), False),
    ("invert", lambda T, x: ~x, (I,)),
    ("invert-bool", lambda T, x: ~x, (B,)),
    ("invert-float", lambda T, x: ~x, (X,)),
    ("shift", lambda T, x: x << 2, (N,)),
    ("shift-right", lambda T, x: x >> 1, (I,)),
    ("shift-left-of", lambda T, x: 1 << x, (N,)),
    ("uint8-wraps", lambda T, x: x + 300, (N.astype(np.uint8),)),
    ("uint8-negative", lambda T, x: x * -1, (N.astype(np.uint8),)),
    ("numpy-float32", lambda T, x: x * np.float32(2), (X,)),
    ("numpy-float64", lambda T, x: x * np.float64(2), (X,)),
    ("numpy-int64", lambda T, x: x * np.int64(2), (X,)),
    ("add-none", lambda T, x: x + None, (X,)),
    ("add-str", lambda T, x: x + "a", (X,)),
    ("add-str-function", lambda T, x: T.add(x, "a"), (X,)),
    ("exp-number", lambda T: T.exp(1.0), ()),
    ("maximum-number", lambda T, x: T.maximum(x, 1), (X,)),
    ("logical_and-number", lambda T, x: T.logical_and(x, 1), (X,)),
    ("shapes-differ", lambda T, x, y: x + y, (X, array(5))),
    ("shapes-differ-mul", lambda T, x, y: x * y, (X, array(2, 4))),
    ("sub-bools", lambda T, x: x - x, (B,)),
    ("sub-bool-number", lambda T, x: 1 - x, (B,)),
    ("neg-bool", lambda T, x: -x, (B,)),
    ("eq-none", lambda T, x: x == None, (X,)),  # noqa: E711
    ("ne-str", lambda T, x: x != "a", (X,)),
    ("transposed-sum", lambda T, x: x.t() + 1, (X,)),
    ("transposed-both", lambda T, x: x.t() * x.t(), (X,)),
    ("transposed-one", lambda T, x, y: x.t() * y, (X, array(4, 3))),
    ("permuted", lambda T, x: x.permute(2, 0, 1).exp(), (array(2, 3, 4),)),
)


@cases(MORE)
def test_more(case: Case) -> None:
    check(case)


INPLACE = (
    ("add_", lambda T, x: x.clone().add_(1), (X,)),
    ("add_-broadcast", lambda T, x, y: x.clone().add_(y), (X, Y)),
    ("add_-too-large", lambda T, x, y: y.clone().add_(x), (X, Y)),
    ("add_-float-to-int", lambda T, x: x.add_(1.5), (I,)),
    ("div_-int", lambda T, x: x.div_(2), (I,)),
    ("mul_-double", lambda T, x, y: x.clone().mul_(y), (X, P.astype(np.float64))),
    ("eq_", lambda T, x: x.clone().eq_(0), (I,)),
    ("lt_-float", lambda T, x: x.detach().clone().lt_(0), (X,)),
    ("sigmoid_", lambda T, x: x.clone().sigmoid_(), (X,)),
    ("relu_", lambda T, x: T.relu_(x.clone()), (X,)),
    ("clamp_", lambda T, x: x.clone().clamp_(min=0), (X,)),
    ("leaf", lambda T, x: x.add_(1), (X,)),
    ("leaf-view", lambda T, x: x[0].mul_(2), (X,)),
    ("expanded", lambda T, x: x.detach()[0].expand(3, 4).add_(1), (X,)),
    ("iadd", lambda T, x: operator.iadd(x.clone(), 2), (X,)),
    ("isub", lambda T, x: operator.isub(x.clone(), 2), (X,)),
    ("imul", lambda T, x: operator.imul(x.clone(), 2), (X,)),
    ("itruediv", lambda T, x: operator.itruediv(x.clone(), 2), (X,)),
    ("ipow", lambda T, x: operator.ipow(x.clone(), 2), (X,)),
    ("iand", lambda T, x: operator.iand(x.clone(), 2), (I,)),
    ("ifloordiv", lambda T, x: operator.ifloordiv(x.clone(), 2), (I,)),
    ("imod", lambda T, x: operator.imod(x.clone(), 2), (I,)),
    ("pow_-chain", lambda T, x: x.clone().mul_(2).pow_(2).add_(x), (X,)),
    ("lerp_", lambda T, x, y: x.clone().lerp_(y, 0.25), (X, P)),
    ("addcmul_", lambda T, x, y: x.clone().addcmul_(y, y), (X, P)),
    ("masked_fill_", lambda T, x, m: x.clone().masked_fill_(m, 1.5), (X, B)),
    ("zero_", lambda T, x: x.detach().clone().zero_(), (X,)),
    ("fill_", lambda T, x: x.detach().clone().fill_(2.5), (X,)),
    ("fill_-int", lambda T, x: x.clone().fill_(2.5), (I,)),
    ("fill_-tensor", lambda T, x: x.detach().clone().fill_(T.tensor(2)), (X,)),
    ("fill_-shape", lambda T, x: x.detach().clone().fill_(T.ones(2)), (X,)),
    ("copy_", lambda T, x, y: x.clone().copy_(y), (X, Y)),
    ("copy_-int", lambda T, x, y: y.clone().copy_(x), (X, I)),
    ("copy_-shape", lambda T, x, y: y.clone().copy_(x), (X, Y)),
    ("tril_", lambda T, x: x.clone().tril_(), (X,)),
)


@cases(INPLACE)
def test_in_place(case: Case) -> None:
    check(case)


OUT = (
    ("add", lambda T, x: T.add(x, 1, out=T.empty(3, 4)), (X,), False),
    ("resized", lambda T, x: T.add(x, 1, out=T.empty(0)), (X,), False),
    ("resized-warns", lambda T, x: T.add(x, 1, out=T.empty(3)), (X,), False),
    ("wider", lambda T, x: T.mul(x, 2, out=T.empty(3, 4, dtype=T.float64)), (X,), False),
    ("int", lambda T, x: T.add(x, 1, out=T.empty(3, 4, dtype=T.int64)), (X,), False),
    ("grad", lambda T, x: T.add(x, 1, out=T.empty(3, 4)), (X,)),
    ("sum", lambda T, x: T.sum(x, 0, out=T.empty(4)), (X,), False),
    ("exp", lambda T, x: T.exp(x, out=T.zeros(3, 4)), (X,), False),
    ("matmul", lambda T, x: T.matmul(x, x.t(), out=T.zeros(3, 3)), (X,), False),
    ("cat", lambda T, x: T.cat([x, x], out=T.zeros(6, 4)), (X,), False),
    ("arange", lambda T: T.arange(3, out=T.empty(3)), (), False),
    ("view", lambda T, x: [b := T.zeros(6, 4), T.add(x, 1, out=b[::2]), b], (X,), False),
)


@cases(OUT)
def test_out(case: Case) -> None:
    check(case)


def test_resizing_out_warns() -> None:
    with pytest.warns(UserWarning, match="was resized since it had shape"):
        thrace.add(thrace.ones(2), 1, out=thrace.ones(3))
