"""What there is in CUDA devices, under PyTorch's names; re-exported as `thrace.cuda`."""

from __future__ import annotations

from .device import devices_of


def is_available() -> bool:
    """Whether there is a CUDA device that JAX can use."""
    return device_count() > 0


def device_count() -> int:
    """How many CUDA devices this process can use."""
    return len(devices_of("cuda"))
