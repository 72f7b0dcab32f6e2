"""Holding thrace's results against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import thrace

# By the dtype of the result: relative to the element and, where an element is made of many,
# to the largest finite one.
TOLERANCE = {
    torch.float64: 1e-7,
    torch.complex128: 1e-7,
    torch.float32: 5e-5,
    torch.complex64: 5e-5,
    torch.float16: 5e-3,
    torch.bfloat16: 4e-2,
}


class Mismatch(AssertionError):
    """What differs, in one line."""


def to_numpy(t: Any) -> np.ndarray:
    if isinstance(t, torch.Tensor):
        t = t.detach().resolve_conj().resolve_neg()
        if t._is_zerotensor():
            t = torch.zeros(t.shape, dtype=t.dtype)
        return (t.float() if t.dtype is torch.bfloat16 else t).numpy(force=True)
    t = t.detach().resolve_conj()
    return (t.float() if t.dtype is thrace.bfloat16 else t).numpy()


def same(expected: Any, got: Any, values: bool = True, each: bool = False) -> None:
    """Hold a result, or a nest of them, against PyTorch's; `each` element for itself.

    Raises: Mismatch if structure, shapes, dtypes or (unless not `values`) elements differ.
    """
    if isinstance(expected, torch.Tensor):
        if not isinstance(got, thrace.Tensor):
            raise Mismatch(f"expected a tensor, got {type(got).__name__}")
        same_tensor(expected, got, values, each)
    elif isinstance(expected, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(expected) != len(got):
            raise Mismatch(f"expected {len(expected)} results, got {describe(got)}")
        for e, g in zip(expected, got, strict=True):
            same(e, g, values, each)
    elif isinstance(expected, torch.dtype):
        if str(expected).removeprefix("torch.") != got.name:
            raise Mismatch(f"dtype {expected}, got {got}")
    elif isinstance(expected, (bool, int, float, complex)):
        equal = np.allclose(expected, got, rtol=1e-5, equal_nan=True)
        if values and not (equal and type(expected) is type(got)):
            raise Mismatch(f"expected {expected!r}, got {got!r}")
    elif expected is None and got is not None:
        raise Mismatch(f"expected None, got {type(got).__name__}")


def describe(got: Any) -> str:
    return str(len(got)) if isinstance(got, (list, tuple)) else type(got).__name__


def same_tensor(expected: torch.Tensor, got: Any, values: bool, each: bool = False) -> None:
    if str(expected.dtype).removeprefix("torch.") != got.dtype.name:
        raise Mismatch(f"dtype {got.dtype}, expected {expected.dtype}")
    if tuple(expected.shape) != tuple(got.shape):
        raise Mismatch(f"shape {tuple(got.shape)}, expected {tuple(expected.shape)}")
    mine, theirs = to_numpy(got), to_numpy(expected)  # observed even if not compared
    if values:
        same_array(theirs, mine, TOLERANCE.get(expected.dtype), each)


def same_array(
    expected: np.ndarray, got: np.ndarray, tolerance: float | None, each: bool = False
) -> None:
    if tolerance is None:
        bad = expected != got
    else:
        finite = np.abs(expected[np.isfinite(expected)])
        scale = 1.0 if each or not finite.size else max(1.0, float(finite.max()))
        with np.errstate(all="ignore"):
            bad = ~np.isclose(got, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.ndim else ()
        raise Mismatch(
            f"{int(bad.sum())} of {bad.size} elements differ, "
            f"at {at}: {got[at]!s} for {expected[at]!s}"
        )


def same_choice(x: torch.Tensor, dim: int, expected: list[Any], got: list[Any]) -> None:
    """Results of sorting and the like: values, and indices of elements that are equal."""
    line = x.detach().reshape(1) if not x.ndim else x.detach()
    for e, g in zip(expected, got, strict=True):
        same(e, g, values=e is not expected[-1])
    index = torch.tensor(to_numpy(got[-1])).reshape(expected[-1].shape)
    chosen, wanted = (i.reshape(1) if not x.ndim else i for i in (index, expected[-1]))
    if line.ndim > chosen.ndim:
        chosen, wanted = chosen.unsqueeze(dim), wanted.unsqueeze(dim)
    if chosen.numel():
        same_array(to_numpy(line.gather(dim, wanted)), to_numpy(line.gather(dim, chosen)), None)
