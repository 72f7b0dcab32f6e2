"""`GradScaler`: a loss scaled so that small gradients survive float16. Public as `amp`.

The scale and the count of good steps are tensors, and so is what the search for infinities
finds. In a compiled step nothing of it is looked at: an update that PyTorch would skip
happens and is undone where the data say so (`selected.py`). Uncompiled, the step looks.
"""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Iterable
from enum import Enum
from typing import Any

from ...ir.types import float16, float32, float64, int32
from .. import prims
from ..devices import Device, as_device
from ..grad_mode import no_grad
from ..hyper import hoist, hyper
from ..state import STATE
from ..tensor import Tensor
from .selected import skipped_where


class OptState(Enum):
    """Where an optimizer is between two updates of the scale."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class _Progress:
    """Of one optimizer: its stage, on which devices gradients were searched since the last
    update, and what was found there."""

    def __init__(self) -> None:
        self.stage = OptState.READY
        self.searched: tuple[Device, ...] = ()
        self.found: dict[Device, Tensor] = {}  # 0-d float32, zero if all was finite

    def change(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            self.touch(name)
            setattr(self, name, value)

    def touch(self, name: str) -> None:
        """Compiled calls depend on an attribute, and leave it as this run does."""
        if STATE.session is not None:
            STATE.session.touch_attribute(self, name, f"GradScaler's {name}")

    def results(self) -> list[Tensor]:
        self.touch("searched")
        return [self.found[device] for device in self.searched]


class GradScaler:
    """Scales losses, unscales gradients, and steps optimizers whose gradients are finite.

    The scale starts at `init_scale`, is multiplied by `backoff_factor` at each update after
    infinite or nan gradients, and by `growth_factor` after `growth_interval` updates without.
    Without the device it is disabled, with a warning. Raises: AssertionError for a growth
    factor of at most 1 or a backoff factor of at least 1.
    Source: Micikevicius et al. 2018, arXiv:1710.03740.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = as_device(device).type
        self._enabled = enabled
        if enabled and self._device == "cuda" and not _has_cuda():
            warnings.warn(
                "GradScaler is enabled, but CUDA is not available. Disabling.", stacklevel=2
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        # Compiled steps read these anew at each call.
        self._options: dict[str, Any] = {
            "growth_factor": growth_factor,
            "backoff_factor": backoff_factor,
            "growth_interval": growth_interval,
        }
        self._init_scale = init_scale
        self._init_growth_tracker = 0
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        self._optimizers: weakref.WeakKeyDictionary[Any, _Progress] = weakref.WeakKeyDictionary()

    # Scaling

    def scale(self, outputs: Any) -> Any:
        """A tensor, or nested iterables of them, times the scale.

        Raises: ValueError for anything else.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._start(outputs.device)
            return outputs * self._scale.to(outputs.device)  # type: ignore[union-attr]
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled  # type: ignore[call-arg]
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _start(self, device: Device) -> None:
        self._scale = hoist(lambda: _number(self._init_scale, float32, device))
        self._growth_tracker = hoist(lambda: _number(self._init_growth_tracker, int32, device))

    def _started(self, method: str) -> tuple[Tensor, Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(
                f"Attempted {method} but _scale is None.  This may indicate your script did not "
                "use scaler.scale(loss or outputs) earlier in the iteration."
            )
        return self._scale, self._growth_tracker

    # Unscaling

    def unscale_(self, optimizer: Any) -> None:
        """Divide the optimizer's gradients by the scale, in place, and search them for
        infinities and nan.

        Raises: RuntimeError if that was done since the last update, or the step was;
        ValueError for float16 gradients, whose parameters should be float32.
        """
        if not self._enabled:
            return
        scale, _ = self._started("unscale_")
        progress = self._progress(optimizer)
        if progress.stage is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if progress.stage is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        with no_grad():
            inverse = prims.convert(prims.div(1.0, prims.convert(scale, float64)), float32)
            self._search(optimizer, progress, inverse)
        progress.change(stage=OptState.UNSCALED)

    def _search(self, optimizer: Any, progress: _Progress, inverse: Tensor | None) -> None:
        """Note where gradients are not finite; multiply them by `inverse` if it is given."""
        bad: dict[Device, Tensor] = {}
        inverses: dict[Device, Tensor] = {}
        for group in optimizer.param_groups:
            for p in group["params"]:
                g = p.grad
                if g is None:
                    continue
                if inverse is not None and g.dtype is float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                place = g.device
                odd = prims.bit_not(prims.all(g.isfinite(), axes=tuple(range(g.ndim))))
                bad[place] = prims.bit_or(bad[place], odd) if place in bad else odd
                if inverse is None:
                    continue
                if place not in inverses:
                    inverses[place] = inverse.to(place)  # type: ignore[attr-defined]
                wide = g if g.dtype in (float32, float64) else prims.convert(g, float32)
                factor = prims.convert(inverses[place], wide.dtype)
                g._write(prims.convert(prims.mul(wide, factor), g.dtype))
        for place, odd in bad.items():
            if place not in progress.found:
                progress.found[place] = hoist(lambda place=place: _number(0, float32, place))
            progress.found[place]._write(prims.convert(odd, float32))
        progress.change(searched=tuple(bad))

    # Stepping

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(*args, **kwargs)`, unless a gradient is infinite or nan.

        Unscales first, if that was not done. Raises: RuntimeError for a closure, or for a
        second step before an update; AssertionError if the optimizer has no gradients.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._started("step")
        progress = self._progress(optimizer)
        if progress.stage is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            result = self._step_that_scales(optimizer, progress, args, kwargs)
        else:
            if progress.stage is OptState.READY:
                self.unscale_(optimizer)
            if not progress.searched:
                raise AssertionError("No inf checks were recorded for this optimizer.")
            result = self._step_if_finite(optimizer, progress, args, kwargs)
        progress.change(stage=OptState.STEPPED)
        return result

    def _step_if_finite(
        self, optimizer: Any, progress: _Progress, args: tuple, kwargs: dict[str, Any]
    ) -> Any:
        found = progress.results()
        session = STATE.session
        if session is None:
            return None if any(f.item() for f in found) else optimizer.step(*args, **kwargs)
        known = _tensors_in(optimizer)
        skip = prims.ne(_sum(found, found[0].device), 0)
        with skipped_where(skip):
            result = optimizer.step(*args, **kwargs)
        made = [
            (entry, key)
            for entry, key, t in _tensors_in(optimizer).values()
            if (id(entry), key) not in known and t._storage.owner is session
        ]
        # State that such a step makes of the gradients is there or not: Python has to know.
        if made and skip.item():
            for entry, key in made:
                del entry[key]
        return result

    def _step_that_scales(
        self, optimizer: Any, progress: _Progress, args: tuple, kwargs: dict[str, Any]
    ) -> Any:
        """The step of an optimizer that unscales and skips by itself: it reads `grad_scale`
        and `found_inf`, set for the time of the step, or takes `grad_scaler`."""
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            return optimizer.step(*args, **{**kwargs, "grad_scaler": self})
        scale, _ = self._started("step")
        unscaled = progress.stage is OptState.UNSCALED
        if not unscaled:
            with no_grad():
                self._search(optimizer, progress, None)
        given = getattr(optimizer, "grad_scale", None)
        if not unscaled:
            given = scale if given is None else scale * given
        optimizer.grad_scale = given
        optimizer.found_inf = _sum(progress.results(), scale.device)
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            del optimizer.grad_scale, optimizer.found_inf

    # Updating

    @no_grad()
    def update(self, new_scale: Any = None) -> None:
        """Change the scale after the steps of an iteration, or set it to `new_scale`.

        Raises: AssertionError if no gradients were searched since the last update.
        """
        if not self._enabled:
            return
        scale, good = self._started("update")
        if new_scale is not None:
            self._set_scale(scale, new_scale)
        else:
            found = [f for progress in self._optimizers.values() for f in progress.results()]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            grow, back, interval = (
                hyper(self._options, key)
                for key in ("growth_factor", "backoff_factor", "growth_interval")
            )
            bad = prims.ne(_sum(found, scale.device), 0)
            now = prims.convert(scale, float64)
            grown = prims.convert(prims.mul(now, grow), float32)
            lower = prims.convert(prims.mul(now, back), float32)
            count = prims.add(good, 1)
            full = prims.eq(prims.convert(count, float64), interval)
            higher = prims.select(prims.bit_and(full, grown.isfinite()), grown, scale)  # type: ignore[attr-defined]
            scale._write(prims.select(bad, lower, higher))
            good._write(prims.select(prims.bit_or(bad, full), 0, count))
        for progress in self._optimizers.values():
            progress.change(stage=OptState.READY, searched=())

    def _set_scale(self, scale: Tensor, new: Any) -> None:
        if not isinstance(new, Tensor):
            scale.fill_(new)  # type: ignore[attr-defined]
            return
        if new.device.type != self._device or new.numel() != 1 or new.requires_grad:
            raise AssertionError(
                "new_scale should be a float or a 1-element float32 tensor on the scaler's device "
                "with requires_grad=False."
            )
        scale.copy_(new.reshape(()))  # type: ignore[attr-defined]

    # Reading and saving

    def get_scale(self) -> float:
        """The scale, read from its tensor; 1.0 if the scaler is disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()  # type: ignore[return-value]

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else tracker.item()  # type: ignore[return-value]

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after good updates."""
        return self._options["growth_factor"]

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale is multiplied by after good updates."""
        self._options["growth_factor"] = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after a skipped step."""
        return self._options["backoff_factor"]

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale is multiplied by after a skipped step."""
        self._options["backoff_factor"] = new_factor

    def get_growth_interval(self) -> int:
        """How many good updates in a row make the scale grow."""
        return self._options["growth_interval"]

    def set_growth_interval(self, new_interval: int) -> None:
        """Set how many good updates in a row make the scale grow."""
        self._options["growth_interval"] = new_interval

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Scale, options and the count of good updates, as numbers; empty if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            **self._options,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave. Raises: RuntimeError if it is empty."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(self._init_scale)  # type: ignore[attr-defined]
            self._growth_tracker.fill_(self._init_growth_tracker)  # type: ignore[attr-defined]
        for key in self._options:
            self._options[key] = state_dict[key]

    def _progress(self, optimizer: Any) -> _Progress:
        progress = self._optimizers.get(optimizer)
        if progress is None:
            progress = self._optimizers[optimizer] = _Progress()
        progress.touch("stage")
        return progress

    def _found_inf_per_device(self, optimizer: Any) -> dict[Device, Tensor]:
        progress = self._progress(optimizer)
        return dict(zip(progress.searched, progress.results(), strict=True))

    def _check_inf_per_device(self, optimizer: Any) -> dict[Device, Tensor]:
        self._started("_check_inf_per_device")
        with no_grad():
            self._search(optimizer, self._progress(optimizer), None)
        return self._found_inf_per_device(optimizer)

    def __getstate__(self) -> dict[str, Any]:
        if not self._enabled:
            return dict(self.__dict__)
        if any(p.stage is not OptState.READY for p in self._optimizers.values()):
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at "
                "the end after scaler.update()."
            )
        state = {**self.__dict__, "_options": dict(self._options)}
        state |= {"_init_scale": self.get_scale(), "_scale": None, "_growth_tracker": None}
        state["_init_growth_tracker"] = self._get_growth_tracker()
        del state["_optimizers"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._enabled:
            self._optimizers = weakref.WeakKeyDictionary()


def _number(value: Any, dtype: Any, device: Device) -> Tensor:
    return prims.full(value, shape=(), dtype=dtype, device=device)


def _sum(found: list[Tensor], device: Device) -> Tensor:
    total = found[0].to(device)  # type: ignore[attr-defined]
    for other in found[1:]:
        total = prims.add(total, other.to(device))  # type: ignore[attr-defined]
    return total


def _tensors_in(optimizer: Any) -> dict[tuple[int, Any], tuple[dict, Any, Tensor]]:
    """The tensors in an optimizer's state: the entry that holds each, and its key there."""
    return {
        (id(entry), key): (entry, key, value)
        for entry in getattr(optimizer, "state", {}).values()
        if isinstance(entry, dict)
        for key, value in entry.items()
        if isinstance(value, Tensor)
    }


def _has_cuda() -> bool:
    from ...runtime import cuda

    return cuda.is_available()
