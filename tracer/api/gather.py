"""Gathering, scattering and masks by name. Bound by `methods.py`."""

from __future__ import annotations

from typing import Any

from ...ir.errors import AxisError, DTypeError, ShapeError
from ...ir.promotion import broadcast_shapes
from ...ir.types import Shape, bool_, int32, int64
from .. import prims
from ..amp.autocast import autocasts
from ..promotion import Number, Operand, as_operand, check_tensor, literal
from ..scoping import scoped
from ..tensor import Tensor
from .arithmetic import remainder
from .common import dense_strides, normalize_dim, relayout, same_value, with_out
from .convert import move, number_for
from .picking import Picks, along, checked, pick, put, wrapped

# Functions that take no int32 for an index; and those that look at no index without elements.
_LONG = frozenset(("take", "put", "index_copy", "index_fill"))
_LENIENT = frozenset(("gather", "scatter", "scatter_add", "scatter_reduce"))


def _index(name: str, index: Any, position: int = 3) -> Tensor:
    check_tensor(name, index, "index", position)
    dtypes = (int64,) if name in _LONG else (int64, int32)
    if index._type.dtype not in dtypes and (index._type.numel or name not in _LENIENT):
        expected = "/".join(d.name for d in reversed(dtypes))
        text = f"{name}: Expected dtype {expected} for index, got {index._type.dtype}"
        raise AxisError(text) if name == "index_fill" else DTypeError(text)
    return prims.convert(index, int64)


def _fit(name: str, x: Tensor, axis: int, index: Tensor) -> None:
    """Raises: ShapeError if `index` reaches beyond `x` in another dim than `axis`."""
    own, other = x._type.shape, index._type.shape
    if max(len(own), 1) != max(len(other), 1):
        raise ShapeError(
            f"{name}: Index tensor must have the same number of dimensions as input tensor, got "
            f"{list(other)} for {list(own)}"
        )
    for a, (m, n) in enumerate(zip(own, other, strict=False)):
        if a != axis and n > m:
            raise ShapeError(
                f"{name}: Size does not match at dimension {a} expected index {list(other)} to be "
                f"no larger than self {list(own)} apart from dimension {axis}"
            )


def _as_vector(x: Tensor) -> Tensor:
    return x if x._type.ndim else prims.reshape(x, shape=(1,))


