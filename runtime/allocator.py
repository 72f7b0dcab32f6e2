"""Memory that the C library holds: given back after a compile, or kept between calls.

Compiling leaves glibc with some hundred megabytes of freed memory in small pieces, which it
does not give back by itself.

XLA's CPU backend allocates its temporary buffers afresh at every call, and glibc gives
large ones back to the system, so that each call of a training step pays for tens of
thousands of page faults again. Under `THRACE_ALLOCATOR=keep` the process keeps what it once
had: steps with much temporary memory take a quarter less time, and the process stays at its
peak size. docs/performance.md has what it gives and costs. Used by `faults` and `executable`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os

CHOICES = ("default", "keep")
# Parameters of glibc's mallopt, from its manual page.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_LARGEST = 2**31 - 1


def prepare() -> None:
    """Do what the environment asks for; best before JAX has made its threads.

    Raises: ValueError if THRACE_ALLOCATOR is none of CHOICES.
    """
    choice = os.environ.get("THRACE_ALLOCATOR") or CHOICES[0]
    if choice not in CHOICES:
        raise ValueError(f"THRACE_ALLOCATOR is {' or '.join(CHOICES)}, not {choice!r}")
    if choice == "keep":
        keep_memory()


def give_back() -> None:
    """Give what is free to the system, wherever it lies; takes some tens of milliseconds."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def keep_memory() -> bool:
    """Keep freed memory in the process. False where the C library cannot be told."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    settings = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _LARGEST))
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)
