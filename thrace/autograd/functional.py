"""`thrace.autograd.functional`: derivatives of functions at tensors."""

from thrace.tracer.func.functional import hessian, hvp, jacobian, jvp, vhp, vjp

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
