"""`thrace.finfo` and `thrace.iinfo`: the numbers that a dtype can hold. For the front door."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ..ir.types import DType, bfloat16
from . import state


class finfo:
    """Limits of a floating dtype, the default one if none is given.

    A complex dtype has those of its parts. Raises: TypeError for other dtypes.
    """

    def __init__(self, type: DType | None = None):
        dtype = state.default_dtype() if type is None else type
        if not isinstance(dtype, DType) or dtype.kind not in ("float", "complex"):
            raise TypeError(
                f"thrace.finfo() requires a floating point input type. Use thrace.iinfo to handle "
                f"'{dtype}'"
            )
        real = dtype.to_real()
        found: Any = ml_dtypes.finfo(real.np) if real is bfloat16 else np.finfo(real.np)
        self.dtype = real.name
        self.bits = real.itemsize * 8
        self.eps, self.max, self.min = float(found.eps), float(found.max), float(found.min)
        self.tiny = self.smallest_normal = float(found.tiny)
        self.resolution = 10.0**-found.precision

    def __repr__(self) -> str:
        shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        parts = [f"{name}={getattr(self, name):g}" for name in shown]
        return f"finfo({', '.join(parts)}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer dtype. Raises: TypeError for other dtypes."""

    def __init__(self, type: DType):
        if not isinstance(type, DType) or type.kind not in ("int", "uint"):
            raise TypeError(
                f"thrace.iinfo() requires an integer input type. Use thrace.finfo to handle "
                f"'{type}'"
            )
        found = np.iinfo(type.np)
        self.dtype, self.bits = type.name, type.itemsize * 8
        self.min, self.max = int(found.min), int(found.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
