"""`thrace.amp.autocast_mode`: where PyTorch keeps `autocast`."""

from thrace.tracer.amp.autocast import autocast, custom_bwd, custom_fwd, is_autocast_available

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
