"""`x[...]` and `x[...] = v`. Bound by `methods.py`; named functions are in `gather.py`.

An index is read in two steps, as PyTorch does: slices, integers, None and `...` give a view;
then tensors, masks and lists pick elements of that view, which makes a copy.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any, NamedTuple

import numpy as np

from ...ir.errors import AxisError, DTypeError, ShapeError
from ...ir.promotion import broadcast_shapes
from ...ir.types import Shape, bool_, int32, int64, uint8
from .. import prims, views
from ..promotion import as_operand, check_tensor
from ..recording import user_error
from ..scoping import GRAD_FN, scoped
from ..state import STATE
from ..storage import Storage
from ..tensor import Tensor, from_host
from .common import give, located, relayout
from .convert import assign, full_like_value, move, number_for
from .creation import tensor
from .picking import Picks, pick, put, wrapped

GRAD_FN |= {"index": "IndexBackward0", "index_put_": "IndexPutBackward0"}
Ints = tuple[int, ...]


class Entry(NamedTuple):
    """An index tensor or mask at an axis of the view that the basic part made."""

    axis: int
    index: Tensor


def as_entry(index: Any) -> Any:
    """One element of an index as a slice, None, `...`, int, bool or Tensor.

    Raises: IndexError or TypeError for what is no index.
    """
    if index is None or index is Ellipsis or isinstance(index, (slice, bool)):
        return index
    if isinstance(index, Tensor):
        return index
    if isinstance(index, (np.ndarray, list, tuple, range)):
        return from_host(np.zeros(0, np.int64)) if _is_empty(index) else tensor(index)
    if isinstance(index, np.bool_):
        return bool(index)
    try:
        return operator.index(index)
    except TypeError:
        kind = type(index).__name__
        if kind == "str":
            raise TypeError("index: a tensor has no items by name") from None
        raise AxisError(
            "index: only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables "
            f"are valid indices (got {kind})"
        ) from None


def _is_empty(index: Any) -> bool:
    return not isinstance(index, np.ndarray) and len(index) == 0


def as_entries(index: Any) -> list[Any]:
    """The elements of `x[index]`; a list that holds slices or the like counts as a tuple."""
    if isinstance(index, tuple):
        return [as_entry(i) for i in index]
    if isinstance(index, list) and len(index) < 32 and any(map(_makes_tuple, index)):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated; use "
            "x[tuple(seq)] instead of x[seq].",
            UserWarning,
            stacklevel=4,
        )
        return [as_entry(i) for i in index]
    return [as_entry(index)]


def _makes_tuple(element: Any) -> bool:
    """Whether a list that holds this counts as a tuple, as in PyTorch."""
    if isinstance(element, Tensor):
        return element._type.ndim > 0
    return (
        element is None
        or element is Ellipsis
        or isinstance(element, (slice, list, tuple, np.ndarray))
    )


def axes_taken(entry: Any) -> int:
    """How many axes of the tensor an element of an index consumes."""
    if entry is None or entry is Ellipsis or isinstance(entry, bool):
        return 0
    if isinstance(entry, Tensor) and entry._type.dtype in (bool_, uint8):
        return entry._type.ndim
    return 1


def basic_part(x: Tensor, entries: list[Any]) -> tuple[Tensor, list[Entry]]:
    """The view that slices, integers and None make, and what is left to pick from it."""
    shape, old_strides = x._type.shape, x.stride()
    taken = sum(map(axes_taken, entries))
    if taken > len(shape):
        if not shape:
            raise AxisError(
                "index: invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim "
                "tensor to a number"
            )
        raise AxisError(f"index: too many indices for tensor of dimension {len(shape)}")
    if not any(e is Ellipsis for e in entries):
        entries = [*entries, Ellipsis]
    starts, sizes, steps = [0] * len(shape), list(shape), [1] * len(shape)
    # Axes of the view: the axis `a` of x that each shows, or `~a` for a new one before it.
    shown: list[int] = []
    picks: list[Entry] = []
    late: list[Entry] = []  # numbers that only a later call's tensors say
    axis, seen_ellipsis = 0, False
    for entry in entries:
        if entry is Ellipsis:
            rest = 0 if seen_ellipsis else len(shape) - taken
            seen_ellipsis = True
            shown += range(axis, axis + rest)
            axis += rest
        elif entry is None:
            shown.append(~axis)
        elif isinstance(entry, bool):
            picks.append(Entry(len(shown), from_host(np.array([entry]))))
            shown.append(~axis)
        elif isinstance(entry, slice):
            starts[axis], sizes[axis], steps[axis] = bounds(entry, shape[axis])
            shown.append(axis)
            axis += 1
        elif isinstance(entry, Tensor):
            if entry._type.ndim == 0 and entry._type.dtype in (bool_, uint8):
                picks.append(Entry(len(shown), entry.reshape(1)))
                shown.append(~axis)
                continue
            at = scalar_index(entry)
            if at is None and is_number(entry) and not is_batched(entry):
                late.append(Entry(len(shown), entry))
                shown.append(axis)
                axis += 1
                continue
            if at is None:
                picks.append(Entry(len(shown), entry))
                count = axes_taken(entry)
                shown += range(axis, axis + count)
                axis += count
                continue
            starts[axis], sizes[axis] = in_range(at, axis, shape[axis]), 1
            axis += 1
        else:
            starts[axis], sizes[axis] = in_range(entry, axis, shape[axis]), 1
            axis += 1
    view = x
    if tuple(sizes) != shape or any(n != 1 for n in steps):
        cut = len(shown) == len(shape) and all(a >= 0 for a in shown)
        name = "slice" if cut else ""
        view = views.slice(x, tuple(starts), tuple(sizes), tuple(steps), name)
    if shown != list(range(len(shape))) or (view is x and not picks):
        strides = [n * s for n, s in zip(old_strides, steps, strict=True)]
        # PyTorch adds an axis while those behind it are still whole.
        new = [n * s for n, s in zip(shape, old_strides, strict=True)] + [1]
        arranged = [(1, new[~a]) if a < 0 else (sizes[a], strides[a]) for a in shown]
        view = views.restride(
            view, tuple(n for n, _ in arranged), tuple(s for _, s in arranged), call_name(entries)
        )
    for at, entry in reversed(late):
        index = prims.convert(wrapped("index", entry, at, view._type.shape[at]), int64)
        place = Storage(index._value(), view._storage.device)
        view = views.pick(view, at, place)
        picks = [Entry(p.axis - (p.axis > at), p.index) for p in picks]
    return view, picks


def call_name(entries: list[Any]) -> str:
    """What PyTorch calls the last step of such an index, for `grad_fn`."""
    for entry in reversed(entries):
        if entry is None or isinstance(entry, bool):
            return "unsqueeze"
        if isinstance(entry, slice) and entry != slice(None):
            return "slice"
        if isinstance(entry, int) or (isinstance(entry, Tensor) and not entry._type.ndim):
            return "select"
    return "slice" if any(isinstance(e, slice) for e in entries) else "alias"


def in_range(index: int, axis: int, size: int) -> int:
    """`index` counted from 0. Raises: AxisError if there is no such element."""
    if not -size <= index < size:
        raise AxisError(
            f"index: index {index} is out of bounds for dimension {axis} with size {size}"
        )
    return index + size if index < 0 else index


def is_number(entry: Tensor) -> bool:
    """Whether a tensor indexes as a number does, for which it makes a view."""
    return entry._type.ndim == 0 and entry._type.dtype.kind in ("int", "uint")


def is_batched(entry: Tensor) -> bool:
    """Whether `vmap` has one number per example: then it picks as an index tensor does."""
    recorder = STATE.recorder
    return recorder is not None and recorder.is_batched(entry._value())


def scalar_index(entry: Tensor) -> int | None:
    """The value of a 0-d integer tensor, which indexes as the number does.

    None in a recording run, where reading it would keep the run from being replayed, unless
    every call makes the same tensor.
    """
    if not is_number(entry) or is_batched(entry):
        return None
    if STATE.session is None:
        return int(entry.item())  # type: ignore[arg-type]
    known = STATE.session.constant(entry)
    return None if known is None else int(known)


def bounds(s: slice, size: int) -> tuple[int, int, int]:
    """Start, length and step of a slice. Raises: ValueError if the step is not positive."""
    step = 1 if s.step is None else operator.index(s.step)
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step < 0:
        raise ValueError("step must be greater than zero")
    start, stop, step = slice(_bound(s.start), _bound(s.stop), step).indices(size)
    return (start, len(range(start, stop, step)), step) if stop > start else (start, 0, step)


def _bound(value: Any) -> int | None:
    return None if value is None else operator.index(value)


# Picking elements of the view


def mask_positions(mask: Tensor) -> list[Tensor]:
    """Where a mask holds, as one index tensor per axis of it; reads the mask's values."""
    session = STATE.session
    known = None if session is None else session.constant(mask)
    found = np.nonzero(mask._host() if known is None else known)
    return [from_host(i.astype(np.int64), device=mask.device) for i in found]


