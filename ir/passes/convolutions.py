"""Convolutions in forms that XLA's CPU backend is quicker at. Imported by `ir.passes`, used by
the runtime.

Some kinds are far slower there than what they compute would take:

- one channel in each group (depthwise): a sum of shifted images, each times its weight; in the
  gradient by the kernel, a sum for each weight;
- groups of the batch, as the gradient by any other grouped kernel has them: groups of channels;
- an image spread out by zeros, as in transposed convolutions and in the gradient of a strided
  one: a convolution for each of the places that an output has between two elements.

The others stay. Sums may run in another order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..build import Builder
from ..graph import Graph, Node, Value
from ..nested import changed_graphs
from ..ops.linalg import conv_shape
from ..ops.shape import Constant, inverse
from ..rebuild import Rebuilder
from ..types import Shape, TensorType, float32, int64, is_half
from .layout import order

Attrs = dict[str, Any]
Form = Callable[..., Value]  # of a builder, the image, the kernel and the attributes

_TAPS = 64  # of a kernel that is applied tap by tap
_MERGED = 2  # sums of taps that may become one: with more, compiling takes long
# What XLA merges with what it comes from, besides elementwise work.
_MOVES = frozenset(
    (
        *("barrier", "broadcast", "concatenate", "dynamic_slice", "pad", "reshape", "reverse"),
        *("slice", "transpose", "unslice"),
    )
)
_PHASES = 16  # convolutions that one becomes
_MANY = 16  # channels of a result that is worth so many convolutions


class _Builder(Builder):
    """`apart`: what is built next is to be kept from what its operands come from."""

    apart = False


def rewrite_convolutions(graph: Graph) -> Graph:
    """The graph with its convolutions in the quicker forms; inputs and outputs stay."""
    return changed_graphs(graph, _rewritten)


def _rewritten(graph: Graph) -> Graph:
    if not any(map(_is_one, graph.nodes)):
        return graph
    b = _Builder()
    new = Rebuilder(graph, b)
    changed = False
    sums: dict[Value, int] = {}  # how many sums of taps, one after the other, XLA may merge
    for node in graph.nodes:
        operands = new.map(node.operands)
        before = max((sums.get(o, 0) for o in node.operands if isinstance(o, Value)), default=0)
        form = _form_of(operands, node.attr_dict()) if _is_one(node) else None
        if form is None:
            new.copy(node, operands)
            if before and (node.op.elementwise or node.op.name in _MOVES):
                sums.update(dict.fromkeys(node.outputs, before))
            continue
        new.building(node)
        b.apart = before >= _MERGED
        new.replace(node, [form(b, *operands, node.attr_dict())])
        if not b.apart:
            sums[node.outputs[0]] = before + 1
        changed = True
    return new.finish() if changed else graph


def _is_one(node: Node) -> bool:
    return node.op.name == "convolution"


def _convolution(b: _Builder, x: Value, w: Value, at: Attrs) -> Value:
    """The result of a convolution, in its quickest form."""
    form = _form_of((x, w), at)
    return form(b, x, w, at) if form else b.convolution(x, w, **at)


def _form_of(operands: Sequence[Any], at: Attrs) -> Form | None:
    x, w = (v.type.shape for v in operands)
    if 0 in x or 0 in w:
        return None
    kernel = w[2:]
    if at["batch_groups"] > 1:
        if at["groups"] > 1:
            return None
        alone = x[0] == w[0] == at["batch_groups"] and set(at["lhs_dilation"]) == {1}
        few = alone and prod(_result_sizes(x, w, at)) <= _TAPS
        return _sum_by_sum if few else _by_groups_of_channels
    depthwise = at["groups"] > 1 and w[1] == 1 and w[0] == x[1]
    if (depthwise or w[0] >= _MANY) and _has_phases(kernel, at):
        return _phase_by_phase
    return _tap_by_tap if depthwise and prod(kernel) <= _TAPS else None


def _has_phases(kernel: Shape, at: Attrs) -> bool:
    steps = at["lhs_dilation"]
    return 1 < prod(steps) <= _PHASES and all(
        d == 1 or (k >= d and r == 1 and s == 1)
        for d, k, r, s in zip(steps, kernel, at["rhs_dilation"], at["strides"], strict=True)
    )


def _by_groups_of_channels(b: _Builder, x: Value, w: Value, at: Attrs) -> Value:
    """Parts of the batch side by side, as the channels that a group reads."""
    parts = at["batch_groups"]
    n, channels, *spatial = x.type.shape
    x = b.reshape(x, (parts, n // parts, channels, *spatial))
    x = b.transpose(x, (1, 0, *range(2, x.type.ndim)))
    x = b.reshape(x, (n // parts, parts * channels, *spatial))
    return _convolution(b, x, w, {**at, "groups": parts, "batch_groups": 1})


def _result_sizes(x: Shape, w: Shape, at: Attrs) -> Shape:
    return conv_shape(TensorType(x, float32), TensorType(w, float32), **at)[2:]


def _padded(b: Builder, x: Value, at: Attrs) -> Value:
    gaps = tuple(d - 1 for d in at["lhs_dilation"])
    if not any((*at["low"], *at["high"], *gaps)):
        return x
    x = b.pad(x, 0, low=(0, 0, *at["low"]), high=(0, 0, *at["high"]), interior=(0, 0, *gaps))
    return b.barrier(x)  # else XLA pads anew for each slice of it


def _tap_by_tap(b: _Builder, x: Value, w: Value, at: Attrs) -> Value:
    """The sum over the kernel's elements of an element times the image, shifted.

    Where the image comes from other such sums by elementwise work, XLA would merge them, and take
    minutes for many. A loop, over two or more parts of the batch, it leaves apart.
    """
    dtype = x.type.dtype
    if is_half(dtype.np):  # sums are taken in float32, as in a convolution
        x, w = b.convert(x, float32), b.convert(w, float32)
    channels, _, *kernel = w.type.shape
    sizes = _result_sizes(x.type.shape, w.type.shape, at)
    last = order(x.type.ndim)
    x = b.transpose(_padded(b, x, at), last)
    rows = b.transpose(b.reshape(w, (channels, prod(kernel))), (1, 0))
    batch, *image = x.type.shape
    parts = _least_divisor(batch) if b.apart else 1
    if parts == 1:
        out = _sum_of_taps(b, x, rows, kernel, sizes, at)
    else:
        xs = b.reshape(x, (parts, batch // parts, *image))
        inner = Builder()
        one, weights = Value(xs.type.with_shape(xs.type.shape[1:])), Value(rows.type)
        total = _sum_of_taps(inner, one, weights, kernel, sizes, at)
        step = inner.finish([one, weights], [total])
        (out,) = _loop(b, step, parts, xs, rows)
        out = b.reshape(out, (batch, *sizes, channels))
    return b.convert(b.transpose(out, inverse(last)), dtype)


def _sum_of_taps(
    b: Builder, image: Value, rows: Value, kernel: Sequence[int], sizes: Shape, at: Attrs
) -> Value:
    """Of an image, channels last and padded, and weights (taps, channels)."""
    batch, channels = image.type.shape[0], image.type.shape[-1]
    total: Any = None
    for i, tap in enumerate(np.ndindex(*kernel)):
        shifted = b.slice(
            image,
            starts=(0, *(t * r for t, r in zip(tap, at["rhs_dilation"], strict=True)), 0),
            sizes=(batch, *sizes, channels),
            strides=(1, *at["strides"], 1),
        )
        weight = b.slice(rows, starts=(i, 0), sizes=(1, channels), strides=(1, 1))
        term = b.mul(shifted, b.reshape(weight, (channels,)))
        total = term if total is None else b.add(total, term)
    return total


def _loop(b: Builder, step: Graph, length: int, xs: Value, *consts: Value) -> tuple[Value, ...]:
    """What `step` makes of each element of xs and of the others, stacked."""
    return b.scan(
        xs,
        *consts,
        graph=step,
        carries=0,
        xs=1,
        length=length,
        reverse=False,
        saves=False,
    )


def _least_divisor(n: int) -> int:
    """The least above 1, or 1 of 1."""
    return next((d for d in range(2, n + 1) if n % d == 0), 1)


def _sum_by_sum(b: _Builder, x: Value, w: Value, at: Attrs) -> Value:
    """Of depthwise convolutions, the gradient by the kernel: batch and channels have changed
    places in x and w, and each element of the result is a sum over a slice of x times w."""
    dtype = x.type.dtype
    if is_half(dtype.np):
        x, w = b.convert(x, float32), b.convert(w, float32)
    sizes = _result_sizes(x.type.shape, w.type.shape, at)
    last = order(x.type.ndim)
    x = b.transpose(_padded(b, _swapped(b, x), at), last)
    w = b.transpose(_swapped(b, w), last)
    # A loop, because each sum has a product as large as an image behind it.
    taps = np.array(list(np.ndindex(*sizes)), np.int64) * np.array(at["strides"], np.int64)
    starts = np.pad(taps, ((0, 0), (1, 1)))  # in the batch and in the channels
    step = _sum_of_one(x.type, w.type, (1, *at["rhs_dilation"], 1))
    (sums,) = _loop(b, step, len(starts), b.constant(data=Constant(starts)), x, w)
    channels = w.type.shape[-1]
    return b.convert(b.reshape(b.transpose(sums, (1, 0)), (1, channels, *sizes)), dtype)


def _sum_of_one(x: TensorType, w: TensorType, strides: Shape) -> Graph:
    """From where a slice of x starts, and from x and w: what slice times w is for each channel."""
    b = Builder()
    inputs = start, x_in, w_in = Value(TensorType((x.ndim,), int64)), Value(x), Value(w)
    where = [
        b.reshape(b.slice(start, starts=(i,), sizes=(1,), strides=(1,)), ()) for i in range(x.ndim)
    ]
    part = b.dynamic_slice(x_in, *where, sizes=w.shape, strides=strides)
    total = b.sum(b.mul(part, w_in), tuple(range(x.ndim - 1)))
    return b.finish(inputs, [total])


def _swapped(b: Builder, x: Value) -> Value:
    """With the first two axes exchanged; back, if they were before."""
    perm = (1, 0, *range(2, x.type.ndim))
    node = x.node
    if node is not None and node.op.name == "transpose" and node.attr("perm") == perm:
        (before,) = node.operands
        assert isinstance(before, Value)
        return before
    return b.transpose(x, perm)


def _phase_by_phase(b: _Builder, x: Value, w: Value, at: Attrs) -> Value:
    """Output i of one axis, spread by d, reads the kernel's elements k with i + k - low a multiple
    of d; those with the same i % d make one convolution.

    Source: Shi et al. 2016, arXiv:1609.07009, section 4.
    """
    steps, kernel, images = at["lhs_dilation"], w.type.shape[2:], x.type.shape[2:]
    sizes = _result_sizes(x.type.shape, w.type.shape, at)
    parts: dict[tuple[int, ...], Value] = {}
    for phase in itertools.product(*map(range, steps)):
        firsts, taps, low, high = [], [], [], []
        for axis, (d, r) in enumerate(zip(steps, phase, strict=True)):
            before, k = at["low"][axis], kernel[axis]
            if d == 1:
                firsts.append(0)
                taps.append(k)
                low.append(before)
                high.append(at["high"][axis])
                continue
            first = (before - r) % d
            firsts.append(first)
            taps.append(-(-(k - first) // d))
            low.append((before - r - first) // d)
            high.append(-(-sizes[axis] // d) + taps[-1] - 1 - images[axis] - low[-1])
        part = b.slice(
            w,
            starts=(0, 0, *firsts),
            sizes=(*w.type.shape[:2], *taps),
            strides=(1, 1, *steps),
        )
        plain = {**at, "low": tuple(low), "high": tuple(high), "lhs_dilation": (1,) * len(steps)}
        parts[phase] = _convolution(b, x, part, plain)
    out = _interleaved(b, parts, steps)
    whole = (*out.type.shape[:2], *sizes)
    if whole == out.type.shape:
        return out
    return b.slice(out, starts=(0,) * len(whole), sizes=whole, strides=(1,) * len(whole))


def _interleaved(b: Builder, parts: dict[tuple[int, ...], Value], steps: tuple[int, ...]) -> Value:
    for axis in reversed(range(len(steps))):
        rows: dict[tuple[int, ...], list[Value]] = {}
        for phase in sorted(parts):
            rows.setdefault(phase[:axis], []).append(parts[phase])
        parts = {phase: _woven(b, row, axis + 2) for phase, row in rows.items()}
    return parts[()]


def _woven(b: Builder, values: list[Value], axis: int) -> Value:
    """First elements along `axis`, then second ones, and so on."""
    if len(values) == 1:
        return values[0]
    shape = values[0].type.shape
    apart = [b.reshape(v, (*shape[: axis + 1], 1, *shape[axis + 1 :])) for v in values]
    together = b.concatenate(*apart, axis=axis + 1)
    return b.reshape(together, (*shape[:axis], shape[axis] * len(values), *shape[axis + 1 :]))
