"""Writes that data decides: what runs in the region keeps its effect on tensors, or has none.

A compiled step cannot branch on a tensor. So the region runs, and where it ends each storage
that was written gets the new value or the old one, as the data say. Imported by the grad
scaler.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...ir.graph import Value
from .. import prims
from ..state import STATE
from ..storage import Storage, alias, root
from ..tensor import Tensor


class Selected:
    """The storages that were written in the region, with their values before."""

    def __init__(self) -> None:
        self.before: dict[int, tuple[Storage, Value]] = {}

    def note(self, storage: Storage) -> None:
        self.before.setdefault(id(storage), (storage, storage.value))


@contextmanager
def skipped_where(skip: Tensor) -> Iterator[None]:
    """Where the 0-d bool `skip` is True, tensors are afterwards what they were before.

    An exception leaves the writes that were made.
    """
    outer, STATE.selected = STATE.selected, Selected()
    region = STATE.selected
    try:
        yield
    finally:
        STATE.selected = outer
    for storage, before in region.before.values():
        after = storage.value
        if root(after) is root(before):
            continue
        old, new = (Tensor._wrap(v, storage.device) for v in (before, after))
        if after.edge is before.edge:
            mode, STATE.grad_enabled = STATE.grad_enabled, False
            try:
                value = alias(prims.select(skip, old, new)._value(), before.edge)
            finally:
                STATE.grad_enabled = mode
        else:
            value = prims.select(skip, old, new)._value()
        storage.set(value)
