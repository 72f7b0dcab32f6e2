"""Hessian-vector products: the sharpness of a loss while a network trains.

The largest eigenvalue of the Hessian by power iteration: products with the Hessian are
gradients of gradients (Pearlmutter 1994), and it is never formed. All the iterations are
one executable.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import thrace as torch

ITERATIONS = 10


def make_model() -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))


def make_functions(model: Any) -> tuple[Any, Any]:
    """The training step and the estimate of the sharpness."""
    opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss_fn = torch.nn.CrossEntropyLoss()
    weights = list(model.parameters())

    @torch.compile
    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    def hvp(grads: Any, v: list[Any]) -> Any:
        """The Hessian times `v`: the gradient of the gradient's product with `v`."""
        product = sum((g * u).sum() for g, u in zip(grads, v, strict=True))
        return torch.autograd.grad(product, weights, retain_graph=True)

    @torch.compile
    def sharpness(x: Any, y: Any, v: list[Any]) -> Any:
        """The largest eigenvalue of the Hessian by size, and the vector it was found with."""
        grads = torch.autograd.grad(loss_fn(model(x), y), weights, create_graph=True)
        for _ in range(ITERATIONS):
            h = hvp(grads, v)
            squares: Any = sum((u * u).sum() for u in h)
            size = squares.sqrt()
            v = [u / size for u in h]
        h = hvp(grads, v)
        return sum((a * b).sum() for a, b in zip(h, v, strict=True)), v

    return step, sharpness


def make_data(rng: np.random.Generator, count: int = 120) -> tuple[Any, Any]:
    """Three clouds of points to tell apart."""
    y = rng.integers(0, 3, count)
    x = rng.standard_normal((count, 8)) + 2 * np.eye(8)[y]
    return torch.tensor(x.astype(np.float32)), torch.tensor(y)


def first_vector(model: Any) -> list[Any]:
    return [torch.ones_like(p) / p.numel() ** 0.5 for p in model.parameters()]


def main(steps: int = 100) -> None:
    torch.manual_seed(0)
    model = make_model()
    step, sharpness = make_functions(model)
    x, y = make_data(np.random.default_rng(0))
    v = first_vector(model)
    for i in range(steps):
        loss = step(x, y)
        if i % 20 == 0:
            largest, v = sharpness(x, y, v)
            print(f"step {i:3d}  loss {loss.item():.4f}  sharpness {largest.item():.3f}")
    for fn in (step, sharpness):
        seen = torch.explain(fn)
        print(f"{len(seen.traces)} trace, {len(seen.fallbacks)} fallbacks")


if __name__ == "__main__":
    main()
