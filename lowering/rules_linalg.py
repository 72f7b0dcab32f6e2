"""Products and convolutions as `jax.lax` calls; read by `lowering.table` alone.

Single precision means single precision: on a GPU the default would be TF32. Half
precision accumulates in single precision and is rounded once.
"""

from __future__ import annotations

import math

import numpy as np
from jax import lax

from ..ir.ops.linalg import free_axes
from ..ir.types import is_half

FULL = lax.Precision.HIGHEST


def accumulator(dtype):
    return np.dtype(np.float32) if is_half(dtype) else dtype


def precision(dtype):
    return FULL if dtype.kind in "fc" and not is_half(dtype) else None


def rounded(out, dtype):
    return out if out.dtype == dtype else lax.convert_element_type(out, dtype)


# Result axes of a product, in the two orders in which an operand may hold its own.
ORDERS = (("batch", "free", "contract"), ("batch", "contract", "free"))


def merged(x, groups):
    """`x` with each group of axes merged into one, and each group's axis (or none).

    XLA's CPU products are quickest on two dimensions, or three with a batch. Only merging
    axes that do not lie side by side in order moves data.
    """
    for order in ORDERS:
        if sum((groups[name] for name in order), ()) == tuple(range(x.ndim)):
            break
    else:
        order = ORDERS[0]
        x = lax.transpose(x, sum((groups[name] for name in order), ()))
    sizes: list[int] = []
    places: dict[str, tuple[int, ...]] = {}
    at = 0
    for name in order:
        count = len(groups[name])
        places[name] = (len(sizes),) if count else ()
        if count:
            sizes.append(math.prod(x.shape[at : at + count]))
        at += count
    return (x if len(sizes) == x.ndim else lax.reshape(x, sizes)), places


def dot_general(node, x, y):
    (cx, cy), (bx, by) = node.attr("contract"), node.attr("batch")
    # Pairs in the order of x's axes, so that x is transposed least.
    pairs = sorted(zip(cx, cy, strict=True))
    cx, cy = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    result = node.outputs[0].type
    x2, px = merged(x, {"batch": bx, "free": free_axes(x.ndim, cx, bx), "contract": cx})
    y2, py = merged(y, {"batch": by, "free": free_axes(y.ndim, cy, by), "contract": cy})
    out = lax.dot_general(
        x2,
        y2,
        ((px["contract"], py["contract"]), (px["batch"], py["batch"])),
        precision=precision(x.dtype),
        preferred_element_type=accumulator(x.dtype),
    )
    out = rounded(out, x.dtype)
    return out if out.shape == result.shape else lax.reshape(out, result.shape)


def convolution(node, x, w):
    axes = tuple(range(x.ndim))
    padding = list(zip(node.attr("low"), node.attr("high"), strict=True))
    lhs_dilation = node.attr("lhs_dilation")
    larger = math.prod(w.shape[2:]) > math.prod(x.shape[2:]) and any(d > 1 for d in lhs_dilation)
    if larger or any(low < 0 < high for low, high in padding):
        # XLA (jaxlib 0.10.2) takes wrong elements for such a window, and ends the process where
        # it would let a spread image change places with a larger kernel.
        gaps = [(*p, d - 1) for p, d in zip(padding, lhs_dilation, strict=True)]
        x = lax.pad(x, np.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *gaps])
        padding = [(0, 0)] * len(padding)
        lhs_dilation = (1,) * len(padding)
    out = lax.conv_general_dilated(
        x,
        w,
        window_strides=node.attr("strides"),
        padding=padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=node.attr("rhs_dilation"),
        dimension_numbers=lax.ConvDimensionNumbers(axes, axes, axes),
        feature_group_count=node.attr("groups"),
        batch_group_count=node.attr("batch_groups"),
        precision=precision(x.dtype),
        preferred_element_type=accumulator(x.dtype),
    )
    return rounded(out, x.dtype)


RULES = {"dot_general": dot_general, "convolution": convolution}
