"""Dropout, changes of shape, distances. Public as `nn`."""

from __future__ import annotations

from typing import Any

from .. import functional as F
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


class Dropout3d(_Dropout):
    """Zero whole channels of (N, C, D, H, W) with probability `p` while training."""

    function = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance of what `SELU` gives."""

    function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels."""

    function = staticmethod(F.feature_alpha_dropout)


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
