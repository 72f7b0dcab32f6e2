"""Parameters that are computed from others. Public as `nn.utils.parametrize`.

A parametrised tensor becomes a property of a class made for its module; what it is computed
from stands in `module.parametrizations`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from ...autograd import no_grad
from ...parameter import Parameter
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module

_CACHE: dict[tuple[int, str], Any] = {}
_depth = 0


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Within, a parametrised tensor is computed once."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _CACHE.clear()


class ParametrizationList(ModuleList):
    """What one tensor is computed by, and what from: `original`, or `original0`, ..."""

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False):
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = tuple(original.shape), original.dtype
        with no_grad():
            new: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        if not isinstance(new, Tensor) and not isinstance(new, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        if isinstance(new, Tensor):
            if new.dtype is not dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            if new is not original:
                with no_grad():
                    original.data = new.detach()
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                        f"tuple...). Got element {i} of the sequence with type "
                        f"{type(part).__name__}."
                    )
                part = part.detach()
                if isinstance(original, Parameter):
                    part = Parameter(part, original.requires_grad)
                elif original.requires_grad:
                    part.requires_grad_()
                _register(self, f"original{i}", part)
        if unsafe:
            return
        made = self()
        if not isinstance(made, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
        if made.dtype is not dtype:
            raise ValueError(
                "Registering a parametrization may not change the dtype of the tensor, unless "
                f"`unsafe` flag is enabled.\nunparametrized dtype: {dtype}\nparametrized dtype: "
                f"{made.dtype}"
            )
        if tuple(made.shape) != shape:
            raise ValueError(
                "Registering a parametrization may not change the shape of the tensor, unless "
                f"`unsafe` flag is enabled.\nunparametrized shape: {shape}\nparametrized shape: "
                f"{tuple(made.shape)}"
            )

    def right_inverse(self, value: Tensor) -> None:
        """Change the originals so that the result becomes `value`."""
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                new = module.right_inverse(new)
            if self.is_tensor:
                if not isinstance(new, Tensor):
                    raise ValueError(
                        f"`right_inverse` should return a tensor. Got {type(new).__name__}"
                    )
                self.original.copy_(new)
                return
            if len(new) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(new)}."
                )
            for i, part in enumerate(new):
                getattr(self, f"original{i}").copy_(part)

    def forward(self) -> Tensor:
        """The tensor, from what it is computed from."""
        originals = (
            (self.original,)
            if self.is_tensor
            else tuple(getattr(self, f"original{i}") for i in range(self.ntensors))
        )
        first, *others = list(self)
        out = first(*originals)
        for module in others:
            out = module(out)
        return out


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        if not _depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _CACHE:
            _CACHE[key] = self.parametrizations[name]()
        return _CACHE[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


class _Parametrized(Module):
    """The class of a module that has parametrised tensors, made for it alone."""

    def __setattr__(self, name: str, value: Any) -> None:
        found = type(self).__dict__.get(name)
        if isinstance(found, property):
            found.__set__(self, value)
        else:
            super().__setattr__(name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo.get(id(self))
        if copied is None:
            # The copy gets a class of its own: what is done to it must not reach this one.
            cls = type(self)
            copied = object.__new__(type(cls.__name__, cls.__bases__, dict(cls.__dict__)))
            memo[id(self)] = copied
            copied.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return copied


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrised tensors, or that one."""
    found = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `module.tensor_name` be what `parametrization` makes of an original tensor.

    A `right_inverse` of the parametrization gives the original for the present value;
    without one it is the value itself. A second parametrization comes after the first.
    Raises: ValueError if there is no such tensor, or shape or dtype would change and
    `unsafe` is not set.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _extend(module, tensor_name, parametrization, unsafe)
        return module
    store = "_buffers" if tensor_name in module._buffers else "_parameters"
    if tensor_name not in module.__dict__[store]:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    found = ParametrizationList([parametrization], module.__dict__[store][tensor_name], unsafe)
    del module.__dict__[store][tensor_name]
    if not is_parametrized(module):
        cls = type(module)
        made = type(f"Parametrized{cls.__name__}", (_Parametrized, cls), {})
        module.__class__ = made
        module.add_module("parametrizations", ModuleDict())
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = found
    return module


def _extend(module: Module, tensor_name: str, parametrization: Module, unsafe: bool) -> None:
    found = module.parametrizations[tensor_name]
    if not unsafe:
        value = getattr(module, tensor_name)
        made = parametrization(value)
        if not isinstance(made, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
        if made.dtype is not value.dtype or made.shape != value.shape:
            raise ValueError(
                "Registering a parametrization may not change the dtype or the shape of the "
                f"tensor, unless the `unsafe` flag is enabled.\nmodule.{tensor_name}: "
                f"{value.dtype} {tuple(value.shape)}\nparametrization(module.{tensor_name}): "
                f"{made.dtype} {tuple(made.shape)}"
            )
        if hasattr(parametrization, "right_inverse"):
            with contextlib.suppress(NotImplementedError):
                back = parametrization.right_inverse(made)
                if not isinstance(back, Tensor):
                    raise ValueError(
                        "parametrization.right_inverse must return a tensor. Got: "
                        f"{type(back).__name__}"
                    )
    found.append(parametrization)
    found.unsafe |= unsafe


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make `module.tensor_name` a tensor again: its value now, or else the original.

    Raises: ValueError if it is not parametrised, or there are several originals and
    `leave_parametrized` is False.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    found = module.parametrizations[tensor_name]
    if found.is_tensor:
        original = found.original
        if leave_parametrized:
            with no_grad():
                value = getattr(module, tensor_name)
                original.data = value.detach().clone()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[1]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class of a module before it was parametrised."""
    return type(module).__bases__[1] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give `to_module` copies of the parametrizations of `from_module`, with their originals."""
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        for module in from_module.parametrizations[name]:
            register_parametrization(to_module, name, copy.deepcopy(module), unsafe=True)
        mine, theirs = to_module.parametrizations[name], from_module.parametrizations[name]
        for key in (*theirs._parameters, *theirs._buffers):
            getattr(mine, key).data = getattr(theirs, key).detach().clone()
    return to_module


__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]
