"""Creation and dtypes, as the standard has them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ...ir.promotion import promote_types
from ...ir.types import DType, bool_, complex64, complex128, int64
from ..promotion import can_cast as _can_cast
from ..state import default_dtype
from ..tensor import Tensor
from .common import check_array, named, of_kind, torch

Kind = str | DType | tuple[Any, ...]
_KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": ("int",),
    "unsigned integer": ("uint",),
    "integral": ("int", "uint"),
    "real floating": ("float",),
    "complex floating": ("complex",),
    "numeric": ("int", "uint", "float", "complex"),
}


def isdtype(dtype: DType, kind: Kind) -> bool:
    """Whether `dtype` is of a kind: its name, a dtype, or a tuple of those.

    Raises: ValueError for a name that the standard does not have.
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, DType):
        return dtype is kind
    if kind not in _KINDS:
        raise ValueError(f"isdtype: unrecognized data type kind {kind!r}")
    return dtype.kind in _KINDS[kind]


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that arrays, dtypes and Python numbers promote to.

    Raises: ValueError without an array or dtype.
    """
    dtypes = [a.dtype if isinstance(a, Tensor) else a for a in arrays_and_dtypes]
    found = [d for d in dtypes if isinstance(d, DType)]
    if not found:
        raise ValueError("result_type: at least one array or dtype is required")
    out = functools.reduce(promote_types, found)
    for number in dtypes:
        if not isinstance(number, DType):
            out = of_kind(number, out)
    return out


def can_cast(from_: Any, to: DType, /) -> bool:
    """Whether an array or dtype promotes to `to` without loss of kind or range."""
    source = from_.dtype if isinstance(from_, Tensor) else from_
    return promote_types(source, to) is to and _can_cast(source, to)


class FInfo(NamedTuple):
    """Limits of a floating-point dtype."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


class IInfo(NamedTuple):
    """Limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: DType | Tensor, /) -> FInfo:
    """Limits of a floating or complex dtype. Raises: TypeError for another."""
    import ml_dtypes

    dtype = type.dtype if isinstance(type, Tensor) else type
    if dtype.kind not in ("float", "complex"):
        raise TypeError(f"finfo: {dtype} is not a floating-point dtype")
    real = dtype.to_real() if dtype.is_complex else dtype
    info = ml_dtypes.finfo(real.np)
    numbers = (float(info.eps), float(info.max), float(info.min), float(info.smallest_normal))
    return FInfo(info.bits, *numbers, real)


def iinfo(type: DType | Tensor, /) -> IInfo:
    """Limits of an integer dtype. Raises: TypeError for another."""
    import numpy as np

    dtype = type.dtype if isinstance(type, Tensor) else type
    if dtype.kind not in ("int", "uint"):
        raise TypeError(f"iinfo: {dtype} is not an integer dtype")
    info = np.iinfo(dtype.np)
    return IInfo(info.bits, int(info.max), int(info.min), dtype)


def astype(x: Tensor, dtype: DType, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """`x` in another dtype; `x` itself if that changes nothing and `copy` is False."""
    check_array("astype", x)
    if x.dtype.is_complex and not dtype.is_complex:
        raise TypeError(f"astype: {x.dtype} to {dtype} would drop the imaginary part; use real(x)")
    out = x.to(dtype)  # type: ignore[attr-defined]
    if device is not None:
        out = out.to(device)
    return torch("clone")(out) if out is x and copy else out


def asarray(
    obj: Any,
    /,
    *,
    dtype: DType | None = None,
    device: Any = None,
    copy: bool | None = None,
) -> Tensor:
    """An array of numbers, nested sequences, a buffer or an array.

    Raises: ValueError if `copy` is False and a copy is needed.
    """
    if isinstance(obj, Tensor):
        same = (dtype is None or dtype is obj.dtype) and (device is None or device == obj.device)
        if copy is False and not same:
            raise ValueError("asarray: a copy is needed, but copy=False")
        if same:
            return torch("clone")(obj) if copy else obj
        return obj.to(dtype=dtype or obj.dtype, device=device or obj.device)  # type: ignore
    if copy is False:
        raise ValueError("asarray: a copy is needed, but copy=False")
    return torch("tensor")(obj, dtype=dtype, device=device)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """The array that a DLPack exporter shows. Raises: BufferError."""
    out = torch("from_dlpack")(x)
    if device is not None:
        out = out.to(device)
    return torch("clone")(out) if copy else out


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DType | None = None,
    device: Any = None,
) -> Tensor:
    """Numbers from `start` (or 0, up to it) by `step`, `stop` left out; may be empty."""
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if (stop - start) / step <= 0:
        whole = all(isinstance(n, int) for n in (start, stop, step))
        dtype = dtype or (int64 if whole else default_dtype())
        return torch("empty")((0,), dtype=dtype, device=device)
    return torch("arange")(start, stop, step, dtype=dtype, device=device)


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: DType | None = None,
    device: Any = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` numbers evenly from `start` to `stop`, which is left out unless `endpoint`."""
    if not endpoint and num:
        stop = start + (stop - start) * (num - 1) / num
    return torch("linspace")(start, stop, num, dtype=dtype, device=device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DType | None = None,
    device: Any = None,
) -> Tensor:
    """Ones on diagonal `k`, zeros elsewhere."""
    columns = n_rows if n_cols is None else n_cols
    rows = torch("arange")(n_rows, device=device).reshape(n_rows, 1)
    return (rows + k == torch("arange")(columns, device=device)).to(dtype or default_dtype())


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinate grids of one-dimensional arrays, by Cartesian or matrix indexing."""
    return tuple(torch("meshgrid")(*arrays, indexing=indexing)) if arrays else ()


def full(
    shape: int | tuple[int, ...],
    fill_value: complex,
    *,
    dtype: DType | None = None,
    device: Any = None,
) -> Tensor:
    """An array of one number. Its dtype is the number's kind by default."""
    return torch("full")(_shape(shape), fill_value, dtype=dtype, device=device)


