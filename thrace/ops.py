"""`thrace.ops`: functions by the names of PyTorch's operators, as `ops.aten.relu`."""

from thrace.tracer.aten import aten

__all__ = ["aten"]
