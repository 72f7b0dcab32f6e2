"""The three training tasks that are followed step by step: a CNN, an MLP, a transformer.

Each is written once, for PyTorch and for us: `library` is `torch` or `thrace`. Read by the
tests of compiled and uncompiled training and by those of the GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from nn_oracle import array, integers


def cnn(library: Any) -> Any:
    # No biases before batch norm: it takes them out again, so their true gradient is zero
    # and what an optimizer makes of them is rounding.
    nn = library.nn
    functional = nn.functional

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(8)
            self.conv2 = nn.Conv2d(8, 12, 3, bias=False)
            self.norm2 = nn.BatchNorm2d(12)
            self.dropout = nn.Dropout(0.0)
            self.out = nn.Linear(12 * 3 * 3, 5)

        def forward(self, x: Any) -> Any:
            x = functional.relu(self.norm1(self.conv1(x)))
            x = functional.relu(self.norm2(self.conv2(x)))
            x = functional.max_pool2d(x, 2)
            return self.out(self.dropout(x.flatten(1)))

    return Network()


def mlp(library: Any) -> Any:
    nn = library.nn
    return nn.Sequential(
        nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 24), nn.Tanh(), nn.Linear(24, 5)
    )


WORDS, LENGTH, WIDTH, HEADS = 17, 6, 16, 2


def transformer(library: Any) -> Any:
    nn = library.nn
    functional = nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(WIDTH)
            # No bias: softmax does not see that of the keys, whose true gradient is zero,
            # and AdamW blows rounding up to whole steps.
            self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
            self.proj = nn.Linear(WIDTH, WIDTH)
            self.norm2 = nn.LayerNorm(WIDTH)
            self.up = nn.Linear(WIDTH, 4 * WIDTH)
            self.down = nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x: Any) -> Any:
            rows, length, width = x.shape
            parts = self.qkv(self.norm1(x)).view(rows, length, 3, HEADS, width // HEADS)
            q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
            a = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(a.transpose(1, 2).reshape(rows, length, width))
            return x + self.down(functional.gelu(self.up(self.norm2(x))))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(WORDS, WIDTH)
            self.places = nn.Embedding(LENGTH, WIDTH)
            self.blocks = nn.ModuleList([Block() for _ in range(2)])
            self.norm = nn.LayerNorm(WIDTH)
            self.out = nn.Linear(WIDTH, WORDS)

        def forward(self, words: Any) -> Any:
            places = library.arange(words.shape[1], device=words.device)
            x = self.words(words) + self.places(places)
            for block in self.blocks:
                x = block(x)
            return self.out(self.norm(x)).flatten(0, 1)

    return Network()


class Task(NamedTuple):
    """`model(library)`, `optimizer(optim, parameters)`, `schedule(lr_scheduler, optimizer)`,
    `loss(functional, output, target)`, and `batch(i)`: input and target of step i."""

    name: str
    model: Callable[[Any], Any]
    optimizer: Callable[[Any, Any], Any]
    schedule: Callable[[Any, Any], Any]
    loss: Callable[[Any, Any, Any], Any]
    batch: Callable[[int], tuple[np.ndarray, np.ndarray]]


def _images(i: int) -> tuple[np.ndarray, np.ndarray]:
    return array(16, 1, 8, 8, seed=i), integers(16, below=5, seed=i)


def _rows(i: int) -> tuple[np.ndarray, np.ndarray]:
    return array(16, 12, seed=i), array(16, 5, seed=1_000 + i)


def _texts(i: int) -> tuple[np.ndarray, np.ndarray]:
    words = integers(4, LENGTH + 1, below=WORDS, seed=i)
    return words[:, :-1], words[:, 1:].reshape(-1)


TASKS = (
    Task(
        "cnn",
        cnn,
        lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
        lambda s, o: s.StepLR(o, 6, gamma=0.5),
        lambda f, out, target: f.cross_entropy(out, target),
        _images,
    ),
    Task(
        "mlp",
        mlp,
        lambda o, p: o.Adam(p, lr=0.01),
        lambda s, o: s.StepLR(o, 5, gamma=0.7),
        lambda f, out, target: f.mse_loss(out, target),
        _rows,
    ),
    Task(
        "transformer",
        transformer,
        lambda o, p: o.AdamW(p, lr=3e-3, weight_decay=0.1),
        lambda s, o: s.CosineAnnealingLR(o, 20),
        lambda f, out, target: f.cross_entropy(out, target),
        _texts,
    ),
)


class Training:
    """A task in one library, on one device: `step(x, y)` does a whole training step and
    returns the loss. With `compile` the step goes through it."""

    def __init__(
        self,
        task: Task,
        library: Any,
        state: dict[str, np.ndarray],
        device: str = "cpu",
        compile: Callable[[Any], Any] = lambda fn: fn,
    ):
        self.task, self.library, self.device = task, library, device
        self.model = model = task.model(library)
        model.load_state_dict({k: library.tensor(v) for k, v in state.items()})
        model.to(device)
        self.opt = opt = task.optimizer(library.optim, model.parameters())
        self.schedule = schedule = task.schedule(library.optim.lr_scheduler, opt)
        functional = library.nn.functional

        def step(x: Any, y: Any) -> Any:
            opt.zero_grad()
            loss = task.loss(functional, model(x), y)
            loss.backward()
            opt.step()
            schedule.step()
            return loss

        self.step = compile(step)

    def run(self, i: int) -> float:
        """Step i; the loss it began with."""
        x, y = (self.library.tensor(a, device=self.device) for a in self.task.batch(i))
        return self.step(x, y).item()

    def state(self) -> dict[str, np.ndarray]:
        """Parameters, buffers, gradients and what the optimizer keeps, by name."""
        out = {k: _host(t) for k, t in self.model.state_dict().items()}
        for name, p in self.model.named_parameters():
            out[f"{name}.grad"] = _host(p.grad)
        for number, entry in self.opt.state_dict()["state"].items():
            out |= {f"{number}.{k}": _host(t) for k, t in entry.items() if t is not None}
        return out

    def evaluated(self) -> np.ndarray:
        """What the model says of a fresh batch once it no longer trains."""
        self.model.eval()
        x, _ = self.task.batch(10_000)
        return _host(self.model(self.library.tensor(x, device=self.device)))


def initial_state(task: Task) -> dict[str, np.ndarray]:
    """The weights that PyTorch starts the task with."""
    import torch

    torch.manual_seed(0)
    return {k: t.detach().numpy().copy() for k, t in task.model(torch).state_dict().items()}


def _host(t: Any) -> np.ndarray:
    return t.detach().cpu().numpy().copy()
