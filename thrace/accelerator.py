"""`thrace.accelerator`: the kind of device beside the CPU, if there is one."""

from thrace.runtime.cuda import current_accelerator, device_count, is_available, synchronize

__all__ = ["current_accelerator", "device_count", "is_available", "synchronize"]
