"""A word to standard error when a compile takes longer than two seconds.

On a terminal the line is kept up to date and goes when the compile is over; elsewhere it is
written once, and what it took once more. `THRACE_PROGRESS=0` turns it off. Used by
`executable`.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 2.0
_EVERY_S = 0.5


class Stage:
    """What is being done at the moment, in a word, and what is known of where the time goes."""

    def __init__(self) -> None:
        self.name = ""
        self.detail = ""


@contextmanager
def shown(what: str) -> Iterator[Stage]:
    """Says that `what` is being compiled, once it takes a while; the stage is for the caller
    to name. Nothing is ever written by the caller's own thread but at the end."""
    stage = Stage()
    if os.environ.get("THRACE_PROGRESS", "") == "0":
        yield stage
        return
    started = time.perf_counter()
    done = threading.Event()
    said = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(what, stage, started, done, said), daemon=True, name="thrace-progress"
    )
    watcher.start()
    try:
        yield stage
    finally:
        done.set()
        if said.is_set():
            watcher.join()
            _end(what, time.perf_counter() - started)


def _watch(
    what: str, stage: Stage, started: float, done: threading.Event, said: threading.Event
) -> None:
    if done.wait(PATIENCE_S):
        return
    said.set()
    while True:
        elapsed = time.perf_counter() - started
        line = f"thrace: compiling {what}: {stage.name}, {elapsed:.0f} s{stage.detail}"
        if not _terminal():
            _write(f"{line}\n")
            return
        # One that wraps could not be taken back.
        width = shutil.get_terminal_size().columns - 1
        _write(f"\r\x1b[K{line[:width]}")
        if done.wait(_EVERY_S):
            return


def _end(what: str, elapsed_s: float) -> None:
    _write("\r\x1b[K" if _terminal() else f"thrace: compiled {what} in {elapsed_s:.1f} s\n")


def _terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):  # there is nobody to tell
        pass
