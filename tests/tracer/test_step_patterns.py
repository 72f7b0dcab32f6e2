"""Training steps in the ways people write them: PyTorch's numbers over 100 steps, compiled.

A pattern is written once, for PyTorch and for us. It gives the step, of a batch, and what to
compare in the end; the step's result is compared after every call. Compiled, each is one trace
and one executable from the first call on, without fallbacks, and nothing is traced again.
`make test` runs those in QUICK, `make test-steps` all.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import thrace

STEPS = 100
Pattern = Callable[[Any], tuple[Callable[..., Any], Callable[[], Any]]]
PATTERNS: dict[str, Pattern] = {}


def pattern(fn: Pattern) -> Pattern:
    PATTERNS[fn.__name__] = fn
    return fn


def filled(lib: Any, module: Any, seed: int = 0) -> Any:
    """The module with the same parameters in both libraries."""
    rng = np.random.default_rng(seed)
    with lib.no_grad():
        for p in module.parameters():
            p.copy_(lib.tensor((rng.normal(size=tuple(p.shape)) * 0.4).astype(np.float32)))
    return module


def mlp(lib: Any, seed: int = 0, out: int = 3) -> Any:
    nn = lib.nn
    return filled(lib, nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, out)), seed)


def loss_of(lib: Any, net: Any, x: Any, y: Any) -> Any:
    return lib.nn.functional.cross_entropy(net(x), y)


def batches(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(5)
    return [
        (rng.normal(size=(8, 4)).astype(np.float32), rng.integers(0, 3, 8)) for _ in range(count)
    ]


@pattern
def plain_zeroed_at_the_end(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    return step, lambda: [*net.parameters(), [p.grad for p in net.parameters()]]


@pattern
def zeroed_in_place(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.Adam(net.parameters(), lr=0.01)
    for p in net.parameters():
        p.grad = lib.zeros_like(p)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad(set_to_none=False)
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters(), [p.grad for p in net.parameters()]]


@pattern
def module_zero_grad(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.AdamW(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        net.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss.detach()

    return step, lambda: [*net.parameters()]


@pattern
def accumulation(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        total = 0.0
        for part, labels in zip(x.chunk(4), y.chunk(4), strict=True):
            loss = loss_of(lib, net, part, labels) / 4
            loss.backward()
            total = total + loss.detach()
        opt.step()
        return total

    return step, lambda: [*net.parameters()]


@pattern
def clipping_by_norm(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.Adam(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y) * 10
        loss.backward()
        norm = lib.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        opt.step()
        return {"loss": loss, "norm": norm}

    return step, lambda: [*net.parameters()]


@pattern
def clipping_by_value(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        lib.nn.utils.clip_grad_value_(net.parameters(), 0.01)
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def weight_tying(lib: Any) -> Any:
    nn = lib.nn

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(5, 6)
            self.body = nn.Linear(6, 6)
            self.out = nn.Linear(6, 5, bias=False)
            self.out.weight = self.words.weight

        def forward(self, x: Any) -> Any:
            return self.out(lib.tanh(self.body(self.words(x))))

    net = filled(lib, Tied())
    opt = lib.optim.AdamW(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = lib.nn.functional.cross_entropy(net(y), (y + 1) % 5)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def average_by_hand(lib: Any) -> Any:
    net = mlp(lib)
    ema = copy.deepcopy(net).requires_grad_(False)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        with lib.no_grad():
            for a, p in zip(ema.parameters(), net.parameters(), strict=True):
                a.mul_(0.9).add_(p, alpha=0.1)
        return loss, loss_of(lib, ema, x, y)

    return step, lambda: [*net.parameters(), *ema.parameters()]


def averaged(lib: Any, **options: Any) -> Any:
    nn = lib.nn
    net = filled(lib, nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)))
    average = lib.optim.swa_utils.AveragedModel(net, **options)
    opt = lib.optim.SGD(net.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        average.update_parameters(net)
        return loss

    return step, lambda: [*average.module.parameters(), *average.buffers()]


@pattern
def averaged_model(lib: Any) -> Any:
    return averaged(lib)


@pattern
def averaged_model_ema(lib: Any) -> Any:
    ema = lib.optim.swa_utils.get_ema_multi_avg_fn(0.95)
    return averaged(lib, multi_avg_fn=ema, use_buffers=True)


@pattern
def batch_norm(lib: Any) -> Any:
    nn = lib.nn
    net = filled(lib, nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)))
    opt = lib.optim.SGD(net.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        net.train()
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters(), *net.buffers()]


@pattern
def two_networks(lib: Any) -> Any:
    """A GAN: each network's step in turn, the first on detached results of the other."""
    maker, judge = mlp(lib, 1, 4), mlp(lib, 2, 1)
    betas = (0.5, 0.9)
    first = lib.optim.Adam(judge.parameters(), lr=0.01, betas=betas)
    second = lib.optim.Adam(maker.parameters(), lr=0.01, betas=betas)
    criterion = lib.nn.BCEWithLogitsLoss()

    def step(x: Any, y: Any) -> Any:
        real, noise = x[:4], x[4:]
        ones, zeros = lib.ones(4, 1), lib.zeros(4, 1)
        fake = maker(noise)
        first.zero_grad()
        d_loss = criterion(judge(real), ones) + criterion(judge(fake.detach()), zeros)
        d_loss.backward()
        first.step()
        second.zero_grad()
        g_loss = criterion(judge(fake), ones)
        g_loss.backward()
        second.step()
        return d_loss, g_loss

    return step, lambda: [*maker.parameters(), *judge.parameters()]


