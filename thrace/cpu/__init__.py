"""`thrace.cpu`: the CPU by the names of `thrace.cuda`."""

from thrace.cpu import amp

__all__ = ["amp"]
