"""Adam and AdamW. Public as `optim`."""

from __future__ import annotations

from typing import Any

from .. import prims
from ..tensor import Tensor
from .optimizer import Cast, Group, Optimizer, check_betas, check_common, gradient


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and of its square.

    Under `decoupled_weight_decay` the decay acts on the parameter, not on the gradient.
    `foreach`, `capturable` and `fused` choose kernels in PyTorch; here they make no
    difference. Source: Kingma & Ba 2015, arXiv:1412.6980; for `amsgrad` Reddi, Kale &
    Kumar 2018, arXiv:1904.09237.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: Any = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        check_common(lr, eps, weight_decay)
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        maximize, amsgrad = self._is_set(group, "maximize"), self._is_set(group, "amsgrad")
        decays = self._is_set(group, "weight_decay")
        decoupled = decays and self._is_set(group, "decoupled_weight_decay")
        lr, eps = self._hyper(group, "lr"), self._hyper(group, "eps")
        beta1, beta2 = self._hyper(group, "betas", 0), self._hyper(group, "betas", 1)
        rest1, rest2 = prims.sub(1, beta1), prims.sub(1, beta2)
        decay = self._hyper(group, "weight_decay") if decays else lr
        kept = prims.sub(1, prims.mul(lr, decay)) if decoupled else lr
        for step, members in self._by_step(params):
            size = prims.div(lr, prims.sub(1, prims.pow(beta1, step)))
            root = prims.sqrt(prims.sub(1, prims.pow(beta2, step)))
            for p in members:
                g = gradient(group, p, maximize)
                mean = self._state_like(p, "exp_avg")
                square = self._state_like(p, "exp_avg_sq")
                start = p
                if decoupled:
                    start = prims.mul(p, cast(kept, p))
                elif decays:
                    g = prims.add(g, prims.mul(p, cast(decay, p)))
                m = prims.add(mean, prims.mul(prims.sub(g, mean), cast(rest1, p)))
                fresh = prims.mul(prims.mul(g, g), cast(rest2, p))
                v = prims.add(prims.mul(square, cast(beta2, p)), fresh)
                mean._write(m)
                square._write(v)
                if amsgrad:
                    largest = self._state_like(p, "max_exp_avg_sq")
                    v = prims.maximum(largest, v)
                    largest._write(v)
                scale = prims.add(prims.div(prims.sqrt(v), cast(root, p)), cast(eps, p))
                p._write(prims.sub(start, prims.mul(prims.div(m, scale), cast(size, p))))


class AdamW(Adam):
    """`Adam` whose weight decay acts on the parameters.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: Any = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            *(params, lr, betas, eps, weight_decay, amsgrad),
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
