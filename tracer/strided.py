"""Views by position in memory: `as_strided` and `unfold` links. Imported by the tracer alone.

Nothing lies in memory here, but a tensor knows where PyTorch would have put its elements;
these views index that picture. Positions are made by arithmetic on `iota`, so they cost no
memory once compiled. Where elements overlap, the last one written stays, as in a loop.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.build import Builder
from ..ir.errors import ShapeError
from ..ir.graph import Value
from ..ir.ops.shape import Constant, inverse
from ..ir.types import Shape, int64
from . import bits, views
from .state import STATE
from .storage import BARE

if TYPE_CHECKING:
    from .tensor import Tensor

Ints = tuple[int, ...]


def span(shape: Shape, strides: Ints) -> int:
    """How far the last element lies behind the first, plus one; 0 without elements."""
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


def memory_order(shape: Shape, strides: Ints) -> Ints | None:
    """The axes from outermost to innermost if the elements fill their span, else None."""
    order = sorted(range(len(shape)), key=lambda a: (-strides[a], -shape[a], a))
    step = 1
    for axis in reversed(order):
        if shape[axis] != 1 and strides[axis] != step:
            return None
        step *= shape[axis]
    return tuple(order)


def positions(b: Builder, shape: Shape, strides: Ints, start: int) -> Value:
    """int64 positions of the elements, counted from `start`."""
    at: Any = None
    for axis, (n, s) in enumerate(zip(shape, strides, strict=True)):
        if n > 1 and s:
            line = b.iota(shape=shape, axis=axis, dtype=int64)
            line = line if s == 1 else b.mul(line, s)
            at = line if at is None else b.add(at, line)
    if at is None:
        return b.full(start, shape=shape, dtype=int64)
    return at if start == 0 else b.add(at, start)


def known_positions(shape: Shape, strides: Ints, start: int) -> np.ndarray:
    """As `positions`, as an array."""
    at = np.full(shape, start, np.int64)
    for axis, (n, s) in enumerate(zip(shape, strides, strict=True)):
        line = np.arange(n, dtype=np.int64) * s
        at += line.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return at


def _flat(b: Builder, x: Value, order: Ints) -> Value:
    """The elements in memory order."""
    return b.reshape(b.transpose(x, perm=order), shape=(x.type.numel,))


def _unflat(b: Builder, flat: Value, shape: Shape, order: Ints) -> Value:
    inner = tuple(shape[a] for a in order)
    return b.transpose(b.reshape(flat, shape=inner), perm=inverse(order))


def _dense(shape: Shape, strides: Ints) -> Ints | None:
    """The memory order of a window that one slice can cut, else None."""
    return memory_order(shape, strides) if 0 not in shape else None


def _read_strided(b: Builder, x: Value, order: Ints, shape: Shape, strides: Ints, start: int):
    flat = _flat(b, x, order)
    inner = _dense(shape, strides)
    if inner is None:
        if 0 in shape:
            none = b.slice(flat, starts=(0,), sizes=(0,), strides=(1,))
            return b.reshape(none, shape=shape)  # with history
        return b.index(flat, positions(b, shape, strides, start))
    size = math.prod(shape)
    if size != flat.type.numel:
        flat = b.slice(flat, starts=(start,), sizes=(size,), strides=(1,))
    return _unflat(b, flat, shape, inner)


def _write_strided(
    b: Builder, parent: Value, v: Value, order: Ints, shape: Shape, strides: Ints, start: int
) -> Value:
    if 0 in shape:
        return views.write_nothing(b, parent, v)
    flat = _flat(b, parent, order)
    inner = _dense(shape, strides)
    if inner is not None:
        put = _flat(b, v, inner)
        if put.type.numel != flat.type.numel:
            put = b.update_slice(flat, put, starts=(start,), strides=(1,))
    elif views.overlaps(shape, strides):
        # Of elements that share a place, the last in row order.
        at = known_positions(shape, strides, start).reshape(-1)
        places, last = np.unique(at[::-1], return_index=True)
        kept = b.constant(data=Constant(len(at) - 1 - last))
        chosen = b.index(b.reshape(v, shape=(len(at),)), kept)
        put = b.index_set(flat, chosen, b.constant(data=Constant(places)))
    else:
        put = b.index_set(flat, v, positions(b, shape, strides, start))
    return _unflat(b, put, parent.type.shape, order)


def _windows(b: Builder, count: int, size: int, step: int) -> Value:
    return positions(b, (count, size), (step, 1), 0)


def _read_unfold(b: Builder, x: Value, axis: int, size: int, step: int) -> Value:
    ndim, length = x.type.ndim, x.type.shape[axis]
    count = (length - size) // step + 1
    # The axis leads; then windows and places in them lead; then they go where they belong.
    front = b.transpose(x, perm=(axis, *(a for a in range(ndim) if a != axis)))
    rest = front.type.shape[1:]
    if step == size:
        cut = b.slice(
            front,
            starts=(0,) * ndim,
            sizes=(count * size, *rest),
            strides=(1,) * ndim,
        )
        picked = b.reshape(cut, shape=(count, size, *rest))
    else:
        picked = b.index(front, _windows(b, count, size, step))
    others = iter(range(2, ndim + 1))
    perm = (*(0 if a == axis else next(others) for a in range(ndim)), 1)
    return b.transpose(picked, perm=perm)


def _write_unfold(b: Builder, parent: Value, v: Value, axis: int, size: int, step: int) -> Value:
    ndim, length = parent.type.ndim, parent.type.shape[axis]
    count = (length - size) // step + 1
    order = (axis, *(a for a in range(ndim) if a != axis))
    front = b.transpose(parent, perm=order)
    moved = b.transpose(v, perm=(axis, ndim, *(a for a in range(ndim) if a != axis)))
    # Overlapping windows are written by place.
    put = b.index_set(front, moved, _windows(b, count, size, step))
    return b.transpose(put, perm=inverse(order))


def _read_around(
    b: Builder,
    x: Value,
    base: Value,
    order: Ints,
    sign: str,
    *geometry: Any,
) -> Value:
    """Elements of the base, of which those that `x` shows have its history. `sign` is the op that
    makes them what lies in memory, and back."""
    shape, strides, start, new_shape, new_strides, new_start = geometry
    dtype = x.type.dtype
    if dtype is not base.type.dtype:  # parts of complex numbers
        size = base.type.size_bytes // dtype.itemsize
        base, order = bits.read(b, _flat(b, base, order), dtype, (size,)), (0,)
    stored = getattr(b, sign)(x) if sign else x
    whole = _write_strided(b, base, stored, order, shape, strides, start)
    seen = _read_strided(b, whole, order, new_shape, new_strides, new_start)
    return getattr(b, sign)(seen) if sign else seen


views.READ |= {"as_strided": _read_strided, "unfold": _read_unfold, "around": _read_around}
views.WRITE |= {"as_strided": _write_strided, "unfold": _write_unfold}


def storage_size(t: Tensor) -> int:
    """How many elements of `t`'s dtype the storage holds."""
    return t._storage.value.type.size_bytes // t._type.dtype.itemsize


