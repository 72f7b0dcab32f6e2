"""Optimizers that look at a matrix as a whole: Adafactor, Muon. Public as `optim`."""

from __future__ import annotations

import math
from typing import Any

from ...ir.types import bfloat16, float32, float64
from .. import prims
from ..hyper import hoist
from ..tensor import Tensor
from .optimizer import Cast, Group, Optimizer, check_common, full, gradient, require


def _total(x: Tensor) -> Tensor:
    return prims.sum(x, axes=tuple(range(x._type.ndim)))


def _norm(x: Tensor) -> Tensor:
    return prims.convert(prims.sqrt(_total(prims.mul(x, x))), float64)


def _mean(x: Tensor, axis: int) -> Tensor:
    """The mean along an axis, which stays with size 1."""
    shape = x._type.shape
    kept = tuple(1 if i == axis else n for i, n in enumerate(shape))
    return prims.reshape(prims.div(prims.sum(x, axes=(axis,)), shape[axis]), shape=kept)


def _towards(x: Tensor, goal: Tensor, share: Tensor) -> Tensor:
    return prims.add(x, prims.mul(prims.sub(goal, x), share))


class Adafactor(Optimizer):
    """Second moments of matrices kept as those of their rows and columns.

    Source: Shazeer & Stern 2018, arXiv:1804.04235.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        check_common(lr, weight_decay=weight_decay)
        require(beta2_decay <= 0, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        require(eps[0] is None or eps[0] >= 0, f"epsilon1 should be >= 0 but is: {eps[0]}")
        require(eps[1] >= 0, f"epsilon2 should be >= 0 but is: {eps[1]}")
        require(d >= 1, f"Clipping threshold d should be >= 1 but is: {d}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        maximize, decays = self._is_set(group, "maximize"), self._is_set(group, "weight_decay")
        lr, d, fading = (self._hyper(group, key) for key in ("lr", "d", "beta2_decay"))
        if group["eps"][0] is None:  # the first parameter's precision, as in PyTorch
            size = params[0].dtype.itemsize
            least = full({8: 2.0**-52, 4: 2.0**-23}.get(size, 2.0**-7), (), float64, None)
        else:
            least = self._hyper(group, "eps", 0)
        smallest = self._hyper(group, "eps", 1)
        decay = self._hyper(group, "weight_decay") if decays else lr
        for step, members in self._by_step(params):
            share = prims.pow(step, fading)
            rate = prims.minimum(lr, prims.div(1.0, prims.sqrt(step)))
            for p in members:
                g = gradient(group, p, maximize)
                count = math.sqrt(p._type.numel)
                scale = prims.mul(prims.maximum(smallest, prims.div(_norm(p), count)), rate)
                start = p
                if decays:
                    start = prims.mul(p, cast(prims.sub(1, prims.mul(lr, decay)), p))
                v = self._second_moment(p, g, cast(share, p), cast(least, p))
                v = prims.maximum(v, cast(prims.mul(least, least), p))
                update = prims.mul(prims.rsqrt(v), g)
                length = prims.div(_norm(update), prims.mul(d, count))
                size = prims.div(scale, prims.maximum(length, 1))
                p._write(prims.sub(start, prims.mul(update, cast(size, p))))

    def _second_moment(self, p: Tensor, g: Tensor, share: Tensor, least: Tensor) -> Tensor:
        squares = prims.mul(g, g)
        ndim = g._type.ndim
        if ndim < 2:
            variance = self._state_like(p, "variance")
            v = _towards(variance, squares, share)
            variance._write(v)
            return v
        rows, columns = self._reduced(p, "row_var", ndim - 1), self._reduced(p, "col_var", ndim - 2)
        r = _towards(rows, _mean(squares, ndim - 1), share)
        c = _towards(columns, _mean(squares, ndim - 2), share)
        rows._write(r)
        columns._write(c)
        return prims.div(prims.mul(r, c), prims.maximum(_mean(r, ndim - 2), least))

    def _reduced(self, p: Tensor, key: str, axis: int) -> Tensor:
        state = self.state[p]
        if state.get(key) is None:
            shape = tuple(1 if i == axis else n for i, n in enumerate(p._type.shape))
            state[key] = hoist(lambda: full(0, shape, p.dtype, p.device))
        return state[key]


class Muon(Optimizer):
    """Momentum of matrices, made orthogonal by Newton and Schulz's iteration in bfloat16.

    Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        if isinstance(lr, Tensor) and lr._type.numel != 1:
            raise ValueError("Tensor lr must be 1-element")
        require(lr >= 0, f"Learning rate should be >= 0 but is: {lr}")
        require(momentum >= 0, f"momentum should be >= 0 but is: {momentum}")
        require(weight_decay >= 0, f"weight decay should be >= 0 but is: {weight_decay}")
        require(
            adjust_lr_fn in (None, "original", "match_rms_adamw"),
            f"Adjust learning rate function {adjust_lr_fn} is not supported",
        )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                require(
                    p.ndim == 2,
                    "Muon only supports 2D parameters whereas we found a parameter with size: "
                    f"{p.size()}",
                )

    def _update(self, group: Group, params: list[Tensor]) -> None:
        cast = Cast()
        nesterov = self._is_set(group, "nesterov")
        lr, decay, momentum, eps = (
            self._hyper(group, key) for key in ("lr", "weight_decay", "momentum", "eps")
        )
        numbers = [
            prims.convert(self._hyper(group, "ns_coefficients", i), float32) for i in range(3)
        ]
        require(
            group["ns_steps"] < 100,
            "Number of steps must be less than 100 for computational efficiency",
        )
        kept = prims.sub(1, prims.mul(lr, decay))
        for p in params:
            g: Any = p.grad
            buffer = self._state_like(p, "momentum_buffer")
            moved = _towards(buffer, g, cast(prims.sub(1, momentum), p))
            buffer._write(moved)
            goal = _towards(g, moved, cast(momentum, p)) if nesterov else moved
            made = prims.convert(_orthogonal(goal, numbers, group["ns_steps"], eps), p.dtype)
            rows, columns = p._type.shape
            if group["adjust_lr_fn"] == "match_rms_adamw":
                ratio = 0.2 * math.sqrt(max(rows, columns))
            else:
                ratio = math.sqrt(max(1, rows / columns))
            step = prims.mul(made, cast(prims.mul(lr, ratio), p))
            p._write(prims.sub(prims.mul(p, cast(kept, p)), step))


