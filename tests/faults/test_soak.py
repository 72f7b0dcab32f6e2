"""A slice of the long runs of `make faults`."""

from __future__ import annotations

import pytest

from faults.soak import LIMITS, measured


@pytest.mark.parametrize(("name", "times"), [("compiled steps", 400), ("uncompiled steps", 100)])
def test_steps_leave_nothing(name: str, times: int):
    got = measured(name, times)
    assert got.resident_bytes < LIMITS[name] * 2**20 + (1 << 19), got
    assert got.traced_bytes < 1 << 17, got


def test_new_shapes_leave_little():
    got = measured("shapes", 100)
    assert got.resident_bytes < 100 * 100 * 1024, got  # of 2,000 shapes, 200 MiB
