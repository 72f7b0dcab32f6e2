"""Reading and writing at computed positions: what indexing and gathering share.

Imported by `indexing.py`, `gather.py` and nn. Index tensors are checked against their range:
at once where their values are known, else by a `check` node.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...ir.ops.shape import inverse
from ...ir.types import Shape, int64
from .. import prims
from ..tensor import Tensor, from_host
from .common import AxisError, IndexRangeError

Ints = tuple[int, ...]


class Picks(NamedTuple):
    """Index tensors, counted from 0 and in range, for some axes of a tensor.

    `shape` is what they broadcast to.
    """

    axes: Ints
    indices: list[Tensor]
    shape: Shape

    def position(self) -> int:
        """Where the picked axes come in the result: in place if adjacent, else in front."""
        first = self.axes[0]
        adjacent = self.axes == tuple(range(first, first + len(self.axes)))
        return first if adjacent else 0

    def rest(self, ndim: int) -> Ints:
        return tuple(a for a in range(ndim) if a not in self.axes)

    def result_shape(self, x: Tensor) -> Shape:
        """The shape of what is picked of `x`."""
        at = self.position()
        rest = tuple(x._type.shape[a] for a in self.rest(x._type.ndim))
        return (*rest[:at], *self.shape, *rest[at:])

    def to_front(self, ndim: int) -> Ints:
        """The permutation of the result that brings the picked axes to the front."""
        at, count = self.position(), len(self.shape)
        picked = range(at, at + count)
        total = count + ndim - len(self.axes)
        return (*picked, *(a for a in range(total) if a not in picked))


def _permuted(x: Tensor, perm: Ints) -> Tensor:
    return x if perm == tuple(range(len(perm))) else prims.transpose(x, perm=perm)


def pick(x: Tensor, picks: Picks) -> Tensor:
    """The elements of `x` at `picks`."""
    ndim = x._type.ndim
    front = _permuted(x, (*picks.axes, *picks.rest(ndim)))
    return _permuted(prims.index(front, *picks.indices), inverse(picks.to_front(ndim)))


def put(prim: Any, x: Tensor, picks: Picks, update: Tensor) -> Tensor:
    """`x` with `update` set (or added, as `prim` does) at `picks`.

    `update` has the shape of what `pick` would give.
    """
    ndim = x._type.ndim
    perm = (*picks.axes, *picks.rest(ndim))
    changed = prim(_permuted(x, perm), _permuted(update, picks.to_front(ndim)), *picks.indices)
    return _permuted(changed, inverse(perm))


def _message(name: str, index: Any, axis: int, size: int) -> str:
    return f"{name}: index {index} is out of bounds for dimension {axis} with size {size}"


def wrapped(name: str, index: Tensor, axis: int, size: int) -> Tensor:
    """`index` with what is negative counted from the end.

    Raises: AxisError if an element is out of range, now or when it becomes known.
    """
    known = index._host_if_ready()
    if known is not None:
        if known.size and not (known.min() >= -size and known.max() < size):
            bad = known[(known < -size) | (known >= size)].flat[0]
            raise AxisError(_message(name, bad, axis, size))
        if known.size and known.min() < 0:
            return from_host(known % size, index._type.dtype, index.device)
        return index
    _check_some(name, index, axis, size)
    low = prims.ge(index, -size)
    _check(name, prims.bit_and(low, prims.lt(index, size)), axis, size)
    return prims.select(prims.lt(index, 0), prims.add(index, size), index)


def checked(name: str, index: Tensor, axis: int, size: int) -> Tensor:
    """`index`, whose elements must be from 0 on.

    Raises: IndexRangeError if an element is out of range, now or when it becomes known.
    """
    known = index._host_if_ready()
    if known is not None:
        if known.size and not (known.min() >= 0 and known.max() < size):
            bad = known[(known < 0) | (known >= size)].flat[0]
            raise IndexRangeError(_message(name, bad, axis, size))
        return index
    _check_some(name, index, axis, size)
    low = prims.ge(index, 0)
    _check(name, prims.bit_and(low, prims.lt(index, size)), axis, size)
    return index


def _check_some(name: str, index: Tensor, axis: int, size: int) -> None:
    """Raises: IndexRangeError for an index of nothing, whatever its values are."""
    if not size and index._type.numel:
        raise IndexRangeError(_message(name, "of the index tensor", axis, size))


def _check(name: str, ok: Tensor, axis: int, size: int) -> None:
    every = prims.all(ok, axes=tuple(range(ok._type.ndim))) if ok._type.ndim else ok
    prims.check(every, message=_message(name, "of the index tensor", axis, size))


def along(x: Tensor, axis: int, index: Tensor) -> list[Tensor]:
    """One index tensor per axis of `x`: `index` at `axis`, its own coordinates elsewhere."""
    shape = index._type.shape
    return [
        index
        if a == axis
        else prims.reshape(
            prims.iota(shape=(n,), axis=0, dtype=int64, device=x.device),
            shape=tuple(n if b == a else 1 for b in range(len(shape))),
        )
        for a, n in enumerate(shape)
    ]
