"""The base of the schedulers. Imported by the files beside it.

Schedulers change numbers in an optimizer's groups, on the host; compiled steps take those
numbers as inputs. A scheduler stepped inside a compiled function is stepped again at each
replay.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ...autograd import no_grad
from ...state import STATE
from ...tensor import Tensor
from ..optimizer import Optimizer


def set_option(group: dict[str, Any], key: str, value: float) -> None:
    if isinstance(group[key], Tensor):
        with no_grad():
            group[key].fill_(value)
    else:
        group[key] = value


def per_group(value: Any, optimizer: Optimizer, name: str) -> list[Any]:
    """One value for each group. Raises: ValueError for another number of values."""
    groups = optimizer.param_groups
    if not isinstance(value, (list, tuple)):
        return [value] * len(groups)
    if len(value) != len(groups):
        raise ValueError(f"expected {len(groups)} values for {name}, got {len(value)}")
    return list(value)


class LRScheduler:
    """Base of the schedulers: `get_lr` gives each group's next rate from its present one.

    `last_epoch` counts steps; -1 starts anew, anything else continues from rates that the
    groups hold as `initial_lr`.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                initial = group["lr"]
                group.setdefault("initial_lr", float(initial))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming an "
                    "optimizer"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[float] = []
        # PyTorch's state has these; here they say nothing.
        self._is_initial = self._get_lr_called_within_step = False
        self._advance(None)

    def get_lr(self) -> list[float]:
        """The rates for `last_epoch`, one for each group."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr")

    def get_closed_form_lr(self) -> list[float]:
        """The rates for `last_epoch` from the initial ones; not all schedulers know them."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch, or to the one given."""
        if epoch is not None:
            warnings.warn(
                "the epoch of scheduler.step() is deprecated and seldom needed.",
                UserWarning,
                stacklevel=2,
            )
        self._do(lambda: self._advance(epoch))

    def _do(self, effect: Callable[[], None]) -> None:
        """Change the schedule: now, and at each replay of a compiled call that is recorded.
        An interrupt leaves it as it was."""

        def whole() -> None:
            restore = self.snapshot()
            try:
                effect()
            except BaseException as error:
                if not isinstance(error, Exception):
                    restore()
                raise

        if STATE.session is None:
            whole()
        else:
            STATE.session.host_effect(self, whole)

    def snapshot(self) -> Callable[[], None]:
        """What puts the schedule and the groups back to what they are now."""
        saved: list[tuple[dict, dict]] = []
        todo: list[Any] = [self]
        while todo:
            scheduler = todo.pop()
            saved.append((scheduler.__dict__, dict(scheduler.__dict__)))
            todo += scheduler.__dict__.get("_schedulers", ())
        saved += [(group, dict(group)) for group in self.optimizer.param_groups]
        rates = [group["lr"] for group in self.optimizer.param_groups]
        tensors = [(r._storage, r._storage.value) for r in rates if isinstance(r, Tensor)]

        def restore() -> None:
            for target, items in saved:
                target.clear()
                target.update(items)
            for storage, value in tensors:
                storage.value = value
                storage.cache = None

        return restore

    def _advance(self, epoch: int | None) -> None:
        if self._step_count == 1 and not self.optimizer._stepped and epoch is None:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first "
                "value of the learning rate schedule is skipped. Call `optimizer.step()` first.",
                stacklevel=3,
            )
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            rates = self.get_lr()
        else:
            self.last_epoch = epoch
            rates = self.get_closed_form_lr()
        self._put(rates)

    def _put(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_option(group, "lr", rate)
        self._last_lr = [float(rate) for rate in rates]

    @property
    def _rates(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _times(self, factor: float) -> list[float]:
        return [rate * factor for rate in self._rates]

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.__dict__.update(state_dict)