def start_of(t: Tensor) -> int:
    """PyTorch's `storage_offset`: the place of the first element."""
    storage = t._storage
    return views.offset(t._view, storage.strides, storage.value.type)


def partly_overlap(x: Tensor, y: Tensor, whole: bool = False, size: int = 0) -> bool:
    """Whether tensors of one storage share some places: as far as PyTorch looks, those that
    fill theirs. The same places for both do not count unless `whole`.

    With a `size`, `y` has so many elements by then.
    """
    ends = []
    for t, count in ((x, x._type.numel), (y, size or y._type.numel)):
        start = start_of(t)
        if memory_order(t._type.shape, t.stride()) is None or not count:
            return False
        ends.append((start, start + count))
    if ends[0] == ends[1]:
        return whole or x.stride() != y.stride()
    return max(a for a, _ in ends) < min(b for _, b in ends)


def as_strided(t: Tensor, shape: Shape, strides: Ints, start: int, name: str) -> Tensor:
    """A view of the elements of the storage at `start + sum(index * stride)`.

    Gradients reach what `t` itself shows. Raises: ShapeError where that leaves the storage.
    """
    base = t._storage.value.type
    size = storage_size(t)
    if start < 0 or (span(shape, strides) and start + span(shape, strides) > size):
        raise ShapeError(
            f"{name}: setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset "
            f"{start} are out of bounds for storage of {size} elements"
        )
    own_start = start_of(t)
    own = memory_order(t._type.shape, t.stride())
    inside = own is not None and (
        0 in shape
        or (own_start <= start and start + span(shape, strides) <= own_start + t._type.numel)
    )
    if inside:
        assert own is not None
        return views.link(
            t, "as_strided", (own, shape, strides, start - own_start), shape, strides, name
        )
    base_strides = t._storage.strides or views.contiguous_strides(base.shape)
    order = memory_order(base.shape, base_strides)
    assert order is not None
    conjugated, other = bits.is_conj(t._view), t._type.dtype is not base.dtype
    if STATE.grad_enabled and t.requires_grad:
        sign = "conj" if conjugated else "neg" if bits.is_neg(t._view) else ""
        args = (order, sign, t._type.shape, t.stride(), own_start, shape, strides, start)
        return views.link(t, "around", args, shape, strides, name)
    whole = t._handle(t._storage, _ground(t), base)
    if other:
        line = views.transpose(whole, order, "")
        line = views.restride(line, (base.numel,), (1,), "")
        whole, order = bits.as_dtype(line, t._type.dtype, (size,), (1,)), (0,)
    if conjugated:
        whole = bits.conj(whole)
    return views.link(whole, "as_strided", (order, shape, strides, start), shape, strides, name)


