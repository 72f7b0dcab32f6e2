"""Compiled, convolutions that take other forms on CPU compute what PyTorch computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import thrace

# Shapes of the image and the kernel, what the layer is told, and how many follow each other.
LAYERS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any], int]] = {
    "depthwise": ((2, 3, 7, 6), (3, 1, 3, 3), {"groups": 3, "padding": 1}, 5),
    "depthwise, strided": ((2, 3, 9, 8), (3, 1, 5, 4), {"groups": 3, "padding": 2, "stride": 2}, 1),
    "grouped": ((2, 4, 7, 6), (6, 2, 3, 3), {"groups": 2, "dilation": 2, "padding": 2}, 1),
    "strided": ((2, 16, 8, 7), (4, 16, 3, 3), {"stride": (2, 3), "padding": 1}, 1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_and_gradients(name: str):
    x, w, options, layers = LAYERS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in (x, w)]

    def results(framework: Any, wrap: Any) -> list[np.ndarray]:
        @wrap
        def step(x: Any, w: Any) -> Any:
            y = framework.nn.functional.conv2d(x, w, **options)
            for _ in range(layers - 1):
                y = y + framework.nn.functional.conv2d(y.tanh(), w, **options)
            return (y, *framework.autograd.grad(y.square().sum(), (x, w)))

        return [t.detach().numpy() for t in step(*map(leaf(framework), arrays))]

    def leaf(framework: Any) -> Any:
        return lambda a: framework.tensor(a, requires_grad=True)

    got, want = results(thrace, thrace.compile), results(torch, lambda fn: fn)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_second_gradient_whose_image_is_spread_and_smaller_than_its_kernel():
    """XLA would end the process over it."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((2, 1, 8, 5), (1, 1, 2, 4))]

    def results(framework: Any, wrap: Any) -> list[np.ndarray]:
        @wrap
        def step(x: Any, w: Any) -> Any:
            y = framework.nn.functional.conv2d(x, w, stride=(2, 3), padding=(1, 0))
            first = framework.autograd.grad(y.tanh().sum(), (x, w), create_graph=True)
            return framework.autograd.grad(sum(g.square().sum() for g in first), (x, w))

        leaves = [framework.tensor(a, requires_grad=True) for a in arrays]
        return [t.detach().numpy() for t in step(*leaves)]

    got, want = results(thrace, thrace.compile), results(torch, lambda fn: fn)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
