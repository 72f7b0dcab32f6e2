"""Contexts that Ctrl-C cannot keep from putting back what they changed. Imported by the tracer.

Python answers a signal where a function begins, so an `__exit__` written in Python may end before
its first line. One in C runs whole: that of the base of all files calls `close`, and here that
is a function of C too.
"""

from __future__ import annotations

import copyreg
import io
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import chain, repeat
from typing import Any

# What one call of C code does is done whole or not at all: changes are made ready as iterators
# of such calls, then consumed.
consume = deque[None](maxlen=0).extend

_Closing: Any = io.FileIO.__mro__[-2]  # the base of all files, without the ABC before it


class Restoring(_Closing):
    """Base of a context. Its `__enter__` says what leaving it does, by `later`, and only then
    makes its changes, by statements that call nothing."""

    __slots__ = ("close",)
    closed = True  # dropped, it does nothing

    def later(self, changes: Iterator[Any]) -> None:
        """Make `changes` on the way out. A context may be entered again inside itself."""
        outer = getattr(self, "close", None)
        self.close = partial(consume, chain(changes, map(setattr, (self,), ("close",), (outer,))))

    def __reduce__(self) -> Any:
        return (copyreg.__newobj__, (type(self),), self.__dict__ or None)  # type: ignore


def restored(target: Any, *names: str) -> Iterator[None]:
    """The changes that set attributes to what they are now."""
    return map(setattr, repeat(target), names, [getattr(target, name) for name in names])
