"""Random bits as JAX's threefry primitive, bit for bit the IR's NumPy rule.

The primitive is one operation where writing the rounds out would be a hundred, each with
a cost to trace and compile. Read by `lowering.table` alone.
"""

from __future__ import annotations

import numpy as np
from jax import lax
from jax.extend.random import threefry2x32_p

from .rules_elementwise import broadcast_right


def words(x):
    """The low and high 32 bits of uint64 numbers."""
    high = lax.shift_right_logical(x, lax.full_like(x, 32))
    return lax.convert_element_type(x, np.uint32), lax.convert_element_type(high, np.uint32)


def rng_bits(node, state):
    shape = node.attr("shape")
    count = int(np.prod(shape, dtype=np.int64))
    seed, offset = (lax.squeeze(lax.slice(state, (i,), (i + 1,)), (0,)) for i in range(2))
    places = lax.iota(np.uint64, count)
    low, high = words(lax.add(broadcast_right(offset, (count,)), places))
    keys = [broadcast_right(k, (count,)) for k in words(seed)]
    bits = threefry2x32_p.bind(*keys, high, low)[0]
    after = lax.add(state, np.array([0, count], np.uint64))
    return after, lax.reshape(bits, shape)


RULES = {"rng_bits": rng_bits}
