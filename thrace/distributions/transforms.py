"""`thrace.distributions.transforms`."""

from thrace.tracer.distributions.transforms import *
