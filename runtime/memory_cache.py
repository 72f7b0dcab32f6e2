"""Compiled programs by what they compute: bounded, safe between threads.

An executable that falls out of the cache and is not held elsewhere gives its memory back.
Used by `executable` alone.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from . import counters

T = TypeVar("T")
DEFAULT_SIZE = 512


class MemoryCache(Generic[T]):
    """Least recently used entries go first. A key is made by one thread at a time."""

    def __init__(self, size: int):
        self.size = max(size, 1)
        self._entries: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get_or_make(self, key: Hashable, make: Callable[[], T]) -> T:
        found = self._find(key)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            found = self._find(key)
            if found is not None:
                return found
            try:
                made = make()
                with self._lock:
                    self._entries[key] = made
                    while len(self._entries) > self.size:
                        self._entries.popitem(last=False)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return made

    def _find(self, key: Hashable) -> T | None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
                counters.cache_hits += 1
        return found

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def size_from_environment() -> int:
    """`THRACE_CACHE_SIZE`, the number of executables kept. Raises: ValueError."""
    text = os.environ.get("THRACE_CACHE_SIZE", "")
    if not text:
        return DEFAULT_SIZE
    if not text.isdigit() or int(text) == 0:
        raise ValueError(f"THRACE_CACHE_SIZE must be a whole number above 0, got {text!r}")
    return int(text)


def size_kept() -> int:
    """The same, or the default where that is no number: said, but no reason not to start."""
    try:
        return size_from_environment()
    except ValueError as e:
        warnings.warn(f"{e}; {DEFAULT_SIZE} are kept", stacklevel=2)
        return DEFAULT_SIZE
