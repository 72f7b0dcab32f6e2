"""The entries of the database, and what the checks find for one of them."""

from __future__ import annotations

from typing import Any

from .checks import outcomes
from .convert import function_for
from .exclusions import EXCLUDED


def database() -> list[Any]:
    from torch.testing._internal.common_methods_invocations import op_db

    return op_db


def full_name(op: Any) -> str:
    return f"{op.name}/{op.variant_test_name}" if op.variant_test_name else op.name


def examine(index: int, checks: tuple[str, ...]) -> dict[str, Any]:
    """What each check found for one entry."""
    op = database()[index]
    entry: dict[str, Any] = {"name": full_name(op), "checks": {}}
    if op.name in EXCLUDED:
        entry["excluded"] = EXCLUDED[op.name]
        return entry
    if function_for(op) is None:
        entry["missing"] = True
        return entry
    for check in checks:
        found = outcomes(op, check)
        entry["checks"][check] = {
            "passed": sum(not o.error and not o.skipped for o in found),
            "failed": [f"{o.sample}: {o.error}" for o in found if o.error],
            "skipped": sorted({o.skipped for o in found if o.skipped}),
        }
    return entry
