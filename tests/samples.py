"""Every op with operands, attributes and what must come out: the one table of op samples.

Read by the tests of `ir` (NumPy rule, gradient, text form) and of `lowering` (XLA). An
oracle is an expression of NumPy, SciPy, PyTorch or plain Python that shares nothing with
our own rules; it gets floating operands in double precision. The first sample of an op
runs in all dtypes the op takes, the others in those they name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import scipy.special
import torch
from samples_complex import COMPLEX_PARTS
from samples_fft import FFT
from samples_linalg import LINALG as DECOMPOSITIONS
from samples_loops import LOOP_SAMPLES
from samples_sort import SORT
from samples_special import SPECIAL
from sampling import (
    ANY,
    COMPLEX,
    FLOATS,
    INEXACT,
    INF,
    INTEGRAL,
    INTS,
    NAN,
    NUMERIC,
    ORDERED,
    REAL,
    Arg,
    Case,
    Sample,
    Shape,
    binary,
    f32,
    sample,
    special,
    torch_convert,
    torch_pow,
    truncated_quotient,
    unary,
    wrapped,
)

from thrace.ir.build import Builder
from thrace.ir.graph import Graph, Value
from thrace.ir.ops.shape import Constant
from thrace.ir.types import (
    TensorType,
    complex64,
    dtype_from_name,
    float32,
    float64,
    int64,
)

ELEMENTWISE: tuple[Sample, ...] = (
    *unary("neg", np.negative, NUMERIC),
    *unary("abs", np.abs, NUMERIC),
    *unary("sign", np.sign, REAL),
    *unary("floor", np.floor, FLOATS),
    *unary("ceil", np.ceil, FLOATS),
    *unary("round", np.round, FLOATS),
    special("round", f32(0.5, 1.5, 2.5, -0.5), oracle=lambda x: np.array([0.0, 2, 2, -0.0])),
    *unary("exp", np.exp, INEXACT),
    *unary("expm1", np.expm1, INEXACT),
    special("expm1", f32(1e-8, -1e-8, INF, -INF, NAN), oracle=np.expm1),
    *unary("log", np.log, INEXACT, "positive"),
    special("log", f32(0, -1, INF, NAN), oracle=lambda x: np.array([-INF, NAN, INF, NAN])),
    *unary("log1p", np.log1p, INEXACT, "unit"),
    *unary("sqrt", np.sqrt, INEXACT, "positive"),
    *unary("rsqrt", lambda x: 1 / np.sqrt(x), FLOATS, "positive"),
    *unary("sin", np.sin, INEXACT),
    *unary("cos", np.cos, INEXACT),
    *unary("tanh", np.tanh, INEXACT),
    *unary("logistic", scipy.special.expit, FLOATS),
    special("logistic", f32(-200, 200, INF, -INF), oracle=lambda x: np.array([0.0, 1, 1, 0])),
    *unary("erf", scipy.special.erf, FLOATS),
    *unary("conj", np.conj, COMPLEX),
    *binary("add", np.add, ANY, literal=1),
    *binary("sub", np.subtract, NUMERIC, literal=2),
    *binary("mul", np.multiply, ANY, literal=1),
    *binary("div", np.divide, INEXACT, ("spaced", "positive"), literal=1.5),
    *binary("int_div", truncated_quotient, INTS, ("spaced", "positive")),
    special(
        "int_div",
        np.array([7, -7, 0, -(2**31)], np.int32),
        np.array([0, 0, 0, -1], np.int32),
        oracle=lambda x, y: np.array([-1, -1, -1, -(2**31)]),
    ),
    special(
        "int_div",
        np.array([7, 0], np.uint8),
        np.array([0, 0], np.uint8),
        oracle=lambda x, y: np.array([255, 255]),
    ),
    *binary("rem", np.fmod, REAL, ("spaced", "positive")),
    special(
        "rem",
        np.array([7, -7, -(2**63)], np.int64),
        np.array([0, 4, -1], np.int64),
        oracle=lambda x, y: np.array([7, -3, 0]),
    ),
    *binary("pow", np.power, INEXACT, ("positive", "spaced")),
    *(
        sample("pow", Arg((2, 3), "spaced"), n, oracle=np.power, dtypes=("float32", "complex64"))
        for n in (0, 1, 2, 3, -1, -2)
    ),
    sample("pow", Arg((2, 3), "positive"), 0.5, oracle=np.power),
    sample("pow", Arg((2, 3), "positive"), 11, oracle=np.power, dtypes=("float32", "int32")),
    sample("pow", 2.0, Arg((2, 3)), oracle=np.power),
    sample("pow", Arg((2, 3)), Arg((2, 1), "index:4"), oracle=np.power, dtypes=INTS),
    sample("pow", Arg((2, 3)), 3, oracle=np.power, dtypes=INTS),
    special(
        "pow",
        np.array([1, -1, -1, 2, -3, 0, 3], np.int64),
        np.array([-2, -3, -2, -1, -2, 0, 50], np.int64),
        oracle=lambda x, y: np.array([1, -1, 1, 0, 0, 1, wrapped(3**50)]),
    ),
    special(
        "pow",
        f32(0, 0, 0, -8, INF, 1),
        f32(0, -1, 2, 1 / 3, -1, NAN),
        oracle=torch_pow,
    ),
    *binary("maximum", np.maximum, ORDERED, literal=0),
    *binary("minimum", np.minimum, ORDERED, literal=0),
    special("maximum", f32(NAN, 1, NAN), f32(1, NAN, NAN), oracle=np.maximum),
    special("minimum", f32(NAN, 1, NAN), f32(1, NAN, NAN), oracle=np.minimum),
    *binary("eq", np.equal, ANY, ("positive", "positive"), literal=1),
    *binary("ne", np.not_equal, ANY, ("positive", "positive"), literal=1),
    *binary("lt", np.less, ORDERED, literal=1),
    *binary("le", np.less_equal, ORDERED, literal=1),
    *binary("gt", np.greater, ORDERED, literal=1),
    *binary("ge", np.greater_equal, ORDERED, literal=1),
    special("eq", f32(NAN, 0.0), f32(NAN, -0.0), oracle=np.equal),
    sample("select", Arg((2, 3), dtype="bool"), (2, 3), (2, 3), oracle=np.where, dtypes=ANY),
    sample("select", Arg((2, 1), dtype="bool"), (3,), (), oracle=np.where),
    sample("select", Arg((2, 3), dtype="bool"), (3,), 0, oracle=np.where),
    sample("select", Arg((), dtype="bool"), -1.5, (2, 3), oracle=np.where),
    sample("select", Arg((0,), dtype="bool"), (0,), (1,), oracle=np.where),
    *binary("bit_and", np.bitwise_and, INTEGRAL, literal=1),
    *binary("bit_or", np.bitwise_or, INTEGRAL, literal=1),
    *binary("bit_xor", np.bitwise_xor, INTEGRAL, literal=1),
    *unary("bit_not", np.invert, INTEGRAL),
    *binary("shift_left", np.left_shift, INTS, ("spaced", "positive"), literal=1),
    *binary("shift_right", np.right_shift, INTS, ("spaced", "positive"), literal=1),
    special(
        "shift_left",
        np.array([3, -3, 1], np.int32),
        np.array([32, 40, 31], np.int32),
        oracle=lambda x, y: np.array([0, 0, -(2**31)]),
    ),
    special(
        "shift_right",
        np.array([3, -3, -8], np.int32),
        np.array([32, 40, 1], np.int32),
        oracle=lambda x, y: np.array([0, -1, -4]),
    ),
    *(
        sample(
            "convert",
            (2, 3),
            oracle=torch_convert(to),
            dtypes=dtypes,
            dtype=dtype_from_name(to),
            differentiate=to in ("float64", "complex128"),
        )
        for to, dtypes in (
            ("float32", (*FLOATS, *INTS, "bool")),
            ("float16", ("float32", "int8", "bool")),
            ("bfloat16", ("float64", "int16")),
            ("float64", ("float32", "int64", "float16")),
            ("int32", ("int64", "uint8", "bool", "float32", "bfloat16")),
            ("bool", ("int8", "float16", "complex64")),
            ("complex64", ("float32", "int32", "complex128")),
            ("complex128", ("float32", "complex64")),
        )
    ),
    sample("convert", (2, 3), oracle=np.real, dtypes=COMPLEX, dtype=float64),
    sample("convert", (), oracle=torch_convert("float64"), dtype=float64),
    special(
        *("convert", np.array([1j, 0, 2], np.complex64)),
        oracle=lambda x: np.array([True, False, True]),
        dtype=dtype_from_name("bool"),
    ),
    *(
        special(
            "convert",
            f32(NAN, INF, -INF, 3e38, -3e38, 2.9, -2.9),
            dtype=dtype_from_name(to),
            oracle=lambda x, low=low, high=high, to=to: np.array(
                [0, high, low, high, low, 2, max(-2, low)], to
            ),
        )
        for to, low, high in (
            ("int8", -128, 127),
            ("uint8", 0, 255),
            ("int32", -(2**31), 2**31 - 1),
            ("int64", -(2**63), 2**63 - 1),
            ("uint64", 0, 2**64 - 1),
        )
    ),
    special(
        *("convert", np.array([300, -1, 70000], np.int32)),
        oracle=lambda x: np.array([44, 255, 112]),
        dtype=dtype_from_name("uint8"),
    ),
)


def reduction(
    op: str, oracle: Callable[..., Any], dtypes: tuple[str, ...], empty: bool = True
) -> Iterator[Sample]:
    def along(axes: tuple[int, ...]) -> Callable[[np.ndarray], Any]:
        return lambda x: oracle(x, axis=axes)

    yield sample(op, (3, 4), oracle=along((1,)), dtypes=dtypes, axes=(1,))
    yield sample(op, (2, 3, 4), oracle=along((0, 2)), dtypes=dtypes[:1], axes=(0, 2))
    yield sample(op, (2, 3), oracle=along((0, 1)), dtypes=dtypes[:1], axes=(0, 1))
    yield sample(op, (), oracle=along(()), dtypes=dtypes[:1], axes=())
    yield sample(op, (2, 0), oracle=along((0,)), dtypes=dtypes[:1], axes=(0,))
    if empty:
        yield sample(op, (2, 0), oracle=along((1,)), dtypes=dtypes[:1], axes=(1,))


def summed(x: np.ndarray, axis: Any) -> np.ndarray:
    return np.sum(x, axis=axis, dtype=x.dtype)


REDUCE: tuple[Sample, ...] = (
    *reduction("sum", summed, NUMERIC),
    sample("sum", (300,), oracle=np.sum, dtypes=("float16", "bfloat16"), axes=(0,)),
    sample("sum_to", (2, 3, 4), oracle=lambda x: x.sum((0, 2))[:, None], shape=(3, 1),
           dtypes=INEXACT),
    sample("sum_to", (2, 3), oracle=lambda x: x, shape=(2, 3)),
    sample("sum_to", (2, 3), oracle=np.sum, shape=()),
    sample("sum_to", (0, 3), oracle=lambda x: np.zeros((1, 3)), shape=(1, 3)),
    *reduction("amax", np.max, ORDERED, empty=False),
    *reduction("amin", np.min, ORDERED, empty=False),
    special("amax", np.array([[1, NAN], [-INF, 2]], np.float32), axes=(1,),
            oracle=lambda x: np.array([NAN, 2])),
    special("amin", np.array([[1, NAN], [-INF, 2]], np.float32), axes=(1,),
            oracle=lambda x: np.array([NAN, -INF])),
    *reduction("any", np.any, ("bool",)),
    *reduction("all", np.all, ("bool",)),
    sample("argmax", (3, 4), oracle=lambda x: np.argmax(x, 1), dtypes=ORDERED, axis=1),
    sample("argmax", (3, 4), oracle=lambda x: np.argmax(x, 0), axis=0),
    sample("argmax", (3, 0), oracle=lambda x: np.zeros((0,), np.int64), axis=0),
    special("argmax", f32(1, NAN, 3, NAN), oracle=lambda x: np.array(1), axis=0),
    special("argmax", f32(2, 2, 1), oracle=lambda x: np.array(0), axis=0),
    sample("argmin", (3, 4), oracle=lambda x: np.argmin(x, 1), dtypes=ORDERED, axis=1),
    sample("argmin", (3, 4), oracle=lambda x: np.argmin(x, 0), axis=0),
    special("argmin", f32(1, NAN, 3), oracle=lambda x: np.array(1), axis=0),
)  # fmt: skip


def window(starts: Shape, sizes: Shape, strides: Shape) -> tuple[slice, ...]:
    return tuple(slice(a, a + n * s, s) for a, n, s in zip(starts, sizes, strides, strict=True))


def written(x: np.ndarray, u: np.ndarray, starts: Shape, strides: Shape) -> np.ndarray:
    out = x.copy()
    for place in np.ndindex(*u.shape):
        at = tuple(a + i * s for a, i, s in zip(starts, place, strides, strict=True))
        out[at] = u[place]
    return out


def slicing(shape: Shape, starts: Shape, sizes: Shape, strides: Shape, dtypes=("float32",)):
    """The static and the dynamic forms of a slice, its transpose and an update."""
    at = tuple(np.array(a, np.int64) for a in starts)
    zeros = lambda u: np.zeros(shape, u.dtype)  # noqa: E731
    yield sample(
        *("slice", shape),
        oracle=lambda x: x[window(starts, sizes, strides)],
        dtypes=dtypes,
        starts=starts,
        sizes=sizes,
        strides=strides,
    )
    yield sample(
        *("unslice", sizes),
        oracle=lambda u: written(zeros(u), u, starts, strides),
        dtypes=dtypes,
        shape=shape,
        starts=starts,
        strides=strides,
    )
    yield sample(
        *("update_slice", shape, sizes),
        oracle=lambda x, u: written(x, u, starts, strides),
        dtypes=dtypes,
        starts=starts,
        strides=strides,
    )
    yield sample(
        *("dynamic_slice", shape, *at),
        oracle=lambda x, *at: x[window(starts, sizes, strides)],
        dtypes=dtypes,
        sizes=sizes,
        strides=strides,
    )
    yield sample(
        *("dynamic_unslice", sizes, *at),
        oracle=lambda u, *at: written(zeros(u), u, starts, strides),
        dtypes=dtypes,
        shape=shape,
        strides=strides,
    )
    yield sample(
        *("dynamic_update_slice", shape, sizes, *at),
        oracle=lambda x, u, *at: written(x, u, starts, strides),
        dtypes=dtypes,
        strides=strides,
    )


def padded(x: np.ndarray, value: Any, low: Shape, high: Shape, interior: Shape) -> np.ndarray:
    spread = tuple(max(n + (n - 1) * g, 0) for n, g in zip(x.shape, interior, strict=True))
    out = np.full(
        tuple(a + n + b for a, n, b in zip(low, spread, high, strict=True)), value, x.dtype
    )
    for place in np.ndindex(*x.shape):
        at = tuple(a + i * (g + 1) for a, i, g in zip(low, place, interior, strict=True))
        if all(0 <= a < n for a, n in zip(at, out.shape, strict=True)):
            out[at] = x[place]
    return out


def padding(shape: Shape, value: Any, low: Shape, high: Shape, interior: Shape, **options: Any):
    return sample(
        *("pad", shape, value),
        oracle=lambda x, v: padded(x, v, low, high, interior),
        **{"low": low, "high": high, "interior": interior, **options},
    )


SHAPE: tuple[Sample, ...] = (
    sample("reshape", (2, 6), oracle=lambda x: x.reshape(3, 4), dtypes=ANY, shape=(3, 4)),
    sample("reshape", (), oracle=lambda x: x.reshape(1, 1), shape=(1, 1)),
    sample("reshape", (0, 3), oracle=lambda x: x.reshape(5, 0), shape=(5, 0)),
    sample("transpose", (2, 3, 4), oracle=lambda x: x.transpose(2, 0, 1), perm=(2, 0, 1),
           dtypes=ANY),
    sample("transpose", (), oracle=lambda x: x, perm=()),
    sample("transpose", (0, 3), oracle=lambda x: x.T, perm=(1, 0)),
    sample("broadcast", (3, 1), oracle=lambda x: np.broadcast_to(x, (2, 3, 4)), shape=(2, 3, 4),
           dtypes=ANY),
    sample("broadcast", (), oracle=lambda x: np.broadcast_to(x, (2, 0)), shape=(2, 0)),
    *slicing((6, 7), (1, 2), (2, 3), (2, 1), ("float32", "int8", "bool", "complex64", "bfloat16")),
    *slicing((6, 7), (1, 2), (4, 5), (1, 1)),
    *slicing((5,), (2,), (0,), (3,)),
    *slicing((4,), (0,), (4,), (1,)),
    *slicing((), (), (), ()),
    *slicing((2, 9), (1, 0), (1, 3), (5, 4)),
    *slicing((0, 3), (0, 1), (0, 2), (1, 1)),
    padding((2, 3), 0, (1, 0), (0, 2), (0, 0), dtypes=("float32", "int32", "complex64", "float16")),
    padding((2, 3), -1.5, (1, 2), (0, 1), (2, 1)),
    padding((4, 5), 0, (-1, 2), (1, -2), (0, 0)),
    padding((3,), 0, (-2,), (-1,), (2,)),
    padding((0, 2), 1.0, (1, 0), (1, 1), (3, 0)),
    padding((), 0, (), (), ()),
    padding((2,), True, (1,), (1,), (0,), dtypes=("bool",)),
    sample("concatenate", (2, 3), (2, 1), (2, 0), oracle=lambda *xs: np.concatenate(xs, 1), axis=1,
           dtypes=ANY),
    sample("concatenate", (2, 3), oracle=lambda x: x, axis=0),
    sample("reverse", (2, 3, 4), oracle=lambda x: x[::-1, :, ::-1], axes=(0, 2), dtypes=ANY),
    sample("reverse", (), oracle=lambda x: x, axes=()),
    sample("reverse", (0, 2), oracle=lambda x: x, axes=(0,)),
    *(
        sample("full", value, oracle=lambda v, to=to: np.full((2, 3), v, to), dtypes=("float32",),
               shape=(2, 3), dtype=dtype_from_name(to))
        for value, to in ((1.5, "float32"), (-2, "int8"), (True, "bool"), (1 + 2j, "complex64"),
                          (INF, "float64"), (0.5, "float16"))
    ),
    sample("full", 0.1, oracle=lambda v: np.full((), 0.1), shape=(), dtype=float64),
    sample("full", Arg((), dtype="float64"), oracle=lambda v: np.full((3,), v), dtypes=("float32",),
           shape=(3,), dtype=float32, differentiate=False),
    *(
        sample("iota", oracle=lambda to=to: np.indices((3, 4))[1].astype(to), shape=(3, 4), axis=1,
               dtype=dtype_from_name(to))
        for to in ("int64", "float32", "float64", "uint8")
    ),
    sample("iota", oracle=lambda: np.arange(3) + 0j, shape=(3,), axis=0, dtype=complex64),
    sample("iota", oracle=lambda: np.zeros((0,), np.int64), shape=(0,), axis=0, dtype=int64),
    sample("constant", oracle=lambda: np.arange(6.0).reshape(2, 3),
           data=Constant(np.arange(6, dtype=np.float32).reshape(2, 3))),
    sample("constant", oracle=lambda: np.array(7), data=Constant(np.array(7, np.int64))),
    sample("constant", oracle=lambda: np.array([0.5, 2.0]),
           data=Constant(np.array([0.5, 2.0], ml_dtypes.bfloat16))),
)  # fmt: skip


def index_into(shape: Shape, count: int, at: Shape) -> list[Arg]:
    return [Arg(at, f"index:{shape[i]}", "int64") for i in range(count)]


def put(add: bool) -> Callable[..., np.ndarray]:
    def oracle(x: np.ndarray, u: np.ndarray, *indices: np.ndarray) -> np.ndarray:
        out = x.copy()
        grid = np.broadcast_arrays(*indices)
        for place in np.ndindex(*grid[0].shape):
            at = tuple(int(g[place]) for g in grid)
            out[at] = out[at] + u[place] if add else u[place]
        return out

    return oracle


def combined(fn: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def oracle(x: np.ndarray, u: np.ndarray, *indices: np.ndarray) -> np.ndarray:
        out = x.copy()
        grid = np.broadcast_arrays(*indices)
        for place in np.ndindex(*grid[0].shape):
            at = tuple(int(g[place]) for g in grid)
            out[at] = fn(out[at], u[place])
        return out

    return oracle


UNIQUE = np.array([3, 0, 4], np.int64)
REPEATED = np.array([1, 1, 3, 1], np.int32)

INDEXING: tuple[Sample, ...] = (
    sample("index", (5, 3), *index_into((5, 3), 1, (4,)), oracle=lambda x, i: x[i], dtypes=ANY),
    sample("index", (5, 3, 2), *index_into((5, 3), 2, (2, 2)), oracle=lambda x, i, j: x[i, j]),
    sample("index", (5, 3), UNIQUE[:, None], np.array([0, 2], np.int64),
           oracle=lambda x, i, j: x[i, j]),
    sample("index", (5, 3), Arg((), "index:5", "uint8"), oracle=lambda x, i: x[i]),
    sample("index", (5, 3), Arg((0,), "index:5", "int32"), oracle=lambda x, i: x[i]),
    sample("index", (0, 3), np.zeros((0,), np.int64), oracle=lambda x, i: x[i]),
    sample("index_add", (5, 2), (4, 2), REPEATED, oracle=put(add=True), dtypes=NUMERIC),
    sample("index_add", (5, 3), (2, 2), *index_into((5, 3), 2, (2, 2)), oracle=put(add=True)),
    sample("index_add", (5, 2), (2,), np.array(3, np.int64), oracle=put(add=True)),
    sample("index_add", (5, 2), (0, 2), np.zeros((0,), np.int64), oracle=put(add=True)),
    special("index_add", np.zeros(2, np.bool_), np.array([True, True, False]),
            np.array([1, 1, 0]), oracle=lambda x, u, i: np.array([False, True])),
    special("index_add", np.zeros((1,), np.float16), np.ones((4000,), np.float16),
            np.zeros((4000,), np.int64), oracle=put(add=True)),
    *(
        made
        for op, fn in (("index_mul", np.multiply), ("index_max", np.maximum),
                       ("index_min", np.minimum))
        for made in (
            sample(op, (5, 2), (4, 2), REPEATED, oracle=combined(fn),
                   dtypes=("float64", "float32", "int64")),
            sample(op, (5, 3), (2, 2), *index_into((5, 3), 2, (2, 2)), oracle=combined(fn)),
            sample(op, (5, 2), (0, 2), np.zeros((0,), np.int64), oracle=combined(fn)),
        )
    ),
    sample("index_set", (5, 2), (3, 2), UNIQUE, oracle=put(add=False), dtypes=ANY),
    sample("index_set", (5, 3), (3,), UNIQUE, np.array([0, 1, 1], np.int64), oracle=put(add=False)),
    sample("index_set", (5, 2), (2,), np.array(0, np.int64), oracle=put(add=False)),
    sample("index_set", (5, 2), (0, 2), np.zeros((0,), np.int64), oracle=put(add=False)),
)  # fmt: skip


def product(x: Shape, y: Shape, contract: Any, batch: Any, subscripts: str, **options: Any):
    return sample(
        *("dot_general", x, y),
        oracle=lambda x, y: np.einsum(subscripts, x, y, dtype=x.dtype),
        **{"contract": contract, "batch": batch, **options},
    )


def conv(x: Shape, w: Shape, *, dtypes: tuple[str, ...] = ("float32",), **changed: Any) -> Sample:
    rank = len(x) - 2
    attrs = {
        "strides": (1,) * rank,
        "low": (0,) * rank,
        "high": (0,) * rank,
        "lhs_dilation": (1,) * rank,
        "rhs_dilation": (1,) * rank,
        "groups": 1,
        "batch_groups": 1,
        **changed,
    }
    return sample(
        *("convolution", x, w),
        oracle=lambda x, w: torch_conv(x, w, **attrs),
        **{"dtypes": dtypes, **attrs},
    )


def torch_conv(x: np.ndarray, w: np.ndarray, **at: Any) -> np.ndarray:
    """PyTorch's convolution on an input spread out, padded and cut by hand."""
    rank = x.ndim - 2
    zeros = (0,) * 2
    spread = tuple(d - 1 for d in at["lhs_dilation"])
    x = padded(x, 0, zeros + at["low"], zeros + at["high"], zeros + spread)
    convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[rank - 1]
    parts = at["batch_groups"]
    outs = [
        convolve(torch.tensor(a), torch.tensor(b), stride=at["strides"],
                 dilation=at["rhs_dilation"], groups=at["groups"]).numpy()
        for a, b in zip(np.split(x, parts), np.split(w, parts), strict=True)
    ]  # fmt: skip
    return np.concatenate(outs, 1)


