"""Modules that hold modules or parameters. Imported by `nn` and by the layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..parameter import Parameter
from ..tensor import Tensor
from .module import Module, bracketed, indent


def _position(length: int, i: Any, what: str) -> int:
    """`i` counted from 0. Raises: IndexError."""
    try:
        i = i.__index__()
    except AttributeError:
        raise TypeError(f"{what} indices must be integers, got {type(i).__name__}") from None
    if not -length <= i < length:
        raise IndexError(f"index {i} is out of range")
    return i % length


class _Named(Module):
    """A container whose members are called by themselves: their scopes carry its name."""

    def _set_scope_name(self, name: str) -> None:
        super()._set_scope_name(name)
        for key, module in self._modules.items():
            if module is not None:
                module._set_scope_name(f"{name}.{key}")

    def _hold(self, name: str, module: Module | None) -> None:
        self._modules[name] = module
        if module is not None:
            module._set_scope_name(f"{self._scope_name}.{name}" if self._scope_name else name)


class _List(Module):
    """What Sequential and ModuleList share: members under the names 0, 1, 2, ..."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, i: Any) -> Any:
        members = list(self._modules.values())
        if isinstance(i, slice):
            return self._of(list(self._modules.items())[i])
        return members[_position(len(members), i, type(self).__name__)]

    def _of(self, items: list[tuple[str, Any]]) -> Any:
        return type(self)(*(m for _, m in items))

    def __setitem__(self, i: Any, module: Module) -> None:
        names = list(self._modules)
        setattr(self, names[_position(len(names), i, type(self).__name__)], module)

    def __delitem__(self, i: Any) -> None:
        members = list(self._modules.values())
        if isinstance(i, slice):
            del members[i]
        else:
            del members[_position(len(members), i, type(self).__name__)]
        self._refill(members)

    def _refill(self, members: list[Any]) -> None:
        self._modules.clear()
        for i, module in enumerate(members):
            self.add_module(str(i), module)

    def __add__(self, other: Iterable[Module]) -> Any:
        return self._of([(str(i), m) for i, m in enumerate((*self, *other))])

    def __iadd__(self, other: Iterable[Module]) -> Any:
        return self.extend(other)

    def append(self, module: Module) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end. Raises: TypeError if `modules` cannot be iterated over."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"extend: expected an iterable, got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Add a module before the one at `index`."""
        members = list(self)
        members.insert(index, module)
        self._refill(members)
        return self

    def pop(self, key: Any = -1) -> Any:
        """Take out a module and return it."""
        found = self[key]
        del self[key]
        return found


class Sequential(_List):
    """Calls its modules one after the other, each with what the one before returned."""

    def __init__(self, *args: Any):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            named = args[0].items()
        else:
            named = ((str(i), module) for i, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def _of(self, items: list[tuple[str, Any]]) -> Any:
        names = [name for name, _ in items]
        if len(set(names)) == len(names):  # a slice keeps its names
            return type(self)(dict(items))
        return type(self)(*(m for _, m in items))

    def _refill(self, members: list[Any]) -> None:
        names = list(self._modules)
        if any(not n.isdigit() for n in names) and len(members) < len(names):
            kept = {id(m) for m in members}
            for name in [n for n, m in self._modules.items() if id(m) not in kept]:
                del self._modules[name]
        else:
            super()._refill(members)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


class ModuleList(_Named, _List):
    """A list of modules that counts as submodules."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _of(self, items: list[tuple[str, Any]]) -> Any:
        return type(self)([m for _, m in items])

    def insert(self, index: int, module: Module) -> None:
        """Add a module before the one at `index`."""
        super().insert(index, module)

    def __repr__(self) -> str:
        """Neighbours that print alike are printed once, with their range and number."""
        groups: list[tuple[int, int, str]] = []
        for i, text in enumerate(map(repr, self)):
            if groups and groups[-1][2] == text:
                groups[-1] = (groups[-1][0], i, text)
            else:
                groups.append((i, i, text))
        children = [
            f"({first}): {indent(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {indent(text)}"
            for first, last, text in groups
        ]
        return bracketed(self._get_name(), [], children)


class ModuleDict(_Named):
    """A dictionary of modules that count as submodules, in order of insertion."""

    def __init__(self, modules: Any = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]  # type: ignore[return-value]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take out a module and return it. Raises: KeyError."""
        found = self[key]
        del self[key]
        return found

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and modules."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Add modules from a mapping or from pairs of name and module."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"update: expected an iterable, got {type(modules).__name__}")
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        for key, module in pairs:
            self[key] = module


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if type(value) is Tensor else value


class ParameterList(Module):
    """A list of parameters that count as the module's own; tensors become parameters."""

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        object.__setattr__(self, "_size", 0)
        if values is not None:
            self.extend(values)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter(self[i] for i in range(len(self)))

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return type(self)(self[j] for j in range(*i.indices(len(self))))
        return getattr(self, str(_position(len(self), i, "ParameterList")))

    def __setitem__(self, i: Any, value: Any) -> None:
        setattr(self, str(_position(len(self), i, "ParameterList")), _as_parameter(value))

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end."""
        i = len(self)
        object.__setattr__(self, "_size", i + 1)
        self[i] = value
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add values at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(f"extend: expected an iterable, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        return "\n".join(_describe(str(i), x, x.dtype) for i, x in enumerate(self))


class ParameterDict(Module):
    """A dictionary of parameters that count as the module's own; tensors become parameters."""

    def __init__(self, parameters: Any = None):
        super().__init__()
        object.__setattr__(self, "_keys", {})
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a ParameterDict key must be a string, got {type(key).__name__}")
        self._keys[key] = None
        setattr(self, key, _as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._keys.keys()

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return (self[k] for k in self._keys)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and parameters."""
        return ((k, self[k]) for k in self._keys)

    def update(self, parameters: Any) -> None:
        """Add parameters from a mapping or from pairs of name and parameter."""
        mapping = isinstance(parameters, (Mapping, ParameterDict))
        for key, value in parameters.items() if mapping else parameters:
            self[key] = value

    def extra_repr(self) -> str:
        return "\n".join(_describe(key, x, x.type()) for key, x in self.items())


def _describe(name: str, value: Any, type_: Any) -> str:
    if not isinstance(value, Tensor):
        return f"  ({name}): Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    size = "x".join(map(str, value.shape))
    return f"  ({name}): {kind} containing: [{type_} of size {size}]"
