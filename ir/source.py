"""Where in the user's code something happened, kept raw until somebody looks.

`here()` is called once per recorded node, so it only walks frames; files, lines and
text are looked up by `Location`, on demand.
"""

from __future__ import annotations

import linecache
import os
import sys
from types import CodeType, FrameType
from typing import NamedTuple

RawLocation = tuple[CodeType, int]

# Folders whose frames are ours. The tracer's API adds nothing else: a frame elsewhere
# belongs to the user.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUR_FOLDERS = tuple(
    os.path.join(_ROOT, name) + os.sep
    for name in ("ir", "tracer", "lowering", "runtime", "tools", "thrace")
)
# The script that an installation makes for the command line.
_PROGRAM = ("thrace", "thrace-script.py")
_INTERNAL: dict[str, bool] = {}


def is_internal(filename: str) -> bool:
    """Whether code of this file is the project's own (examples and tests are not)."""
    known = _INTERNAL.get(filename)
    if known is None:
        path = os.path.abspath(filename)
        known = path.startswith(OUR_FOLDERS) or filename.startswith(("<thrace", "<frozen runpy"))
        known = known or os.path.basename(path) in _PROGRAM
        _INTERNAL[filename] = known
    return known


def user_frame(depth: int = 1) -> FrameType | None:
    """The innermost frame that is not the project's own."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        name = frame.f_code.co_filename
        if not (_INTERNAL[name] if name in _INTERNAL else is_internal(name)):
            return frame
        frame = frame.f_back
    return None


def here(depth: int = 2) -> RawLocation | None:
    """The user's place in the code at this moment."""
    frame = user_frame(depth)
    return None if frame is None else (frame.f_code, frame.f_lasti)


class Location(NamedTuple):
    """A place in the user's code: file, line (from 1), function, and the line's text."""

    file: str
    line: int
    function: str
    text: str = ""

    def __str__(self) -> str:
        head = f"{os.path.basename(self.file)}:{self.line} in {self.function}"
        return f"{head}: {self.text}" if self.text else head


def resolve(raw: RawLocation | Location | None) -> Location | None:
    """File, line, function and text of a raw location."""
    if raw is None or isinstance(raw, Location):
        return raw
    code, offset = raw
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= offset < end and number is not None:
            line = number
    text = linecache.getline(code.co_filename, line).strip()
    return Location(code.co_filename, line, code.co_name, text)
