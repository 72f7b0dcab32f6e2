"""`use_deterministic_algorithms` and its relatives. Re-exported by the front door.

Every operation has a deterministic program here, so nothing is ever refused: under the mode
programs for GPUs are compiled to be deterministic. Those for CPUs are in any case.
"""

from __future__ import annotations

from ..runtime import determinism

_LEVELS = {"default": 0, "warn": 1, "error": 2}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Say whether operations must give the same bits at each run.

    Programs that exist stay as they are; what runs from here on is compiled anew for GPUs.
    """
    determinism.require(bool(mode), bool(warn_only))


def are_deterministic_algorithms_enabled() -> bool:
    """Whether operations must give the same bits at each run."""
    return determinism.is_required()


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether an operation without a deterministic program would only warn; all have one."""
    return determinism.is_warn_only()


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same by a number or name: 0 "default", 1 "warn", 2 "error".

    Raises: RuntimeError for another one, TypeError for neither.
    """
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    level = _LEVELS.get(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode: {debug_mode!r}, expected one of 'default', 'warn', "
            "'error' or 0, 1, 2"
        )
    determinism.require(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2; see `set_deterministic_debug_mode`."""
    if not determinism.is_required():
        return 0
    return 1 if determinism.is_warn_only() else 2
