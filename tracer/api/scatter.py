"""Scattering with a reduction, by mask and into flattened tensors. Bound by `methods.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.errors import AxisError, DTypeError, ShapeError
from ...ir.types import bool_, int64
from .. import prims
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor, from_host
from .common import (
    as_int,
    as_sizes,
    dense_strides,
    located,
    normalize_dim,
    relayout,
    require,
    with_out,
)
from .gather import _as_vector, _index, _scatter_args, _slice_update, check_scalar
from .indexing import nonzero
from .picking import along, put, wrapped

# The op of each reduction, and what it starts from where the input is not included.
_REDUCES: dict[str, tuple[Any, Any]] = {
    "sum": (prims.index_add, 0),
    "mean": (prims.index_add, 0),
    "prod": (prims.index_mul, 1),
    "amax": (prims.index_max, None),
    "amin": (prims.index_min, None),
}


def _neutral(x: Tensor, reduce: str) -> Any:
    """What a reduction starts from: never larger (or smaller) than an element."""
    start = _REDUCES[reduce][1]
    if start is not None:
        return start
    if x._type.dtype.kind == "float":
        return -math.inf if reduce == "amax" else math.inf
    if x._type.dtype is bool_:
        return reduce == "amin"
    limits = np.iinfo(x._type.dtype.np)
    return int(limits.min if reduce == "amax" else limits.max)


def _reduced(
    x: Tensor, u: Tensor, indices: list[Tensor], reduce: str, include_self: bool
) -> Tensor:
    """`x` combined with `u` at places that index operands for its leading axes give."""
    prim, _ = _REDUCES[reduce]
    dtype = x._type.dtype
    touched = None
    ones = prims.full(1, shape=u._type.shape, dtype=int64, device=x.device)
    if not include_self or reduce == "mean":
        none = prims.full(0, shape=x._type.shape, dtype=int64, device=x.device)
        touched = prims.index_add(none, ones, *indices)
    base = x
    if not include_self:
        assert touched is not None
        base = prims.select(prims.gt(touched, 0), _neutral(x, reduce), x)
    if dtype is bool_:
        wide = prims.convert(base, int64), prims.convert(u, int64)
        out = prims.convert(prim(*wide, *indices), bool_)
    else:
        out = prim(base, u, *indices)
    if reduce != "mean":
        return out
    assert touched is not None
    count = prims.add(touched, 1) if include_self else touched
    count = prims.maximum(count, 1)
    if dtype.kind in ("float", "complex"):
        return prims.div(out, prims.convert(count, dtype))
    from .arithmetic import floor_divide

    return floor_divide(out, prims.convert(count, dtype))


def _check_reduce(name: str, reduce: str, allowed: tuple[str, ...]) -> None:
    if reduce not in allowed:
        raise RuntimeError(
            f"{name}: reduce argument must be one of {', '.join(allowed)}, got {reduce}"
        )


@with_out
@scoped
def scatter_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with the elements of `src` reduced into where `index` says along `dim`.

    `reduce`: sum, prod, mean, amax or amin; without `include_self` what was there does not
    count where something comes. Equal extremes share the gradient evenly.
    """
    name = "scatter_reduce"
    check_tensor(name, input)
    check_tensor(name, src, "src", 4)
    _check_reduce(name, reduce, tuple(_REDUCES))
    scalar = not input._type.ndim
    if scalar:
        index, src = _as_vector(_index(name, index)), _as_vector(src)
    x = _as_vector(input)
    axis, index, src = _scatter_args(name, x, dim, index, src)
    if not index._type.numel:
        return prims.convert(input, input._type.dtype).clone()  # type: ignore[attr-defined]
    result = _reduced(x, src, along(x, axis, index), reduce, include_self)
    return prims.reshape(result, shape=()) if scalar else result


