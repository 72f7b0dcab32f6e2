"""Losses over classes: cross entropy and negative log likelihood. Public as `nn.functional`.

The target's log-probability is picked by comparing the classes with the target: forward
and gradient are then elementwise and sums, where a gather's gradient would be a scatter.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from ....ir.errors import DTypeError, ShapeError
from ....ir.promotion import promote_types
from ....ir.types import DType, int64
from ... import prims, views
from ...amp.autocast import autocasts
from ...scoping import scoped
from ...tensor import Tensor
from .common import check_range, keep, legacy_reduction, narrow, reduce_loss, total, widen
from .linear import linear


@autocasts
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The negative log-probability that `softmax(input)` gives to the target classes.

    Shapes: input (N, C, ...) with target (N, ...) of class indices, or of input's shape
    with probabilities; or input (C) with target (). `weight` has a factor per class.
    Targets equal to `ignore_index` do not count. A mean over indices divides by the sum
    of the weights that counted.
    Raises: ShapeError for shapes that do not fit, DTypeError for a target that is neither
    indices nor probabilities, IndexError for a class out of range.
    """
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


@scoped(name="cross_entropy", grad_fn="NllLossBackward0")
def _cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    x, dtype = input._type, input._type.dtype
    _check_input("cross_entropy", input, weight)
    _check_batch("cross_entropy", input, target)
    axis = min(1, x.ndim - 1)
    wide = widen(input)
    if target._type.shape == x.shape and target._type.dtype.is_floating_point:
        dtype = promote_types(dtype, target._type.dtype)
        wide = prims.convert(wide, promote_types(wide._type.dtype, dtype))
        losses = _from_probabilities(wide, target, weight, smoothing, axis)
        if reduction != "mean":
            return narrow(reduce_loss("cross_entropy", losses, reduction), dtype)
        samples = x.numel // x.shape[axis] if x.shape[axis] else 0
        return narrow(prims.div(total(losses), samples or float("nan")), dtype)
    _check_indices("cross_entropy", input, target, axis, ignore_index)
    shifted, log_sum = _shifted(wide, axis)
    picked, factor = _pick(shifted, target, weight, ignore_index, axis)
    losses = prims.sub(log_sum, picked)
    if weight is not None:
        losses = prims.mul(losses, factor)
    else:
        losses = prims.select(factor, losses, 0)
    if smoothing:
        flat = _flat_losses(shifted, log_sum, weight, axis)
        counts = prims.ne(target, ignore_index) if weight is not None else factor
        flat = prims.select(counts, flat, 0)
        share = smoothing / x.shape[axis]
        losses = prims.add(prims.mul(losses, 1 - smoothing), prims.mul(flat, share))
    return narrow(_reduce("cross_entropy", losses, factor, reduction), dtype)


