"""A recurrent language model of characters, trained on this project's own documentation.

The state that the LSTM ends a stretch of text with is what the next one starts from, cut off
from its history (truncated backpropagation through time). Clipping, AdamW and a one-cycle
schedule with momentum belong to the step, which is one executable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import thrace as torch

BATCH, LENGTH, WIDTH = 16, 32, 64
ROOT = Path(__file__).resolve().parent.parent


def load_text() -> tuple[np.ndarray, str]:
    """The documentation as numbers, and the characters they stand for."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    alphabet = "".join(sorted({c for c in text if c.isascii()}))
    places = {c: i for i, c in enumerate(alphabet)}
    return np.array([places[c] for c in text if c in places]), alphabet


def make_model(characters: int = 96) -> Any:
    nn = torch.nn

    class LanguageModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(characters, WIDTH)
            self.lstm = nn.LSTM(WIDTH, WIDTH, num_layers=2, batch_first=True)
            self.out = nn.Linear(WIDTH, characters)
            self.out.weight = self.embed.weight
            self.forget()

        def forget(self, batch: int = BATCH) -> None:
            self.h, self.c = torch.zeros(2, batch, WIDTH), torch.zeros(2, batch, WIDTH)

        def forward(self, x: Any) -> Any:
            out, (h, c) = self.lstm(self.embed(x), (self.h, self.c))
            self.h, self.c = h.detach(), c.detach()
            return self.out(out)

    return LanguageModel()


def make_step(model: Any, steps: int = 1000) -> Any:
    """A step on the next stretch of every row of text; gives the loss."""
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=8e-3, total_steps=steps)

    @torch.compile
    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        logits = model(x)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        schedule.step()
        return loss.detach()

    return step


def stretches(text: np.ndarray, steps: int) -> Any:
    """Inputs and the characters after them: BATCH rows of text, read on from step to step."""
    rows = text[: len(text) // BATCH * BATCH].reshape(BATCH, -1)
    for i in range(steps):
        at = i * LENGTH % (rows.shape[1] - LENGTH - 1)
        part = rows[:, at : at + LENGTH + 1]
        yield torch.tensor(part[:, :-1]), torch.tensor(part[:, 1:])


def continued(model: Any, start: str, alphabet: str, count: int = 200) -> str:
    """The text that the model would write after `start`."""
    model.forget(1)
    numbers = [alphabet.index(c) for c in start]
    x = torch.tensor([numbers])
    with torch.no_grad():
        for _ in range(count):
            chances = torch.softmax(model(x)[0, -1] / 0.7, 0)
            x = torch.multinomial(chances, 1).reshape(1, 1)
            numbers.append(int(x))
    return "".join(alphabet[n] for n in numbers)


def main(steps: int = 1000) -> None:
    torch.manual_seed(0)
    text, alphabet = load_text()
    model = make_model(len(alphabet))
    step = make_step(model, steps)
    window = []
    for i, (x, y) in enumerate(stretches(text, steps)):
        window.append(step(x, y))
        if (i + 1) % 200 == 0:
            bits = torch.stack(window).mean().item() / np.log(2)
            print(f"step {i + 1:4d}  {bits:.2f} bits per character")
            window.clear()
    seen = torch.explain(step)
    print(f"{len(seen.traces)} trace, {len(seen.fallbacks)} fallbacks")
    print(continued(model, "A compiled ", alphabet))


if __name__ == "__main__":
    main()
