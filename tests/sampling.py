"""What a sample of an op is, and the short forms that the tables of samples are written in."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import torch

from thrace.ir.build import Builder
from thrace.ir.graph import Graph, Value
from thrace.ir.ops import OPS
from thrace.ir.types import (
    TensorType,
    dtype_from_name,
    dtype_from_numpy,
)

Shape = tuple[int, ...]
FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
COMPLEX = ("complex64", "complex128")
REAL = FLOATS + INTS
ORDERED = (*REAL, "bool")
INEXACT = FLOATS + COMPLEX
NUMERIC = REAL + COMPLEX
ANY = (*NUMERIC, "bool")
INTEGRAL = (*INTS, "bool")
# Largest differences from the oracle, relative to the size of what is compared.
TOLERANCE = {
    "float64": 1e-12,
    "complex128": 1e-12,
    "float32": 4e-6,
    "complex64": 8e-6,
    "float16": 2e-3,
    "bfloat16": 1.6e-2,
}


class Arg(NamedTuple):
    """An operand: its shape, what kind of numbers it holds, its dtype if that is fixed."""

    shape: Shape
    kind: str = "spaced"
    dtype: str = ""


class Sample(NamedTuple):
    op: str
    operands: tuple[Arg | np.ndarray | bool | int | float | complex, ...]
    oracle: Callable[..., Any]
    attrs: dict[str, Any]
    dtypes: tuple[str, ...]
    differentiate: bool


class Case(NamedTuple):
    """A sample in one dtype."""

    sample: Sample
    dtype: str
    name: str

    @property
    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        return [
            o if isinstance(o, np.ndarray) else make_array(o, o.dtype or self.dtype, rng)
            for o in self.sample.operands
            if isinstance(o, Arg | np.ndarray)
        ]

    def expected(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """What the oracle says, in double precision where operands are floating."""
        left = iter([widened(a) for a in arrays])
        args = [next(left) if isinstance(o, Arg | np.ndarray) else o for o in self.sample.operands]
        with np.errstate(all="ignore"):
            got = self.sample.oracle(*args)
        return [np.asarray(g) for g in (got if isinstance(got, tuple) else (got,))]

    def build(self, b: Builder, inputs: list[Value]) -> list[Value]:
        left = iter(inputs)
        operands = [
            next(left) if isinstance(o, Arg | np.ndarray) else o for o in self.sample.operands
        ]
        row = OPS[self.sample.op]
        got = b.emit(row, tuple(operands), row.pack(self.sample.attrs))
        return list(got) if row.multiple else [got]

    def graph(self, arrays: list[np.ndarray]) -> Graph:
        b = Builder()
        inputs = input_values(arrays)
        return b.finish(inputs, self.build(b, inputs), name=self.sample.op)


def input_values(arrays: list[np.ndarray]) -> list[Value]:
    return [Value(TensorType(a.shape, dtype_from_numpy(a.dtype))) for a in arrays]


def widened(a: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "c":
        return a.astype(np.complex128)
    return a.astype(np.float64) if is_floating(a.dtype) else a


def is_floating(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype == ml_dtypes.bfloat16


def make_array(arg: Arg, dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Numbers of a kind; `spaced` ones differ and keep away from zero and whole numbers."""
    d = dtype_from_name(dtype)
    count = math.prod(arg.shape)
    kind, _, limit = arg.kind.partition(":")
    if d.kind == "bool":
        flat: Any = rng.random(count) < 0.5
    elif kind == "index":
        flat = rng.integers(0, int(limit), count)
    elif d.kind in ("int", "uint"):
        low = -5 if d.kind == "int" and kind == "spaced" else 1 if kind == "positive" else 0
        flat = rng.integers(low, 6, count)
    else:
        flat = _spaced(count, kind, rng)
        if d.kind == "complex":
            flat = flat + 1j * _spaced(count, "spaced", rng)
    return np.asarray(flat).astype(d.np).reshape(arg.shape)


