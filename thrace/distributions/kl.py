"""`thrace.distributions.kl`: divergences."""

from thrace.tracer.distributions.kl import kl_divergence, register_kl

__all__ = ["kl_divergence", "register_kl"]
