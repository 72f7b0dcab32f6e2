"""PyTorch's functions by name, from the tracer's tables. `functions.pyi` shows them to pyright."""

from thrace.tracer.keywords import with_keywords
from thrace.tracer.methods import FUNCTIONS

# `trace` of a matrix is a method only: `thrace.trace` records a graph.
globals().update({name: with_keywords(name, fn) for name, fn in FUNCTIONS.items()})
__all__ = [name for name in FUNCTIONS if name != "trace"]  # pyright: ignore[reportUnsupportedDunderAll]
