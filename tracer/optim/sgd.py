"""Stochastic gradient descent. Public as `optim`."""

from __future__ import annotations

from typing import Any

from ...ir.types import float64
from .. import prims
from ..hyper import hoist
from ..tensor import Tensor
from .optimizer import Cast, Group, Optimizer, check_common, gradient, require


class SGD(Optimizer):
    """Gradient descent, with momentum (Nesterov's too) and weight decay.

    `foreach` and `fused` choose kernels in PyTorch; here they make no difference.
    Source: Sutskever et al. 2013, proceedings.mlr.press/v28/sutskever13.html.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_common(lr, weight_decay=weight_decay)
        require(momentum >= 0, f"Invalid momentum value: {momentum}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        lr = self._hyper(group, "lr")
        decays, maximize = self._is_set(group, "weight_decay"), self._is_set(group, "maximize")
        decay = self._hyper(group, "weight_decay") if decays else lr
        has_momentum, nesterov = self._is_set(group, "momentum"), self._is_set(group, "nesterov")
        momentum = self._hyper(group, "momentum") if has_momentum else lr
        shares = self._shares(group, params) if has_momentum else {}
        for p in params:
            g = gradient(group, p, maximize)
            if decays:
                g = prims.add(g, prims.mul(p, cast(decay, p)))
            if has_momentum:
                # As in PyTorch, of a step that is differentiated.
                cut = group["differentiable"] and self.state[p].get("momentum_buffer") is None
                buffer = self._state_like(p, "momentum_buffer")
                share = shares.get(id(p))
                part = g if share is None else prims.mul(g, cast(share, p))
                moved = prims.add(prims.mul(buffer, cast(momentum, p)), part)
                moved = moved.detach() if cut else moved
                buffer._write(moved)
                g = prims.add(g, prims.mul(moved, cast(momentum, p))) if nesterov else moved
            p._write(prims.sub(p, prims.mul(g, cast(lr, p))))

    def _shares(self, group: Group, params: list[Tensor]) -> dict[int, Tensor]:
        """How much of a gradient enters the momentum: 1 - dampening, but all of the first.

        "Not the first" is a number in the state, so that all steps are one graph.
        """
        if not self._is_set(group, "dampening"):
            for p in params:
                self.state[p].pop("_damped", None)
            return {}
        fresh: dict[tuple[bool, Any], Tensor] = {}
        out: dict[int, Tensor] = {}
        shares: dict[int, Tensor] = {}
        dampening = self._hyper(group, "dampening")
        for p in params:
            state = self.state[p]
            if "_damped" not in state:
                at = ("momentum_buffer" in state, p.device)
                if at not in fresh:
                    fresh[at] = hoist(lambda at=at: _number(float(at[0]), at[1]))
                state["_damped"] = fresh[at]
            damped = state["_damped"]
            if id(damped) not in shares:
                shares[id(damped)] = prims.sub(1, prims.mul(dampening, damped))
                damped._write(_number(1.0, p.device))
            out[id(p)] = shares[id(damped)]
        return out


def _number(value: float, device: Any) -> Tensor:
    return prims.full(value, shape=(), dtype=float64, device=device)
