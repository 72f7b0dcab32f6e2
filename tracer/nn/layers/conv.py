"""Convolution layers. Public as `nn`."""

from __future__ import annotations

import math
from typing import Any

from ....ir.types import DType
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..factory import new_parameter, pair
from ..functional.conv import same_padding
from ..module import Module

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What convolutions share; `rank` is the number of spatial axes."""

    rank: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: DType | None,
    ):
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {set(_PADDING_MODES)}, but got {padding_mode!r}"
            )
        rank = self.rank
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size, rank, "kernel_size")
        self.stride = pair(stride, rank, "stride")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of 'same', 'valid'"
                )
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
            self.padding: Any = padding
        else:
            self.padding = pair(padding, rank, "padding")
        self.dilation = pair(dilation, rank, "dilation")
        self.output_padding = pair(output_padding, rank, "output_padding")
        self.groups = groups
        self.padding_mode = padding_mode
        sides = (out_channels, in_channels // groups)
        if self.transposed:
            sides = (in_channels, out_channels // groups)
        self.weight = new_parameter((*sides, *self.kernel_size), dtype, device)
        if bias:
            self.bias = new_parameter((out_channels,), dtype, device)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform in +-1 / sqrt(fan_in)."""
        if not self.weight._type.numel:
            return
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in)
            init.uniform_(self.bias, -bound, bound)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input padded by a mode that convolution lacks, and the padding left to do."""
        if self.padding_mode == "zeros":
            return input, self.padding
        if self.padding == "same":
            low, high = same_padding(self.kernel_size, self.dilation)
        elif self.padding == "valid":
            low = high = (0,) * self.rank
        else:
            low = high = self.padding
        amounts: list[int] = []
        for before, after in zip(reversed(low), reversed(high), strict=True):
            amounts += [before, after]
        return F.pad(input, amounts, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        if self.padding != (0,) * self.rank:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.rank:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * self.rank:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Forward(_Conv):
    function: Any

    def __init__(
        self,
        in_channels: int,
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
            *(in_channels, out_channels, kernel_size, stride, padding, 0, dilation),
            *(groups, bias, padding_mode, device, dtype),
        )

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return self.function(
            *(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        )


class Conv1d(_Forward):
    """Correlation over (N, C, L) or (C, L); see `functional.conv1d`."""

    rank = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Forward):
    """Correlation over (N, C, H, W) or (C, H, W); see `functional.conv2d`."""

    rank = 2
    function = staticmethod(F.conv2d)


class Conv3d(_Forward):
    """Correlation over (N, C, D, H, W) or (C, D, H, W); see `functional.conv3d`."""

    rank = 3
    function = staticmethod(F.conv3d)


class _Transposed(_Conv):
    transposed = True
    function: Any

    def __init__(
        self,
        in_channels: int,
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
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            *(in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation),
            *(groups, bias, padding_mode, device, dtype),
        )

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        return self.function(
            *(input, self.weight, self.bias, self.stride, self.padding),
            *(extra, self.groups, self.dilation),
        )

    def _extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`. Raises: ValueError if none does."""
        wanted = tuple(output_size)[-self.rank :]
        out = []
        for i, size in enumerate(input.shape[-self.rank :]):
            least = (size - 1) * self.stride[i] - 2 * self.padding[i]
            least += self.dilation[i] * (self.kernel_size[i] - 1) + 1
            if not least <= wanted[i] < least + self.stride[i]:
                raise ValueError(
                    f"requested an output size of {wanted}, but valid sizes at axis {i} range "
                    f"from {least} to {least + self.stride[i] - 1} (for an input of {input.shape})"
                )
            out.append(wanted[i] - least)
        return tuple(out)


class ConvTranspose1d(_Transposed):
    """The gradient of a `Conv1d` by its input, as a layer."""

    rank = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_Transposed):
    """The gradient of a `Conv2d` by its input, as a layer."""

    rank = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_Transposed):
    """The gradient of a `Conv3d` by its input, as a layer."""

    rank = 3
    function = staticmethod(F.conv_transpose3d)
