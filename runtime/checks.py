"""Checks that programs make while they run, such as of index ranges.

An executable with checks returns a word beside its results: 0, or which check failed.
Words wait here, unread, so that nothing waits for the device; whoever hands values to the
user calls `raise_pending()` first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.interpret import check_failed
from ..ir.source import Location, RawLocation

Check = tuple[str, RawLocation | Location | None]

# Above this many the oldest word is read at once: it is long since there.
PENDING_LIMIT = 64
pending: deque[tuple[Any, Sequence[Check]]] = deque()


def add(word: Any, messages: Sequence[Check]) -> None:
    """Put a word by. Raises: AxisError (an IndexError) if an old one says a check failed."""
    pending.append((word, messages))
    if len(pending) > PENDING_LIMIT:
        _read(*pending.popleft())


def raise_pending() -> None:
    """Read all words. Raises: AxisError (an IndexError) for the first check that failed."""
    while pending:
        try:
            word, messages = pending.popleft()
        except IndexError:  # another thread took it
            return
        _read(word, messages)


def _read(word: Any, messages: Sequence[Check]) -> None:
    number = int(np.asarray(word))
    if number:
        pending.clear()  # what ran later had wrong data
        message, loc = messages[number - 1]
        raise check_failed(message, loc)