def _spaced(count: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    line = (rng.permutation(count) + rng.uniform(0.3, 0.45)) / max(count, 1)
    return {"spaced": line * 4 - 2, "positive": line * 2 + 0.2, "unit": line * 1.8 - 0.9}[kind]


def close(got: np.ndarray, expected: np.ndarray, name: str) -> None:
    """Compare with the oracle, at the tolerance of what was got. Raises: AssertionError."""
    assert got.shape == expected.shape, (name, got.shape, expected.shape)
    tolerance = TOLERANCE.get(dtype_from_numpy(got.dtype).name)
    if tolerance is None:
        np.testing.assert_array_equal(got, expected.astype(got.dtype), err_msg=name)
        return
    wide = widened(got)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, finite.max()) if finite.size else 1.0
    np.testing.assert_allclose(wide, expected, rtol=tolerance, atol=tolerance * scale, err_msg=name)


# Short forms for the table.


def sample(
    op: str,
    *operands: Any,
    oracle: Callable[..., Any],
    dtypes: tuple[str, ...] = ("float32",),
    differentiate: bool = True,
    **attrs: Any,
) -> Sample:
    args = tuple(Arg(o) if isinstance(o, tuple) and not isinstance(o, Arg) else o for o in operands)
    return Sample(op, args, oracle, attrs, dtypes, differentiate)


def unary(
    op: str, oracle: Callable[..., Any], dtypes: tuple[str, ...], kind: str = "spaced"
) -> Iterator[Sample]:
    yield sample(op, Arg((3, 4), kind), oracle=oracle, dtypes=dtypes)
    yield sample(op, Arg((), kind), oracle=oracle, dtypes=dtypes[:1])
    yield sample(op, Arg((0, 3), kind), oracle=oracle, dtypes=dtypes[:1])


def binary(
    op: str,
    oracle: Callable[..., Any],
    dtypes: tuple[str, ...],
    kinds: tuple[str, str] = ("spaced", "spaced"),
    literal: Any = None,
) -> Iterator[Sample]:
    x, y = kinds
    one = dtypes[:1]
    yield sample(op, Arg((2, 3), x), Arg((2, 3), y), oracle=oracle, dtypes=dtypes)
    yield sample(op, Arg((2, 1), x), Arg((3,), y), oracle=oracle, dtypes=one)  # both broadcast
    yield sample(op, Arg((), x), Arg((0, 4), y), oracle=oracle, dtypes=one)  # scalar with empty
    yield sample(op, Arg((2,), x), Arg((), y), oracle=oracle, dtypes=one)
    if literal is not None:
        yield sample(op, Arg((2, 3), x), literal, oracle=oracle, dtypes=dtypes)
        yield sample(op, literal, Arg((2, 3), y), oracle=oracle, dtypes=one)


def special(op: str, *operands: Any, oracle: Callable[..., Any], **attrs: Any) -> Sample:
    """Numbers at the edges: given as arrays, compared and not differentiated."""
    first = next(o for o in operands if isinstance(o, np.ndarray))
    dtypes = (dtype_from_numpy(first.dtype).name,)
    return sample(op, *operands, oracle=oracle, dtypes=dtypes, differentiate=False, **attrs)


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


NAN, INF = math.nan, math.inf


def truncated_quotient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = np.broadcast_arrays(x, y)
    pairs = zip(x.ravel().tolist(), y.ravel().tolist(), strict=True)
    flat = [abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) for a, b in pairs]
    return np.array(flat, x.dtype).reshape(x.shape)


def wrapped(n: int) -> int:
    """A whole number as int64 holds it."""
    return (n + 2**63) % 2**64 - 2**63


def torch_pow(x: np.ndarray, y: Any) -> np.ndarray:
    y = torch.tensor(y) if isinstance(y, np.ndarray) else y
    return torch.pow(torch.tensor(x), y).numpy()


def torch_convert(dtype: str) -> Callable[[np.ndarray], np.ndarray]:
    def oracle(x: np.ndarray) -> np.ndarray:
        if dtype in ("float16", "bfloat16"):
            return torch.tensor(x).to(getattr(torch, dtype)).to(torch.float64).numpy()
        return torch.tensor(x).to(getattr(torch, dtype)).numpy()

    return oracle
