"""Views that show other numbers than the storage holds: parts of complex ones, conjugates,
bits as another dtype. Imported by the tracer alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ir.build import Builder
from ..ir.graph import Value
from ..ir.types import DType, Shape, bool_, uint8
from . import views

if TYPE_CHECKING:
    from .tensor import Tensor

Ints = tuple[int, ...]


def _read_parts(b: Builder, x: Value) -> Value:
    column = (*x.type.shape, 1)
    parts = [b.reshape(part, shape=column) for part in (b.real(x), b.imag(x))]
    return b.concatenate(*parts, axis=len(column) - 1)


def _read_joined(b: Builder, x: Value) -> Value:
    *lead, _ = x.type.shape
    ends = len(lead)
    real, imag = (
        b.slice(x, starts=(*(0,) * ends, i), sizes=(*lead, 1), strides=(1,) * (ends + 1))
        for i in (0, 1)
    )
    return b.complex(b.reshape(real, shape=tuple(lead)), b.reshape(imag, shape=tuple(lead)))


def _as_plain(b: Builder, x: Value) -> Value:
    """Numbers whose bits a `bitcast` takes: complex ones as a longer last axis of parts."""
    if x.type.dtype.is_complex:
        *lead, last = x.type.shape or (1,)
        return b.reshape(_read_parts(b, x), shape=(*lead, last * 2))
    return b.convert(x, uint8) if x.type.dtype is bool_ else x


def read(b: Builder, x: Value, dtype: DType, shape: Shape) -> Value:
    """The bits of `x` as numbers of `dtype`, in `shape`."""
    plain = uint8 if dtype is bool_ else dtype.to_real()
    x = _as_plain(b, x)
    old, new = x.type.dtype.itemsize, plain.itemsize
    if new > old:
        *lead, last = x.type.shape
        x = b.reshape(x, shape=(*lead, last * old // new, new // old))
    if plain is not x.type.dtype:
        x = b.bitcast(x, dtype=plain)
    if dtype.is_complex:
        return _read_joined(b, b.reshape(x, shape=(*shape, 2)))
    x = b.reshape(x, shape=shape)
    return b.ne(x, 0) if dtype is bool_ else x


def _write_bits(b: Builder, parent: Value, v: Value, dtype: DType, shape: Shape) -> Value:
    return read(b, v, parent.type.dtype, parent.type.shape)


views.READ |= {
    "real": lambda b, x: b.real(x),
    "imag": lambda b, x: b.imag(x),
    "conj": lambda b, x: b.conj(x),
    "parts": _read_parts,
    "joined": _read_joined,
    "bits": read,
}
views.WRITE |= {
    "real": lambda b, parent, v: b.complex(v, b.imag(parent)),
    "imag": lambda b, parent, v: b.complex(b.real(parent), v),
    "conj": lambda b, parent, v: b.conj(v),
    "parts": lambda b, parent, v: _read_joined(b, v),
    "joined": lambda b, parent, v: _read_parts(b, v),
    "bits": _write_bits,
}


def _doubled(t: Tensor) -> Ints:
    return tuple(2 * s for s in t.stride())


def part(t: Tensor, kind: str) -> Tensor:
    """The real or imaginary parts of a complex tensor."""
    dtype = t._type.dtype.to_real()
    return views.link(t, kind, (), t._type.shape, _doubled(t), kind, dtype)


def conj(t: Tensor) -> Tensor:
    return views.link(t, "conj", (), t._type.shape, t.stride(), "conj")


def parts(t: Tensor) -> Tensor:
    """A complex tensor with its parts as a last axis of two."""
    shape, strides = (*t._type.shape, 2), (*_doubled(t), 1)
    return views.link(t, "parts", (), shape, strides, "view_as_real", t._type.dtype.to_real())


def joined(t: Tensor) -> Tensor:
    """A last axis of two as the parts of a complex tensor."""
    strides = tuple(s // 2 for s in t.stride()[:-1])
    dtype = t._type.dtype.to_complex()
    return views.link(t, "joined", (), t._type.shape[:-1], strides, "view_as_complex", dtype)


def as_dtype(t: Tensor, dtype: DType, shape: Shape, strides: Ints) -> Tensor:
    """The bits of `t` read as `dtype`, which have no gradient."""
    seen = views.link(t, "bits", (dtype, shape), shape, strides, "view", dtype)
    return views.detach(seen) if seen.requires_grad else seen


def _signs(link: Any) -> tuple[bool, bool]:
    """Whether a chain shows its storage's numbers conjugated, and whether negated."""
    kinds: list[str] = []
    while link is not None:
        kinds.append(link.kind)
        link = link.parent
    conjugated = negated = False
    for kind in reversed(kinds):
        if kind == "conj":
            conjugated = not conjugated
        elif kind in ("real", "imag"):
            negated = conjugated and kind == "imag"
            conjugated = False
    return conjugated, negated


def is_conj(link: Any) -> bool:
    """Whether a chain shows its storage's numbers conjugated."""
    return _signs(link)[0]


def is_neg(link: Any) -> bool:
    """Whether a chain shows its storage's numbers negated: imaginary parts of conjugates."""
    return _signs(link)[1]