def _ground(t: Tensor) -> views.Link | None:
    """The leaf or detached base that the views of `t` start from."""
    chain: list[views.Link] = []
    link = t._view
    while link is not None:
        chain.append(link)
        link = link.parent
    chain.reverse()
    count = next((i for i, s in enumerate(chain) if s.kind not in BARE), len(chain))
    found = chain[count - 1] if count else None
    if any(s.kind in BARE for s in chain[count:]):
        base = t._storage.value.type
        strides = t._storage.strides or views.contiguous_strides(base.shape)
        return views.Link(found, "detach", (), base, strides)
    return found


def write(t: Tensor, b: Builder, base: Value, value: Value, alike: bool) -> Value:
    """The base once what `t` shows, in which places may recur, has become `value`.

    Raises: RuntimeError if an axis stays in one place, as after `expand`, unless all elements
    are `alike`.
    """
    shape, strides = t._type.shape, t.stride()
    if 0 in shape:
        return views.write_nothing(b, base, value)
    if not alike and any(n > 1 and not s for n, s in zip(shape, strides, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )
    base_strides = t._storage.strides or views.contiguous_strides(base.type.shape)
    order = memory_order(base.type.shape, base_strides)
    assert order is not None
    if bits.is_conj(t._view):
        value = b.conj(value)
    dtype = t._type.dtype
    if dtype is base.type.dtype:
        return _write_strided(b, base, value, order, shape, strides, start_of(t))
    flat = _flat(b, base, order)
    memory = bits.read(b, flat, dtype, (storage_size(t),))
    memory = _write_strided(b, memory, value, (0,), shape, strides, start_of(t))
    flat = bits.read(b, memory, base.type.dtype, flat.type.shape)
    return _unflat(b, flat, base.type.shape, order)


def unfold(t: Tensor, axis: int, size: int, step: int) -> Tensor:
    """Windows of `axis`, `step` apart, as a view; places in them are the last axis."""
    shape, strides = t._type.shape, t.stride()
    count = (shape[axis] - size) // step + 1
    new = (*shape[:axis], count, *shape[axis + 1 :], size)
    own = (*strides[:axis], strides[axis] * step, *strides[axis + 1 :], strides[axis])
    return views.link(t, "unfold", (axis, size, step), new, own, "unfold")