def _shifted(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """x minus its largest value, and the log of the sum of exponentials of that.

    The shift cancels in every loss, so its gradient is left out.
    """
    peak = keep(x, prims.amax(views.detach(x), axes=(axis,)), (axis,))
    shifted = prims.sub(x, peak)
    return shifted, prims.log(prims.sum(prims.exp(shifted), axes=(axis,)))


def _classes(like: Tensor, axis: int) -> Tensor:
    """0, 1, 2, ... along `axis`, with size 1 elsewhere behind it."""
    shape = like._type.shape
    line = prims.iota(shape=(shape[axis],), axis=0, dtype=int64, device=like.device)
    return prims.reshape(line, shape=(shape[axis], *(1,) * (len(shape) - axis - 1)))


def _pick(
    x: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, axis: int
) -> tuple[Tensor, Tensor]:
    """x at the target classes, and the weights that count: bool if there are no weights."""
    shape = target._type.shape
    goal = prims.reshape(prims.convert(target, int64), shape=(*shape[:axis], 1, *shape[axis:]))
    hit = prims.eq(goal, _classes(x, axis))
    picked = prims.sum(prims.select(hit, x, 0), axes=(axis,))
    counts = prims.ne(target, ignore_index)
    if weight is None:
        return picked, counts
    column = _column(weight, x, axis)
    mine = prims.sum(prims.select(hit, column, 0), axes=(axis,))
    return picked, prims.select(counts, mine, 0)


def _column(weight: Tensor, x: Tensor, axis: int) -> Tensor:
    shape = x._type.shape
    column = (shape[axis], *(1,) * (len(shape) - axis - 1))
    return prims.reshape(prims.convert(weight, x._type.dtype), shape=column)


def _flat_losses(shifted: Tensor, log_sum: Tensor, weight: Tensor | None, axis: int) -> Tensor:
    """The sum over all classes of their losses, as label smoothing spreads the target."""
    losses = prims.sub(keep(shifted, log_sum, (axis,)), shifted)
    if weight is not None:
        losses = prims.mul(losses, _column(weight, shifted, axis))
    return prims.sum(losses, axes=(axis,))


def _from_probabilities(
    x: Tensor, target: Tensor, weight: Tensor | None, smoothing: float, axis: int
) -> Tensor:
    shifted, log_sum = _shifted(x, axis)
    losses = prims.sub(keep(x, log_sum, (axis,)), shifted)
    share = prims.convert(target, x._type.dtype)
    if smoothing:
        share = prims.mul(share, 1 - smoothing)
        share = prims.add(share, smoothing / x._type.shape[axis])
    if weight is not None:
        losses = prims.mul(losses, _column(weight, x, axis))
    return prims.sum(prims.mul(losses, share), axes=(axis,))


@dataclasses.dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch cuts the product of `linear_cross_entropy` up; taken and not used here."""

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: DType | None = None


@scoped
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    Shapes: input (N, in) or (in), linear_weight (C, ..., in), linear_bias (C, ...); logits are
    (N, C, ...). `options` say in PyTorch how to cut the product up; XLA sees to that here.
    Raises: RuntimeError for shapes that do not fit, or `ignore_index` with probabilities.
    """
    name, x, w = "linear_cross_entropy", input._type.shape, linear_weight._type.shape
    if len(x) not in (1, 2):
        raise ShapeError(f"{name}: expected input with dimensionality 1 or 2, got {len(x)}")
    if len(w) < 2:
        raise ShapeError(
            f"{name}: expected linear_weight with dimensionality at least 2, got {len(w)}"
        )
    if x[-1] != w[-1]:
        raise ShapeError(
            f"{name}: expected equal input and linear_weight last dimensions (in_features), got "
            f"{x[-1]} and {w[-1]}"
        )
    if linear_bias is not None and linear_bias._type.shape != w[:-1]:
        raise ShapeError(
            f"{name}: expected linear_bias shape {w[:-1]}, got {linear_bias._type.shape}"
        )
    if len(w) > 2 and len(x) == 1:
        raise ShapeError(
            f"{name}: linear_weight of shape {w} requires batched input (N, {x[-1]}), got {x}"
        )
    logits = linear(
        input,
        prims.reshape(linear_weight, shape=(math.prod(w[:-1]), w[-1])),
        None if linear_bias is None else prims.reshape(linear_bias, shape=(math.prod(w[:-1]),)),
    )
    logits = prims.reshape(logits, shape=(*x[:-1], *w[:-1]))
    if ignore_index is not None and target._type.shape == logits._type.shape:
        raise ShapeError(
            f"{name}: ignore_index cannot be specified when target contains probabilities"
        )
    return cross_entropy(
        *(logits, target, weight),
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


@autocasts
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`-input` at the target classes, `input` having log-probabilities; see `cross_entropy`."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _nll_loss(input, target, weight, ignore_index, reduction)


@scoped(name="nll_loss")
def _nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    _check_input("nll_loss", input, weight)
    _check_batch("nll_loss", input, target)
    axis = min(1, input._type.ndim - 1)
    _check_indices("nll_loss", input, target, axis, ignore_index)
    picked, factor = _pick(input, target, weight, ignore_index, axis)
    losses = prims.neg(picked)
    if weight is not None:
        losses = prims.mul(losses, factor)
    else:
        losses = prims.select(factor, losses, 0)
    return _reduce("nll_loss", losses, factor, reduction)


def _reduce(name: str, losses: Tensor, factor: Tensor, reduction: str) -> Tensor:
    if reduction != "mean":
        return reduce_loss(name, losses, reduction)
    return prims.div(total(losses), total(prims.convert(factor, losses._type.dtype)))


def _check_batch(name: str, input: Tensor, target: Tensor) -> None:
    x, t = input._type, target._type
    if x.ndim > 1 and t.ndim and x.shape[0] != t.shape[0]:
        raise ShapeError(
            f"{name}: Expected input batch_size ({x.shape[0]}) to match target batch_size "
            f"({t.shape[0]})."
        )


def _check_input(name: str, input: Tensor, weight: Tensor | None) -> None:
    x = input._type
    if not x.ndim:
        raise ShapeError(f"{name}: input must have a class axis, got shape ()")
    if not x.dtype.is_floating_point:
        raise DTypeError(f"{name}: input must be floating, got {x.dtype}")
    classes = x.shape[min(1, x.ndim - 1)]
    if weight is not None and weight._type.shape != (classes,):
        raise ShapeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no "
            f"classes but got weight tensor of shape {weight._type.shape}"
        )


def _check_indices(name: str, input: Tensor, target: Tensor, axis: int, ignore_index: int) -> None:
    x, t = input._type, target._type
    expected = (*x.shape[:axis], *x.shape[axis + 1 :])
    if t.shape != expected:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} wants targets of shape {expected}, got {t.shape}"
        )
    if t.dtype.name not in ("int64", "uint8"):
        raise DTypeError(f"{name}: expected class indices as int64 or uint8, got {t.dtype}")
    message = f"{name}: Target {{}} is out of bounds for {x.shape[axis]} classes."
    check_range(target, x.shape[axis], message, besides=ignore_index)
