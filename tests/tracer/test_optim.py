"""Optimizers against PyTorch's over 50 steps, and the frame around them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from nn_oracle import array, close, host, ours, theirs

import thrace
from thrace.tracer import nn, optim
from thrace.tracer.tensor import from_host

STEPS = 50

OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda o, p: o.SGD(p, lr=0.05),
    "sgd_momentum": lambda o, p: o.SGD(p, lr=0.02, momentum=0.9),
    "sgd_dampening": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, dampening=0.3),
    "sgd_nesterov": lambda o, p: o.SGD(p, lr=0.02, momentum=0.8, nesterov=True, weight_decay=0.1),
    "sgd_maximize": lambda o, p: o.SGD(p, lr=0.001, maximize=True, weight_decay=0.01),
    "adam": lambda o, p: o.Adam(p, lr=0.01),
    "adam_decay": lambda o, p: o.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1),
    "adam_amsgrad": lambda o, p: o.Adam(p, lr=0.02, amsgrad=True, maximize=False),
    "adam_maximize": lambda o, p: o.Adam(p, lr=0.01, maximize=True),
    "adam_decoupled": lambda o, p: o.Adam(
        p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True
    ),
    "adamw": lambda o, p: o.AdamW(p, lr=0.01),
    "adamw_decay": lambda o, p: o.AdamW(p, lr=0.01, weight_decay=0.3, amsgrad=True),
    "rmsprop": lambda o, p: o.RMSprop(p, lr=0.01),
    "rmsprop_centered": lambda o, p: o.RMSprop(
        p, lr=0.005, alpha=0.9, centered=True, momentum=0.5, weight_decay=0.05
    ),
    "adagrad": lambda o, p: o.Adagrad(p, lr=0.1),
    "adagrad_decay": lambda o, p: o.Adagrad(
        p, lr=0.1, lr_decay=0.02, weight_decay=0.1, initial_accumulator_value=0.5
    ),
    "adamax": lambda o, p: o.Adamax(p, lr=0.01),
    "adamax_decay": lambda o, p: o.Adamax(p, lr=0.02, weight_decay=0.1, maximize=True),
    "nadam": lambda o, p: o.NAdam(p, lr=0.01),
    "nadam_decay": lambda o, p: o.NAdam(
        p, lr=0.02, weight_decay=0.1, momentum_decay=0.02, decoupled_weight_decay=True
    ),
    "radam": lambda o, p: o.RAdam(p, lr=0.01),
    "radam_decay": lambda o, p: o.RAdam(p, lr=0.02, betas=(0.8, 0.9), weight_decay=0.1),
    "adadelta": lambda o, p: o.Adadelta(p, lr=0.5),
    "adadelta_decay": lambda o, p: o.Adadelta(p, rho=0.8, eps=1e-4, weight_decay=0.1),
    "rprop": lambda o, p: o.Rprop(p, lr=0.01),
    "rprop_sizes": lambda o, p: o.Rprop(p, lr=0.01, etas=(0.4, 1.3), step_sizes=(1e-3, 0.1)),
    "asgd": lambda o, p: o.ASGD(p, lr=0.05),
    "asgd_averages": lambda o, p: o.ASGD(p, lr=0.05, lambd=0.01, t0=10, weight_decay=0.1),
    "adafactor": lambda o, p: o.Adafactor(p),
    "adafactor_options": lambda o, p: o.Adafactor(
        p, lr=0.05, beta2_decay=-0.5, eps=(1e-6, 1e-2), d=2.0, weight_decay=0.1
    ),
}


def leaves(framework: Callable[..., Any]) -> list[Any]:
    return [framework(array(4, 3)), framework(array(3, seed=1)), framework(array(2, 2, seed=2))]


def loss_of(params: list[Any], step: int, framework: Callable[..., Any]) -> Any:
    """A smooth function whose gradient changes from step to step."""
    a, b, c = params
    target = framework(array(4, 3, seed=50 + step), grad=False)
    out = ((a * b - target) ** 2).mean() + (c.sin() * c).sum()
    return out


def train(make: Any, module: Any, framework: Any, steps: int = STEPS) -> tuple[list[Any], Any]:
    params = leaves(framework)
    opt = make(module, params)
    for step in range(steps):
        opt.zero_grad()
        loss_of(params, step, framework).backward()
        opt.step()
    return params, opt


def same_state(mine: dict, reference: dict, rtol: float = 1e-5) -> None:
    assert list(mine["state"]) == list(reference["state"])
    for number, entry in reference["state"].items():
        assert set(mine["state"][number]) == set(entry)
        for key, value in entry.items():
            close(mine["state"][number][key], value, rtol)
    assert mine["param_groups"] == reference["param_groups"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_steps_match_pytorch(name: str):
    make = OPTIMIZERS[name]
    params, opt = train(make, optim, ours)
    reference_params, reference = train(make, torch.optim, theirs)
    for a, b in zip(params, reference_params, strict=True):
        close(a, b)
        assert a.is_leaf and a.requires_grad
    same_state(opt.state_dict(), reference.state_dict())
    assert repr(opt) == repr(reference)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_goes_both_ways(name: str):
    make = OPTIMIZERS[name]
    params, opt = train(make, optim, ours, 3)
    reference_params, reference = train(make, torch.optim, theirs, 3)
    state = opt.state_dict()
    for entry in state["state"].values():
        for key, value in entry.items():
            entry[key] = torch.from_numpy(host(value))
    fresh = make(torch.optim, reference_params)
    fresh.load_state_dict(state)
    again = make(optim, params)
    again.load_state_dict(reference.state_dict())
    for step in range(3, 6):
        for o, p, f in ((again, params, ours), (fresh, reference_params, theirs)):
            o.zero_grad()
            loss_of(p, step, f).backward()
            o.step()
    for a, b in zip(params, reference_params, strict=True):
        close(a, b)
    same_state(again.state_dict(), fresh.state_dict())


@pytest.mark.parametrize("name", ("sgd_dampening", "adamw", "adagrad_decay"))
def test_parameters_that_sit_out_keep_their_own_count(name: str):
    def run(module: Any, framework: Any) -> tuple[list[Any], Any]:
        params = leaves(framework)
        opt = OPTIMIZERS[name](module, params)
        for step in range(12):
            opt.zero_grad()
            loss_of(params, step, framework).backward()
            if step % 3 == 1:
                params[0].grad = None
            if step < 4:
                params[1].grad = None
            opt.step()
        return params, opt

    params, opt = run(optim, ours)
    reference_params, reference = run(torch.optim, theirs)
    for a, b in zip(params, reference_params, strict=True):
        close(a, b)
    same_state(opt.state_dict(), reference.state_dict())


def test_groups_have_their_own_options():
    def run(module: Any, framework: Any) -> tuple[list[Any], Any]:
        a, b, c = leaves(framework)
        opt = module.SGD(
            [{"params": [a], "lr": 0.1, "momentum": 0.5}, {"params": b}], lr=0.01, weight_decay=0.1
        )
        opt.add_param_group({"params": [c], "weight_decay": 0})
        for step in range(8):
            opt.zero_grad()
            loss_of([a, b, c], step, framework).backward()
            opt.step()
            opt.param_groups[1]["lr"] *= 0.9
        return [a, b, c], opt

    params, opt = run(optim, ours)
    reference_params, reference = run(torch.optim, theirs)
    for x, y in zip(params, reference_params, strict=True):
        close(x, y)
    same_state(opt.state_dict(), reference.state_dict())


def test_named_parameters_and_closures():
    m = nn.Linear(3, 2)
    opt = optim.SGD(m.named_parameters(), lr=0.1)
    assert opt.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    before = host(m.weight)

    def closure() -> Any:
        opt.zero_grad()
        loss = (m(from_host(array(4, 3))) ** 2).mean()
        loss.backward()
        return loss

    first = opt.step(closure)
    assert host(first).shape == () and not np.array_equal(host(m.weight), before)
    assert float(host(opt.step(closure))) < float(host(first))


def test_zero_grad_and_hooks():
    p = ours(array(3))
    opt = optim.SGD([p], lr=0.1)
    p.grad = ours(array(3, seed=1), grad=False)
    opt.zero_grad(set_to_none=False)
    assert not host(p.grad).any()
    seen: list[str] = []
    pre = opt.register_step_pre_hook(lambda o, args, kwargs: seen.append("pre"))
    opt.register_step_post_hook(lambda o, args, kwargs: seen.append("post"))
    opt.step()
    pre.remove()
    opt.step()
    assert seen == ["pre", "post", "post"]
    opt.zero_grad()
    assert p.grad is None
    before = host(p)
    opt.step()  # without gradients nothing moves
    np.testing.assert_array_equal(host(p), before)


def test_updates_leave_no_history():
    p = ours(array(3))
    opt = optim.Adam([p], lr=0.1)
    for _ in range(2):
        opt.zero_grad()
        (p * p).sum().backward()
        opt.step()
    assert p.is_leaf and p.grad_fn is None
    assert not opt.state[p]["exp_avg"].requires_grad


def test_step_is_one_tensor_for_all():
    params = leaves(ours)
    opt = optim.AdamW(params, lr=0.1)
    for step in range(2):
        loss_of(params, step, ours).backward()
        opt.step()
    assert len({id(opt.state[p]["step"]) for p in params}) == 1
    other = optim.AdamW(params, lr=0.1)
    other.load_state_dict(opt.state_dict())
    assert len({id(other.state[p]["step"]) for p in params}) == 1
    assert other.state[params[0]]["step"] is not opt.state[params[0]]["step"]


def test_copies():
    params, opt = train(OPTIMIZERS["adamw"], optim, ours, 2)
    twin = copy.deepcopy(opt)
    assert twin.param_groups[0]["params"][0] is not params[0]
    same = pickle.loads(pickle.dumps(opt))
    for a, b in zip(same.param_groups[0]["params"], params, strict=True):
        close(a, host(b))


BAD: dict[str, Callable[[Any, Any], Any]] = {
    "empty": lambda o, f: o.SGD([], 0.1),
    "tensor": lambda o, f: o.SGD(f(array(2)), 0.1),
    "number": lambda o, f: o.Adam([1], 0.1),
    "history": lambda o, f: o.Adam([f(array(2)) * 2], 0.1),
    "set": lambda o, f: o.SGD([{"params": {f(array(2))}}], 0.1),
    "twice": lambda o, f: o.SGD([{"params": [p := f(array(2))]}, {"params": [p]}], 0.1),
    "rate": lambda o, f: o.SGD([f(array(2))], -1),
    "momentum": lambda o, f: o.SGD([f(array(2))], 0.1, momentum=-1),
    "nesterov": lambda o, f: o.SGD([f(array(2))], 0.1, nesterov=True),
    "beta": lambda o, f: o.Adam([f(array(2))], 0.1, betas=(1.0, 0.9)),
    "eps": lambda o, f: o.AdamW([f(array(2))], 0.1, eps=-1),
    "decay": lambda o, f: o.AdamW([f(array(2))], 0.1, weight_decay=-1),
    "alpha": lambda o, f: o.RMSprop([f(array(2))], 0.1, alpha=-1),
    "accumulator": lambda o, f: o.Adagrad([f(array(2))], 0.1, initial_accumulator_value=-1),
    "load_groups": lambda o, f: o.SGD([f(array(2))], 0.1).load_state_dict(
        {"state": {}, "param_groups": []}
    ),
    "load_sizes": lambda o, f: o.SGD([f(array(2))], 0.1).load_state_dict(
        {"state": {}, "param_groups": [{"params": [0, 1]}]}
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_misuse_raises_what_pytorch_raises(name: str):
    with pytest.raises(Exception) as expected:
        BAD[name](torch.optim, theirs)
    with pytest.raises(type(expected.value)) as info:
        BAD[name](optim, ours)
    assert str(info.value)


DIFFERENTIABLE: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
    "Adam": {"weight_decay": 0.01},
    "AdamW": {},
    "Adagrad": {},
    "Adadelta": {},
    "NAdam": {},
    "RAdam": {},
    "ASGD": {},
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_flow_through_differentiable_steps(name: str):
    """By what the parameters were made of, over three steps; by a rate that is a tensor."""

    def run(library: Any) -> list[Any]:
        start = library.tensor([1.0, -2.0, 3.0], dtype=library.float64, requires_grad=True)
        rate: Any = 0.1
        if name in ("Adam", "AdamW", "RAdam"):
            rate = library.tensor(0.1, dtype=library.float64, requires_grad=True)
        p = start * 1.5
        options = {"lr": rate, "differentiable": True, **DIFFERENTIABLE[name]}
        optimizer = getattr(library.optim, name)([p], **options)
        for i in range(3):
            q = p.clone()
            loss = (q**2).sum() * (1 + 0.1 * i) + q.sum()
            (p.grad,) = library.autograd.grad(loss, p, create_graph=True)
            optimizer.step()
        (p.clone() ** 3).sum().backward()
        return [p, start.grad, rate.grad if isinstance(rate, library.Tensor) else start]

    for got, want in zip(run(thrace), run(torch), strict=True):
        # PyTorch counts steps in float32.
        np.testing.assert_allclose(got.tolist(), want.tolist(), rtol=1e-5)


def test_a_leaf_has_no_differentiable_step():
    """As in PyTorch it would be written to in place."""
    p = thrace.ones(2, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1, differentiable=True)
    p.grad = thrace.ones(2)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        optimizer.step()
    assert thrace.is_grad_enabled() and p.tolist() == [1, 1]


def test_a_base_class_asks_for_an_update():
    p = ours(array(2))
    p.grad = ours(array(2), grad=False)
    with pytest.raises(NotImplementedError):
        optim.Optimizer([p], {"lr": 1.0}).step()
