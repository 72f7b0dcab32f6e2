"""`thrace.nn.utils.parametrizations`: weight norm, spectral norm, orthogonal matrices."""

from thrace.tracer.nn.utils.parametrizations import *
