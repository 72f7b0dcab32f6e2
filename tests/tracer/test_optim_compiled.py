"""Whole training steps compiled: the numbers of PyTorch, one trace, nothing stale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from nn_oracle import array, close, host, integers, ours, theirs

from thrace.tracer import nn, optim
from thrace.tracer.compile import compile
from thrace.tracer.explain import explain


def cnn(n: Any) -> Any:
    return n.Sequential(
        *(n.Conv2d(1, 4, 3, padding=1, bias=False), n.BatchNorm2d(4), n.ReLU(), n.MaxPool2d(2)),
        *(n.Conv2d(4, 6, 3, bias=False), n.BatchNorm2d(6), n.SiLU(), n.AdaptiveAvgPool2d(1)),
        *(n.Flatten(), n.Dropout(0.0), n.Linear(6, 3)),
    )


def mlp(n: Any) -> Any:
    return n.Sequential(n.Flatten(), n.Linear(64, 16), n.GELU(), n.LayerNorm(16), n.Linear(16, 3))


MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, dampening=0.2, weight_decay=1e-3),
    "nesterov": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda o, p: o.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda o, p: o.AdamW(p, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda o, p: o.RMSprop(p, lr=0.003, momentum=0.5, centered=True),
    "adagrad": lambda o, p: o.Adagrad(p, lr=0.05, lr_decay=0.01),
    "adamax": lambda o, p: o.Adamax(p, lr=0.01, weight_decay=0.01),
    "nadam": lambda o, p: o.NAdam(p, lr=0.01),
    "radam": lambda o, p: o.RAdam(p, lr=0.01),
    "adadelta": lambda o, p: o.Adadelta(p, lr=0.5),
    "rprop": lambda o, p: o.Rprop(p, lr=0.001),
    "asgd": lambda o, p: o.ASGD(p, lr=0.05, t0=5),
    "adafactor": lambda o, p: o.Adafactor(p, weight_decay=0.01),
}


def batch(i: int) -> tuple[np.ndarray, np.ndarray]:
    return array(8, 1, 8, 8, seed=i), integers(8, below=3, seed=i)


class Pair:
    """The same model and optimizer in ours, compiled, and in PyTorch's."""

    def __init__(self, make: Any, model: Any):
        torch.manual_seed(0)
        self.reference = model(torch.nn)
        self.model = model(nn)
        self.model.load_state_dict(self.reference.state_dict())
        self.theirs = make(torch.optim, self.reference.parameters())
        self.ours = make(optim, self.model.parameters())
        opt, net = self.ours, self.model

        @compile
        def step(x: Any, y: Any) -> Any:
            opt.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            opt.step()
            return loss

        self.step = step

    def both(self, i: int) -> None:
        x, y = batch(i)
        loss = self.step(ours(x, grad=False), ours(y))
        self.theirs.zero_grad()
        expected = torch.nn.functional.cross_entropy(
            self.reference(theirs(x, grad=False)), theirs(y)
        )
        expected.backward()
        self.theirs.step()
        np.testing.assert_allclose(host(loss), host(expected), rtol=1e-4)

    def same(self, rtol: float = 1e-4) -> None:
        for a, b in zip(
            self.model.state_dict().values(), self.reference.state_dict().values(), strict=True
        ):
            close(a, b, rtol)


@pytest.mark.parametrize("name", MAKERS)
def test_a_compiled_step_follows_pytorch(name: str):
    pair = Pair(MAKERS[name], mlp)
    schedules = [
        m.lr_scheduler.CosineAnnealingLR(o, 10)
        for m, o in ((optim, pair.ours), (torch.optim, pair.theirs))
    ]
    for i in range(10):
        pair.both(i)
        for schedule in schedules:
            schedule.step()
    pair.same()
    found = explain(pair.step)
    assert (len(found.traces), len(found.fallbacks), len(found.recompiles)) == (1, 0, 0)


def test_a_compiled_cnn_follows_pytorch():
    pair = Pair(lambda o, p: o.SGD(p, lr=0.05, momentum=0.9), cnn)
    for i in range(6):
        pair.both(i)
    pair.same(1e-3)
    found = explain(pair.step)
    assert (len(found.traces), len(found.fallbacks)) == (1, 0)
    pair.model.eval()
    pair.reference.eval()
    x, _ = batch(50)
    close(pair.model(ours(x)), pair.reference(theirs(x)), 1e-3)


def test_a_schedule_inside_is_replayed():
    p, q = ours(array(4)), theirs(array(4))
    opt, other = optim.SGD([p], lr=0.1), torch.optim.SGD([q], lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(opt, 0.5)
    reference = torch.optim.lr_scheduler.ExponentialLR(other, 0.5)

    @compile
    def step() -> Any:
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        opt.step()
        schedule.step()
        return loss

    for _ in range(4):
        step()
        other.zero_grad()
        (q * q).sum().backward()
        other.step()
        reference.step()
    close(p, q)
    assert schedule.get_last_lr() == reference.get_last_lr()
    assert len(explain(step).traces) == 1


@pytest.mark.parametrize(
    "change",
    (
        lambda o: o.param_groups[0].update(lr=0.3),
        lambda o: o.param_groups[0].update(weight_decay=0.0),
        lambda o: o.param_groups[0].update(betas=(0.5, 0.9)),
        lambda o: o.param_groups[0].update(maximize=True),
        lambda o: o.param_groups[0].update(eps=1e-2),
        lambda o: o.load_state_dict(o.state_dict()),
        lambda o: o.load_state_dict({"state": {}, "param_groups": o.state_dict()["param_groups"]}),
    ),
)
def test_changes_between_calls_count(change: Callable[[Any], Any]):
    pair = Pair(MAKERS["adamw"], mlp)
    for i in range(3):
        pair.both(i)
    change(pair.ours)
    change(pair.theirs)
    for i in range(3, 6):
        pair.both(i)
    pair.same()
    assert not explain(pair.step).fallbacks


def test_parameters_that_sit_out_of_some_calls():
    def build(framework: Any, module: Any) -> Any:
        a, b = framework(array(3)), framework(array(3, seed=1))
        return a, b, MAKERS["adamw"](module, [a, b])

    a, b, opt = build(ours, optim)
    c, d, other = build(theirs, torch.optim)

    @compile
    def step(both: bool) -> Any:
        opt.zero_grad()
        loss = (a * a).sum() + (b * b * b).sum() if both else (a * a).sum()
        loss.backward()
        opt.step()
        return loss

    for i in range(9):
        step(i % 3 != 1)
        other.zero_grad()
        loss = (c * c).sum() + (d * d * d).sum() if i % 3 != 1 else (c * c).sum()
        loss.backward()
        other.step()
    close(a, c)
    close(b, d)


def test_dropout_differs_from_call_to_call():
    layer = nn.Dropout(0.5)

    @compile
    def drop(x: Any) -> Any:
        return layer(x)

    x = ours(np.ones((64, 64), "float32"), grad=False)
    first, second = host(drop(x)), host(drop(x))
    assert (first != second).any()
    layer.eval()
    np.testing.assert_array_equal(host(drop(x)), host(x))
    assert len(explain(drop).traces) == 2
