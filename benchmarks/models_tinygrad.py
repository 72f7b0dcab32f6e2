"""The workloads in tinygrad: its own layers and optimizers, steps under `TinyJit`."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from programs import (
    CNN,
    GPT,
    MANY_RATE,
    MANY_SHAPE,
    MLP,
    WEIGHT_DECAY,
    Program,
    first_weight,
    many_weights,
)
from tinygrad import Context, Tensor, TinyJit, dtypes, nn
from tinygrad.helpers import DEV
from tinygrad.nn.state import get_parameters, get_state_dict


class Side:
    """The workloads of the comparison, in tinygrad."""

    def __init__(self, device: str = "cpu", dtype: str = "float32"):
        DEV.value = device.upper()
        self.dtype = getattr(dtypes, dtype)

    def training(self, program: Program, keep_gradients: bool = True) -> Callable[[int], Any]:
        """A function that does step number i and returns its loss, maybe still on its way."""
        model = self.model(program)
        params = get_parameters(model)
        if isinstance(program, CNN):
            opt = nn.optim.SGD(params, lr=program.rate, momentum=program.momentum)
        else:
            opt = nn.optim.AdamW(params, lr=program.rate, weight_decay=WEIGHT_DECAY)

        @TinyJit
        def step(x: Tensor, y: Tensor) -> Tensor:
            with Context(TRAINING=1):
                opt.zero_grad()
                out = model(x)
                loss = out.reshape(-1, out.shape[-1]).sparse_categorical_crossentropy(y.reshape(-1))
                loss.backward()
                return loss.realize(*opt.schedule_step())

        batches = [(self.tensor(x), self.tensor(y)) for x, y in program.batches()]
        return lambda i: step(*batches[i % len(batches)])

    def inference(self, program: Program) -> Callable[[int], Any]:
        """The model's output on batch i."""
        model = self.model(program)
        step = TinyJit(lambda x: model(x).realize())
        batches = [self.tensor(x) for x, _ in program.batches()]
        return lambda i: step(batches[i % len(batches)])

    def call(self, size: int) -> Callable[[int], Any]:
        """An addition of few elements: next to nothing but the cost of a call."""
        step = TinyJit(lambda x, y: (x + y).realize())
        x, y = (self.tensor(np.ones(size, np.float32)) for _ in range(2))
        return lambda i: step(x, y)

    def many(self, count: int) -> Callable[[int], Any]:
        """A step of SGD on `count` small parameters."""
        params = [self.tensor(w) for w in many_weights(count)]
        opt = nn.optim.SGD(params, lr=MANY_RATE)

        @TinyJit
        def step(x: Tensor) -> Tensor:
            with Context(TRAINING=1):
                opt.zero_grad()
                loss = Tensor.stack(*[(p * x).sum() for p in params]).sum()
                loss.backward()
                return loss.realize(*opt.schedule_step())

        x = self.tensor(np.ones(MANY_SHAPE, np.float32))
        return lambda i: step(x)

    def model(self, program: Program) -> Any:
        """The program's model with its first weights."""
        model = _MODELS[type(program)](program)
        for name, t in get_state_dict(model).items():
            if name.endswith(("weight", "bias")):
                t.assign(self.tensor(first_weight(name, tuple(t.shape)))).realize()
        return model

    def tensor(self, array: np.ndarray) -> Tensor:
        t = Tensor(array).realize()
        return t.cast(self.dtype).realize() if array.dtype == np.float32 else t

    def value(self, out: Tensor) -> float:
        """The mean square of the data as a number, once it is there."""
        return float((out.float().numpy() ** 2).mean())

    def notes(self) -> dict[str, Any]:
        return {}


class MLPModel:
    def __init__(self, p: MLP):
        pairs = zip(p.widths, p.widths[1:], strict=False)
        self.layers = [nn.Linear(a, b) for a, b in pairs]

    def __call__(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


class Block:
    def __init__(self, before: int, channels: int, stride: int):
        self.conv1 = nn.Conv2d(before, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm(channels)
        self.changes = stride != 1 or before != channels
        if self.changes:
            self.conv3 = nn.Conv2d(before, channels, 1, stride, bias=False)
            self.norm3 = nn.BatchNorm(channels)

    def __call__(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1(x)).relu()
        y = self.norm2(self.conv2(y))
        return (y + (self.norm3(self.conv3(x)) if self.changes else x)).relu()


class CNNModel:
    def __init__(self, p: CNN):
        self.conv = nn.Conv2d(3, p.stages[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm(p.stages[0])
        before = (p.stages[0], *p.stages)
        self.blocks = [Block(before[i], c, 1 if i == 0 else 2) for i, c in enumerate(p.stages)]
        self.out = nn.Linear(p.stages[-1], p.classes)

    def __call__(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x)).relu()
        for block in self.blocks:
            x = block(x)
        return self.out(x.mean((2, 3)))


class Decoder:
    def __init__(self, p: GPT):
        w = p.width
        self.heads = p.heads
        self.norm1, self.norm2 = nn.LayerNorm(w), nn.LayerNorm(w)
        self.qkv, self.proj = nn.Linear(w, 3 * w), nn.Linear(w, w)
        self.up, self.down = nn.Linear(w, 4 * w), nn.Linear(4 * w, w)

    def __call__(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        parts = self.qkv(self.norm1(x)).split(c, dim=2)
        q, k, v = (s.reshape(b, t, self.heads, c // self.heads).transpose(1, 2) for s in parts)
        y = Tensor.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        up = self.up(self.norm2(x))
        return x + self.down(up * (1 + (up / 2**0.5).erf()) / 2)  # its gelu is an approximation


class GPTModel:
    def __init__(self, p: GPT):
        self.embedding = nn.Embedding(p.vocabulary, p.width)
        self.position_embedding = nn.Embedding(p.length, p.width)
        self.layers = [Decoder(p) for _ in range(p.layers)]
        self.norm = nn.LayerNorm(p.width)
        self.head = nn.Linear(p.width, p.vocabulary, bias=False)

    def __call__(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.position_embedding.weight
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


_MODELS: dict[type, Any] = {MLP: MLPModel, CNN: CNNModel, GPT: GPTModel}
