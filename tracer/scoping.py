"""`@scoped`: what an API function records is folded under its name.

Imported by the API, nn and optim.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

from ..ir.errors import ThraceError
from ..ir.graph import Scope
from .recording import user_error
from .state import STATE
from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

# PyTorch's name of the backward of a scope, where it is not CamelCase(name) + "Backward0".
GRAD_FN: dict[str, str] = {}


@overload
def scoped(fn: F) -> F: ...
@overload
def scoped(*, name: str = "", grad_fn: str = "") -> Callable[[F], F]: ...
def scoped(fn: Any = None, *, name: str = "", grad_fn: str = "") -> Any:
    """Record the body of `fn` under a scope named after it.

    Calls inside an API function fold into it. An error gets the user's line.
    """
    if fn is None:
        return lambda f: scoped_as(f, name or f.__name__, grad_fn)
    return scoped_as(fn, fn.__name__, "")


def scoped_as(fn: Callable[..., Any], name: str, grad_fn: str) -> Any:
    if grad_fn:
        GRAD_FN[name] = grad_fn

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        state = STATE
        before = state.scope
        scope = Scope(name, "function", before)
        if state.grad_enabled and (before is None or before.kind != "function"):
            scope.edges = edges_of((*args, *kwargs.values()) if kwargs else args)
        state.scope = scope
        try:
            return fn(*args, **kwargs)
        except ThraceError as error:
            raise user_error(error) from None
        finally:
            state.scope = before

    return wrapper


def edges_of(args: Any) -> list[tuple[Any, int] | None]:
    """Where the gradients of the floating-point tensors among `args` flow to.

    Views among them are read now, so that they are recorded outside the call.
    """
    out: list[tuple[Any, int] | None] = []
    for a in args:
        if isinstance(a, Tensor):
            if a._type.dtype.kind in ("float", "complex"):
                known = a._view is None or a.requires_grad
                out.append(a._value().edge if known else None)
        elif a.__class__ is list or a.__class__ is tuple:
            out += edges_of(a)
    return out
