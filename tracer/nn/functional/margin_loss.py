"""Losses by margins, distances and distributions. Public as `nn.functional`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ....ir.errors import DTypeError, ShapeError
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import laid_like, require
from ...scoping import scoped
from ...tensor import Tensor
from .activation import log1p_exp
from .common import check_reduction, legacy_reduction, reduce_loss
from .distance import pairwise_distance
from .embedding import one_hot


@autocasts
@scoped
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`log(1 + exp(-target * input))`, for targets of 1 and -1."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    losses = laid_like(log1p_exp(-target * input), input, target)
    return reduce_loss("soft_margin_loss", losses, reduction)


@autocasts
@scoped
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`max(0, -target * (input1 - input2) + margin)`, for targets of 1 and -1."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not input1._type.ndim == input2._type.ndim == target._type.ndim:
        raise ShapeError(
            "margin_ranking_loss: All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    losses = (-target * (input1 - input2) + margin).clamp(min=0)  # type: ignore[operator]
    return reduce_loss("margin_ranking_loss", losses, reduction)


@autocasts
@scoped
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`input` where the target is 1, `max(0, margin - input)` where it is -1."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    far = (margin - input).clamp(min=0)  # type: ignore[operator]
    losses = laid_like((far * (target != 1)) + input * (target != -1), target, input)
    return reduce_loss("hinge_embedding_loss", losses, reduction)


@autocasts
@scoped
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of `max(0, margin - x[target] + x[i]) ** p`, i not the target.

    Shapes: (N, C) with targets (N,), or (C,) with ().
    """
    name = "multi_margin_loss"
    reduction = legacy_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError(f"{name}: only p == 1 and p == 2 supported")
    if not input._type.numel and input._type.ndim == 2 and input._type.shape[1] == 0:
        raise ShapeError(f"{name}: Expected non-empty vector or matrix, got {input.shape}")
    x = input if input._type.ndim == 2 else input.reshape(1, -1)
    if input._type.ndim not in (0, 1, 2):
        raise ShapeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    t = target.reshape(-1)
    count, classes = x._type.shape
    if target._type.ndim > 1 or t._type.numel != count:
        raise ShapeError(
            f"{name}: inconsistent target size, expected {count} but got {list(target.shape)}"
        )
    if weight is not None and weight._type.ndim != 1:
        raise ValueError(f"{name}: weight must be one-dimensional")
    if weight is not None and weight._type.numel != classes:
        raise ShapeError(
            f"{name}: inconsistent weight size, expected {classes} but got {list(weight.shape)}"
        )
    if target._type.dtype.kind not in ("int", "uint"):
        raise DTypeError(f"{name}: expected an integral target, got {target.dtype}")
    own = x.gather(1, t.unsqueeze(1))
    losses = (margin - own + x).clamp(min=0)
    losses = losses**p if p != 1 else losses
    if weight is not None:
        losses = losses * weight[t].unsqueeze(1)
    losses = losses * (one_hot(t, classes) == 0)
    losses = losses.sum(1) / classes
    if input._type.ndim < 2 and reduction == "none":
        losses = losses.reshape(())
    return reduce_loss(name, losses, reduction)


