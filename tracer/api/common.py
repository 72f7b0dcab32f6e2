"""What the API files share: `out=`, dimensions, sizes and errors. Imported by the API and nn."""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...ir.errors import AxisError, ShapeError, ThraceError
from ...ir.ops import OPS
from ...ir.ops.typing import normalize_axis
from ...ir.types import DType, Shape
from .. import prims
from ..recording import user_error
from ..state import STATE
from ..tensor import Tensor, check_cast

F = TypeVar("F", bound=Callable[..., Any])
Dims = int | Sequence[int] | None
_CONVERT = OPS["convert"]


class IndexRangeError(AxisError, RuntimeError):
    """An element of an index tensor out of range; PyTorch raises either base for it."""


def located(fn: F) -> F:
    """Add the user's line to errors of `fn`; for functions that record no scope."""

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except ThraceError as error:
            raise user_error(error) from None

    return wrapper  # type: ignore[return-value]


def with_out(fn: F) -> F:
    """Handle the `out` that `fn` declares: `fn` itself never sees it."""

    @functools.wraps(fn)
    def wrapper(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Any:
        result = fn(*args, **kwargs)
        return result if out is None else give(fn.__name__, result, out)

    return wrapper  # type: ignore[return-value]


def give(name: str, result: Tensor, out: Tensor) -> Tensor:
    """Write `result` into `out`, which takes its shape as in PyTorch.

    Raises: RuntimeError if either requires grad, DTypeError if the dtype does not fit.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if STATE.grad_enabled and (result.requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad."
        )
    if out._type.shape == result._type.shape:
        return out._write(result)
    if out._type.numel:
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(out.shape)}, which does not match the required output shape "
            f"{list(result.shape)}.",
            UserWarning,
            stacklevel=3,
        )
    check_cast(result._type.dtype, out._type.dtype)
    fitted = prims.convert(result, out._type.dtype)
    if STATE.session is not None:
        STATE.session.note_handle(out)
    out._point(fitted._storage, fitted._view, fitted._type)
    return out


def normalize_dim(name: str, dim: Any, ndim: int) -> int:
    """`dim` counted from 0; a zero-dimensional tensor has one.

    Raises: AxisError out of range, TypeError if it is not an integer.
    """
    return normalize_axis(name, as_int(name, dim, "dim"), ndim)


def normalize_dims(name: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Dims counted from 0, ascending; None and no dims at all mean every one.

    Raises: AxisError out of range, ShapeError for a dim given twice.
    """
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        if not dim:
            return tuple(range(ndim))
        dims = [normalize_dim(name, d, ndim) for d in dim]
        for d in dims:
            if dims.count(d) > 1:
                raise ShapeError(f"{name}: dim {d} appears multiple times in the list of dims")
        return tuple(sorted(dims)) if ndim else ()
    found = normalize_dim(name, dim, ndim)
    return (found,) if ndim else ()


def as_int(name: str, value: Any, argument: str) -> int:
    """An integer from an int, a NumPy integer or a tensor of one. Raises: TypeError."""
    if value.__class__ is int:
        return value
    try:
        return operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name}(): argument '{argument}' must be int, not {kind}") from None


def as_sizes(name: str, sizes: Any, argument: str = "size") -> Shape:
    """A shape given as `f(2, 3)`, `f((2, 3))` or `f([2, 3])`. Raises: TypeError."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    out = []
    for n in sizes:
        if n.__class__ is not int:
            try:
                n = operator.index(n)
            except TypeError:
                kind = type(n).__name__
                raise TypeError(
                    f"{name}(): argument '{argument}' must be tuple of ints, not {kind}"
                ) from None
        out.append(n)
    return tuple(out)


def check_sizes(name: str, shape: Shape) -> Shape:
    """`shape` again. Raises: ShapeError if a size is negative."""
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: Dimension size must be non-negative, got {list(shape)}")
    return shape


def as_dtype(name: str, dtype: Any) -> DType:
    """`dtype` again. Raises: TypeError if it is not one of ours."""
    if not isinstance(dtype, DType):
        kind = type(dtype).__name__
        raise TypeError(f"{name}(): argument 'dtype' must be thrace.dtype, not {kind}")
    return dtype


def same_value(x: Tensor) -> Tensor:
    """A tensor of its own storage with the elements and the history of `x`.

    Without history it shares the value; else a node separates the two for autograd.
    """
    value = x._value()
    if value.edge is None and value.source is None:
        return Tensor._wrap(value, x._storage.device, dense_strides(x))
    return prims.apply(_CONVERT, (x,), (x._type.dtype,))


def relayout(x: Tensor, strides: tuple[int, ...] | None) -> Tensor:
    """The fresh tensor `x`, with strides as if it had been laid out so."""
    x._storage.strides = x._strides = strides
    return x


def dense_strides(x: Tensor) -> tuple[int, ...] | None:
    """Strides of a dense copy of `x` that keeps the order of its axes in memory."""
    return None if x._strides is None else prims.result_strides(x._type.shape, (x,))
