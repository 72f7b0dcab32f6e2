"""`Module`: how a module is called, changed as a whole, saved, loaded and printed.

`members.py` beside it holds parameters and submodules, `state.py` saves and loads them.
Imported by the rest of nn and by the front door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...ir.graph import Scope
from ...ir.types import DType, bfloat16, float16, float32, float64
from ..autograd import no_grad
from ..formats import MemoryFormat
from ..state import STATE, end_of_outermost_call, touch_module
from ..tensor import Tensor
from . import init
from . import state as saved
from .backward_hooks import WatchedCall
from .factory import filled
from .hooks import RemovableHandle, add_hook, hooks_of
from .members import Members

M = TypeVar("M", bound="Module")


class Module(Members):
    """Base of all layers and models, with PyTorch's names and rules.

    A subclass calls `super().__init__()`, assigns parameters and submodules to attributes
    and defines `forward`. What a call records stands under a scope named after the
    attribute that holds the module.
    """

    _version = 1
    dump_patches = False
    call_super_init = False
    _compiled_call: Callable[..., Any] | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._compiled_call is not None:
            return self._compiled_call(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        state = STATE
        if state.session is not None:
            touch_module(self)
        before = state.scope
        state.scope = Scope(self._scope_name or type(self).__name__, "module", before)
        state.module_depth += 1
        hooks = self.__dict__.get  # without making dictionaries for them
        try:
            if hooks("_forward_pre_hooks"):
                args, kwargs = self._run_pre_hooks(args, kwargs)
            watched = None
            if hooks("_backward_hooks") or hooks("_backward_pre_hooks"):
                watched = WatchedCall(self)
                args = watched.inputs(args)
            result = self.forward(*args, **kwargs)
            if hooks("_forward_hooks"):
                result = self._run_hooks(args, kwargs, result)
            if watched is not None:
                result = watched.outputs(result)
        except Exception:
            if hooks("_forward_hooks"):
                self._run_hooks(args, kwargs, None, after_error=True)
            raise
        finally:
            state.module_depth -= 1
            state.scope = before
        if state.module_depth == 0:
            end_of_outermost_call()
        return result

    def _run_pre_hooks(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        for hook, with_kwargs in hooks_of(self, "_forward_pre_hooks"):
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

    def _run_hooks(self, args: tuple, kwargs: dict, result: Any, after_error: bool = False) -> Any:
        for hook, with_kwargs, always in hooks_of(self, "_forward_hooks"):
            if after_error and not always:
                continue
            extra = (kwargs,) if with_kwargs else ()
            changed = hook(self, args, *extra, result)
            if changed is not None:
                result = changed
        return result

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
                if param.grad.requires_grad:
                    param.grad = param.grad.detach()
                init.zeros_(param.grad)

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
        self: M,
        *args: Any,
        device: Any = None,
        dtype: Any = None,
        non_blocking: bool = False,
        memory_format: MemoryFormat | None = None,
    ) -> M:
        """Move parameters and buffers to a device, a floating dtype, or those of a tensor.

        Integer buffers keep their dtype. `memory_format` concerns those of 4 or 5 dimensions.
        Raises: TypeError for an integer dtype.
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
            if device is not None:
                t = t.to(device)
            if memory_format is not None and t.ndim in (4, 5):
                t = t.contiguous(memory_format=memory_format)
            return t

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

    def share_memory(self: M) -> M:
        """The module itself: processes share no tensors here."""
        return self

    def to_empty(self: M, *, device: Any, recurse: bool = True) -> M:
        """Move to a device without the data: parameters and buffers are zeros there."""
        for module in self.modules() if recurse else (self,):
            with no_grad():
                for param in module._parameters.values():
                    if param is not None:
                        param.data = _blank(param, device)
                for name, buffer in module._buffers.items():
                    if buffer is not None:
                        module._buffers[name] = _blank(buffer, device)
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Calls of this module run compiled from now on; the options are `thrace.compile`'s."""
        from ..compile import compile

        object.__setattr__(self, "_compiled_call", compile(self._call_impl, *args, **kwargs))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("_compiled_call", None)  # a copy compiles for itself
        return state

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
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; what it returns replaces it.

        Under `always_call` also when `forward` raises, with None for the output.
        """
        return add_hook(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the gradient of a call is computed; what it
        returns replaces the gradients of the results."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` once the gradients of a call's positional
        arguments are known; what it returns replaces them."""
        return add_hook(self._backward_hooks, hook, prepend)

    register_backward_hook = register_full_backward_hook

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


def _blank(t: Tensor, device: Any) -> Tensor:
    return filled(0, t._type.shape, t._type.dtype, device)


def indent(text: str) -> str:
    """All lines but the first, two spaces further in."""
    return text.replace("\n", "\n  ")


def bracketed(name: str, lines: list[str], children: list[str]) -> str:
    """A module's printed form: on one line if it has one line and no children."""
    if not children and len(lines) <= 1:
        return f"{name}({''.join(lines)})"
    return "\n  ".join([f"{name}(", *lines, *children]) + "\n)"
