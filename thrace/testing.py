"""`thrace.testing`: comparing results in tests."""

from thrace.tracer.testing import assert_close

__all__ = ["assert_close"]
