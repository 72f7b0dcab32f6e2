"""Normalisation layers. Public as `nn`."""

from __future__ import annotations

from typing import Any

from ....ir.errors import ShapeError
from ....ir.types import DType, int64
from ... import prims
from ...api.join import cat
from ...autograd import no_grad
from ...recording import user_error
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..factory import filled, new_parameter
from ..module import Module
from .options import NEEDED, Options, options


class _Affine(Module):
    """A layer with a weight that starts as ones and a bias that starts as zeros."""

    def _make_affine(
        self, shape: tuple[int, ...], weight: bool, bias: bool, device: Any, dtype: DType | None
    ) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            param = new_parameter(shape, dtype, device) if wanted else None
            self.register_parameter(name, param)

    def reset_parameters(self) -> None:
        """Weight to ones, bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self._parameters.get("bias") is not None:
            init.zeros_(self.bias)


class _Channels(_Affine):
    """Normalisation of channels, with running statistics."""

    _version = 2
    dims: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: DType | None,
        bias: bool,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        shape = (num_features,)
        self._make_affine(shape, affine, affine and bias, device, dtype)
        if track_running_stats:
            self.register_buffer("running_mean", filled(0, shape, dtype, device))
            self.register_buffer("running_var", filled(1, shape, dtype, device))
            self.register_buffer("num_batches_tracked", filled(0, (), int64, device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Running mean to 0, variance to 1, number of batches to 0."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Statistics, weight and bias to where they started."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_rank(self, input: Tensor) -> None:
        if input.ndim not in self.dims:
            wanted = " or ".join(f"{n}D" for n in self.dims)
            name = type(self).__name__
            raise user_error(
                ShapeError(
                    f"{name}: expected {wanted} input (got {input.ndim}D input of shape "
                    f"{tuple(input.shape)})"
                )
            )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict,
        *rest: Any,
    ) -> None:
        # Version 1 of the format did not count batches.
        key = prefix + "num_batches_tracked"
        old = (local_metadata.get("version") or 1) < 2
        if old and key not in state_dict and self.num_batches_tracked is not None:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Channels):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            *(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_rank(input)
        momentum: Any = 0.0 if self.momentum is None else self.momentum
        tracked = self.training and self.track_running_stats
        if tracked and self.num_batches_tracked is not None:
            with no_grad():
                count = self.num_batches_tracked
                count._write(prims.add(count, 1))
                if self.momentum is None:  # the plain average over all batches so far
                    momentum = prims.div(1.0, prims.convert(count, self.running_mean.dtype))
        by_batch = self.training or self.running_mean is None
        use_running = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.weight,
            self.bias,
            by_batch,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); see `functional.batch_norm`."""

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W); see `functional.batch_norm`."""

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W); see `functional.batch_norm`."""

    dims = (5,)


class _InstanceNorm(_Channels):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            *(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_rank(input)
        unbatched = input.ndim == self.dims[0]
        x = input.unsqueeze(0) if unbatched else input
        out = F.instance_norm(
            *(x, self.running_mean, self.running_var, self.weight, self.bias),
            *(self.training or not self.track_running_stats, self.momentum or 0.0, self.eps),
        )
        return out.squeeze(0) if unbatched else out


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L); see `functional.instance_norm`."""

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (N, C, H, W) or (C, H, W); see `functional.instance_norm`."""

    dims = (3, 4)


def _as_shape(shape: Any) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W)."""

    dims = (4, 5)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over a group of processes; here one process is the group."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            *(num_features, eps, momentum, affine, track_running_stats, device, dtype), bias=bias
        )
        self.process_group = process_group

    def _check_rank(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """`module` with each batch norm in it replaced by a `SyncBatchNorm` of its state."""
        made = module
        if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
            made = cls(
                *(module.num_features, module.eps, module.momentum, module.affine),
                *(module.track_running_stats, process_group),
                bias=module.bias is not None,
            )
            for store in ("_parameters", "_buffers"):
                made.__dict__[store] |= module.__dict__[store]
            made.training = module.training
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made


class _Neighbours(Options):
    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class LocalResponseNorm(_Neighbours):
    """Input divided by powers of neighbouring channels; see `functional.local_response_norm`."""

    _options = options(size=NEEDED, alpha=1e-4, beta=0.75, k=1.0)


class CrossMapLRN2d(_Neighbours):
    """`LocalResponseNorm` of images, whose window reaches equally far to both sides."""

    _options = options(size=NEEDED, alpha=1e-4, beta=0.75, k=1)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        reach = (self.size - 1) // 2
        squares = F.pad((input * input).unsqueeze(1), (0, 0, 0, 0, reach, reach))
        channels = input.shape[1]
        total = squares[:, 0, :channels]
        for i in range(1, 2 * reach + 1):
            total = total + squares[:, 0, i : i + channels]
        # PyTorch's window never lets go of the first channel.
        first = squares[:, 0, reach].unsqueeze(1)
        total = cat([total[:, : reach + 1], total[:, reach + 1 :] + first], 1)
        return input * (total * (self.alpha / self.size) + self.k) ** -self.beta


class LayerNorm(_Affine):
    """Normalisation of the last axes of each sample; see `functional.layer_norm`."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        affine = elementwise_affine
        self._make_affine(self.normalized_shape, affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """The last axes divided by their root mean square; see `functional.rms_norm`."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        param = None
        if elementwise_affine:
            param = new_parameter(self.normalized_shape, dtype, device)
        self.register_parameter("weight", param)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(_Affine):
    """Normalisation of groups of channels of each sample; see `functional.group_norm`."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make_affine((num_channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim > 1 and input.shape[1] != self.num_channels:
            raise user_error(
                ShapeError(
                    f"group_norm: expected {self.num_channels} channels at axis 1, got input of "
                    f"shape {tuple(input.shape)}"
                )
            )
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
