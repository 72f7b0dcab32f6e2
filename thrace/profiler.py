"""`thrace.profiler`: where the time of a compiled function goes. Loaded on first use."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thrace.tools.profiler import Profile, profile, profile_graph

__all__ = ["Profile", "profile", "profile_graph"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from thrace.tools import profiler

    return getattr(profiler, name)


def __dir__() -> list[str]:
    return sorted(__all__)
