"""What there is in CUDA devices, under PyTorch's names; re-exported as `thrace.cuda`."""

from __future__ import annotations

from typing import Any

from .device import Device, devices_of, normalize


def is_available() -> bool:
    """Whether there is a CUDA device that JAX can use."""
    return device_count() > 0


def device_count() -> int:
    """How many CUDA devices this process can use."""
    return len(devices_of("cuda"))


def current_device() -> int:
    """The number of the device that `cuda` means: always the first."""
    return 0


def get_device_name(device: Any = None) -> str:
    """What a device is called. Raises: RuntimeError if it is not there."""
    return _jax_device(device).device_kind


def synchronize(device: Any = None) -> None:
    """Wait until a device has done what was asked of it."""
    import jax

    # What is asked of a device is done in turn.
    jax.numpy.add(jax.device_put(0, _jax_device(device)), 0).block_until_ready()


def _memory(device: Any, key: str) -> int:
    return int((_jax_device(device).memory_stats() or {}).get(key, 0))


def memory_allocated(device: Any = None) -> int:
    """Bytes of a device that are in use."""
    return _memory(device, "bytes_in_use")


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes of a device that were in use at once."""
    return _memory(device, "peak_bytes_in_use")


def memory_reserved(device: Any = None) -> int:
    """Bytes of a device that the process holds."""
    return _memory(device, "pool_bytes") or memory_allocated(device)


def empty_cache() -> None:
    """Drop what nobody refers to any more; the pool itself stays with the process."""
    import gc

    gc.collect()


def current_accelerator(check_available: bool = False) -> Device | None:
    """The kind of device beside the CPU that can be used, None if there is none."""
    return Device("cuda") if is_available() else None


def _jax_device(device: Any) -> Any:
    from .device import jax_device

    return jax_device(normalize("cuda" if device is None else device))
