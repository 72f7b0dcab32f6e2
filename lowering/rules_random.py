"""Random bits, by the very function the IR's NumPy rule calls; read by `lowering.table` alone.

JAX has the same generator as a primitive, but on a CPU that runs as a loop XLA does not
fuse: 10.7 ms for half a million numbers and a mask made of them, against 1.8 written out,
and it takes longer to compile as well.
"""

from __future__ import annotations

import jax
import numpy as np
from jax import lax

from ..ir.ops.random import threefry2x32
from .rules_elementwise import broadcast_right


def words(x):
    """The low and high 32 bits of uint64 numbers."""
    high = lax.shift_right_logical(x, lax.full_like(x, 32))
    return lax.convert_element_type(x, np.uint32), lax.convert_element_type(high, np.uint32)


@jax.jit
def threefry_bits(seed, counter):
    """A hundred operations: traced once per length, and lowered once per program."""
    low, high = words(counter)
    k0, k1 = (broadcast_right(k, counter.shape) for k in words(seed))
    return threefry2x32(k0, k1, high, low, np.uint32)[0]


def rng_bits(node, state):
    shape = node.attr("shape")
    count = int(np.prod(shape, dtype=np.int64))
    seed, offset = (lax.squeeze(lax.slice(state, (i,), (i + 1,)), (0,)) for i in range(2))
    counter = lax.add(broadcast_right(offset, (count,)), lax.iota(np.uint64, count))
    after = lax.add(state, np.array([0, count], np.uint64))
    return after, lax.reshape(threefry_bits(seed, counter), shape)


RULES = {"rng_bits": rng_bits}
