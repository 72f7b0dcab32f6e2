"""`thrace.masked`: reductions and normalisations of what a mask picks."""

from thrace.tracer.api.masked import MASKED

globals().update(MASKED)
__all__ = list(MASKED)  # pyright: ignore[reportUnsupportedDunderAll]
