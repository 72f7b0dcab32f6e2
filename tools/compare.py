"""Whether two evaluations of one output agree, as far as their dtype lets them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Allowed difference, as part of the largest magnitude in the output: the two evaluators add
# in different orders, so a small element beside large ones is no more exact than those.
TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 1e-3, "complex64": 1e-3}
_WIDE = 1e-9
# As part of the largest magnitude in any output: what would be zero but for rounding, such
# as the gradient of a bias before batch norm, is noise of this size.
_FLOOR = 1e-2  # of the tolerance


def largest(arrays: Sequence[np.ndarray]) -> float:
    """The largest finite magnitude of all inexact elements."""
    out = 0.0
    for array in arrays:
        if array.dtype.kind not in "iub":
            magnitudes = np.abs(_widened(array))
            out = max(out, float(magnitudes[np.isfinite(magnitudes)].max(initial=0.0)))
    return out


def differences(
    a: np.ndarray, b: np.ndarray, beside: float = 0.0, tolerance: float | None = None
) -> str:
    """What is different, in words; empty if they agree. Integers and bools must be equal.

    `beside` is the largest magnitude in the outputs computed along with this one, `tolerance`
    the allowed difference as part of the largest magnitude, by default what the dtype allows.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype}{list(a.shape)} and {b.dtype}{list(b.shape)}"
    if a.dtype.kind in "iub":
        count = int((a != b).sum())
        return f"{count} of {a.size} elements" if count else ""
    tolerance = TOLERANCE.get(a.dtype.name, _WIDE) if tolerance is None else tolerance
    a, b = _widened(a), _widened(b)
    with np.errstate(all="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        ends = np.isfinite(a) & np.isfinite(b)
        count = int((~same & ~ends).sum())
        if count:
            return f"{count} of {a.size} elements that are inf or nan in one of them"
        worst = float(np.abs(a - b)[ends].max(initial=0.0))
        scale = float(np.abs(b)[ends].max(initial=0.0))
    if worst <= tolerance * max(scale, _FLOOR * beside):
        return ""
    return f"up to {worst:.3g}, where the largest magnitude is {scale:.3g}"


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
