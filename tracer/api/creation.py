"""Making tensors from data, sizes and ranges. Re-exported by `thrace`; `new_*` are methods."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.errors import ShapeError
from ...ir.graph import Value
from ...ir.promotion import promote_types, scalar_dtype
from ...ir.types import DType, TensorType, dtype_from_numpy, float64, int64
from .. import prims
from ..devices import as_device
from ..promotion import INT_RANGE, Number, as_operand, check_tensor, common_dtype, literal
from ..scoping import scoped
from ..state import default_dtype, note_outside
from ..tensor import Tensor, from_host
from .common import as_dtype, as_int, as_sizes, check_sizes, dense_strides, give, located, relayout
from .convert import number_for, to

# Data


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
        array = _from_python(data, data)
    elif isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    elif isinstance(data, Sequence):
        array = _from_python(data, _first(data))
    else:
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    if dtype is not None:
        if array.dtype.kind in "iu" and dtype.kind == "uint" and array.size:
            high = INT_RANGE[dtype][1]
            if array.max() > high or array.min() < -high - 1:
                raise RuntimeError(
                    f"value cannot be converted to type {dtype.name} without overflow"
                )
        return array.astype(dtype.np, copy=False)
    return array


def _first(data: Any) -> Any:
    """The first leaf of nested sequences, None if there is none."""
    while isinstance(data, Sequence) and not isinstance(data, str):
        if not len(data):
            return None
        data = data[0]
    return data


def _from_python(data: Any, leaf: Any) -> np.ndarray:
    """Numbers in nested sequences. NumPy infers as PyTorch does, but for the widths."""
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
    if isinstance(leaf, (np.generic, np.ndarray)):
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
    """`data` as a tensor: itself if it is one of that dtype and device, else a copy.

    NumPy arrays are always copied: later writes to the array do not reach the tensor.
    """
    if isinstance(data, Tensor):
        return to(data, dtype=dtype, device=device)
    return tensor(data, dtype=dtype, device=device)


asarray = as_tensor


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor with a copy of an array's data, of the same dtype.

    Unlike PyTorch's, the two do not share memory: later writes to one do not reach the other.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    note_outside()
    return from_host(ndarray, dtype_from_numpy(ndarray.dtype))


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor with a copy of another library's data, handed over by DLPack.

    Unlike PyTorch's, the two do not share memory. Raises: TypeError for an object without
    `__dlpack__`.
    """
    from ...runtime.interop import from_dlpack as take

    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"expected an object with __dlpack__, got {type(ext_tensor).__name__}")
    note_outside()
    buffer = take(ext_tensor)
    on_host = ext_tensor.__dlpack_device__()[0] == 1
    place = as_device(None if on_host else f"cuda:{ext_tensor.__dlpack_device__()[1]}")
    type_ = TensorType(buffer.shape, dtype_from_numpy(buffer.dtype))
    return Tensor._wrap(Value(type_, buffer=buffer), place)


