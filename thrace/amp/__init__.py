"""`thrace.amp`: mixed precision."""

from thrace.tracer.amp.autocast import autocast, custom_bwd, custom_fwd, is_autocast_available
from thrace.tracer.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
