"""What does not pass yet: names without a function, and checks that fail by entry.

A name leaves these tables as soon as it passes; the tests fail while it is still listed as
missing.
"""

from __future__ import annotations

MISSING: frozenset[str] = frozenset()
FAILING: dict[str, tuple[str, ...]] = {}
