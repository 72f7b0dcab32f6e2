"""Pooling layers. Public as `nn`."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..factory import pair
from .options import NEEDED, Options, options


class _MaxPool(Options):
    _options = options(
        kernel_size=NEEDED,
        stride=None,
        padding=0,
        dilation=1,
        return_indices=False,
        ceil_mode=False,
    )
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    function: Any

    def _prepare(self) -> None:
        if self.stride is None:
            self.stride = self.kernel_size

    def forward(self, input: Any) -> Any:
        return self.function(
            *(input, self.kernel_size, self.stride, self.padding),
            *(self.dilation, self.ceil_mode, self.return_indices),
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of (N, C, L)."""

    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, C, H, W); see `functional.max_pool2d`."""

    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W)."""

    function = staticmethod(F.max_pool3d)


class AvgPool1d(Options):
    """The mean of each window of (N, C, L)."""

    _options = options(
        kernel_size=NEEDED, stride=None, padding=0, ceil_mode=False, count_include_pad=True
    )
    _shown = ("kernel_size", "stride", "padding")

    def _prepare(self) -> None:
        self.kernel_size = pair(self.kernel_size, 1, "kernel_size")
        stride = self.kernel_size if self.stride is None else self.stride
        self.stride = pair(stride, 1, "stride")
        self.padding = pair(self.padding, 1, "padding")

    def forward(self, input: Any) -> Any:
        return F.avg_pool1d(
            *(input, self.kernel_size, self.stride, self.padding),
            *(self.ceil_mode, self.count_include_pad),
        )


class _AvgPool(Options):
    _options = options(**AvgPool1d._options, divisor_override=None)
    _shown = ("kernel_size", "stride", "padding")
    function: Any

    def _prepare(self) -> None:
        if self.stride is None:
            self.stride = self.kernel_size

    def forward(self, input: Any) -> Any:
        return self.function(
            *(input, self.kernel_size, self.stride, self.padding),
            *(self.ceil_mode, self.count_include_pad, self.divisor_override),
        )


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W); see `functional.avg_pool2d`."""

    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W)."""

    function = staticmethod(F.avg_pool3d)


class _Adaptive(Options):
    _options = options(output_size=NEEDED)
    _shown = ("output_size",)
    function: Any

    def forward(self, input: Any) -> Any:
        return self.function(input, self.output_size)


class AdaptiveAvgPool1d(_Adaptive):
    """Means of `output_size` parts of (N, C, L)."""

    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_Adaptive):
    """Means of `output_size` parts of (N, C, H, W)."""

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_Adaptive):
    """Means of `output_size` parts of (N, C, D, H, W)."""

    function = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_Adaptive):
    """The largest elements of `output_size` parts of (N, C, L)."""

    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_Adaptive):
    """The largest elements of `output_size` parts of (N, C, H, W)."""

    function = staticmethod(F.adaptive_max_pool2d)
