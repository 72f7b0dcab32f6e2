"""Ranges and the identity matrix. Re-exported by `thrace`.

Numbers are computed in double precision and then rounded, so that half precision and
float32 come out exact where that is possible.
"""

from __future__ import annotations

import cmath
import math
import warnings
from typing import Any

from ...ir.errors import ShapeError, UnsupportedDTypeError
from ...ir.types import DType, complex128, float64, int64
from .. import prims
from ..promotion import Number, as_operand, literal
from ..scoping import scoped
from ..state import default_dtype
from ..tensor import Tensor
from .common import as_dtype, as_int, give, located
from .filled import check_layout, check_out_dtype


@located
def arange(
    start: Number | Tensor = 0,
    end: Number | Tensor | None = None,
    step: Number | Tensor = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Numbers from `start` (0 if one bound is given) to below `end`, `step` apart.

    Dtypes: int64 if all are ints, else the default dtype. Raises: RuntimeError for a step of
    zero or of the wrong sign and bounds that are not finite, NotImplementedError for bool and
    complex dtypes.
    """
    if end is None:
        start, end = 0, start
    low, high, gap = (_number("arange", v) for v in (start, end, step))
    dtype = _range_dtype("arange", (low, high, gap), dtype, out)
    check_layout("arange", layout)
    _check_range("arange", low, high, gap)
    if dtype.kind in ("int", "uint"):
        low, high, gap = int(low), int(high), int(gap)
        if gap == 0:
            raise ShapeError("arange: step must be nonzero")
        count = -(-(high - low) // gap)
    else:
        count = math.ceil((high - low) / gap)
    return _finished("arange", _range(count, low, gap, dtype, device), out, requires_grad)


@located
def range(
    start: Number = 0,
    end: Number | None = None,
    step: Number = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` to `end`, which is included; `arange` is to be preferred."""
    warnings.warn(
        "range includes its end and is deprecated; arange gives the values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    low, high, gap = (_number("range", v) for v in (start, end, step))
    if dtype is None and out is None:
        dtype = default_dtype()
    dtype = _range_dtype("range", (low, high, gap), dtype, out)
    _check_range("range", low, high, gap)
    count = math.floor((high - low) / gap) + 1
    return _finished("range", _range(count, low, gap, dtype, device), out, requires_grad)


def _range_dtype(name: str, bounds: tuple, dtype: DType | None, out: Tensor | None) -> DType:
    if out is not None:
        check_out_dtype(name, dtype, out)
        dtype = out._type.dtype
    if dtype is None:
        dtype = int64 if all(isinstance(v, int) for v in bounds) else default_dtype()
    if as_dtype(name, dtype).kind in ("bool", "complex"):
        raise UnsupportedDTypeError(f"{name}: not implemented for {dtype}")
    return dtype


def _check_range(name: str, low: Any, high: Any, gap: Any) -> None:
    if gap == 0:
        raise ShapeError(f"{name}: step must be nonzero")
    if not math.isfinite(low) or not math.isfinite(high):
        raise ShapeError(f"{name}: unsupported range: {low} -> {high}")
    if (high - low) * gap < 0:
        raise ShapeError(f"{name}: upper bound and lower bound inconsistent with step sign")


def _number(name: str, value: Any) -> Any:
    value = as_operand(name, value, "start", 1)
    return value.item() if isinstance(value, Tensor) else value


def _finished(name: str, made: Tensor, out: Tensor | None, requires_grad: bool) -> Tensor:
    if out is not None:
        return give(name, made, out)
    return made.requires_grad_() if requires_grad else made


@scoped(name="arange")
def _range(count: int, low: Any, gap: Any, dtype: DType, device: Any) -> Tensor:
    """`low + i * gap`."""
    wide = dtype if dtype.kind in ("int", "uint") else float64
    x = prims.iota(shape=(count,), axis=0, dtype=wide, device=device)
    if gap != 1:
        x = prims.mul(x, literal(gap, wide))
    if low != 0:
        x = prims.add(x, literal(low, wide))
    return prims.convert(x, dtype)


@located
def linspace(
    start: Number | Tensor,
    end: Number | Tensor,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, at equal distances.

    Bounds may be 0-d tensors, which are not differentiated. Raises: RuntimeError for a
    negative number of steps or bounds with dims.
    """
    count, dtype = _line_of("linspace", start, end, steps, out, dtype)
    made = _line(start, end, count, dtype, device)
    return _finished("linspace", made, out, requires_grad)


@located
def logspace(
    start: Number | Tensor,
    end: Number | Tensor,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """`base` to the powers that `linspace` gives.

    Raises: RuntimeError for a negative number of steps or bounds with dims.
    """
    count, dtype = _line_of("logspace", start, end, steps, out, dtype)
    made = _powers(start, end, count, base, dtype, device)
    return _finished("logspace", made, out, requires_grad)


def _line_of(
    name: str, start: Any, end: Any, steps: Any, out: Tensor | None, dtype: DType | None
) -> tuple[int, DType]:
    """Number of steps and dtype of a line. Raises: RuntimeError, TypeError."""
    for what, bound in (("start", start), ("end", end)):
        if isinstance(bound, Tensor) and bound._type.ndim:
            raise ShapeError(
                f"{name}: only supports 0-dimensional start and end tensors, but got {what} with "
                f"{bound._type.ndim} dimension(s)."
            )
    count = as_int(name, steps, "steps")
    if count < 0:
        raise ShapeError(f"{name}: number of steps must be non-negative")
    if out is not None:
        check_out_dtype(name, dtype, out)
        return count, out._type.dtype
    if dtype is not None:
        return count, as_dtype(name, dtype)
    complex_bounds = any(
        b._type.dtype.is_complex if isinstance(b, Tensor) else isinstance(b, complex)
        for b in (start, end)
    )
    return count, default_dtype().to_complex() if complex_bounds else default_dtype()


def _bound(name: str, value: Any, dtype: DType) -> Any:
    """A bound in the dtype that lines are computed in, rounded to `dtype` first if integral."""
    whole = dtype.kind not in ("float", "complex")
    wide = complex128 if dtype.is_complex else float64
    value = as_operand(name, value, "start", 1)
    if isinstance(value, Tensor):
        value = value.detach()
        return prims.convert(prims.convert(value, dtype) if whole else value, wide)
    if whole:
        value = literal(value, dtype)
    if isinstance(value, complex) and not dtype.is_complex:
        value = value.real
    return complex(value) if isinstance(value, complex) or dtype.is_complex else float(value)


@scoped(name="linspace")
def _line(start: Any, end: Any, steps: int, dtype: DType, device: Any) -> Tensor:
    return prims.convert(_wide_line("linspace", start, end, steps, dtype, device), dtype)


def _wide_line(name: str, start: Any, end: Any, steps: int, dtype: DType, device: Any) -> Tensor:
    """From both ends towards the middle, so that both ends are exact."""
    low, high = _bound(name, start, dtype), _bound(name, end, dtype)
    wide = complex128 if dtype.is_complex else float64
    i = prims.convert(prims.iota(shape=(steps,), axis=0, dtype=float64, device=device), wide)
    if steps < 2:
        return prims.add(prims.mul(i, 0.0), low)
    gap = _scalar(prims.div, _scalar(prims.sub, high, low), float(steps - 1))
    rising = prims.add(prims.mul(i, gap), low)
    falling = prims.sub(high, prims.mul(prims.sub(float(steps - 1), i), gap))
    place = prims.iota(shape=(steps,), axis=0, dtype=int64, device=device)
    return prims.select(prims.lt(place, steps // 2), rising, falling)


def _scalar(prim: Any, x: Any, y: Any) -> Any:
    """An op on numbers or 0-d tensors; on numbers it records nothing."""
    if isinstance(x, Tensor) or isinstance(y, Tensor):
        return prim(x, y)
    return x / y if prim is prims.div else x - y


@scoped(name="logspace")
def _powers(start: Any, end: Any, steps: int, base: float, dtype: DType, device: Any) -> Tensor:
    line = _wide_line("logspace", start, end, steps, dtype, device)
    if dtype.is_complex:
        if base == 0:
            return prims.convert(prims.mul(line, 0.0), dtype)
        powers = prims.exp(prims.mul(line, cmath.log(base)))
    else:
        powers = prims.pow(float(base), line)
    return prims.convert(powers, dtype)


@located
def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The identity matrix of `n` rows and `m` (as many, if None) columns."""
    rows = as_int("eye", n, "n")
    columns = rows if m is None else as_int("eye", m, "m")
    for name, size in (("n", rows), ("m", columns)):
        if size < 0:
            raise ShapeError(f"eye: {name} must be greater or equal to 0, got {size}")
    if out is not None:
        check_out_dtype("eye", dtype, out)
        dtype = out._type.dtype
    dtype = default_dtype() if dtype is None else as_dtype("eye", dtype)
    return _finished("eye", _identity(rows, columns, dtype, device), out, requires_grad)


@scoped(name="eye")
def _identity(rows: int, columns: int, dtype: DType, device: Any) -> Tensor:
    shape = (rows, columns)
    down = prims.iota(shape=shape, axis=0, dtype=int64, device=device)
    across = prims.iota(shape=shape, axis=1, dtype=int64, device=device)
    return prims.convert(prims.eq(down, across), dtype)


METHODS: dict[str, Any] = {}
FUNCTIONS = {f.__name__: f for f in (arange, range, linspace, logspace, eye)}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
