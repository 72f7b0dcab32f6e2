"""`thrace.utils`: loading data, activation checkpoints."""

from thrace.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
