"""`Optimizer`: parameter groups, state, and the frame of a step. Public as `optim`.

A hyper-parameter never enters the graph as a number: `step()` reads it as a 0-d float64
tensor, which a compiled step takes as an input at each call. Whether it is zero, and the
options that are flags, are guards.
"""

from __future__ import annotations

import copy
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from ...ir.graph import Scope
from ...ir.types import DType, float32, float64
from .. import prims
from ..autograd import enable_grad
from ..hyper import hoist, hyper, hyper_is_zero
from ..nn.hooks import RemovableHandle, add_hook
from ..nn.init import zeros_
from ..recording import evaluate_all
from ..state import LOCK, STATE, touch_optimizer
from ..tensor import Tensor, from_host
from .undo import Undo

Group = dict[str, Any]


class Optimizer:
    """Base of the optimizers, with PyTorch's groups, state and `state_dict` format.

    A subclass defines `_update(group, params)`, which gets a group and those of its
    parameters that have a gradient; or its own `step`.
    """

    def __init__(self, params: Any, defaults: Group):
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {type(params).__name__}"
            )
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._post_hooks: OrderedDict[int, Any] = OrderedDict()
        self._state_hooks: dict[str, OrderedDict[int, Any]] = {}
        self._stepped = False
        # Compiled steps guard that the entry of their version is zero; see `_changed`.
        self._version = 0
        self._stale: dict[int, int] = {0: 0}
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _changed(self) -> None:
        """Groups or state are other objects now: what was compiled with the old is stale."""
        self._stale[self._version] = 1
        self._version += 1
        self._stale[self._version] = 0

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own; what is left out is as in `defaults`.

        Raises: TypeError for what is no tensor, ValueError for a tensor that is no leaf,
        for one that another group has, or an option that is missing.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        group = param_group
        params = group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        if params and isinstance(params[0], tuple):
            group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is "
                    f"{type(p).__name__}"
                )
            if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        group["params"] = params
        for key, value in self.defaults.items():
            group.setdefault(key, value)
        if len({id(p) for p in params}) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters", stacklevel=3
            )
        known = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(group)
        self._changed()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None  # unread: a compiled step need not guard what was there
                elif p.grad is not None:
                    if p.grad.requires_grad:
                        p.grad = p.grad.detach()
                    zeros_(p.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns what `closure` returns.

        `closure` computes the loss and its gradients anew. If the update fails or is
        interrupted, parameters and state are as they were before it.
        """
        touch_optimizer(self)
        for hook in list(self._pre_hooks.values()):
            hook(self, (closure,), {})
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._update_all()
        self._stepped = True
        for hook in list(self._post_hooks.values()):
            hook(self, (closure,), {})
        if STATE.session is None:
            evaluate_all()
        return loss

    def _update_all(self) -> None:
        undo = Undo(self)
        held = undo.held
        holding = {} if STATE.recorder is None else STATE.recorder.held
        recorded = bool(self.defaults.get("differentiable"))
        phase = Scope("optimizer", "phase", STATE.scope)
        before = STATE.grad_enabled, STATE.scope
        STATE.grad_enabled, STATE.scope = recorded, phase
        try:
            holding[held] = None
            for group in self.param_groups:
                params = [p for p in group["params"] if p.grad is not None]
                if params:
                    with LOCK:  # of steps in several threads none is lost
                        self._update(group, params)
            hyper_is_zero(self._stale, self._version)  # type: ignore[arg-type]
        except BaseException:
            undo.undo()
            raise
        finally:
            STATE.grad_enabled, STATE.scope = before
            holding.pop(held, None)

    def _update(self, group: Group, params: list[Tensor]) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines neither step nor _update")

    # What the subclasses read and keep.

    def _hyper(self, group: Group, key: str, index: int | None = None) -> Tensor:
        """A hyper-parameter as a 0-d float64 tensor."""
        return prims.convert(hyper(group, key, index), float64)

    def _is_set(self, group: Group, key: str) -> bool:
        """Whether a hyper-parameter is not zero, or a flag is set."""
        return not hyper_is_zero(group, key)

    def _state_like(self, p: Tensor, key: str, value: Any = 0) -> Tensor:
        """State of `p` with its shape and dtype, made with one value if it is not there."""
        state = self.state[p]
        if state.get(key) is None:
            state[key] = hoist(lambda: full(value, p._type.shape, p.dtype, p.device))
        return state[key]

    def _by_step(self, params: list[Tensor]) -> list[tuple[Tensor, list[Tensor]]]:
        """Parameters by their number of steps, which is advanced: a float64 copy of each.

        Parameters that have always been updated together share one `step` tensor, so that
        what hangs on it (bias corrections) is computed once. Those that part get a copy.
        """
        fresh: dict[Any, Tensor] = {}
        for p in params:
            if "step" not in self.state[p]:
                place = p.device
                if place not in fresh:
                    fresh[place] = hoist(lambda place=place: full(0, (), float32, place))
                self.state[p]["step"] = fresh[place]
        users: dict[int, int] = {}
        for state in self.state.values():
            if "step" in state:
                users[id(state["step"])] = users.get(id(state["step"]), 0) + 1
        together: dict[int, list[Tensor]] = {}
        for p in params:
            together.setdefault(id(self.state[p]["step"]), []).append(p)
        out = []
        for key, members in together.items():
            step = self.state[members[0]]["step"]
            if users[key] > len(members):
                step = hoist(lambda step=step: prims.add(step, 0))
                for p in members:
                    self.state[p]["step"] = step
                self._changed()
            step._write(prims.add(step, 1))
            out.append((prims.convert(step, float64), members))
        return out

    # Hooks, state and printing.

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step."""
        return add_hook(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return add_hook(self._post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before the state is read."""
        return add_hook(self._hooks_of("state_dict_pre"), hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after; what it returns takes its place."""
        return add_hook(self._hooks_of("state_dict_post"), hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before it is loaded; what it returns takes its
        place."""
        return add_hook(self._hooks_of("load_pre"), hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after a state was loaded."""
        return add_hook(self._hooks_of("load_post"), hook, prepend)

    def _hooks_of(self, kind: str) -> OrderedDict[int, Any]:
        return self._state_hooks.setdefault(kind, OrderedDict())

    def state_dict(self) -> dict[str, Any]:
        """Groups and state, with parameters as numbers in order of the groups."""
        for hook in list(self._hooks_of("state_dict_pre").values()):
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {
            numbers.get(id(p), p): {k: v for k, v in s.items() if not k.startswith("_")}
            for p, s in self.state.items()
            if s
        }
        out = {"state": state, "param_groups": groups}
        for hook in list(self._hooks_of("state_dict_post").values()):
            changed = hook(self, out)
            out = out if changed is None else changed
        return out

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what `state_dict` gave, here or in PyTorch.

        Values may be tensors, or anything NumPy can read (such as another library's).
        State gets its parameter's dtype and device, `step` apart. Raises: ValueError if
        groups or their sizes differ.
        """
        state_dict = dict(state_dict)
        for hook in list(self._hooks_of("load_pre").values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for group, new in zip(self.param_groups, saved, strict=True):
            if len(group["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size "
                    "of optimizer's group"
                )
        numbers = chain.from_iterable(group["params"] for group in saved)
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        by_number = dict(zip(numbers, params, strict=True))
        state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        steps: dict[tuple, Tensor] = {}
        for number, entry in state_dict["state"].items():
            p = by_number.get(number)
            if p is None:
                state[number] = copy.deepcopy(entry)
                continue
            for key, value in entry.items():
                state[p][key] = _loaded(key, value, p, steps)
        for group, new in zip(self.param_groups, saved, strict=True):
            fresh = {k: copy.deepcopy(v) for k, v in new.items() if k != "params"}
            # The dictionary stays the same object: compiled steps read from it.
            for key in [k for k in group if k not in fresh and k not in ("params", "param_names")]:
                fresh[key] = group[key]
            group.update(fresh)
        self.state = state
        self._changed()
        for hook in list(self._hooks_of("load_post").values()):
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pre_hooks, self._post_hooks = OrderedDict(), OrderedDict()
        self._state_hooks = {}
        self._stepped = False
        self._version, self._stale = 0, {0: 0}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def full(value: Any, shape: tuple[int, ...], dtype: DType, device: Any) -> Tensor:
    return prims.full(value, shape=shape, dtype=dtype, device=device)


def _loaded(key: str, value: Any, p: Tensor, steps: dict[tuple, Tensor]) -> Any:
    """A copy of one entry of saved state, fit for parameter `p`."""
    if key == "step":
        # Equal numbers of steps share a tensor again; see `_by_step`.
        at = (float(value), p.device)
        if at not in steps:
            steps[at] = from_host(np.asarray(at[0], np.float32), device=p.device)
        return steps[at]
    if isinstance(value, Tensor):
        value = value.detach().clone()
    elif hasattr(value, "__array__"):
        value = from_host(np.asarray(value))
    else:
        return copy.deepcopy(value)
    if value.dtype.is_floating_point and p.dtype.is_floating_point:
        value = value.to(p.dtype)
    return value.to(p.device)


class Cast:
    """0-d float64 tensors in the dtype and on the device of a parameter, each once."""

    def __init__(self) -> None:
        self._made: dict[tuple, tuple[Tensor, Tensor]] = {}

    def __call__(self, scalar: Tensor, like: Tensor) -> Tensor:
        key = (id(scalar), like.dtype, like.device)
        found = self._made.get(key)
        if found is None:
            made = prims.convert(scalar, like.dtype)
            if made.device is not like.device:
                made = made.to(like.device)
            found = self._made[key] = (made, scalar)
        return found[0]


def gradient(group: Group, p: Tensor, maximize: bool) -> Tensor:
    """The gradient to descend along."""
    return prims.neg(p.grad) if maximize else p.grad  # type: ignore[return-value]


def require(ok: bool, message: str) -> None:
    """Raises: ValueError with `message` unless `ok`."""
    if not ok:
        raise ValueError(message)


def check_common(lr: Any, eps: Any = 0, weight_decay: Any = 0) -> None:
    """Raises: ValueError for a negative rate, epsilon or decay."""
    if isinstance(lr, Tensor) and lr._type.numel != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not isinstance(lr, Tensor):
        require(lr >= 0, f"Invalid learning rate: {lr}")
    require(eps >= 0, f"Invalid epsilon value: {eps}")
    if not isinstance(weight_decay, Tensor):
        require(weight_decay >= 0, f"Invalid weight_decay value: {weight_decay}")


def check_betas(betas: Iterable[Any]) -> None:
    """Raises: ValueError for a beta outside [0, 1)."""
    for i, beta in enumerate(betas):
        require(0 <= beta < 1, f"Invalid beta parameter at index {i}: {beta}")
