"""A quick slice of `make conformance`: the first samples of every entry of the database.

What is known to fail is listed in `known.py`, by entry and check.
"""

from __future__ import annotations

import pytest

from conformance.checks import outcomes
from conformance.convert import function_for
from conformance.entries import database, full_name
from conformance.exclusions import EXCLUDED
from conformance.known import FAILING, MISSING

SAMPLES = 2
CHECKS = ("forward", "gradient", "errors", "inplace")
ENTRIES = [op for op in database() if op.name not in EXCLUDED]


@pytest.mark.parametrize("op", ENTRIES, ids=full_name)
def test_first_samples(op):
    if function_for(op) is None:
        assert op.name in MISSING, "missing, and not listed as such"
        return
    assert op.name not in MISSING, "listed as missing, but there"
    failed = []
    for check in CHECKS:
        if check not in FAILING.get(full_name(op), ()):
            found = outcomes(op, check, SAMPLES)
            failed += [f"{check} {o.sample}: {o.error}" for o in found if o.error]
    assert not failed, "\n".join(failed)
