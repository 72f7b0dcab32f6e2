"""Reductions and running sums of the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.ops.typing import normalize_axis
from ...ir.types import DType, int64, uint64
from ..tensor import Tensor
from .common import Axis, check_array, named, promoted, torch


def _axes(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    """Axes counted from 0; None means every one, and () none."""
    if axis is None:
        return tuple(range(x.ndim))
    given = (axis,) if isinstance(axis, int) else axis
    axes = tuple(normalize_axis(name, a, x.ndim) for a in given)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: axis {axis} names one twice")
    return axes


def _over(
    name: str, reduce: Callable[..., Tensor], x: Tensor, axis: Axis, keepdims: bool
) -> Tensor:
    """`reduce(x, axes, keepdims)`; over no axes, that of an axis of size 1."""
    check_array(name, x)
    axes = _axes(name, x, axis)
    if axes:
        return reduce(x, axes, keepdims)
    return reduce(torch("unsqueeze")(x, 0), (0,), False)


def _reduction(name: str, theirs: str) -> Callable[..., Any]:
    def function(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
        def reduce(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
            return torch(theirs)(x, dim=axes, keepdim=keep)

        return _over(name, reduce, x, axis, keepdims)

    return named(function, name, f"`{name}` over axes, all by default.")


def _spread(name: str) -> Callable[..., Any]:
    def function(
        x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
    ) -> Tensor:
        def reduce(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
            return torch(name)(x, dim=axes, correction=correction, keepdim=keep)

        return _over(name, reduce, x, axis, keepdims)

    return named(function, name, f"`{name}` over axes; the count is lowered by `correction`.")


def _total_dtype(x: Tensor, dtype: DType | None) -> DType:
    """The dtype of a sum or product: whole numbers are widened, with their sign."""
    if dtype is not None:
        return dtype
    return {"uint": uint64, "int": int64, "bool": int64}.get(x.dtype.kind, x.dtype)


def sum(
    x: Tensor, /, *, axis: Axis = None, dtype: DType | None = None, keepdims: bool = False
) -> Tensor:
    """The sum over axes, all by default; whole numbers are widened to 64 bits."""
    check_array("sum", x)
    wide = x.to(_total_dtype(x, dtype))  # type: ignore[attr-defined]

    def reduce(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        return torch("sum")(x, dim=axes, keepdim=keep, dtype=x.dtype)

    return _over("sum", reduce, wide, axis, keepdims)


def prod(
    x: Tensor, /, *, axis: Axis = None, dtype: DType | None = None, keepdims: bool = False
) -> Tensor:
    """The product over axes, all by default; whole numbers are widened to 64 bits."""
    check_array("prod", x)
    wide = x.to(_total_dtype(x, dtype))  # type: ignore[attr-defined]

    def reduce(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        for a in sorted(axes, reverse=True):
            x = torch("prod")(x, a, keepdim=keep, dtype=x.dtype)
        return x

    return _over("prod", reduce, wide, axis, keepdims)


def _place(name: str) -> Callable[..., Any]:
    def function(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
        check_array(name, x)
        if axis is None and keepdims:
            return torch(name)(x).reshape((1,) * x.ndim)
        return torch(name)(x, dim=axis, keepdim=keepdims)

    return named(function, name, f"`{name}` along an axis, or in the flat array.")


def count_nonzero(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements are not zero, over axes."""
    check_array("count_nonzero", x)
    return sum((x != 0).to(int64), axis=axis, keepdims=keepdims)  # type: ignore[attr-defined]


def _running(name: str, theirs: str, first: int) -> Callable[..., Any]:
    def function(
        x: Tensor,
        /,
        *,
        axis: int | None = None,
        dtype: DType | None = None,
        include_initial: bool = False,
    ) -> Tensor:
        check_array(name, x)
        if axis is None:
            if x.ndim != 1:
                raise ValueError(f"{name}: axis is needed for shape {tuple(x.shape)}")
            axis = 0
        axis = normalize_axis(name, axis, x.ndim)
        wide = x.to(_total_dtype(x, dtype))  # type: ignore[attr-defined]
        out = torch(theirs)(wide, axis, dtype=wide.dtype)
        if include_initial:
            shape = [*out.shape]
            shape[axis] = 1
            begin = torch("full")(tuple(shape), first, dtype=out.dtype, device=out.device)
            out = torch("cat")([begin, out], axis)
        return out

    return named(function, name, f"`{theirs}` along an axis, the first before any if wanted.")


def diff(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along an axis, `n` times over."""
    given = [a for a in (prepend, x, append) if a is not None]
    joined = torch("cat")(promoted("diff", *given), axis) if len(given) > 1 else x
    return torch("diff")(joined, n, axis)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "all": _reduction("all", "all"),
    "any": _reduction("any", "any"),
    "max": _reduction("max", "amax"),
    "mean": _reduction("mean", "mean"),
    "min": _reduction("min", "amin"),
    "std": _spread("std"),
    "var": _spread("var"),
    "argmax": _place("argmax"),
    "argmin": _place("argmin"),
    "count_nonzero": count_nonzero,
    "cumulative_prod": _running("cumulative_prod", "cumprod", 1),
    "cumulative_sum": _running("cumulative_sum", "cumsum", 0),
    "diff": diff,
    "prod": prod,
    "sum": sum,
}