@pattern
def penalised_gradients(lib: Any) -> Any:
    """A WGAN critic: the norm of the gradient by its input is part of the loss."""
    critic = mlp(lib, 3, 1)
    opt = lib.optim.RMSprop(critic.parameters(), lr=0.005)

    def step(x: Any, y: Any) -> Any:
        between = (x[:4] * 0.3 + x[4:] * 0.7).requires_grad_(True)
        (g,) = lib.autograd.grad(critic(between).sum(), between, create_graph=True)
        loss = critic(x[:4]).mean() - critic(x[4:]).mean()
        loss = loss + 10 * ((g.norm(2, dim=1) - 1) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*critic.parameters()]


@pattern
def tensor_hooks(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)
    for p in net.parameters():
        p.register_hook(lambda g: g.clamp(-0.05, 0.05))

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        hidden = net[1](net[0](x))
        hidden.register_hook(lambda g: g * 2)
        loss = lib.nn.functional.cross_entropy(net[2](hidden), y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def optimizers_in_backward(lib: Any) -> Any:
    net = mlp(lib)
    each = {p: lib.optim.Adam([p], lr=0.01) for p in net.parameters()}

    def update(p: Any) -> None:
        each[p].step()
        each[p].zero_grad()

    for p in net.parameters():
        p.register_post_accumulate_grad_hook(update)

    def step(x: Any, y: Any) -> Any:
        loss = loss_of(lib, net, x, y)
        loss.backward()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def module_hooks(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)
    net[0].register_forward_hook(lambda m, args, out: out * 0.9)
    net[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * 1.5,))

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def groups(lib: Any) -> Any:
    net = mlp(lib)
    decayed = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim == 1]
    opt = lib.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0, "lr": 0.02}],
        lr=0.01,
    )

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def frozen(lib: Any) -> Any:
    net = mlp(lib)
    net[0].requires_grad_(False)
    opt = lib.optim.Adam((p for p in net.parameters() if p.requires_grad), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        with lib.no_grad():
            features = net[1](net[0](x))
        loss = lib.nn.functional.cross_entropy(net[2](features), y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters(), [p.grad is None for p in net.parameters()]]


@pattern
def frozen_but_listed(lib: Any) -> Any:
    net = mlp(lib)
    net[0].weight.requires_grad = False
    opt = lib.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def closures(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        def closure() -> Any:
            opt.zero_grad()
            loss = loss_of(lib, net, x, y)
            loss.backward()
            return loss

        return opt.step(closure)

    return step, lambda: [*net.parameters()]


def with_options(lib: Any, name: str, **options: Any) -> Any:
    net = mlp(lib)
    opt = getattr(lib.optim, name)(net.parameters(), lr=0.01, **options)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        (-loss if options.get("maximize") else loss).backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


for _name, _options in (
    ("Adam", {"foreach": True}),
    ("AdamW", {"fused": True}),
    ("SGD", {"maximize": True, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"maximize": True, "amsgrad": True}),
    ("Adamax", {"foreach": False}),
    ("Adam", {"differentiable": False, "capturable": False, "betas": (0.8, 0.95)}),
):
    PATTERNS[f"{_name}-{'-'.join(_options)}"] = lambda lib, name=_name, options=_options: (
        with_options(lib, name, **options)
    )


@pattern
def metrics(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)
    seen = {"right": lib.zeros(()), "count": lib.zeros((), dtype=lib.int64)}

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        scores = net(x)
        loss = lib.nn.functional.cross_entropy(scores, y, label_smoothing=0.1)
        loss.backward()
        opt.step()
        right = (scores.argmax(1) == y).float()
        seen["right"] += right.sum()
        seen["count"] += y.numel()
        return {"loss": loss.detach(), "accuracy": right.mean(), "scores": scores.detach()}

    return step, lambda: [*seen.values()]


@pattern
def several_losses(lib: Any) -> Any:
    net, other = mlp(lib), mlp(lib, 4, 1)
    opt = lib.optim.SGD([*net.parameters(), *other.parameters()], lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        hidden = net[1](net[0](x))
        first = lib.nn.functional.cross_entropy(net[2](hidden), y)
        second = other(x).square().mean() + hidden.abs().mean()
        first.backward(retain_graph=True)
        second.backward(retain_graph=True)
        (first * second).backward()
        opt.step()
        return first, second

    return step, lambda: [*net.parameters(), *other.parameters()]


@pattern
def gradients_by_hand(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.Adam(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        loss = loss_of(lib, net, x, y)
        grads = lib.autograd.grad(loss, list(net.parameters()))
        for p, g in zip(net.parameters(), grads, strict=True):
            p.grad = g - g.mean()
        opt.step()
        return loss

    return step, lambda: [*net.parameters(), [p.grad for p in net.parameters()]]


@pattern
def updates_by_hand(lib: Any) -> Any:
    net = mlp(lib)
    speed = [lib.zeros_like(p) for p in net.parameters()]

    def step(x: Any, y: Any) -> Any:
        loss = loss_of(lib, net, x, y)
        net.zero_grad()
        loss.backward()
        with lib.no_grad():
            for p, v in zip(net.parameters(), speed, strict=True):
                v.mul_(0.9).sub_(p.grad, alpha=0.1)
                p += v
        return loss

    return step, lambda: [*net.parameters(), *speed]


@pattern
def updates_by_data(lib: Any) -> Any:
    net = mlp(lib)

    def step(x: Any, y: Any) -> Any:
        loss = loss_of(lib, net, x, y)
        loss.backward()
        for p in net.parameters():
            p.data.add_(p.grad.data, alpha=-0.1)
            p.grad = None
        return loss.data

    return step, lambda: [*net.parameters()]


@pattern
def sharpness_aware(lib: Any) -> Any:
    """SAM: a second gradient at weights moved uphill, the step from where they were."""
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        norm = lib.stack([p.grad.norm() for p in net.parameters()]).norm()
        moved = []
        with lib.no_grad():
            for p in net.parameters():
                e = p.grad * (0.05 / (norm + 1e-12))
                p.add_(e)
                moved.append(e)
        opt.zero_grad()
        loss_of(lib, net, x, y).backward()
        with lib.no_grad():
            for p, e in zip(net.parameters(), moved, strict=True):
                p.sub_(e)
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def distillation(lib: Any) -> Any:
    teacher, net = mlp(lib, 7), mlp(lib)
    teacher.eval()
    opt = lib.optim.Adam(net.parameters(), lr=0.01)
    functional = lib.nn.functional

    def step(x: Any, y: Any) -> Any:
        with lib.no_grad():
            wanted = functional.softmax(teacher(x) / 2, dim=1)
        scores = net(x)
        soft = functional.kl_div(
            functional.log_softmax(scores / 2, 1), wanted, reduction="batchmean"
        )
        loss = 0.7 * soft * 4 + 0.3 * functional.cross_entropy(scores, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def momentum_contrast(lib: Any) -> Any:
    """A second encoder that follows the first, and a queue of its results, written in place."""
    query, key = mlp(lib, 1), mlp(lib, 1)
    key.requires_grad_(False)
    queue = lib.nn.functional.normalize(lib.tensor(np.eye(16, 3, dtype=np.float32) + 0.1), dim=1)
    opt = lib.optim.SGD(query.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        q = lib.nn.functional.normalize(query(x), dim=1)
        with lib.no_grad():
            for k, p in zip(key.parameters(), query.parameters(), strict=True):
                k.copy_(k * 0.9 + p * 0.1)
            k = lib.nn.functional.normalize(key(x), dim=1)
        same = (q * k).sum(1, keepdim=True)
        scores = lib.cat([same, q @ queue.clone().t()], dim=1) / 0.2
        loss = lib.nn.functional.cross_entropy(scores, lib.zeros(8, dtype=lib.long))
        opt.zero_grad()
        loss.backward()
        opt.step()
        with lib.no_grad():
            queue.copy_(lib.cat([queue[8:], k]))
        return loss

    return step, lambda: [*query.parameters(), *key.parameters(), queue]


@pattern
def carried_state(lib: Any) -> Any:
    """Truncated backpropagation through time: the state of one call is the next one's start."""
    nn = lib.nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRUCell(4, 5)
            self.out = nn.Linear(5, 3)
            self.h = lib.zeros(8, 5)

        def forward(self, x: Any) -> Any:
            h = self.cell(x, self.h)
            self.h = h.detach()
            return self.out(h)

    net = filled(lib, Network())
    opt = lib.optim.Adam(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters(), net.h]


@pattern
def reparametrised(lib: Any) -> Any:
    nn = lib.nn
    linear = filled(lib, nn.Linear(4, 3))
    net = nn.utils.parametrizations.weight_norm(linear)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def trainer_class(lib: Any) -> Any:
    class Trainer:
        def __init__(self) -> None:
            self.net = mlp(lib)
            self.opt = lib.optim.Adam(self.net.parameters(), lr=0.01)
            self.schedule = lib.optim.lr_scheduler.CosineAnnealingLR(self.opt, STEPS)
            self.criterion = lib.nn.CrossEntropyLoss()
            self.clip = 1.0

        def step(self, x: Any, y: Any) -> dict[str, Any]:
            self.net.train()
            loss = self.criterion(self.net(x), y)
            self.opt.zero_grad(set_to_none=True)
            loss.backward()
            if self.clip is not None:
                lib.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
            self.opt.step()
            self.schedule.step()
            return {"loss": loss.detach()}

    trainer = Trainer()
    return trainer.step, lambda: [*trainer.net.parameters()]


@pattern
def lower_precision(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.AdamW(net.parameters(), lr=0.002)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        with lib.autocast("cpu", dtype=lib.bfloat16):
            loss = loss_of(lib, net, x, y)
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def masked_by_data(lib: Any) -> Any:
    """What would be `if loss > 1` as a choice on data."""
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        losses = lib.nn.functional.cross_entropy(net(x), y, reduction="none")
        loss = lib.where(losses > 1.0, losses, losses * 0.1).mean()
        loss.backward()
        for p in net.parameters():
            p.grad.mul_(lib.where(loss > 0.5, 1.0, 0.5))
            p.grad.nan_to_num_()
        opt.step()
        return loss

    return step, lambda: [*net.parameters()]


@pattern
def mini_batches_of_one_call(lib: Any) -> Any:
    """Several whole steps in one call."""
    net = mlp(lib)
    opt = lib.optim.Adam(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        losses = []
        for i in range(2):
            opt.zero_grad()
            loss = loss_of(lib, net, x[4 * i : 4 * i + 4], y[4 * i : 4 * i + 4])
            loss.backward()
            opt.step()
            losses.append(loss.detach())
        return lib.stack(losses)

    return step, lambda: [*net.parameters()]


@pattern
def meta_step(lib: Any) -> Any:
    """A differentiable inner update, as in MAML, and the outer step through it."""
    w = lib.nn.Parameter(lib.tensor(np.full((4, 3), 0.1, np.float32)))
    rate = lib.nn.Parameter(lib.tensor(0.3))
    opt = lib.optim.SGD([w, rate], lr=0.05)

    def step(x: Any, y: Any) -> Any:
        functional = lib.nn.functional
        inner = functional.cross_entropy(x[:4] @ w, y[:4])
        (g,) = lib.autograd.grad(inner, w, create_graph=True)
        loss = functional.cross_entropy(x[4:] @ (w - rate * g), y[4:])
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, lambda: [w, rate]


def arrays(value: Any) -> list[np.ndarray]:
    """The tensors and numbers of a nest; what is not there counts as an empty array."""
    if isinstance(value, dict):
        return arrays(list(value.values()))
    if isinstance(value, (list, tuple)):
        return [a for v in value for a in arrays(v)]
    if value is None:
        return [np.zeros(0)]
    return [np.array(value.detach().numpy() if hasattr(value, "detach") else value)]


def close(expected: list[np.ndarray], got: list[np.ndarray], loose: bool, what: Any) -> None:
    assert len(expected) == len(got)
    for e, g in zip(expected, got, strict=True):
        assert e.shape == g.shape and e.dtype == g.dtype, what
        rtol, atol = (0.05, 0.03) if loose else (2e-3, 2e-4)
        np.testing.assert_allclose(g, e, rtol=rtol, atol=atol, err_msg=str(what))


# One for each mechanism.
QUICK = (
    *("accumulation", "clipping_by_norm", "weight_tying", "averaged_model_ema", "two_networks"),
    *("tensor_hooks", "optimizers_in_backward", "frozen", "closures", "metrics", "several_losses"),
    *("updates_by_data", "sharpness_aware", "momentum_contrast", "carried_state"),
    *("reparametrised", "trainer_class", "mini_batches_of_one_call", "zeroed_in_place"),
)


@pytest.mark.parametrize("name", PATTERNS if os.environ.get("THRACE_ALL_STEPS") else QUICK)
def test_pattern(name: str):
    step, _ = make = PATTERNS[name](torch)
    data = batches(STEPS)
    expected = [arrays(step(torch.tensor(x), torch.tensor(y))) for x, y in data]
    final = arrays(make[1]())
    own, observed = PATTERNS[name](thrace)
    compiled = thrace.compile(own)
    loose = name == "lower_precision"
    for i, (x, y) in enumerate(data):
        got = arrays(compiled(thrace.tensor(x), thrace.tensor(y)))
        close(expected[i], got, loose, f"step {i}")
    close(final, arrays(observed()), loose, "state")
    report = thrace.explain(compiled)
    assert not report.fallbacks and not report.recompiles
    assert len(report.traces) == len(report.executables) == 1


def clipping(lib: Any) -> Any:
    net = mlp(lib)
    opt = lib.optim.SGD(net.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = loss_of(lib, net, x, y)
        loss.backward()
        norm = lib.nn.utils.clip_grad_norm_(net.parameters(), 0.3, error_if_nonfinite=True)
        opt.step()
        return norm

    return step, net


def test_refusing_infinite_gradients():
    """A replay looks whether the norm is finite; where it is not, the step runs uncompiled."""
    step, net = clipping(thrace)
    wanted, reference = clipping(torch)
    compiled = thrace.compile(step)
    for i, (x, y) in enumerate(batches(6)):
        if i == 3:
            x = x * np.inf
        for lib, call in ((torch, wanted), (thrace, compiled)):
            if i == 3:
                with pytest.raises(RuntimeError, match="non-finite"):
                    call(lib.tensor(x), lib.tensor(y))
            else:
                call(lib.tensor(x), lib.tensor(y))
    told = thrace.explain(compiled)
    assert not told.fallbacks and [t.calls for t in told.traces] == [6]
    for p, q in zip(net.parameters(), reference.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_lbfgs_with_a_compiled_closure():
    """L-BFGS looks at values between its evaluations; the evaluation itself is one executable."""
    x, y = batches(1)[0]

    def fit(lib: Any, compiled: bool) -> tuple[list[float], Any]:
        net = mlp(lib)
        opt = lib.optim.LBFGS(net.parameters(), lr=0.5, max_iter=5)
        inputs = lib.tensor(x), lib.tensor(y)

        def closure() -> Any:
            opt.zero_grad()
            loss = loss_of(lib, net, *inputs)
            loss.backward()
            return loss

        call = lib.compile(closure) if compiled else closure
        return [float(opt.step(call)) for _ in range(4)], call

    expected, _ = fit(torch, False)
    got, closure = fit(thrace, True)
    np.testing.assert_allclose(got, expected, rtol=1e-3)
    report = thrace.explain(closure)
    assert len(report.executables) == 1 and not report.fallbacks and not report.recompiles
