"""Scaled dot-product attention. Public as `nn.functional`."""

from __future__ import annotations

import math

from ....ir.errors import DTypeError, ShapeError
from ....ir.promotion import broadcast_shapes
from ....ir.types import int64
from ... import prims, views
from ...amp.autocast import autocasts
from ...api.reduce import span
from ...scoping import scoped
from ...tensor import Tensor
from .common import keep, narrow, widen
from .dropout import dropout

Ints = tuple[int, ...]

# Causal attention is computed in at most so many blocks, of at least so many rows: four do five
# eighths of the work, and more are more nodes.
_BLOCKS, _BLOCK_ROWS = 4, 64


@autocasts
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`softmax(query @ key.T * scale + mask) @ value`.

    Shapes: query (..., L, E), key (..., S, E), value (..., S, Ev), attn_mask broadcasts to
    (..., L, S); the result is (..., L, Ev). A bool mask has True where to look; a floating
    one is added. `is_causal` lets position i look at positions up to i. `scale` is
    1 / sqrt(E) by default. Under `enable_gqa`, several query heads (axis -3) share a key
    head. A row that may look nowhere gives zeros. Keys that causal attention does not look at may
    be left unread: whether a nan among them reaches a result is not said.
    Raises: RuntimeError for a mask together with `is_causal`, ShapeError, DTypeError.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """
    if attn_mask is not None and is_causal:
        raise RuntimeError(
            "scaled_dot_product_attention: explicit attn_mask should not be set when is_causal=True"
        )
    return _attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)[0]


@scoped(name="scaled_dot_product_attention", grad_fn="ScaledDotProductAttentionBackward0")
def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    dropout_p: float,
    causal: bool,
    scale: float | None,
    grouped: bool,
) -> tuple[Tensor, Tensor | None]:
    """The result and the attention weights, after dropout; those of causal attention are not
    there as a whole."""
    query, key, value = _operands(query, key, value, scale, grouped)
    if causal and not dropout_p:
        return _causal_attention(query, key, value), None
    look = _looks_back(query, key) if causal else None
    return _attend(query, key, value, look, mask, dropout_p)


def _operands(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, grouped: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Query times the scale, key and value, with the same leading axes."""
    name = "scaled_dot_product_attention"
    q, k, v = query._type, key._type, value._type
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ShapeError(
            f"{name}: query, key and value must have at least 2 dimensions, got shapes "
            f"{q.shape}, {k.shape} and {v.shape}"
        )
    if not q.dtype.is_floating_point or len({q.dtype, k.dtype, v.dtype}) != 1:
        raise DTypeError(
            f"{name}: query, key and value must have one floating dtype, got {q.dtype}, "
            f"{k.dtype} and {v.dtype}"
        )
    if grouped:
        key, value = _repeat_heads(key, q.shape), _repeat_heads(value, q.shape)
        k, v = key._type, value._type
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"{name}: query {q.shape} and key {k.shape} must agree in their last size, key and "
            f"value {v.shape} in the one before"
        )
    lead = broadcast_shapes(name, q.shape[:-2], k.shape[:-2])
    lead = broadcast_shapes(name, lead, v.shape[:-2])
    if scale is None:
        scale = 1 / math.sqrt(q.shape[-1]) if q.shape[-1] else 1.0
    query = _expand(prims.mul(query, scale), lead)
    return query, _expand(key, lead), _expand(value, lead)


def _causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Rows in blocks, each of which reads no more keys than its last row looks at."""
    rows, keys = query._type.shape[-2], key._type.shape[-2]
    size = max(-(-rows // _BLOCKS), _BLOCK_ROWS)
    parts = []
    for first in range(0, max(rows, 1), size):
        end = min(first + size, rows)
        q = _rows(query, first, end)
        k, v = (_rows(x, 0, min(end, keys)) for x in (key, value))
        parts.append(_attend(q, k, v, _looks_back(q, k, first), None, 0.0)[0])
    return parts[0] if len(parts) == 1 else prims.concatenate(*parts, axis=query._type.ndim - 2)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    look: Tensor | None,
    mask: Tensor | None,
    dropout_p: float,
) -> tuple[Tensor, Tensor]:
    """The result and the weights; of the scores, those stay where `look` is True."""
    n = query._type.ndim - 2
    batch = (tuple(range(n)), tuple(range(n)))
    scores = widen(prims.dot_general(query, key, contract=((n + 1,), (n + 1,)), batch=batch))
    if look is not None:
        scores = prims.select(look, scores, -math.inf)
    if mask is not None:
        scores = _masked("scaled_dot_product_attention", scores, mask)
    weights = narrow(_softmax(scores, never_empty=mask is None), query._type.dtype)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return prims.dot_general(weights, value, contract=((n + 1,), (n,)), batch=batch), weights


def _rows(x: Tensor, first: int, end: int) -> Tensor:
    whole = (first, end) == (0, x._type.shape[-2])
    return x if whole else span(x, x._type.ndim - 2, first, end - first)


def _expand(x: Tensor, lead: Ints) -> Tensor:
    if x._type.shape[:-2] == lead:
        return x
    return prims.broadcast(x, shape=(*lead, *x._type.shape[-2:]))


def _repeat_heads(x: Tensor, query: Ints) -> Tensor:
    """Each head of `x` as often as it takes to have one for each query head."""
    shape = x._type.shape
    if len(shape) < 3 or len(query) < 3 or query[-3] % shape[-3]:
        raise ShapeError(
            f"scaled_dot_product_attention: with enable_gqa the heads (axis -3) of key and value "
            f"{shape} must divide those of query {query}"
        )
    times = query[-3] // shape[-3]
    if times == 1:
        return x
    rows = prims.reshape(x, shape=(*shape[:-2], 1, *shape[-2:]))
    rows = prims.broadcast(rows, shape=(*shape[:-2], times, *shape[-2:]))
    return prims.reshape(rows, shape=(*shape[:-3], query[-3], *shape[-2:]))


def _looks_back(query: Tensor, key: Tensor, first: int = 0) -> Tensor:
    """True where a key is no later than the row of `query`, the first of which is number
    `first`."""
    rows, columns, place = query._type.shape[-2], key._type.shape[-2], query.device
    row = prims.iota(shape=(rows, 1), axis=0, dtype=int64, device=place)
    column = prims.iota(shape=(1, columns), axis=1, dtype=int64, device=place)
    return prims.le(column, prims.add(row, first) if first else row)


def _masked(name: str, scores: Tensor, mask: Tensor) -> Tensor:
    broadcast_shapes(name, scores._type.shape, mask._type.shape)
    if mask._type.dtype.kind == "bool":
        return prims.select(mask, scores, -math.inf)
    if not mask._type.dtype.is_floating_point:
        raise DTypeError(f"{name}: attn_mask must be bool or floating, got {mask.dtype}")
    return prims.add(scores, prims.convert(mask, scores._type.dtype))


def _softmax(x: Tensor, never_empty: bool) -> Tensor:
    """Softmax over the last axis; a row of -inf gives zeros. The shift has no gradient."""
    axes = (x._type.ndim - 1,)
    peak = keep(x, prims.amax(views.detach(x), axes=axes), axes) if x._type.numel else x
    if never_empty:
        e = prims.exp(prims.sub(x, peak))
        return prims.div(e, keep(x, prims.sum(e, axes=axes), axes))
    peak = prims.select(prims.eq(peak, -math.inf), 0, peak)
    e = prims.exp(prims.sub(x, peak))
    s = keep(x, prims.sum(e, axes=axes), axes)
    return prims.div(e, prims.select(prims.eq(s, 0), 1, s))
