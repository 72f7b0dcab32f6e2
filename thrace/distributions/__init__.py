"""`thrace.distributions`: probability distributions with PyTorch's names."""

from thrace.tracer.distributions import *
from thrace.tracer.distributions import __all__ as __all__
