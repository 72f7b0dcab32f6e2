"""What does not pass yet: names without a function, and checks that fail by entry."""

from __future__ import annotations

MISSING: frozenset[str] = frozenset()
FAILING: dict[str, tuple[str, ...]] = {}
