"""Handles that take a registered hook away again. Imported by nn and optim."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

_IDS = itertools.count()


class RemovableHandle:
    """Removes one hook from the dictionary it was put into; also a context manager."""

    def __init__(self, hooks: OrderedDict[int, Any]):
        self.hooks = hooks
        self.id = next(_IDS)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def add_hook(
    hooks: OrderedDict[int, Any], hook: Callable[..., Any] | tuple, prepend: bool = False
) -> RemovableHandle:
    """Put `hook` last, or first under `prepend`, and return its handle."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle
