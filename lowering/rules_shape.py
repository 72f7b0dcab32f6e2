"""Ops that move or make elements, as `jax.lax` calls; read by `lowering.table` alone."""

from __future__ import annotations

import numpy as np
from jax import lax

from .rules_elementwise import broadcast_right, to_dtype


def extents(sizes, strides):
    """How far `sizes` elements reach, `strides` apart."""
    return tuple((n - 1) * s + 1 if n else 0 for n, s in zip(sizes, strides, strict=True))


def static_slice(x, starts, sizes, strides):
    reach = extents(sizes, strides)
    limits = tuple(a + n for a, n in zip(starts, reach, strict=True))
    return lax.slice(x, starts, limits, strides)


def spread(x, shape, starts, strides, fill):
    """`x` in an array of `shape` filled with `fill`, at `starts` and `strides` apart."""
    reach = extents(x.shape, strides)
    config = [
        (a, n - a - e, s - 1) for n, a, e, s in zip(shape, starts, reach, strides, strict=True)
    ]
    return lax.pad(x, np.asarray(fill, x.dtype), config)


def static_update(x, u, starts, strides):
    if 0 in u.shape:
        return x
    if u.shape == x.shape:
        return u
    if all(s == 1 or n == 1 for s, n in zip(strides, u.shape, strict=True)):
        return lax.dynamic_update_slice(x, u, [np.int32(a) for a in starts])
    there = spread(np.ones(u.shape, np.bool_), x.shape, starts, strides, False)
    return lax.select(there, spread(u, x.shape, starts, strides, 0), x)


def positions(starts):
    """Start positions as one dtype, which the dynamic slices of `lax` ask for."""
    return [lax.convert_element_type(s, np.int64) for s in starts]


def slice_(node, x):
    return static_slice(x, node.attr("starts"), node.attr("sizes"), node.attr("strides"))


def unslice(node, x):
    return spread(x, node.attr("shape"), node.attr("starts"), node.attr("strides"), 0)


def update_slice(node, x, u):
    return static_update(x, u, node.attr("starts"), node.attr("strides"))


def dynamic_slice(node, x, *starts):
    sizes, strides = node.attr("sizes"), node.attr("strides")
    if 0 in sizes:
        return lax.full(sizes, 0, x.dtype)
    reach = extents(sizes, strides)
    window = lax.dynamic_slice(x, positions(starts), reach)
    return window if reach == sizes else static_slice(window, (0,) * len(sizes), sizes, strides)


def dynamic_unslice(node, x, *starts):
    shape, strides = node.attr("shape"), node.attr("strides")
    zeros = lax.full(shape, 0, x.dtype)
    if 0 in x.shape:
        return zeros
    window = spread(x, extents(x.shape, strides), (0,) * x.ndim, strides, 0)
    return lax.dynamic_update_slice(zeros, window, positions(starts))


def dynamic_update_slice(node, x, u, *starts):
    strides = node.attr("strides")
    if 0 in u.shape:
        return x
    at = positions(starts)
    reach = extents(u.shape, strides)
    if reach != u.shape:
        window = lax.dynamic_slice(x, at, reach)
        u = static_update(window, u, (0,) * u.ndim, strides)
    return lax.dynamic_update_slice(x, u, at)


def pad(node, x, value):
    value = to_dtype(np.asarray(value), x.dtype) if value.dtype != x.dtype else value
    amounts = zip(node.attr("low"), node.attr("high"), node.attr("interior"), strict=True)
    return lax.pad(x, value, list(amounts))


def full(node, value):
    return broadcast_right(to_dtype(value, node.attr("dtype").np), node.attr("shape"))


def iota(node):
    return lax.broadcasted_iota(node.attr("dtype").np, node.attr("shape"), node.attr("axis"))


RULES = {
    "reshape": lambda node, x: lax.reshape(x, node.attr("shape")),
    "transpose": lambda node, x: lax.transpose(x, node.attr("perm")),
    "broadcast": lambda node, x: broadcast_right(x, node.attr("shape")),
    "slice": slice_,
    "unslice": unslice,
    "update_slice": update_slice,
    "dynamic_slice": dynamic_slice,
    "dynamic_unslice": dynamic_unslice,
    "dynamic_update_slice": dynamic_update_slice,
    "pad": pad,
    "concatenate": lambda node, *xs: lax.concatenate(xs, node.attr("axis")),
    "reverse": lambda node, x: lax.rev(x, node.attr("axes")),
    "full": full,
    "iota": iota,
    "constant": lambda node: node.attr("data").array,
}
