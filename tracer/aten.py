"""`ops.aten`: our functions by the names of PyTorch's operators. Imported by the front door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import methods
from .nn import functional


class OpOverload:
    """A function as an operator; `default` is it again."""

    def __init__(self, name: str, fn: Callable[..., Any]):
        self.__name__ = name
        self._fn = fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._fn(*args, **kwargs)

    @property
    def default(self) -> OpOverload:
        """The overload without a name."""
        return self

    def __repr__(self) -> str:
        return f"<OpOverload(op='aten.{self.__name__}', overload='default')>"


class Namespace:
    """Operators by attribute. Raises: AttributeError for one that there is not."""

    def __getattr__(self, name: str) -> OpOverload:
        fn = methods.FUNCTIONS.get(name) or getattr(functional, name, None)
        if fn is None:
            raise AttributeError(f"ops.aten has no operator {name!r}")
        return OpOverload(name, fn)


aten = Namespace()
