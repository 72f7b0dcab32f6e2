"""Names for a graph's inputs and outputs, as the user's code has them.

Imported by compiled functions and tracing.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from . import trees
from .tensor import Tensor

if TYPE_CHECKING:
    from .session import Session
    from .storage import Storage


def argument_names(fn: Any, args: tuple, kwargs: dict) -> list[str]:
    """A name per flattened argument: the parameter's, with a number inside containers."""
    target = getattr(fn, "forward", fn)
    order: list[str] = []
    try:
        parameters = inspect.signature(target).parameters
        bound = inspect.signature(target).bind(*args, **kwargs).arguments
        for name, value in bound.items():
            if parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
                order += [f"{name}_{i}" for i in range(len(value))]
            elif name not in kwargs:
                order.append(name)
    except (TypeError, ValueError):
        pass  # no signature, or arguments that do not fit: the call itself will say so
    order = order[: len(args)] + [f"arg{i}" for i in range(len(order), len(args))]
    names: list[str] = []
    for label, value in [*zip(order, args, strict=True), *kwargs.items()]:
        count = len(trees.flatten(value)[0])
        names += [label] if count == 1 else [f"{label}_{i}" for i in range(count)]
    return names


def storage_names(session: Session) -> dict[int, str]:
    """Names of storages that a run captured: paths of parameters and buffers in the modules
    it touched, state of optimizers beside their parameter, else how the code names them."""
    names: dict[int, str] = {}
    for module in _outermost_modules(session):
        for path, t in (*module.named_parameters(), *module.named_buffers()):
            names.setdefault(id(t._storage), path)
    for entry in session.watch.entries.values():
        if isinstance(entry.value, Tensor):
            names.setdefault(id(entry.value._storage), entry.label)
    for optimizer in session.optimizers.values():
        for p, state in optimizer.state.items():
            owner = names.get(id(p._storage), "parameter")
            for key, t in state.items():
                if isinstance(t, Tensor):
                    names.setdefault(id(t._storage), f"{owner}.{key}")
    from .random import _DEFAULT

    for device, generator in _DEFAULT.items():
        label = "generator" if device.type == "cpu" else f"generator.{device.type}"
        names.setdefault(id(generator.state._storage), label)
    return names


def _outermost_modules(session: Session) -> list[Any]:
    """The modules that the run called or whose code it ran, without those inside others."""
    found = list(session.modules.values())
    seen = [*session.arguments, *(followed.value for followed in session.watch.objects.values())]
    found += [m for m in seen if hasattr(m, "named_parameters") and not isinstance(m, type)]
    inner = {id(m) for module in found for m in module.modules() if m is not module}
    return [m for m in found if id(m) not in inner]


def distinct(names: list[str]) -> list[str]:
    """The names with a number behind those that came before."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        out.append(f"{name}_{count}" if count else name)
    return out


def name_in(names: dict[int, str], storage: Storage) -> str:
    return names.get(id(storage), "captured")
