"""Refusing to run where JAX would hang: in a child forked after JAX had started.

Used inside `runtime`: `starting()` before JAX is first used, and `if faults.forked:
faults.refuse()` where something is run.
"""

from __future__ import annotations

import os

from ..ir.errors import ThraceError
from . import allocator

started = False  # JAX has threads in this process
forked = False  # this process is a child of one where it had


class ForkError(ThraceError, RuntimeError):
    """A forked child used the runtime: JAX's threads stayed behind in its parent."""


def starting() -> None:
    """Note that JAX runs from now on. Raises: ForkError in a forked child."""
    global started
    if forked:
        refuse()
    if not started:
        from .apart import in_thread

        allocator.prepare()
        # An interrupt in the middle would leave modules that can never be imported again.
        in_thread(_import, whole=True)
        started = True


def _import() -> None:
    import jax  # noqa: F401


def refuse() -> None:
    raise ForkError(
        "thrace was used in a forked child process after JAX had started in its parent, "
        'which would hang. Start processes with the "spawn" method: '
        'multiprocessing.set_start_method("spawn") or DataLoader(..., '
        'multiprocessing_context="spawn").'
    )


def _in_child() -> None:
    global forked
    forked = forked or started


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
