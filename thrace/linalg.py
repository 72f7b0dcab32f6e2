"""`thrace.linalg`: products, norms, factorisations and solutions of linear systems."""

from thrace.ir.errors import LinAlgError
from thrace.tracer.api.decompositions import LINALG
from thrace.tracer.api.ldl import LINALG as LDL
from thrace.tracer.api.linalg import matmul, matrix_norm, norm, vecdot, vector_norm

globals().update(LINALG | LDL)
__all__ = ["LinAlgError", "matmul", "matrix_norm", "norm", "vecdot", "vector_norm"]
__all__ += list(LINALG | LDL)  # pyright: ignore[reportUnsupportedDunderAll]
