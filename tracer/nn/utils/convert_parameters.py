"""Parameters as one vector and back. Public as `nn.utils`."""

from __future__ import annotations

from collections.abc import Iterable

from ....ir.errors import ShapeError
from ... import prims
from ...scoping import scoped
from ...tensor import Tensor


@scoped
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one after the other."""
    flat = [prims.reshape(p, shape=(p._type.numel,)) for p in parameters]
    if not flat:
        raise ValueError("parameters_to_vector: there are no parameters")
    return flat[0] if len(flat) == 1 else prims.concatenate(*flat, axis=0)


@scoped
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Put the elements of `vec` into the parameters, in order. Raises: ShapeError if short."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected a Tensor, but got {type(vec).__name__}")
    at = 0
    for p in parameters:
        n = p._type.numel
        if at + n > vec._type.numel:
            raise ShapeError(
                f"vector_to_parameters: a vector of shape {vec._type.shape} has too few elements "
                f"for a parameter of shape {p._type.shape} at position {at}"
            )
        piece = prims.slice(vec.detach(), starts=(at,), sizes=(n,), strides=(1,))
        p.data._write(prims.reshape(piece, shape=p._type.shape))
        at += n
