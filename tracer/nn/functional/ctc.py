"""Connectionist temporal classification. Public as `nn.functional`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ir.errors import DTypeError, ShapeError
from ....ir.types import int64
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import require
from ...api.control import scan
from ...api.join import cat, stack
from ...promotion import check_tensor
from ...scoping import scoped
from ...state import STATE
from ...tensor import Tensor, from_host
from .common import check_reduction, reduce_loss

_NAME = "ctc_loss"
_NONE = -1e30  # the logarithm of no probability; -inf would make gradients nan


@autocasts
@scoped
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """The negative logarithm of the probability of all alignments of a target sequence.

    Shapes: log_probs (T, N, C) with targets (N, S), or all targets behind each other in one
    dim, and lengths (N); or log_probs (T, C) with targets (S) and lengths () or (1).
    A mean divides each loss by its target's length. As in PyTorch, the gradient is that of
    `ctc_loss(log_softmax(x))`, probabilities minus posteriors.
    Raises: ShapeError for shapes that do not fit, DTypeError unless `log_probs` is floating and
    the others are integers, RuntimeError for lengths out of range.
    Source: Graves et al. 2006, doi:10.1145/1143844.1143891.
    """
    check_reduction(reduction)
    check_tensor(_NAME, log_probs, "log_probs")
    check_tensor(_NAME, targets, "targets", 2)
    if not log_probs._type.dtype.is_floating_point:
        raise DTypeError(f"{_NAME}: not implemented for {log_probs._type.dtype}")
    if targets._type.dtype.kind not in ("int", "uint"):
        raise DTypeError(f"{_NAME}: targets must be integral, got {targets._type.dtype}")
    if log_probs._type.ndim not in (2, 3):
        raise ShapeError(f"{_NAME}: log_probs must have 2 or 3 dims, got {log_probs._type.shape}")
    batched = log_probs._type.ndim == 3
    x = log_probs if batched else log_probs.unsqueeze(1)  # type: ignore[attr-defined]
    steps, _, classes = x._type.shape
    if not 0 <= blank < classes:
        raise ShapeError(f"{_NAME}: blank must be in label range, got {blank} of {classes}")
    if not steps:
        raise ShapeError(f"{_NAME}: log_probs must not be empty, got shape {log_probs._type.shape}")
    times = _lengths("input_lengths", input_lengths, x)
    sizes = _lengths("target_lengths", target_lengths, x)
    require(
        *(times, lambda n: (n >= 0) & (n <= steps)),
        f"{_NAME}: Expected input_lengths to have value at most {steps} and not negative",
    )
    rows = _rows(targets, sizes, target_lengths, batched)
    longest = rows._type.shape[1]
    require(
        *(sizes, lambda n: (n >= 0) & (n <= longest)),
        f"{_NAME}: Expected targets to have size at least target_lengths at dimension 1, or "
        "the sum of them if it has one dimension",
    )
    there = prims.lt(_line(longest, x), _column(sizes))
    labels = prims.select(there, rows, blank)
    labels = prims.pad(labels, blank, low=(0, 1), high=(0, 1), interior=(0, 1))
    losses = prims.neg(_alignments(x, labels, times, sizes, blank))
    impossible = prims.gt(losses, -_NONE / 2)
    losses = prims.select(impossible, 0.0 if zero_infinity else math.inf, losses)
    losses = prims.add(losses, _normalisation(x, times, impossible if zero_infinity else None))
    if reduction == "mean":
        lengths = prims.convert(prims.maximum(sizes, 1), losses._type.dtype)
        losses = prims.div(losses, lengths)
    return reduce_loss(_NAME, losses if batched else losses.reshape(()), reduction)


def _lengths(what: str, lengths: Any, like: Tensor) -> Tensor:
    """Lengths as int64 (N,)."""
    if not isinstance(lengths, Tensor):
        lengths = from_host(np.asarray(lengths, np.int64).reshape(-1), device=like.device)
    if lengths._type.dtype.kind not in ("int", "uint"):
        raise DTypeError(f"{_NAME}: {what} must be integral, got {lengths._type.dtype}")
    lengths = prims.convert(lengths, int64).reshape(-1)
    if lengths._type.numel != like._type.shape[1]:
        raise ShapeError(
            f"{_NAME}: {what} must be of size batch_size {like._type.shape[1]}, "
            f"got {lengths._type.numel}"
        )
    return lengths


def _rows(targets: Tensor, sizes: Tensor, lengths: Any, batched: bool) -> Tensor:
    """Targets as int64 (N, S), whatever stands behind their lengths."""
    targets = prims.convert(targets, int64)
    count = sizes._type.shape[0]
    if targets._type.ndim == 2 or not batched:
        rows = targets.reshape(-1, targets._type.shape[-1]) if targets._type.ndim else targets
        if rows._type.ndim != 2 or rows._type.shape[0] != count:
            raise ShapeError(
                f"{_NAME}: targets of shape {targets._type.shape} do not fit a batch of {count}"
            )
        return rows
    if targets._type.ndim != 1:
        raise ShapeError(f"{_NAME}: targets must have 1 or 2 dims, got {targets._type.shape}")
    whole = targets._type.numel
    # A trace must not hang on values, so there each target may be as long as all together.
    if isinstance(lengths, Tensor):
        longest = whole if STATE.session is not None else max(lengths.tolist(), default=0)
    else:
        longest = max(lengths, default=0)
    starts = prims.sub(sizes.cumsum(0), sizes)  # type: ignore[attr-defined]
    at = prims.add(_column(starts), _line(longest, targets))
    if not whole or not longest:
        return at.narrow(1, 0, 0)
    return prims.index(targets, prims.minimum(at, whole - 1))


def _line(size: int, like: Tensor) -> Tensor:
    return prims.iota(shape=(size,), axis=0, dtype=int64, device=like.device)


def _column(x: Tensor) -> Tensor:
    return prims.reshape(x, shape=(*x._type.shape, 1))


def _alignments(x: Tensor, labels: Tensor, times: Tensor, sizes: Tensor, blank: int) -> Tensor:
    """Log-probabilities (N,) by the forward recursion over (N, 2 S + 1) label positions."""
    steps, count, _ = x._type.shape
    width = labels._type.shape[1]
    none = (0, 0)
    before = prims.pad(labels, blank, low=(0, 2), high=(0, -2), interior=none)
    jumps = prims.bit_and(prims.ne(labels, blank), prims.ne(labels, before))
    emitted = x.gather(2, labels.unsqueeze(0).expand(steps, -1, -1))  # type: ignore[attr-defined]

    def step(alpha: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        one = prims.pad(alpha, _NONE, low=(0, 1), high=(0, -1), interior=none)
        two = prims.pad(alpha, _NONE, low=(0, 2), high=(0, -2), interior=none)
        ways = stack([alpha, one, prims.select(jumps, two, _NONE)])
        alpha = prims.add(ways.logsumexp(0), now)  # type: ignore[attr-defined]
        return alpha, alpha

    first = prims.select(prims.lt(_line(width, x), 2), emitted[0], _NONE)  # type: ignore[index]
    alphas = first.unsqueeze(0)  # type: ignore[attr-defined]
    if steps > 1:
        alphas = cat([alphas, scan(step, first, emitted[1:])[1]])  # type: ignore[index]
    # After the last step: the last label or the blank behind it.
    batch = _line(count, x)
    last = prims.maximum(prims.sub(times, 1), 0)
    ends = prims.mul(sizes, 2)
    blank_end = prims.index(alphas, last, batch, ends)
    label_end = prims.index(alphas, last, batch, prims.maximum(prims.sub(ends, 1), 0))
    label_end = prims.select(prims.eq(sizes, 0), _NONE, label_end)
    out = stack([blank_end, label_end]).logsumexp(0)  # type: ignore[attr-defined]
    out = prims.select(prims.bit_and(prims.eq(times, 0), prims.gt(sizes, 0)), _NONE, out)
    return prims.select(prims.bit_and(prims.eq(times, 0), prims.eq(sizes, 0)), 0.0, out)


def _normalisation(x: Tensor, times: Tensor, without: Tensor | None) -> Tensor:
    """Zeros (N,) whose gradient is exp(x), as if x were log_softmax(x)."""
    steps, count, _ = x._type.shape
    during = prims.lt(prims.reshape(_line(steps, x), shape=(steps, 1)), times)
    if without is not None:
        during = prims.select(without, False, during)
    p = prims.select(prims.reshape(during, shape=(steps, count, 1)), prims.exp(x), 0)
    sums = prims.sum(p, axes=(0, 2))
    return prims.sub(sums, sums.detach())
