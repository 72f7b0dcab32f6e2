"""`thrace.autograd.anomaly_mode`: nan in gradients as an error."""

from thrace.tracer.grad_mode import detect_anomaly, set_detect_anomaly

__all__ = ["detect_anomaly", "set_detect_anomaly"]
