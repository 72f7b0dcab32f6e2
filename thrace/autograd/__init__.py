"""`thrace.autograd`: gradients, grad modes and functions with a backward of their own."""

from thrace.autograd import function
from thrace.tracer.autograd import (
    backward,
    enable_grad,
    grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
)
from thrace.tracer.function import Function

__all__ = [
    "Function",
    "backward",
    "enable_grad",
    "function",
    "grad",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]
