"""A Wasserstein GAN with gradient penalty: the critic's loss holds a gradient's norm.

Gulrajani et al. 2017, arXiv:1704.00028: the generator learns a ring of points. The norm of
the critic's gradient by its input is part of the loss, so its update differentiates twice;
each network's whole step is one executable.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import thrace as torch

BATCH = 64


def make_models() -> tuple[Any, Any]:
    nn = torch.nn
    generator = nn.Sequential(
        nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )
    critic = nn.Sequential(
        nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1)
    )
    return generator, critic


def penalty(critic: Any, real: Any, fake: Any, mix: Any) -> Any:
    """How far the critic's gradient is from norm 1 between real and generated points."""
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.norm(2, dim=1) - 1) ** 2).mean()


def make_steps(generator: Any, critic: Any) -> tuple[Any, Any]:
    """The critic's step and the generator's."""
    critic_opt = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
    generator_opt = torch.optim.Adam(generator.parameters(), lr=5e-4, betas=(0.5, 0.9))

    @torch.compile
    def critic_step(real: Any, noise: Any, mix: Any) -> Any:
        critic_opt.zero_grad()
        with torch.no_grad():
            fake = generator(noise)
        distance = critic(real).mean() - critic(fake).mean()
        loss = 10 * penalty(critic, real, fake, mix) - distance
        loss.backward()
        critic_opt.step()
        return distance.detach()

    @torch.compile
    def generator_step(noise: Any) -> Any:
        generator_opt.zero_grad()
        loss = -critic(generator(noise)).mean()
        loss.backward()
        generator_opt.step()
        return loss.detach()

    return critic_step, generator_step


def make_batch(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Points of the ring, noise, and where between real and generated to look."""
    angle = rng.uniform(0, 2 * np.pi, BATCH)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.05 * rng.standard_normal((BATCH, 2))
    arrays = ring, rng.standard_normal((BATCH, 4)), rng.uniform(size=(BATCH, 1))
    real, noise, mix = (torch.tensor(a.astype(np.float32)) for a in arrays)
    return real, noise, mix


def main(steps: int = 800) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    generator, critic = make_models()
    critic_step, generator_step = make_steps(generator, critic)
    for i in range(steps):
        for _ in range(3):
            distance = critic_step(*make_batch(rng))
        generator_step(make_batch(rng)[1])
        if (i + 1) % 200 == 0:
            print(f"step {i + 1:4d}  distance {distance.item():.4f}")
    with torch.no_grad():
        radius = generator(torch.randn(512, 4)).norm(2, dim=1)
    print(f"radius of generated points: {radius.mean().item():.2f} ± {radius.std().item():.2f}")
    for step in (critic_step, generator_step):
        seen = torch.explain(step)
        print(f"{len(seen.traces)} trace, {len(seen.fallbacks)} fallbacks")


if __name__ == "__main__":
    main()
