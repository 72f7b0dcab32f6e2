"""`thrace.cuda`: which CUDA devices there are."""

from thrace.runtime.cuda import device_count, is_available

__all__ = ["device_count", "is_available"]
