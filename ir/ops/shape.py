"""Ops that move or make elements without arithmetic.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..promotion import broadcast_shapes
from ..types import DType, Shape, TensorType, dtype_from_numpy
from .table import op, table
from .typing import NUMERIC, check_axes, check_dtype

Ints = tuple[int, ...]


class Constant:
    """Array data as an attribute: hashed by dtype, shape and bytes, never written to."""

    __slots__ = ("array", "digest")

    def __init__(self, array: Any):
        self.array = np.array(array, order="C")
        self.array.setflags(write=False)
        head = f"{self.array.dtype}{self.array.shape}".encode()
        self.digest = hashlib.sha256(head + self.array.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Constant({self.array.dtype}{list(self.array.shape)}, {self.digest[:8]})"


def _numel(shape: Shape) -> int:
    out = 1
    for n in shape:
        out *= n
    return out


def _reshape_type(name: str, x: TensorType, *, shape: Shape) -> TensorType:
    if _numel(shape) != x.numel or any(n < 0 for n in shape):
        raise ShapeError(f"{name}: shape {shape} is invalid for input of shape {x.shape}")
    return x.with_shape(shape)


def _transpose_type(name: str, x: TensorType, *, perm: Ints) -> TensorType:
    if sorted(perm) != list(range(x.ndim)):
        raise ShapeError(f"{name}: {perm} does not permute the axes of shape {x.shape}")
    return x.with_shape(x.shape[p] for p in perm)


def inverse(perm: Ints) -> Ints:
    out = [0] * len(perm)
    for i, p in enumerate(perm):
        out[p] = i
    return tuple(out)


def _broadcast_type(name: str, x: TensorType, *, shape: Shape) -> TensorType:
    if len(shape) < x.ndim or broadcast_shapes(name, x.shape, shape) != tuple(shape):
        raise ShapeError(f"{name}: shape {x.shape} does not broadcast to {shape}")
    return x.with_shape(shape)


def _window(name: str, shape: Shape, starts: Ints, sizes: Ints, strides: Ints) -> None:
    if not len(starts) == len(sizes) == len(strides) == len(shape):
        raise ShapeError(f"{name}: one start, size and stride per axis of shape {shape}")
    for n, start, size, stride in zip(shape, starts, sizes, strides, strict=True):
        end = start + (size - 1) * stride + 1 if size else start
        if start < 0 or size < 0 or stride < 1 or end > n:
            raise ShapeError(
                f"{name}: starts {starts}, sizes {sizes}, strides {strides} leave shape {shape}"
            )


def _slice_type(
    name: str, x: TensorType, *, starts: Ints, sizes: Ints, strides: Ints
) -> TensorType:
    _window(name, x.shape, starts, sizes, strides)
    return x.with_shape(sizes)


def _unslice_type(
    name: str, x: TensorType, *, shape: Shape, starts: Ints, strides: Ints
) -> TensorType:
    _window(name, shape, starts, x.shape, strides)
    return x.with_shape(shape)


def _update_type(
    name: str, x: TensorType, u: TensorType, *, starts: Ints, strides: Ints
) -> TensorType:
    if u.dtype is not x.dtype:
        raise ShapeError(f"{name}: expected one dtype, got {x.dtype} and {u.dtype}")
    _window(name, x.shape, starts, u.shape, strides)
    return x


def _starts(name: str, x: TensorType, starts: tuple[TensorType, ...]) -> None:
    if len(starts) != x.ndim or any(s is None or s.ndim for s in starts):
        raise ShapeError(f"{name}: needs one scalar start per axis of shape {x.shape}")


def _dynamic_slice_type(
    name: str, x: TensorType, *starts: TensorType, sizes: Ints, strides: Ints
) -> TensorType:
    _starts(name, x, starts)
    _window(name, x.shape, (0,) * x.ndim, sizes, strides)
    return x.with_shape(sizes)


def _dynamic_unslice_type(
    name: str, x: TensorType, *starts: TensorType, shape: Shape, strides: Ints
) -> TensorType:
    _starts(name, x, starts)
    _window(name, shape, (0,) * x.ndim, x.shape, strides)
    return x.with_shape(shape)


def _dynamic_update_type(
    name: str, x: TensorType, u: TensorType, *starts: TensorType, strides: Ints
) -> TensorType:
    _starts(name, x, starts)
    return _update_type(name, x, u, starts=(0,) * x.ndim, strides=strides)


def _slices(starts: Ints, sizes: Ints, strides: Ints) -> tuple[slice, ...]:
    ends = (a + (n - 1) * s + 1 if n else a for a, n, s in zip(starts, sizes, strides, strict=True))
    return tuple(slice(a, e, s) for a, e, s in zip(starts, ends, strides, strict=True))


def _slice(x: np.ndarray, *, starts: Ints, sizes: Ints, strides: Ints) -> np.ndarray:
    return x[_slices(starts, sizes, strides)]


def _unslice(x: np.ndarray, *, shape: Shape, starts: Ints, strides: Ints) -> np.ndarray:
    out = np.zeros(shape, x.dtype)
    out[_slices(starts, x.shape, strides)] = x
    return out


def _update(x: np.ndarray, u: np.ndarray, *, starts: Ints, strides: Ints) -> np.ndarray:
    out = np.array(x)
    out[_slices(starts, u.shape, strides)] = u
    return out


def _static(rule: Any, lead: int):
    """The NumPy rule of a dynamic op: that of the static one, with the starts as numbers."""

    def dynamic(*args: np.ndarray, **attrs: Any) -> np.ndarray:
        return rule(*args[:lead], starts=tuple(int(a) for a in args[lead:]), **attrs)

    return dynamic


def _dynamic_slice_grad(b: Any, g: Any, out: Any, ops: Any, i: int, *, sizes: Ints, strides: Ints):
    if i:
        return None
    return b.dynamic_unslice(g, *ops[1:], shape=ops[0].type.shape, strides=strides)


def _dynamic_unslice_grad(
    b: Any, g: Any, out: Any, ops: Any, i: int, *, shape: Shape, strides: Ints
):
    if i:
        return None
    return b.dynamic_slice(g, *ops[1:], sizes=ops[0].type.shape, strides=strides)


def _dynamic_update_grad(b: Any, g: Any, out: Any, ops: Any, i: int, *, strides: Ints):
    if i == 0:
        return b.dynamic_update_slice(g, b.zeros(ops[1].type), *ops[2:], strides=strides)
    if i == 1:
        return b.dynamic_slice(g, *ops[2:], sizes=ops[1].type.shape, strides=strides)
    return None


def _pad_type(
    name: str, x: TensorType, value: None, *, low: Ints, high: Ints, interior: Ints
) -> TensorType:
    if not len(low) == len(high) == len(interior) == x.ndim:
        raise ShapeError(f"{name}: one amount per axis of shape {x.shape}")
    shape = tuple(
        n + lo + hi + max(n - 1, 0) * gap
        for n, lo, hi, gap in zip(x.shape, low, high, interior, strict=True)
    )
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: padding {low}, {high} leaves nothing of shape {x.shape}")
    return x.with_shape(shape)


def _pad_grad(b: Any, g: Any, out: Any, x: Any, value: Any, *, low: Ints, high: Ints, interior):
    none = (0,) * len(low)
    inner = b.pad(g, 0, low=tuple(-n for n in low), high=tuple(-n for n in high), interior=none)
    if not any(interior):
        return inner
    strides = tuple(n + 1 for n in interior)
    return b.slice(inner, starts=none, sizes=x.type.shape, strides=strides)


def _pad(x: np.ndarray, value: Any, *, low: Ints, high: Ints, interior: Ints) -> np.ndarray:
    spread = tuple(max(n - 1, 0) * gap + n for n, gap in zip(x.shape, interior, strict=True))
    full = tuple(max(lo, 0) + n + max(hi, 0) for n, lo, hi in zip(spread, low, high, strict=True))
    out = np.full(full, value, x.dtype)
    inner = tuple(
        slice(max(lo, 0), max(lo, 0) + n, gap + 1)
        for n, lo, gap in zip(spread, low, interior, strict=True)
    )
    out[inner] = x
    crop = tuple(
        slice(max(-lo, 0), n - max(-hi, 0)) for n, lo, hi in zip(full, low, high, strict=True)
    )
    return out[crop]


def _concatenate_type(name: str, *types: TensorType, axis: int) -> TensorType:
    first = types[0]
    check_axes(name, (axis,), first.ndim)
    total = 0
    for t in types:
        same = t.ndim == first.ndim and all(
            m == n for i, (m, n) in enumerate(zip(t.shape, first.shape, strict=True)) if i != axis
        )
        if not same or t.dtype is not first.dtype:
            raise ShapeError(f"{name}: {first} and {t} differ outside axis {axis}")
        total += t.shape[axis]
    return first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :]))


def _concatenate_grad(b: Any, g: Any, out: Any, operands: Any, i: int, *, axis: int) -> Any:
    sizes = operands[i].type.shape
    start = sum(o.type.shape[axis] for o in operands[:i])
    starts = tuple(start if a == axis else 0 for a in range(len(sizes)))
    return b.slice(g, starts=starts, sizes=sizes, strides=(1,) * len(sizes))


def _reverse_type(name: str, x: TensorType, *, axes: Ints) -> TensorType:
    check_axes(name, axes, x.ndim)
    return x


def _full_type(name: str, value: TensorType | None, *, shape: Shape, dtype: DType) -> TensorType:
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: negative size in shape {shape}")
    return TensorType(shape, dtype)


def _iota_type(name: str, *, shape: Shape, axis: int, dtype: DType) -> TensorType:
    check_axes(name, (axis,), len(shape))
    check_dtype(name, dtype, NUMERIC)
    return TensorType(shape, dtype)


def _iota(*, shape: Shape, axis: int, dtype: DType) -> np.ndarray:
    line = np.arange(shape[axis]).astype(dtype.np)
    column = line.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.broadcast_to(column, shape)


def _constant_type(name: str, *, data: Constant) -> TensorType:
    return TensorType(data.array.shape, dtype_from_numpy(data.array.dtype))


_NO_OPERAND = "it has no differentiable operand"

SHAPE = table(
    op(
        "reshape",
        _reshape_type,
        lambda b, g, out, x, *, shape: b.reshape(g, x.type.shape),
        attrs=("shape",),
        evaluate=lambda x, *, shape: np.reshape(x, shape),
    ),
    op(
        "transpose",
        _transpose_type,
        lambda b, g, out, x, *, perm: b.transpose(g, inverse(perm)),
        attrs=("perm",),
        evaluate=lambda x, *, perm: np.transpose(x, perm),
    ),
    op(
        "broadcast",
        _broadcast_type,
        lambda b, g, out, x, *, shape: b.sum_to(g, x.type.shape),
        attrs=("shape",),
        evaluate=lambda x, *, shape: np.broadcast_to(x, shape),
    ),
    op(
        "slice",
        _slice_type,
        lambda b, g, out, x, *, starts, sizes, strides: b.unslice(
            g, shape=x.type.shape, starts=starts, strides=strides
        ),
        attrs=("starts", "sizes", "strides"),
        evaluate=_slice,
        free=("starts",),
        dynamic="dynamic_slice",
    ),
    op(
        "unslice",  # zeros of `shape`, with x where `slice` would have read
        _unslice_type,
        lambda b, g, out, x, *, shape, starts, strides: b.slice(
            g, starts=starts, sizes=x.type.shape, strides=strides
        ),
        attrs=("shape", "starts", "strides"),
        evaluate=_unslice,
        free=("starts",),
        dynamic="dynamic_unslice",
    ),
    op(
        "update_slice",
        _update_type,
        lambda b, g, out, x, u, *, starts, strides: b.update_slice(
            g, b.zeros(u.type), starts=starts, strides=strides
        ),
        lambda b, g, out, x, u, *, starts, strides: b.slice(
            g, starts=starts, sizes=u.type.shape, strides=strides
        ),
        attrs=("starts", "strides"),
        evaluate=_update,
        free=("starts",),
        dynamic="dynamic_update_slice",
    ),
    op(
        "dynamic_slice",
        _dynamic_slice_type,
        grad_each=_dynamic_slice_grad,
        attrs=("sizes", "strides"),
        evaluate=_static(_slice, 1),
    ),
    op(
        "dynamic_unslice",
        _dynamic_unslice_type,
        grad_each=_dynamic_unslice_grad,
        attrs=("shape", "strides"),
        evaluate=_static(_unslice, 1),
    ),
    op(
        "dynamic_update_slice",
        _dynamic_update_type,
        grad_each=_dynamic_update_grad,
        attrs=("strides",),
        evaluate=_static(_update, 2),
    ),
    op(
        "pad",  # negative amounts crop; `interior` goes between neighbours
        _pad_type,
        _pad_grad,
        attrs=("low", "high", "interior"),
        evaluate=_pad,
    ),
    op(
        "concatenate",
        _concatenate_type,
        grad_each=_concatenate_grad,
        attrs=("axis",),
        evaluate=lambda *xs, axis: np.concatenate(xs, axis=axis),
    ),
    op(
        "reverse",
        _reverse_type,
        lambda b, g, out, x, *, axes: b.reverse(g, axes=axes),
        attrs=("axes",),
        evaluate=lambda x, *, axes: np.flip(x, axes),
    ),
    op(
        "full",
        _full_type,
        attrs=("shape", "dtype"),
        no_grad=_NO_OPERAND,
        evaluate=lambda value, *, shape, dtype: np.full(shape, value, dtype.np),
    ),
    op("iota", _iota_type, attrs=("shape", "axis", "dtype"), no_grad=_NO_OPERAND, evaluate=_iota),
    op(
        "constant",
        _constant_type,
        attrs=("data",),
        no_grad=_NO_OPERAND,
        evaluate=lambda *, data: data.array,
    ),
)
