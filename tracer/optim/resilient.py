"""Adadelta, Rprop, ASGD. Public as `optim`."""

from __future__ import annotations

from typing import Any

from ...ir.types import float32, float64
from .. import prims
from ..hyper import hoist
from ..tensor import Tensor
from .optimizer import Cast, Group, Optimizer, check_common, full, gradient, require


class Adadelta(Optimizer):
    """Steps scaled by past steps over past gradients. Source: Zeiler 2012, arXiv:1212.5701."""

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_common(lr, eps, weight_decay)
        require(0 <= rho <= 1, f"Invalid rho value: {rho}")
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        maximize, decays = self._is_set(group, "maximize"), self._is_set(group, "weight_decay")
        lr, eps, rho = (self._hyper(group, key) for key in ("lr", "eps", "rho"))
        rest = prims.sub(1, rho)
        decay = self._hyper(group, "weight_decay") if decays else lr
        self._by_step(params)
        for p in params:
            g = gradient(group, p, maximize)
            if decays:
                g = prims.add(g, prims.mul(p, cast(decay, p)))
            square, steps = self._state_like(p, "square_avg"), self._state_like(p, "acc_delta")
            fresh = prims.mul(prims.mul(g, g), cast(rest, p))
            v = prims.add(prims.mul(square, cast(rho, p)), fresh)
            root = prims.sqrt(prims.add(v, cast(eps, p)))
            delta = prims.div(prims.sqrt(prims.add(steps, cast(eps, p))), root)
            delta = prims.mul(delta, g)
            square._write(v)
            fresh = prims.mul(prims.mul(delta, delta), cast(rest, p))
            steps._write(prims.add(prims.mul(steps, cast(rho, p)), fresh))
            p._write(prims.sub(p, prims.mul(delta, cast(lr, p))))


class Rprop(Optimizer):
    """Steps by the signs of gradients, longer while a sign stays and shorter when it turns.

    Source: Riedmiller & Braun 1993, doi:10.1109/ICNN.1993.298623.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        check_common(lr)
        require(0 < etas[0] < 1 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        maximize = self._is_set(group, "maximize")
        minus, plus = self._hyper(group, "etas", 0), self._hyper(group, "etas", 1)
        least, most = self._hyper(group, "step_sizes", 0), self._hyper(group, "step_sizes", 1)
        self._by_step(params)
        for p in params:
            g = gradient(group, p, maximize)
            before = self._state_like(p, "prev")
            length = self._state_like(p, "step_size", float(group["lr"]))
            agree = prims.mul(g, before)
            turned = prims.lt(agree, 0)
            factor = prims.select(prims.gt(agree, 0), cast(plus, p), 1)
            factor = prims.select(turned, cast(minus, p), factor)
            size = prims.mul(length, factor)
            size = prims.minimum(prims.maximum(size, cast(least, p)), cast(most, p))
            length._write(size)
            g = prims.select(turned, 0, g)
            before._write(prims.add(g, 0))
            p._write(prims.sub(p, prims.mul(prims.sign(g), size)))


class ASGD(Optimizer):
    """Gradient descent whose parameters are averaged, in the state `ax`.

    Source: Polyak & Juditsky 1992, doi:10.1137/0330046.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_common(lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        maximize, decays = self._is_set(group, "maximize"), self._is_set(group, "weight_decay")
        lr, fade, alpha, t0 = (self._hyper(group, k) for k in ("lr", "lambd", "alpha", "t0"))
        decay = self._hyper(group, "weight_decay") if decays else lr
        for step, members in self._by_step(params):
            slowed = prims.add(prims.mul(prims.mul(fade, lr), step), 1)
            next_rate = prims.div(lr, prims.pow(slowed, alpha))
            next_share = prims.div(1.0, prims.maximum(prims.sub(step, t0), 1))
            for p in members:
                g = gradient(group, p, maximize)
                if decays:
                    g = prims.add(g, prims.mul(p, cast(decay, p)))
                rate = self._number(p, "eta", group["lr"])
                share = self._number(p, "mu", 1.0)
                mean = self._state_like(p, "ax")
                eta = prims.convert(rate, float64)
                kept = cast(prims.sub(1, prims.mul(fade, eta)), p)
                new = prims.sub(prims.mul(p, kept), prims.mul(g, cast(eta, p)))
                part = cast(prims.convert(share, float64), p)
                moved = prims.add(mean, prims.mul(prims.sub(new, mean), part))
                mean._write(prims.select(prims.eq(share, 1), new, moved))
                p._write(new)
                rate._write(prims.convert(next_rate, rate.dtype))
                share._write(prims.convert(next_share, share.dtype))

    def _number(self, p: Tensor, key: str, value: Any) -> Tensor:
        state = self.state[p]
        if state.get(key) is None:
            state[key] = hoist(lambda: full(float(value), (), float32, p.device))
        return state[key]