def index_tensors(view: Tensor, entries: list[Entry]) -> Picks:
    """The entries as index tensors, masks replaced by the positions where they hold.

    Raises: AxisError for dtypes that do not index, masks of another shape, or index tensors
    that do not broadcast together or are out of range.
    """
    shape = view._type.shape
    axes: list[int] = []
    indices: list[Tensor] = []
    for axis, index in entries:
        dtype = index._type.dtype
        if dtype is uint8:
            warnings.warn(
                "indexing with dtype thrace.uint8 is now deprecated, please use a dtype "
                "thrace.bool instead.",
                UserWarning,
                stacklevel=4,
            )
        if dtype in (bool_, uint8):
            for i, n in enumerate(index._type.shape):
                if shape[axis + i] != n:
                    raise AxisError(
                        f"index: The shape of the mask {list(index._type.shape)} at index {i} does "
                        f"not match the shape of the indexed tensor {list(shape)} at index "
                        f"{axis + i}"
                    )
            parts = mask_positions(index)
            axes += range(axis, axis + len(parts))
            indices += parts
        elif dtype in (int64, int32):
            axes.append(axis)
            indices.append(move(index, view._storage.device))
        else:
            raise AxisError(
                "index: tensors used as indices must be long, int, byte or bool tensors, not "
                f"{dtype}"
            )
    try:
        common: Shape = ()
        for i in indices:
            common = broadcast_shapes("index", common, i._type.shape)
    except ShapeError:
        given = ", ".join(str(list(i._type.shape)) for i in indices)
        raise AxisError(
            "index: shape mismatch: indexing tensors could not be broadcast together with shapes "
            + given
        ) from None
    picks = Picks(tuple(axes), indices, common)
    if 0 in picks.result_shape(view):  # then PyTorch looks at no values
        for a in axes:
            if not shape[a] and 0 not in common:
                raise AxisError(f"index: index is out of bounds for dimension {a} with size 0")
        return picks._replace(indices=[_zeros_like(i) for i in indices])
    indices = [
        prims.convert(wrapped("index", i, a, shape[a]), int64)
        for a, i in zip(axes, indices, strict=True)
    ]
    return picks._replace(indices=indices)


