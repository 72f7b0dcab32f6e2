"""A physics-informed network: the loss holds second derivatives of the network by its input.

Solves u''(x) = -pi² sin(pi x) on [0, 1] with u(0) = u(1) = 0; the solution is sin(pi x). Two
derivatives by `x` inside the loss, a third pass for the weights, and the optimizer's update
are one executable. Replace `thrace` by `torch` in the import, and it runs on PyTorch.
"""

from __future__ import annotations

import math
from typing import Any

import thrace as torch


def make_model() -> Any:
    nn = torch.nn
    return nn.Sequential(
        nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
    )


def make_step(model: Any) -> Any:
    """A training step: takes points inside and at the edge, gives the loss."""
    opt = torch.optim.Adam(model.parameters(), lr=3e-3)

    @torch.compile
    def step(x: Any, edge: Any) -> Any:
        opt.zero_grad()
        u = model(x)
        (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (ddu,) = torch.autograd.grad(du.sum(), x, create_graph=True)
        residual = ddu + math.pi**2 * torch.sin(math.pi * x)
        loss = (residual**2).mean() + 100 * (model(edge) ** 2).mean()
        loss.backward(inputs=list(model.parameters()))
        opt.step()
        return loss.detach()

    return step


def make_points() -> tuple[Any, Any]:
    inside = torch.linspace(0, 1, 64).reshape(-1, 1).requires_grad_()
    return inside, torch.tensor([[0.0], [1.0]])


def main(steps: int = 1500) -> None:
    torch.manual_seed(0)
    model = make_model()
    step = make_step(model)
    x, edge = make_points()
    for i in range(steps):
        loss = step(x, edge)
        if i % 250 == 0:
            print(f"step {i:4d}  loss {loss.item():.5f}")
    with torch.no_grad():
        error = (model(x) - torch.sin(math.pi * x)).abs().max().item()
    print(f"largest difference from sin(pi x): {error:.4f}")
    seen = torch.explain(step)
    print(f"{len(seen.traces)} trace, {len(seen.fallbacks)} fallbacks")


if __name__ == "__main__":
    main()
