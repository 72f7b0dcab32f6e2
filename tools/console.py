"""Colour on a terminal, and none in a pipe. Imported by commands alone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import Any

Colour = str  # a style of rich's; empty for none


def add_colour(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="default: on a terminal, unless NO_COLOR is set",
    )


def wants_colour(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def print_lines(lines: Iterable[tuple[str, Colour]], choice: str) -> None:
    """Lines with their styles."""
    if not wants_colour(choice):
        for line, _ in lines:
            print(line)
        return
    from rich.text import Text

    console = _console()
    for line, style in lines:
        console.print(Text(line, style), no_wrap=True, overflow="ignore", crop=False)


def print_rich(text: Any) -> None:
    """A rich object, in colour, without wrapping."""
    _console().print(text, no_wrap=True, overflow="ignore", crop=False)


def _console() -> Any:
    from rich.console import Console

    return Console(force_terminal=True, highlight=False, soft_wrap=True, file=sys.stdout)
