"""What all sides of the comparison train: sizes, first weights and data, as NumPy arrays.

Imported by the model files, so that every side starts from the same numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

BATCHES = 4  # data that a run goes through again and again


class MLP(NamedTuple):
    """Linear layers with relu between them; AdamW."""

    widths: tuple[int, ...]
    batch: int
    rate: float = 1e-4

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [
            (_normal(i, (self.batch, self.widths[0])), _integers(i, (self.batch,), self.widths[-1]))
            for i in range(BATCHES)
        ]


class CNN(NamedTuple):
    """A small residual network with batch norm; a stage halves the image but the first."""

    stages: tuple[int, ...]  # channels of each
    size: int  # images are size x size
    batch: int
    rate: float = 1e-2
    momentum: float = 0.9
    classes: int = 10

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images as (batch, channels, height, width)."""
        shape = (self.batch, 3, self.size, self.size)
        return [
            (_normal(i, shape), _integers(i, (self.batch,), self.classes)) for i in range(BATCHES)
        ]


class GPT(NamedTuple):
    """A decoder-only transformer, norms before each block, learned positions; AdamW."""

    width: int
    heads: int
    layers: int
    length: int
    batch: int
    vocabulary: int
    rate: float = 1e-4

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Tokens, and the tokens that follow them."""
        tokens = [
            _integers(i, (self.batch, self.length + 1), self.vocabulary) for i in range(BATCHES)
        ]
        return [(t[:, :-1].copy(), t[:, 1:].copy()) for t in tokens]


class Convolution(NamedTuple):
    """A layer and its gradients, as it stands between two of 1x1; images are square."""

    channels: int
    size: int
    batch: int
    kernel: int = 3
    groups: int = 1
    stride: int = 1
    transposed: bool = False

    def image(self) -> np.ndarray:
        return _normal(0, (self.batch, self.channels, self.size, self.size))

    def weight(self) -> np.ndarray:
        """As PyTorch has it: (out, in / groups, ...), or (in, out / groups, ...) transposed."""
        shape = (self.channels, self.channels // self.groups, self.kernel, self.kernel)
        return first_weight("conv.weight", shape)

    def outer(self, name: str) -> np.ndarray:
        """A kernel of 1x1, for before or after it."""
        return first_weight(f"{name}.weight", (self.channels, self.channels, 1, 1))

    @property
    def padding(self) -> int:
        return (self.kernel - 1) // 2


Program = MLP | CNN | GPT

CONVOLUTIONS: dict[str, Convolution] = {
    "plain": Convolution(channels=64, size=16, batch=32),
    "depthwise": Convolution(channels=64, size=32, batch=32, groups=64),
    "depthwise-7x7": Convolution(channels=96, size=28, batch=8, kernel=7, groups=96),
    "grouped": Convolution(channels=128, size=16, batch=32, groups=32),
    "transposed": Convolution(channels=64, size=16, batch=16, kernel=4, stride=2, transposed=True),
}

FULL: dict[str, Program] = {
    "mlp": MLP(widths=(784, 512, 512, 10), batch=128),
    "cnn": CNN(stages=(32, 64, 128), size=32, batch=32),
    "gpt": GPT(width=256, heads=4, layers=4, length=128, batch=4, vocabulary=1024),
}
QUICK: dict[str, Program] = {
    "mlp": MLP(widths=(20, 16, 10), batch=8),
    "cnn": CNN(stages=(8, 16), size=8, batch=8),
    "gpt": GPT(width=16, heads=2, layers=1, length=8, batch=2, vocabulary=11),
}

DEEP = FULL["gpt"]._replace(layers=12)  # type: ignore[union-attr]

WEIGHT_DECAY = 1e-2  # of AdamW, as PyTorch has it
BETAS = (0.9, 0.999)
EPSILON = 1e-8

MANY_SHAPE, MANY_RATE = (8,), 1e-3  # of the step with many small parameters


class Difference(NamedTuple):
    """A workload that costs what `whole` takes less what `part`, which it contains, takes."""

    whole: Callable[[int], Any]
    part: Callable[[int], Any]


def first_weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The parameter called `name` before training, in PyTorch's layout."""
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    if len(shape) == 1:  # the weight of a norm
        return np.ones(shape, np.float32)
    scale = 0.02 if "embedding" in name else np.sqrt(1 / np.prod(shape[1:]))
    return _normal(zlib.crc32(name.encode()), shape) * np.float32(scale)


def many_weights(count: int) -> list[np.ndarray]:
    return [_normal(i, MANY_SHAPE) for i in range(count)]


def _normal(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def _integers(seed: int, shape: tuple[int, ...], end: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, end, shape)
