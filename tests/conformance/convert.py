"""PyTorch's samples as thrace's arguments, and its functions as thrace's.

A sample's tensors are copied with their layout, dtypes and devices take thrace's names, and
the Python functions of the database (`lambda x: torch.linalg.pinv(x @ x.mT)`) are called
with thrace where they say `torch`.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import thrace


class Unsupported(Exception):
    """An input that thrace has no notion of; the text is the technical reason."""


class Converter:
    """Turns PyTorch's arguments into thrace's; one tensor met twice stays one tensor.

    Under `memory`, tensors that share a storage share one afterwards, with their strides and
    offsets; else each gets its own, with its axes in the same order.
    """

    def __init__(self, memory: bool = False) -> None:
        self.memo: dict[int, tuple[Any, Any]] = {}
        self.memory = memory
        self.storages: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            found = self.memo.get(id(value))
            if found is None:
                made = self.in_memory(value) if self.memory else to_thrace(value)
                found = self.memo[id(value)] = value, made
            return found[1]
        if isinstance(value, torch.Size):
            return thrace.Size(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self, value))
        if isinstance(value, (list, tuple)):
            return type(value)(map(self, value))
        if isinstance(value, dict):
            return {k: self(v) for k, v in value.items()}
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, torch.dtype):
            return dtype_of(value)
        if isinstance(value, torch.device):
            if value.type != "cpu":
                raise Unsupported(f"device {value.type}")
            return thrace.device("cpu")
        if isinstance(value, torch.nn.PairwiseDistance):
            options = {"p": value.norm, "eps": value.eps, "keepdim": value.keepdim}
            return functools.partial(thrace.nn.functional.pairwise_distance, **options)
        if isinstance(value, torch.Generator):
            return thrace.Generator().manual_seed(value.initial_seed())
        if isinstance(value, (torch.memory_format, torch.layout)):
            name = str(value).removeprefix("torch.")
            if not hasattr(thrace, name):
                raise Unsupported(f"layout {name}")
            return getattr(thrace, name)
        if isinstance(value, types.FunctionType):
            return rebound(value)
        if isinstance(value, torch.nn.Module):
            made = getattr(thrace.nn, type(value).__name__)()
            names: Any = getattr(type(value), "__constants__", ())
            for name in names:
                setattr(made, name, getattr(value, name))
            return made
        return value

    def in_memory(self, t: torch.Tensor) -> Any:
        """A leaf over the same part of a copy of its storage."""
        if t.layout is not torch.strided or t.device.type != "cpu" or not t.numel():
            return to_thrace(t)
        storage = t.untyped_storage()
        base = self.storages.get(storage.data_ptr())
        if base is None or base.dtype is not dtype_of(t.dtype):
            plain = t.detach().resolve_conj().resolve_neg()
            count = storage.nbytes() // t.element_size()
            base = to_thrace(plain.as_strided((count,), (1,), 0))
            self.storages[storage.data_ptr()] = base
        if t.numel() == base.numel() and t.is_contiguous():
            out = base.view(tuple(t.shape)).detach()
        else:
            out = base.as_strided(tuple(t.shape), t.stride(), t.storage_offset()).detach()
        return out.requires_grad_() if t.requires_grad else out


def dtype_of(dtype: torch.dtype) -> Any:
    name = str(dtype).removeprefix("torch.")
    found = getattr(thrace, name, None)
    if found is None:
        raise Unsupported(f"dtype {name}")
    return found


def to_thrace(t: torch.Tensor) -> Any:
    """A leaf with the elements, dtype, layout of axes and requires_grad of `t`."""
    if t.layout is not torch.strided:
        raise Unsupported(f"layout {str(t.layout).removeprefix('torch.')}")
    if t.device.type != "cpu":
        raise Unsupported(f"device {t.device.type}")
    if t.ndim > 64:
        raise Unsupported("more than 64 dims")
    dtype = dtype_of(t.dtype)
    plain = t.detach().resolve_conj().resolve_neg()
    order = sorted(range(t.ndim), key=lambda d: (-t.stride(d), d))
    base = plain.permute(order).contiguous()
    if base.dtype is torch.bfloat16:
        out = thrace.tensor(base.float().numpy()).to(dtype)
    else:
        out = thrace.tensor(np.array(base.numpy()), dtype=dtype)
    if order != sorted(order):
        out = out.permute(tuple(int(i) for i in np.argsort(order))).detach()
    return out.requires_grad_() if t.requires_grad else out


def rebound(fn: Any) -> Any:
    """`fn` with thrace where its module has torch; other callables as they are."""
    if isinstance(fn, functools.partial):
        return functools.partial(swapped(fn.func), *fn.args, **fn.keywords)
    if not isinstance(fn, types.FunctionType):
        return fn
    names = dict(fn.__globals__)
    names["torch"] = thrace
    cells = fn.__closure__
    if cells is not None:
        cells = tuple(types.CellType(swapped(c.cell_contents)) for c in cells)
    new = types.FunctionType(fn.__code__, names, fn.__name__, fn.__defaults__, cells)
    new.__kwdefaults__ = fn.__kwdefaults__
    return new


def swapped(value: Any) -> Any:
    """thrace's function for PyTorch's, where one is closed over."""
    if isinstance(value, types.FunctionType) and value.__module__.startswith("torch.testing"):
        return rebound(value)
    name = getattr(value, "__name__", None)
    if isinstance(value, types.BuiltinFunctionType) and name:
        return find(name) or value
    if isinstance(value, types.FunctionType) and value.__module__.startswith("torch."):
        return find(f"{value.__module__}.{name}") or value
    return value


def find(name: str) -> Callable[..., Any] | None:
    """thrace's function of a dotted name, or a function calling the method of that name."""
    found = find_in(thrace, name)
    if callable(found):
        return found
    if "." not in name and hasattr(thrace.Tensor, name):
        attribute = getattr(thrace.Tensor, name)
        if isinstance(attribute, property):
            return lambda x: getattr(x, name)
        return functools.partial(method, name)
    return None


def find_in(library: Any, name: str) -> Any:
    """What a dotted name means in `library`; None if nothing."""
    for part in name.removeprefix("torch.").split("."):
        library = getattr(library, part, None)
    return library


def method(name: str, self: Any, *args: Any, **kwargs: Any) -> Any:
    """A method of a tensor. Raises: TypeError where there is none to call it on."""
    if not isinstance(self, thrace.Tensor):
        raise TypeError(f"{name} is a method of tensors, got {type(self).__name__}")
    return getattr(self, name)(*args, **kwargs)


def function_for(op: Any) -> Callable[..., Any] | None:
    """What thrace has for an entry of the database; None if it is missing."""
    fn = op.op
    if isinstance(fn, types.FunctionType) and fn.__module__.startswith("torch.testing"):
        if find(op.name) is None and not hasattr(thrace.Tensor, f"{op.name}_"):
            return None
        return rebound(fn)
    return find(op.name)


def tensors_in(value: Any) -> list[Any]:
    """All tensors of a nest, PyTorch's or ours, in order."""
    if isinstance(value, (torch.Tensor, thrace.Tensor)):
        return [value]
    if isinstance(value, dict):
        return [t for v in value.values() for t in tensors_in(v)]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors_in(v)]
    return []