@with_out
@scoped
def gather(
    input: Tensor,
    dim: int,
    index: Tensor,
    *,
    sparse_grad: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Along `dim`, the elements that `index` says, for each place of `index`.

    Raises: an IndexError that is a RuntimeError too if an index is out of range.
    """
    check_tensor("gather", input)
    index = _index("gather", index)
    axis = normalize_dim("gather", dim, input._type.ndim)
    if not index._type.numel:  # PyTorch compares no sizes where nothing is gathered
        if not input._type.numel:
            return prims.reshape(input, shape=index._type.shape)
        return prims.index(prims.reshape(input, shape=(input._type.numel,)), index)
    _fit("gather", input, axis, index)
    shape = index._type.shape
    x, index = _as_vector(input), _as_vector(index)
    index = checked("gather", index, axis, x._type.shape[axis])
    picked = prims.index(x, *along(x, axis, index))
    return picked if shape == picked._type.shape else prims.reshape(picked, shape=shape)


@with_out
@scoped
def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """As `gather`, with `input` and `indices` broadcast but for `dim`; None flattens both.

    Along a `dim` indices count modulo its size, as in PyTorch 2.13.
    """
    check_tensor("take_along_dim", input)
    check_tensor("take_along_dim", indices, "indices", 2)
    if indices._type.dtype is not int64:
        raise DTypeError(
            f"take_along_dim: dtype of indices should be int64 but got {indices._type.dtype}"
        )
    if dim is None:
        index = indices if indices._type.ndim == 1 else indices.reshape(-1)
        return gather(input.reshape(-1), 0, index)
    axis = normalize_dim("take_along_dim", dim, input._type.ndim)
    own, other = list(input._type.shape), list(indices._type.shape)
    if len(own) != len(other):
        raise ShapeError(
            "take_along_dim: input and indices should have the same number of dimensions, but got "
            f"{len(own)} dimensions for input, and {len(other)} dimensions for indices"
        )
    if not own:
        raise AxisError("take_along_dim: Dimension specified as 0 but tensor has no dimensions")
    count, size = other[axis], own[axis]
    own[axis] = other[axis] = 1
    common = list(broadcast_shapes("take_along_dim", tuple(own), tuple(other)))
    common[axis] = size
    x = input.expand(common)
    common[axis] = count
    index = remainder(indices, size) if size else indices
    return gather(x, axis, index.expand(common))


@with_out
@scoped
def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements at positions of the flattened tensor, in the shape of `index`."""
    check_tensor("take", input)
    index = _index("take", index, 2)
    index = wrapped("take", index, 0, input._type.numel)
    return prims.index(prims.reshape(input, shape=(input._type.numel,)), index)


@with_out
@scoped
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of `dim` that the vector `index` names."""
    check_tensor("index_select", input)
    _, picks = _slices("index_select", input, dim, index)
    if not input._type.ndim:
        if picks.shape != (1,):
            raise ShapeError(
                f"index_select: Index to scalar can have only 1 value, got {picks.shape[0]}"
            )
        return same_value(input)
    return pick(input, picks)


# Where slices have no elements, PyTorch looks at no index here; elsewhere it does.
_LOOKS_AT_SLICES = ("index_add", "index_copy", "index_fill")


def _slices(name: str, x: Tensor, dim: Any, index: Any) -> tuple[int, Picks]:
    index = _index(name, index)
    axis = normalize_dim(name, dim, x._type.ndim)
    if index._type.ndim > 1:
        raise AxisError(f"{name}: Index is supposed to be a vector, got {list(index._type.shape)}")
    index, shape = _as_vector(index), x._type.shape or (1,)
    if 0 in (*shape[:axis], *shape[axis + 1 :]) and shape[axis] and name in _LOOKS_AT_SLICES:
        index = prims.full(0, shape=index._type.shape, dtype=int64, device=x.device)
    index = checked(name, index, axis, shape[axis])
    return axis, Picks((axis,), [index], index._type.shape)


def _scatter_args(
    name: str, x: Tensor, dim: Any, index: Any, src: Tensor
) -> tuple[int, Tensor, Tensor]:
    """Axis, index in range, and the part of `src` that goes there."""
    index = _index(name, index)
    axis = normalize_dim(name, dim, x._type.ndim)
    if x._type.ndim == 1:
        index, src = _as_vector(index), _as_vector(src)
    own, other, given = x._type.shape, index._type.shape, src._type.shape
    if src._type.dtype is not x._type.dtype:
        raise DTypeError(
            f"{name}: Expected self.dtype to be equal to src.dtype, got {x._type.dtype} and "
            f"{src._type.dtype}"
        )
    if not index._type.numel:  # whatever else the shapes are, as in PyTorch
        none = prims.slice(src.reshape(-1), starts=(0,), sizes=(0,), strides=(1,))
        return axis, index, prims.reshape(none, shape=other)
    _check_ranks(name, own, other, given)
    for a, n in enumerate(other):
        if (a != axis and n > own[a]) or n > given[a]:
            raise ShapeError(
                f"{name}: Expected index {list(other)} to be no larger than self {list(own)} apart "
                f"from dimension {axis} and to be no larger size than src {list(given)}"
            )
    index = checked(name, index, axis, own[axis])
    if given != other:
        src = prims.slice(src, starts=(0,) * len(other), sizes=other, strides=(1,) * len(other))
    return axis, index, src


def _check_ranks(name: str, own: Shape, other: Shape, given: Shape) -> None:
    """Raises: ShapeError for an index of another rank than `own` or than a wider source,
    AxisError, as in PyTorch, for a source that lacks dims. Numbers count as vectors."""
    m, n, k = (max(len(s), 1) for s in (own, other, given))
    if given and m == n > k and all(i <= g for i, g in zip(other, given, strict=False)):
        raise AxisError(
            f"{name}: Dimension out of range (expected to be in range of [{-k}, {k - 1}], but got "
            f"{k}): src {list(given)} has fewer dimensions than index {list(other)}"
        )
    if not m == n == k:
        raise ShapeError(
            f"{name}: Index tensor must have the same number of dimensions as self and src tensor, "
            f"got {list(other)} for {list(own)} and {list(given)}"
        )


_SCATTERS = {None: prims.index_set, "add": prims.index_add, "multiply": prims.index_mul}


@with_out
@scoped
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with the elements of `src` (or a number) put where `index` says along `dim`.

    `reduce="add"` adds them instead, `"multiply"` multiplies. Where places repeat, one of
    the elements is kept.
    """
    check_tensor("scatter", input)
    if reduce not in _SCATTERS:
        raise RuntimeError(f"scatter: reduce argument must be either add or multiply, got {reduce}")
    source = value if src is None else src
    source = as_operand("scatter", source, "src", 4)
    if not isinstance(source, Tensor):
        shape = _index("scatter", index)._type.shape
        number = number_for("scatter", source, input._type.dtype)
        source = prims.full(number, shape=shape, dtype=input._type.dtype, device=input.device)
    return _scattered("scatter", input, dim, index, source, _SCATTERS[reduce])


def _scattered(name: str, x: Tensor, dim: Any, index: Any, src: Tensor, prim: Any) -> Tensor:
    scalar = not x._type.ndim
    if scalar:
        x, index, src = _as_vector(x), _as_vector(_index(name, index)), _as_vector(src)
    axis, index, src = _scatter_args(name, x, dim, index, src)
    if not index._type.numel:
        return same_value(x)
    result = prim(x, src, *along(x, axis, index))
    return prims.reshape(result, shape=()) if scalar else result


@autocasts
@with_out
@scoped
def scatter_add(
    input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """`input` with the elements of `src` added where `index` says along `dim`."""
    check_tensor("scatter_add", input)
    check_tensor("scatter_add", src, "src", 4)
    return _scattered("scatter_add", input, dim, index, src, prims.index_add)


def check_scalar(name: str, source: Tensor) -> None:
    """Raises: ShapeError for a source with dims, where the tensor has none."""
    if source._type.ndim:
        raise ShapeError(
            f"{name}: source tensor shape must match self tensor shape, excluding the specified "
            f"dimension. Got self.shape = [] source.shape = {list(source._type.shape)}"
        )


def _slice_update(name: str, x: Tensor, dim: Any, index: Any, source: Any) -> tuple[Picks, Tensor]:
    check_tensor(name, source, "source", 4)
    axis, picks = _slices(name, x, dim, index)
    scalar = not source._type.ndim
    if scalar and name == "index_copy" and picks.shape != (1,):
        raise AxisError(
            f"{name}: When source is scalar, index should have one element (got {picks.shape[0]})"
        )
    if not x._type.ndim and name != "index_copy":
        check_scalar(name, source)
    if (x._type.ndim == 1 and name == "index_copy") or (not x._type.ndim and scalar):
        source = _as_vector(source)
    if source._type.dtype is not x._type.dtype:
        raise DTypeError(
            f"{name}: self and source expected to have the same dtype, but got (self) "
            f"{x._type.dtype} and (source) {source._type.dtype}"
        )
    expected = picks.result_shape(x)
    if source._type.shape != expected:
        raise ShapeError(
            f"{name}: source of shape {list(source._type.shape)} must have shape {list(expected)}, "
            f"that of self with the number of indices at dim {axis}"
        )
    return picks, source


@with_out
@scoped
def index_add(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with `alpha * source` added to the slices of `dim` that `index` names."""
    check_tensor("index_add", input)
    picks, source = _slice_update("index_add", input, dim, index, source)
    if alpha != 1:
        source = prims.mul(source, literal(alpha, source._type.dtype))
    return _put_slices(prims.index_add, input, picks, source)


@autocasts
@with_out
@scoped
def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """`input` with the slices of `dim` that `index` names replaced by those of `source`."""
    check_tensor("index_copy", input)
    picks, source = _slice_update("index_copy", input, dim, index, source)
    return _put_slices(prims.index_set, input, picks, source)


def _put_slices(prim: Any, x: Tensor, picks: Picks, source: Tensor) -> Tensor:
    """`put`, for a tensor without dims as for a vector of one."""
    made = put(prim, _as_vector(x), picks, source)
    return made if x._type.ndim else prims.reshape(made, shape=())


@scoped
def index_fill(input: Tensor, dim: int, index: Tensor, value: Operand) -> Tensor:
    """`input` with the slices of `dim` that `index` names filled with one value."""
    check_tensor("index_fill", input)
    _, picks = _slices("index_fill", input, dim, index)
    # By a mask: a slice named twice is filled once, and so is the value's gradient.
    mask = prims.full(False, shape=input._type.shape, dtype=bool_, device=input.device)
    hits = prims.full(
        True, shape=picks.result_shape(_as_vector(input)), dtype=bool_, device=input.device
    )
    mask = _put_slices(prims.index_set, mask, picks, hits)
    filled = prims.select(mask, _scalar("index_fill", input, value), input)
    return relayout(filled, dense_strides(input))


def _spread(name: str, x: Tensor, value: Any, shape: tuple[int, ...]) -> Tensor:
    """A number or 0-d tensor spread over `shape`, with the dtype and device of `x`."""
    value = _scalar(name, x, value)
    if isinstance(value, Tensor):
        return prims.broadcast(value, shape=shape)
    return prims.full(value, shape=shape, dtype=x._type.dtype, device=x.device)


def _scalar(name: str, x: Tensor, value: Any) -> Any:
    value = as_operand(name, value, "value", 3)
    if not isinstance(value, Tensor):
        return number_for(name, value, x._type.dtype)
    if value._type.ndim:
        raise ShapeError(
            f"{name}: only supports a 0-dimensional value tensor, but got tensor with "
            f"{value._type.ndim} dimension(s)."
        )
    if value._type.dtype.is_complex and not x._type.dtype.is_complex:
        raise DTypeError(
            f"{name}: value cannot be converted to type {x._type.dtype} without overflow"
        )
    return prims.convert(move(value, x._storage.device), x._type.dtype)


@scoped
def masked_fill(input: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """`input` with one value where `mask` holds; the two broadcast."""
    check_tensor("masked_fill", input)
    check_tensor("masked_fill", mask, "mask", 2)
    if mask._type.dtype is not bool_:
        raise DTypeError(
            f"masked_fill: only supports boolean masks, but got mask with dtype {mask._type.dtype}"
        )
    return relayout(prims.select(mask, _scalar("masked_fill", input, value), input), None)


@autocasts
@scoped
def index_put(
    input: Tensor, indices: tuple[Tensor | None, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """`input` with `values` set, or added, at the positions that the index tensors give."""
    from .indexing import Entry, index_tensors

    check_tensor("index_put", input)
    entries = [Entry(a, i) for a, i in enumerate(indices) if i is not None]
    picks = index_tensors(input, entries)
    update = prims.broadcast(values, shape=picks.result_shape(input))
    made = put(prims.index_add if accumulate else prims.index_set, input, picks, update)
    return relayout(made, dense_strides(input))


def _inside(x: Tensor, mask: Tensor, indices: Any) -> list[Tensor | None]:
    """Indices with zero where they have no part: there they may be out of range."""
    return [None if i is None else prims.select(mask, i, 0) for i in indices]


@scoped(name="_unsafe_masked_index")
def masked_index(input: Tensor, mask: Tensor, indices: Any, fill: Number) -> Tensor:
    """`input[indices]` where `mask` holds, else `fill`: indices may be out of range there."""
    check_tensor("_unsafe_masked_index", input)
    check_tensor("_unsafe_masked_index", mask, "mask", 2)
    picked: Tensor = input[tuple(_inside(input, mask, indices))]  # type: ignore[index]
    return masked_fill(picked, prims.bit_not(mask), fill)


@scoped(name="_unsafe_masked_index_put_accumulate")
def masked_index_put(input: Tensor, mask: Tensor, indices: Any, values: Tensor) -> Tensor:
    """`input` with `values` added at `indices` where `mask` holds."""
    check_tensor("_unsafe_masked_index_put_accumulate", input)
    check_tensor("_unsafe_masked_index_put_accumulate", mask, "mask", 2)
    kept = masked_fill(values, prims.bit_not(mask), 0)
    return index_put(input, tuple(_inside(input, mask, indices)), kept, accumulate=True)


METHODS = {
    f.__name__: f
    for f in (
        *(gather, take_along_dim, take, index_select, scatter, scatter_add, index_add),
        *(index_copy, index_fill, masked_fill, index_put),
    )
}
FUNCTIONS = METHODS | {
    "_unsafe_masked_index": masked_index,
    "_unsafe_masked_index_put_accumulate": masked_index_put,
}
INPLACE = (
    *("scatter", "scatter_add", "index_add", "index_copy", "index_fill", "masked_fill"),
    "index_put",
)
INPLACE_FUNCTIONS: tuple[str, ...] = ()
