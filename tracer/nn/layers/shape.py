"""Dropout, changes of shape, padding, distances. Public as `nn`."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..factory import pair
from .options import NEEDED, Options, options


class _Dropout(Options):
    _options = options(p=0.5, inplace=False)
    _shown = ("p", "inplace")
    function: Any

    def _prepare(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {self.p}")

    def forward(self, input: Any) -> Any:
        return self.function(input, self.p, self.training, self.inplace)


class Dropout(_Dropout):
    """Zero elements with probability `p` while training; see `functional.dropout`."""

    function = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """Zero whole channels of (N, C, L) with probability `p` while training."""

    function = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """Zero whole channels of (N, C, H, W) with probability `p` while training."""

    function = staticmethod(F.dropout2d)


class Flatten(Options):
    """The axes from `start_dim` to `end_dim` as one."""

    _options = options(start_dim=1, end_dim=-1)
    _shown = ("start_dim", "end_dim")

    def forward(self, input: Any) -> Any:
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(Options):
    """One axis as several."""

    _options = options(dim=NEEDED, unflattened_size=NEEDED)
    _shown = ("dim", "unflattened_size")

    def forward(self, input: Any) -> Any:
        return input.unflatten(self.dim, self.unflattened_size)


class _Pad(Options):
    _options = options(padding=NEEDED)
    mode = "constant"
    rank: int

    def _prepare(self) -> None:
        self.padding = pair(self.padding, 2 * self.rank, "padding")

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(_Pad):
    """Zeros around the last two axes: (left, right, top, bottom) or one number."""

    rank = 2


class ReflectionPad2d(_Pad):
    """The last two axes mirrored at their edges."""

    rank = 2
    mode = "reflect"


class ReplicationPad2d(_Pad):
    """The edges of the last two axes repeated."""

    rank = 2
    mode = "replicate"


class ConstantPad2d(_Pad):
    """One value around the last two axes."""

    _options = options(padding=NEEDED, value=NEEDED)
    rank = 2

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class CosineSimilarity(Options):
    """The cosine of the angle between two inputs along `dim`."""

    _options = options(dim=1, eps=1e-8)

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Options):
    """The p-norm of the difference along the last axis."""

    _options = options(p=2.0, eps=1e-6, keepdim=False)

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)
