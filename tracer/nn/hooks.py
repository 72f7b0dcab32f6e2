"""Handles that take a registered hook away again. Imported by nn and optim."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..state import STATE

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


class Hooks:
    """The hooks of one kind of a module: a dictionary among its attributes from the first look on.
    Most modules have none, and each call of a compiled function looks at all attributes."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        if module is None:
            return self
        hooks: OrderedDict[int, Any] = OrderedDict()
        return module.__dict__.setdefault(self.name, hooks)


def hooks_of(module: Any, name: str) -> list[Any]:
    """The hooks of that kind, in their order, without a dictionary made for it."""
    hooks = module.__dict__.get(name)
    return list(hooks.values()) if hooks else []


def add_hook(
    hooks: OrderedDict[int, Any], hook: Callable[..., Any] | tuple, prepend: bool = False
) -> RemovableHandle:
    """Put `hook` last, or first under `prepend`, and return its handle."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if STATE.session is not None:
        STATE.session.hooks_added.append(handle)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle
