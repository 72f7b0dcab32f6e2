"""What a subcommand is, and how it reports the user's mistakes. Imported by `tools` alone."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..ir.errors import ThraceError
from ..ir.source import Location, is_internal

_LIBRARIES = ("<frozen", os.path.dirname(np.__file__), str(Path(np.__file__).parents[1] / "jax"))


class Command(NamedTuple):
    """One row of the table in `cli.py`: `configure` adds arguments, `run` gives the exit code."""

    name: str
    summary: str
    examples: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class CommandError(Exception):
    """Ends the command with this message on stderr, and this exit code."""

    def __init__(self, message: str, code: int = 2):
        super().__init__(message)
        self.code = code


@contextlib.contextmanager
def user_code(
    what: str, *, show_traceback: bool = False, but: type[Exception] = CommandError
) -> Iterator[None]:
    """Runs what the user wrote: its prints go to stderr, its errors become `CommandError`s, but
    for those that the command waits for.

    Stdout stays the command's own, so that `thrace dump ... >graph.txt` holds the graph.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (CommandError, but):
        raise
    except (Exception, SystemExit) as e:
        if show_traceback:
            traceback.print_exc()
        raise CommandError(f"{what}: {error_text(e)}") from None


def error_text(error: BaseException) -> str:
    """The error's kind and message, and the user's line if the message has no line yet."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}, line {error.lineno})"
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    place = user_place(error)
    # Errors of the recorder end with their place already.
    if place is None or (isinstance(error, ThraceError) and str(place) in text):
        return text
    return f"{text}\n  {place}"


def user_place(error: BaseException) -> Location | None:
    """The innermost line of the user's own code that the error passed through; what NumPy and
    JAX do for us is none."""
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        if not (is_internal(frame.filename) or frame.filename.startswith(_LIBRARIES)):
            found = Location(frame.filename, frame.lineno or 0, frame.name, frame.line or "")
    return found
