"""Distances, norms and bilinear products. Public as `nn.functional`."""

from __future__ import annotations

from typing import Any

from ....ir.errors import ShapeError
from ....ir.promotion import broadcast_shapes
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import give, normalize_dim
from ...api.moments import vector_norm
from ...promotion import promote
from ...scoping import scoped
from ...tensor import Tensor


@scoped
def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """`input` divided by its p-norm along `dim`, or by `eps` where that is larger."""
    result = input / prims.maximum(_norm(input, p, dim), eps)
    return result if out is None else give("normalize", result, out, (input,))


def _norm(x: Tensor, p: float, dim: Any) -> Tensor:
    """The p-norm along `dim`, which stays with size 1. Its gradient at zero is zero."""
    size = x.abs() if x._type.dtype.is_complex else x  # type: ignore[attr-defined]
    return vector_norm(size, p, dim, True)


@autocasts
@scoped
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between `x1` and `x2` along `dim`."""
    x1, x2 = promote(x1, x2)
    shape = broadcast_shapes("cosine_similarity", x1._type.shape, x2._type.shape)
    axis = normalize_dim("cosine_similarity", dim, len(shape))
    a, b = (
        x / prims.maximum(_norm(x, 2, axis), eps)
        for x in (prims.broadcast(t, shape=shape) for t in (x1, x2))
    )
    return (a * b).sum(axis)


@scoped
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of `x1 - x2 + eps` along the last axis."""
    out = _norm(x1 - x2 + eps, p, -1)  # type: ignore[operator]
    return out if keepdim else prims.reshape(out, shape=out._type.shape[:-1])


@autocasts
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
