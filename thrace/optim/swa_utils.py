"""`thrace.optim.swa_utils`: averages of models over training."""

from thrace.tracer.optim.swa_utils import *
