"""Taking back half an update. Imported by `optimizer`."""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any

from ...ir.graph import Value
from ..restoring import consume
from ..storage import Storage
from ..tensor import Tensor


class Undo:
    """Made before an optimizer's update: parameters and state as they are then."""

    def __init__(self, optimizer: Any):
        self.optimizer = optimizer
        # The dictionaries that hold the state, each with what was in it.
        self.entries = [(state, dict(state)) for state in optimizer.state.values()]
        self.state = dict(optimizer.state)
        storages: dict[int, Storage] = {}
        for group in optimizer.param_groups:
            for p in group["params"]:
                storages[id(p._storage)] = p._storage
        for state, _ in self.entries:
            for entry in state.values():
                if isinstance(entry, Tensor):
                    storages[id(entry._storage)] = entry._storage
        self.storages = list(storages.values())
        self.values = [storage.value for storage in self.storages]

    def held(self) -> list[Value]:
        """The old values: an evaluation in the middle of the update does not drop them."""
        return self.values

    def undo(self) -> None:
        """Put everything back."""
        state = self.optimizer.state
        made = [state[p] for p in state if p not in self.state]
        old = [before for _, before in self.entries]
        dictionaries = [entries for entries, _ in self.entries]
        consume(
            chain(
                map(setattr, self.storages, repeat("cache"), repeat(None)),
                map(setattr, self.storages, repeat("value"), self.values),
                map(dict.clear, [*made, *dictionaries]),
                map(dict.update, dictionaries, old),
            )
        )
