"""Parameter: a leaf tensor that modules register. Imported by nn and optim."""

from __future__ import annotations

from typing import Any

from .tensor import Tensor, from_host


class Parameter(Tensor):
    """A tensor that is a module's parameter when assigned as an attribute.

    Shares the storage of `data`; requires grad unless told otherwise.
    """

    _copies_grad = False
    __module__ = "thrace.nn.parameter"  # where users find it, and what `type(p)` prints

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        t = object.__new__(cls)
        if data is None:
            data = from_host([])
        elif not isinstance(data, Tensor):
            data = from_host(data)
        source = data.detach() if data.requires_grad else data
        t._point(source._storage, source._view, source._type)
        if requires_grad:
            t.requires_grad_()
        return t
