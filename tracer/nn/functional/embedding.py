"""Rows of tables: embeddings, bags of them, one-hot vectors. Public as `nn.functional`."""

from __future__ import annotations

import math

from ....ir.errors import DTypeError, ShapeError
from ....ir.types import int64
from ... import prims
from ...api.search import searchsorted
from ...autograd import no_grad
from ...recording import user_error
from ...scoping import scoped
from ...state import is_grad_enabled
from ...tensor import Tensor
from .common import check_range


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of `weight` by the integers in `input`.

    Shapes: input any, weight (rows, width); the result is (*input, width).
    `padding_idx` names a row without gradient. Under `max_norm`, rows that are read and
    longer are first scaled down, in place. Gradients are dense, whatever `sparse` says.
    Raises: DTypeError unless `input` is int32 or int64, IndexError outside the rows.
    """
    if weight._type.ndim != 2:
        raise user_error(ShapeError(f"'weight' must be 2-D, got shape {weight._type.shape}"))
    rows = weight._type.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        with no_grad():
            weight._write(_renormed(input, weight, max_norm, norm_type))
    return _embedding(input, weight, padding_idx, scale_grad_by_freq)


@scoped(name="embedding")
def _embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None, scale_grad_by_freq: bool
) -> Tensor:
    _check_indices(input, weight)
    out = prims.index(weight, input)
    if not (is_grad_enabled() and weight.requires_grad):
        return out
    fixed = out.detach()
    if scale_grad_by_freq:
        times = prims.index(_frequencies(input, weight), input)
        share = prims.reshape(prims.div(1.0, times), shape=(*input._type.shape, 1))
        out = prims.add(fixed, prims.mul(prims.sub(out, fixed), share))
    if padding_idx is not None:
        learns = prims.reshape(prims.ne(input, padding_idx), shape=(*input._type.shape, 1))
        out = prims.select(learns, out, fixed)
    return out


def _check_indices(input: Tensor, weight: Tensor) -> None:
    if input._type.dtype.name not in ("int32", "int64"):
        raise DTypeError(f"embedding: indices must be int32 or int64, got {input.dtype}")
    rows = weight._type.shape[0]
    check_range(input, rows, f"embedding: index {{}} out of range for {rows} rows")


def _frequencies(input: Tensor, weight: Tensor) -> Tensor:
    """How often each row is read."""
    dtype, place = weight._type.dtype, weight.device
    zeros = prims.full(0, shape=weight._type.shape[:1], dtype=dtype, device=place)
    ones = prims.full(1, shape=input._type.shape, dtype=dtype, device=place)
    return prims.index_add(zeros, ones, input)


@scoped(name="embedding_renorm")
def _renormed(input: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> Tensor:
    _check_indices(input, weight)
    powers = prims.pow(prims.abs(weight), float(norm_type))
    norms = prims.pow(prims.sum(powers, axes=(1,)), 1.0 / norm_type)
    long = prims.bit_and(prims.gt(norms, max_norm), prims.gt(_frequencies(input, weight), 0))
    scale = prims.select(long, prims.div(max_norm, prims.add(norms, 1e-7)), 1)
    return prims.mul(weight, prims.reshape(scale, shape=(weight._type.shape[0], 1)))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class that each element names, 0 elsewhere, along a new last axis.

    Without `num_classes` it is one more than the largest element, which is looked at.
    Raises: DTypeError unless int64, RuntimeError for a class out of range.
    """
    if tensor.dtype is not int64:
        raise DTypeError(f"one_hot is only applicable to int64 tensors, got {tensor.dtype}")
    if num_classes == 0 or num_classes < -1:
        raise RuntimeError("num_classes should be positive")
    if num_classes == -1:
        host = tensor._host()
        if host.size == 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(host.max()) + 1
    return _one_hot(tensor, num_classes)


@scoped(name="one_hot")
def _one_hot(tensor: Tensor, classes: int) -> Tensor:
    host = tensor._host_if_ready()
    if host is not None and host.size:
        if host.min() < 0:
            raise user_error(RuntimeError("one_hot: Class values must be non-negative."))
        if host.max() >= classes:
            raise user_error(
                RuntimeError("one_hot: Class values must be smaller than num_classes.")
            )
    elif host is None:
        check_range(tensor, classes, f"one_hot: class {{}} is not in [0, {classes})")
    shape = (*tensor._type.shape, 1)
    line = prims.iota(shape=(classes,), axis=0, dtype=int64, device=tensor.device)
    return prims.convert(prims.eq(prims.reshape(tensor, shape=shape), line), int64)


@scoped
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of `weight` in each bag of indices.

    Bags are the rows of a 2-D `input`, or begin at `offsets` of a 1-D one.
    """
    name = "embedding_bag"
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{name}: mode has to be one of sum, mean or max")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            f"{name}: per_sample_weights was not None. per_sample_weights is only supported for "
            f"mode='sum' (got mode='{mode}')."
        )
    if per_sample_weights is not None and per_sample_weights._type.shape != input._type.shape:
        raise ValueError(
            f"{name}: If per_sample_weights is not None, then it must have the same shape as the "
            f"input, got {list(per_sample_weights.shape)}"
        )
    rows = weight._type.shape[0]
    padding = None if padding_idx is None else padding_idx % rows
    if input._type.ndim == 2:
        if offsets is not None:
            raise ValueError(f"{name}: if input is 2D, then offsets has to be None")
        bags, size = input._type.shape
        bag = prims.iota(shape=(bags, size), axis=0, dtype=int64).reshape(-1)
    elif input._type.ndim == 1:
        if offsets is None:
            raise ValueError(f"{name}: offsets has to be a 1D Tensor but got None")
        if offsets._type.ndim != 1:
            raise ValueError(f"{name}: offsets has to be a 1D Tensor")
        bags = offsets._type.shape[0] - bool(include_last_offset)
        place = prims.iota(shape=input._type.shape, axis=0, dtype=int64)
        starts = prims.convert(offsets, int64)[:bags]
        bag = searchsorted(starts, place, right=True) - 1
    else:
        raise ValueError(f"{name}: input has to be 1D or 2D Tensor, but got Tensor of dimension "
                         f"{input._type.ndim}")  # fmt: skip
    flat = input.reshape(-1)
    found = embedding(flat, weight, padding, max_norm, norm_type, scale_grad_by_freq)
    counts = prims.full(1, shape=flat._type.shape, dtype=int64, device=weight.device)
    if padding is not None:
        there = prims.ne(flat, padding)
        counts = prims.convert(there, int64)
        if mode != "max":
            found = prims.select(there.unsqueeze(-1), found, 0)
    if per_sample_weights is not None:
        found = found * per_sample_weights.reshape(-1, 1)
    out = weight.new_zeros(bags, weight._type.shape[1])  # type: ignore[attr-defined]
    many = prims.index_add(prims.full(0, shape=(bags,), dtype=int64), counts, bag)
    if mode == "max":
        if padding is not None:
            found = prims.select(there.unsqueeze(-1), found, -math.inf)
        spread = bag.unsqueeze(-1).expand(-1, weight._type.shape[1])
        out = out.scatter_reduce(  # type: ignore[attr-defined]
            0, spread, found, "amax", include_self=False
        )
        return prims.select(prims.gt(many, 0).unsqueeze(-1), out, 0)
    out = out.index_add(0, bag, found)
    if mode == "mean":
        out = out / prims.maximum(many, 1).unsqueeze(-1).to(out.dtype)
    return out
