"""Tensors to NumPy arrays and DLPack capsules and back. Re-exported by `thrace`.

On the CPU both sides are on one memory (`shared.py`); what is copied instead is said at each
function and in docs/sharing-memory.md.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...ir.graph import Value
from ...ir.types import TensorType, dtype_from_numpy
from .. import bits, shared
from ..devices import CPU, as_device
from ..state import note_outside
from ..tensor import Tensor
from .common import as_dtype

_CPU_DLPACK = 1
_STREAMLESS = (None, -1)


def to_numpy(t: Tensor, force: bool) -> np.ndarray:
    """What `Tensor.numpy` gives. Raises: RuntimeError or TypeError where it is refused."""
    if force.__class__ is not bool:
        raise TypeError(f"numpy(): argument 'force' must be bool, not {type(force).__name__}")
    if force:
        t = t.detach().cpu().resolve_conj().resolve_neg()
    shared.check_exportable(t)
    return shared.export(t)


def wrap(array: Any) -> Tensor:
    """The tensor that a NumPy function of tensors gives: bools as bytes, as in PyTorch."""
    array = np.asarray(array)
    return from_numpy(array.astype("uint8") if array.dtype == bool else array)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the memory of an array: what one writes, the other reads.

    A read-only array is shared until the tensor is written. Raises: TypeError for what is no
    array and for dtypes without a tensor, ValueError for negative strides and foreign byte order.
    """
    if not isinstance(ndarray, np.ndarray):
        kind = type(ndarray)
        place = f"{kind.__module__}." if kind.__module__ == "numpy" else ""
        raise TypeError(f"expected np.ndarray (got {place}{kind.__name__})")
    note_outside()
    if not ndarray.flags.writeable:
        warnings.warn(shared.READ_ONLY.format("NumPy array"), UserWarning, stacklevel=2)
    return shared.from_array(ndarray)


def frombuffer(
    buffer: Any,
    *,
    dtype: Any,
    count: int = -1,
    offset: int = 0,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of `count` elements (all, if negative) on the bytes of a buffer.

    A read-only buffer is shared until the tensor is written. Raises: ValueError for an empty
    buffer, an offset beyond it, or a length that does not fit.
    """
    note_outside()
    dtype = as_dtype("frombuffer", dtype)
    view = memoryview(buffer).cast("B")
    length, size = view.nbytes, dtype.itemsize
    if not length or not count:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({length} bytes) minus 1"
        )
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a "
            f"multiple of element size ({size})"
        )
    if count > 0 and offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({length} bytes)"
        )
    if view.readonly:
        warnings.warn(shared.READ_ONLY.format("buffer"), UserWarning, stacklevel=2)
    t = shared.from_array(np.frombuffer(buffer, dtype.np, count, offset))
    return t.requires_grad_() if requires_grad else t


def to_dlpack(t: Tensor, stream: Any, max_version: Any, dl_device: Any, copy: Any) -> Any:
    """What `Tensor.__dlpack__` gives: NumPy's capsule on the CPU, JAX's elsewhere."""
    from ...runtime import interop

    if t.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if bits.is_conj(t._view):
        raise BufferError("Can't export tensors with the conjugate bit set")
    if stream is not None and stream.__class__ is not int:
        raise TypeError("stream must be ``int`` or ``none``")
    if t.device is CPU and stream not in _STREAMLESS:
        raise ValueError(f"stream should be None on cpu, got {stream}")
    if t.device is not CPU or t.dtype.name == "bfloat16":
        return interop.to_dlpack(t._observe(), stream=None if stream == -1 else stream)
    if bits.is_neg(t._view):
        t = t.resolve_neg()
    options = {"max_version": max_version, "dl_device": dl_device, "copy": copy}
    return shared.export(t).__dlpack__(**{k: v for k, v in options.items() if v is not None})


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on another library's data, handed over by DLPack.

    On the CPU the two share memory, unless `copy`; read-only data is shared until the tensor
    is written. bfloat16, and data on a GPU, is copied. Raises: TypeError for an object without
    `__dlpack__`, ValueError where `copy=False` and a copy is needed.
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"expected an object with __dlpack__, got {type(ext_tensor).__name__}")
    note_outside()
    kind, number = ext_tensor.__dlpack_device__()
    here = as_device(None if kind == _CPU_DLPACK else f"cuda:{number}")
    wanted = here if device is None else as_device(device)
    if copy is False and wanted is not here:
        raise ValueError(
            f"cannot move DLPack tensor from device {here} to {wanted} without copying. Set "
            "copy=None or copy=True."
        )
    array = _numpy_on(ext_tensor) if here is CPU else None
    if array is not None:
        t = shared.from_array(array)
        t = t.clone() if copy else t
    else:
        t = _taken(ext_tensor, here)
    return t if wanted is here else t.to(wanted)


def _numpy_on(data: Any) -> np.ndarray | None:
    """NumPy's array on DLPack data, None for dtypes that it does not know."""
    try:
        return np.from_dlpack(data)
    except (BufferError, RuntimeError, TypeError):
        return None


def _taken(data: Any, device: Any) -> Tensor:
    from ...runtime.interop import from_dlpack as take

    buffer = take(data)
    return Tensor._wrap(
        Value(TensorType(buffer.shape, dtype_from_numpy(buffer.dtype)), buffer=buffer), device
    )


METHODS: dict[str, Any] = {}
FUNCTIONS = {f.__name__: f for f in (from_numpy, frombuffer, from_dlpack)}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
