"""Typing rules that several ops share. Imported by the op tables alone.

A rule gets the op's name, the operands' types (None for a literal) and the attributes,
and returns the result's type or raises ShapeError, DTypeError or AxisError.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import AxisError, DTypeError, ShapeError, UnsupportedDTypeError
from ..promotion import broadcast_shapes
from ..types import DType, Shape, TensorType, bool_

Kinds = frozenset[str]
ANY: Kinds = frozenset({"bool", "uint", "int", "float", "complex"})
NUMERIC: Kinds = ANY - {"bool"}
REAL: Kinds = NUMERIC - {"complex"}
ORDERED: Kinds = ANY - {"complex"}
INEXACT: Kinds = frozenset({"float", "complex"})
FLOATING: Kinds = frozenset({"float"})
COMPLEX: Kinds = frozenset({"complex"})
INTEGRAL: Kinds = frozenset({"bool", "uint", "int"})
INTEGERS: Kinds = frozenset({"uint", "int"})


def check_dtype(name: str, dtype: DType, kinds: Kinds) -> None:
    if dtype.kind not in kinds:
        raise UnsupportedDTypeError(f"{name}: not implemented for {dtype}")


def common(name: str, types: tuple[TensorType | None, ...]) -> tuple[Shape, DType]:
    """The broadcast shape and the one dtype of the operands that are not literals."""
    shape: Shape | None = None
    dtype: DType | None = None
    for t in types:
        if t is None:
            continue
        shape = t.shape if shape is None else broadcast_shapes(name, shape, t.shape)
        if dtype is not None and dtype is not t.dtype:
            raise DTypeError(f"{name}: expected one dtype, got {dtype} and {t.dtype}")
        dtype = t.dtype
    if shape is None or dtype is None:
        raise DTypeError(f"{name}: needs at least one tensor operand")
    return shape, dtype


def same_dtype(kinds: Kinds) -> Callable[..., TensorType]:
    """Operands of one dtype, broadcast; the result has that dtype."""

    def rule(name: str, *types: TensorType | None) -> TensorType:
        shape, dtype = common(name, types)
        check_dtype(name, dtype, kinds)
        return TensorType(shape, dtype)

    return rule


def predicate(kinds: Kinds) -> Callable[..., TensorType]:
    """Operands of one dtype, broadcast; the result is bool."""

    def rule(name: str, *types: TensorType | None) -> TensorType:
        shape, dtype = common(name, types)
        check_dtype(name, dtype, kinds)
        return TensorType(shape, bool_)

    return rule


def normalize_axis(name: str, axis: int, ndim: int) -> int:
    """`axis` counted from 0. A zero-dimensional operand has one axis, as in PyTorch."""
    span = max(ndim, 1)
    if not -span <= axis < span:
        raise AxisError(
            f"{name}: Dimension out of range (expected to be in range of "
            f"[{-span}, {span - 1}], but got {axis})"
        )
    return axis % span


def check_axes(name: str, axes: tuple[int, ...], ndim: int) -> None:
    """Axes as attributes hold them: from 0, ascending, each once."""
    if any(not 0 <= a < ndim for a in axes) or list(axes) != sorted(set(axes)):
        raise AxisError(f"{name}: axes {axes} of a tensor with {ndim} dimensions")


def drop_axes(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def check_rank(name: str, t: TensorType, ndim: int, what: str) -> None:
    if t.ndim != ndim:
        raise ShapeError(f"{name}: {what} must have {ndim} dimensions, got shape {t.shape}")
