"""Devices, named as PyTorch names them. Importing this, and `cpu`, do not import jax.

Everyone above `runtime` may import it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..ir.errors import DeviceError
from . import faults

T = TypeVar("T")
# NumPy arrays of these lose half their bits in JAX where 64-bit types are not enabled.
NARROWED_BY_JAX = {np.dtype(t) for t in ("int64", "uint64", "float64", "complex128")}
_TYPES = {"cpu": "cpu", "cuda": "cuda", "gpu": "cuda"}
_TEXT = re.compile(r"([a-z]+)(?::(0|[1-9][0-9]*))?")


class Device:
    """Where tensors live: `device("cpu")`, `device("cuda", 1)`, `device("cuda:1")`.

    `gpu` is another name of `cuda`. `index` is None where none was given.
    Raises: RuntimeError for a text that names no device.
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, device: str | int | Device, index: int | None = None):
        if isinstance(device, Device):
            kind, at = device.type, device.index
        elif isinstance(device, int) and not isinstance(device, bool):
            kind, at = "cuda", device
        elif isinstance(device, str):
            kind, at = _parse(device)
        else:
            raise TypeError(f"device: expected a name such as 'cpu', got {device!r}")
        if index is not None and at is not None and not isinstance(device, Device):
            raise RuntimeError(f"device: {device!r} has an index already, got index {index} too")
        at = at if index is None else index
        if at is not None and (at < 0 or (kind == "cpu" and at > 0)):
            raise RuntimeError(f"device: there is no {kind} device with index {at}")
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", at)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a device does not change; make another to set {name!r}")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __reduce__(self):
        return (Device, (self.type, self.index))


def _parse(text: str) -> tuple[str, int | None]:
    match = _TEXT.fullmatch(text)
    if match is None or match[1] not in _TYPES:
        raise RuntimeError(f"device: {text!r} is no device; write 'cpu', 'cuda' or 'cuda:0'")
    return _TYPES[match[1]], None if match[2] is None else int(match[2])


CPU = Device("cpu")


def with_64_bits(work: Callable[[], T]) -> T:
    """The result of `work`, done where JAX has 64-bit types. The user's own setting stays as it
    is, even if an interrupt comes between JAX's changing it and changing it back."""
    import jax

    config: Any = jax.config
    before = config.jax_enable_x64
    if before:
        return work()
    try:
        with jax.enable_x64(True):
            return work()
    finally:
        if config.jax_enable_x64 is not before:
            jax.enable_x64(before).__enter__()


_NORMAL: dict[Device, Device] = {}
_JAX: dict[Device, Any] = {}


def normalize(device: Device | str | int | None) -> Device:
    """The device as tensors carry it: `cpu` without an index, `cuda` with one."""
    if device is None or device is CPU:
        return CPU
    device = device if isinstance(device, Device) else Device(device)
    if device.type == "cpu":
        return CPU
    device = device if device.index is not None else Device("cuda", 0)
    return _NORMAL.setdefault(device, device)  # one object each, so that `is` tells them apart


def jax_device(device: Device) -> Any:
    """JAX's device. Raises: DeviceError naming those there are, if this one is not."""
    found = _JAX.get(device)
    if found is None:
        here = devices_of(device.type)
        index = device.index or 0
        if index >= len(here):
            have = [f"cuda:{i}" for i in range(len(devices_of("cuda")))]
            have = ["cpu"] * bool(devices_of("cpu")) + have
            raise DeviceError(f"device {device} is not there; there is {', '.join(have)}")
        found = _JAX[device] = here[index]
    return found


def devices_of(kind: str) -> list[Any]:
    """This process's JAX devices of a type, none if JAX knows none."""
    faults.starting()
    import jax

    try:
        return list(jax.local_devices(backend=kind))
    except RuntimeError:
        return []


def device_of(buffer: Any) -> Device:
    """The device that holds a JAX array."""
    (found,) = buffer.devices()
    if found.platform == "cpu":
        return CPU
    return normalize(Device("cuda", devices_of("cuda").index(found)))
