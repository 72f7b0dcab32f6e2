"""Rows of tests of transforms: a function of both libraries, and of arrays."""

from __future__ import annotations

from typing import Any

import torch
from snippets import same_numbers

import thrace


def attempt(fn: Any, library: Any, arrays: Any) -> Any:
    """What `fn(library, *tensors)` returns, or the exception that it raises."""
    make = torch.tensor if library is torch else thrace.tensor
    try:
        return fn(library, *map(make, arrays))
    except Exception as error:
        return error


def assert_as_pytorch(row: tuple) -> None:
    """Fail unless thrace gives PyTorch's numbers, or an exception of PyTorch's type."""
    fn, *arrays = row
    want, got = attempt(fn, torch, arrays), attempt(fn, thrace, arrays)
    if isinstance(want, Exception):
        named = type(got).__name__ == type(want).__name__  # an exception class of torch's own
        assert named or isinstance(got, type(want)), (got, want)
    elif isinstance(got, Exception):
        raise got
    else:
        same_numbers(got, want, rtol=2e-5)


def assert_one_trace(row: tuple) -> None:
    """Fail unless the row compiles to one trace that gives PyTorch's numbers again and again."""
    fn, *arrays = row
    want = attempt(fn, torch, arrays)
    compiled = thrace.compile(lambda *args: fn(thrace, *args), fullgraph=True)
    for _ in range(2):
        same_numbers(compiled(*map(thrace.tensor, arrays)), want, rtol=2e-5)
    assert len(compiled.traces) == 1
