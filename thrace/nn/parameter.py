"""`thrace.nn.parameter`: parameters and buffers, also those without a shape yet."""

from thrace.tracer.nn.parameter import *
