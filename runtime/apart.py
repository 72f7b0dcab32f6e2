"""Working with JAX in a thread that nothing else has touched. Used by `executable`."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import TypeVar

from . import faults

T = TypeVar("T")


def apart(work: Callable[[], T], *, whole: bool = False) -> T:
    """The result of `work`, done in a thread of its own.

    There none of the user's settings of JAX for their own thread hold, nor a profiler's
    hook, and the Python stack, which JAX copies for every operation, is nearly empty: what
    is lowered names the lines it came from and not where the user happened to wait for it.
    `threading` would leave frames of its own on that stack. Ctrl-C is answered at once, and
    what is left of `work` goes on unheard; with `whole` it is answered once that is done.
    """
    faults.starting()
    return in_thread(work, whole=whole)


def in_thread(work: Callable[[], T], *, whole: bool) -> T:
    """`apart`, before JAX has started."""
    results: list[T] = []
    errors: list[BaseException] = []
    done = _thread.allocate_lock()
    done.acquire()

    def body() -> None:
        try:
            results.append(work())
        except BaseException as e:
            errors.append(e)
        finally:
            done.release()

    interrupts: list[BaseException] = []
    begun = False
    while not (results or errors):
        try:
            if not begun:
                begun = True  # an interrupt that comes here comes after the thread's start
                _thread.start_new_thread(body, ())
            done.acquire()
        except BaseException as e:
            if not whole:
                raise
            interrupts.append(e)
    for error in interrupts or errors:
        raise error
    return results[0]
