"""`thrace.autograd.anomaly_mode`: nan in gradients as an error."""

from thrace.tracer.anomaly import detect_anomaly, set_detect_anomaly

__all__ = ["detect_anomaly", "set_detect_anomaly"]
