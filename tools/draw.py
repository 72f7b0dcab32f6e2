"""Random inputs for a graph, such that a training step run on them stays finite.

What requires grad is taken for a weight: normal, over the square root of its fan-in.
Everything else is uniform in [0, 1), as images are, and as an optimizer's second moments,
rates and running variances have to be.
"""

from __future__ import annotations

import math

import numpy as np

from ..ir.graph import Graph
from ..ir.types import TensorType


def draw_inputs(graph: Graph, seed: int, integers_below: int = 2) -> list[np.ndarray]:
    """An array per input; integers are from 0 up, and small, since they may be indices."""
    rng = np.random.default_rng(seed)
    flags = zip(graph.input_types, graph.requires_grad, strict=True)
    return [_draw(rng, type, is_weight, integers_below) for type, is_weight in flags]


def _draw(
    rng: np.random.Generator, type: TensorType, is_weight: bool, integers_below: int
) -> np.ndarray:
    kind = type.dtype.kind
    if kind == "bool":
        drawn = rng.integers(0, 2, type.shape)
    elif kind not in ("float", "complex"):
        drawn = rng.integers(0, min(integers_below, np.iinfo(type.dtype.np).max + 1), type.shape)
    elif kind == "complex":
        drawn = _floats(rng, type, is_weight) + 1j * _floats(rng, type, is_weight)
    else:
        drawn = _floats(rng, type, is_weight)
    return np.asarray(drawn).astype(type.dtype.np)


def _floats(rng: np.random.Generator, type: TensorType, is_weight: bool) -> np.ndarray:
    if not is_weight:
        return np.asarray(rng.random(type.shape))
    fan_in = math.prod(type.shape[1:]) if type.ndim > 1 else 1
    return np.asarray(rng.standard_normal(type.shape)) / math.sqrt(max(fan_in, 1))