def _zeros_like(index: Tensor) -> Tensor:
    zeros = prims.full(0, shape=index._type.shape, dtype=int64, device=index.device)
    return relayout(zeros, index._strides)


@scoped(name="index")
def _picked(view: Tensor, entries: list[Entry]) -> Tensor:
    picks = index_tensors(view, entries)
    made = pick(view, picks)
    plain = view._strides is None and all(i._strides is None for i in picks.indices)
    return made if plain else relayout(made, _picked_strides(view, picks))


def _picked_strides(view: Tensor, picks: Picks) -> Ints | None:
    """Strides of what is picked: those of an elementwise result of the view, which stays in
    one place along the picked axes, and of the index tensors."""
    at, rest = picks.position(), picks.rest(view._type.ndim)
    own = tuple(view.stride()[a] for a in rest)
    shape = picks.result_shape(view)
    layouts = [(shape, (*own[:at], *(0,) * len(picks.shape), *own[at:]))]
    sizes = (*(1,) * at, *picks.shape, *(1,) * (len(rest) - at))
    for i in picks.indices:
        wide = i.expand(picks.shape)
        steps = views.view_strides(picks.shape, wide.stride(), sizes)
        layouts.append((sizes, steps or views.contiguous_strides(sizes)))
    return prims.dense_strides(shape, tuple(layouts))


@located
def getitem(self: Tensor, index: Any) -> Tensor:
    """`self[index]`: a view for slices, integers, None and `...`; a copy for the rest."""
    if index.__class__ is int:  # rows, the commonest index
        shape = self._type.shape
        if shape:
            return views.select(self, 0, in_range(index, 0, shape[0]))
    view, entries = basic_part(self, as_entries(index))
    return _picked(view, entries) if entries else view


# Writing


@located
def setitem(self: Tensor, index: Any, value: Any) -> None:
    """`self[index] = value`: broadcasts, converts numbers and, for views, any dtype."""
    if not isinstance(value, Tensor):
        value = _as_value(self, value)
    view, entries = basic_part(self, as_entries(index))
    if not entries:
        if isinstance(value, Tensor):
            assign(view, _without_leading_ones(value, view._type.ndim))
        else:
            view._write(full_like_value(view, value))
        return
    _put(view, entries, value)


def _as_value(x: Tensor, value: Any) -> Any:
    try:
        operand = as_operand("setitem", value) if not isinstance(value, np.ndarray) else None
    except TypeError:
        operand = None
    if operand is None:
        raise TypeError(f"can't assign a {type(value).__name__} to a {x.type()}")  # type: ignore[attr-defined]
    return number_for("setitem", operand, x._type.dtype)


