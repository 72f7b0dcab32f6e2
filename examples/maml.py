"""MAML: learn weights from which a few gradient steps fit a new task.

Finn, Abbeel & Levine 2017, arXiv:1703.03400: regression on sine waves of random amplitude and
phase. The outer gradient goes through the inner gradient steps; inner loop, outer gradient
and Adam's update are one executable.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import thrace as torch

INNER_RATE = 0.02
INNER_STEPS = 3


def make_model() -> Any:
    nn = torch.nn
    return nn.Sequential(
        nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1)
    )


def forward(weights: list[Any], x: Any) -> Any:
    """The network with these weights instead of its own."""
    *hidden, w, b = weights
    for i in range(0, len(hidden), 2):
        x = torch.tanh(torch.nn.functional.linear(x, hidden[i], hidden[i + 1]))
    return torch.nn.functional.linear(x, w, b)


def adapted(weights: list[Any], x: Any, y: Any) -> list[Any]:
    """The weights after the inner gradient steps on one task, differentiable by `weights`."""
    for _ in range(INNER_STEPS):
        loss = torch.nn.functional.mse_loss(forward(weights, x), y)
        grads = torch.autograd.grad(loss, weights, create_graph=True)
        weights = [w - INNER_RATE * g for w, g in zip(weights, grads, strict=True)]
    return weights


def make_step(model: Any) -> Any:
    """An outer step over a batch of tasks: support points, then query points to judge by."""
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    weights = list(model.parameters())

    @torch.compile
    def step(support_x: Any, support_y: Any, query_x: Any, query_y: Any) -> Any:
        opt.zero_grad()
        loss = 0.0
        for i in range(support_x.shape[0]):
            fitted = adapted(weights, support_x[i], support_y[i])
            loss = loss + torch.nn.functional.mse_loss(forward(fitted, query_x[i]), query_y[i])
        loss = loss / support_x.shape[0]
        loss.backward()
        opt.step()
        return loss.detach()

    return step


def make_tasks(rng: np.random.Generator, count: int = 4, points: int = 10) -> list[Any]:
    """Support and query points of random sine waves, each of shape (count, points, 1)."""
    amplitude = rng.uniform(0.1, 5, (count, 1, 1))
    phase = rng.uniform(0, math.pi, (count, 1, 1))
    x = rng.uniform(-5, 5, (2, count, points, 1))
    y = amplitude * np.sin(x + phase)
    arrays = (x[0], y[0], x[1], y[1])
    return [torch.tensor(a.astype(np.float32)) for a in arrays]


def main(steps: int = 1000) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = make_model()
    step = make_step(model)
    window = []
    for i in range(steps):
        window.append(step(*make_tasks(rng)))
        if (i + 1) % 250 == 0:
            print(f"step {i + 1:4d}  loss after adaptation {torch.stack(window).mean().item():.3f}")
            window.clear()
    seen = torch.explain(step)
    print(f"{len(seen.traces)} trace, {len(seen.fallbacks)} fallbacks")


if __name__ == "__main__":
    main()
