"""Random bits. The state is an operand and the advanced state a result: nothing is hidden.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError
from ..types import Shape, TensorType, uint32, uint64
from .table import op, table

_CHUNK = 1 << 15  # what a processor's cache holds through all rounds
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
STATE = TensorType((2,), uint64)


def threefry2x32(k0: Any, k1: Any, x0: Any, x1: Any, constant: Any) -> tuple[Any, Any]:
    """Threefry-2x32, 20 rounds, on uint32 arrays of any library with NumPy's operators.

    `constant(n)` gives the uint32 scalar n in that library. Where arrays can change in place,
    they do: all but the first line.
    Source: Salmon et al. 2011, doi:10.1145/2063384.2063405.
    """
    keys = (k0, k1, k0 ^ k1 ^ constant(0x1BD11BDA))
    x0, x1 = x0 + k0, x1 + k1
    for block in range(5):
        for r in _ROTATIONS[block % 2]:
            x0 += x1
            low = x1 >> constant(32 - r)
            x1 <<= constant(r)
            x1 |= low
            x1 ^= x0
        x0 += keys[(block + 1) % 3]
        x1 += keys[(block + 2) % 3] + constant(block + 1)
    return x0, x1


def _bits_type(name: str, state: TensorType, *, shape: Shape) -> tuple[TensorType, TensorType]:
    if state is not STATE:
        raise DTypeError(f"{name}: the state must be {STATE}, got {state}")
    return state, TensorType(shape, uint32)


def _bits(state: np.ndarray, *, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Element i of the draw is the first word of threefry(seed, offset + i)."""
    count = int(np.prod(shape, dtype=np.int64))
    seed, offset = state.astype(np.uint64)
    k0, k1 = _words(np.asarray(seed))
    bits = np.empty(count, np.uint32)
    with np.errstate(over="ignore"):
        after = np.array([seed, offset + np.uint64(count)], np.uint64)
        for start in range(0, count, _CHUNK):
            part = bits[start : start + _CHUNK]
            counter = np.arange(start, start + len(part), dtype=np.uint64)
            counter += offset
            low, high = _words(counter)
            part[:] = threefry2x32(k0, k1, high, low, np.uint32)[0]
    return after, bits.reshape(shape)


def _words(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The low and high 32 bits of uint64 numbers."""
    return x.astype(np.uint32), (x >> np.uint64(32)).astype(np.uint32)


RANDOM = table(
    op(
        "rng_bits",  # (seed, offset) -> (seed, offset + count), uint32 bits
        _bits_type,
        attrs=("shape",),
        multiple=True,
        no_grad="random bits do not depend on the state smoothly",
        evaluate=_bits,
    ),
)
