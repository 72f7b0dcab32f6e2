"""Views: links from a storage's base to what a handle shows. Imported by the tracer alone.

A link knows how to read itself from its parent's value and how to put a new value back
into it. `leaf` and `detach` links change the gradient alone. PyTorch's strides are kept
beside, because they decide which reshapes alias.
"""

from __future__ import annotations

import functools
import itertools
import sys
from typing import TYPE_CHECKING, Any

from ..ir.build import Builder
from ..ir.errors import ShapeError
from ..ir.graph import Value
from ..ir.ops.shape import inverse
from ..ir.types import DType, Shape, TensorType, int64
from .state import STATE
from .storage import BARE, Storage, alias, root

if TYPE_CHECKING:
    from .engine import GradSlot
    from .tensor import Tensor

Ints = tuple[int, ...]


@functools.lru_cache(8192)
def contiguous_strides(shape: Shape) -> Ints:
    out: list[int] = []
    step = 1
    for n in reversed(shape):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))


def overlaps(shape: Shape, strides: Ints) -> bool:
    """Whether two elements may lie in one place: an axis does not step over those inside it."""
    if 0 in shape:
        return False
    reach = 0
    for s, n in sorted(zip(strides, shape, strict=True)):
        if n > 1:
            if s <= reach:
                return True
            reach += (n - 1) * s
    return False


_REPEATING = ("expand", "as_strided", "unfold")  # kinds of links that may show a place twice
# Calls that give several views, which PyTorch's autograd does not let write to their base.
MANY = ("split", "split_with_sizes", "chunk", "unbind")


NUMBERS = itertools.count()


class Link:
    """One step of a view chain. Compared by identity, by which the storage caches its value.

    `kind` is a row of READ and WRITE, `args` its parameters, `type` what is seen through it,
    `strides` PyTorch's strides of that. `name` is what the user called, under which the link
    is read; empty inside API functions, and for a link that is part of the next one's call.
    `shared` says that elements seen here may lie in one place, so that writing goes by place.
    `edge` is the history of a detached view's own, which a write through it gave it. `born` counts
    the writes to the storage before the link was made. Later links have a higher `number`.
    """

    __slots__ = (
        *("__weakref__", "args", "born", "edge", "kind", "name", "number", "parent", "shared"),
        *("strides", "type"),
    )

    def __init__(
        self,
        parent: Link | None,
        kind: str,
        args: tuple,
        type: TensorType,
        strides: Ints,
        name: str = "",
        born: int = sys.maxsize,
    ):
        self.name = name
        self.born = born
        self.number = next(NUMBERS)
        self.edge: Any = None
        self.parent = parent
        self.kind = kind
        self.args = args
        self.type = type
        self.strides = strides
        self.shared = (parent is not None and parent.shared) or self.repeats()

    def repeats(self) -> bool:
        """Whether it shows elements around its parent, or one of them several times."""
        return self.kind == "around" or (
            self.kind in _REPEATING and overlaps(self.type.shape, self.strides)
        )

    @property
    def slot(self) -> GradSlot:
        """The gradient slot that a leaf link names."""
        return self.args[0]

    def read_around(self, b: Builder, value: Value, base: Value) -> Value:
        """What is seen of the storage's base beyond what the parent shows, which is `value`."""
        return READ["around"](b, value, base, *self.args)

    def read(self, b: Builder, value: Value) -> Value:
        """What is seen through this link of its parent's value."""
        if self.edge is not None:
            return alias(value, self.edge)
        return READ[self.kind](b, value, *self.args)

    def write(self, b: Builder, parent: Value, value: Value) -> Value:
        """The parent's value once this view of it has become `value`."""
        return WRITE[self.kind](b, parent, value, *self.args)

    def signature(self) -> tuple:
        """What two views have in common when they show the same part of a base."""
        out = []
        link: Link | None = self
        while link is not None:
            if link.kind not in ("leaf", "detach"):
                args = link.args
                if link.kind == "pick":
                    args = (args[0], position(args[1]))
                out.append((link.kind, args, link.type))
            link = link.parent
        return tuple(out)


