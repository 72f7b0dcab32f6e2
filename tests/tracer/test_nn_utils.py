"""nn's tools against PyTorch's: lazy layers, parametrizations, hooks, averages, L-BFGS."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from nn_oracle import array, close, host, ours, same_gradients, theirs

import thrace
from thrace.tracer import nn, optim

LAZY = {
    "LazyLinear": ((3,), (2, 5)),
    "LazyConv2d": ((4, 3), (2, 3, 6, 6)),
    "LazyConvTranspose1d": ((4, 3), (2, 3, 6)),
    "LazyBatchNorm1d": ((), (4, 3)),
    "LazyInstanceNorm2d": ((), (2, 3, 4, 4)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LAZY)
def test_lazy_layers(name: str):
    args, shape = LAZY[name]
    reference, mine = getattr(torch.nn, name)(*args), getattr(nn, name)(*args)
    assert repr(mine) == repr(reference)
    assert list(mine.state_dict()) == list(reference.state_dict())
    assert isinstance(mine.weight, nn.UninitializedParameter) or mine.weight is None
    unborn = copy.deepcopy(mine)
    x = array(*shape)
    out = mine(ours(x))
    reference(theirs(x))
    assert repr(mine) == repr(reference)
    assert type(mine).__name__ == type(reference).__name__
    reference.load_state_dict({k: torch.tensor(host(v)) for k, v in mine.state_dict().items()})
    close(mine(ours(x)), reference(theirs(x)), 1e-4)
    unborn.load_state_dict(mine.state_dict())
    assert tuple(unborn(ours(x)).shape) == tuple(out.shape)


NORMS = {
    "weight_norm": (3, lambda p, m: p.weight_norm(m)),
    "spectral_norm": (3, lambda p, m: p.spectral_norm(m)),
    "orthogonal": (4, lambda p, m: p.orthogonal(m)),
    "tall": (6, lambda p, m: p.orthogonal(m, orthogonal_map="cayley")),
    "householder": (
        6,
        lambda p, m: p.orthogonal(m, orthogonal_map="householder", use_trivialization=False),
    ),
}


@pytest.mark.parametrize("name", NORMS)
def test_parametrizations(name: str):
    width, change = NORMS[name]
    torch.manual_seed(0)
    reference, mine = torch.nn.Linear(4, width), nn.Linear(4, width)
    mine.load_state_dict(reference.state_dict())
    change(torch.nn.utils.parametrizations, reference)
    change(nn.utils.parametrizations, mine)
    assert repr(mine) == repr(reference)
    assert list(mine.state_dict()) == list(reference.state_dict())
    mine.load_state_dict(reference.state_dict())
    x = array(5, 4)
    got, want = mine(ours(x)), reference(theirs(x))
    close(got, want, 1e-4)
    got.square().sum().backward()
    want.square().sum().backward()
    same_gradients(list(mine.parameters()), list(reference.parameters()), 1e-3)
    value = host(mine.weight)
    close(copy.deepcopy(mine).eval().weight, value, 1e-4)
    nn.utils.parametrize.remove_parametrizations(mine, "weight")
    torch.nn.utils.parametrize.remove_parametrizations(reference, "weight")
    assert repr(mine) == repr(reference)
    assert list(mine.state_dict()) == list(reference.state_dict())


class _Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.triu() + x.triu(1).mT


def test_a_parametrised_layer_trains_compiled():
    layer = nn.Linear(3, 3)
    nn.utils.parametrize.register_parametrization(layer, "weight", _Symmetric())
    opt = optim.SGD(layer.parameters(), lr=0.1)
    x = ours(array(4, 3), grad=False)

    @thrace.compile
    def step(x: Any) -> Any:
        opt.zero_grad()
        loss = layer(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    losses = [step(x).item() for _ in range(4)]
    assert losses == sorted(losses, reverse=True)
    assert not thrace.explain(step).fallbacks
    close(layer.weight, layer.weight.mT)


def test_backward_hooks():
    logs: list[Any] = []
    weight = array(3, 4)
    for lib, make in ((torch, theirs), (thrace, ours)):
        log: list[Any] = []
        layer = lib.nn.Linear(4, 3)
        layer.weight.data, layer.bias.data = make(weight, False), lib.zeros(3)

        def seen(module: Any, grads: Any, outs: Any, log: list[Any] = log) -> Any:
            log.append(([host(g) for g in grads], [host(g) for g in outs]))
            return (grads[0] * 2,)

        layer.register_full_backward_hook(seen)
        layer.register_full_backward_pre_hook(lambda module, outs: (outs[0] * 3,))
        x = make(array(2, 4))
        layer(x).sum().backward()
        log.append(host(x.grad))
        logs.append(log)
    (first, x1), (second, x2) = logs
    close(x1, x2)
    for a, b in zip(first, second, strict=True):
        close(a[0], b[0])


def test_a_module_compiles_itself():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    x = ours(array(2, 4), grad=False)
    want = net(x)
    net.compile()
    for _ in range(2):
        close(net(x), want)
    close(copy.deepcopy(net)(x), want)


@pytest.mark.parametrize("options", ({"lr": 0.01}, {"line_search_fn": "strong_wolfe"}))
def test_lbfgs(options: dict[str, Any]):
    start = np.array([-1.0, 0.5, 0.7, 2.0])
    found, states = [], []
    for lib, make in ((torch, theirs), (thrace, ours)):
        p = make(start)
        opt = lib.optim.LBFGS([p], **options)

        def loss(p: Any = p, opt: Any = opt) -> Any:
            opt.zero_grad()
            out = ((1 - p[:-1]) ** 2).sum() + 100 * ((p[1:] - p[:-1] ** 2) ** 2).sum()
            out.backward()
            return out

        for _ in range(4):
            opt.step(loss)
        found.append(host(p))
        states.append(opt.state_dict()["state"][0])
    close(found[1], found[0], 1e-6)
    assert set(states[0]) == set(states[1])
    assert states[0]["func_evals"] == states[1]["func_evals"]


def test_muon():
    arrays = array(6, 4), array(3, 8)
    trained = []
    for lib, make in ((torch, theirs), (thrace, ours)):
        params = [make(a) for a in arrays]
        opt = lib.optim.Muon(params, lr=0.05)
        for _ in range(10):
            opt.zero_grad()
            (params[0].sin() * params[0]).sum().backward()
            (params[1].sin() * params[1]).sum().backward()
            opt.step()
        trained.append(params)
    for a, b in zip(*trained, strict=True):
        close(b, a, 1e-2)  # bfloat16 inside


AVERAGES: dict[str, Any] = {
    "mean": lambda u: {},
    "ema": lambda u: {"avg_fn": u.get_ema_avg_fn(0.7)},
    "multi": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.7)},
    "buffers": lambda u: {"use_buffers": True},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_models(name: str):
    states = []
    for lib, make in ((torch, theirs), (thrace, ours)):
        net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.BatchNorm1d(2))
        with lib.no_grad():
            for p in net.parameters():
                p.fill_(1.0)
        averaged = lib.optim.swa_utils.AveragedModel(net, **AVERAGES[name](lib.optim.swa_utils))
        for i in range(4):
            net(make(array(4, 2, seed=i), False))
            with lib.no_grad():
                for p in net.parameters():
                    p.mul_(1.5)
            averaged.update_parameters(net)
        states.append(averaged.state_dict())
    assert list(states[0]) == list(states[1])
    for key, value in states[0].items():
        close(states[1][key], value)


SCHEDULES: dict[str, Any] = {
    "cyclic": lambda o, s: s.CyclicLR(o, 0.01, 0.1, 4, 7),
    "cyclic2": lambda o, s: s.CyclicLR(o, 0.01, 0.1, 3, mode="triangular2"),
    "cyclic_range": lambda o, s: s.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "chained": lambda o, s: s.ChainedScheduler([s.ExponentialLR(o, 0.9), s.StepLR(o, 3)]),
    "one_cycle": lambda o, s: s.OneCycleLR(o, 0.1, 25),
    "plateau": lambda o, s: s.ReduceLROnPlateau(o),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str):
    rates, states = [], []
    for lib, make in ((torch, theirs), (thrace, ours)):
        p = make(array(2))
        opt = lib.optim.SGD([p], lr=0.1, momentum=0.9)
        schedule = SCHEDULES[name](opt, lib.optim.lr_scheduler)
        line = []
        for _ in range(20):
            p.grad = make(array(2), False)
            opt.step()
            schedule.step(*((1.0,) if name == "plateau" else ()))
            line += [opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]]
        rates.append(line)
        states.append(set(schedule.state_dict()))
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-9)
    assert states[0] == states[1]


@pytest.mark.parametrize("old", ("weight_norm", "spectral_norm"))
@pytest.mark.filterwarnings("ignore")
def test_norms_by_hooks(old: str):
    torch.manual_seed(0)
    reference, mine = torch.nn.Linear(4, 3), nn.Linear(4, 3)
    getattr(torch.nn.utils, old)(reference)
    getattr(nn.utils, old)(mine)
    assert list(mine.state_dict()) == list(reference.state_dict())
    mine.load_state_dict(reference.state_dict())
    close(mine(ours(array(5, 4))), reference(theirs(array(5, 4))), 1e-4)
    getattr(nn.utils, f"remove_{old}")(mine)
    assert sorted(mine.state_dict()) == ["bias", "weight"]


def test_initialisers():
    for shape, groups in (((4, 2, 3), 2), ((2, 3, 3, 3), 1)):
        mine, reference = ours(np.ones(shape, "float32"), False), torch.ones(*shape)
        nn.init.dirac_(mine, groups)
        torch.nn.init.dirac_(reference, groups)
        close(mine, reference)
    for shape in ((3, 5), (5, 3), (4, 2, 2)):
        made = nn.init.orthogonal_(thrace.empty(*shape), 2.0).reshape(shape[0], -1)
        made = made if made.shape[0] <= made.shape[1] else made.mT
        close(made @ made.mT, 4 * np.eye(made.shape[0], dtype="float32"), 1e-5)
    sparse = nn.init.sparse_(thrace.ones(10, 4), 0.3)
    assert (sparse == 0).sum(0).tolist() == [3] * 4
