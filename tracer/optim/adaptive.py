"""RMSprop and Adagrad. Public as `optim`."""

from __future__ import annotations

from typing import Any

from ...ir.types import float32
from .. import prims
from ..tensor import Tensor
from .optimizer import Cast, Group, Optimizer, check_common, full, gradient, require


class RMSprop(Optimizer):
    """Steps divided by the root of a running average of the squared gradient.

    Under `centered` by an estimate of the standard deviation instead.
    Source: Hinton 2012, lecture 6e; Graves 2013, arXiv:1308.0850, for the centred form.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_common(lr, eps, weight_decay)
        require(momentum >= 0, f"Invalid momentum value: {momentum}")
        require(alpha >= 0, f"Invalid alpha value: {alpha}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        maximize, centered = self._is_set(group, "maximize"), self._is_set(group, "centered")
        decays, has_momentum = self._is_set(group, "weight_decay"), self._is_set(group, "momentum")
        lr, eps = self._hyper(group, "lr"), self._hyper(group, "eps")
        alpha = self._hyper(group, "alpha")
        rest = prims.sub(1, alpha)
        decay = self._hyper(group, "weight_decay") if decays else lr
        momentum = self._hyper(group, "momentum") if has_momentum else lr
        self._by_step(params)
        for p in params:
            g = gradient(group, p, maximize)
            if decays:
                g = prims.add(g, prims.mul(p, cast(decay, p)))
            square = self._state_like(p, "square_avg")
            fresh = prims.mul(prims.mul(g, g), cast(rest, p))
            v = prims.add(prims.mul(square, cast(alpha, p)), fresh)
            square._write(v)
            if centered:
                mean = self._state_like(p, "grad_avg")
                m = prims.add(mean, prims.mul(prims.sub(g, mean), cast(rest, p)))
                mean._write(m)
                v = prims.sub(v, prims.mul(m, m))
            step = prims.div(g, prims.add(prims.sqrt(v), cast(eps, p)))
            if has_momentum:
                buffer = self._state_like(p, "momentum_buffer")
                step = prims.add(prims.mul(buffer, cast(momentum, p)), step)
                buffer._write(step)
            p._write(prims.sub(p, prims.mul(step, cast(lr, p))))


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    Source: Duchi, Hazan & Singer 2011, jmlr.org/papers/v12/duchi11a.html.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        check_common(lr, eps, weight_decay)
        require(lr_decay >= 0, f"Invalid lr_decay value: {lr_decay}")
        start = initial_accumulator_value
        require(start >= 0, f"Invalid initial_accumulator_value value: {start}")
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": start,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        # Unlike the others', this state is there before the first step.
        for group in self.param_groups:
            steps: dict[Any, Tensor] = {}
            for p in group["params"]:
                if p.device not in steps:
                    steps[p.device] = full(0, (), float32, p.device)
                self.state[p]["step"] = steps[p.device]
                self._state_like(p, "sum", group["initial_accumulator_value"])

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        maximize, decays = self._is_set(group, "maximize"), self._is_set(group, "weight_decay")
        lr, eps = self._hyper(group, "lr"), self._hyper(group, "eps")
        slows = self._is_set(group, "lr_decay")
        decay = self._hyper(group, "weight_decay") if decays else lr
        for step, members in self._by_step(params):
            rate = lr
            if slows:
                slowing = prims.mul(prims.sub(step, 1), self._hyper(group, "lr_decay"))
                rate = prims.div(lr, prims.add(slowing, 1))
            for p in members:
                g = gradient(group, p, maximize)
                if decays:
                    g = prims.add(g, prims.mul(p, cast(decay, p)))
                total = self._state_like(p, "sum", group["initial_accumulator_value"])
                s = prims.add(total, prims.mul(g, g))
                total._write(s)
                scale = prims.add(prims.sqrt(s), cast(eps, p))
                p._write(prims.sub(p, prims.mul(prims.div(g, scale), cast(rate, p))))
