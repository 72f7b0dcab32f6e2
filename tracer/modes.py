"""Modes that change what a call does: guarded by compiled functions, restored by nobody else.

A new mode is one more row here. Imported by the guards and the session.
"""

from __future__ import annotations

from typing import Any

from . import state
from .state import STATE

# Names for readers, in the order of `modes`.
NAMES = (
    "grad mode",
    "inference mode",
    "the default dtype",
    "the hooks on saved tensors",
    "autocast",
)


def modes() -> tuple[Any, ...]:
    """The modes as they are now; equal tuples are equal modes."""
    return (
        STATE.grad_enabled,
        STATE.inference,
        state._default_dtype,
        STATE.saved_hooks,
        state.autocast_mode(),
    )


def changed(now: tuple[Any, ...], before: tuple[Any, ...]) -> tuple[str, Any, Any]:
    """The first mode that differs: its name, and both its values."""
    return next((name, a, b) for name, a, b in zip(NAMES, now, before, strict=True) if a != b)
