"""Whether two evaluations of one output agree, as far as their dtype lets them."""

from __future__ import annotations

import numpy as np

# Allowed difference, as part of the largest magnitude in the output: the two evaluators add
# in different orders, so a small element beside large ones is no more exact than those.
TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 1e-3, "complex64": 1e-3}
_WIDE = 1e-9


def differences(a: np.ndarray, b: np.ndarray) -> str:
    """What is different, in words; empty if they agree. Integers and bools must be equal."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype}{list(a.shape)} and {b.dtype}{list(b.shape)}"
    if a.dtype.kind in "iub":
        count = int((a != b).sum())
        return f"{count} of {a.size} elements" if count else ""
    tolerance = TOLERANCE.get(a.dtype.name, _WIDE)
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    a, b = a.astype(wide), b.astype(wide)
    with np.errstate(all="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        ends = np.isfinite(a) & np.isfinite(b)
        count = int((~same & ~ends).sum())
        if count:
            return f"{count} of {a.size} elements that are inf or nan in one of them"
        worst = float(np.abs(a - b)[ends].max(initial=0.0))
        scale = float(np.abs(b)[ends].max(initial=0.0))
    if worst <= tolerance * scale:
        return ""
    return f"up to {worst:.3g}, where the largest magnitude is {scale:.3g}"
