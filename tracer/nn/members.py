"""`Members`: what a module holds under attribute names, and how it is found again.

Imported by `module` alone, which is the class that users see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..parameter import Parameter
from ..tensor import Tensor
from .hooks import Hooks

if TYPE_CHECKING:
    from .module import Module

_STORES = ("_parameters", "_buffers", "_modules")


class Members:
    """Parameters, buffers and submodules, with PyTorch's rules for attributes."""

    training: bool
    _forward_pre_hooks = Hooks()
    _forward_hooks = Hooks()
    _backward_pre_hooks = Hooks()
    _backward_hooks = Hooks()
    _state_dict_pre_hooks = Hooks()
    _state_dict_hooks = Hooks()
    _load_state_dict_pre_hooks = Hooks()
    _load_state_dict_post_hooks = Hooks()

    def __init__(self) -> None:
        put = object.__setattr__
        put(self, "training", True)
        put(self, "_parameters", {})
        put(self, "_buffers", {})
        put(self, "_non_persistent_buffers_set", set())
        put(self, "_modules", {})
        put(self, "_scope_name", "")

    def __getattr__(self, name: str) -> Any:
        attributes = self.__dict__
        for store in _STORES:
            found = attributes.get(store)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Tensor) and value.__dict__.get("_is_buffer"):
            self._forget(name, "_buffers")
            self.register_buffer(name, value, value.persistent)  # type: ignore[attr-defined]
        elif isinstance(value, Members) and name not in self.__dict__.get("_parameters", ()):
            self._require_init("module")
            self._forget(name, "_modules")
            self._hold(name, value)  # type: ignore[arg-type]
        else:
            attributes = self.__dict__
            for store, kind in zip(_STORES, ("parameter", "buffer", "module"), strict=True):
                if name in attributes.get(store, ()):
                    if value is not None and not (kind == "buffer" and isinstance(value, Tensor)):
                        wanted = {"parameter": "Parameter", "buffer": "Tensor", "module": "Module"}
                        raise TypeError(
                            f"cannot assign {type(value).__name__!r} as {kind} {name!r} "
                            f"({wanted[kind]} or None expected)"
                        )
                    attributes[store][name] = value
                    return
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for store in _STORES:
            if name in self.__dict__.get(store, ()):
                del self.__dict__[store][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = set(object.__dir__(self))
        for store in _STORES:
            names.update(self.__dict__.get(store, ()))
        return sorted(n for n in names if not n[:1].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _require_init(self, kind: str) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")

    def _forget(self, name: str, kept: str) -> None:
        """Drop what `name` held, but in the store where it is replaced in its place."""
        attributes = self.__dict__
        attributes.pop(name, None)
        for store in _STORES:
            if store != kept:
                attributes.get(store, {}).pop(name, None)
        attributes.get("_non_persistent_buffers_set", set()).discard(name)

    def _hold(self, name: str, module: Module | None) -> None:
        self._modules[name] = module
        if module is not None:
            module._set_scope_name(name)

    def _set_scope_name(self, name: str) -> None:
        object.__setattr__(self, "_scope_name", name)

    def _check_name(self, kind: str, name: Any, store: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string, got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got {name!r}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[store]:
            raise KeyError(f"attribute {name!r} already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under `name`; None reserves the name.

        Raises: KeyError for a bad or taken name, TypeError if it is not a Parameter.
        """
        self._require_init("parameters")
        self._check_name("parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {type(param).__name__!r} object to parameter {name!r} "
                "(Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"cannot assign a tensor with history to parameter {name!r}: a parameter is a leaf"
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but no parameter; `state_dict` has the persistent ones.

        Raises: KeyError for a bad or taken name, TypeError if it is not a tensor.
        """
        self._require_init("buffers")
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign {type(tensor).__name__!r} object to buffer {name!r} "
                "(Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under `name`. Raises: KeyError for a bad name, TypeError."""
        self._require_init("module")
        if module is not None and not isinstance(module, Members):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._hold(name, module)

    register_module = add_module

    def get_submodule(self, target: str) -> Module:
        """The submodule at a dotted path; the module itself for the empty path.

        Raises: AttributeError naming the step that is missing.
        """
        module: Any = self
        for step in target.split(".") if target else ():
            if not hasattr(module, step):
                raise AttributeError(f"{type(module).__name__} has no attribute `{step}`")
            module = getattr(module, step)
            if not isinstance(module, Members):
                raise AttributeError(f"`{step}` is not a Module")
        return module  # type: ignore[return-value]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` in the place of the submodule at a dotted path.

        Raises: ValueError for the empty path or what is no module, AttributeError for a step
        that is missing; under `strict` also if there is no such submodule yet.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        if not isinstance(module, Members):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Members):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. Raises: AttributeError."""
        return self._get(target, "_parameters", "a Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path. Raises: AttributeError."""
        return self._get(target, "_buffers", "a buffer")

    def _get(self, target: str, store: str, kind: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if name not in module.__dict__[store]:
            raise AttributeError(f"`{name}` is not {kind}")
        return module.__dict__[store][name]

    # Iteration. A parameter or module that is held twice comes once, under its first name.

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted paths."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self  # type: ignore[misc]
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules held directly, with their names."""
        memo: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in memo:
                memo.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules held directly."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, store: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        memo: set[int] = set()
        owners = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else ((prefix, self),)
        )
        for path, module in owners:
            for name, member in module.__dict__[store].items():
                if member is None or id(member) in memo:
                    continue
                if remove_duplicate:
                    memo.add(id(member))
                yield f"{path}.{name}" if path else name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with dotted names."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, each once."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with dotted names."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer
