"""`thrace.utils`: loading data."""

from thrace.utils import data

__all__ = ["data"]
