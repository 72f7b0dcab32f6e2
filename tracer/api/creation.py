"""Making tensors from data. Re-exported by `thrace`; `new_tensor` is a method."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir import types
from ...ir.promotion import promote_types, scalar_dtype
from ...ir.types import DType, dtype_from_numpy
from ..devices import CPU, as_device
from ..promotion import INT_RANGE, Number
from ..shared import from_array
from ..state import default_dtype, note_outside
from ..tensor import Size, Tensor, from_host
from . import interchange
from .common import as_dtype
from .convert import TYPE_NAMES, clone, to
from .filled import empty, full

# Data

MAX_NESTING = 128  # PyTorch's limit


def tensor(
    data: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of `data`: a number, nested sequences, a NumPy array, a tensor.

    Dtypes: Python floats become the default dtype, ints int64; arrays keep theirs.
    Raises: ValueError for ragged sequences, TypeError or RuntimeError for what is no data.
    """
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than "
            "thrace.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        made = to(data.detach(), dtype=dtype, device=device).clone()
        return made.requires_grad_() if requires_grad else made
    if dtype is not None:
        as_dtype("tensor", dtype)
    return from_host(_as_array(data, dtype), dtype, device, requires_grad)


def _as_array(data: Any, dtype: DType | None) -> np.ndarray:
    """`data` as an array whose dtype is the one PyTorch infers, or `dtype`."""
    if hasattr(data, "__array__"):
        note_outside()
        array = np.asarray(data)
    elif isinstance(data, (bool, int, float, complex)):
        array = _from_python(data, data, dtype)
    elif isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    elif isinstance(data, Sequence):
        array = _from_python(data, _first(data), dtype)
    else:
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    if dtype is None:
        return array
    if not hasattr(data, "__array__"):
        _check_fits(array, dtype)
    return array.astype(dtype.np, copy=False)


def _check_fits(array: np.ndarray, dtype: DType) -> None:
    """Raises: RuntimeError if Python's numbers are beyond an integer dtype, TypeError if they
    are complex and `dtype` is not."""
    if array.dtype.kind == "c" and not dtype.is_complex:
        raise TypeError("must be real number, not complex")
    if dtype not in INT_RANGE or not array.size or array.dtype.kind == "b":
        return
    low, high = INT_RANGE[dtype]
    if dtype.kind == "uint":
        low = -high  # negative ones wrap around
    if not (array.max() <= high and array.min() >= low):  # nan is neither
        raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")


def _first(data: Any) -> Any:
    """The first leaf of nested sequences, None if there is none.

    Raises: ValueError for sequences nested too deep, such as a list that holds itself.
    """
    for _ in range(MAX_NESTING):
        if not isinstance(data, Sequence) or isinstance(data, str):
            return data
        if not len(data):
            return None
        data = data[0]
    raise ValueError(f"too many dimensions '{type(data).__name__}'")


def _from_python(data: Any, leaf: Any, dtype: DType | None) -> np.ndarray:
    """Numbers in nested sequences. NumPy infers as PyTorch does, but for the widths, which
    stay NumPy's where a `dtype` is known."""
    original = data
    if isinstance(leaf, Tensor):
        data = _plain(data)
    try:
        array = np.array(data)
    except ValueError:
        check_regular(data)
        raise
    kind = array.dtype.kind
    if kind == "O" or (kind == "u" and not isinstance(leaf, (np.generic, np.ndarray))):
        check_leaves(data)
        raise ValueError("Overflow when unpacking long long")
    if kind in "USMm":
        check_leaves(data)
        raise TypeError(f"can't convert NumPy data of type {array.dtype} to a tensor")
    if isinstance(leaf, Tensor):
        return array.astype(_promoted(original).np)
    if isinstance(leaf, (np.generic, np.ndarray)) or (dtype is not None and array.size):
        return array
    if not array.size:
        return array.astype(default_dtype().np)
    if kind == "f":
        return array.astype(default_dtype().np)
    return array.astype(default_dtype().to_complex().np) if kind == "c" else array


def _promoted(data: Any) -> DType:
    """The dtype that all tensors in nested sequences promote to."""
    if isinstance(data, Tensor):
        return data._type.dtype
    if isinstance(data, (list, tuple)):
        return functools.reduce(promote_types, map(_promoted, data))
    return scalar_dtype(data, default_dtype())


def _plain(data: Any) -> Any:
    """Tensors inside sequences as arrays; those of one element as scalars, as in PyTorch."""
    if isinstance(data, Tensor):
        array = data._host()
        return array.reshape(()) if array.size == 1 else array
    if isinstance(data, (list, tuple)):
        return [_plain(d) for d in data]
    return data


def check_regular(data: Any) -> None:
    """Raises: ValueError or TypeError saying where nested sequences are ragged."""
    shape: list[int] = []
    level = data
    while isinstance(level, Sequence) and not isinstance(level, str):
        shape.append(len(level))
        if not len(level):
            break
        level = level[0]
    todo = [(data, 0)]
    while todo:
        part, depth = todo.pop()
        is_list = isinstance(part, Sequence) and not isinstance(part, str)
        if depth == len(shape):
            if is_list:
                raise TypeError(f"'{type(part).__name__}' object cannot be interpreted as a number")
            continue
        if not is_list:
            raise TypeError("not a sequence")
        if len(part) != shape[depth]:
            raise ValueError(
                f"expected sequence of length {shape[depth]} at dim {depth} (got {len(part)})"
            )
        todo += [(p, depth + 1) for p in reversed(part)]