LINALG: tuple[Sample, ...] = (
    product((3, 4), (4, 5), ((1,), (0,)), ((), ()), "ij,jk->ik", dtypes=NUMERIC),
    product((2, 3, 4), (4, 5), ((2,), (0,)), ((), ()), "bij,jk->bik"),
    product((2, 3, 4), (2, 3, 5), ((0, 1), (0, 1)), ((), ()), "bij,bik->jk"),
    product((2, 3, 4), (3, 5, 2), ((1, 0), (0, 2)), ((), ()), "bij,ikb->jk"),
    product((2, 3, 4), (2, 4, 5), ((2,), (1,)), ((0,), (0,)), "bij,bjk->bik", dtypes=FLOATS),
    product((2, 5, 3, 4), (2, 5, 6, 4), ((3,), (3,)), ((0, 1), (0, 1)), "bhij,bhkj->bhik"),
    product((3, 2, 4), (4, 5, 2), ((2,), (0,)), ((1,), (2,)), "ibj,jkb->bik"),
    product((4,), (4,), ((0,), (0,)), ((), ()), "i,i->"),
    product((3,), (4,), ((), ()), ((), ()), "i,j->ij"),
    product((), (2,), ((), ()), ((), ()), ",i->i"),
    product((3, 0), (0, 2), ((1,), (0,)), ((), ()), "ij,jk->ik"),
    product((0, 3), (3, 2), ((1,), (0,)), ((), ()), "ij,jk->ik"),
    conv((2, 3, 7), (4, 3, 3), dtypes=(*INEXACT, "int32")),
    conv((2, 3, 6, 5), (4, 3, 3, 2), low=(1, 0), high=(1, 2), strides=(2, 1), dtypes=FLOATS),
    conv((2, 4, 6, 6), (4, 2, 3, 3), groups=2, rhs_dilation=(2, 1)),
    conv((2, 4, 5, 5), (4, 1, 2, 2), groups=4, low=(1, 1)),
    conv((2, 3, 4, 4), (2, 3, 3, 3), lhs_dilation=(2, 3), low=(2, 1), high=(1, 2)),
    conv((4, 3, 5), (6, 3, 2), batch_groups=2, high=(1,)),
    conv((1, 2, 3, 4, 5), (3, 2, 2, 2, 2), low=(1, 0, 1)),
    conv((2, 3, 6), (2, 3, 3), low=(-1,), high=(1,)),
    conv((2, 3, 7), (4, 3, 2), strides=(3,)),
    conv((0, 3, 7), (4, 3, 3)),
)


