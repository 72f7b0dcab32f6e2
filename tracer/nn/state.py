"""Saving a module's state to a dictionary and loading it back. Imported by `module` alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..parameter import Parameter
from ..tensor import Tensor, from_host
from .hooks import hooks_of
from .uninitialized import is_lazy

if TYPE_CHECKING:
    from .module import Module

EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )

    __str__ = __repr__


def has_extra(module: Module, method: str) -> bool:
    from .module import Module

    return getattr(type(module), method) is not getattr(Module, method)


def save(module: Module, destination: Any, prefix: str, keep_vars: bool) -> dict[str, Any]:
    """The state of `module` and all below it."""
    if destination is None:
        destination = OrderedDict()
        destination._metadata = OrderedDict()  # type: ignore[attr-defined]
    if hasattr(destination, "_metadata"):
        destination._metadata[prefix[:-1]] = {"version": module._version}
    metadata = {"version": module._version}
    for hook in hooks_of(module, "_state_dict_pre_hooks"):
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(
                destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
            )
    for hook in hooks_of(module, "_state_dict_hooks"):
        changed = hook(module, destination, prefix, metadata)
        if changed is not None:
            destination = changed
    return destination


def save_own(module: Module, destination: dict, prefix: str, keep_vars: bool) -> None:
    """The module's own parameters, persistent buffers and extra state."""
    for name, tensor in own_state(module):
        kept = keep_vars or is_lazy(tensor)
        destination[prefix + name] = tensor if kept else tensor.detach()
    if has_extra(module, "get_extra_state"):
        destination[prefix + EXTRA] = module.get_extra_state()


def own_state(module: Module) -> Iterator[tuple[str, Tensor]]:
    """What `state_dict` has of the module itself."""
    for name, param in module._parameters.items():
        if param is not None:
            yield name, param
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            yield name, buffer


def load(module: Module, state: Any, strict: bool, assign: bool) -> IncompatibleKeys:
    """Load `state` into `module` and all below it."""
    if not isinstance(state, Mapping):
        raise TypeError(f"expected state_dict to be dict-like, got {type(state).__name__}")
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    metadata: Mapping[str, dict] = getattr(state, "_metadata", None) or {}
    state = OrderedDict(state)
    _load(module, state, "", metadata, strict, assign, missing, unexpected, errors)
    if strict:
        for title, keys in (("Unexpected", unexpected), ("Missing", missing)):
            if keys:
                listed = ", ".join(f'"{k}"' for k in keys)
                errors.insert(0, f"{title} key(s) in state_dict: {listed}.")
    if errors:
        name = type(module).__name__
        raise RuntimeError("\n\t".join([f"Error(s) in loading state_dict for {name}:", *errors]))
    return IncompatibleKeys(missing, unexpected)


def _load(
    module: Module,
    state: dict[str, Any],
    prefix: str,
    metadata: Mapping[str, dict],
    strict: bool,
    assign: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    local = dict(metadata.get(prefix[:-1], {}))
    if assign:
        local["assign_to_params_buffers"] = True
    module._load_from_state_dict(state, prefix, local, True, missing, unexpected, errors)
    for name, child in module._modules.items():
        if child is not None:
            below = f"{prefix}{name}."
            _load(child, state, below, metadata, strict, assign, missing, unexpected, errors)
    incompatible = IncompatibleKeys(missing, unexpected)
    for hook in hooks_of(module, "_load_state_dict_post_hooks"):
        if hook(module, incompatible) is not None:
            raise RuntimeError("a load_state_dict post-hook must return None and change in place")


def load_own(
    module: Module,
    state: dict[str, Any],
    prefix: str,
    metadata: dict[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    """The module's own parameters, persistent buffers and extra state."""
    for hook in hooks_of(module, "_load_state_dict_pre_hooks"):
        hook(module, state, prefix, metadata, strict, missing, unexpected, errors)
    assign = metadata.get("assign_to_params_buffers", False)
    own = dict(own_state(module))
    for name, tensor in own.items():
        key = prefix + name
        if key not in state:
            missing.append(key)
            continue
        problem = _take(module, name, tensor, state[key], assign)
        if problem:
            errors.append(f"{problem} for {key}")
    extra = prefix + EXTRA
    if has_extra(module, "set_extra_state"):
        if extra in state:
            module.set_extra_state(state[extra])
        else:
            missing.append(extra)
    elif extra in state:
        unexpected.append(extra)
    for key in state:
        if key.startswith(prefix) and key != extra:
            first, _, rest = key[len(prefix) :].partition(".")
            if first not in own and not (rest and first in module._modules):
                unexpected.append(key)


def _take(module: Module, name: str, tensor: Tensor, value: Any, assign: bool) -> str:
    """Put one value in. Returns what is wrong with it, or the empty string."""
    if not isinstance(value, Tensor):
        try:
            value = from_host(np.asarray(value))
        except (TypeError, ValueError, RuntimeError):
            return f"expected a tensor, got {type(value).__name__}"
    if is_lazy(tensor):
        return "" if is_lazy(value) else "expected no data for an uninitialized tensor"
    if tuple(value.shape) != tuple(tensor.shape):
        # PyTorch once saved scalars with one dimension.
        if tuple(value.shape) == (1,) and tuple(tensor.shape) == ():
            value = value.reshape(())
        else:
            return (
                f"size mismatch: the checkpoint has shape {tuple(value.shape)}, "
                f"the model {tuple(tensor.shape)},"
            )
    if not assign:
        with no_grad():
            tensor.copy_(value)
    elif name in module._parameters:
        taken = value if isinstance(value, Parameter) else Parameter(value.detach())
        taken.requires_grad_(tensor.requires_grad)
        module._parameters[name] = taken
    else:
        module._buffers[name] = value
    return ""
