"""Layers that are a function with its options kept. Imported by the other files here.

Such a layer states its options with their defaults, which of them are printed, and what
it computes; the constructor and its signature follow.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..module import Module


class _Needed:
    def __repr__(self) -> str:
        return "NEEDED"


NEEDED = _Needed()


def options(**defaults: Any) -> Mapping[str, Any]:
    """Options in the constructor's order; `NEEDED` marks one without a default."""
    return MappingProxyType(defaults)


class Options(Module):
    """A layer that is its options and a function."""

    _options = options()
    _shown: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        cls.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(k, kind, default=inspect.Parameter.empty if v is NEEDED else v)
                for k, v in cls._options.items()
            ]
        )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()
        try:
            given = type(self).__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        for key, default in self._options.items():
            setattr(self, key, given.arguments.get(key, default))
        self._prepare()

    def _prepare(self) -> None:
        """Check and complete the options."""

    def extra_repr(self) -> str:
        return ", ".join(f"{key}={getattr(self, key)}" for key in self._shown)


class Activation(Options):
    """`function(input, **options)`. `inplace` is printed only where it is set."""

    function: Callable[..., Any]
    _printed: tuple[str, ...] | None = None

    def forward(self, input: Any) -> Any:
        return self.function(input, **{key: getattr(self, key) for key in self._options})

    def extra_repr(self) -> str:
        keys = self._options if self._printed is None else self._printed
        parts = [f"{key}={_quoted(getattr(self, key))}" for key in keys if key != "inplace"]
        if getattr(self, "inplace", False):
            parts.append("inplace=True")
        return ", ".join(parts)


def _quoted(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)
