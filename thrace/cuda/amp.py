"""`thrace.cuda.amp`: mixed precision by older names."""

from thrace.tracer.amp.by_device import CUDAAutocast as autocast
from thrace.tracer.amp.by_device import CUDAGradScaler as GradScaler
from thrace.tracer.amp.by_device import cuda_custom_bwd as custom_bwd
from thrace.tracer.amp.by_device import cuda_custom_fwd as custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]
