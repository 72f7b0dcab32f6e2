"""`thrace.cuda`: which CUDA devices there are, and what they hold."""

from thrace.cuda import amp
from thrace.runtime.cuda import (
    current_device,
    device_count,
    empty_cache,
    get_device_name,
    is_available,
    max_memory_allocated,
    memory_allocated,
    memory_reserved,
    synchronize,
)
from thrace.tracer.random import manual_seed
from thrace.tracer.random import manual_seed as manual_seed_all

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "memory_reserved",
    "synchronize",
]
