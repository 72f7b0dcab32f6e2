"""Where programs that consume their arguments put their results; used by `executable`.

Python looks for signals between two of its instructions. An interrupt can so come after XLA
has taken a donated buffer and before anybody has stored what was made of it: with
`p = step(p)` that loses `p` nearly every time. Such a program's result is therefore a list
that is there before the call, and that JAX, still in C, extends with the results: its type
is a pytree node whose way of being built again is `list.__iadd__`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any


class Outbox(list):
    """Receives a program's results. Equal to itself alone, as part of a pytree's structure.

    `latest` is where the results of one call stand. The lock is held from the call until they
    are taken out.

    The first call of a program, or one under other settings of JAX, goes through Python code
    of JAX's, which extends the list twice and can lose results: `quick` says that the last
    call did not, `slow` counts those that did though the call before had not.
    """

    __slots__ = ("latest", "lock", "quick", "slow")
    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __ne__ = object.__ne__

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.quick = False
        self.slow = 0
        self.latest = slice(0, 0)

    def taken(self) -> None:
        """The results of a call were taken out."""
        count = -self.latest.start
        was, self.quick = self.quick, len(self) == count
        self.slow += was and len(self) > count
        self.clear()

    @property
    def is_safe(self) -> bool:
        """Whether an interrupt of the next call loses nothing."""
        return self.quick and self.slow <= MAX_SLOW


# A program that is slow more often is called in a thread of its own for good.
MAX_SLOW = 2


@functools.cache
def _register() -> None:
    import jax

    def flatten(box: Any) -> tuple[tuple, Any]:
        return tuple(box[box.latest]), box

    extend: Any = list.__iadd__
    jax.tree_util.register_pytree_node(Outbox, flatten, extend)


def boxed(program: Callable[..., list], box: Outbox) -> Callable[..., Outbox]:
    """`program`, to be traced by JAX, with its results in `box`."""
    _register()

    @functools.wraps(program)
    def run(*args: Any) -> Outbox:
        outputs = program(*args)
        box.latest = slice(-len(outputs), None)
        box[:] = outputs
        return box

    return run
