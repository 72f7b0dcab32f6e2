"""`thrace.cpu.amp`: mixed precision by older names."""

from thrace.tracer.amp.by_device import CPUAutocast as autocast
from thrace.tracer.amp.by_device import CPUGradScaler as GradScaler

__all__ = ["GradScaler", "autocast"]
