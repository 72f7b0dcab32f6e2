"""Relatives of Adam: Adamax, NAdam, RAdam. Public as `optim`."""

from __future__ import annotations

from typing import Any

from ...ir.types import float32, float64
from .. import prims
from ..hyper import hoist
from ..tensor import Tensor
from .optimizer import Cast, Group, Optimizer, check_betas, check_common, full, gradient, require


class Adamax(Optimizer):
    """`Adam` by the infinity norm. Source: Kingma & Ba 2015, arXiv:1412.6980, section 7."""

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        check_common(lr, eps, weight_decay)
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
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
        lr, eps = self._hyper(group, "lr"), self._hyper(group, "eps")
        beta1, beta2 = self._hyper(group, "betas", 0), self._hyper(group, "betas", 1)
        rest1 = prims.sub(1, beta1)
        decay = self._hyper(group, "weight_decay") if decays else lr
        for step, members in self._by_step(params):
            size = prims.div(lr, prims.sub(1, prims.pow(beta1, step)))
            for p in members:
                g = gradient(group, p, maximize)
                if decays:
                    g = prims.add(g, prims.mul(p, cast(decay, p)))
                mean, largest = self._state_like(p, "exp_avg"), self._state_like(p, "exp_inf")
                m = prims.add(mean, prims.mul(prims.sub(g, mean), cast(rest1, p)))
                near = prims.add(prims.abs(g), cast(eps, p))
                u = prims.maximum(prims.mul(largest, cast(beta2, p)), near)
                mean._write(m)
                largest._write(u)
                p._write(prims.sub(p, prims.mul(prims.div(m, u), cast(size, p))))


class _Moments(Optimizer):
    """What NAdam and RAdam share: two moments, and decay of one of two kinds."""

    def _moved(
        self, group: Group, p: Tensor, options: tuple[bool, bool, bool], numbers: Any, cast: Cast
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where the step starts from, its gradient, and the moments with it."""
        maximize, decays, decoupled = options
        lr, beta1, beta2, decay = numbers
        g = gradient(group, p, maximize)
        start = p
        if decays and decoupled:
            start = prims.mul(p, cast(prims.sub(1, prims.mul(lr, decay)), p))
        elif decays:
            g = prims.add(g, prims.mul(p, cast(decay, p)))
        mean, square = self._state_like(p, "exp_avg"), self._state_like(p, "exp_avg_sq")
        m = prims.add(mean, prims.mul(prims.sub(g, mean), cast(prims.sub(1, beta1), p)))
        fresh = prims.mul(prims.mul(g, g), cast(prims.sub(1, beta2), p))
        v = prims.add(prims.mul(square, cast(beta2, p)), fresh)
        mean._write(m)
        square._write(v)
        return start, g, m, v

    def _options(self, group: Group) -> tuple[bool, bool, bool]:
        names = ("maximize", "weight_decay", "decoupled_weight_decay")
        return tuple(self._is_set(group, name) for name in names)  # type: ignore[return-value]

    def _numbers(self, group: Group, decays: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        lr = self._hyper(group, "lr")
        betas = self._hyper(group, "betas", 0), self._hyper(group, "betas", 1)
        return lr, *betas, self._hyper(group, "weight_decay") if decays else lr


class NAdam(_Moments):
    """`Adam` with Nesterov's momentum. Source: Dozat 2016, openreview OM0jvwB8jIp57ZJjtNEZ."""

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        check_common(lr, eps, weight_decay)
        check_betas(betas)
        require(momentum_decay >= 0, f"Invalid momentum_decay value: {momentum_decay}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        options = self._options(group)
        numbers = self._numbers(group, options[1])
        lr, beta1, beta2, _ = numbers
        eps, fading = self._hyper(group, "eps"), self._hyper(group, "momentum_decay")

        def momentum(step: Tensor) -> Tensor:
            faded = prims.pow(0.96, prims.mul(step, fading))
            return prims.mul(beta1, prims.sub(1, prims.mul(faded, 0.5)))

        for step, members in self._by_step(params):
            now, then = momentum(step), momentum(prims.add(step, 1))
            correction = prims.sub(1, prims.pow(beta2, step))
            for p in members:
                product = self._number(p, "mu_product", 1.0)
                start, g, m, v = self._moved(group, p, options, numbers, cast)
                product._write(prims.convert(prims.mul(product, _as(now, product)), product.dtype))
                so_far = prims.convert(product, float64)
                scale = prims.sqrt(prims.div(v, cast(correction, p)))
                scale = prims.add(scale, cast(eps, p))
                own = prims.div(prims.mul(lr, prims.sub(1, now)), prims.sub(1, so_far))
                ahead = prims.div(prims.mul(lr, then), prims.sub(1, prims.mul(so_far, then)))
                start = prims.sub(start, prims.mul(prims.div(g, scale), cast(own, p)))
                p._write(prims.sub(start, prims.mul(prims.div(m, scale), cast(ahead, p))))

    def _number(self, p: Tensor, key: str, value: float) -> Tensor:
        state = self.state[p]
        if state.get(key) is None:
            state[key] = hoist(lambda: full(value, (), float32, p.device))
        return state[key]


def _as(number: Tensor, like: Tensor) -> Tensor:
    return prims.convert(number, like.dtype)


class RAdam(_Moments):
    """`Adam` that goes without its second moment while too few gradients are in it.

    Source: Liu et al. 2020, arXiv:1908.03265.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        check_common(lr, eps, weight_decay)
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        options = self._options(group)
        numbers = self._numbers(group, options[1])
        lr, beta1, beta2, _ = numbers
        eps = self._hyper(group, "eps")
        most = prims.sub(prims.div(2.0, prims.sub(1, beta2)), 1)
        for step, members in self._by_step(params):
            power = prims.pow(beta2, step)
            correction = prims.sub(1, power)
            size = prims.div(lr, prims.sub(1, prims.pow(beta1, step)))
            length = prims.sub(most, prims.div(prims.mul(prims.mul(step, 2), power), correction))
            enough = prims.gt(length, 5)
            safe = prims.select(enough, length, 6.0)
            above = prims.mul(prims.mul(prims.sub(safe, 4), prims.sub(safe, 2)), most)
            below = prims.mul(prims.mul(prims.sub(most, 4), prims.sub(most, 2)), safe)
            trust = prims.sqrt(prims.mul(prims.abs(prims.div(above, below)), correction))
            for p in members:
                start, _, m, v = self._moved(group, p, options, numbers, cast)
                scale = prims.div(cast(trust, p), prims.add(prims.sqrt(v), cast(eps, p)))
                update = prims.mul(m, cast(size, p))
                update = prims.select(enough, prims.mul(update, scale), update)
                p._write(prims.sub(start, update))
