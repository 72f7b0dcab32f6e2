"""Multi-head attention as a function. Public as `nn.functional`."""

from __future__ import annotations

import math

from ....ir.errors import DTypeError, ShapeError
from ... import prims
from ...amp.autocast import autocasts
from ...api.join import cat
from ...scoping import scoped
from ...tensor import Tensor
from .attention import _attention
from .linear import linear

_NAME = "multi_head_attention_forward"


@scoped
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads over projections of query, key and value.

    Shapes: query (L, N, E) or (L, E), key (S, N, Ek), value (S, N, Ev); `key_padding_mask`
    (N, S) and `attn_mask` (L, S) or (N * heads, L, S) have True, or -inf to be added, where not
    to look. `bias_k` and `bias_v` (1, 1, E) are one more key and value, `add_zero_attn` one
    more of zeros; `static_k` and `static_v` (N * heads, S, E / heads) take the places of the
    projections. Returns the result, and the weights (N, L, S), averaged over heads or not.
    Raises: ShapeError for shapes that do not fit, RuntimeError for `is_causal` without a mask.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """
    _check_ranks(query, key, value, key_padding_mask, attn_mask)
    if is_causal and attn_mask is None:
        raise ShapeError("Need attn_mask if specifying the is_causal hint.")
    batched = query._type.ndim == 3
    if not batched:
        same, other = query is key, key is value
        query = query.unsqueeze(1)  # type: ignore[attr-defined]
        key = query if same else key.unsqueeze(1)  # type: ignore[attr-defined]
        value = key if other else value.unsqueeze(1)  # type: ignore[attr-defined]
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)  # type: ignore[attr-defined]
    length, count, width = query._type.shape
    if width != embed_dim_to_check:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}"
        )
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    _check_key(key, value, use_separate_proj_weight)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projected(
        *(query, key, value, in_proj_bias),
        in_proj_weight if not use_separate_proj_weight else None,
        weights,
    )
    if bias_k is not None and bias_v is not None:
        k = cat([k, bias_k.expand(1, count, -1)])  # type: ignore[attr-defined]
        v = cat([v, bias_v.expand(1, count, -1)])  # type: ignore[attr-defined]
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else _static("k", static_k, q)
    v = _heads(v, num_heads) if static_v is None else _static("v", static_v, q)
    if add_zero_attn:
        k, v = (prims.pad(t, 0, low=(0,) * 4, high=(0, 0, 1, 0), interior=(0,) * 4) for t in (k, v))
    added = k._type.shape[2] - key._type.shape[0] if static_k is None else int(add_zero_attn)
    mask = _mask(attn_mask, key_padding_mask, q, k, added)
    causal = is_causal and key_padding_mask is None and not need_weights and not added
    p = dropout_p if training else 0.0
    out, found = _attend(q, k, v, None if causal else mask, p, causal, None, False)
    out = prims.reshape(prims.transpose(out, perm=(2, 0, 1, 3)), shape=(length * count, width))
    out = linear(out, out_proj_weight, out_proj_bias)
    out = prims.reshape(out, shape=(length, count, out._type.shape[1]))
    out = out if batched else out.squeeze(1)  # type: ignore[attr-defined]
    if not need_weights:
        return out, None
    assert found is not None  # only causal attention has none
    found = found.mean(1) if average_attn_weights else found  # type: ignore[attr-defined]
    return out, found if batched else found.squeeze(0)


_attend = autocasts(name="attention_of_heads")(_attention)


def _check_ranks(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None
) -> None:
    rank = query._type.ndim
    if rank not in (2, 3) or key._type.ndim != rank or value._type.ndim != rank:
        raise ShapeError(
            f"{_NAME}: query, key and value must all have 2 (unbatched) or 3 dimensions, got "
            f"shapes {query._type.shape}, {key._type.shape} and {value._type.shape}"
        )
    if padding is not None and padding._type.ndim != rank - 1:
        raise ShapeError(
            f"{_NAME}: expected key_padding_mask to be None or {rank - 1}-D, got shape "
            f"{padding._type.shape}"
        )
    if mask is not None and mask._type.ndim not in (2, 3):
        raise ShapeError(f"{_NAME}: attn_mask must be 2-D or 3-D, got {mask._type.shape}")


def _check_key(key: Tensor, value: Tensor, separate: bool) -> None:
    k, v = key._type.shape, value._type.shape
    if (k[:2] if separate else k) != (v[:2] if separate else v):
        raise AssertionError(f"key shape {k} does not match value shape {v}")


def _projected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    joined: Tensor | None,
    apart: tuple[Tensor | None, ...],
) -> tuple[Tensor, ...]:
    """Query, key and value times their weights, in one product if they are one tensor."""
    if joined is not None and query is key and key is value:
        return linear(query, joined, bias).chunk(3, -1)  # type: ignore[attr-defined]
    weights = apart if joined is None else joined.chunk(3)  # type: ignore[attr-defined]
    if any(w is None for w in weights):
        raise AssertionError("use_separate_proj_weight is True but a projection weight is None")
    biases = (None, None, None) if bias is None else bias.chunk(3)  # type: ignore[attr-defined]
    inputs = (query, key, value)
    return tuple(linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))  # type: ignore


def _heads(x: Tensor, heads: int) -> Tensor:
    """(L, N, E) to (N, heads, L, E / heads)."""
    length, count, width = x._type.shape
    split = prims.reshape(x, shape=(length, count, heads, width // heads))
    return prims.transpose(split, perm=(1, 2, 0, 3))


def _static(what: str, x: Tensor, q: Tensor) -> Tensor:
    """(N * heads, S, E / heads) to (N, heads, S, E / heads)."""
    count, heads, _, width = q._type.shape
    shape = x._type.shape
    if len(shape) != 3 or shape[0] != count * heads or shape[2] != width:
        raise AssertionError(
            f"expecting static_{what} of shape ({count * heads}, S, {width}), but got {shape}"
        )
    return prims.reshape(x, shape=(count, heads, *shape[1:]))


def _mask(
    mask: Tensor | None, padding: Tensor | None, q: Tensor, k: Tensor, added: int
) -> Tensor | None:
    """What is added to the scores (N, heads, L, S); the `added` last keys are always seen."""
    count, heads, length, _ = q._type.shape
    size = k._type.shape[2] - added
    both: Tensor | None = None
    if mask is not None:
        shape = (length, size) if mask._type.ndim == 2 else (count * heads, length, size)
        if mask._type.shape != shape:
            raise ShapeError(
                f"{_NAME}: The shape of the {mask._type.ndim}D attn_mask is {mask._type.shape}, "
                f"but should be {shape}."
            )
        both = _additive("attn_mask", mask, q)
        if mask._type.ndim == 3:
            both = prims.reshape(both, shape=(count, heads, length, size))
    if padding is not None:
        if padding._type.shape != (count, size):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(count, size)}, but got "
                f"{padding._type.shape}"
            )
        keys = prims.reshape(_additive("key_padding_mask", padding, q), shape=(count, 1, 1, size))
        both = keys if both is None else prims.add(both, keys)
    if both is not None and added:
        zeros = (0,) * both._type.ndim
        both = prims.pad(both, 0, low=zeros, high=(*zeros[:-1], added), interior=zeros)
    return both


def _additive(what: str, mask: Tensor, like: Tensor) -> Tensor:
    if mask._type.dtype.kind != "bool":
        if not mask._type.dtype.is_floating_point:
            raise DTypeError(f"{_NAME}: only bool and floating types of {what} are supported")
        return prims.convert(mask, like._type.dtype)
    zero = prims.full(0, shape=(), dtype=like._type.dtype, device=like.device)
    return prims.select(mask, -math.inf, zero)
