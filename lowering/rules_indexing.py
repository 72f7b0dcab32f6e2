"""Reading and writing at computed positions, as gather and scatter.

Positions out of range are reported by the check nodes recorded beside these ops; here
they only must do no harm, so reads clamp them and writes drop them.
Read by `lowering.table` alone.
"""

from __future__ import annotations

import numpy as np
from jax import lax

from ..ir.types import is_half
from .rules_elementwise import broadcast_right


def stacked(indices):
    """Index operands broadcast together, side by side along a new last axis."""
    shape = np.broadcast_shapes(*(i.shape for i in indices))
    # Narrow index types cannot hold the bounds that reads are clamped to.
    wide = np.int32 if all(i.dtype.itemsize < 4 for i in indices) else indices[0].dtype
    columns = [
        lax.expand_dims(broadcast_right(lax.convert_element_type(i, wide), shape), (len(shape),))
        for i in indices
    ]
    return columns[0] if len(columns) == 1 else lax.concatenate(columns, len(shape))


def index(node, x, *indices):
    result = node.outputs[0].type
    if result.numel == 0 or 0 in x.shape:
        return lax.full(result.shape, 0, x.dtype)
    k = len(indices)
    at = stacked(indices)
    numbers = lax.GatherDimensionNumbers(
        offset_dims=tuple(range(at.ndim - 1, len(result.shape))),
        collapsed_slice_dims=tuple(range(k)),
        start_index_map=tuple(range(k)),
    )
    sizes = (1,) * k + x.shape[k:]
    return lax.gather(x, at, numbers, sizes, mode=lax.GatherScatterMode.CLIP)


def scatter(fn):
    def rule(node, x, u, *indices):
        if 0 in x.shape or 0 in u.shape:
            return x
        at = stacked(indices)
        numbers = lax.ScatterDimensionNumbers(
            update_window_dims=tuple(range(at.ndim - 1, u.ndim)),
            inserted_window_dims=tuple(range(len(indices))),
            scatter_dims_to_operand_dims=tuple(range(len(indices))),
        )
        return fn(x, at, u, numbers)

    return rule


def add_at(x, at, u, numbers):
    mode = lax.GatherScatterMode.FILL_OR_DROP
    if x.dtype == np.bool_:
        return lax.scatter_max(x, at, u, numbers, mode=mode)
    if is_half(x.dtype):  # many terms on one place would each be rounded
        wide = [lax.convert_element_type(a, np.float32) for a in (x, u)]
        out = lax.scatter_add(wide[0], at, wide[1], numbers, mode=mode)
        return lax.convert_element_type(out, x.dtype)
    return lax.scatter_add(x, at, u, numbers, mode=mode)


def set_at(x, at, u, numbers):
    return lax.scatter(x, at, u, numbers, mode=lax.GatherScatterMode.FILL_OR_DROP)


def combined_at(fn):
    def at_places(x, at, u, numbers):
        return fn(x, at, u, numbers, mode=lax.GatherScatterMode.FILL_OR_DROP)

    return at_places


RULES = {
    "index": index,
    "index_add": scatter(add_at),
    "index_set": scatter(set_at),
    "index_mul": scatter(combined_at(lax.scatter_mul)),
    "index_max": scatter(combined_at(lax.scatter_max)),
    "index_min": scatter(combined_at(lax.scatter_min)),
}