def check_leaves(data: Any) -> None:
    """Raises: ValueError or RuntimeError for the first leaf that is no number."""
    todo = [data]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            raise ValueError("too many dimensions 'str'")
        if isinstance(part, Sequence):
            todo += reversed(part)
        elif not isinstance(part, (bool, int, float, complex, np.generic)):
            raise RuntimeError(f"Could not infer dtype of {type(part).__name__}")


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """`data` as a tensor: itself if it is one of that dtype and device; on the memory of a
    NumPy array if that has them; else a copy.
    """
    if isinstance(data, Tensor):
        return to(data, dtype=dtype, device=device)
    if isinstance(data, np.ndarray) and _fits(data, dtype, device):
        note_outside()
        return from_array(data)
    return tensor(data, dtype=dtype, device=device)


def _fits(array: np.ndarray, dtype: DType | None, device: Any) -> bool:
    """Whether a tensor of this dtype and device can be on an array's memory."""
    if as_device(device) is not CPU or not array.dtype.isnative or array.dtype.hasobject:
        return False
    size = array.itemsize
    return array.dtype.kind in "biufc" and (
        (dtype is None or dtype.np == array.dtype)
        and all(s >= 0 and s % size == 0 for s in array.strides)
    )


def asarray(
    obj: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """`obj` as a tensor: itself if it is one that fits, or on the memory of a NumPy array,
    DLPack data or buffer that does, unless `copy`; else a copy.

    It requires grad as `obj` does if `requires_grad` is None, and has no history if it is
    False. Raises: ValueError where `copy=False` and a copy would be needed.
    """
    shares = isinstance(obj, (Tensor, np.ndarray))
    if not shares and hasattr(obj, "__dlpack__"):
        obj, shares = interchange.from_dlpack(obj), True
    if not shares and isinstance(obj, (bytearray, memoryview)):
        kind = default_dtype() if dtype is None else dtype
        obj, shares = interchange.frombuffer(obj, dtype=kind), True
    if copy is False and not shares:
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    if copy is False:
        _check_aliases(obj, dtype, device)
    made = (
        tensor(obj, dtype=dtype, device=device)
        if copy and not isinstance(obj, Tensor)
        else (as_tensor(obj, dtype, device))
    )
    if made is obj and copy:
        made = clone(made)
    if requires_grad is False and made.requires_grad:
        made = made.detach()
    return made.requires_grad_() if requires_grad else made


def _check_aliases(obj: Any, dtype: DType | None, device: Any) -> None:
    """Raises: ValueError if a tensor of this dtype and device needs a copy of `obj`."""
    own = obj._type.dtype if isinstance(obj, Tensor) else dtype_from_numpy(obj.dtype)
    if dtype is not None and own is not dtype:
        raise ValueError(
            f"can't alias tensor with dtype '{_name(own)}' into dtype '{_name(dtype)}'."
        )
    place = obj.device if isinstance(obj, Tensor) else CPU
    if device is not None and as_device(device) is not place:
        raise ValueError(f"can't alias tensor from device '{place}' to '{as_device(device)}'.")


def _name(dtype: DType) -> str:
    return TYPE_NAMES[dtype].removesuffix("Tensor")


def scalar_tensor(
    s: Number,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A 0-d tensor of the default dtype with the number `s`."""
    dtype = default_dtype() if dtype is None else dtype
    return full((), s, dtype=dtype, device=device, requires_grad=requires_grad)


def legacy_constructor(*args: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """What `Tensor(...)` makes: of a sequence its data, of sizes an uninitialised tensor.

    Raises: TypeError for anything else.
    """
    dtype = default_dtype() if dtype is None else dtype
    if len(args) == 1:
        data = args[0]
        if isinstance(data, Size):
            return empty(data, dtype=dtype, device=device)
        if isinstance(data, Tensor):
            if data._type.dtype is not dtype:
                raise TypeError(f"expected {dtype} (got {data._type.dtype})")
            return data.detach()
        if isinstance(data, (list, tuple, np.ndarray, range)):
            return tensor(data, dtype=dtype, device=device)
        if isinstance(data, float):
            raise TypeError("new(): data must be a sequence (got float)")
    return empty(*args, dtype=dtype, device=device) if args else empty(0, dtype=dtype)


def _typed(name: str, dtype: DType) -> Any:
    def make(*args: Any, device: Any = None) -> Tensor:
        return legacy_constructor(*args, dtype=dtype, device=device)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"`Tensor(...)` of dtype {dtype.name}: from sizes, or from a sequence."
    return make


FloatTensor = _typed("FloatTensor", types.float32)
DoubleTensor = _typed("DoubleTensor", types.float64)
HalfTensor = _typed("HalfTensor", types.float16)
BFloat16Tensor = _typed("BFloat16Tensor", types.bfloat16)
LongTensor = _typed("LongTensor", types.int64)
IntTensor = _typed("IntTensor", types.int32)
ShortTensor = _typed("ShortTensor", types.int16)
CharTensor = _typed("CharTensor", types.int8)
ByteTensor = _typed("ByteTensor", types.uint8)
BoolTensor = _typed("BoolTensor", types.bool_)


# Methods that make tensors like `self`


def new_tensor(
    self: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None, **options: Any
) -> Tensor:
    """A tensor of `data`, with the dtype and device of `self` unless told otherwise."""
    if dtype is None:
        dtype = self._type.dtype
    return tensor(data, dtype=dtype, device=device or self.device, **options)


def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """`Tensor(...)` with the dtype of `self`: from sizes, or from a sequence."""
    return legacy_constructor(*args, dtype=self._type.dtype, device=device or self.device)


METHODS = {f.__name__: f for f in (new, new_tensor)}
FUNCTIONS = {
    f.__name__: f
    for f in (
        *(tensor, as_tensor, asarray, scalar_tensor),
        *(FloatTensor, DoubleTensor, HalfTensor, BFloat16Tensor, LongTensor, IntTensor),
        *(ShortTensor, CharTensor, ByteTensor, BoolTensor),
    )
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
