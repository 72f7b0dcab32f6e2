"""A transformer in mixed precision: autocast and GradScaler inside one executable a step.

It reads scikit-learn's digits row by row, eight rows of eight pixels. Matrix products compute
in the lower precision, softmax, norms and losses in float32, weights stay float32. Gradients
are unscaled before they are clipped; where one is infinite the scaler leaves the update out,
which is a choice on data here, not a branch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import thrace as torch

ROWS, WIDTH, DEPTH, CLASSES, BATCH = 8, 64, 2, 10, 64
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def make_model() -> Any:
    nn = torch.nn

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(8, WIDTH)
            self.places = nn.Parameter(torch.randn(1, ROWS, WIDTH) * 0.02)
            layer = nn.TransformerEncoderLayer(
                *(WIDTH, 4, 2 * WIDTH, 0.0, "gelu"), batch_first=True, norm_first=True
            )
            self.body = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)
            self.norm = nn.LayerNorm(WIDTH)
            self.out = nn.Linear(WIDTH, CLASSES)

        def forward(self, x: Any) -> Any:
            x = self.body(self.embed(x) + self.places)
            return self.out(self.norm(x.mean(1)))

    return Reader()


def make_step(model: Any, dtype: str = "bfloat16", steps: int = 500) -> Any:
    """A step on images and labels; gives the loss and how many were right."""
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedules = torch.optim.lr_scheduler
    warm_up = schedules.LinearLR(opt, 0.1, total_iters=20)
    schedule = schedules.SequentialLR(
        opt, [warm_up, schedules.CosineAnnealingLR(opt, steps)], milestones=[20]
    )
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**13, growth_interval=100)

    @torch.compile
    def step(x: Any, y: Any) -> tuple[Any, Any]:
        opt.zero_grad()
        with torch.autocast(device_type="cpu", dtype=DTYPES[dtype]):
            scores = model(x)
            loss = torch.nn.functional.cross_entropy(scores, y, label_smoothing=0.05)
        scaler.scale(loss).backward()
        scaler.unscale_(opt)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(opt)
        scaler.update()
        schedule.step()
        return loss.detach(), (scores.argmax(1) == y).sum()

    return step


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits: images (1797, 8, 8) between 0 and 1, and their labels."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return (pixels.reshape(-1, 8, 8) / 16).astype(np.float32), labels.astype(np.int64)


def make_batch(rng: np.random.Generator, images: np.ndarray, labels: np.ndarray) -> list[Any]:
    at = rng.integers(0, len(images), BATCH)
    return [torch.tensor(images[at]), torch.tensor(labels[at])]


def main(steps: int = 500) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images, labels = load_data()
    held = len(images) // 5
    model = make_model()
    step = make_step(model, "bfloat16", steps)
    for i in range(steps):
        loss, right = step(*make_batch(rng, images[held:], labels[held:]))
        if (i + 1) % 100 == 0:
            print(f"step {i + 1}  loss {loss.item():.3f}  right {right.item()} of {BATCH}")
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(torch.tensor(images[:held])).argmax(1).numpy()
    print(f"accuracy on held out images {(found == labels[:held]).mean():.3f}")
    seen = torch.explain(step)
    print(f"{len(seen.traces)} trace, {len(seen.fallbacks)} fallbacks")


if __name__ == "__main__":
    main()