@autocasts
@scoped
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Margins of each target class against each other class; targets end at the first -1.

    Shapes: (N, C) or (C,), targets likewise (int64).
    """
    name = "multilabel_margin_loss"
    reduction = legacy_reduction(size_average, reduce, reduction)
    if input._type.ndim > 2 or input._type.shape != target._type.shape:
        raise ShapeError(
            f"{name}: inconsistent target size: {list(target.shape)} for input of size: "
            f"{list(input.shape)}"
        )
    if target._type.dtype.kind not in ("int", "uint"):
        raise DTypeError(f"{name}: expected an integral target, got {target.dtype}")
    x = input.reshape(-1, input._type.shape[-1]) if input._type.ndim else input.reshape(1, 1)
    t = target.reshape(x.shape)
    classes = x._type.shape[1]
    there = (t < 0).cumsum(1) == 0  # type: ignore[union-attr]
    at = t.clamp(min=0)
    marks = (one_hot(at, classes) * there.unsqueeze(-1)).sum(1) > 0
    own = x.gather(1, at)
    gaps = (1 - (own.unsqueeze(2) - x.unsqueeze(1))).clamp(min=0)
    gaps = gaps * there.unsqueeze(2) * (~marks).unsqueeze(1)
    losses = gaps.sum((1, 2)) / classes
    if input._type.ndim < 2 and reduction == "none":
        losses = losses.reshape(())
    return reduce_loss(name, losses, reduction)


@autocasts
@scoped
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of the logistic loss of each. Shapes: (N, C) or (C,)."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    losses = target * log1p_exp(-input) + (1 - target) * log1p_exp(input)
    if weight is not None:
        losses = losses * weight
    losses = losses.mean(-1)
    return reduce_loss("multilabel_soft_margin_loss", losses, reduction)


@autocasts
@scoped
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`1 - cos` where the target is 1, `max(0, cos - margin)` where it is -1."""
    name = "cosine_embedding_loss"
    reduction = legacy_reduction(size_average, reduce, reduction)
    if target._type.ndim not in (0, 1):
        raise ShapeError(f"{name}: 0D or 1D target tensor expected, multi-target not supported")
    wanted = 2 if target._type.ndim == 1 else 1
    if input1._type.ndim != wanted or input2._type.ndim != wanted:
        raise ShapeError(
            f"{name}: {target._type.ndim}D target tensor expects {wanted}D input tensors, but "
            f"found inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    eps = 1e-12
    product = (input1 * input2).sum(-1)  # type: ignore[union-attr]
    squares = ((input1 * input1).sum(-1) + eps) * ((input2 * input2).sum(-1) + eps)  # type: ignore
    cos = product / squares.sqrt()
    losses = prims.select(
        prims.eq(target, 1), 1 - cos,
        prims.select(prims.eq(target, -1), (cos - margin).clamp(min=0), 0.0 * cos),
    )  # fmt: skip
    return reduce_loss(name, losses, reduction)


@scoped
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative logarithm of a normal density of mean `input` and variance `var`.

    Source: Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138.
    """
    check_reduction(reduction)
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        spread: Any = prims.full(float(var), shape=input._type.shape, dtype=input._type.dtype)
    else:
        spread = var
        known = var._host_if_ready()
        if known is not None and known.size and known.min() < 0:
            raise ValueError("var has negative entry/entries")
        require(var, lambda v: v >= 0, "gaussian_nll_loss: var has negative entry/entries")
    shape = input._type.shape
    if spread._type.shape != shape:
        if shape[:-1] == spread._type.shape:
            spread = spread.unsqueeze(-1)
        elif shape[:-1] != spread._type.shape[:-1] or spread._type.shape[-1:] != (1,):
            raise ValueError("var is of incorrect size")
    spread = spread + (spread.detach().clamp(min=eps) - spread.detach())
    losses = 0.5 * (spread.log() + (input - target) ** 2 / spread)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduce_loss("gaussian_nll_loss", losses, reduction)


@autocasts
@scoped
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative logarithm of a Poisson probability with rate `input` (or its logarithm)."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()  # type: ignore
    if full:  # Stirling's approximation of the factorial
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        losses = losses + prims.select(prims.gt(target, 1), stirling, 0)
    return reduce_loss("poisson_nll_loss", losses, reduction)


def _check_triplet(margin: float, *tensors: Tensor) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if len({t._type.ndim for t in tensors}) > 1:
        found = ", ".join(f"{t._type.ndim}D" for t in tensors)
        raise ShapeError(
            "triplet_margin_loss: The anchor, positive, and negative tensors are expected to have "
            f"the same number of dimensions, but got: {found}"
        )


@autocasts
@scoped
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`max(0, |anchor - positive| - |anchor - negative| + margin)` in `p`-norms.

    `swap` takes the nearer of anchor and positive to the negative: Balntas et al. 2016.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    _check_triplet(margin, anchor, positive, negative)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))  # type: ignore
    losses = (near - far + margin).clamp(min=0)  # type: ignore[operator]
    return reduce_loss("triplet_margin_loss", losses, reduction)


@scoped
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """As `triplet_margin_loss`, with a distance of one's own."""
    _check_triplet(margin, anchor, positive, negative)
    check_reduction(reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))  # type: ignore[attr-defined]
    losses = (near - far + margin).clamp(min=0)  # type: ignore[operator]
    return reduce_loss("triplet_margin_loss", losses, reduction)
