"""Working with JAX in a thread that nothing else has touched. Used by `executable`."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import TypeVar

from . import faults

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """The result of `work`, done in a thread of its own.

    There none of the user's settings of JAX for their own thread hold, nor a profiler's
    hook, and the Python stack, which JAX copies for every operation, is nearly empty: what
    is lowered names the lines it came from and not where the user happened to wait for it.
    Ctrl-C is answered at once. `threading` would leave frames of its own on that stack.
    """
    faults.starting()
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

    _thread.start_new_thread(body, ())
    done.acquire()
    if errors:
        raise errors[0]
    return results[0]
