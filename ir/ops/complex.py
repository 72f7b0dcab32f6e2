"""Complex numbers and their parts, and bits read as another dtype.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..types import DType, TensorType, float32, float64
from .table import op, table
from .typing import COMPLEX, check_dtype, common


def _part_type(name: str, x: TensorType) -> TensorType:
    check_dtype(name, x.dtype, COMPLEX)
    return TensorType(x.shape, x.dtype.to_real())


def _complex_type(name: str, real: TensorType | None, imag: TensorType | None) -> TensorType:
    shape, dtype = common(name, (real, imag))
    if dtype not in (float32, float64):
        check_dtype(name, dtype, frozenset())
    return TensorType(shape, dtype.to_complex())


def _complex(real: Any, imag: Any) -> np.ndarray:
    real, imag = np.broadcast_arrays(real, imag)
    out = np.empty(real.shape, np.result_type(real, imag, np.complex64))
    # Not real + 1j * imag, which is nan where one part is infinite.
    out.real, out.imag = real, imag
    return out


def _bitcast_type(name: str, x: TensorType, *, dtype: DType) -> TensorType:
    for d in (x.dtype, dtype):
        check_dtype(name, d, frozenset({"uint", "int", "float"}))
    old, new = x.dtype.itemsize, dtype.itemsize
    if old == new:
        return TensorType(x.shape, dtype)
    if old > new:
        return TensorType((*x.shape, old // new), dtype)
    if not x.ndim or x.shape[-1] != new // old:
        raise ShapeError(f"{name}: {x} has no last axis of {new // old} parts of {dtype}")
    return TensorType(x.shape[:-1], dtype)


def _bitcast(x: np.ndarray, *, dtype: DType) -> np.ndarray:
    x = np.ascontiguousarray(x).reshape(x.shape)  # contiguous arrays have a dim at least
    old, new = x.dtype.itemsize, dtype.np.itemsize
    if old == new:
        return x.view(dtype.np)
    if old > new:
        return x[..., None].view(dtype.np)
    return x.view(dtype.np)[..., 0]


COMPLEX_PARTS = table(
    op(
        "real",
        _part_type,
        lambda b, g, out, x: b.complex(g, 0.0),
        elementwise=True,
        evaluate=np.real,
    ),
    op(
        "imag",
        _part_type,
        lambda b, g, out, x: b.complex(0.0, g),
        elementwise=True,
        evaluate=np.imag,
    ),
    op(
        "complex",
        _complex_type,
        lambda b, g, out, x, y: b.real(g),
        lambda b, g, out, x, y: b.imag(g),
        elementwise=True,
        evaluate=_complex,
    ),
    op(
        "bitcast",  # a smaller dtype adds a last axis of parts, a larger one takes it
        _bitcast_type,
        attrs=("dtype",),
        no_grad="bits do not depend on numbers smoothly",
        evaluate=_bitcast,
    ),
)
