"""Handwritten digits: a small convolutional network trained by one XLA executable a step.

`make demo` runs this. The data is the digits set that scikit-learn ships: 1,797 images of
8x8 pixels. The training step is written as one would for PyTorch; `@thrace.compile` turns
all of it (forward, `loss.backward()`, `opt.step()`) into one program. Beside it runs the
same training in plain hand-written `jax.jit` (`digits_jax.py`). Graphs and curves are
written to `build/demo` (`digits_report.py`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import digits_jax
import digits_report
import numpy as np
from digits_report import History
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import thrace
import thrace.nn.functional as F
from thrace import nn, optim

BATCH = 64
RATE = 3e-3
DECAY = 1e-2
WANTED_ACCURACY = 0.97


class Digits(NamedTuple):
    """Images as float32 (count, 1, 8, 8) from 0 to 1, labels as int64."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The epoch's batches, all of one size: the last, smaller one is left out."""
        order = np.random.default_rng(epoch).permutation(len(self.train_images))
        for i in range(len(order) // BATCH):
            picked = order[i * BATCH : (i + 1) * BATCH]
            yield self.train_images[picked], self.train_labels[picked]

    @property
    def batches_per_epoch(self) -> int:
        return len(self.train_images) // BATCH


def load() -> Digits:
    """The digits, a fifth of each class held back for the test."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = labels.astype(np.int64)
    split = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    train_images, test_images, train_labels, test_labels = map(np.asarray, split)
    return Digits(train_images, train_labels, test_images, test_labels)


class Network(nn.Module):
    """Two convolutions with batch norm, one pooling, two linear layers with dropout."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(64)
        self.dropout = nn.Dropout(digits_jax.DROPOUT)
        self.hidden = nn.Linear(64 * 4 * 4, 128)
        self.out = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        x = F.max_pool2d(x, 2).flatten(1)
        x = F.relu(self.hidden(self.dropout(x)))
        return self.out(self.dropout(x))


class Training:
    """Model, optimizer and schedule, and the two functions that are compiled."""

    def __init__(self, steps: int):
        thrace.manual_seed(0)
        self.model = model = Network()
        self.opt = opt = optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
        self.scheduler = optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps)

        @thrace.compile
        def train_step(images, labels):
            opt.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            opt.step()
            return loss

        @thrace.compile
        def accuracy(images, labels):
            with thrace.no_grad():
                return (model(images).argmax(1) == labels).float().mean()

        self.train_step = train_step
        self.accuracy = accuracy

    def run(self, digits: Digits, epochs: int, progress: Progress) -> History:
        history = History("thrace")
        bar = progress.add_task("thrace", total=epochs * digits.batches_per_epoch)
        for epoch in range(epochs):
            started = time.perf_counter()
            losses = []
            self.model.train()
            for images, labels in digits.batches(epoch):
                losses.append(self.train_step(thrace.tensor(images), thrace.tensor(labels)))
                self.scheduler.step()
                if history.first_step_s is None:
                    losses[0].item()  # waits for the result
                    history.first_step_s = time.perf_counter() - started
                    started = time.perf_counter()
                progress.advance(bar)
            values = [loss.item() for loss in losses]
            seconds = time.perf_counter() - started
            correct = self.test(digits)
            history.add(values, seconds, correct)
            progress.console.print(
                digits_report.epoch_line(history, epochs), highlight=False, soft_wrap=True
            )
        return history

    def test(self, digits: Digits) -> float:
        self.model.eval()
        return self.accuracy(
            thrace.tensor(digits.test_images), thrace.tensor(digits.test_labels)
        ).item()


def main() -> int:
    parser = argparse.ArgumentParser(description="Train a small network on handwritten digits.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder for results")
    parser.add_argument("--no-jax", action="store_true", help="leave the jax.jit loop out")
    options = parser.parse_args()

    console = Console()
    digits = load()
    training = Training(options.epochs * digits.batches_per_epoch)
    start = {name: t.numpy().copy() for name, t in training.model.state_dict().items()}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        histories = [training.run(digits, options.epochs, progress)]
        if not options.no_jax:
            bar = progress.add_task("jax.jit", total=options.epochs * digits.batches_per_epoch)
            histories.append(
                digits_jax.run(
                    start, digits, options.epochs, RATE, DECAY, lambda: progress.advance(bar)
                )
            )

    digits_report.write_graphs(options.out, training.model, training.train_step, BATCH)
    digits_report.write_curves(options.out / "curves.png", histories)
    digits_report.print_summary(console, histories, training.train_step, options.out)
    reached = histories[0].accuracies[-1]
    if reached < WANTED_ACCURACY:
        console.print(f"test accuracy {reached:.1%} is below {WANTED_ACCURACY:.0%}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
