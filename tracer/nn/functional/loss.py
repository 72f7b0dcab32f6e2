"""Losses that compare tensors of one shape. Public as `nn.functional`."""

from __future__ import annotations

import math
import warnings

from ....ir.errors import DTypeError, ShapeError
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import laid_like, require
from ...promotion import promote
from ...scoping import scoped
from ...tensor import Tensor
from .activation import log1p_exp
from .common import check_reduction, legacy_reduction, reduce_loss, total


def _warn_if_broadcast(name: str, input: Tensor, target: Tensor) -> None:
    if input._type.shape != target._type.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}): {name} broadcasts both, which is seldom meant.",
            UserWarning,
            stacklevel=3,
        )


def _weighted(losses: Tensor, weight: Tensor | None) -> Tensor:
    return losses if weight is None else prims.mul(losses, prims.convert(weight, losses.dtype))


@autocasts
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean (or sum, or all) of `(input - target) ** 2`; `weight` counts elements.

    A weighted mean divides by the sum of the weights.
    """
    _warn_if_broadcast("mse_loss", input, target)
    return _mse_loss(input, target, legacy_reduction(size_average, reduce, reduction), weight)


def _alike(input: Tensor, target: Tensor) -> list[Tensor]:
    """Both in one dtype; as they are expanded first, one without dims counts as any other."""
    shape = (1,) if input._type.ndim or target._type.ndim else ()
    return promote(*(t if t._type.ndim else prims.reshape(t, shape=shape) for t in (input, target)))


@scoped(name="mse_loss")
def _mse_loss(input: Tensor, target: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    difference = prims.sub(*_alike(input, target))
    losses = _weighted(prims.pow(difference, 2), weight)
    return _reduce_weighted("mse_loss", losses, weight, reduction)


def _reduce_weighted(name: str, losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    if weight is not None and reduction == "mean":
        shape = losses._type.shape
        spread = prims.broadcast(prims.convert(weight, losses.dtype), shape=shape)
        return prims.div(total(losses), total(spread))
    return reduce_loss(name, losses, reduction)


@autocasts
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean (or sum, or all) of `|input - target|`."""
    _warn_if_broadcast("l1_loss", input, target)
    return _l1_loss(input, target, legacy_reduction(size_average, reduce, reduction), weight)


