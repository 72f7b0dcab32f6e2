"""`thrace.distributions.constraints`."""

from thrace.tracer.distributions.constraints import *