def _shape(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _of_shape(name: str) -> Callable[..., Any]:
    def function(
        shape: int | tuple[int, ...], *, dtype: DType | None = None, device: Any = None
    ) -> Tensor:
        return torch(name)(_shape(shape), dtype=dtype, device=device)

    return named(function, name, f"An array of a shape, as `{name}` of PyTorch.")


def _like(name: str) -> Callable[..., Any]:
    def function(
        x: Tensor, /, *args: Any, dtype: DType | None = None, device: Any = None
    ) -> Tensor:
        return torch(name)(x, *args, dtype=dtype, device=device)

    return named(function, name, f"An array of the shape of `x`, as `{name}` of PyTorch.")


def _triangle(name: str) -> Callable[..., Any]:
    def function(x: Tensor, /, *, k: int = 0) -> Tensor:
        return torch(name)(x, k)

    return named(function, name, "The part of each matrix up to diagonal `k`, zeros elsewhere.")


class Info:
    """What this implementation of the standard has: `__array_namespace_info__()`."""

    def capabilities(self) -> dict[str, Any]:
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,  # outside compiled functions
            "max dimensions": 64,
        }

    def default_device(self) -> Any:
        from ..devices import CPU

        return CPU

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        real = default_dtype()
        return {
            "real floating": real,
            "complex floating": complex64 if real.itemsize <= 4 else complex128,
            "integral": int64,
            "indexing": int64,
        }

    def dtypes(self, *, device: Any = None, kind: Kind | None = None) -> dict[str, DType]:
        """Raises: ValueError for a kind that the standard does not have."""
        return {
            name: dtype for name, dtype in DTYPES.items() if kind is None or isdtype(dtype, kind)
        }

    def devices(self) -> list[Any]:
        from ...runtime.cuda import device_count
        from ..devices import CPU, as_device

        return [CPU, *(as_device(f"cuda:{i}") for i in range(device_count()))]


def _dtypes() -> dict[str, DType]:
    from ...ir.types import dtype_from_name

    names = [*(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64)), "float32", "float64"]
    names += ["complex64", "complex128"]
    return {"bool": bool_} | {name: dtype_from_name(name) for name in names}


DTYPES = _dtypes()
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of_shape(name) for name in ("empty", "ones", "zeros")},
    **{name: _like(name) for name in ("empty_like", "full_like", "ones_like", "zeros_like")},
    **{name: _triangle(name) for name in ("tril", "triu")},
    "arange": arange,
    "asarray": asarray,
    "astype": astype,
    "can_cast": can_cast,
    "eye": eye,
    "finfo": finfo,
    "from_dlpack": from_dlpack,
    "full": full,
    "iinfo": iinfo,
    "isdtype": isdtype,
    "linspace": linspace,
    "meshgrid": meshgrid,
    "result_type": result_type,
}
