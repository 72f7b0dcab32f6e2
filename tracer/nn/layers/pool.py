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


class _AdaptiveMax(_Adaptive):
    _options = options(output_size=NEEDED, return_indices=False)

    def forward(self, input: Any) -> Any:
        return self.function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """The largest elements of `output_size` parts of (N, C, L)."""

    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """The largest elements of `output_size` parts of (N, C, H, W)."""

    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMax):
    """The largest elements of `output_size` parts of (N, C, D, H, W)."""

    function = staticmethod(F.adaptive_max_pool3d)


class _LPPool(Options):
    _options = options(norm_type=NEEDED, kernel_size=NEEDED, stride=None, ceil_mode=False)
    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")
    function: Any

    def forward(self, input: Any) -> Any:
        p = float(self.norm_type)
        return self.function(input, p, self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPool):
    """The `norm_type`-norm of each window of (N, C, L)."""

    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """The `norm_type`-norm of each window of (N, C, H, W)."""

    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """The `norm_type`-norm of each window of (N, C, D, H, W)."""

    function = staticmethod(F.lp_pool3d)


class _MaxUnpool(Options):
    _options = options(kernel_size=NEEDED, stride=None, padding=0)
    _shown = ("kernel_size", "stride", "padding")
    rank: int
    function: Any

    def _prepare(self) -> None:
        self.kernel_size = pair(self.kernel_size, self.rank, "kernel_size")
        stride = self.kernel_size if self.stride is None else self.stride
        self.stride = pair(stride, self.rank, "stride")
        self.padding = pair(self.padding, self.rank, "padding")

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        windows = (self.kernel_size, self.stride, self.padding)
        return self.function(input, indices, *windows, output_size)


class MaxUnpool1d(_MaxUnpool):
    """What `MaxPool1d` took put back where it was, zeros elsewhere."""

    rank = 1
    function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """What `MaxPool2d` took put back where it was, zeros elsewhere."""

    rank = 2
    function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """What `MaxPool3d` took put back where it was, zeros elsewhere."""

    rank = 3
    function = staticmethod(F.max_unpool3d)


class _FractionalMaxPool(Options):
    _options = options(
        kernel_size=NEEDED,
        output_size=None,
        output_ratio=None,
        return_indices=False,
        _random_samples=None,
    )
    rank: int
    function: Any

    def _prepare(self) -> None:
        self.register_buffer("_random_samples", self.__dict__.pop("_random_samples"))
        self.kernel_size = pair(self.kernel_size, self.rank, "kernel_size")
        if self.output_size is not None:
            self.output_size = pair(self.output_size, self.rank, "output_size")
        if (self.output_size is None) == (self.output_ratio is None):
            raise ValueError(
                f"{type(self).__name__} requires specifying either an output size, or a pooling "
                "ratio, and not both"
            )
        if self.output_ratio is not None:
            ratio = self.output_ratio
            ratios = tuple(ratio) if isinstance(ratio, (tuple, list)) else (ratio,) * self.rank
            self.output_ratio = ratios
            if not all(0 < r < 1 for r in ratios):
                raise ValueError(f"output_ratio must be between 0 and 1 (got {ratio})")

    def forward(self, input: Any) -> Any:
        return self.function(
            *(input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices),
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest elements of windows of random steps over (N, C, H, W)."""

    rank = 2
    function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest elements of windows of random steps over (N, C, D, H, W)."""

    rank = 3
    function = staticmethod(F.fractional_max_pool3d)