def rebase(
    link: Link | None,
    old: Link | None,
    new: Link | None,
    writes: int | None = None,
    made: dict[Any, Link] | None = None,
) -> Link | None:
    """The links above `old` in a chain, on top of `new`. With a number of `writes`, those made
    before the last one count as older than any write to another storage, the rest as newer.
    `made` has those that were made for other chains, which they share as they did."""
    above: list[Link] = []
    while link is not old:
        assert link is not None
        above.append(link)
        link = link.parent
    made = {} if made is None else made
    for step in reversed(above):
        key = step, new
        if key not in made:
            born = step.born
            if writes is not None:
                born = -1 if born < writes else sys.maxsize
            made[key] = Link(new, step.kind, step.args, step.type, step.strides, step.name, born)
        new = made[key]
    return new


def apart(link: Link) -> Link:
    """The same view by links of its own, as far as they lead to the memory of one family."""
    bottom: Link | None = link
    while bottom is not None and bottom.kind not in BARE:
        bottom = bottom.parent
    made = rebase(link, bottom, bottom)
    assert made is not None
    return made


def chain(link: Link | None) -> list[Link | None]:
    """The links of a chain from the last one to the base, which is None."""
    out = [link]
    while link is not None:
        link = link.parent
        out.append(link)
    return out


def leaf_slot(link: Link | None) -> GradSlot | None:
    """The slot that the gradient of what a chain shows collects in, if it is a leaf's."""
    while link is not None and link.kind != "detach":
        if link.kind == "leaf":
            return link.slot
        link = link.parent
    return None


def _diagonal_indices(b: Builder, type: TensorType, offset: int) -> tuple[Value, Value]:
    """Row and column numbers of the diagonal of the two leading axes."""
    rows, columns = type.shape[:2]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    line = b.iota(shape=(count,), axis=0, dtype=int64)
    first = line if offset >= 0 else b.add(line, -offset)
    second = line if offset <= 0 else b.add(line, offset)
    return first, second


def _diagonal_perm(ndim: int, dim1: int, dim2: int) -> Ints:
    return (dim1, dim2, *(i for i in range(ndim) if i not in (dim1, dim2)))


def _read_diagonal(b: Builder, x: Value, offset: int, dim1: int, dim2: int) -> Value:
    ndim = x.type.ndim
    front = b.transpose(x, perm=_diagonal_perm(ndim, dim1, dim2))
    picked = b.index(front, *_diagonal_indices(b, front.type, offset))
    return b.transpose(picked, perm=(*range(1, ndim - 1), 0))


def _write_diagonal(
    b: Builder, parent: Value, v: Value, offset: int, dim1: int, dim2: int
) -> Value:
    ndim = parent.type.ndim
    perm = _diagonal_perm(ndim, dim1, dim2)
    front = b.transpose(parent, perm=perm)
    moved = b.transpose(v, perm=(ndim - 2, *range(ndim - 2)))
    put = b.index_set(front, moved, *_diagonal_indices(b, front.type, offset))
    return b.transpose(put, perm=inverse(perm))


def _picked_first(ndim: int, axis: int) -> Ints:
    return (axis, *(a for a in range(ndim) if a != axis))


def _read_pick(b: Builder, x: Value, axis: int, index: Storage) -> Value:
    front = b.transpose(x, perm=_picked_first(x.type.ndim, axis))
    return b.index(front, index.value)


def _write_pick(b: Builder, parent: Value, v: Value, axis: int, index: Storage) -> Value:
    perm = _picked_first(parent.type.ndim, axis)
    put = b.index_set(b.transpose(parent, perm=perm), v, index.value)
    return b.transpose(put, perm=inverse(perm))


def position(index: Storage) -> int:
    """The place that a `pick` shows, evaluated now if it was pending."""
    from ..runtime.buffer import to_numpy
    from .tensor import Tensor

    buffer = root(index.value).buffer
    if buffer is None:
        t = object.__new__(Tensor)
        t._point(index, None, index.value.type)
        buffer = t._observe()
    return int(to_numpy(buffer))


def _write_slice(
    b: Builder, parent: Value, v: Value, starts: Ints, sizes: Ints, strides: Ints
) -> Value:
    if sizes == parent.type.shape:
        return v
    return b.update_slice(parent, v, starts=starts, strides=strides)


