"""Every optimizer under every scheduler, stepped inside and outside a compiled step.

PyTorch's rates, momenta and parameters over 100 steps; one trace, nothing traced again.
`make test` runs each optimizer and each scheduler once; `make test-steps` every pair.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import thrace

STEPS = 100
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "dampening": 0.1, "weight_decay": 1e-3},
    "Adam": {"amsgrad": True, "weight_decay": 1e-3},
    "AdamW": {"maximize": False, "foreach": True},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adagrad": {"lr_decay": 0.01},
    "Adamax": {"weight_decay": 1e-2},
    "NAdam": {},
    "RAdam": {"decoupled_weight_decay": True, "weight_decay": 1e-2},
    "Adadelta": {},
    "Rprop": {},
    "ASGD": {"t0": 20},
    "Adafactor": {},
    "Muon": {},
}
SCHEDULERS: dict[str, Any] = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda e: 0.97**e, lambda e: 1 / (1 + e)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.98),
    "StepLR": lambda s, o: s.StepLR(o, 7, gamma=0.7),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [5, 30, 31], gamma=0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.3, 10),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.2, 1.0, 40),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.97),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 30, 1e-4),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.98)]
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=9), s.CosineAnnealingLR(o, 60)], [10]
    ),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, patience=2, cooldown=1),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 1e-3, 1e-2, 9, mode="triangular2", cycle_momentum=False),
    "CyclicLR+momentum": lambda s, o: s.CyclicLR(o, 1e-3, 1e-2, 9, mode="exp_range", gamma=0.99),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, [0.02, 0.01], total_steps=STEPS + 1),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 8, 2),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 80, 2.0),
    "SWALR": lambda s, o: s.SWALR(o, 5e-3, anneal_epochs=20),
}
NEEDS_MOMENTUM = ("CyclicLR+momentum", "OneCycleLR")


def has_momentum(optimizer: str) -> bool:
    return optimizer in ("SGD", "RMSprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Muon")


def pairs() -> list[tuple[str, str]]:
    every = [
        (o, s) for o in OPTIMIZERS for s in SCHEDULERS if has_momentum(o) or s not in NEEDS_MOMENTUM
    ]
    if os.environ.get("THRACE_ALL_STEPS"):
        return every
    chosen: dict[tuple[str, str], None] = {}
    for i, scheduler in enumerate(SCHEDULERS):
        fitting = [o for o, s in every if s == scheduler]
        chosen[fitting[i % len(fitting)], scheduler] = None
    missing = set(OPTIMIZERS) - {o for o, _ in chosen}
    chosen.update({(o, "CosineAnnealingLR"): None for o in sorted(missing)})
    return list(chosen)


class Run:
    """Two parameters in two groups, a squared error, an optimizer and its scheduler."""

    def __init__(self, library: Any, optimizer: str, scheduler: str, tensor_rate: bool = False):
        rng = np.random.default_rng(0)
        self.library = library
        self.a, self.b = (
            library.nn.Parameter(library.tensor(rng.normal(size=s).astype(np.float32)))
            for s in ((3, 4), (4, 2))
        )
        rates: list[Any] = [0.01, 0.005]
        if tensor_rate:
            rates = [library.tensor(r) for r in rates]
        groups = [{"params": [self.a], "lr": rates[0]}, {"params": [self.b], "lr": rates[1]}]
        kind = getattr(library.optim, optimizer)
        self.optimizer = kind(groups, **OPTIMIZERS[optimizer])
        where = library.optim.swa_utils if scheduler == "SWALR" else library.optim.lr_scheduler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.scheduler = SCHEDULERS[scheduler](where, self.optimizer)

    def update(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        loss = ((x @ self.a).tanh() @ self.b).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss

    def update_and_schedule(self, x: Any) -> Any:
        loss = self.update(x)
        self.scheduler.step()
        return loss

    def follow(self, step: Any, schedule: Any) -> tuple[list[list[float]], list[np.ndarray]]:
        rng = np.random.default_rng(1)
        moving = []
        for _ in range(STEPS):
            loss = step(self.library.tensor(rng.normal(size=(5, 3)).astype(np.float32)))
            if schedule is not None:
                schedule(loss)
            row = [float(g["lr"]) for g in self.optimizer.param_groups]
            for group in self.optimizer.param_groups:
                row += [float(v) for k in ("momentum", "betas") for v in np.ravel(group.get(k, []))]
            moving.append(row)
        return moving, [p.detach().numpy() for p in (self.a, self.b)]


def plain(run: Run, scheduler: str) -> Any:
    if scheduler == "ReduceLROnPlateau":
        return lambda loss: run.scheduler.step(loss.item())
    return lambda loss: run.scheduler.step()


# Muon computes its updates in bfloat16. Weights that differ by 1e-7 at first end up to 0.03 apart
# after 100 steps, in PyTorch itself.
LOOSE: dict[str, Any] = {"Muon": {"rtol": 0.05, "atol": 0.03}}


def compare(optimizer: str, expected: Any, got: Any, rate: float = 1e-9) -> None:
    np.testing.assert_allclose(got[0], expected[0], rtol=rate, atol=1e-12)
    for g, w in zip(got[1], expected[1], strict=True):
        np.testing.assert_allclose(g, w, **LOOSE.get(optimizer, {"rtol": 2e-3, "atol": 2e-4}))


def check_one_trace(fn: Any) -> None:
    report = thrace.explain(fn)
    assert len(report.traces) == len(report.executables) == 1
    assert not report.recompiles and not report.fallbacks


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("optimizer", "scheduler"), pairs())
def test_compiled_step(optimizer: str, scheduler: str):
    reference = Run(torch, optimizer, scheduler)
    expected = reference.follow(reference.update, plain(reference, scheduler))
    run = Run(thrace, optimizer, scheduler)
    step = thrace.compile(run.update)
    # Plateaus hang on values of the loss, to the last bit; all others on the clock.
    compare(optimizer, expected, run.follow(step, plain(run, scheduler)))
    check_one_trace(step)
    if scheduler == "ReduceLROnPlateau":
        return  # its metric is a number in Python
    run = Run(thrace, optimizer, scheduler)
    step = thrace.compile(run.update_and_schedule)
    compare(optimizer, expected, run.follow(step, None))
    check_one_trace(step)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scheduler", ("OneCycleLR", "StepLR", "ReduceLROnPlateau", "LambdaLR"))
def test_rate_as_a_tensor(scheduler: str):
    """A rate that is a tensor is an input as well, and the scheduler fills it."""
    reference = Run(torch, "Adam", scheduler, True)
    expected = reference.follow(reference.update, plain(reference, scheduler))
    run = Run(thrace, "Adam", scheduler, True)
    rate = run.optimizer.param_groups[0]["lr"]
    step = thrace.compile(run.update)
    compare("Adam", expected, run.follow(step, plain(run, scheduler)), 1e-6)
    check_one_trace(step)
    assert run.optimizer.param_groups[0]["lr"] is rate
    if scheduler != "ReduceLROnPlateau":
        run = Run(thrace, "Adam", scheduler, True)
        step = thrace.compile(run.update_and_schedule)
        compare("Adam", expected, run.follow(step, None), 1e-6)
        check_one_trace(step)


def two_schedules(library: Any, compiled: bool) -> tuple[list[float], Any]:
    """Schedules step between and before the optimizers' steps of one call."""
    a, b = (library.nn.Parameter(library.full((2,), 1.0)) for _ in range(2))
    first, second = library.optim.SGD([a], lr=0.5), library.optim.SGD([b], lr=0.5)
    schedules = [library.optim.lr_scheduler.ExponentialLR(o, 0.5) for o in (first, second)]

    def step() -> None:
        for p in (a, b):
            p.grad = None
        (a.sum() + b.sum()).backward()
        first.step()
        schedules[0].step()
        first.step()
        schedules[1].step()
        second.step()

    call = library.compile(step) if compiled else step
    out = []
    for _ in range(4):
        call()
        out += [float(a[0]), float(b[0])]
    return out, call


@pytest.mark.filterwarnings("ignore")
def test_schedules_between_steps():
    expected, _ = two_schedules(torch, False)
    got, step = two_schedules(thrace, True)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    check_one_trace(step)


def test_a_failed_call_steps_no_schedule():
    """What raises in a replay leaves the schedule where it was."""
    run = Run(thrace, "SGD", "OneCycleLR")
    step = thrace.compile(run.update_and_schedule)
    x = thrace.ones(5, 3)
    step(x)
    step(x)
    before = (run.scheduler.state_dict(), [dict(g) for g in run.optimizer.param_groups])
    (trace,) = [t for _, t in step.traces]
    executable, trace.executable = trace.executable, None  # it has nothing to run
    with pytest.raises(AttributeError, match="into"):
        step(x)
    assert (run.scheduler.state_dict(), [dict(g) for g in run.optimizer.param_groups]) == before
    trace.executable = executable
    step(x)
    assert run.scheduler.last_epoch == 3
