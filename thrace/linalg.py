"""`thrace.linalg`: products and norms of matrices."""

from thrace.tracer.api.linalg import matmul, matrix_norm, norm, vecdot, vector_norm

__all__ = ["matmul", "matrix_norm", "norm", "vecdot", "vector_norm"]