@scoped(name="l1_loss", grad_fn="MeanBackward0")
def _l1_loss(input: Tensor, target: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    difference = prims.sub(*_alike(input, target))
    losses = _weighted(difference.abs(), weight)  # type: ignore[attr-defined]
    return _reduce_weighted("l1_loss", losses, weight, reduction)


@autocasts
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """`d**2 / (2 * beta)` where `|d| < beta`, else `|d| - beta / 2`; d = input - target."""
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    _warn_if_broadcast("smooth_l1_loss", input, target)
    reduction = legacy_reduction(size_average, reduce, reduction)
    if beta == 0:
        return _l1_loss(input, target, reduction, None)
    return _smooth_l1_loss(input, target, reduction, beta)


@scoped(name="smooth_l1_loss")
def _smooth_l1_loss(input: Tensor, target: Tensor, reduction: str, beta: float) -> Tensor:
    difference = prims.sub(*_alike(input, target))
    size = prims.abs(difference)
    near = prims.mul(prims.mul(difference, difference), 0.5 / beta)
    losses = prims.select(prims.lt(size, beta), near, prims.sub(size, 0.5 * beta))
    return reduce_loss("smooth_l1_loss", losses, reduction)


@autocasts
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """`d**2 / 2` where `|d| < delta`, else `delta * (|d| - delta / 2)`; d = input - target.

    In the input's dtype, whatever the target's.
    """
    check_reduction(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    _warn_if_broadcast("huber_loss", input, target)
    return _huber_loss(input, target, reduction, delta, weight)


@scoped(name="huber_loss")
def _huber_loss(
    input: Tensor, target: Tensor, reduction: str, delta: float, weight: Tensor | None
) -> Tensor:
    difference = prims.sub(*_alike(input, target))
    size = prims.abs(difference)
    near = prims.mul(prims.mul(difference, difference), 0.5)
    far = prims.mul(prims.sub(size, 0.5 * delta), delta)
    losses = prims.select(prims.lt(size, delta), near, far)
    dtype = input._type.dtype
    if not dtype.is_floating_point:
        raise DTypeError(f"huber_loss: result type {losses.dtype} can't be cast to {dtype}")
    losses = _weighted(laid_like(prims.convert(losses, dtype), input), weight)
    return _reduce_weighted("huber_loss", losses, weight, reduction)


def _check_same(name: str, input: Tensor, target: Tensor) -> None:
    if input._type.shape != target._type.shape:
        raise ShapeError(
            f"{name}: target size {tuple(target.shape)} must be the same as input size "
            f"{tuple(input.shape)}"
        )
    if not input._type.dtype.is_floating_point:
        raise DTypeError(f"{name}: not implemented for {input.dtype}")


@autocasts
@scoped
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`-(target * log(input) + (1 - target) * log(1 - input))` for probabilities `input`.

    Logarithms are kept at -100 or above; there the gradient is zero.
    Raises: ShapeError if the shapes differ, RuntimeError for a probability outside [0, 1].
    """
    _check_same("binary_cross_entropy", input, target)
    require(
        input,
        lambda p: (p >= 0) & (p <= 1),
        "binary_cross_entropy: all elements of input should be between 0 and 1",
    )
    target = prims.convert(target, input._type.dtype)
    hit = prims.mul(target, _bounded_log(input))
    miss = prims.mul(prims.sub(1, target), _bounded_log(prims.sub(1, input)))
    losses = laid_like(prims.neg(prims.add(hit, miss)), input, target)
    losses = _weighted(losses, weight)
    reduction = legacy_reduction(size_average, reduce, reduction)
    return reduce_loss("binary_cross_entropy", losses, reduction)


def _bounded_log(p: Tensor) -> Tensor:
    """max(log(p), -100), with gradient 0 rather than nan at 0."""
    tiny = prims.le(p, math.exp(-100))
    return prims.select(tiny, -100.0, prims.log(prims.select(tiny, 1, p)))


@autocasts
@scoped
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of `sigmoid(input)`, without overflow.

    `pos_weight` (broadcast) counts the positive part. Raises: ShapeError if the shapes of
    input and target differ.
    """
    _check_same("binary_cross_entropy_with_logits", input, target)
    dtype = target._type.dtype  # PyTorch's result is written into what `1 - target` is
    if not dtype.is_floating_point:
        raise DTypeError(
            "binary_cross_entropy_with_logits: result type "
            f"{input._type.dtype} can't be cast to that of target, {dtype}"
        )
    target = prims.convert(target, input._type.dtype)
    # -log(sigmoid(x)) = log(1 + exp(-x)), -log(1 - sigmoid(x)) = x + log(1 + exp(-x)).
    positive = log1p_exp(prims.neg(input))
    if pos_weight is not None:
        more = prims.sub(prims.convert(pos_weight, input._type.dtype), 1)
        positive = prims.mul(positive, prims.add(prims.mul(target, more), 1))
    losses = prims.convert(prims.add(prims.mul(prims.sub(1, target), input), positive), dtype)
    losses = _weighted(losses, weight)
    reduction = legacy_reduction(size_average, reduce, reduction)
    return reduce_loss("binary_cross_entropy_with_logits", losses, reduction)


@autocasts
@scoped
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """`target * (log(target) - input)`, where `input` has log-probabilities.

    `reduction="batchmean"` divides the sum by the size of axis 0.
    """
    log_p, q = promote(input, target)
    if log_target:
        losses = prims.mul(prims.exp(q), prims.sub(q, log_p))
    else:
        none = prims.eq(q, 0)
        log_q = prims.log(prims.select(none, 1, q))
        entropy = prims.select(none, 0, prims.mul(q, log_q))
        losses = prims.sub(entropy, prims.mul(q, log_p))
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction == "batchmean":
        return prims.div(total(losses), input._type.shape[0] if input._type.ndim else 1)
    return reduce_loss("kl_div", losses, reduction)
