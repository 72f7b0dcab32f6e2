"""Making a layer's parameters and buffers before they are initialised. Imported by layers."""

from __future__ import annotations

from typing import Any

from ...ir.errors import DTypeError
from ...ir.types import DType
from .. import prims
from ..parameter import Parameter
from ..state import default_dtype
from ..tensor import Tensor


def filled(value: Any, shape: tuple[int, ...], dtype: DType | None, device: Any) -> Tensor:
    """A tensor of one value; the default dtype if none is given."""
    return prims.full(value, shape=shape, dtype=dtype or default_dtype(), device=device)


def new_parameter(shape: tuple[int, ...], dtype: DType | None, device: Any) -> Parameter:
    """A parameter that `reset_parameters` fills. Raises: DTypeError unless floating."""
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise DTypeError(f"only floating and complex parameters can have gradients, got {dtype}")
    for n in shape:
        if n < 0:
            raise RuntimeError(f"trying to create a tensor with negative dimension {n}: {shape}")
    return Parameter(filled(0, shape, dtype, device))


def pair(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """One number for every axis, or one per axis, as a tuple of `rank`. Raises: RuntimeError."""
    if isinstance(value, int):
        return (value,) * rank
    out = tuple(int(v) for v in value)
    if len(out) == 1:
        return out * rank
    if len(out) != rank:
        raise RuntimeError(f"{name} must be an int or have {rank} values, got {value}")
    return out
