"""`thrace.nn.utils.parametrize`: parameters computed from others."""

from thrace.tracer.nn.utils.parametrize import *