def _orthogonal(g: Tensor, numbers: list[Tensor], steps: int, eps: Tensor) -> Tensor:
    """A matrix with the singular vectors of `g` and singular values near 1, in bfloat16."""
    a, b, c = numbers
    x = prims.convert(g, bfloat16)
    tall = g._type.shape[0] > g._type.shape[1]
    if tall:
        x = prims.transpose(x, perm=(1, 0))
    wide = prims.convert(x, float32)
    size = prims.convert(prims.sqrt(_total(prims.mul(wide, wide))), bfloat16)
    x = prims.div(x, prims.maximum(size, prims.convert(eps, bfloat16)))
    for _ in range(steps):
        wide = prims.convert(x, float32)
        # Products sum in single precision and are rounded once, as PyTorch's are.
        gram = _rounded(prims.dot_general(wide, wide, contract=((1,), (1,)), batch=((), ())))
        square = prims.dot_general(gram, gram, contract=((1,), (0,)), batch=((), ()))
        update = _rounded(prims.add(prims.mul(gram, b), prims.mul(square, c)))
        product = prims.dot_general(update, wide, contract=((1,), (0,)), batch=((), ()))
        x = prims.convert(prims.add(prims.mul(wide, a), product), bfloat16)
    return prims.transpose(x, perm=(1, 0)) if tall else x


def _rounded(x: Tensor) -> Tensor:
    return prims.convert(prims.convert(x, bfloat16), float32)
