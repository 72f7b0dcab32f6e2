"""Schedulers made of schedulers, and one led by a metric. Public as `optim.lr_scheduler`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, per_group, set_option


class SequentialLR(LRScheduler):
    """Schedulers one after the other, changing at each of `milestones`."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ):
        if not schedulers:
            raise ValueError("SequentialLR expects at least one scheduler to be chained")
        for scheduler in schedulers:
            if scheduler.optimizer is not optimizer:
                raise ValueError("SequentialLR expects all schedulers to have its optimizer")
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "SequentialLR expects the number of schedulers to be one more than the number "
                f"of milestones, got {len(schedulers)} and {len(milestones)}"
            )
        self.optimizer = optimizer
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        # Making the schedulers has stepped each of them: back to the beginning.
        for group in optimizer.param_groups:
            set_option(group, "lr", group["initial_lr"])
        for scheduler in schedulers:
            scheduler.last_epoch -= 1
            scheduler._step_count -= 1
        schedulers[0]._advance(None)
        self._last_lr = schedulers[0].get_last_lr()

    def _advance(self, epoch: int | None) -> None:
        self.last_epoch += 1
        at = bisect_right(self._milestones, self.last_epoch)
        begins = at > 0 and self._milestones[at - 1] == self.last_epoch
        self._schedulers[at]._advance(0 if begins else None)
        self._last_lr = self._schedulers[at].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; the schedulers' states in place of them."""
        return _packed(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        _unpack(self, state_dict)


def _packed(scheduler: Any) -> dict[str, Any]:
    left_out = ("optimizer", "_schedulers")
    out = {k: v for k, v in scheduler.__dict__.items() if k not in left_out}
    out["_schedulers"] = [s.state_dict() for s in scheduler._schedulers]
    return out


def _unpack(scheduler: Any, state: dict[str, Any]) -> None:
    scheduler.__dict__.update({k: v for k, v in state.items() if k != "_schedulers"})
    for inner, saved in zip(scheduler._schedulers, state["_schedulers"], strict=True):
        inner.load_state_dict(saved)


class ChainedScheduler(LRScheduler):
    """Schedulers that all step at each step, one after the other."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        if not schedulers:
            raise ValueError(
                "ChainedScheduler expects at least one scheduler to be chained, but got no "
                "scheduler."
            )
        optimizer = optimizer or schedulers[0].optimizer
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(
                    f"ChainedScheduler at index {i} should have `optimizer` as its attribute."
                )
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    "ChainedScheduler does not support `ReduceLROnPlateau` scheduler, whose `step` "
                    f"needs a metric, but got one at index {i}"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    "ChainedScheduler expects all schedulers to belong to the same optimizer, but "
                    f"the one at index {i} belongs to another"
                )
        self._schedulers = list(schedulers)
        self.optimizer = optimizer
        self._last_lr = self._rates

    def _advance(self, epoch: int | None) -> None:
        for scheduler in self._schedulers:
            scheduler._advance(epoch)
        self._last_lr = self._rates

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; the schedulers' states in place of them."""
        return _packed(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        _unpack(self, state_dict)


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` when a metric has not improved for more than `patience` epochs."""

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
    ):
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = per_group(min_lr, optimizer, "min_lr")
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.best = self.mode_worse = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0
        self.last_epoch = 0
        self._last_lr = self._rates

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Look at the metric of one more epoch."""
        current = float(metrics)
        self._do(lambda: self._look(current, epoch))

    def _look(self, current: float, epoch: int | None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                rate = float(group["lr"])
                lower = max(rate * self.factor, least)
                if rate - lower > self.eps:
                    set_option(group, "lr", lower)
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._rates

    def _is_better(self, current: float) -> bool:
        if math.isinf(self.best):
            return current < self.best if self.mode == "min" else current > self.best
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        if self.mode == "min":
            return current < self.best - margin
        return current > self.best + margin
