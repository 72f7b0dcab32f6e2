"""Element types and tensor types of the IR.

Everything in the project may import this file. Both kinds of object are interned, so
identity is equality and a type is a cheap dictionary key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from .errors import ShapeError

Shape = tuple[int, ...]


class DType:
    """An element type, printed as PyTorch prints it with `thrace.` in front.

    Attributes: `name` (PyTorch's), `short` (as in `f32[2,3]`), `np` (NumPy's dtype),
    `itemsize` in bytes, `kind` (one of bool, uint, int, float, complex), `rank` (the
    position in promotion order within its kind).
    """

    __slots__ = (
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "kind",
        "name",
        "np",
        "rank",
        "short",
    )

    def __init__(self, name: str, short: str, np_type: Any, kind: str, rank: int):
        self.name = name
        self.short = short
        self.np = np.dtype(np_type)
        self.itemsize = self.np.itemsize
        self.kind = kind
        self.rank = rank
        self.is_floating_point = kind == "float"
        self.is_complex = kind == "complex"
        self.is_signed = kind in ("int", "float", "complex")

    def __repr__(self) -> str:
        return f"thrace.{self.name}"

    def __reduce__(self):
        return (dtype_from_name, (self.name,))

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: dict) -> DType:
        return self

    def to_real(self) -> DType:
        """The dtype of a complex number's parts; other dtypes are their own."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> DType:
        """The complex dtype whose parts hold this dtype."""
        return complex128 if self in (float64, complex128) else complex64


bool_ = DType("bool", "b1", np.bool_, "bool", 0)
uint8 = DType("uint8", "u8", np.uint8, "uint", 0)
uint16 = DType("uint16", "u16", np.uint16, "uint", 1)
uint32 = DType("uint32", "u32", np.uint32, "uint", 2)
uint64 = DType("uint64", "u64", np.uint64, "uint", 3)
int8 = DType("int8", "i8", np.int8, "int", 0)
int16 = DType("int16", "i16", np.int16, "int", 1)
int32 = DType("int32", "i32", np.int32, "int", 2)
int64 = DType("int64", "i64", np.int64, "int", 3)
float16 = DType("float16", "f16", np.float16, "float", 0)
bfloat16 = DType("bfloat16", "bf16", ml_dtypes.bfloat16, "float", 0)
float32 = DType("float32", "f32", np.float32, "float", 1)
float64 = DType("float64", "f64", np.float64, "float", 2)
complex64 = DType("complex64", "c64", np.complex64, "complex", 0)
complex128 = DType("complex128", "c128", np.complex128, "complex", 1)

DTYPES: tuple[DType, ...] = (
    *(bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64),
    *(float16, bfloat16, float32, float64, complex64, complex128),
)
_BY_NAME = {d.name: d for d in DTYPES}
_BY_SHORT = {d.short: d for d in DTYPES}
_BY_NUMPY = {d.np: d for d in DTYPES}


def dtype_from_name(name: str) -> DType:
    """The dtype of PyTorch's or the short name; `KeyError` if there is none."""
    return _BY_NAME.get(name) or _BY_SHORT[name]


def dtype_from_numpy(dtype: object) -> DType:
    """The dtype that stores what NumPy's `dtype` stores, in native byte order.

    Raises: TypeError for object, string, datetime and other types without one.
    """
    native = np.dtype(dtype).newbyteorder("=")  # type: ignore[arg-type]
    found = _BY_NUMPY.get(native)
    if found is None:
        raise TypeError(f"can't convert NumPy data of type {native} to a tensor")
    return found


def is_half(dtype: np.dtype) -> bool:
    """Whether sums and products of a NumPy dtype are made in single precision, then rounded."""
    return dtype == float16.np or dtype == bfloat16.np


MAX_NDIM = 64  # NumPy's limit


class TensorType:
    """A static shape and an element type. Interned: equal types are the same object."""

    __slots__ = ("dtype", "ndim", "numel", "shape")
    _all: ClassVar[dict[tuple[Shape, DType], TensorType]] = {}

    shape: Shape
    dtype: DType
    ndim: int
    numel: int

    def __new__(cls, shape: Iterable[int], dtype: DType) -> TensorType:
        shape = tuple(shape)
        found = cls._all.get((shape, dtype))
        if found is None:
            if len(shape) > MAX_NDIM:
                raise ShapeError(f"only tensors with up to {MAX_NDIM} dims are supported")
            found = object.__new__(cls)
            found.shape = shape = tuple(int(n) for n in shape)
            found.dtype = dtype
            found.ndim = len(shape)
            numel = 1
            for n in shape:
                numel *= n
            found.numel = numel
            if numel * dtype.itemsize >= 2**63:
                raise ShapeError(f"Storage size calculation overflowed with sizes={list(shape)}")
            # setdefault keeps one object when two threads get here at once.
            found = cls._all.setdefault((shape, dtype), found)
        return found

    @property
    def size_bytes(self) -> int:
        return self.numel * self.dtype.itemsize

    def with_shape(self, shape: Iterable[int]) -> TensorType:
        return TensorType(shape, self.dtype)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(self.shape, dtype)

    def __repr__(self) -> str:
        return f"{self.dtype.short}[{','.join(map(str, self.shape))}]"

    def __reduce__(self):
        return (TensorType, (self.shape, self.dtype))


_SPEC = re.compile(r"([a-z][a-z0-9]*)\[([0-9, ]*)\]")


def parse_type(text: str) -> TensorType:
    """The type written as `f32[64,1,8,8]` (PyTorch's dtype names do as well).

    Raises: ValueError if the text is not a type.
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a tensor type; write it like 'f32[64,1,8,8]'")
    try:
        dtype = dtype_from_name(match[1])
    except KeyError:
        known = ", ".join(d.short for d in DTYPES)
        raise ValueError(f"{text!r}: unknown dtype {match[1]!r}; known: {known}") from None
    sizes = [part.strip() for part in match[2].split(",")] if match[2].strip() else []
    if not all(part.isdigit() for part in sizes):
        raise ValueError(f"{text!r}: sizes must be whole numbers, separated by commas")
    return TensorType(map(int, sizes), dtype)
