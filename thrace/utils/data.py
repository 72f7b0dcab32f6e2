"""`thrace.utils.data`: datasets, samplers and the loader."""

from thrace.tracer.data import *
from thrace.tracer.data import __all__ as __all__
