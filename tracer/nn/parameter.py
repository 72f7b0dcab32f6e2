"""`nn.parameter`: parameters and buffers, also those without a shape yet."""

from __future__ import annotations

from typing import Any

from ..parameter import Parameter
from ..tensor import Tensor, from_host
from .uninitialized import UninitializedBuffer, UninitializedParameter


class _BufferType(type(Tensor)):
    def __instancecheck__(cls, obj: Any) -> bool:
        marked = isinstance(obj, Tensor) and obj.__dict__.get("_is_buffer", False)
        return type.__instancecheck__(cls, obj) or marked


class Buffer(Tensor, metaclass=_BufferType):
    """A tensor that is a module's buffer when assigned as an attribute.

    `Buffer(data)` gives a tensor over the data of `data`, marked; `persistent` says whether
    it stands in the module's state dict.
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        data = from_host([]) if data is None else data
        made = (data if isinstance(data, Tensor) else from_host(data)).detach()
        made.requires_grad_(data.requires_grad if isinstance(data, Tensor) else False)
        made.persistent = persistent  # type: ignore[attr-defined]
        made._is_buffer = True  # type: ignore[attr-defined]
        return made


__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"]
