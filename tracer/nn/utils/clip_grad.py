"""Keeping gradients within bounds, in place. Public as `nn.utils`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ... import prims
from ...autograd import no_grad
from ...scoping import scoped
from ...state import is_true
from ...tensor import Tensor
from ..functional.common import total, widen


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors together; 0 if there are none.

    Raises: RuntimeError under `error_if_nonfinite` (which looks at the value).
    """
    found = _total_norm(_listed(tensors), float(norm_type))
    if error_if_nonfinite and not is_true(found.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm "
            "anyway, set `error_if_nonfinite=False`"
        )
    return found


@scoped(name="total_norm")
def _total_norm(tensors: list[Tensor], norm_type: float) -> Tensor:
    if not tensors:
        from ..factory import filled

        return filled(0.0, (), None, None)
    dtype = tensors[0]._type.dtype
    parts = [prims.abs(widen(t)) for t in tensors if t._type.numel] or [widen(tensors[0])]
    infinite = math.isinf(norm_type)
    if infinite:
        norms = [prims.amax(p, axes=tuple(range(p.ndim))) if p.ndim else p for p in parts]
    else:
        norms = [total(p if norm_type == 1 else prims.pow(p, norm_type)) for p in parts]
    out = norms[0]
    for n in norms[1:]:
        n = prims.convert(n, out._type.dtype)
        out = prims.maximum(out, n) if infinite else prims.add(out, n)
    if norm_type == 2:
        out = prims.sqrt(out)
    elif norm_type != 1 and not infinite:
        out = prims.pow(out, 1 / norm_type)
    return prims.convert(out, dtype)


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale gradients by `max_norm / total_norm` where that is below 1."""
    _scale_all(_gradients(parameters), float(max_norm), total_norm)


@scoped(name="clip_grad_norm_")
def _scale_all(grads: list[Tensor], max_norm: float, total_norm: Tensor) -> None:
    ratio = prims.div(max_norm, prims.add(total_norm, 1e-6))
    # A nan ratio stays nan, as in PyTorch.
    ratio = prims.minimum(ratio, 1.0)
    for g in grads:
        g._write(prims.mul(g, prims.convert(ratio, g._type.dtype)))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients, in place, so that their common norm is at most `max_norm`.

    Returns the norm before. Raises: RuntimeError as `get_total_norm`.
    """
    params = _listed(parameters)
    norm = get_total_norm(_gradients(params), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(params, max_norm, norm)
    return norm


@no_grad()
@scoped
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Keep every element of every gradient in [-clip_value, clip_value], in place."""
    bound = float(clip_value)
    for g in _gradients(parameters):
        g._write(prims.minimum(prims.maximum(g, -bound), bound))
