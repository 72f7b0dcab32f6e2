"""Layers that rearrange and resize images. Public as `nn`."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from .options import NEEDED, Options, options


class PixelShuffle(Options):
    """(*, C r², H, W) to (*, C, H r, W r); see `functional.pixel_shuffle`."""

    _options = options(upscale_factor=NEEDED)
    _shown = ("upscale_factor",)

    def forward(self, input: Any) -> Any:
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(Options):
    """(*, C, H r, W r) to (*, C r², H, W)."""

    _options = options(downscale_factor=NEEDED)
    _shown = ("downscale_factor",)

    def forward(self, input: Any) -> Any:
        return F.pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle(Options):
    """Channels of each group dealt out over all; see `functional.channel_shuffle`."""

    _options = options(groups=NEEDED)
    _shown = ("groups",)

    def forward(self, input: Any) -> Any:
        return F.channel_shuffle(input, self.groups)


class Unfold(Options):
    """Sliding blocks of images as columns; see `functional.unfold`."""

    _options = options(kernel_size=NEEDED, dilation=1, padding=0, stride=1)
    _shown = ("kernel_size", "dilation", "padding", "stride")

    def forward(self, input: Any) -> Any:
        return F.unfold(input, *(getattr(self, key) for key in self._options))


class Fold(Options):
    """The opposite of `Unfold`: blocks put back, added where they overlap."""

    _options = options(output_size=NEEDED, kernel_size=NEEDED, dilation=1, padding=0, stride=1)
    _shown = ("output_size", "kernel_size", "dilation", "padding", "stride")

    def forward(self, input: Any) -> Any:
        return F.fold(input, *(getattr(self, key) for key in self._options))


class Upsample(Options):
    """Images at another size, given or by a factor; see `functional.interpolate`."""

    _options = options(
        size=None,
        scale_factor=None,
        mode="nearest",
        align_corners=None,
        recompute_scale_factor=None,
    )

    def _prepare(self) -> None:
        self.name = type(self).__name__
        factor = self.scale_factor
        if isinstance(factor, (tuple, list)):
            self.scale_factor = tuple(float(f) for f in factor)
        elif factor:
            self.scale_factor = float(factor)

    def forward(self, input: Any) -> Any:
        return F.interpolate(
            *(input, self.size, self.scale_factor, self.mode, self.align_corners),
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class _Upsampling(Upsample):
    _options = options(size=None, scale_factor=None)
    _mode = "nearest"
    _align: bool | None = None

    def _prepare(self) -> None:
        self.mode, self.align_corners = self._mode, self._align
        self.recompute_scale_factor = None
        super()._prepare()


class UpsamplingNearest2d(_Upsampling):
    """(N, C, H, W) at another size, each element the nearest one."""


class UpsamplingBilinear2d(_Upsampling):
    """(N, C, H, W) at another size, linear between elements, corners aligned."""

    _mode = "bilinear"
    _align = True
