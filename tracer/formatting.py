"""Printing tensors as PyTorch prints them, with `thrace.` where it says `torch.`.

Numbers share one format per tensor: whole numbers as `3.`, fractions with `precision`
digits, scientific notation where sizes differ by more than a thousand. Imported by
`tensor.py` and the front door.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.types import bool_, int64
from . import state

if TYPE_CHECKING:
    from .tensor import Tensor


@dataclass
class Options:
    """`set_printoptions` documents them."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = Options()
_PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=math.inf),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Digits after the point; how many elements are printed in full, and how many at each
    edge otherwise; characters per line; scientific notation always, never, or by need.

    Raises: ValueError for a profile other than default, short and full.
    """
    global OPTIONS
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"profile must be one of {sorted(_PROFILES)}, got {profile!r}")
        OPTIONS = replace(_PROFILES[profile])
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    OPTIONS = replace(OPTIONS, **{k: v for k, v in given.items() if v is not None})
    OPTIONS.sci_mode = sci_mode


class _Numbers:
    """How the numbers of one tensor are written: all alike, and all as wide."""

    def __init__(self, array: np.ndarray):
        self.floating = array.dtype.kind == "f"
        self.whole = True
        self.scientific = False
        self.width = 1
        if not self.floating:
            self.width = max((len(str(v)) for v in array.ravel().tolist()), default=1)
            return
        flat = array.astype(np.float64).ravel()
        finite = flat[np.isfinite(flat) & (flat != 0)]
        if finite.size:
            low, high = np.abs(finite).min(), np.abs(finite).max()
            self.whole = bool((finite == np.ceil(finite)).all())
            self.scientific = bool(
                high / low > 1000 or high > 1e8 or (not self.whole and low < 1e-4)
            )
            if OPTIONS.sci_mode is not None:
                self.scientific = OPTIONS.sci_mode
            self.width = max(len(self.text(v)) for v in finite.tolist())

    def text(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{OPTIONS.precision}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{OPTIONS.precision}f}"

    def __call__(self, value: Any) -> str:
        return self.text(value).rjust(self.width)


class _Complex:
    """Real and imaginary parts, each in a format of its own."""

    def __init__(self, array: np.ndarray):
        self.real = _Numbers(np.ascontiguousarray(np.real(array)))
        self.imag = _Numbers(np.ascontiguousarray(np.imag(array)))
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: complex) -> str:
        imag = self.imag(value.imag).lstrip() + "j"
        return self.real(value.real) + (imag if imag[0] in "+-" else f"+{imag}")


def _edges(array: np.ndarray) -> np.ndarray:
    """The elements that a summary shows, from which its number format is chosen."""
    edge = OPTIONS.edgeitems
    for axis, n in enumerate(array.shape):
        if n > 2 * edge:
            keep = [*range(edge), *range(n - edge, n)]
            array = np.take(array, keep, axis=axis)
    return array


def _body(array: np.ndarray, number: Any, indent: int, summary: bool) -> str:
    """The nested brackets of `array`, each row on a line of its own."""
    if array.ndim == 0:
        return number(array.item())
    edge, n = OPTIONS.edgeitems, len(array)
    cut = summary and n > 2 * edge
    chosen = [*range(edge), None, *range(n - edge, n)] if cut else list(range(n))
    if array.ndim > 1:
        rows = [
            "..." if i is None else _body(array[i], number, indent + 1, summary) for i in chosen
        ]
        between = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
        return f"[{between.join(rows)}]"
    words = [" ..." if i is None else number(array[i].item()) for i in chosen]
    per_line = max(1, (OPTIONS.linewidth - indent) // (number.width + 2))
    lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def format_tensor(t: Tensor) -> str:
    """What `repr(t)` gives."""
    from .evaluate import SYMBOLIC
    from .parameter import Parameter
    from .storage import root

    head = "Parameter containing:\n" if isinstance(t, Parameter) else ""
    prefix = "tensor("
    notes: list[str] = []
    default = state.default_dtype()
    if root(t._storage.value).buffer is SYMBOLIC:
        return f"{head}{prefix}<{t._type}>)"
    if t.is_cuda:
        notes.append(f"device='{t.device}'")
    if t._type.numel == 0:
        body = "[]"
        if t.ndim != 1:
            notes.append(f"size={tuple(t.shape)}")
        if t.dtype is not default:
            notes.append(f"dtype={t.dtype}")
    else:
        if t.dtype not in (default, default.to_complex(), int64, bool_):
            notes.append(f"dtype={t.dtype}")
        array = t._host()
        if array.dtype.kind == "V" or t.dtype.name == "bfloat16":
            array = array.astype(np.float32)
        summary = array.size > OPTIONS.threshold
        shown = _edges(array) if summary else array
        number = _Complex(shown) if t.dtype.is_complex else _Numbers(shown)
        body = _body(array, number, len(prefix), summary)
    if t.grad_fn is not None:
        notes.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif t.requires_grad:
        notes.append("requires_grad=True")
    return head + _with_notes(prefix + body, notes, len(prefix)) + ")"


def _with_notes(text: str, notes: list[str], indent: int) -> str:
    """Notes after the numbers, on a new line where the last one is full."""
    used = len(text) - text.rfind("\n") + 1
    for note in notes:
        if used + len(note) + 2 > OPTIONS.linewidth:
            text += ",\n" + " " * indent + note
            used = indent + len(note)
        else:
            text += ", " + note
            used += len(note) + 2
    return text
