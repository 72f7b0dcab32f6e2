"""Keywords that PyTorch takes beside those of the signature: NumPy's, and sizes by name.

Applied where functions and methods become public, so that calls inside pay nothing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

# NumPy's word for one of ours.
_NUMPY = {"axis": "dim", "keepdims": "keepdim"}
_RENAMED = {
    "random_": {"from": "from_"},
    "uniform_": {"from": "from_"},
    "split": {"split_size": "split_size_or_sections"},
    "swapaxes": {"axis0": "dim0", "axis1": "dim1"},
    "swapaxes_": {"axis0": "dim0", "axis1": "dim1"},
}
# What `*args` of these is called where it is given as one sequence.
_SIZES = {
    "expand": "size",
    "flip": "dims",
    "permute": "dims",
    "repeat": "repeats",
    "reshape": "shape",
    "tile": "dims",
    "view": "size",
}


@functools.lru_cache(4096)
def with_keywords(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` taking the other keywords too; itself where there are none."""
    parameters = inspect.signature(fn).parameters
    others = {new: old for new, old in _NUMPY.items() if old in parameters}
    others |= _RENAMED.get(name, {})
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    sizes = _SIZES.get(name, "") if several else ""
    if not others and not sizes:
        return fn

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for other, own in others.items():
                if other in kwargs and own not in kwargs:
                    kwargs[own] = kwargs.pop(other)
            if sizes in kwargs:
                args = (*args, kwargs.pop(sizes))
        return fn(*args, **kwargs)

    return wrapper
