"""The imperative side: training steps, a tiny call and a chain of operations to record.

The file is written against PyTorch's API. `Side` takes the module to run it with, which is
`thrace`, or `torch` for a third column; nothing else differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from programs import CNN, GPT, MLP, Program, first_weight


class Side:
    """The workloads of the comparison, for `thrace` or for `torch` uncompiled."""

    def __init__(self, torch: Any):
        self.torch = torch
        self.compile: Callable[[Any], Any] = (
            torch.compile if torch.__name__ == "thrace" else lambda fn: fn
        )

    def training(self, program: Program) -> Callable[[int], Any]:
        """A function that does step number i and returns its loss, maybe still on its way."""
        torch = self.torch
        model = _models(torch)[type(program)](program)
        weights = {n: first_weight(n, tuple(p.shape)) for n, p in model.named_parameters()}
        model.load_state_dict({n: torch.tensor(w) for n, w in weights.items()}, strict=False)
        if isinstance(program, CNN):
            opt = torch.optim.SGD(model.parameters(), lr=program.rate, momentum=program.momentum)
        else:
            opt = torch.optim.AdamW(model.parameters(), lr=program.rate)
        cross_entropy = torch.nn.functional.cross_entropy

        @self.compile
        def step(x, y):
            opt.zero_grad()
            out = model(x)
            loss = cross_entropy(out.reshape(-1, out.shape[-1]), y.reshape(-1))
            loss.backward()
            opt.step()
            return loss

        batches = [(torch.tensor(x), torch.tensor(y)) for x, y in program.batches()]
        self.step = step
        return lambda i: step(*batches[i % len(batches)])

    def call(self) -> Callable[[int], Any]:
        """An addition of 16 elements: next to nothing but the cost of a call."""
        add = self.compile(lambda x, y: x + y)
        x, y = self.torch.ones(16), self.torch.ones(16)
        return lambda i: add(x, y)

    def recording(self, ops: int) -> Callable[[int], Any]:
        """Records a chain of `ops` operations, without computing anything."""
        torch = self.torch
        kinds = _operations(torch)

        def record(i: int) -> Any:
            def chain(x, w):
                y = x
                for k in range(ops):
                    y = kinds[k % len(kinds)](y, w)
                return y

            return torch.trace(chain, torch.spec("f32[16,16]"), torch.spec("f32[16,16]"))

        return record

    def wait(self, loss: Any) -> float:
        """The loss as a number, once it is there."""
        return loss.item() if loss.ndim == 0 else loss[0].item()

    def notes(self) -> dict[str, Any]:
        """How the step was compiled, for the record."""
        if not hasattr(self, "step") or not hasattr(self.torch, "explain"):
            return {}
        found = self.torch.explain(self.step)
        return {
            "traces": len(found.traces),
            "executables": len(found.executables),
            "fallbacks": [str(reason) for reason in found.fallbacks],
            "recompiles": [str(reason) for reason in found.recompiles],
        }


def _operations(torch: Any) -> list[Callable[[Any, Any], Any]]:
    """One operation of the API each; the same ones are in `models_jax.py`."""
    return [
        lambda y, w: y * 1.01,
        lambda y, w: y + w,
        lambda y, w: torch.tanh(y),
        lambda y, w: y @ w,
        lambda y, w: y - w,
        lambda y, w: y.reshape(8, 32),
        lambda y, w: torch.abs(y),
        lambda y, w: y.reshape(16, 16),
        lambda y, w: y.t(),
        lambda y, w: torch.maximum(y, w),
        lambda y, w: y - y.sum(1, keepdim=True),  # two
        lambda y, w: y / 3.0,
    ]


def _models(torch: Any) -> dict[type, Any]:
    nn, F = torch.nn, torch.nn.functional

    class MLPModel(nn.Module):
        def __init__(self, p: MLP):
            super().__init__()
            pairs = zip(p.widths, p.widths[1:], strict=False)
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = F.relu(layer(x))
            return self.layers[-1](x)

    class Block(nn.Module):
        def __init__(self, before: int, channels: int, stride: int):
            super().__init__()
            self.conv1 = nn.Conv2d(before, channels, 3, stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(channels)
            self.changes = stride != 1 or before != channels
            if self.changes:
                self.conv3 = nn.Conv2d(before, channels, 1, stride, bias=False)
                self.norm3 = nn.BatchNorm2d(channels)

        def forward(self, x):
            y = F.relu(self.norm1(self.conv1(x)))
            y = self.norm2(self.conv2(y))
            return F.relu(y + (self.norm3(self.conv3(x)) if self.changes else x))

    class CNNModel(nn.Module):
        def __init__(self, p: CNN):
            super().__init__()
            self.conv = nn.Conv2d(3, p.stages[0], 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(p.stages[0])
            before = (p.stages[0], *p.stages)
            self.blocks = nn.Sequential(
                *(Block(before[i], c, 1 if i == 0 else 2) for i, c in enumerate(p.stages))
            )
            self.out = nn.Linear(p.stages[-1], p.classes)

        def forward(self, x):
            x = self.blocks(F.relu(self.norm(self.conv(x))))
            return self.out(x.mean((2, 3)))

    class Decoder(nn.Module):
        def __init__(self, p: GPT):
            super().__init__()
            self.heads = p.heads
            self.norm1 = nn.LayerNorm(p.width)
            self.qkv = nn.Linear(p.width, 3 * p.width)
            self.proj = nn.Linear(p.width, p.width)
            self.norm2 = nn.LayerNorm(p.width)
            self.up = nn.Linear(p.width, 4 * p.width)
            self.down = nn.Linear(4 * p.width, p.width)

        def forward(self, x):
            b, t, c = x.shape
            q, k, v = self.qkv(self.norm1(x)).split(c, dim=2)
            q, k, v = (
                s.reshape(b, t, self.heads, c // self.heads).transpose(1, 2) for s in (q, k, v)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPTModel(nn.Module):
        def __init__(self, p: GPT):
            super().__init__()
            self.embedding = nn.Embedding(p.vocabulary, p.width)
            self.position_embedding = nn.Embedding(p.length, p.width)
            self.layers = nn.ModuleList(Decoder(p) for _ in range(p.layers))
            self.norm = nn.LayerNorm(p.width)
            self.head = nn.Linear(p.width, p.vocabulary, bias=False)

        def forward(self, tokens):
            x = self.embedding(tokens) + self.position_embedding.weight
            for layer in self.layers:
                x = layer(x)
            return self.head(self.norm(x))

    return {MLP: MLPModel, CNN: CNNModel, GPT: GPTModel}
