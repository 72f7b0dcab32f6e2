"""Handles that take a registered hook away again. Imported by nn and optim."""

from __future__ import annotations

import itertools
import weakref
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


class Hooks:
    """The hooks of one kind of a module: they are among its attributes while there are any. Most
    modules have none, and each call of a compiled function looks at all attributes."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        if module is None:
            return self
        kept = module.__dict__.setdefault("_hooks_kept", Kept())
        if self.name not in kept.hooks:
            kept.hooks[self.name] = _ModuleHooks(module, self.name)
        return kept.hooks[self.name]


class Kept:
    """The dictionaries that a module had, so that hooks come back to the one they left. What is
    in it is no state: copies are empty."""

    def __init__(self) -> None:
        self.hooks: dict[str, _ModuleHooks] = {}

    def __reduce__(self) -> Any:
        return Kept, ()


class _ModuleHooks(OrderedDict[int, Any]):
    """A dictionary that is an attribute of its module while it is not empty. Copies and pickles
    are plain ones."""

    def __init__(self, module: Any, name: str):
        super().__init__()
        self._module = weakref.ref(module)
        self._name = name

    def __setitem__(self, key: int, hook: Any) -> None:
        module = self._module()
        first = self if module is None else module.__dict__.setdefault(self._name, self)
        if first is self:
            super().__setitem__(key, hook)
        else:
            first[key] = hook

    def __delitem__(self, key: int) -> None:
        super().__delitem__(key)
        self._leave()

    def pop(self, *args: Any) -> Any:
        hook = super().pop(*args)
        self._leave()
        return hook

    def popitem(self, last: bool = True) -> Any:
        item = super().popitem(last)
        self._leave()
        return item

    def clear(self) -> None:
        super().clear()
        self._leave()

    def __reduce__(self) -> Any:
        return OrderedDict, (list(self.items()),)

    def _leave(self) -> None:
        module = self._module()
        if not self and module is not None and module.__dict__.get(self._name) is self:
            del module.__dict__[self._name]


def hooks_of(module: Any, name: str) -> list[Any]:
    """The hooks of that kind, in their order, without a dictionary made for it."""
    hooks = module.__dict__.get(name)
    return list(hooks.values()) if hooks else []


def add_hook(
    hooks: OrderedDict[int, Any],
    hook: Callable[..., Any] | tuple,
    prepend: bool = False,
) -> RemovableHandle:
    """Put `hook` last, or first under `prepend`, and return its handle."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle
