"""Schedulers against PyTorch's: the rates (and momenta) of 50 steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from nn_oracle import array, close, ours, theirs

from thrace.tracer import optim

MODULES = (optim, torch.optim)
S = Callable[[Any, Any], Any]

SCHEDULERS: dict[str, S] = {
    "step": lambda s, o: s.StepLR(o, 7, gamma=0.5),
    "multi_step": lambda s, o: s.MultiStepLR(o, [3, 10, 10, 33], gamma=0.3),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 6),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.9, 20),
    "linear_default": lambda s, o: s.LinearLR(o),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "polynomial": lambda s, o: s.PolynomialLR(o, 30, 2.0),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 50),
    "cosine_again": lambda s, o: s.CosineAnnealingLR(o, 8, eta_min=0.01),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, 1e-3),
    "lambda": lambda s, o: s.LambdaLR(o, lambda e: 1 / (1 + e)),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 + e]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.95 if e % 2 else 1.01),
    "one_cycle": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=51),
    "one_cycle_linear": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.2], epochs=6, steps_per_epoch=10, anneal_strategy="linear", three_phase=True
    ),
    "one_cycle_plain": lambda s, o: s.OneCycleLR(o, 0.3, total_steps=60, cycle_momentum=False),
    "warm_up": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 40)], [5]
    ),
    "three_parts": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.2, 3), s.ExponentialLR(o, 0.8), s.StepLR(o, 4)], [6, 20]
    ),
}
METRICS = [float(x) for x in np.abs(array(50)).round(2)]


def optimizer(module: Any, kind: str) -> Any:
    framework = ours if module is optim else theirs
    a, b = framework(array(2)), framework(array(3))
    groups = [{"params": [a]}, {"params": [b], "lr": 0.05}]
    if kind == "adam":
        return module.Adam(groups, lr=0.1)
    return module.SGD(groups, lr=0.1, momentum=0.9)


def moving(opt: Any) -> list[Any]:
    keys = ("lr", "momentum", "betas")
    return [np.ravel(g[k]).tolist() for g in opt.param_groups for k in keys if k in g]


def rates(module: Any, make: S, kind: str, steps: int = 50) -> list[list[float]]:
    opt = optimizer(module, kind)
    scheduler = make(module.lr_scheduler, opt)
    out = [np.concatenate([moving(opt)[0], scheduler.get_last_lr()]).tolist()]
    for _ in range(steps):
        opt.step()
        scheduler.step()
        flat = [v for part in moving(opt) for v in part]
        out.append(flat + list(scheduler.get_last_lr()))
    return out


def equal(a: list[list[float]], b: list[list[float]]) -> None:
    for mine, reference in zip(a, b, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", ("sgd", "adam"))
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.filterwarnings("ignore")
def test_rates_match_pytorch(name: str, kind: str):
    equal(*(rates(m, SCHEDULERS[name], kind) for m in MODULES))


@pytest.mark.parametrize(
    "options",
    (
        {"patience": 2},
        {"mode": "max", "factor": 0.5, "patience": 1, "cooldown": 2},
        {"threshold_mode": "abs", "threshold": 0.1, "patience": 3, "min_lr": [1e-3, 1e-2]},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.2, "patience": 0},
    ),
)
def test_plateau_matches_pytorch(options: dict[str, Any]):
    def run(module: Any) -> list[list[float]]:
        opt = optimizer(module, "sgd")
        scheduler = module.lr_scheduler.ReduceLROnPlateau(opt, **options)
        out = []
        for metric in METRICS:
            scheduler.step(metric)
            out.append([g["lr"] for g in opt.param_groups])
        return out

    equal(*(run(m) for m in MODULES))


@pytest.mark.parametrize("name", ("step", "cosine", "warm_up", "lambda", "one_cycle", "restarts"))
@pytest.mark.filterwarnings("ignore")
def test_schedules_continue_from_their_state(name: str):
    make = SCHEDULERS[name]
    whole = rates(optim, make, "sgd", 20)
    opt = optimizer(optim, "sgd")
    first = make(optim.lr_scheduler, opt)
    for _ in range(9):
        opt.step()
        first.step()
    saved, groups = first.state_dict(), opt.state_dict()
    assert "optimizer" not in saved
    other = optimizer(optim, "sgd")
    second = make(optim.lr_scheduler, other)
    other.load_state_dict(groups)
    second.load_state_dict(saved)
    for at in range(10, 21):
        other.step()
        second.step()
        np.testing.assert_allclose(second.get_last_lr(), whole[at][-2:])


@pytest.mark.parametrize(
    "name", ("step", "multi_step", "exponential", "cosine", "linear", "restarts")
)
@pytest.mark.filterwarnings("ignore")
def test_steps_to_an_epoch(name: str):
    def run(module: Any) -> list[list[float]]:
        opt = optimizer(module, "sgd")
        scheduler = SCHEDULERS[name](module.lr_scheduler, opt)
        out = []
        for epoch in (4, 11, 2):
            scheduler.step(epoch)
            out.append([g["lr"] for g in opt.param_groups])
        return out

    equal(*(run(m) for m in MODULES))


def test_two_schedulers_chain():
    def run(module: Any) -> list[list[float]]:
        opt = optimizer(module, "sgd")
        pair = [
            module.lr_scheduler.ExponentialLR(opt, 0.9),
            module.lr_scheduler.StepLR(opt, 3, 0.5),
        ]
        out = []
        for _ in range(10):
            opt.step()
            for scheduler in pair:
                scheduler.step()
            out.append([g["lr"] for g in opt.param_groups])
        return out

    equal(*(run(m) for m in MODULES))


def test_training_follows_a_schedule():
    def run(module: Any, framework: Any) -> Any:
        p = framework(array(4))
        opt = module.SGD([p], lr=0.1, momentum=0.9)
        scheduler = module.lr_scheduler.CosineAnnealingLR(opt, 20)
        for _ in range(20):
            opt.zero_grad()
            ((p - 1) ** 2).sum().backward()
            opt.step()
            scheduler.step()
        return p

    close(run(optim, ours), run(torch.optim, theirs))


def test_order_of_steps_is_checked():
    opt = optimizer(optim, "sgd")
    scheduler = optim.lr_scheduler.StepLR(opt, 3)
    with pytest.warns(UserWarning, match=r"before `optimizer\.step"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.step()
        scheduler.step()


BAD: dict[str, S] = {
    "optimizer": lambda s, o: s.StepLR(3, 3),
    "resume": lambda s, o: s.StepLR(o, 3, last_epoch=4),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda e: e]),
    "factor": lambda s, o: s.ConstantLR(o, 2.0),
    "start": lambda s, o: s.LinearLR(o, 0.0),
    "end": lambda s, o: s.LinearLR(o, 0.5, 2.0),
    "one_cycle_steps": lambda s, o: s.OneCycleLR(o, 0.1),
    "one_cycle_anneal": lambda s, o: s.OneCycleLR(o, 0.1, 10, anneal_strategy="no"),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    "milestones": lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    "plateau_mode": lambda s, o: s.ReduceLROnPlateau(o, mode="mean"),
}


@pytest.mark.parametrize("name", BAD)
def test_misuse_raises_what_pytorch_raises(name: str):
    with pytest.raises(Exception) as expected:
        BAD[name](torch.optim.lr_scheduler, optimizer(torch.optim, "sgd"))
    with pytest.raises(type(expected.value)):
        BAD[name](optim.lr_scheduler, optimizer(optim, "sgd"))
