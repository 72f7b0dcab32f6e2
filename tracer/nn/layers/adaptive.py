"""Softmax over many classes, rare ones in clusters. Public as `nn`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ....ir.errors import AxisError, ShapeError
from ....ir.types import DType
from ... import prims
from ...api.common import require
from ...api.join import cat
from ...recording import user_error
from ...tensor import Tensor
from .. import functional as F
from ..containers import ModuleList, Sequential
from ..module import Module
from .linear import Linear


class ASMoutput(NamedTuple):
    """Log-probabilities of the targets, and the mean of their negatives."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-softmax in which rare classes share an entry of the head and have small layers.

    Classes are in order of frequency; `cutoffs` say where clusters begin. Each cluster's
    features are fewer than the ones before by the factor `div_value`.
    Shapes: input (N, in_features) or (in_features), target (N) or ().
    Source: Grave et al. 2017, arXiv:1609.04309.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(cutoffs)
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or len(set(cutoffs)) != len(cutoffs)
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an "
                "increasing order, where each value is between 1 and n_classes-1"
            )
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            narrow = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, narrow, bias=False, **made),
                    Linear(narrow, size, bias=False, **made),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:
            narrow.reset_parameters()
            wide.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> ASMoutput:
        if target_.ndim not in (0, 1):
            raise user_error(ShapeError("0D or 1D target tensor expected"))
        if input_.ndim != target_.ndim + 1:
            raise user_error(
                ShapeError(
                    f"{target_.ndim}D target tensor expects {target_.ndim + 1}D input tensors, but "
                    f"found inputs with size {tuple(input_.shape)}"
                )
            )
        batched = target_.ndim > 0
        x = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        if x.shape[0] != target.shape[0]:
            raise user_error(
                ShapeError("Input and target should have the same size in the batch dimension.")
            )
        known = target._host_if_ready()
        outside = (
            f"Target values should be in [0, {self.n_classes - 1}], but values outside were found."
        )
        if (
            known is not None
            and known.size
            and not 0 <= known.min() <= known.max() < self.n_classes
        ):
            raise user_error(AxisError(outside))
        require(target, lambda t: (t >= 0) & (t < self.n_classes), outside)
        head = F.log_softmax(self.head(x), 1)
        # Every cluster for every row: which rows are in it hangs on values.
        entry, picked = target, 0.0
        for i, layers in enumerate(self.tail):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            mine = prims.bit_and(prims.ge(target, low), prims.lt(target, high))
            within = prims.select(mine, prims.sub(target, low), 0)
            found = F.log_softmax(layers(x), 1).gather(1, within.unsqueeze(1)).squeeze(1)
            picked = picked + prims.select(mine, found, 0)
            entry = prims.select(mine, self.shortlist_size + i, entry)
        output = head.gather(1, entry.unsqueeze(1)).squeeze(1) + picked
        loss = (-output).mean()
        return ASMoutput(output if batched else output.squeeze(0), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """Log-probabilities (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, layers in enumerate(self.tail):
            share = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(layers(input), 1) + share)
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row."""
        return self.log_prob(input).argmax(1)
