"""`autograd.forward_ad`: tangents that go forwards with the values they belong to.

A dual tensor has history that begins at the level; its tangent is worked out when it is
asked for, as the derivative of that history along the tangents of all that entered.
Imported by the front door.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..restoring import Restoring, restored
from ..state import STATE
from ..tensor import Tensor
from .levels import Level, Linear

_OPEN: list[_Duals] = []


class _Duals:
    """An open level: the tensors that entered it, and their tangents."""

    def __init__(self) -> None:
        self.level = Level(shut=False)
        self.inputs: list[Tensor] = []
        self.tangents: list[Tensor] = []


class UnpackedDualTensor(NamedTuple):
    """A dual tensor's value and tangent; None where it has no tangent."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level; returns its number. Raises: RuntimeError inside another one."""
    if _OPEN:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    duals = _Duals()
    duals.level.__enter__()
    _OPEN.append(duals)
    return len(_OPEN) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level: what is a dual tensor in it has no tangent any more."""
    if not _OPEN:
        raise RuntimeError(
            "Trying to exit a forward AD level but no level exists: make sure it was entered"
        )
    if level is not None and level != len(_OPEN) - 1:
        raise RuntimeError(
            f"Trying to exit a forward AD level that was not the last one that was created: {level}"
        )
    _OPEN.pop().level.close()


class dual_level:
    """A level as a context."""

    def __enter__(self) -> int:
        self.number = enter_dual_level()
        return self.number

    def __exit__(self, *error: Any) -> None:
        exit_dual_level(level=self.number)


def _innermost() -> _Duals:
    if not _OPEN:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    return _OPEN[-1]


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """`tensor` with a tangent of its shape and dtype.

    Raises: RuntimeError outside a level or for a tangent that does not fit, ValueError for
    dtypes that are not floating or complex.
    """
    duals = _innermost()
    for what, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.dtype.is_floating_point or t.dtype.is_complex):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    if tensor._type is not tangent._type:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size or dtype than that of the "
            f"original Tensor, this is not supported. Tensor is {tensor._type} while the given "
            f"forward gradient is {tangent._type}."
        )
    dual = duals.level.enter(tensor)
    duals.inputs.append(dual)
    duals.tangents.append(tangent)
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """A tensor's value and its tangent at this point."""
    if not _OPEN or not tensor.requires_grad:
        return UnpackedDualTensor(tensor, None)
    duals = _OPEN[-1]
    linear = Linear([tensor], duals.inputs, duals.level.start)
    (tangent,) = linear(duals.tangents)
    primal, seen = duals.level.leave([tensor, tangent])
    return UnpackedDualTensor(primal, seen)


class set_fwd_grad_enabled(Restoring):
    """Accepted as PyTorch does: tangents are worked out whenever somebody asks."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self.later(restored(STATE, "grad_enabled"))
        STATE.grad_enabled = self.mode
