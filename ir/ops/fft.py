"""Discrete Fourier transforms of the last axes.

Forward transforms are plain sums, inverse ones divide by the number of points, as in NumPy
and XLA; whoever records them scales for other conventions.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..types import DType, Shape, TensorType, complex64, complex128, float32, float64
from .shape import Constant
from .table import op, table
from .typing import check_dtype

MAX_AXES = 3  # what XLA transforms at once
_REAL = (float32, float64)
_COMPLEX = (complex64, complex128)


def _sizes(kind: str, lengths: Shape) -> Shape:
    """Sizes of the transformed axes in the operand."""
    return (*lengths[:-1], lengths[-1] // 2 + 1) if kind == "irfft" else lengths


def _fft_type(name: str, x: TensorType, *, kind: str, lengths: Shape) -> TensorType:
    count = len(lengths)
    allowed: tuple[DType, ...] = _REAL if kind == "rfft" else _COMPLEX
    if x.dtype not in allowed:
        check_dtype(f"{name} ({kind})", x.dtype, frozenset())
    if not 1 <= count <= min(MAX_AXES, x.ndim) or 0 in lengths:
        raise ShapeError(f"{name}: shape {x.shape} has no transform of lengths {lengths}")
    wanted = _sizes(kind, lengths)
    if x.shape[-count:] != wanted:
        raise ShapeError(f"{name}: shape {x.shape} does not end with {wanted}")
    if kind == "rfft":
        return TensorType((*x.shape[:-1], lengths[-1] // 2 + 1), x.dtype.to_complex())
    if kind == "irfft":
        return TensorType((*x.shape[:-1], lengths[-1]), x.dtype.to_real())
    return x


def _fft_grad(b: Any, g: Any, out: Any, x: Any, *, kind: str, lengths: Shape) -> Any:
    """Transforms are linear: the cotangent goes through the conjugate transpose."""
    points = math.prod(lengths)
    if kind == "fft":
        return b.mul(b.fft(g, kind="ifft", lengths=lengths), float(points))
    if kind == "ifft":
        return b.div(b.fft(g, kind="fft", lengths=lengths), float(points))
    last = lengths[-1]
    if kind == "rfft":
        # Only half of the spectrum was given out: the rest has a cotangent of zero.
        ndim = g.type.ndim
        none, missing = (0,) * ndim, last - (last // 2 + 1)
        whole = b.pad(g, 0, low=none, high=(*none[:-1], missing), interior=none)
        return b.mul(b.real(b.fft(whole, kind="ifft", lengths=lengths)), float(points))
    # A column stands for its mirror image too, but for the first and, if even, the last.
    half = last // 2 + 1
    weights = np.full(half, 2.0 / points, x.type.dtype.np)
    weights[0] /= 2
    if last % 2 == 0:
        weights[-1] /= 2
    spectrum = b.fft(g, kind="rfft", lengths=lengths)
    return b.mul(spectrum, b.constant(data=Constant(weights)))


def _fft(x: np.ndarray, *, kind: str, lengths: Shape) -> np.ndarray:
    axes = range(-len(lengths), 0)
    return getattr(np.fft, f"{kind}n")(x, lengths, tuple(axes))


FFT = table(
    op("fft", _fft_type, _fft_grad, attrs=("kind", "lengths"), evaluate=_fft),
)
