"""`thrace.debug`: where a nan came from, and where two ways of running a graph part."""

from thrace.ir.anomaly import Anomaly, Statistics
from thrace.ir.errors import AnomalyError
from thrace.tools.bisect import Difference, bisect
from thrace.tracer.anomaly import hunt
from thrace.tracer.anomaly import look_for_anomalies as detect_anomaly

__all__ = [
    "Anomaly",
    "AnomalyError",
    "Difference",
    "Statistics",
    "bisect",
    "detect_anomaly",
    "hunt",
]
