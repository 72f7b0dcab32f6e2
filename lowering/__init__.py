"""IR graphs as JAX functions: one rule per op, in terms of `jax.lax`.

Imports jax; only `runtime` and `tools` import this package, and when they need it.
"""

from .lower import check_messages, lower
from .table import RULES

__all__ = ["RULES", "check_messages", "lower"]
