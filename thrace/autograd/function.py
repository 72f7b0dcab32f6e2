"""`thrace.autograd.function`: what a custom `Function` is written with."""

from thrace.tracer.function import Function, FunctionCtx, once_differentiable

__all__ = ["Function", "FunctionCtx", "once_differentiable"]