def scalar_tensor(s: Number, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A 0-d tensor of the default dtype with the number `s`."""
    return full((), s, dtype=dtype or default_dtype(), device=device)


def legacy_constructor(*args: Any, device: Any = None) -> Tensor:
    """What `Tensor(...)` makes: of a sequence its data, of sizes an uninitialised tensor."""
    if len(args) == 1 and isinstance(args[0], Tensor):
        return args[0].detach()
    if len(args) == 1 and isinstance(args[0], (list, tuple, np.ndarray, range)):
        return tensor(args[0], dtype=default_dtype(), device=device)
    return empty(*args, device=device) if args else tensor([], device=device)


# Constants


def _filled(
    name: str, shape: Any, value: Any, dtype: DType | None, device: Any, requires_grad: bool
) -> Tensor:
    sizes = located(check_sizes)(name, as_sizes(name, shape))
    dtype = default_dtype() if dtype is None else as_dtype(name, dtype)
    made = prims.full(value, shape=sizes, dtype=dtype, device=device)
    return made.requires_grad_() if requires_grad else made


def zeros(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **ignored: Any,
) -> Tensor:
    """Zeros in a shape given as `zeros(2, 3)` or `zeros((2, 3))`."""
    size = _size("zeros", size, ignored)
    if out is not None:
        return _into("zeros", out, size, 0)
    return _filled("zeros", size, 0, dtype, device, requires_grad)


def ones(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **ignored: Any,
) -> Tensor:
    """Ones in a shape given as `ones(2, 3)` or `ones((2, 3))`."""
    size = _size("ones", size, ignored)
    if out is not None:
        return _into("ones", out, size, 1)
    return _filled("ones", size, 1, dtype, device, requires_grad)


def empty(
    *size: Any,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **ignored: Any,
) -> Tensor:
    """A tensor whose elements are to be written; until then they are zero."""
    size = _size("empty", size, ignored)
    if out is not None:
        return _into("empty", out, size, 0)
    return _filled("empty", size, 0, dtype, device, requires_grad)


_IGNORED = ("layout", "pin_memory", "memory_format")  # of no meaning here


def _size(name: str, size: tuple, keywords: dict[str, Any]) -> tuple:
    """The sizes, which may come by keyword. Raises: TypeError for an unknown keyword."""
    if "size" in keywords:
        size = (keywords.pop("size"),)
    for key in keywords:
        if key not in _IGNORED:
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
    return size


def _into(name: str, out: Tensor, size: tuple, value: Any) -> Tensor:
    return give(name, _filled(name, size, value, out._type.dtype, out.device, False), out)


def full(
    size: Any,
    fill_value: Number | Tensor,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor filled with one value, whose dtype it has unless told otherwise."""
    value = as_operand("full", fill_value, "fill_value")
    if dtype is None:
        dtype = common_dtype(value) if out is None else out._type.dtype
    if isinstance(value, Tensor):
        sizes = located(check_sizes)("full", as_sizes("full", (size,)))
        made = prims.broadcast(prims.convert(value, dtype), shape=sizes)
        return made.requires_grad_() if requires_grad else made
    value = number_for("full", value, as_dtype("full", dtype))
    made = _filled("full", (size,), value, dtype, device, requires_grad)
    if out is not None:
        return give("full", made, out)
    return made


def _like(
    name: str, x: Tensor, value: Any, dtype: DType | None, device: Any, requires_grad: bool
) -> Tensor:
    """A tensor filled with `value`, like `x` in shape, strides, and dtype and device if None."""
    check_tensor(name, x)
    place = x.device if device is None else as_device(device)
    dtype = x._type.dtype if dtype is None else as_dtype(name, dtype)
    value = number_for(name, value, dtype)
    made = prims.full(value, shape=x._type.shape, dtype=dtype, device=place)
    relayout(made, dense_strides(x))
    return made.requires_grad_() if requires_grad else made


def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Zeros in the shape of `input`, with its dtype and device."""
    return _like("zeros_like", input, 0, dtype, device, requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Ones in the shape of `input`, with its dtype and device."""
    return _like("ones_like", input, 1, dtype, device, requires_grad)


def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor to be written, in the shape of `input`, with its dtype and device."""
    return _like("empty_like", input, 0, dtype, device, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor filled with one value, in the shape of `input`, with its dtype and device."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    return _like("full_like", input, fill_value, dtype, device, requires_grad)


# Ranges and the identity


@located
def arange(
    start: Number | Tensor = 0,
    end: Number | Tensor | None = None,
    step: Number | Tensor = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` (0 if one bound is given) to below `end`, `step` apart.

    Dtypes: int64 if all are ints, else the default dtype.
    """
    if end is None:
        start, end = 0, start
    low, high, gap = (_number("arange", v) for v in (start, end, step))
    if gap == 0:
        raise ShapeError("arange: step must be nonzero")
    if (high - low) * gap < 0:
        raise ShapeError("arange: upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        whole = all(isinstance(v, int) for v in (low, high, gap))
        dtype = out._type.dtype if out is not None else int64 if whole else default_dtype()
    if as_dtype("arange", dtype).kind in ("int", "uint", "bool"):
        low, high, gap = int(low), int(high), int(gap)
        count = -(-(high - low) // gap)
    else:
        count = math.ceil((high - low) / gap)
    made = _range(count, low, gap, dtype, device)
    if out is not None:
        return give("arange", made, out)
    return made.requires_grad_() if requires_grad else made


def _number(name: str, value: Any) -> Any:
    value = as_operand(name, value, "start", 1)
    return value.item() if isinstance(value, Tensor) else value


@scoped(name="arange")
def _range(count: int, low: Any, gap: Any, dtype: DType, device: Any) -> Tensor:
    """`low + i * gap`, computed wide enough that half precision and float32 come out exact."""
    wide = dtype if dtype.kind in ("int", "uint") else float64
    x = prims.iota(shape=(count,), axis=0, dtype=wide, device=device)
    if gap != 1:
        x = prims.mul(x, literal(gap, wide))
    if low != 0:
        x = prims.add(x, literal(low, wide))
    return prims.convert(x, dtype)


@located
def linspace(
    start: Number | Tensor,
    end: Number | Tensor,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, at equal distances."""
    low, high = _number("linspace", start), _number("linspace", end)
    steps = as_int("linspace", steps, "steps")
    if steps < 0:
        raise ShapeError("linspace: number of steps must be non-negative")
    dtype = default_dtype() if dtype is None else as_dtype("linspace", dtype)
    made = _line(float(low), float(high), steps, dtype, device)
    if out is not None:
        return give("linspace", made, out)
    return made.requires_grad_() if requires_grad else made


@scoped(name="linspace")
def _line(low: float, high: float, steps: int, dtype: DType, device: Any) -> Tensor:
    """From both ends towards the middle, so that both ends are exact."""
    i = prims.iota(shape=(steps,), axis=0, dtype=float64, device=device)
    gap = (high - low) / (steps - 1) if steps > 1 else 0.0
    rising = prims.add(prims.mul(i, gap), low)
    falling = prims.sub(high, prims.mul(prims.sub(float(steps - 1), i), gap))
    first_half = prims.lt(i, float(steps // 2))
    line = rising if steps == 1 else prims.select(first_half, rising, falling)
    return prims.convert(line, dtype)


@located
def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The identity matrix of `n` rows and `m` (as many, if None) columns."""
    rows = as_int("eye", n, "n")
    columns = rows if m is None else as_int("eye", m, "m")
    for name, size in (("n", rows), ("m", columns)):
        if size < 0:
            raise ShapeError(f"eye: {name} must be greater or equal to 0, got {size}")
    made = _identity(rows, columns, dtype or default_dtype(), device)
    if out is not None:
        return give("eye", made, out)
    return made.requires_grad_() if requires_grad else made


@scoped(name="eye")
def _identity(rows: int, columns: int, dtype: DType, device: Any) -> Tensor:
    shape = (rows, columns)
    down = prims.iota(shape=shape, axis=0, dtype=int64, device=device)
    across = prims.iota(shape=shape, axis=1, dtype=int64, device=device)
    return prims.convert(prims.eq(down, across), dtype)


# Methods that make tensors like `self`


def new_tensor(
    self: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None, **options: Any
) -> Tensor:
    """A tensor of `data`, with the dtype and device of `self` unless told otherwise."""
    if dtype is None:
        dtype = self._type.dtype
    return tensor(data, dtype=dtype, device=device or self.device, **options)


def _new(make: Any) -> Any:
    def method(
        self: Tensor, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any
    ) -> Tensor:
        if dtype is None:
            dtype = self._type.dtype
        return make(*args, dtype=dtype, device=device or self.device, **options)

    method.__name__ = method.__qualname__ = f"new_{make.__name__}"
    method.__doc__ = f"`{make.__name__}` with the dtype and device of `self` unless told otherwise."
    return method


METHODS = {f.__name__: f for f in (new_tensor, *map(_new, (zeros, ones, empty, full)))}
FUNCTIONS = {
    f.__name__: f
    for f in (
        *(
            tensor,
            as_tensor,
            from_numpy,
            from_dlpack,
            scalar_tensor,
            zeros,
            ones,
            empty,
            full,
            zeros_like,
        ),
        *(ones_like, empty_like, full_like, arange, linspace, eye),
    )
}
FUNCTIONS["asarray"] = asarray
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
