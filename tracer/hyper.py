"""Optimizer hyper-parameters as inputs: a schedule changes numbers, never the graph.

Imported by optim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.types import float64
from .state import STATE
from .tensor import Tensor, from_host


def read(group: dict, key: str, index: int | None) -> Any:
    value = group[key]
    return value if index is None else value[index]


def hyper(group: dict, key: str, index: int | None = None) -> Tensor:
    """`group[key]` (or an element of it) as a 0-d float64 tensor, or the tensor that is there.

    In a recording run it becomes an input that each replay reads again.
    """
    value = read(group, key, index)
    session = STATE.session
    if isinstance(value, Tensor):
        return (
            value
            if session is None or _in_graph(value, session)
            else session.hyper(group, key, index)
        )
    if session is not None:
        return session.hyper(group, key, index)
    return from_host(np.asarray(value, np.float64), float64)


def _in_graph(value: Tensor, session: Any) -> bool:
    """Whether a run knows the tensor otherwise: it made it, wrote to it, or differentiates."""
    storage = value._storage
    known = storage.owner is session or id(storage) in session.written
    return known or value._view is not None or value.requires_grad


def hyper_is_zero(group: dict, key: str, index: int | None = None) -> bool:
    """Whether a hyper-parameter is zero; in a recording run this is guarded.

    A tensor is not looked at: it counts as not zero.
    """
    value = read(group, key, index)
    if isinstance(value, Tensor):
        return False
    zero = bool(value == 0)
    if STATE.session is not None:
        STATE.session.guard_zero(group, key, index, zero)
    return zero


def hoist(make: Callable[[], Tensor]) -> Tensor:
    """State that a first call makes, such as an optimizer's moments.

    In a recording run it is made as if before the call, so that the run captures it and
    the first trace is the one that all later calls use.
    """
    session = STATE.session
    return make() if session is None else session.outside(make)
