"""Reductions as `jax.lax` calls; read by `lowering.table` alone."""

from __future__ import annotations

import numpy as np
from jax import lax

from ..ir.types import is_half


def total(x, axes):
    """The sum; half precision is summed in single precision and rounded once."""
    if not axes:
        return x
    if is_half(x.dtype):
        wide = lax.convert_element_type(x, np.float32)
        return lax.convert_element_type(lax.reduce_sum(wide, axes), x.dtype)
    return lax.reduce_sum(x, axes)


def reduction(fn):
    """`fn(x, axes)`, or the operand where there are no axes."""

    def rule(node, x):
        axes = node.attr("axes")
        return fn(x, axes) if axes else x

    return rule


def sum_to(node, x):
    shape = node.attr("shape")
    lead = x.ndim - len(shape)
    axes = tuple(i for i in range(x.ndim) if i < lead or (shape[i - lead] == 1 and x.shape[i] != 1))
    out = total(x, axes)
    return out if out.shape == shape else lax.reshape(out, shape)


def extreme_index(fn):
    def rule(node, x):
        if x.dtype == np.bool_:
            x = lax.convert_element_type(x, np.int8)
        return fn(x, node.attr("axis"), np.int64)

    return rule


RULES = {
    "sum": reduction(total),
    "sum_to": sum_to,
    "amax": reduction(lax.reduce_max),
    "amin": reduction(lax.reduce_min),
    "any": reduction(lax.reduce_or),
    "all": reduction(lax.reduce_and),
    "argmax": extreme_index(lax.argmax),
    "argmin": extreme_index(lax.argmin),
}
