"""A GAN that learns to draw digits: two networks, two optimizers, one executable a step.

Radford et al. 2016, arXiv:1511.06434, at the size of scikit-learn's digits (8x8): the
discriminator's step on real and on generated images, then the generator's step through the
discriminator, as they are written for PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import thrace as torch

BATCH, NOISE = 64, 16


def make_models() -> tuple[Any, Any]:
    nn = torch.nn
    generator = nn.Sequential(
        *(nn.Linear(NOISE, 32 * 2 * 2), nn.Unflatten(1, (32, 2, 2)), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh()),
    )
    discriminator = nn.Sequential(
        *(nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(16, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.2)),
        *(nn.Flatten(), nn.Linear(32 * 2 * 2, 1)),
    )
    return generator, discriminator


def make_step(generator: Any, discriminator: Any) -> Any:
    """One step of both networks; gives both losses."""
    adam = torch.optim.Adam
    g_opt = adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_opt = adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    criterion = torch.nn.BCEWithLogitsLoss()

    @torch.compile
    def step(real: Any, noise: Any) -> tuple[Any, Any]:
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        fake = generator(noise)

        d_opt.zero_grad()
        d_loss = criterion(discriminator(real), 0.9 * ones)
        d_loss = d_loss + criterion(discriminator(fake.detach()), zeros)
        d_loss.backward()
        d_opt.step()

        g_opt.zero_grad()
        g_loss = criterion(discriminator(fake), ones)
        g_loss.backward()
        g_opt.step()
        return d_loss.detach(), g_loss.detach()

    return step


def load_images() -> np.ndarray:
    """scikit-learn's digits as images of shape (1, 8, 8) between -1 and 1."""
    from sklearn.datasets import load_digits

    pixels, _ = load_digits(return_X_y=True)
    return (pixels.reshape(-1, 1, 8, 8) / 8 - 1).astype(np.float32)


def make_batch(rng: np.random.Generator, images: np.ndarray) -> list[Any]:
    real = images[rng.integers(0, len(images), BATCH)]
    noise = rng.normal(size=(BATCH, NOISE)).astype(np.float32)
    return [torch.tensor(real), torch.tensor(noise)]


def drawn(generator: Any, count: int = 6) -> str:
    """Generated digits beside each other, as text."""
    generator.eval()
    with torch.no_grad():
        images = generator(torch.randn(count, NOISE))[:, 0]
    generator.train()
    shades = " .:-=+*#"
    levels = ((images.numpy() + 1) / 2 * len(shades)).astype(int).clip(0, len(shades) - 1)
    rows = (
        "  ".join("".join(2 * shades[v] for v in image[y]) for image in levels) for y in range(8)
    )
    return "\n".join(rows)


def main(steps: int = 2000) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    generator, discriminator = make_models()
    step = make_step(generator, discriminator)
    images = load_images()
    for i in range(steps):
        d_loss, g_loss = step(*make_batch(rng, images))
        if (i + 1) % 500 == 0:
            print(f"step {i + 1}  discriminator {d_loss.item():.3f}  generator {g_loss.item():.3f}")
    print(drawn(generator))
    seen = torch.explain(step)
    print(f"{len(seen.traces)} trace, {len(seen.fallbacks)} fallbacks")


if __name__ == "__main__":
    main()
