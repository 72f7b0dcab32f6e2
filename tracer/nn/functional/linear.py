"""Matrix products, embeddings and dropout. Public as `nn.functional`."""

from __future__ import annotations

import math

from ....ir.errors import DTypeError, ShapeError
from ....ir.promotion import broadcast_shapes
from ....ir.types import int64
from ... import prims
from ...api.common import normalize_dim
from ...autograd import no_grad
from ...promotion import to_floating
from ...random import bits
from ...recording import user_error
from ...scoping import scoped
from ...state import is_grad_enabled
from ...tensor import Tensor
from .common import check_range


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input @ weight.T + bias`.

    Shapes: input (..., in), weight (out, in), bias (out); the result is (..., out).
    Dtypes: numeric, all the same.
    Raises: ShapeError if the sizes called `in` differ, DTypeError if the dtypes do.
    """
    if bias is None:
        return _mm(input, weight)
    return _addmm(bias, input, weight)


@scoped(name="linear", grad_fn="AddmmBackward0")
def _addmm(bias: Tensor, input: Tensor, weight: Tensor) -> Tensor:
    if bias._type.dtype is not input._type.dtype:
        raise DTypeError(
            f"linear: input is {input.dtype} and bias {bias.dtype}: they must have one dtype"
        )
    return prims.add(_product(input, weight), bias)


@scoped(name="linear_without_bias", grad_fn="MmBackward0")
def _mm(input: Tensor, weight: Tensor) -> Tensor:
    return _product(input, weight)


def _product(input: Tensor, weight: Tensor) -> Tensor:
    x, w = input._type, weight._type
    if w.ndim != 2 or not x.ndim or x.shape[-1] != w.shape[1]:
        raise ShapeError(
            f"linear: input of shape {x.shape} and weight of shape {w.shape} cannot be "
            "multiplied: the input's last size must be the weight's size at axis 1"
        )
    if x.dtype is not w.dtype:
        raise DTypeError(
            f"linear: input is {x.dtype} and weight {w.dtype}: they must have one dtype"
        )
    return prims.dot_general(input, weight, contract=((x.ndim - 1,), (1,)), batch=((), ()))


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
    longer are first scaled down, in place. Gradients are dense: `sparse` is refused.
    Raises: DTypeError unless `input` is int32 or int64, IndexError outside the rows.
    """
    if sparse:
        raise ValueError("embedding: sparse gradients are not supported; leave sparse=False")
    if weight._type.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got shape {weight._type.shape}")
    rows = weight.shape[0]
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
    if weight._type.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got shape {weight._type.shape}")
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
        host = tensor.detach().numpy()
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
    return prims.select(kept, prims.mul(input, 1 / (1 - p)), 0)


@scoped
def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """`input` divided by its p-norm along `dim`, or by `eps` where that is larger."""
    result = input / prims.maximum(_norm(input, p, dim), eps)
    return result if out is None else out._write(result)


def _axes(x: Tensor, dim: int) -> tuple[int, ...]:
    """The axis to reduce; a 0-d tensor has none."""
    axis = normalize_dim("normalize", dim, max(x._type.ndim, 1))
    return (axis,) if x._type.ndim else ()


def _norm(x: Tensor, p: float, dim: int) -> Tensor:
    """The p-norm along `dim`, which stays with size 1. Its gradient at zero is zero."""
    axes = _axes(x, dim)
    shape = tuple(1 if i in axes else n for i, n in enumerate(x._type.shape))
    powers = prims.mul(x, x) if p == 2 else prims.pow(prims.abs(x), float(p))
    s = prims.reshape(prims.sum(powers, axes=axes), shape=shape)
    if p == 1:
        return s
    if p == 0:
        counts = prims.convert(prims.ne(x, 0), x._type.dtype)
        return prims.reshape(prims.sum(counts, axes=axes), shape=shape)
    if math.isinf(p):
        extreme = prims.amax if p > 0 else prims.amin
        return prims.reshape(extreme(prims.abs(x), axes=axes), shape=shape)
    zero = prims.eq(s, 0)
    safe = prims.select(zero, 1, s)
    return prims.select(zero, 0, prims.sqrt(safe) if p == 2 else prims.pow(safe, 1 / p))


@scoped
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between `x1` and `x2` along `dim`."""
    shape = broadcast_shapes("cosine_similarity", x1._type.shape, x2._type.shape)
    x1, x2 = to_floating(x1), to_floating(x2)
    x1, x2 = prims.broadcast(x1, shape=shape), prims.broadcast(x2, shape=shape)
    a = x1 / prims.maximum(_norm(x1, 2, dim), eps)
    b = x2 / prims.maximum(_norm(x2, 2, dim), eps)
    product = a * b
    return prims.sum(product, axes=_axes(product, dim))


@scoped
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of `x1 - x2 + eps` along the last axis."""
    out = _norm(x1 - x2 + eps, p, -1)
    return out if keepdim else prims.reshape(out, shape=out._type.shape[:-1])


@scoped
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input1 @ weight[k] @ input2` for each output feature k, plus `bias`.

    Shapes: (..., in1), (..., in2), weight (out, in1, in2); the result is (..., out).
    """
    lead = input1._type.shape[:-1]
    if input2._type.shape[:-1] != lead:
        raise ShapeError(
            f"bilinear: inputs of shapes {input1._type.shape} and {input2._type.shape} must "
            "agree outside the last axis"
        )
    x = prims.reshape(input1, shape=(_rows(lead), input1._type.shape[-1]))
    y = prims.reshape(input2, shape=(_rows(lead), input2._type.shape[-1]))
    half = prims.dot_general(x, weight, contract=((1,), (1,)), batch=((), ()))
    out = prims.dot_general(half, y, contract=((2,), (1,)), batch=((0,), (0,)))
    out = prims.reshape(out, shape=(*lead, weight._type.shape[0]))
    return out if bias is None else prims.add(out, bias)


def _rows(lead: tuple[int, ...]) -> int:
    out = 1
    for n in lead:
        out *= n
    return out
