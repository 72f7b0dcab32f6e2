"""Other dtypes and devices, copies, and filling in place. Bound by `methods.py`."""

from __future__ import annotations

import builtins
from typing import Any

from ...ir.errors import ShapeError
from ...ir.graph import Value
from ...ir.promotion import broadcast_shapes
from ...ir.types import (
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from .. import prims
from ..devices import CPU, Device, as_device
from ..formats import contiguous_format, format_strides, preserve_format, suggested
from ..function import Function
from ..promotion import Operand, as_operand, check_tensor, literal
from ..scoping import GRAD_FN, scoped
from ..state import STATE, scope
from ..tensor import Tensor
from .common import PYTHON_TYPES, in_place_of, located, relayout, same_value

GRAD_FN |= {"copy_": "CopyBackwards", "to": "ToCopyBackward0"}

# The names of PyTorch's tensor types, as `x.type()` returns them and `x.type(name)` takes.
TYPE_NAMES = {
    float32: "FloatTensor",
    float64: "DoubleTensor",
    float16: "HalfTensor",
    bfloat16: "BFloat16Tensor",
    int64: "LongTensor",
    int32: "IntTensor",
    int16: "ShortTensor",
    int8: "CharTensor",
    uint8: "ByteTensor",
    bool_: "BoolTensor",
    complex64: "ComplexFloatTensor",
    complex128: "ComplexDoubleTensor",
}
_BY_TYPE_NAME = {name: dtype for dtype, name in TYPE_NAMES.items()}


class ToCopy(Function):
    """A tensor on another device; its gradient comes back to where the tensor was."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, device: Device) -> Tensor:
        ctx.source = x.device
        return _transferred(x, device)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return move(grad, ctx.source), None


def _transferred(x: Tensor, device: Device) -> Tensor:
    from ...runtime.buffer import own_copy, to_device, to_numpy

    buffer = x._observe()
    moved = own_copy(to_numpy(buffer)) if device is CPU else to_device(buffer, device)
    return Tensor._wrap(Value(x._type, buffer=moved), device)


def move(x: Tensor, device: Device) -> Tensor:
    """`x` on `device`. The value is computed now: a transfer cuts the graph."""
    if x._storage.device is device:
        return x
    return ToCopy.apply(x, device) if x.requires_grad else _transferred(x, device)


@located
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """With another dtype, on another device, or both; `self` if nothing changes.

    `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`; `copy=True` always copies.
    """
    dtype, device, copy = parse_to("to", args, kwargs)
    out = self
    if device is not None:
        out = move(out, device)
    if dtype is not None and dtype is not out._type.dtype:
        with scope("to"):
            out = prims.convert(out, dtype)
    wanted = kwargs.get("memory_format")
    if wanted not in (None, preserve_format):
        if out is not self:
            return relayout(out, _format(out, wanted))
        if suggested(self._type.shape, self.stride()) is not wanted:
            return clone(self, memory_format=wanted)
    return clone(self) if copy and out is self else out


def parse_to(
    name: str, args: tuple, kwargs: dict[str, Any]
) -> tuple[DType | None, Device | None, bool]:
    """dtype, device and `copy` from the ways PyTorch takes them. Raises: TypeError."""
    kwargs = dict(kwargs)
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    copy = kwargs.pop("copy", False)
    other = kwargs.pop("other", None)
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(kwargs))!r}")
    flags = [a for a in args if a.__class__ is bool]  # non_blocking, copy
    copy = copy or (len(flags) > 1 and flags[1])
    for a in args:
        if isinstance(a, (DType, builtins.type)):
            dtype = a
        elif isinstance(a, Tensor):
            other = a
        elif isinstance(a, (str, Device, int)) and a.__class__ is not bool:
            device = a
        elif a is not None and a.__class__ is not bool:
            raise TypeError(f"{name}() received an invalid argument: {a.__class__.__name__}")
    if other is not None:
        dtype, device = other._type.dtype, other.device
    if isinstance(dtype, builtins.type):
        dtype = PYTHON_TYPES[dtype]
    return dtype, None if device is None else as_device(device), copy


def type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor type, or the tensor with another dtype (also given by name)."""
    if dtype is None:
        place = "cuda." if self.is_cuda else ""
        return f"thrace.{place}{TYPE_NAMES.get(self._type.dtype, self._type.dtype.name)}"
    if isinstance(dtype, str):
        found = _BY_TYPE_NAME.get(dtype.rpartition(".")[2])
        if found is None:
            raise ValueError(f"invalid type: {dtype!r}")
        dtype = found
    return to(self, dtype)


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """`self` with the dtype and device of `other`."""
    return to(self, other)


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """`self` on the CPU; itself if it is there."""
    return to(self, CPU, memory_format=memory_format)


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """`self` on a CUDA device, by default the first."""
    return to(self, as_device("cuda" if device is None else device))


def _shorthand(name: str, dtype: DType) -> Any:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return to(self, dtype, memory_format=memory_format)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`self` with dtype {dtype.name}; itself if it has that."
    return method


@scoped
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with its own storage, through which gradients flow.

    Raises: RuntimeError for a memory format of another number of dims.
    """
    check_tensor("clone", input)
    copy = same_value(input)
    if memory_format is None or memory_format is preserve_format:
        return copy
    return relayout(copy, _format(input, memory_format))


def _format(x: Tensor, memory_format: Any) -> tuple[int, ...] | None:
    return format_strides("clone", x._type.shape, memory_format)


def contiguous(self: Tensor, memory_format: Any = contiguous_format) -> Tensor:
    """`self` if its elements lie in row order (or another format), else a copy where they do."""
    if self.is_contiguous(memory_format):
        return self
    return clone(self, memory_format=memory_format)


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Overwrite with the elements of `src`, broadcast and converted to this dtype and device."""
    check_tensor("copy_", src, "src")
    with scope("copy_"):
        return assign(self, src)


@located
def assign(target: Tensor, source: Tensor) -> Tensor:
    """Write `source`, broadcast and converted, into `target`; dtypes of any kind convert."""
    given = source
    if source._storage.device is not target._storage.device:
        source = move(source, target._storage.device)
    source = prims.convert(source, target._type.dtype)
    shape = target._type.shape
    if source._type.shape != shape:
        common = broadcast_shapes("copy_", shape, source._type.shape)
        if common != shape:
            raise ShapeError(
                f"copy_: output with shape {list(shape)} doesn't match the broadcast shape "
                f"{list(common)}"
            )
        source = prims.broadcast(source, shape=shape)
    if STATE.grad_enabled and source.requires_grad and target.requires_grad:
        # What is overwritten gets a zero gradient rather than none.
        source = in_place_of(target._past_hooks(), source)
    elif source is given:
        source = same_value(source)  # its history stays its own
    return target._write(source)


def number_for(name: str, value: Any, dtype: DType) -> Any:
    """`value` as a literal of `dtype`. Raises: RuntimeError if it is complex and that is not."""
    if value.__class__ is complex and not dtype.is_complex:
        raise RuntimeError(f"{name}: value cannot be converted to type {dtype} without overflow")
    return literal(value, dtype)


@scoped
def full_like_value(like: Tensor, value: Operand) -> Tensor:
    """A tensor in the shape and dtype of `like`, filled with a number or 0-d tensor."""
    value = as_operand("fill_", value, "value")
    if isinstance(value, Tensor):
        if value._type.ndim:
            raise ShapeError(
                "fill_: only supports 0-dimension value tensor but got tensor with "
                f"{value._type.ndim} dimensions."
            )
        value = move(value, like._storage.device)
        return prims.broadcast(prims.convert(value, like._type.dtype), shape=like._type.shape)
    number = number_for("fill_", value, like._type.dtype)
    return prims.full(number, shape=like._type.shape, dtype=like._type.dtype, device=like.device)


def fill_(self: Tensor, value: Operand) -> Tensor:
    """Set every element to a number or 0-d tensor."""
    filled = full_like_value(self, value)
    if filled.requires_grad:
        filled = in_place_of(self._past_hooks(), filled)
    return self._write(filled, alike=not isinstance(value, Tensor))


def fill(input: Tensor, value: Operand) -> Tensor:
    """A tensor like `input`, filled with a number or 0-d tensor."""
    check_tensor("fill", input)
    return _filled(input, value)


@scoped(name="fill")
def _filled(x: Tensor, value: Operand) -> Tensor:
    return in_place_of(x, full_like_value(x, value))


def zero_(self: Tensor) -> Tensor:
    """Set every element to zero."""
    return self._write(full_like_value(self, 0), alike=True)


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Set the elements whose indices are all equal to a number."""
    shape = self._type.shape
    if len(shape) < 2:
        raise ShapeError("fill_diagonal_: dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise ShapeError("fill_diagonal_: all dimensions of input must be of equal length")
    axes = [
        prims.iota(shape=shape, axis=a, dtype=int64, device=self.device) for a in range(len(shape))
    ]
    if wrap and len(shape) == 2 and shape[0] > shape[1]:
        # The diagonal starts again below a row that it skips.
        axes[0] = prims.rem(axes[0], shape[1] + 1)
    hit = prims.eq(axes[0], axes[1])
    for other in axes[2:]:
        hit = prims.bit_and(hit, prims.eq(axes[0], other))
    number = number_for("fill_diagonal_", fill_value, self._type.dtype)
    return self._write(prims.select(hit, number, self._past_hooks()))


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating-point one."""
    return input._type.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input._type.dtype.is_complex


def is_signed(self: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return self._type.dtype.is_signed


SHORTHANDS = {
    "float": float32,
    "double": float64,
    "half": float16,
    "bfloat16": bfloat16,
    "int": int32,
    "long": int64,
    "short": int16,
    "char": int8,
    "byte": uint8,
    "bool": bool_,
    "cfloat": complex64,
    "cdouble": complex128,
}
METHODS = {
    f.__name__: f
    for f in (
        *(to, type, type_as, cpu, cuda, clone, contiguous, copy_, fill_, zero_, fill_diagonal_),
        *(is_floating_point, is_complex, is_signed),
    )
}
METHODS |= {name: _shorthand(name, dtype) for name, dtype in SHORTHANDS.items()}
FUNCTIONS = {
    "clone": clone,
    "fill": fill,
    "fill_": fill_,
    "zero_": zero_,
    "is_floating_point": is_floating_point,
    "is_complex": is_complex,
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
