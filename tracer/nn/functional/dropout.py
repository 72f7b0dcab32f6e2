"""Dropout in its forms. Public as `nn.functional`."""

from __future__ import annotations

import math
import warnings

from ....ir.errors import ShapeError
from ... import prims
from ...api.common import dense_strides, relayout
from ...api.random import rand
from ...random import bits
from ...scoping import scoped
from ...tensor import Tensor


def _check_p(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability `p`, and scale the rest by 1 / (1 - p).

    Source: Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a.html.
    """
    return _drop(input, input._type.shape, p, training, inplace)


def _channels(name: str, input: Tensor, rank: int) -> tuple[int, ...]:
    """A mask that has one element per channel; the batch axis may be missing."""
    shape = input._type.shape
    if rank == 2 and len(shape) == 2:
        warnings.warn(
            f"{name}: a 2-D input has no channels; use dropout. This will be an error.",
            UserWarning,
            stacklevel=3,
        )
        return shape
    if len(shape) not in (rank + 1, rank + 2):
        raise ShapeError(f"{name}: expected {rank + 1} or {rank + 2} dimensions, got {shape}")
    lead = len(shape) - rank
    return (*shape[:lead], *(1,) * rank)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels. Shapes: (N, C, L) or (C, L)."""
    return _drop(input, _channels("dropout1d", input, 1), p, training, inplace)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels. Shapes: (N, C, H, W) or (C, H, W)."""
    return _drop(input, _channels("dropout2d", input, 2), p, training, inplace)


def _drop(
    input: Tensor, mask_shape: tuple[int, ...], p: float, training: bool, inplace: bool
) -> Tensor:
    _check_p(p)
    if not training or p == 0 or not input._type.numel:
        return input
    out = _dropout(input, mask_shape, p)
    return input._write(out) if inplace else out


@scoped(name="dropout", grad_fn="MulBackward0")
def _dropout(input: Tensor, mask_shape: tuple[int, ...], p: float) -> Tensor:
    if p == 1:
        return prims.mul(input, 0)
    # A 32-bit word is below 2**32 * p with probability p.
    limit = min(round(p * 2**32), 2**32 - 1)
    kept = prims.ge(bits(mask_shape, device=input.device), limit)
    return _laid_as(input, prims.select(kept, prims.mul(input, 1 / (1 - p)), 0))


def _laid_as(input: Tensor, made: Tensor) -> Tensor:
    return relayout(made, dense_strides(input))


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels. Shapes: (N, C, D, H, W) or (C, D, H, W)."""
    return _drop(input, _channels("dropout3d", input, 3), p, training, inplace)


_ALPHA = -1.7580993408473766  # SELU's limit at minus infinity


@scoped(name="alpha_dropout")
def _alpha(input: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """Klambauer et al. 2017, arXiv:1706.02515: mean and variance stay."""
    if p == 1:
        return prims.mul(input, 0)
    keep = prims.ge(rand(shape, device=input.device), p)
    a = 1 / math.sqrt((1 - p) * (1 + p * _ALPHA**2))
    shift = -a * _ALPHA * p
    kept = prims.select(keep, input, _ALPHA)
    return _laid_as(input, prims.add(prims.mul(kept, a), shift))


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`dropout` for SELU: what is dropped gets SELU's limit, and moments stay."""
    _check_p(p)
    if not training or p == 0:
        return input
    out = _alpha(input, input._type.shape, p)
    return input._write(out) if inplace else out


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels."""
    _check_p(p)
    if not training or p == 0:
        return input
    if input._type.ndim < 2:
        raise ShapeError("Feature dropout requires at least 2 dimensions in the input")
    shape = input._type.shape
    out = _alpha(input, (*shape[:2], *(1,) * (len(shape) - 2)), p)
    return input._write(out) if inplace else out
