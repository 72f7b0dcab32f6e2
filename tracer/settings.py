"""Process-wide settings that programs for PyTorch make. Re-exported by `thrace`.

XLA sets its threads up when it starts and multiplies as its compiler chose, so what is set here
is remembered, answered when asked, and changes nothing.
"""

from __future__ import annotations

import os
from typing import Any

_PRECISIONS = ("highest", "high", "medium")
_SET: dict[str, Any] = {"precision": "highest"}


def set_num_threads(num: int) -> None:
    """How many threads one operation may use: a wish, which XLA does not take."""
    if not isinstance(num, int) or isinstance(num, bool):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    _SET["threads"] = num


def get_num_threads() -> int:
    """What `set_num_threads` was told, or how many cores there are."""
    return _SET.get("threads") or len(os.sched_getaffinity(0))


def set_float32_matmul_precision(precision: str) -> None:
    """How exact float32 products are to be: always "highest" here. Raises: ValueError for a word
    that is none of highest, high and medium."""
    if precision not in _PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(_PRECISIONS)}, got {precision!r}")
    _SET["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was told."""
    return _SET["precision"]
