"""The typed IR: values, nodes and graphs, op definitions, differentiation and passes.

Depends on NumPy, ml_dtypes and the standard library alone.
"""

from .build import Builder
from .graph import Graph, Node, Scope, Value
from .types import DType, TensorType

__all__ = ["Builder", "DType", "Graph", "Node", "Scope", "TensorType", "Value"]
