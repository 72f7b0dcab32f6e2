"""`thrace.nn.utils`: gradients clipped, parameters as one vector."""

from thrace.tracer.nn.utils import *
