"""Comparisons, logic, bits and choices between elements. Bound by `methods.py`."""

from __future__ import annotations

import functools
import math
from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.ops import OPS
from ...ir.ops.table import Op
from ...ir.promotion import broadcast_shapes
from ...ir.types import Shape, bool_, uint8
from .. import prims
from ..promotion import (
    Operand,
    as_operand,
    cast,
    check_kinds,
    check_tensor,
    common_dtype,
    elementwise,
    promote,
)
from ..recording import user_error
from ..scoping import GRAD_FN, scoped
from ..state import default_dtype, scope
from ..tensor import Tensor
from .common import give, laid_like, with_out

GRAD_FN |= {"clamp": "ClampBackward1", "clamp.tensor": "ClampBackward0"}
_INTEGRAL = ("bool", "int", "uint")


def _compare(row: Op, x: Any, y: Any, out: Tensor | None) -> Tensor:
    check_tensor(row.name, x)
    result = elementwise(row, row.name, x, y)
    return result if out is None else give(row.name, result, out, (x, y))


def eq(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Whether elements are equal."""
    return _compare(OPS["eq"], input, other, out)


def ne(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Whether elements differ."""
    return _compare(OPS["ne"], input, other, out)


def lt(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Whether elements are less than those of `other`."""
    return _compare(OPS["lt"], input, other, out)


def le(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Whether elements are less than or equal to those of `other`."""
    return _compare(OPS["le"], input, other, out)


def gt(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Whether elements are greater than those of `other`."""
    return _compare(OPS["gt"], input, other, out)


def ge(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """Whether elements are greater than or equal to those of `other`."""
    return _compare(OPS["ge"], input, other, out)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and equal elements, as a Python bool."""
    check_tensor("equal", input)
    check_tensor("equal", other, "other", 2)
    if input._type.shape != other._type.shape:
        return False
    same = eq(input, other)
    return bool(prims.all(same, axes=tuple(range(same._type.ndim))).item())


@scoped
def isclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> Tensor:
    """Whether `|input - other| <= atol + rtol * |other|`, infinities being close to themselves."""
    check_tensor("isclose", input)
    check_tensor("isclose", other, "other", 2)
    if input._type.dtype is not other._type.dtype:
        raise DTypeError(f"isclose: {input._type.dtype} did not match {other._type.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError("isclose: rtol and atol must be greater than or equal to zero")
    close = prims.eq(input, other)
    kind = input._type.dtype.kind
    if kind == "bool" or (kind != "float" and rtol == 0 and atol == 0):
        return close
    if kind == "float" and equal_nan:
        both = prims.bit_and(prims.ne(input, input), prims.ne(other, other))
        close = prims.bit_or(close, both)
    x, y = (t if kind == "float" else prims.convert(t, default_dtype()) for t in (input, other))
    gap = prims.abs(prims.sub(x, y))
    allowed = prims.add(prims.abs(prims.mul(y, rtol)), atol)
    near = prims.bit_and(prims.lt(gap, math.inf), prims.le(gap, allowed))
    return prims.bit_or(close, near)


def allclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> bool:
    """Whether all elements are close, as a Python bool; see `isclose`."""
    close = isclose(input, other, rtol, atol, equal_nan)
    return bool(prims.all(close, axes=tuple(range(close._type.ndim))).item())


def as_bool(x: Tensor) -> Tensor:
    """Whether each element differs from zero."""
    return prims.convert(x, bool_)


def _logical(prim: Any, name: str, x: Any, y: Any, out: Tensor | None) -> Tensor:
    check_tensor(name, x)
    check_tensor(name, y, "other", 2)
    result = prim(as_bool(x), as_bool(y))
    if x._type.dtype is y._type.dtype:  # else PyTorch converts, and a copy fills its memory
        result = laid_like(result, x, y)
    return result if out is None else give(name, result, out, (x, y))


def logical_and(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether both elements differ from zero."""
    return _logical(prims.bit_and, "logical_and", input, other, out)


def logical_or(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether an element differs from zero."""
    return _logical(prims.bit_or, "logical_or", input, other, out)


def logical_xor(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether one element alone differs from zero."""
    return _logical(prims.bit_xor, "logical_xor", input, other, out)


def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is zero."""
    check_tensor("logical_not", input)
    result = prims.bit_not(as_bool(input))
    return result if out is None else give("logical_not", result, out, (input,))


def _bits(row: Op, name: str, x: Any, y: Any, out: Tensor | None) -> Tensor:
    x, y = as_operand(name, x, "input", 1), as_operand(name, y)
    check_kinds(name, x, *_INTEGRAL)
    check_kinds(name, y, *_INTEGRAL)
    result = elementwise(row, name, x, y)
    return result if out is None else give(name, result, out, (x, y))


def bitwise_and(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input & other`, on integers bit by bit."""
    return _bits(OPS["bit_and"], "bitwise_and", input, other, out)


def bitwise_or(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input | other`, on integers bit by bit."""
    return _bits(OPS["bit_or"], "bitwise_or", input, other, out)


def bitwise_xor(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input ^ other`, on integers bit by bit."""
    return _bits(OPS["bit_xor"], "bitwise_xor", input, other, out)


def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`~input`, on integers bit by bit."""
    check_tensor("bitwise_not", input)
    check_kinds("bitwise_not", input, *_INTEGRAL)
    result = prims.bit_not(input)
    return result if out is None else give("bitwise_not", result, out, (input,))


def bitwise_left_shift(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input << other`; shifting by the width or more gives zero."""
    return _bits(OPS["shift_left"], "bitwise_left_shift", input, other, out)


def bitwise_right_shift(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input >> other`, keeping the sign."""
    return _bits(OPS["shift_right"], "bitwise_right_shift", input, other, out)


def _check_broadcast(name: str, shapes: list[Shape]) -> None:
    """Raises: ShapeError in the name of the API function, whose primitive is called otherwise."""
    try:
        functools.reduce(functools.partial(broadcast_shapes, name), shapes)
    except ShapeError as error:
        raise user_error(error) from None


@with_out
def where(
    condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None
) -> Any:
    """`input` where `condition` holds, else `other`; all three broadcast.

    With the condition alone, the positions where it holds: `nonzero(as_tuple=True)`.
    Raises: DTypeError if the condition is not bool.
    """
    check_tensor("where", condition, "condition")
    if input is None and other is None:
        from .indexing import nonzero

        return nonzero(condition, as_tuple=True)
    if condition._type.dtype is uint8:
        condition = as_bool(condition)
    if condition._type.dtype is not bool_:
        raise user_error(
            DTypeError(
                "where: expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{condition._type.dtype}"
            )
        )
    x, y = as_operand("where", input, "input", 2), as_operand("where", other, "other", 3)
    tensors = isinstance(x, Tensor), isinstance(y, Tensor)
    shapes = [t._type.shape for t in (condition, x, y) if isinstance(t, Tensor)]
    if any(shape != shapes[0] for shape in shapes):
        _check_broadcast("where", shapes)
    if all(tensors) and x._type.dtype is y._type.dtype:  # type: ignore[union-attr]
        return prims.select(condition, x, y)
    with scope("where"):
        if not any(tensors):
            dtype = common_dtype(x, y)
            x = prims.full(x, shape=(), dtype=dtype, device=condition.device)
            return prims.select(condition, x, cast(y, dtype))
        return prims.select(condition, *promote(x, y))


def _below(x: Tensor, bound: Any) -> Tensor:
    """`x`, or the bound where `x` is above it; at the bound the gradient is that of `x`."""
    return prims.select(prims.gt(x, bound), bound, x)


def _above(x: Tensor, bound: Any) -> Tensor:
    return prims.select(prims.lt(x, bound), bound, x)


def clamp(
    input: Tensor,
    min: Operand | None = None,
    max: Operand | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """`input` kept between `min` and `max` (numbers or tensors); nan stays nan.

    Where `min` is above `max` the result is `max`. Raises: RuntimeError without bounds.
    """
    check_tensor("clamp", input)
    bounds = [as_operand("clamp", b) for b in (min, max) if b is not None]
    if not bounds:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    tensors = any(isinstance(b, Tensor) for b in bounds)
    with scope("clamp.tensor" if tensors else "clamp"):
        x, *bounds = promote(input, *bounds)
        check_kinds("clamp", x, "float", "int", "uint")
        if min is not None:
            x = _above(x, bounds[0])
        result = x if max is None else _below(x, bounds[-1])
    return result if out is None else give("clamp", result, out, (input, min, max))


@with_out
@scoped
def clamp_min(input: Tensor, min: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input` where it is not below `min`, else `min`."""
    found = _clamped_bool(input, min, prims.bit_or)
    return clamp(input, min=min) if found is None else found


@with_out
@scoped
def clamp_max(input: Tensor, max: Operand, *, out: Tensor | None = None) -> Tensor:
    """`input` where it is not above `max`, else `max`."""
    found = _clamped_bool(input, max, prims.bit_and)
    return clamp(input, max=max) if found is None else found


def _clamped_bool(x: Any, bound: Any, prim: Any) -> Tensor | None:
    """Bools, which PyTorch clamps on one side but not on two; None for other dtypes."""
    if not isinstance(x, Tensor) or common_dtype(x, as_operand("clamp", bound)) is not bool_:
        return None
    return prim(*promote(x, bound))


METHODS = {
    f.__name__: f
    for f in (
        *(eq, ne, lt, le, gt, ge, equal, isclose, allclose, logical_and, logical_or),
        *(logical_xor, logical_not, bitwise_and, bitwise_or, bitwise_xor, bitwise_not),
        *(bitwise_left_shift, bitwise_right_shift, clamp, clamp_min, clamp_max),
    )
}
METHODS |= {
    "not_equal": ne,
    "less": lt,
    "less_equal": le,
    "greater": gt,
    "greater_equal": ge,
    "clip": clamp,
}
FUNCTIONS = METHODS | {"where": where}
INPLACE = (
    *("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"),
    *("logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"),
    *("bitwise_left_shift", "bitwise_right_shift", "clamp", "clip", "clamp_min", "clamp_max"),
    *("not_equal", "less", "less_equal", "greater", "greater_equal"),
)
INPLACE_FUNCTIONS = ("clamp", "clip", "clamp_min", "clamp_max")


def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """`self` where `condition` holds, else `other`."""
    return where(condition, self, other)


METHODS = METHODS | {"where": where_method}
