"""`thrace.signal`: windows for signals."""

from thrace.signal import windows

__all__ = ["windows"]