def write_nothing(b: Builder, parent: Value, v: Value) -> Value:
    """`parent` as it is, but with the history of a write of `v`, which has no elements."""
    if v.edge is None:
        return parent
    flat = b.reshape(parent, shape=(parent.type.numel,))
    none = b.reshape(b.convert(v, parent.type.dtype), shape=(0,))
    put = b.update_slice(flat, none, starts=(0,), strides=(1,))
    return b.reshape(put, shape=parent.type.shape)


def _write_expand(b: Builder, parent: Value, v: Value, shape: Shape) -> Value:
    # What shows a place twice is written by place instead; see Tensor._write_value.
    if 0 in shape:
        return write_nothing(b, parent, v)
    return b.reshape(v, shape=parent.type.shape)


READ: dict[str, Any] = {
    "leaf": lambda b, x, slot: alias(x, (slot, 0)),
    "detach": lambda b, x, *data: alias(x, None),
    "reshape": lambda b, x, shape: b.reshape(x, shape=shape),
    "transpose": lambda b, x, perm: b.transpose(x, perm=perm),
    "slice": lambda b, x, starts, sizes, strides: b.slice(
        x, starts=starts, sizes=sizes, strides=strides
    ),
    "expand": lambda b, x, shape: b.broadcast(x, shape=shape),
    "diagonal": _read_diagonal,
    "pick": _read_pick,
}
WRITE: dict[str, Any] = {
    # Who writes checks leaves and detached views first; see Tensor._write.
    "leaf": lambda b, parent, v, slot: v,
    "detach": lambda b, parent, v, *data: v,
    "reshape": lambda b, parent, v, shape: b.reshape(v, shape=parent.type.shape),
    "transpose": lambda b, parent, v, perm: b.transpose(v, perm=inverse(perm)),
    "slice": _write_slice,
    "expand": _write_expand,
    "diagonal": _write_diagonal,
    "pick": _write_pick,
}


def link(
    t: Tensor,
    kind: str,
    args: tuple,
    shape: Shape,
    strides: Ints,
    name: str,
    dtype: DType | None = None,
) -> Tensor:
    """A handle one link further, sharing `t`'s storage."""
    type = TensorType(shape, t._type.dtype if dtype is None else dtype)
    scope = STATE.scope
    if scope is not None and scope.kind == "function":
        name = ""
    step = Link(t._view, kind, args, type, strides, name, t._storage.writes)
    if not STATE.grad_enabled and t.requires_grad:
        step = Link(step, "detach", (), type, strides, "", t._storage.writes)
    return t._handle(t._storage, step, type)


def detach(t: Tensor, data: bool = False) -> Tensor:
    """The same data without history; what a write adds to that is the handle's own. For `data`
    other views do not count its writes: PyTorch does not see them either."""
    args = (True,) if data else ()
    step = Link(t._view, "detach", args, t._type, t.stride(), "", t._storage.writes)
    return t._handle(t._storage, step, t._type)


def is_data(link: Link | None) -> bool:
    """Whether a chain leads through `.data`."""
    return any(s is not None and s.kind == "detach" and s.args for s in chain(link))


@functools.lru_cache(8192)
def view_strides(shape: Shape, strides: Ints, new: Shape) -> Ints | None:
    """Strides of the view `new` of (shape, strides), or None if it cannot be a view.

    Axes that lie next to each other in memory form a group; each group must be filled by
    whole axes of the new shape.
    """
    if 0 in shape:
        return strides if shape == new else contiguous_strides(new)
    if not shape:
        return (1,) * len(new)
    out: list[int] = []
    left = list(new)
    step, count = strides[-1], 1  # of the group that ends at `axis`: innermost stride, elements
    for axis in range(len(shape) - 1, -1, -1):
        count *= shape[axis]
        if axis and (shape[axis - 1] == 1 or strides[axis - 1] == count * step):
            continue
        filled = 1
        while left and (filled < count or left[-1] == 1):
            out.append(filled * step)
            filled *= left.pop()
        if filled != count:
            return None
        if axis:
            step, count = strides[axis - 1], 1
    return tuple(reversed(out))


def can_view(t: Tensor, shape: Shape) -> bool:
    return view_strides(t._type.shape, t.stride(), shape) is not None


