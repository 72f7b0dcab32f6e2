"""PyTorch's functions by name, from the tracer's tables. `functions.pyi` shows them to pyright."""

from thrace.tracer.methods import FUNCTIONS

# `trace` of a matrix is a method only: `thrace.trace` records a graph.
globals().update(FUNCTIONS)
__all__ = [name for name in FUNCTIONS if name != "trace"]  # pyright: ignore[reportUnsupportedDunderAll]
