"""`thrace.nn.functional`: what layers compute, as functions."""

from thrace.tracer.nn.functional import *
