"""Matrix products. Public as `nn.functional`."""

from __future__ import annotations

from ....ir.errors import DTypeError, ShapeError
from ....ir.promotion import broadcast_shapes
from ... import prims
from ...amp.autocast import autocasts
from ...api.common import with_out
from ...scoping import scoped
from ...tensor import Tensor


@autocasts
@with_out
def linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None
) -> Tensor:
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
    product = _product(input, weight)
    shape = product._type.shape
    if broadcast_shapes("linear", shape, bias._type.shape) != shape:
        raise ShapeError(
            f"linear: bias of shape {bias._type.shape} does not broadcast to the product's {shape}"
        )
    return prims.add(product, bias)


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
