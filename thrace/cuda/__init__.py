"""`thrace.cuda`: which CUDA devices there are."""

from thrace.cuda import amp
from thrace.runtime.cuda import device_count, is_available

__all__ = ["amp", "device_count", "is_available"]
