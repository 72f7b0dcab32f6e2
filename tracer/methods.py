"""Binds the API to `Tensor`: operators, methods, in-place forms. Imported by the front door.

`bind()` runs once, when this file is imported. `FUNCTIONS` holds what the front door
re-exports by name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .api import (
    arithmetic,
    arrange,
    compare,
    complexes,
    control,
    convert,
    copies,
    creation,
    decompositions,
    distributions,
    einsum,
    extremes,
    filled,
    gather,
    hashing,
    indexing,
    interchange,
    join,
    linalg,
    lowrank,
    moments,
    parts,
    queries,
    random,
    ranges,
    reduce,
    running,
    scatter,
    search,
    segments,
    shape,
    softmax,
    sort,
    special,
    standard,
    statistics,
    stft,
    strided,
    unary,
    windows,
)
from .api.common import normalize_dim
from .keywords import with_keywords
from .nn.functional import plain
from .promotion import as_operand, check_kinds
from .state import LOCK, STATE
from .tensor import Tensor

MODULES: tuple[ModuleType, ...] = (
    *(
        creation,
        interchange,
        unary,
        arithmetic,
        compare,
        reduce,
        moments,
        extremes,
        softmax,
        shape,
        join,
    ),
    *(filled, distributions, queries, ranges, complexes, strided, parts, copies, arrange, windows),
    *(convert, indexing, gather, linalg, einsum, random),
    *(control, standard, sort, special, running, search, scatter, statistics, decompositions),
    *(stft, hashing, segments, lowrank),
    plain,
)
_OTHERS = (Tensor, int, float, complex, np.generic)

# Operators by the API function that does their work.
BINARY: dict[str, Callable[..., Tensor]] = {
    "__add__": arithmetic.add,
    "__sub__": arithmetic.sub,
    "__mul__": arithmetic.mul,
    "__truediv__": arithmetic.div,
    "__floordiv__": arithmetic.floor_divide,
    "__mod__": arithmetic.remainder,
    "__pow__": arithmetic.pow,
    "__and__": compare.bitwise_and,
    "__or__": compare.bitwise_or,
    "__xor__": compare.bitwise_xor,
    "__lshift__": compare.bitwise_left_shift,
    "__rshift__": compare.bitwise_right_shift,
    "__lt__": compare.lt,
    "__le__": compare.le,
    "__gt__": compare.gt,
    "__ge__": compare.ge,
}
# Those with the operands exchanged; `2 - x` has a backward function of its own in PyTorch.
REFLECTED: dict[str, Callable[..., Tensor]] = {
    "__radd__": lambda x, y: arithmetic.add(x, y),
    "__rsub__": arithmetic.rsub,
    "__rmul__": lambda x, y: arithmetic.mul(x, y),
    "__rtruediv__": arithmetic.rdiv,
    "__rfloordiv__": lambda x, y: arithmetic.floor_divide(y, x),
    "__rmod__": lambda x, y: arithmetic.remainder(y, x),
    "__rpow__": lambda x, y: arithmetic.pow(y, x),
    "__rand__": lambda x, y: compare.bitwise_and(x, y),
    "__rmatmul__": lambda x, y: linalg.matmul(y, x),
    "__rdiv__": arithmetic.rdiv,
    "__ror__": lambda x, y: compare.bitwise_or(x, y),
    "__rxor__": lambda x, y: compare.bitwise_xor(x, y),
    "__rlshift__": lambda x, y: compare.bitwise_left_shift(y, x),
    "__rrshift__": lambda x, y: compare.bitwise_right_shift(y, x),
}
# `x += y` and the like; PyTorch has no in-place `@` and no in-place comparison operators.
AUGMENTED = {
    "__iadd__": "__add__",
    "__isub__": "__sub__",
    "__imul__": "__mul__",
    "__itruediv__": "__truediv__",
    "__ifloordiv__": "__floordiv__",
    "__imod__": "__mod__",
    "__ipow__": "__pow__",
    "__iand__": "__and__",
    "__ior__": "__or__",
    "__ixor__": "__xor__",
    "__ilshift__": "__lshift__",
    "__irshift__": "__rshift__",
}
UNARY: dict[str, Callable[[Tensor], Any]] = {
    "__neg__": unary.neg,
    "__pos__": unary.positive,
    "__abs__": unary.abs,
}


def _operator(name: str, fn: Callable[..., Tensor]) -> Callable[..., Any]:
    """`fn` as an operator: anything that is no operand is left to the other side."""

    def operator(self: Tensor, other: Any) -> Any:
        if isinstance(other, _OTHERS):
            return fn(self, other)
        if isinstance(other, np.ndarray):
            return fn(self, as_operand(name, other))
        return NotImplemented

    operator.__name__ = operator.__qualname__ = name
    operator.__doc__ = fn.__doc__
    return operator


def _augmented(name: str, operator: Callable[..., Any]) -> Callable[..., Any]:
    def augmented(self: Tensor, other: Any) -> Any:
        result = operator(self._past_hooks(), other)
        return result if result is NotImplemented else self._write(result)

    augmented.__name__ = augmented.__qualname__ = name
    augmented.__doc__ = "The operator, written into this tensor."
    return augmented


def _inplace(name: str, fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`name_`: what `fn` gives, written into the tensor. Its dtype must fit."""

    @functools.wraps(fn)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        try:
            read = self._past_hooks() if isinstance(self, Tensor) else self
            result = fn(read, *args, **kwargs)
        except (RuntimeError, IndexError, ValueError):
            # PyTorch refuses a leaf before it looks at the rest.
            if STATE.grad_enabled and isinstance(self, Tensor) and self._view is not None:
                self._check_writable(self._view, False)
            raise
        return self._write(result)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{fn.__name__}`, written into this tensor, which is returned."
    return method


# They call functions of the user's, which may wait for another thread.
_CALLING = frozenset(("apply_", "map_", "map2_"))


def _whole(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, if its name says that it writes to its tensor, with reading and writing as one step:
    of writes from several threads none is lost."""
    if name.endswith("__"):
        writes = name == "__setitem__" or name in AUGMENTED
    else:
        writes = name.endswith("_") and name not in _CALLING
    if not writes:
        return fn

    @functools.wraps(fn)
    def method(*args: Any, **kwargs: Any) -> Any:
        with LOCK:
            return fn(*args, **kwargs)

    return method


def invert(self: Tensor) -> Tensor:
    """`~self`: bits, or for bools the logical opposite. Raises: TypeError for other dtypes."""
    check_kinds("bitwise_not", self, "bool", "int", "uint")
    return compare.bitwise_not(self)


def equals(self: Tensor, other: Any) -> Any:
    """Elementwise equality; False beside what is no operand."""
    return compare.eq(self, other) if isinstance(other, _OTHERS) else NotImplemented  # type: ignore


def differs(self: Tensor, other: Any) -> Any:
    """Elementwise inequality; True beside what is no operand."""
    return compare.ne(self, other) if isinstance(other, _OTHERS) else NotImplemented  # type: ignore


def matrix_product(self: Tensor, other: Any) -> Any:
    """`self @ other`."""
    return linalg.matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one dim."""
    if dim is None:
        return self.shape
    return self._type.shape[normalize_dim("size", dim, self._type.ndim)]


def dim(self: Tensor) -> int:
    """The number of dims."""
    return self._type.ndim


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input._type.numel


def element_size(self: Tensor) -> int:
    """Bytes per element."""
    return self._type.dtype.itemsize


def is_same_size(self: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal."""
    return self._type.shape == other._type.shape


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


_OWN = {
    "__invert__": invert,
    "__eq__": equals,
    "__ne__": differs,
    "__matmul__": matrix_product,
    "size": size,
    "dim": dim,
    "ndimension": dim,
    "numel": numel,
    "nelement": numel,
    "element_size": element_size,
    "is_same_size": is_same_size,
}


def methods() -> dict[str, Callable[..., Any]]:
    """Every method that is bound, by name."""
    out: dict[str, Callable[..., Any]] = {}
    for name, fn in BINARY.items():
        out[name] = _operator(name, fn)
    for name, fn in REFLECTED.items():
        out[name] = _operator(name, fn)
    for name, operator in AUGMENTED.items():
        out[name] = _augmented(name, out[operator])
    out |= UNARY
    for module in MODULES:
        out |= module.METHODS
    for module in MODULES:
        for name in module.INPLACE:
            out[f"{name}_"] = _inplace(f"{name}_", out[name])
    return out | _OWN


def functions() -> dict[str, Callable[..., Any]]:
    """Every public function, by name."""
    out: dict[str, Callable[..., Any]] = {"is_tensor": is_tensor, "numel": numel}
    for module in MODULES:
        out |= module.FUNCTIONS
    for module in MODULES:
        for name in module.INPLACE_FUNCTIONS:
            out[f"{name}_"] = getattr(Tensor, f"{name}_")
    return out


def bind() -> None:
    """Put the methods on `Tensor`, except those that it spells out itself."""
    spelled_out = set(Tensor.__dict__) - {"__eq__", "__ne__", "__init_subclass__"}
    for name, fn in methods().items():
        if name not in spelled_out:
            setattr(Tensor, name, with_keywords(name, _whole(name, fn)))
    for module in MODULES:
        for name, prop in getattr(module, "PROPERTIES", {}).items():
            setattr(Tensor, name, prop)


bind()
FUNCTIONS = functions()
LINALG = linalg.LINALG
