"""`thrace.nn.utils.rnn`: sequences of different lengths."""

from thrace.tracer.nn.utils.rnn import *
