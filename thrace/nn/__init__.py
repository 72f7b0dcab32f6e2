"""`thrace.nn`: modules, layers and losses."""

from thrace.tracer.nn import *
