"""What one lowering collects besides its results; shared by `lower` and `rules_control`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class Run:
    """`flags`: results of check nodes so far. `functions`: nested graphs, by id, as functions."""

    def __init__(self) -> None:
        self.flags: list[Any] = []
        self.functions: dict[int, Callable[..., Any]] = {}


_CURRENT: ContextVar[Run] = ContextVar("thrace_lowering_run")


@contextmanager
def collecting() -> Iterator[Run]:
    run = Run()
    token = _CURRENT.set(run)
    try:
        yield run
    finally:
        _CURRENT.reset(token)


def current() -> Run:
    return _CURRENT.get()
