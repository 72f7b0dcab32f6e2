"""Padding layers. Public as `nn`."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..factory import pair
from .options import NEEDED, Options, options


class _Pad(Options):
    """`padding` is one number, or two for each axis, those of the last axis first."""

    _options = options(padding=NEEDED)
    mode = "constant"
    rank: int

    def _prepare(self) -> None:
        self.padding = pair(self.padding, 2 * self.rank, "padding")

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _options = options(padding=NEEDED, value=NEEDED)

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _CircularPad(_Pad):
    mode = "circular"

    def forward(self, input: Any) -> Any:
        if input.ndim not in (self.rank + 1, self.rank + 2):
            raise ValueError(
                f"expected {self.rank + 1}D or {self.rank + 2}D input (got {input.ndim}D input)"
            )
        return super().forward(input)


class ZeroPad1d(_Pad):
    """Zeros around the last axis."""

    rank = 1


class ZeroPad2d(_Pad):
    """Zeros around the last two axes."""

    rank = 2


class ZeroPad3d(_Pad):
    """Zeros around the last three axes."""

    rank = 3


class ConstantPad1d(_ConstantPad):
    """One value around the last axis."""

    rank = 1


class ConstantPad2d(_ConstantPad):
    """One value around the last two axes."""

    rank = 2


class ConstantPad3d(_ConstantPad):
    """One value around the last three axes."""

    rank = 3


class ReflectionPad1d(_Pad):
    """Mirrored edges around the last axis."""

    rank = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Mirrored edges around the last two axes."""

    rank = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """Mirrored edges around the last three axes."""

    rank = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Repeated edges around the last axis."""

    rank = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Repeated edges around the last two axes."""

    rank = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """Repeated edges around the last three axes."""

    rank = 3
    mode = "replicate"


class CircularPad1d(_CircularPad):
    """The other end around the last axis."""

    rank = 1


class CircularPad2d(_CircularPad):
    """The other end around the last two axes."""

    rank = 2


class CircularPad3d(_CircularPad):
    """The other end around the last three axes."""

    rank = 3
