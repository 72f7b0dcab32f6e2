"""`thrace.special`: special functions."""

from thrace.tracer.api.special import SPECIAL

globals().update(SPECIAL)
__all__ = list(SPECIAL)  # pyright: ignore[reportUnsupportedDunderAll]
