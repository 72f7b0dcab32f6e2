"""`thrace.autograd`: gradients, grad modes and functions with a backward of their own."""

from thrace.autograd import anomaly_mode, forward_ad, function, functional, grad_mode, graph
from thrace.tracer.anomaly import (
    detect_anomaly,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    set_detect_anomaly,
)
from thrace.tracer.autograd import backward, grad
from thrace.tracer.function import Function
from thrace.tracer.grad_mode import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from thrace.tracer.gradcheck import GradcheckError, gradcheck, gradgradcheck
from thrace.tracer.tensor import Tensor as Variable

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]
