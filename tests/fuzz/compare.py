"""Holding a run of thrace against PyTorch's. A difference has a category and a text."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .run import Outcome, Shown, Snapshot

# Of the largest number of its dtype in the run: an error is as large as the terms it comes from.
TOLERANCE = {
    "float64": 1e-9,
    "complex128": 1e-9,
    "float32": 3e-5,
    "complex64": 3e-5,
    "float16": 1e-2,
    "bfloat16": 8e-2,
}
NUMBER = re.compile(r"-?\d+\.\d*(?:e[-+]?\d+)?")


class Difference(NamedTuple):
    category: str
    text: str
    size: float = np.inf  # of a difference in value, relative to the tolerance


def compare(wanted: Outcome, got: Outcome) -> Difference | None:
    """The first difference, the gravest kinds first."""
    if got.failed is not None:
        f = got.failed
        category = "not refused" if f.error is None else "error"
        return Difference(category, str(f))
    assert wanted.snapshot is not None and got.snapshot is not None
    if not same_text(wanted.printed, got.printed):
        return Difference("printed", f"{got.printed!r} for {wanted.printed!r}")
    return compare_snapshots(wanted.snapshot, got.snapshot, wanted.dtypes)


def same_text(a: str, b: str) -> bool:
    """Whether texts are the same but for the last digits of the numbers in them."""
    if a == b:
        return True
    if NUMBER.sub("", a) != NUMBER.sub("", b):
        return False
    return np.allclose([float(n) for n in NUMBER.findall(a)], [float(n) for n in NUMBER.findall(b)])


def compare_snapshots(
    wanted: Snapshot, got: Snapshot, made: Iterable[str] = ()
) -> Difference | None:
    """`made`: the dtypes there were on the way."""
    for name, value in wanted.scalars.items():
        mine = got.scalars.get(name)
        if type(mine) is not type(value) or not _same_scalar(mine, value):
            kind = "grad" if name.endswith(".grad") else "scalar"
            return Difference(kind, f"{name} is {mine!r} for {value!r}")
    for field in ("dtype", "shape"):
        for name, t in wanted.tensors.items():
            mine = getattr(got.tensors[name], field)
            if mine != getattr(t, field):
                return Difference(field, f"{name}.{field} is {mine} for {getattr(t, field)}")
    scale = _scale(wanted.tensors.values())
    dtypes = (*made, *(t.dtype for t in wanted.tensors.values()))
    tolerance = max((TOLERANCE.get(d, 0.0) for d in dtypes), default=0.0)
    for name, t in wanted.tensors.items():
        found = _values(name, t, got.tensors[name], scale, tolerance)
        if found is not None:
            return found
    for field in ("requires_grad", "is_leaf"):
        for name, t in wanted.tensors.items():
            mine = getattr(got.tensors[name], field)
            if mine != getattr(t, field):
                return Difference(field, f"{name}.{field} is {mine} for {getattr(t, field)}")
    for field in ("identity", "storage"):
        found = _classes(field, wanted.tensors, got.tensors)
        if found is not None:
            return found
    for name, t in wanted.tensors.items():
        mine = got.tensors[name]
        if t.values.size and _told(t.shape, t.stride) != _told(mine.shape, mine.stride):
            return Difference("stride", f"{name}.stride() is {mine.stride} for {t.stride}")
    return _offsets(wanted.tensors, got.tensors)


def _same_scalar(a: Any, b: Any) -> bool:
    if isinstance(b, (float, complex)):
        return bool(np.isclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True))
    if isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return False
        return all(type(x) is type(y) and _same_scalar(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def _scale(tensors: Iterable[Shown]) -> float:
    scale = 1.0
    for t in tensors:
        if t.values.dtype.kind in "fc" and t.values.size:
            finite = np.abs(t.values[np.isfinite(t.values)])
            if finite.size:
                scale = max(scale, float(finite.max()))
    return scale


def _values(name: str, t: Shown, mine: Shown, scale: float, tolerance: float) -> Any:
    a, b = t.values, mine.values
    category = "grad" if name.endswith(".grad") else "value"
    if a.dtype.kind in "biu":
        bad = a != b
    else:
        with np.errstate(all="ignore"):
            bad = ~np.isclose(b, a, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    if not bad.any():
        return None
    at = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.ndim else ()
    with np.errstate(all="ignore"):
        size = float(np.max(np.abs(a[bad].astype(complex) - b[bad].astype(complex))))
    text = f"{name}: {int(bad.sum())} of {bad.size} elements, at {at}: {b[at]!s} for {a[at]!s}"
    return Difference(category, text, size / (tolerance * scale or 1) if size == size else np.inf)


def _classes(field: str, wanted: dict[str, Shown], got: dict[str, Shown]) -> Difference | None:
    """Whether the same tensors are the same object, or share a storage."""
    pairs: dict[Hashable, tuple[int, str]] = {}
    back: dict[Hashable, tuple[int, str]] = {}
    for name, t in wanted.items():
        a, b = getattr(t, field), getattr(got[name], field)
        first, other = pairs.setdefault(a, (b, name))
        if first != b:
            return Difference(field, f"{name} and {other} are not one {field}")
        second, other = back.setdefault(b, (a, name))
        if second != a:
            return Difference(field, f"{name} and {other} are one {field}")
    return None


def _offsets(wanted: dict[str, Shown], got: dict[str, Shown]) -> Difference | None:
    """Where tensors of one storage start, from the first of them."""
    firsts: dict[int, tuple[int, int]] = {}
    for name, t in wanted.items():
        mine = got[name]
        if t.values.size:
            a, b = firsts.setdefault(t.storage, (t.offset, mine.offset))
            if t.offset - a != mine.offset - b:
                return Difference("offset", f"{name} starts at {mine.offset} for {t.offset}")
    return None


def _told(shape: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    """The strides that matter."""
    return tuple(s for n, s in zip(shape, stride, strict=True) if n != 1)
