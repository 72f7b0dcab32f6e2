"""What the files of the standard's namespace share: PyTorch's functions, and promotion.

PyTorch's functions are looked up when they are called: `tracer.methods` binds them after the
methods of this namespace.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ...ir.promotion import promote_types
from ...ir.types import DType, complex64, complex128, float64, int64
from ..state import default_dtype
from ..tensor import Tensor

Axis = int | tuple[int, ...] | None


def torch(name: str) -> Callable[..., Any]:
    """PyTorch's function of this name. Raises: NotImplementedError."""
    from ..methods import FUNCTIONS

    found = FUNCTIONS.get(name)
    if found is None:
        raise NotImplementedError(f"array_api: there is no thrace.{name} yet")
    return found


def check_array(name: str, *xs: Any) -> None:
    for x in xs:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: expected an array, got {type(x).__name__}")


def of_kind(scalar: Any, dtype: DType) -> DType:
    """The dtype of a Python number beside an array of `dtype`."""
    if isinstance(scalar, bool):
        return dtype
    if isinstance(scalar, int):
        return int64 if dtype.kind == "bool" else dtype
    if isinstance(scalar, float):
        return dtype if dtype.kind in ("float", "complex") else default_dtype()
    if dtype.kind == "complex":
        return dtype
    return complex128 if dtype is float64 else complex64


def promoted(name: str, *xs: Any) -> list[Tensor]:
    """Arrays and Python numbers as arrays of one dtype, whatever their ranks."""
    dtypes = [x.dtype for x in xs if isinstance(x, Tensor)]
    if not dtypes:
        raise TypeError(f"{name}: one of the arguments must be an array")
    dtype = functools.reduce(promote_types, dtypes)
    for x in xs:
        if not isinstance(x, Tensor):
            if not isinstance(x, (bool, int, float, complex)):
                raise TypeError(f"{name}: expected an array, got {type(x).__name__}")
            dtype = of_kind(x, dtype)
    place = next(x.device for x in xs if isinstance(x, Tensor))
    return [
        x.to(dtype)  # type: ignore[attr-defined]
        if isinstance(x, Tensor)
        else torch("full")((), x, dtype=dtype, device=place)
        for x in xs
    ]


def named(fn: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc
    return fn
