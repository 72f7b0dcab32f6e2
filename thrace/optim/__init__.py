"""`thrace.optim`: optimizers and learning-rate schedulers."""

from thrace.tracer.optim import *
