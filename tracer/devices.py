"""Devices as the tracer sees them: one object per device, so that `is` compares them."""

from __future__ import annotations

from typing import Any

from ..runtime.device import CPU, Device, normalize


def as_device(device: Any = None) -> Device:
    """The one object for a device, its name or index; None is the CPU, `cuda` the first GPU.

    Raises: RuntimeError for a name that is no device.
    """
    return normalize(device)


__all__ = ["CPU", "Device", "as_device"]
