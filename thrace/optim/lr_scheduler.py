"""`thrace.optim.lr_scheduler`: learning-rate schedules."""

from thrace.tracer.optim.lr_scheduler import *
