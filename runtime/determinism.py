"""Whether programs must give the same bits at each run. Public through the tracer.

On CPU they always do. On GPUs XLA adds some sums (scatters for one) in the order in which
threads arrive, unless a program is compiled to be deterministic.
"""

from __future__ import annotations

from .device import Device


class _Mode:
    """Belongs to the process, as in PyTorch."""

    required = False
    warn_only = False


def require(required: bool, warn_only: bool = False) -> None:
    _Mode.required, _Mode.warn_only = required, warn_only


def is_required() -> bool:
    return _Mode.required


def is_warn_only() -> bool:
    return _Mode.warn_only


def compiler_options(device: Device) -> dict[str, bool] | None:
    """What XLA is told for a device."""
    if _Mode.required and device.type == "cuda":
        return {"xla_gpu_deterministic_ops": True}
    return None
