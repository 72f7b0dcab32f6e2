"""Exchanging data with other libraries by DLPack; NumPy is in `buffer`. Used by `tracer`."""

from __future__ import annotations

from typing import Any

from . import faults
from .buffer import is_numpy, to_jax
from .device import CPU, with_64_bits


def from_dlpack(data: Any, *, copy: bool = True) -> Any:
    """A JAX array of what `data.__dlpack__()` hands out, on the device it is on.

    Without `copy` memory may be shared; then nobody may write to it any more.
    """
    faults.starting()
    import jax

    def take() -> Any:
        out = jax.dlpack.from_dlpack(data)
        # Asked for a copy, from_dlpack refuses some producers; this one never does.
        return jax.numpy.array(out, copy=True).block_until_ready() if copy else out

    return with_64_bits(take)


def to_dlpack(buffer: Any, *, stream: Any = None) -> Any:
    """A DLPack capsule of a buffer of either kind. Whoever gets it must not write to it."""
    if is_numpy(buffer):
        buffer = to_jax(buffer, CPU)
    return buffer.__dlpack__(stream=stream)


def dlpack_device(buffer: Any) -> tuple[int, int]:
    """DLPack's (device type, index) of a buffer of either kind."""
    if is_numpy(buffer):
        return (1, 0)
    return buffer.__dlpack_device__()