def _without_leading_ones(value: Tensor, ndim: int) -> Tensor:
    """`value` without leading axes of size 1 that the target lacks."""
    shape = value._type.shape
    extra = 0
    while len(shape) - extra > ndim and shape[extra] == 1:
        extra += 1
    return value.reshape(shape[extra:]) if extra else value


@scoped(name="index_put_")
def _put(view: Tensor, entries: list[Entry], value: Any) -> None:
    if view._view is not None and STATE.grad_enabled:  # before the indices are looked at
        view._check_writable(view._view, tracked=False)
    view = view._past_hooks()
    dtype = view._type.dtype
    mask = entries[0].index
    one = not isinstance(value, Tensor) or value._type.numel == 1
    if one and len(entries) == 1 and mask._type.dtype is bool_:
        # No need to know where the mask holds.
        _check_mask(view, entries[0])
        if isinstance(value, Tensor):
            value = prims.convert(move(value, view._storage.device), dtype)
            value = prims.reshape(value, shape=())
        shape = mask._type.shape
        after = view._type.ndim - entries[0].axis - len(shape)
        aligned = prims.reshape(mask, shape=(*shape, *(1,) * after)) if after else mask
        view._write(prims.select(aligned, value, view))
        return
    picks = index_tensors(view, entries)
    picked = picks.result_shape(view)
    if not isinstance(value, Tensor):
        update = prims.full(value, shape=picked, dtype=dtype, device=view.device)
    else:
        if value._type.dtype is not dtype:
            if value._type.ndim:
                raise DTypeError(
                    "index_put_: Index put requires the source and destination dtypes match, got "
                    f"{dtype} for the destination and {value._type.dtype} for the source."
                )
            value = prims.convert(value, dtype)
        value = _without_leading_ones(move(value, view._storage.device), len(picked))
        try:
            fits = broadcast_shapes("index_put_", picked, value._type.shape) == picked
        except ShapeError:
            fits = False
        if not fits:
            raise ShapeError(
                f"index_put_: shape mismatch: value tensor of shape {list(value._type.shape)} "
                f"cannot be broadcast to indexing result of shape {list(picked)}"
            )
        update = value if value._type.shape == picked else prims.broadcast(value, shape=picked)
    view._write(put(prims.index_set, view, picks, update))


def _check_mask(view: Tensor, entry: Entry) -> None:
    shape, mask = view._type.shape, entry.index._type.shape
    for i, n in enumerate(mask):
        if shape[entry.axis + i] != n:
            raise AxisError(
                f"index: The shape of the mask {list(mask)} at index {i} does not match the shape "
                f"of the indexed tensor {list(shape)} at index {entry.axis + i}"
            )


# Positions and picks by mask


def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """Where elements differ from zero: int64[count, ndim], or an index tensor per dim.

    Reads the values: its shape hangs on them.
    """
    check_tensor("nonzero", input)
    array = input._host()
    if as_tuple:
        found = np.nonzero(array.reshape(1) if not array.ndim else array)
        return tuple(from_host(i.astype(np.int64), device=input.device) for i in found)
    made = from_host(np.argwhere(array).astype(np.int64), device=input.device)
    if made._type.numel:
        relayout(made, (1, made._type.shape[0]))  # as PyTorch lays it out
    if out is not None:
        return give("nonzero", made, out)
    return made


def argwhere(input: Tensor) -> Tensor:
    """Where elements differ from zero, one row each."""
    return nonzero(input)


def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where `mask` holds, in one dim; both broadcast. Reads the mask's values."""
    check_tensor("masked_select", input)
    check_tensor("masked_select", mask, "mask", 2)
    if mask._type.dtype is not bool_:
        raise user_error(
            DTypeError(f"masked_select: expected BoolTensor for mask, got {mask._type.dtype}")
        )
    result = _masked(input, mask)
    if out is not None:
        return give("masked_select", result, out, (input, mask))
    return result


@scoped(name="masked_select")
def _masked(x: Tensor, mask: Tensor) -> Tensor:
    shape = broadcast_shapes("masked_select", x._type.shape, mask._type.shape)
    wide, where = views.expand(x, shape), views.expand(mask, shape)
    if not shape:
        wide, where = wide.reshape(1), where.reshape(1)
    return pick(wide, index_tensors(wide, [Entry(0, where)]))


METHODS = {
    "__getitem__": getitem,
    "__setitem__": setitem,
    "nonzero": nonzero,
    "argwhere": argwhere,
    "masked_select": masked_select,
}
FUNCTIONS = {"nonzero": nonzero, "argwhere": argwhere, "masked_select": masked_select}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
