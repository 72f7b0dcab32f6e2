"""Devices as the tracer sees them: one object per device, so that `is` compares them."""

from __future__ import annotations

from typing import Any

from ..runtime.device import Device

_KNOWN: dict[Device, Device] = {}
CPU = _KNOWN.setdefault(Device("cpu"), Device("cpu"))


def as_device(device: Any = None) -> Device:
    """The one object for a device, its name or index; None is the CPU.

    Raises: RuntimeError for a name that is no device.
    """
    if device is None or device is CPU:
        return CPU
    made = device if isinstance(device, Device) else Device(device)
    return _KNOWN.setdefault(made, made)


__all__ = ["CPU", "Device", "as_device"]
