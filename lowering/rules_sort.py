"""Sorting as `jax.lax` calls; read by `lowering.table` alone."""

from __future__ import annotations

from jax import lax


def _sort(node, x):
    axis, descending = node.attr("axis"), node.attr("descending")
    places = lax.broadcasted_iota("int64", x.shape, axis)
    if descending:  # ascending from the other end: equal elements keep their order
        x, places = lax.rev(x, (axis,)), lax.rev(places, (axis,))
    values, order = lax.sort((x, places), dimension=axis, is_stable=True, num_keys=1)
    if descending:
        values, order = lax.rev(values, (axis,)), lax.rev(order, (axis,))
    return values, order


RULES = {"sort": _sort}