@with_out
@scoped
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with `source` reduced into the slices of `dim` that `index` names.

    `reduce`: prod, mean, amax or amin.
    """
    name = "index_reduce"
    check_tensor(name, input)
    _check_reduce(name, reduce, ("prod", "mean", "amax", "amin"))
    if not input._type.ndim:
        check_scalar(name, source)
        normalize_dim(name, dim, 0)
        picked = index_reduce(
            prims.reshape(input, shape=(1,)), 0, index, _as_vector(source), reduce,
            include_self=include_self,
        )  # fmt: skip
        return prims.reshape(picked, shape=())
    picks, source = _slice_update(name, input, dim, index, source)

    def combine(x: Tensor, u: Tensor, *indices: Tensor) -> Tensor:
        return _reduced(x, u, list(indices), reduce, include_self)

    return put(combine, input, picks, source)


@scoped(name="put")
def put_values(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `source` put (or added) at positions of the flattened tensor."""
    name = "put"
    check_tensor(name, input)
    check_tensor(name, source, "source", 3)
    index = _index(name, index, 2)
    if source._type.dtype is not input._type.dtype:
        raise DTypeError(
            f"{name}: expected source and self to have the same dtype, but got "
            f"{source._type.dtype} and {input._type.dtype}"
        )
    if source._type.numel != index._type.numel:
        raise ShapeError(
            f"{name}: expected source and index to have the same number of elements, but got "
            f"{source._type.numel} and {index._type.numel}"
        )
    size, count = input._type.numel, index._type.numel
    if not count:
        return input.clone()  # type: ignore[attr-defined]
    if not size:
        raise AxisError(f"{name}: cannot put elements into an empty tensor")
    flat = prims.reshape(input, shape=(size,))
    at = wrapped(name, prims.reshape(index, shape=(count,)), 0, size)
    prim = prims.index_add if accumulate else prims.index_set
    made = prim(flat, prims.reshape(source, shape=(count,)), at)
    return relayout(prims.reshape(made, shape=input._type.shape), dense_strides(input))


@scoped
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements of `source`, in order, where `mask` holds.

    Raises: RuntimeError if dtypes differ or `source` is known to have too few elements.
    """
    name = "masked_scatter"
    check_tensor(name, input)
    check_tensor(name, mask, "mask", 2)
    check_tensor(name, source, "source", 3)
    if mask._type.dtype is not bool_:
        raise DTypeError(f"{name}: only supports boolean masks, but got {mask._type.dtype}")
    if source._type.dtype is not input._type.dtype:
        raise DTypeError(
            f"{name}: expected self and source to have same dtypes but got {input._type.dtype} and "
            f"{source._type.dtype}"
        )
    from ...ir.promotion import broadcast_shapes

    shape = broadcast_shapes(name, input._type.shape, mask._type.shape)
    times = math.prod(shape) // (mask._type.numel or 1)
    require(
        mask,
        lambda m: m.sum() * times <= source._type.numel,
        f"{name}: Number of elements of source < number of ones in mask",
    )
    x, mask = prims.broadcast(input, shape=shape), prims.broadcast(mask, shape=shape)
    if not source._type.numel or not x._type.numel:
        return prims.convert(x, x._type.dtype).clone()  # type: ignore[attr-defined]
    from .reduce import cumsum

    flat = prims.convert(prims.reshape(mask, shape=(mask._type.numel,)), int64)
    order = prims.sub(cumsum(flat, 0), 1)
    at = prims.minimum(prims.maximum(order, 0), source._type.numel - 1)
    line = prims.reshape(source, shape=(source._type.numel,))
    taken = prims.reshape(prims.index(line, at), shape=shape)
    return prims.select(mask, taken, x)


@located
def nonzero_static(
    input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None
) -> Tensor:
    """As `nonzero`, cut off or filled up to `size` rows. Reads the values."""
    check_tensor("nonzero_static", input)
    size = as_int("nonzero_static", size, "size")
    if size < 0:
        raise ShapeError("nonzero_static: 'size' must be an non-negative integer")
    found = nonzero(input).numpy()[:size]
    made = np.full((size, input._type.ndim), fill_value, np.int64)
    made[: len(found)] = found
    result = from_host(made, device=input.device)
    if out is None:
        return result
    from .common import give

    return give("nonzero_static", result, out)


@scoped
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Positions in a flattened tensor as an index tensor for each dim of `shape`."""
    check_tensor("unravel_index", indices, "indices")
    if indices._type.dtype.kind not in ("int", "uint"):
        raise DTypeError(f"unravel_index: expected integer indices, got {indices._type.dtype}")
    if isinstance(shape, Tensor):
        shape = shape.tolist()
    if isinstance(shape, int):
        shape = (shape,)
    sizes = as_sizes("unravel_index", (tuple(shape),), "shape")
    if any(n < 0 for n in sizes):
        raise ShapeError(f"unravel_index: 'shape' cannot have negative values, but got {sizes}")
    from .arithmetic import floor_divide, remainder

    out = []
    step = 1
    for n in reversed(sizes):
        out.append(remainder(floor_divide(indices, step), max(n, 1)))
        step *= max(n, 1)
    return tuple(reversed(out))


METHODS: dict[str, Any] = {
    f.__name__: f for f in (scatter_reduce, index_reduce, masked_scatter, nonzero_static)
}
METHODS["put"] = put_values
FUNCTIONS = METHODS | {"unravel_index": unravel_index}
INPLACE = ("scatter_reduce", "index_reduce", "put", "masked_scatter")
INPLACE_FUNCTIONS: tuple[str, ...] = ()
