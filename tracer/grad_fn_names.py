"""What PyTorch's history shows where one of its functions is several of its operations.

A row of SHOWN gives, for a scope by name, the chain that `grad_fn` shows: a tuple of a name
and the operands, which are chains again or edges. Imported by `grad_fn` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Edges = list[Any]
Chain = tuple[Any, ...]


def _linear(edges: Edges, ndim: int) -> Chain:
    bias, x, w = edges
    return _viewed(("AddmmBackward0", bias, _rows(x, ndim), ("TBackward0", w)), ndim, "View")


def _linear_without_bias(edges: Edges, ndim: int) -> Chain:
    x, w = edges
    product = ("MmBackward0", _rows(x, ndim), ("TBackward0", w))
    if ndim == 1:
        return ("SqueezeBackward4", product)
    return _viewed(product, ndim, "UnsafeView")


def _rows(x: Any, ndim: int) -> Any:
    """An operand as a matrix."""
    if ndim == 2:
        return x
    return ("UnsqueezeBackward0" if ndim == 1 else "ViewBackward0", x)


def _viewed(chain: Chain, ndim: int, view: str) -> Chain:
    return chain if ndim == 2 else (f"{view}Backward0", chain)


def _einsum(edges: Edges, ndim: int) -> Chain:
    if len(edges) == 1:
        return ("PermuteBackward0", edges[0])
    chain: Any = edges[0]
    for other in edges[1:]:
        product = ("BmmBackward0", _flat(chain), _flat(other))
        chain = ("ViewBackward0", ("PermuteBackward0", ("ViewBackward0", product)))
    return chain


def _flat(x: Any) -> Chain:
    return ("ViewBackward0", ("PermuteBackward0", ("PermuteBackward0", x)))


def _mean_of(chain: Callable[[Edges], Chain]) -> Callable[[Edges, int], Chain]:
    """A loss, reduced or not."""
    return lambda edges, ndim: chain(edges) if ndim else ("MeanBackward0", chain(edges))


def _padded(name: str, count: int) -> Callable[[Edges, int], Chain]:
    """A function whose operands that are not there are shown as well."""
    return lambda edges, ndim: (name, *edges, *(None,) * (count - len(edges)))


def _cosine(edges: Edges, ndim: int) -> Chain:
    normed = [
        ("DivBackward0", e, ("CloneBackward0", ("LinalgVectorNormBackward0", e))) for e in edges
    ]
    return ("SumBackward1", ("MulBackward0", *normed))


def _normalize(edges: Edges, ndim: int) -> Chain:
    norm = ("ClampMinBackward0", ("LinalgVectorNormBackward0", edges[0]))
    return ("DivBackward0", edges[0], ("ExpandBackward0", norm))


SHOWN: dict[str, Callable[[Edges, int], Chain]] = {
    "linear": _linear,
    "linear_without_bias": _linear_without_bias,
    "einsum": _einsum,
    "tensordot": lambda e, ndim: ("ViewBackward0", ("MmBackward0", *(_flat(x)[:2] for x in e))),
    "diag": lambda e, ndim: ("DiagEmbedBackward0" if ndim == 2 else "DiagonalBackward0_copy", *e),
    "outer": lambda e, ndim: ("MulBackward0", ("ViewBackward0", e[0]), *e[1:]),
    "cross_entropy": lambda e, ndim: ("NllLossBackward0", ("LogSoftmaxBackward0", e[0])),
    "l1_loss": _mean_of(lambda e: ("AbsBackward0", ("SubBackward0", *e))),
    "kl_div": _mean_of(
        lambda e: ("SubBackward0", ("XlogyBackward0", e[1], e[1]), ("MulBackward0", e[1], e[0]))
    ),
    "normalize": _normalize,
    "cosine_similarity": _cosine,
    "scaled_dot_product_attention": lambda e, ndim: ("UnsafeViewBackward0", ("BmmBackward0", *e)),
    "lerp": lambda e, ndim: (f"LerpBackward{int(len(e) > 2)}", *e),
    "layer_norm": _padded("NativeLayerNormBackward0", 3),
    "batch_norm": _padded("NativeBatchNormBackward0", 3),
    "group_norm": _padded("NativeGroupNormBackward0", 3),
    **{f"conv{n}d": _padded("ConvolutionBackward0", 3) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _padded("ConvolutionBackward0", 3) for n in (1, 2, 3)},
    "dropout": _padded("MulBackward0", 2),
    "max_pool1d": lambda e, ndim: (
        "SqueezeBackward1",
        ("MaxPool2DWithIndicesBackward0", ("UnsqueezeBackward0", *e)),
    ),
    "avg_pool1d": lambda e, ndim: (
        "SqueezeBackward1",
        ("AvgPool2DBackward0", ("UnsqueezeBackward0", *e)),
    ),
}


def shown(name: str, edges: Edges, ndim: int) -> Chain | None:
    """The chain for a scope, None where it is one function."""
    rule = SHOWN.get(name)
    if rule is None:
        return None
    try:
        return rule(edges, ndim)
    except (IndexError, ValueError):
        return None  # called with operands that PyTorch's own decomposition does not have
