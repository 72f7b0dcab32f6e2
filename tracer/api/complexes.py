"""Complex tensors from their parts and the other way, as views where PyTorch's are.

Bound by `methods.py`.
"""

from __future__ import annotations

from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.types import float16, float32, float64
from .. import bits, prims, strided
from ..amp.autocast import autocasts
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor
from .common import located, same_value, with_out


@located
def real(input: Tensor) -> Tensor:
    """A view of the real parts; real tensors as they are."""
    check_tensor("real", input)
    return bits.part(input, "real") if input._type.dtype.is_complex else input


@located
def imag(input: Tensor) -> Tensor:
    """A view of the imaginary parts. Raises: RuntimeError for a tensor that is not complex."""
    check_tensor("imag", input)
    if not input._type.dtype.is_complex:
        raise DTypeError("imag: is not implemented for tensors with non-complex dtypes.")
    return bits.part(input, "imag")


def _set_real(self: Tensor, value: Any) -> None:
    real(self)[...] = value


def _set_imag(self: Tensor, value: Any) -> None:
    imag(self)[...] = value


@located
def view_as_real(input: Tensor) -> Tensor:
    """A view of a complex tensor's parts as a last dim of two.

    Raises: RuntimeError for a real or a conjugated tensor.
    """
    check_tensor("view_as_real", input)
    if not input._type.dtype.is_complex:
        raise DTypeError("view_as_real: is only supported for complex tensors")
    if bits.is_conj(input._view):
        raise ShapeError(
            "view_as_real: doesn't work on unresolved conjugated tensors. To resolve the "
            "conjugate tensor so you can view it as real, use self.resolve_conj()"
        )
    return bits.parts(input)


@autocasts
@located
def view_as_complex(input: Tensor) -> Tensor:
    """A view of a last dim of two as the parts of complex numbers.

    Raises: RuntimeError unless the last dim has size 2 and stride 1 and the others even strides.
    """
    check_tensor("view_as_complex", input)
    dtype, shape = input._type.dtype, input._type.shape
    if dtype not in (float32, float64, float16):
        raise DTypeError(
            "view_as_complex: is only supported for half, float and double tensors, but got "
            f"{dtype}"
        )
    if dtype is float16:
        raise DTypeError("view_as_complex: there is no complex dtype with float16 parts")
    if not shape:
        raise ShapeError("view_as_complex: Input tensor must have one or more dimensions")
    if shape[-1] != 2:
        raise ShapeError("view_as_complex: Tensor must have a last dimension of size 2")
    *outer, last = input.stride()
    if last != 1:
        raise ShapeError("view_as_complex: Tensor must have a last dimension with stride 1")
    if any(s % 2 for s, n in zip(outer, shape, strict=False) if n != 1):
        raise ShapeError(
            "view_as_complex: Tensor must have a stride divisible by 2 for all but last dimension"
        )
    if strided.start_of(input) % 2:
        raise ShapeError("view_as_complex: Tensor must have a storage_offset divisible by 2")
    return bits.joined(input)


def _check_parts(name: str, x: Tensor, y: Tensor, second: str) -> None:
    check_tensor(name, x)
    check_tensor(name, y, second, 2)
    if any(t._type.dtype not in (float32, float64, float16) for t in (x, y)):
        raise DTypeError(
            f"{name}: Expected both inputs to be Half, Float or Double tensors but got "
            f"{x._type.dtype} and {y._type.dtype}"
        )
    if x._type.dtype is not y._type.dtype:
        raise DTypeError(
            f"{name}: Expected object of scalar type {x._type.dtype} but got scalar type "
            f"{y._type.dtype} for second argument"
        )


@located
def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers of two tensors of one floating dtype, which broadcast.

    Dtypes: float32 gives complex64, float64 complex128. Raises: RuntimeError for others, and
    an `out` of another dtype than the result.
    """
    _check_parts("complex", real, imag, "imag")
    dtype = real._type.dtype.to_complex()
    if out is not None and out._type.dtype is not dtype:
        raise DTypeError(
            f"complex: Expected object of scalar type {dtype} but got scalar type "
            f"{out._type.dtype} for argument 'out'"
        )
    return _joined(real, imag, out=out)


@with_out
@scoped(name="complex")
def _joined(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    return prims.complex(real, imag)


@autocasts
@with_out
@scoped
def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers of absolute value and angle, tensors of one floating dtype."""
    _check_parts("polar", abs, angle, "angle")
    return prims.complex(prims.mul(abs, prims.cos(angle)), prims.mul(abs, prims.sin(angle)))


@located
def conj(input: Tensor) -> Tensor:
    """A view of the complex conjugate; real tensors as they are."""
    check_tensor("conj", input)
    return bits.conj(input) if input._type.dtype.is_complex else input


@with_out
def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate as numbers of its own; real tensors as they are."""
    check_tensor("conj_physical", input)
    return _conjugated(input) if input._type.dtype.is_complex else input


@scoped(name="conj_physical")
def _conjugated(x: Tensor) -> Tensor:
    return prims.conj(x)


def adjoint(input: Tensor) -> Tensor:
    """The last two dims exchanged, conjugated if complex; a 0-d tensor's conjugate."""
    return conj(input.mT)


@located
def conjugate_matrix(self: Tensor) -> Tensor:
    """A matrix transposed and, if complex, conjugated. Raises: RuntimeError for other ndims."""
    if self._type.ndim not in (0, 2):
        raise ShapeError(
            f"H: tensor.H is only supported on matrices (2-D tensors). Got {self._type.ndim}-D "
            "tensor."
        )
    return conj(self.t())


def is_conj(input: Tensor) -> bool:
    """Whether this shows its storage's numbers conjugated."""
    return bits.is_conj(input._view)


def is_neg(input: Tensor) -> bool:
    """Whether this shows its storage's numbers negated: the imaginary part of a conjugate does."""
    return bits.is_neg(input._view)


def resolve_conj(input: Tensor) -> Tensor:
    """`input`, or a copy of its own if it is a conjugate view."""
    check_tensor("resolve_conj", input)
    return _resolved(input) if is_conj(input) else input


@scoped(name="resolve_conj")
def _resolved(x: Tensor) -> Tensor:
    return same_value(x)


def resolve_neg(input: Tensor) -> Tensor:
    """`input`, or a copy of its own if it shows negated numbers."""
    check_tensor("resolve_neg", input)
    return same_value(input) if is_neg(input) else input


METHODS = {
    f.__name__: f
    for f in (conj, conj_physical, adjoint, is_conj, is_neg, resolve_conj, resolve_neg)
}
PROPERTIES = {
    "real": property(real, _set_real),
    "imag": property(imag, _set_imag),
    "H": property(conjugate_matrix),
    "mH": property(adjoint),
}
FUNCTIONS = {
    f.__name__: f
    for f in (
        *(real, imag, view_as_real, view_as_complex, complex, polar, conj, adjoint, is_conj),
        *(is_neg, resolve_conj, resolve_neg, conj_physical),
    )
}
INPLACE: tuple[str, ...] = ("conj_physical",)
INPLACE_FUNCTIONS: tuple[str, ...] = ("conj_physical",)
