"""The data of tensors: NumPy arrays on the host, JAX arrays on a device.

A buffer is never written to. `to_jax` and `to_numpy` convert without changing a bit, and
without ever sharing memory that somebody else could write. Used by `tracer` and `tools`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.types import dtype_from_numpy
from . import faults
from .device import CPU, NARROWED_BY_JAX, Device, jax_device, with_64_bits

# XLA's CPU backend takes memory so aligned as it is, and copies any other.
ALIGNMENT_BYTES = 64


def is_numpy(buffer: Any) -> bool:
    return isinstance(buffer, np.ndarray)


def own_copy(array: np.ndarray) -> np.ndarray:
    """A read-only copy in native byte order, C order and aligned for XLA.

    Raises: TypeError for object, string, datetime and other arrays without a dtype here.
    """
    array = np.asarray(array)
    dtype = dtype_from_numpy(array.dtype).np
    space = np.empty(array.size * dtype.itemsize + ALIGNMENT_BYTES, np.uint8)
    start = -space.ctypes.data % ALIGNMENT_BYTES
    end = start + array.size * dtype.itemsize
    out = space[start:end].view(dtype).reshape(array.shape)
    out[...] = array
    out.setflags(write=False)
    return out


def to_jax(array: np.ndarray, device: Device = CPU, *, copy: bool = True) -> Any:
    """`array` as a JAX array on `device`. Without `copy` the array must never be written.

    The copy is made here: asked not to alias, JAX may still read the memory later on.
    """
    faults.starting()
    import jax
    from jax.sharding import SingleDeviceSharding

    place = SingleDeviceSharding(jax_device(device))
    data = own_copy(array) if copy else array

    def make() -> Any:
        # A third of the time that device_put takes for a small array.
        return jax.make_array_from_callback(data.shape, place, lambda _: data)

    return with_64_bits(make) if data.dtype in NARROWED_BY_JAX else make()


def to_numpy(buffer: Any) -> np.ndarray:
    """`buffer` as a read-only NumPy array, sharing its memory where that is on the host.

    While the array lives, XLA copies the buffer where it would have been donated.
    """
    if isinstance(buffer, np.ndarray):
        if not buffer.flags.writeable:
            return buffer
        view = buffer.view()
        view.setflags(write=False)
        return view
    if faults.forked:
        faults.refuse()
    array = np.asarray(buffer)
    array.setflags(write=False)
    return array


def to_device(buffer: Any, device: Device) -> Any:
    """`buffer` (of either kind) as a JAX array on `device`."""
    if isinstance(buffer, np.ndarray):
        return to_jax(buffer, device)
    faults.starting()
    import jax

    return with_64_bits(lambda: jax.device_put(buffer, jax_device(device)))