def reshape(t: Tensor, shape: Shape, name: str = "view") -> Tensor:
    """A view of the same elements. Raises: ShapeError where strides do not allow one."""
    strides = view_strides(t._type.shape, t.stride(), shape)
    if strides is None:
        raise ShapeError(
            f"view: size {shape} is not compatible with shape {t._type.shape} and stride "
            f"{t.stride()} (at least one dimension spans across two contiguous subspaces); "
            "use reshape instead"
        )
    return link(t, "reshape", (tuple(shape),), shape, strides, name)


def restride(t: Tensor, shape: Shape, strides: Ints, name: str) -> Tensor:
    """A reshape that only drops or adds axes of size 1, with the strides PyTorch gives it."""
    return link(t, "reshape", (tuple(shape),), shape, strides, name)


def transpose(t: Tensor, perm: Ints, name: str = "permute") -> Tensor:
    shape, strides = t._type.shape, t.stride()
    perm = tuple(perm)
    new = tuple(shape[p] for p in perm)
    return link(t, "transpose", (perm,), new, tuple(strides[p] for p in perm), name)


def slice(t: Tensor, starts: Ints, sizes: Ints, strides: Ints, name: str = "slice") -> Tensor:
    own = tuple(a * b for a, b in zip(t.stride(), strides, strict=True))
    args = (tuple(starts), tuple(sizes), tuple(strides))
    return link(t, "slice", args, tuple(sizes), own, name)


def select(t: Tensor, axis: int, i: int, name: str = "select") -> Tensor:
    """Element `i` of `axis`, counted from 0; the axis is dropped."""
    shape, strides = t._type.shape, t.stride()
    starts = tuple(i if a == axis else 0 for a in range(len(shape)))
    sizes = tuple(1 if a == axis else n for a, n in enumerate(shape))
    one = slice(t, starts, sizes, (1,) * len(shape), name="")
    return restride(
        one, shape[:axis] + shape[axis + 1 :], strides[:axis] + strides[axis + 1 :], name
    )


def pick(t: Tensor, axis: int, index: Storage, name: str = "select") -> Tensor:
    """Element `index` of `axis`, which only the value of a tensor says: 0-d int64, counted
    from 0, on a storage that nothing writes to."""
    shape, strides = t._type.shape, t.stride()
    new, own = shape[:axis] + shape[axis + 1 :], strides[:axis] + strides[axis + 1 :]
    return link(t, "pick", (axis, index), new, own, name)


def expand(t: Tensor, shape: Shape) -> Tensor:
    old, strides = t._type.shape, t.stride()
    lead = len(shape) - len(old)
    own = (0,) * lead + tuple(
        0 if n == 1 and m != 1 else s for n, m, s in zip(old, shape[lead:], strides, strict=True)
    )
    return link(t, "expand", (tuple(shape),), shape, own, "expand")


def diagonal(t: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
    """The diagonal of two axes, as the last axis of the result."""
    shape, strides = t._type.shape, t.stride()
    rest = [i for i in range(len(shape)) if i not in (dim1, dim2)]
    rows, columns = shape[dim1], shape[dim2]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    new = (*(shape[i] for i in rest), count)
    own = (*(strides[i] for i in rest), strides[dim1] + strides[dim2])
    return link(t, "diagonal", (offset, dim1, dim2), new, own, "diagonal")


def offset(link: Link | None, base_strides: Ints | None, base: TensorType) -> int:
    """How many elements after the base's first one a view starts, in PyTorch's layout."""
    chain: list[Link] = []
    while link is not None:
        chain.append(link)
        link = link.parent
    strides = base_strides or contiguous_strides(base.shape)
    size = base.dtype.itemsize
    out = 0
    for step in reversed(chain):
        if step.kind == "slice":
            out += sum(a * s for a, s in zip(step.args[0], strides, strict=True))
        elif step.kind == "pick":
            out += strides[step.args[0]] * position(step.args[1])
        elif step.kind == "diagonal":
            shift, dim1, dim2 = step.args
            out += strides[dim2] * shift if shift >= 0 else -strides[dim1] * shift
        elif step.kind == "as_strided":
            out += step.args[3]
        elif step.kind == "around":
            out = step.args[-1]
        elif step.type.dtype.itemsize != size:
            out = out * size // step.type.dtype.itemsize + (step.kind == "imag")
        strides, size = step.strides, step.type.dtype.itemsize
    return out
