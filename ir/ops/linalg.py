"""Products: general dot product and convolution.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..types import Shape, TensorType, is_half
from .shape import inverse
from .table import op, table
from .typing import NUMERIC, check_dtype, check_rank

Ints = tuple[int, ...]
Axes = tuple[Ints, Ints]


def free_axes(ndim: int, contract: Ints, batch: Ints) -> Ints:
    return tuple(i for i in range(ndim) if i not in contract and i not in batch)


def _dot_type(name: str, x: TensorType, y: TensorType, *, contract: Axes, batch: Axes):
    """Result axes: batch, then what is left of `x`, then what is left of `y`."""
    if x.dtype is not y.dtype:
        raise DTypeError(f"{name}: expected one dtype, got {x.dtype} and {y.dtype}")
    check_dtype(name, x.dtype, NUMERIC)
    for (ax, ay), what in ((contract, "contracted"), (batch, "batch")):
        sizes_x = tuple(x.shape[a] for a in ax)
        sizes_y = tuple(y.shape[a] for a in ay)
        if sizes_x != sizes_y:
            raise ShapeError(
                f"{name}: {what} sizes {sizes_x} and {sizes_y} differ in shapes "
                f"{x.shape} and {y.shape}"
            )
    shape = [x.shape[a] for a in batch[0]]
    shape += [x.shape[a] for a in free_axes(x.ndim, contract[0], batch[0])]
    shape += [y.shape[a] for a in free_axes(y.ndim, contract[1], batch[1])]
    return TensorType(shape, x.dtype)


def _dot_grad(first: bool):
    """The other operand, contracted over its free axes, then axes put back in order."""

    def rule(b: Any, g: Any, out: Any, x: Any, y: Any, *, contract: Axes, batch: Axes) -> Any:
        mine, other = (x, y) if first else (y, x)
        (mine_c, other_c), (mine_b, other_b) = (
            (contract, batch) if first else (contract[::-1], batch[::-1])
        )
        mine_free = free_axes(mine.type.ndim, mine_c, mine_b)
        other_free = free_axes(other.type.ndim, other_c, other_b)
        lead = len(mine_b)
        g_other = tuple(
            range(lead + len(mine_free), g.type.ndim)
            if first
            else range(lead, lead + len(other_free))
        )
        g_batch = tuple(range(lead))
        # With g first the result has axes batch, mine_free, then other's contracted ones;
        # those stand in ascending order of other's axes.
        result = b.dot_general(
            g, b.conj(other), contract=(g_other, other_free), batch=(g_batch, other_b)
        )
        contracted = tuple(m for _, m in sorted(zip(other_c, mine_c, strict=True)))
        return b.transpose(result, inverse(mine_b + mine_free + contracted))

    return rule


def _dot(x: np.ndarray, y: np.ndarray, *, contract: Axes, batch: Axes) -> np.ndarray:
    x_free = free_axes(x.ndim, contract[0], batch[0])
    y_free = free_axes(y.ndim, contract[1], batch[1])
    lead = [x.shape[a] for a in batch[0]]
    rows = [x.shape[a] for a in x_free]
    columns = [y.shape[a] for a in y_free]
    inner = int(np.prod([x.shape[a] for a in contract[0]]))
    xs = x.transpose(batch[0] + x_free + contract[0])
    ys = y.transpose(batch[1] + contract[1] + y_free)
    # Sizes are spelled out: -1 cannot be worked out where another size is zero.
    xs = xs.reshape([*lead, int(np.prod(rows)), inner])
    ys = ys.reshape([*lead, inner, int(np.prod(columns))])
    if is_half(x.dtype):
        # Half precision sums in single precision, as XLA does.
        out = np.matmul(xs.astype(np.float32), ys.astype(np.float32)).astype(x.dtype)
    else:
        out = np.matmul(xs, ys)
    return out.reshape([*lead, *rows, *columns])


# Convolution. x is (N, C, spatial...), w is (O, C / groups, spatial...), the result
# (N / batch_groups, O, spatial...). It correlates, as PyTorch's does: w is not flipped.


def dilated(size: int, step: int) -> int:
    return (size - 1) * step + 1 if size else 0


def _conv_type(
    name: str,
    x: TensorType,
    w: TensorType,
    *,
    strides: Ints,
    low: Ints,
    high: Ints,
    lhs_dilation: Ints,
    rhs_dilation: Ints,
    groups: int,
    batch_groups: int,
) -> TensorType:
    if x.dtype is not w.dtype:
        raise DTypeError(f"{name}: expected one dtype, got {x.dtype} and {w.dtype}")
    check_dtype(name, x.dtype, NUMERIC)
    rank = len(strides)
    check_rank(name, x, rank + 2, "input")
    check_rank(name, w, rank + 2, "weight")
    if x.shape[1] != w.shape[1] * groups:
        raise ShapeError(
            f"{name}: given groups={groups} and weight of shape {w.shape}, expected input "
            f"of shape {x.shape} to have {w.shape[1] * groups} channels, but got {x.shape[1]}"
        )
    if w.shape[0] % groups or w.shape[0] % batch_groups or x.shape[0] % batch_groups:
        raise ShapeError(f"{name}: {w.shape[0]} output channels do not divide into groups")
    spatial = []
    for i in range(rank):
        kernel = dilated(w.shape[i + 2], rhs_dilation[i])
        padded = dilated(x.shape[i + 2], lhs_dilation[i]) + low[i] + high[i]
        if kernel > padded:
            raise ShapeError(
                f"{name}: kernel of size {kernel} exceeds the padded input of size {padded} "
                f"on axis {i + 2} (input {x.shape}, weight {w.shape})"
            )
        spatial.append((padded - kernel) // strides[i] + 1)
    return TensorType((x.shape[0] // batch_groups, w.shape[0], *spatial), x.dtype)


def _swap(b: Any, v: Any) -> Any:
    return b.transpose(v, (1, 0, *range(2, v.type.ndim)))


def _regroup(b: Any, v: Any, groups: int) -> Any:
    """(G*A, B, ...) to (G*B, A, ...): in each group, inputs and outputs change places."""
    if groups == 1:
        return _swap(b, v)
    a, c, rest = v.type.shape[0] // groups, v.type.shape[1], v.type.shape[2:]
    v = b.reshape(v, (groups, a, c, *rest))
    v = b.transpose(v, (0, 2, 1, *range(3, v.type.ndim)))
    return b.reshape(v, (groups * c, a, *rest))


def _conv_grad_x(b: Any, g: Any, out: Any, x: Any, w: Any, **at: Any) -> Any:
    """Correlate the cotangent, spread out by the stride, with the flipped kernel.

    Source: Dumoulin & Visin 2016, arXiv:1603.07285, section 4.
    """
    rank = len(at["strides"])
    bg, groups = at["batch_groups"], at["groups"]
    low, high = [], []
    for i in range(rank):
        kernel = dilated(w.type.shape[i + 2], at["rhs_dilation"][i])
        spread = dilated(x.type.shape[i + 2], at["lhs_dilation"][i])
        got = dilated(g.type.shape[i + 2], at["strides"][i])
        low.append(kernel - 1 - at["low"][i])
        high.append(spread - got - low[-1] + kernel - 1)
    flipped = b.reverse(_regroup(b, w, groups * bg), axes=tuple(range(2, rank + 2)))
    result = b.convolution(
        g,
        b.conj(flipped),
        strides=at["lhs_dilation"],
        low=tuple(low),
        high=tuple(high),
        lhs_dilation=at["strides"],
        rhs_dilation=at["rhs_dilation"],
        groups=groups * bg,
        batch_groups=1,
    )
    if bg == 1:
        return result
    n, c = result.type.shape[0], result.type.shape[1] // bg
    split = b.reshape(result, (n, bg, c, *result.type.shape[2:]))
    joined = b.transpose(split, (1, 0, *range(2, split.type.ndim)))
    return b.reshape(joined, x.type.shape)


def _conv_grad_w(b: Any, g: Any, out: Any, x: Any, w: Any, **at: Any) -> Any:
    """Correlate the input with the cotangent, batch and channels changing places."""
    rank = len(at["strides"])
    high = tuple(
        dilated(w.type.shape[i + 2], at["rhs_dilation"][i])
        - 1
        + dilated(g.type.shape[i + 2], at["strides"][i])
        - dilated(x.type.shape[i + 2], at["lhs_dilation"][i])
        - at["low"][i]
        for i in range(rank)
    )
    result = b.convolution(
        _swap(b, b.conj(x)),
        _swap(b, g),
        strides=at["rhs_dilation"],
        low=at["low"],
        high=high,
        lhs_dilation=at["lhs_dilation"],
        rhs_dilation=at["strides"],
        groups=at["batch_groups"],
        batch_groups=at["groups"],
    )
    return _swap(b, result)


def _spread(x: np.ndarray, steps: Ints) -> np.ndarray:
    shape = (*x.shape[:2], *(dilated(n, s) for n, s in zip(x.shape[2:], steps, strict=True)))
    out = np.zeros(shape, x.dtype)
    out[(slice(None), slice(None), *(slice(None, None, s) for s in steps))] = x
    return out


def _conv(x: np.ndarray, w: np.ndarray, **at: Any) -> np.ndarray:
    dtype = x.dtype
    if is_half(dtype):
        x, w = x.astype(np.float32), w.astype(np.float32)
    x, w = _spread(x, at["lhs_dilation"]), _spread(w, at["rhs_dilation"])
    amounts = [(0, 0), (0, 0), *zip(at["low"], at["high"], strict=True)]
    x = np.pad(x, [(max(lo, 0), max(hi, 0)) for lo, hi in amounts])
    x = x[
        tuple(
            slice(max(-lo, 0), n - max(-hi, 0))
            for n, (lo, hi) in zip(x.shape, amounts, strict=True)
        )
    ]
    axes = tuple(range(2, x.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=axes)
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in at["strides"]))]
    rank, bg, groups = len(axes), at["batch_groups"], at["groups"]
    window_axes = [1, *range(2 + rank, 2 + 2 * rank)]
    parts = []
    for i in range(groups * bg):
        outs = slice(i * w.shape[0] // (groups * bg), (i + 1) * w.shape[0] // (groups * bg))
        chunk = windows
        if bg > 1:
            chunk = chunk[i * x.shape[0] // bg : (i + 1) * x.shape[0] // bg]
        elif groups > 1:
            chunk = chunk[:, i * w.shape[1] : (i + 1) * w.shape[1]]
        parts.append(np.tensordot(chunk, w[outs], (window_axes, [1, *axes])))
    out = np.concatenate(parts, axis=-1)
    return np.moveaxis(out, -1, 1).astype(dtype)


def conv_shape(x: TensorType, w: TensorType, **attrs: Any) -> Shape:
    """The result's shape; see `_conv_type` for errors."""
    return _conv_type("convolution", x, w, **attrs).shape


LINALG = table(
    op(
        "dot_general",
        _dot_type,
        _dot_grad(first=True),
        _dot_grad(first=False),
        attrs=("contract", "batch"),
        evaluate=_dot,
    ),
    op(
        "convolution",
        _conv_type,
        _conv_grad_x,
        _conv_grad_w,
        attrs=(
            *("strides", "low", "high", "lhs_dilation", "rhs_dilation"),
            *("groups", "batch_groups"),
        ),
        evaluate=_conv,
    ),
)
