"""`thrace.array_api`: the Python array API standard over tensors."""

from thrace.tracer.array_api import *
from thrace.tracer.array_api import __all__ as __all__
