"""Comparing results in tests. Public as `thrace.testing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ir.promotion import promote_types
from ..ir.types import DType, bfloat16, complex64, complex128, float16, float32, float64
from .tensor import Tensor, from_host

# Relative and absolute, by dtype; PyTorch's defaults.
_TOLERANCE = {
    float16: (1e-3, 1e-5),
    bfloat16: (1.6e-2, 1e-5),
    float32: (1.3e-6, 1e-5),
    float64: (1e-7, 1e-7),
    complex64: (1.3e-6, 1e-5),
    complex128: (1e-7, 1e-7),
}
_NUMBERS = (bool, int, float, complex)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """`|actual - expected| <= atol + rtol * |expected|`, elementwise; in containers entry by entry.

    Tolerances are by default those of the dtype, 0 for whole numbers. Raises: AssertionError
    where values, shapes, dtypes, devices or structures differ, ValueError if only one tolerance
    is given, TypeError for what cannot be compared.
    """
    if (rtol is None) is not (atol is None):
        raise ValueError("rtol and atol must both be given or both be left out")

    def fail(place: str, text: str) -> None:
        text = f"{text}\n\nThe failure occurred for item {place}" if place else text
        raise AssertionError(msg(text) if callable(msg) else msg or text)

    def check(a: Any, b: Any, place: str) -> None:
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if a.keys() != b.keys():
                fail(place, f"The keys of the mappings do not match: {set(a)} != {set(b)}")
            for key in a:
                check(a[key], b[key], f"{place}[{key!r}]")
        elif _is_sequence(a) and _is_sequence(b):
            if len(a) != len(b):
                fail(place, f"The length of the sequences mismatch: {len(a)} != {len(b)}")
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                check(x, y, f"{place}[{i}]")
        elif isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
            check_tensors(
                from_host(np.asarray(a)), from_host(np.asarray(b)), place, "Scalars", False
            )
        elif a is None and b is None:
            return
        else:
            a, b = (from_host(x) if isinstance(x, np.ndarray) else x for x in (a, b))
            if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
                kinds = f"{type(a).__name__} and {type(b).__name__}"
                raise TypeError(f"assert_close: no way to compare {kinds}")
            check_tensors(a, b, place, "Tensor-likes", check_dtype)

    def check_tensors(a: Tensor, b: Tensor, place: str, what: str, typed: bool) -> None:
        same = (
            (True, "shape", a.shape, b.shape),
            (check_device, "device", a.device, b.device),
            (typed, "dtype", a.dtype, b.dtype),
            (check_stride, "stride()", a.stride(), b.stride()),
        )
        for wanted, name, mine, other in same:
            if wanted and mine != other:
                fail(place, f"The values for attribute {name!r} do not match: {mine} != {other}.")
        relative, absolute = (rtol, atol) if rtol is not None else _tolerance(a.dtype, b.dtype)
        assert relative is not None and absolute is not None
        common = promote_types(a.dtype, b.dtype)
        wide = common.np if common is not bfloat16 else np.dtype(np.float32)
        x, y = (t._host().astype(wide) for t in (a, b))
        if wide.kind == "b":
            x, y = x.astype(np.int64), y.astype(np.int64)
        with np.errstate(all="ignore"):
            gap = np.abs(x - y) if wide.kind != "u" else np.where(x > y, x - y, y - x)
            close = (x == y) | (np.isfinite(y) & (gap <= absolute + relative * np.abs(y)))
        if equal_nan and wide.kind in "fc":
            close |= np.isnan(x) & np.isnan(y)
        if not close.all():
            fail(place, _summary(what, x, y, gap, close, relative, absolute))

    check(actual, expected, "")


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _tolerance(*dtypes: DType) -> tuple[float, float]:
    found = [_TOLERANCE.get(d, (0.0, 0.0)) for d in dtypes]
    return max(r for r, _ in found), max(a for _, a in found)


def _summary(
    what: str, x: Any, y: Any, gap: Any, close: Any, relative: float, absolute: float
) -> str:
    how = "close" if relative or absolute else "equal"
    if what == "Scalars":
        return f"Scalars are not {how}!\n\nExpected {y.item()} but got {x.item()}."
    bad = int((~close).sum())
    with np.errstate(all="ignore"):
        ratio = gap / np.abs(y)
    at, where = (tuple(map(int, np.unravel_index(np.nanargmax(np.where(close, 0, g)), g.shape)))
                 if g.ndim and not np.isnan(g).all() else () for g in (gap, ratio))  # fmt: skip
    return (
        f"{what} are not {how}!\n\n"
        f"Mismatched elements: {bad} / {x.size} ({100 * bad / x.size:.1f}%)\n"
        f"Greatest absolute difference: {gap[at]} at index {at} (up to {absolute} allowed)\n"
        f"Greatest relative difference: {ratio[where]} at index {where} (up to {relative} allowed)"
    )
