"""The imperative side: the workloads as one writes them for PyTorch.

The file is written against PyTorch's API. `Side` takes the name of the module to run it with,
`thrace` or `torch`; apart from `torch.compile`, which takes a loss and an update but no step
with `backward()` in it, nothing else differs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from programs import (
    CNN,
    GPT,
    MANY_RATE,
    MANY_SHAPE,
    MLP,
    Convolution,
    Difference,
    Program,
    first_weight,
    many_weights,
)

if TYPE_CHECKING:
    from worker import Clock


class Side:
    """The workloads of the comparison, for `thrace`, for `torch` uncompiled or `compiled`."""

    def __init__(
        self, name: str, *, compiled: bool = False, device: str = "cpu", dtype: str = "float32"
    ):
        self.torch = torch = importlib.import_module(name)
        self.device = device
        self.dtype = getattr(torch, dtype)
        self.is_thrace = name == "thrace"
        self.whole = torch.compile if self.is_thrace else lambda fn: fn  # a step with its backward
        self.part = torch.compile if compiled else lambda fn: fn  # what torch.compile can take
        self.step: Any = None

    # Workloads

    def training(self, program: Program, keep_gradients: bool = True) -> Callable[[int], Any]:
        """A function that does step number i and returns its loss, maybe still on its way."""
        return self._training(program, self.whole, keep_gradients)

    def uncompiled(self, program: Program) -> Callable[[int], Any]:
        """The same without any decorator."""
        return self._training(program, lambda fn: fn, True)

    def _training(self, program: Program, whole: Any, keep_gradients: bool) -> Callable[[int], Any]:
        torch = self.torch
        model = self.model(program)
        if isinstance(program, CNN):
            opt = torch.optim.SGD(model.parameters(), lr=program.rate, momentum=program.momentum)
        else:
            opt = torch.optim.AdamW(model.parameters(), lr=program.rate)
        cross_entropy = torch.nn.functional.cross_entropy

        @self.part
        def loss_of(x, y):
            out = model(x)
            return cross_entropy(out.reshape(-1, out.shape[-1]), y.reshape(-1))

        update = self.part(opt.step)

        @whole
        def step(x, y):
            if keep_gradients:
                opt.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            update()
            if not keep_gradients:
                opt.zero_grad()
            return loss

        self.step = step
        batches = [(self.tensor(x), self.tensor(y)) for x, y in program.batches()]
        return lambda i: step(*batches[i % len(batches)])

    def inference(self, program: Program) -> Callable[[int], Any]:
        """The model's output on batch i, without gradients."""
        model = self.model(program).eval()

        @self.whole
        @self.part
        def step(x):
            with self.torch.no_grad():
                return model(x)

        self.step = step
        batches = [self.tensor(x) for x, _ in program.batches()]
        return lambda i: step(batches[i % len(batches)])

    def convolution(self, made: Convolution) -> Callable[[int], Any]:
        """A convolution between two of 1x1; the result speaks of all gradients."""
        torch, F = self.torch, self.torch.nn.functional
        arrays = made.image(), made.outer("before"), made.weight(), made.outer("after")
        args = [self.tensor(a).requires_grad_() for a in arrays]
        layer = F.conv_transpose2d if made.transposed else F.conv2d
        options = {"stride": made.stride, "padding": made.padding, "groups": made.groups}

        @self.part
        def loss_of(x, before, w, after):
            y = torch.tanh(layer(torch.tanh(F.conv2d(x, before)), w, **options))
            return F.conv2d(y, after).square().mean()

        @self.whole
        def step(*args):
            grads = torch.autograd.grad(loss_of(*args), args)
            return sum(g.square().sum() for g in grads)

        self.step = step
        return lambda i: step(*args)

    def call(self, size: int) -> Callable[[int], Any]:
        """An addition of few elements: next to nothing but the cost of a call."""
        step = self.step = self.whole(self.part(lambda x, y: x + y))
        x, y = self.tensor(np.ones(size, np.float32)), self.tensor(np.ones(size, np.float32))
        return lambda i: step(x, y)

    def many(self, count: int) -> Callable[[int], Any]:
        """A step of SGD on `count` small parameters: next to nothing but handing them over."""
        torch = self.torch
        params = [torch.nn.Parameter(self.tensor(w)) for w in many_weights(count)]
        opt = torch.optim.SGD(params, lr=MANY_RATE)
        loss_of = self.part(lambda x: sum((p * x).sum() for p in params))
        update = self.part(opt.step)

        @self.whole
        def step(x):
            loss = loss_of(x)
            loss.backward()
            update()
            opt.zero_grad()
            return loss

        self.step = step
        x = self.tensor(np.ones(MANY_SHAPE, np.float32))
        return lambda i: step(x)

    def recording(self, ops: int) -> Callable[[int], Any]:
        """Records a chain of `ops` operations, without computing anything."""
        return self._recorded(ops, differentiated=False)

    def differentiation(self, ops: int) -> Difference:
        """What `backward()` adds to recording a chain, computing nothing."""
        return Difference(self._recorded(ops, True), self._recorded(ops, False, mean=True))

    def _recorded(self, ops: int, differentiated: bool, mean: bool = False) -> Callable[[int], Any]:
        torch = self.torch
        kinds = _operations(torch, 16)
        spec = torch.spec("f32[16,16]", requires_grad=mean or differentiated)

        def record(i: int) -> Any:
            def chain(x, w):
                y = x
                for k in range(ops):
                    y = kinds[k % len(kinds)](y, w)
                if mean or differentiated:
                    y = y.sum()
                if differentiated:
                    y.backward()
                return y

            return torch.trace(chain, spec, spec)

        return record

    def first_seen(self, ops: int) -> Callable[[int], Any]:
        """A short chain on shapes that were never met before, and its value."""

        def run(i: int) -> Any:
            n = 16 + 2 * i
            kinds = _operations(self.torch, n)
            w = self.tensor(np.full((n, n), 1 / n, np.float32))
            y = w
            for k in range(ops):
                y = kinds[k % len(kinds)](y, w)
            out = y.sum()
            out.item()
            return out

        return run

    def first_op(self, clock: Clock) -> dict[str, float]:
        """One addition in a new process, and its value."""
        x = self.tensor(np.ones(3, np.float32))
        (x + x).tolist()
        clock.phase("op")
        clock.since_start("done")
        return clock.answer

    def cold(self, program: Program, clock: Clock) -> dict[str, float]:
        """Three steps in a new process."""
        run = self.training(program)
        clock.phase("build")
        for i in range(3):
            self.value(run(i))
            clock.since_start({0: "first", 2: "third"}.get(i, "second"))
        if self.is_thrace:
            phases = self.torch.explain(self.step).traces[0].phases
            clock.answer["trace"] = phases["recording"]
            clock.answer["lower"] = phases["tracing"] + phases["lowering"]
            clock.answer["compile"] = phases["XLA"]
        return clock.answer

    # What they share

    def model(self, program: Program) -> Any:
        """The program's model with its first weights."""
        torch = self.torch
        model = _models(torch)[type(program)](program)
        weights = {n: first_weight(n, tuple(p.shape)) for n, p in model.named_parameters()}
        model.load_state_dict({n: torch.tensor(w) for n, w in weights.items()}, strict=False)
        return model.to(device=self.device, dtype=self.dtype)

    def tensor(self, array: np.ndarray) -> Any:
        t = self.torch.tensor(array, device=self.device)
        return t.to(self.dtype) if t.is_floating_point() else t

    def value(self, out: Any) -> float:
        """The mean square of the data as a number, once it is there."""
        data = out.detach().cpu().float().numpy()
        return float((data**2).mean())

    def planned_bytes(self) -> float | None:
        """What XLA allocates for a step, its inputs included."""
        if not self.is_thrace:
            return None
        trace = self.torch.explain(self.step).traces[0]
        inputs = sum(t.size_bytes for t in trace.graph.input_types)
        return trace.executable.memory_bytes + inputs

    def notes(self) -> dict[str, Any]:
        """How the step was compiled, for the record."""
        if self.step is None or not self.is_thrace or not hasattr(self.step, "traces"):
            return {}
        found = self.torch.explain(self.step)
        return {
            "traces": len(found.traces),
            "executables": len(found.executables),
            "fallbacks": [str(reason) for reason in found.fallbacks],
            "recompiles": [str(reason) for reason in found.recompiles],
        }


def _operations(torch: Any, n: int) -> list[Callable[[Any, Any], Any]]:
    """One operation of the API each, on n x n; the same ones are in `models_jax.py`."""
    return [
        lambda y, w: y * 1.01,
        lambda y, w: y + w,
        lambda y, w: torch.tanh(y),
        lambda y, w: y @ w,
        lambda y, w: y - w,
        lambda y, w: y.reshape(n // 2, 2 * n),
        lambda y, w: torch.abs(y),
        lambda y, w: y.reshape(n, n),
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
