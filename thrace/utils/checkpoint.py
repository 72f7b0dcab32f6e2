"""`thrace.utils.checkpoint`: values computed again in the backward pass instead of kept."""

from thrace.tracer.checkpoint import *
from thrace.tracer.checkpoint import __all__ as __all__