def threefry_words(state: np.ndarray, count: int) -> list[int]:
    """Threefry-2x32 with 20 rounds, in Python's whole numbers, one element at a time."""
    mask = 2**32 - 1
    seed, offset = map(int, state)
    keys = [seed & mask, seed >> 32]
    keys.append(keys[0] ^ keys[1] ^ 0x1BD11BDA)
    out = []
    for i in range(count):
        counter = (offset + i) % 2**64
        x0, x1 = ((counter >> 32) + keys[0]) & mask, ((counter & mask) + keys[1]) & mask
        for r in range(20):
            turn = ((13, 15, 26, 6), (17, 29, 16, 24))[r // 4 % 2][r % 4]
            x0 = (x0 + x1) & mask
            x1 = ((x1 << turn | x1 >> (32 - turn)) & mask) ^ x0
            if r % 4 == 3:
                k = r // 4 + 1
                x0, x1 = (x0 + keys[k % 3]) & mask, (x1 + keys[(k + 1) % 3] + k) & mask
        out.append(x0)
    return out


def draw(shape: Shape, *state: int) -> Sample:
    count = math.prod(shape)

    def oracle(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        after = np.array([state[0], (state[1] + count) % 2**64], np.uint64)
        return after, np.array(threefry_words(s, count), np.uint32).reshape(shape)

    return special("rng_bits", np.array(state, np.uint64), oracle=oracle, shape=shape)


RANDOM: tuple[Sample, ...] = (
    draw((5, 3), 0, 0),
    draw((), 12345678901234567890, 7),
    draw((4,), 42, 2**32 - 2),
    draw((3,), 42, 2**64 - 2),
    draw((0, 2), 1, 1),
)


def _called() -> Graph:
    b = Builder()
    x, y = Value(TensorType((2, 3), float64)), Value(TensorType((3,), float64))
    product = b.mul(x, y)
    return b.finish([x, y], [b.tanh(product), b.sum(product, (0,))], name="called")


CONTROL: tuple[Sample, ...] = (
    sample("call", (2, 3), (3,), graph=_called(), dtypes=("float64",),
           oracle=lambda x, y: (np.tanh(x * y), (x * y).sum(0))),
    sample("detach", (2, 3), oracle=lambda x: x, dtypes=ANY),
    sample("detach", (), oracle=lambda x: x),
    sample("barrier", (2, 3), oracle=lambda x: x, dtypes=ANY),
    sample("barrier", (), oracle=lambda x: x),
    # Its gradient is the other operand's, which no difference of results can show.
    sample("graft", (2, 3), (2, 3), oracle=lambda data, history: data, dtypes=ANY,
           differentiate=False),
    sample("graft", (0,), (0,), oracle=lambda data, history: data, differentiate=False),
    # To differentiate it is an error.
    sample("opaque", (2, 3), oracle=lambda x: x, function="F", dtypes=ANY, differentiate=False),
    sample("opaque", (), oracle=lambda x: x, function="F", differentiate=False),
    special("check", np.array(True), oracle=lambda ok: ok, message="never raised"),
)  # fmt: skip

# Tables of a family of their own lie in `samples_*.py`.
SAMPLES: tuple[Sample, ...] = (
    *(
        *ELEMENTWISE,
        *COMPLEX_PARTS,
        *REDUCE,
        *SHAPE,
        *INDEXING,
        *LINALG,
        *FFT,
        *DECOMPOSITIONS,
        *SORT,
        *SPECIAL,
        *RANDOM,
        *CONTROL,
    ),
    *LOOP_SAMPLES,
)


def cases(*, first_dtype_only: bool = False) -> Iterator[Case]:
    for i, row in enumerate(SAMPLES):
        for dtype in row.dtypes[:1] if first_dtype_only else row.dtypes:
            shapes = "-".join(
                "x".join(map(str, o.shape)) or "0d" if isinstance(o, Arg | np.ndarray) else str(o)
                for o in row.operands
            )
            yield Case(row, dtype, f"{row.op}-{shapes}-{dtype}-{i}")
