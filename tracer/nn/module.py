"""`Module`: parameters, buffers and submodules by attribute name, and how a module is called.

Imported by the rest of nn and by the front door. `state.py` beside it saves and loads a
module's state.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ...ir.graph import Scope
from ...ir.types import DType, bfloat16, float16, float32, float64
from ..autograd import no_grad
from ..parameter import Parameter
from ..state import STATE, end_of_outermost_call, touch_module
from ..tensor import Tensor
from . import state as saved
from .hooks import RemovableHandle, add_hook

M = TypeVar("M", bound="Module")
_STORES = ("_parameters", "_buffers", "_modules")


class Module:
    """Base of all layers and models, with PyTorch's names and rules.

    A subclass calls `super().__init__()`, assigns parameters and submodules to attributes
    and defines `forward`. What a call records stands under a scope named after the
    attribute that holds the module.
    """

    training: bool
    _version = 1

    def __init__(self) -> None:
        put = object.__setattr__
        put(self, "training", True)
        put(self, "_parameters", {})
        put(self, "_buffers", {})
        put(self, "_non_persistent_buffers_set", set())
        put(self, "_modules", {})
        put(self, "_forward_pre_hooks", OrderedDict())
        put(self, "_forward_hooks", OrderedDict())
        put(self, "_state_dict_hooks", OrderedDict())
        put(self, "_state_dict_pre_hooks", OrderedDict())
        put(self, "_load_state_dict_pre_hooks", OrderedDict())
        put(self, "_load_state_dict_post_hooks", OrderedDict())
        put(self, "_scope_name", "")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        state = STATE
        if state.session is not None:
            touch_module(self)
        before = state.scope
        state.scope = Scope(self._scope_name or type(self).__name__, "module", before)
        state.module_depth += 1
        try:
            if self._forward_pre_hooks:
                args, kwargs = self._run_pre_hooks(args, kwargs)
            result = self.forward(*args, **kwargs)
            if self._forward_hooks:
                result = self._run_hooks(args, kwargs, result)
        finally:
            state.module_depth -= 1
            state.scope = before
        if state.module_depth == 0:
            end_of_outermost_call()
        return result

    def _run_pre_hooks(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        for hook, with_kwargs in list(self._forward_pre_hooks.values()):
            if with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not isinstance(changed, tuple) or len(changed) != 2:
                        raise RuntimeError(
                            "a forward pre-hook with kwargs must return None or a tuple "
                            f"(args, kwargs), got {changed!r}"
                        )
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        return args, kwargs

    def _run_hooks(self, args: tuple, kwargs: dict, result: Any) -> Any:
        for hook, with_kwargs in list(self._forward_hooks.values()):
            extra = (kwargs,) if with_kwargs else ()
            changed = hook(self, args, *extra, result)
            if changed is not None:
                result = changed
        return result

    # Attributes.

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
        elif isinstance(value, Module) and name not in self.__dict__.get("_parameters", ()):
            self._require_init("module")
            self._forget(name, "_modules")
            self._hold(name, value)
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
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._hold(name, module)

    register_module = add_module

    def get_submodule(self, target: str) -> Module:
        """The submodule at a dotted path; the module itself for the empty path.

        Raises: AttributeError naming the step that is missing.
        """
        module: Module = self
        for step in target.split(".") if target else ():
            if not hasattr(module, step):
                raise AttributeError(f"{type(module).__name__} has no attribute `{step}`")
            module = getattr(module, step)
            if not isinstance(module, Module):
                raise AttributeError(f"`{step}` is not a Module")
        return module

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
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted paths."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
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

    # Changes to all of a module.

    def train(self: M, mode: bool = True) -> M:
        """Set `training` here and below. Raises: ValueError if `mode` is not a bool."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """`train(False)`: dropout off, batch norm by its running statistics."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set `requires_grad` of all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for param in self.parameters():
            if set_to_none:
                param.grad = None  # unread: a compiled step need not guard what was there
            elif param.grad is not None:
                param.grad = param.grad.detach()
                param.grad.zero_()

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call `fn` with every module below and then with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: M, fn: Callable[[Tensor], Tensor]) -> M:
        """Replace the data of parameters, gradients and buffers by `fn` of it."""
        with no_grad():
            for param in self.parameters():
                param.data = fn(param.data)
                if param.grad is not None:
                    param.grad = fn(param.grad)
            seen: dict[int, Tensor] = {}
            for module in self.modules():
                for name, buffer in module._buffers.items():
                    if buffer is not None:
                        if id(buffer) not in seen:
                            seen[id(buffer)] = fn(buffer)
                        module._buffers[name] = seen[id(buffer)]
        return self

    def to(
        self: M, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False
    ) -> M:
        """Move parameters and buffers to a device, a floating dtype, or those of a tensor.

        Integer buffers keep their dtype. Raises: TypeError for an integer dtype.
        """
        for arg in args:
            if isinstance(arg, DType):
                dtype = arg
            elif isinstance(arg, Tensor):
                device, dtype = arg.device, arg.dtype
            elif not isinstance(arg, bool):
                device = arg
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(f"to: modules take floating or complex dtypes only, got {dtype}")

        def move(t: Tensor) -> Tensor:
            if dtype is not None and (t.dtype.is_floating_point or t.dtype.is_complex):
                t = t.to(dtype)
            return t if device is None else t.to(device)

        return self._apply(move)

    def type(self: M, dst_type: DType) -> M:
        """Convert floating parameters and buffers to `dst_type`."""
        return self.to(dst_type)

    def float(self: M) -> M:
        """Convert floating parameters and buffers to float32."""
        return self.to(float32)

    def double(self: M) -> M:
        """Convert floating parameters and buffers to float64."""
        return self.to(float64)

    def half(self: M) -> M:
        """Convert floating parameters and buffers to float16."""
        return self.to(float16)

    def bfloat16(self: M) -> M:
        """Convert floating parameters and buffers to bfloat16."""
        return self.to(bfloat16)

    def cpu(self: M) -> M:
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self: M, device: int | None = None) -> M:
        """Move to a CUDA device, the first by default."""
        return self.to("cuda" if device is None else f"cuda:{device}")

    # Hooks.

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; what it returns replaces the arguments."""
        return add_hook(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; what it returns replaces it."""
        return add_hook(self._forward_hooks, (hook, with_kwargs), prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before this module's state is read."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after it was read."""
        return add_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before this module's state is loaded."""
        return add_hook(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after this module and those below loaded."""
        return add_hook(self._load_state_dict_post_hooks, hook)

    # State.

    def state_dict(
        self,
        *,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted name; they share the module's storage."""
        return saved.save(self, destination, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> saved.IncompatibleKeys:
        """Copy a `state_dict` in; under `assign` its tensors take the place of our own.

        Values may be tensors, or anything NumPy can read (such as another library's).
        Raises: RuntimeError listing keys that are missing or unexpected (under `strict`)
        and shapes that differ; nothing is listed half: all of it comes in one message.
        """
        return saved.load(self, state_dict, strict, assign)

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        saved.save_own(self, destination, prefix, keep_vars)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        saved.load_own(
            *(self, state_dict, prefix, local_metadata, strict),
            *(missing_keys, unexpected_keys, error_msgs),
        )

    def get_extra_state(self) -> Any:
        """More state to save, for subclasses that define both this and `set_extra_state`."""
        raise RuntimeError("get_extra_state: subclasses that need it define it")

    def set_extra_state(self, state: Any) -> None:
        """Take the state that `get_extra_state` gave."""
        raise RuntimeError("set_extra_state: subclasses that need it define it")

    # Printing.

    def extra_repr(self) -> str:
        """What stands between the parentheses of `repr`."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indent(repr(module))}" for name, module in self._modules.items()]
        return bracketed(self._get_name(), lines, children)


def indent(text: str) -> str:
    """All lines but the first, two spaces further in."""
    return text.replace("\n", "\n  ")


def bracketed(name: str, lines: list[str], children: list[str]) -> str:
    """A module's printed form: on one line if it has one line and no children."""
    if not children and len(lines) <= 1:
        return f"{name}({''.join(lines)})"
    return "\n  ".join([f"{name}(", *lines, *children]) + "\n)"
