"""`thrace.nn.utils.convert_parameters`: parameters as one vector and back."""

from thrace.tracer.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters

__all__ = ["parameters_to_vector", "vector_to_parameters"]
