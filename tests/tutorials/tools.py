"""What the programs beside this file share. `LIBRARY` is the one that a program runs on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch

LIBRARY: Any = torch
# What was raised on PyTorch, in order: ours must be of these kinds.
RAISED: list[type[Exception]] = []


def attempt(call: Callable[[], Any]) -> None:
    """Print what a call gives, or the kind of error. Messages are our own."""
    try:
        print(call())
    except Exception as error:
        if torch is LIBRARY:
            RAISED.append(type(error))
            print(type(error).__name__)
            return
        kind = RAISED.pop(0) if RAISED else Exception
        name = kind.__name__
        if kind is torch.linalg.LinAlgError:
            kind = LIBRARY.linalg.LinAlgError
        if isinstance(error, kind):
            print(name)
        else:
            print(f"{type(error).__name__} in the place of {name}: {error}")


def quiet(call: Callable[[], Any]) -> None:
    """Print what a call gives, and the kinds of the warnings that it makes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(call())
    print(sorted(w.category.__name__ for w in caught))


def data(*shape: int, k: float = 1.0) -> Any:
    """Numbers between -1 and 1."""
    line = LIBRARY.arange(math.prod(shape), dtype=LIBRARY.float32)
    return LIBRARY.sin(line * k).reshape(shape)


def fill(module: Any) -> Any:
    """The module with parameters that depend on their number and shape alone."""
    with LIBRARY.no_grad():
        for i, p in enumerate(module.parameters()):
            line = LIBRARY.arange(p.numel(), dtype=LIBRARY.float32)
            p.copy_(LIBRARY.sin(line * 0.37 + i).reshape(p.shape) * 0.3)
    return module


def show(*values: Any) -> None:
    """Print numbers to three places: last bits are no part of the comparison."""
    for x in values:
        rounds = isinstance(x, LIBRARY.Tensor) and x.is_floating_point()
        print(LIBRARY.round(x.detach() * 1e3) / 1e3 if rounds else x)
