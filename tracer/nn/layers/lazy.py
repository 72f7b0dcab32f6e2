"""Layers that learn from their first input how wide it is. Public as `nn`.

Their parameters have no shape until the first call, or until a state dict is loaded; then
the module becomes its ordinary class.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ....ir.types import DType, int64
from ...tensor import Tensor
from ..factory import filled
from ..module import Module
from ..uninitialized import UninitializedBuffer, UninitializedParameter, is_lazy
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from .linear import Linear
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)


class LazyModuleMixin(Module):
    """A module whose `initialize_parameters(*args)` settles the shapes at the first call."""

    cls_to_become: ClassVar[type[Module] | None] = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._load_hook = self.register_load_state_dict_pre_hook(_take_shapes)
        self._initialize_hook = self.register_forward_pre_hook(_infer, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give every parameter its shape, from what `forward` is called with."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    def reset_parameters(self) -> None:
        """As in the class to become, once there are shapes."""
        if not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]


def _infer(module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(
            f"module {module._get_name()} has not been fully initialized by its "
            "initialize_parameters"
        )
    for name in ("_initialize_hook", "_load_hook"):
        module.__dict__.pop(name).remove()
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


def _take_shapes(module: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    for store in (module._parameters, module._buffers):
        for name, t in store.items():
            found = state.get(prefix + name)
            if is_lazy(t) and found is not None and not is_lazy(found):
                t.materialize(tuple(found.shape))


def _lazily(module: Module, name: str, wanted: Any, dtype: DType | None, device: Any) -> None:
    made = UninitializedParameter(device=device, dtype=dtype) if wanted else None
    module.register_parameter(name, made)


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` whose `in_features` are those of its first input."""

    cls_to_become = Linear

    def __init__(
        self,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__(0, 0, False)
        self.out_features = out_features
        _lazily(self, "weight", True, dtype, device)
        _lazily(self, "bias", bias, dtype, device)

    def initialize_parameters(self, input: Tensor) -> None:  # type: ignore[override]
        """Shapes by the last size of `input`."""
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            weight: Any = self.weight
            weight.materialize((self.out_features, self.in_features))
            bias: Any = self.bias
            if bias is not None:
                bias.materialize((self.out_features,))
            self.reset_parameters()
        elif self.in_features == 0:
            self.in_features = self.weight.shape[-1]


class _LazyConv(LazyModuleMixin):
    def _defer(self, out_channels: int, bias: bool, dtype: DType | None, device: Any) -> None:
        self.out_channels = out_channels
        _lazily(self, "weight", True, dtype, device)
        _lazily(self, "bias", bias, dtype, device)

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Shapes by the channels of `input`."""
        rank = self.rank
        if not self.has_uninitialized_params():
            return
        if input.ndim not in (rank + 1, rank + 2):
            raise RuntimeError(
                f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to "
                f"{self._get_name()}, but got input of size: {tuple(input.shape)}"
            )
        self.in_channels = input.shape[-rank - 1]
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        sides = (self.out_channels, self.in_channels // self.groups)
        if self.transposed:
            sides = (self.in_channels, self.out_channels // self.groups)
        self.weight.materialize((*sides, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyForward(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__(
            *(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode),
            *(device, dtype),
        )
        self._defer(out_channels, bias, dtype, device)


class _LazyTransposed(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__(
            *(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation),
            *(padding_mode, device, dtype),
        )
        self._defer(out_channels, bias, dtype, device)


class _LazyNorm(LazyModuleMixin):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=bias)
        self.affine = affine
        self.track_running_stats = track_running_stats
        _lazily(self, "weight", affine, dtype, device)
        _lazily(self, "bias", affine and bias, dtype, device)
        if track_running_stats:
            for name in ("running_mean", "running_var"):
                self._buffers[name] = UninitializedBuffer(device=device, dtype=dtype)
            self._buffers["num_batches_tracked"] = filled(0, (), int64, device)

    def initialize_parameters(self, input: Tensor) -> None:  # type: ignore[override]
        """Shapes by the channels of `input`, axis 1."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        for t in (*self._parameters.values(), *self._buffers.values()):
            if is_lazy(t):
                t.materialize((self.num_features,))
        self.reset_parameters()


def _lazy(base: type[Module], lazy: type[LazyModuleMixin]) -> Any:
    name = f"Lazy{base.__name__}"
    doc = f"A `{base.__name__}` whose channels are counted at its first input."
    return type(name, (lazy, base), {"cls_to_become": base, "__doc__": doc})


LazyConv1d = _lazy(Conv1d, _LazyForward)
LazyConv2d = _lazy(Conv2d, _LazyForward)
LazyConv3d = _lazy(Conv3d, _LazyForward)
LazyConvTranspose1d = _lazy(ConvTranspose1d, _LazyTransposed)
LazyConvTranspose2d = _lazy(ConvTranspose2d, _LazyTransposed)
LazyConvTranspose3d = _lazy(ConvTranspose3d, _LazyTransposed)
LazyBatchNorm1d = _lazy(BatchNorm1d, _LazyNorm)
LazyBatchNorm2d = _lazy(BatchNorm2d, _LazyNorm)
LazyBatchNorm3d = _lazy(BatchNorm3d, _LazyNorm)
LazyInstanceNorm1d = _lazy(InstanceNorm1d, _LazyNorm)
LazyInstanceNorm2d = _lazy(InstanceNorm2d, _LazyNorm)
LazyInstanceNorm3d = _lazy(InstanceNorm3d, _LazyNorm)
