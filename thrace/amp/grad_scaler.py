"""`thrace.amp.grad_scaler`: where PyTorch keeps `GradScaler`."""

from thrace.tracer.amp.grad_scaler import GradScaler, OptState

__all__ = ["GradScaler", "OptState"]
