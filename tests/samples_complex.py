"""Samples of complex numbers' parts and of bits; see `samples.py`."""

from __future__ import annotations

import numpy as np
from sampling import COMPLEX, INF, NAN, Sample, binary, f32, special, unary

from thrace.ir.types import float32, int32, int64


def _complex(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), np.complex128)
    out.real, out.imag = x, y
    return out


COMPLEX_PARTS: tuple[Sample, ...] = (
    *unary("real", np.real, COMPLEX),
    *unary("imag", np.imag, COMPLEX),
    special("imag", np.array([complex(INF, 2), complex(NAN, -0.0)], np.complex64), oracle=np.imag),
    *binary("complex", _complex, ("float32", "float64"), literal=0.5),
    special("complex", f32(INF, 1.0, NAN), f32(0.0, INF, 1.0), oracle=_complex),
    special(
        *("bitcast", np.array([1, -1, 2**31 - 1], np.int32)),
        oracle=lambda x: x.view(np.float32),
        dtype=float32,
    ),
    special("bitcast", np.arange(6, dtype=np.int64).reshape(2, 3) << 31, dtype=int32,
            oracle=lambda x: x.view(np.int32).reshape(2, 3, 2)),
    special("bitcast", np.arange(12, dtype=np.uint8).reshape(3, 4), dtype=int32,
            oracle=lambda x: x.view(np.int32).reshape(3)),
    special("bitcast", np.zeros((0, 4), np.uint8), dtype=float32,
            oracle=lambda x: np.zeros(0, np.float32)),
    special("bitcast", np.array(1.5, np.float64), dtype=int64, oracle=lambda x: x.view(np.int64)),
)  # fmt: skip
