"""What several functions share: float width, reductions of losses, host constants.

Imported by the files of this folder alone.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ....ir.errors import AxisError
from ....ir.ops.shape import Constant
from ....ir.types import DType, float32
from ... import prims
from ...tensor import Tensor

Ints = tuple[int, ...]


def widen(x: Tensor) -> Tensor:
    """`x` in at least single precision: sums in half precision lose too much."""
    return prims.convert(x, float32) if x._type.dtype.itemsize == 2 else x


def narrow(x: Tensor, dtype: DType) -> Tensor:
    """The way back from `widen`."""
    return prims.convert(x, dtype)


def constant(array: Any, like: Tensor) -> Tensor:
    """Host data as part of the graph, on the device and in the dtype of `like`."""
    data = np.asarray(array, like._type.dtype.np)
    return prims.constant(data=Constant(data), device=like.device)


def keep(x: Tensor, reduced: Tensor, axes: Ints) -> Tensor:
    """A reduction of `x` with the reduced axes back, of size 1."""
    shape = tuple(1 if i in axes else n for i, n in enumerate(x._type.shape))
    return prims.reshape(reduced, shape=shape)


def total(x: Tensor) -> Tensor:
    """The sum of all elements."""
    return prims.sum(x, axes=tuple(range(x._type.ndim))) if x._type.ndim else x


def count(shape: Ints, axes: Ints) -> int:
    """How many elements a reduction over `axes` sums."""
    out = 1
    for a in axes:
        out *= shape[a]
    return out


def reduce_loss(name: str, x: Tensor, reduction: str) -> Tensor:
    """The mean, the sum or the losses themselves. Raises: ValueError for another word."""
    if reduction == "mean":
        return prims.div(total(x), x._type.numel or float("nan"))
    if reduction == "sum":
        return total(x)
    if reduction == "none":
        return x
    raise ValueError(f"{name}: {reduction} is not a valid value for reduction")


def check_reduction(reduction: str) -> str:
    """The word again. Raises: ValueError unless it is mean, sum or none."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def legacy_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """PyTorch's deprecated flags as a reduction word. Raises: ValueError for another word."""
    if size_average is None and reduce is None:
        return reduction if reduction == "batchmean" else check_reduction(reduction)
    warnings.warn(
        "size_average and reduce are deprecated; use reduction='mean', 'sum' or 'none'.",
        UserWarning,
        stacklevel=3,
    )
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def check_range(index: Tensor, size: int, message: str, besides: int | None = None) -> None:
    """Each element of `index` must be in [0, size), or be `besides`.

    What is on the host is looked at now; anything else when results are observed.
    Raises: AxisError with `message`, where `{}` stands for the first bad element.
    """
    host = index._host_if_ready()
    if host is not None:
        bad = (host < 0) | (host >= size)
        if besides is not None:
            bad &= host != besides
        if bad.any():
            raise AxisError(message.format(host[bad].ravel()[0]))
        return
    ok = prims.lt(index, size)
    if index._type.dtype.is_signed:
        ok = prims.bit_and(prims.ge(index, 0), ok)
    if besides is not None:
        ok = prims.bit_or(ok, prims.eq(index, besides))
    prims.check(prims.all(ok, axes=tuple(range(index.ndim))), message=message.format("(an index)"))
