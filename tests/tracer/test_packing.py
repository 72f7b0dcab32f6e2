"""Small state in flat arrays: what a step with many small tensors gives, and what reading,
writing and sharing between its calls do. Everything is compared with PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import thrace
from thrace.ir.passes.pack import MAX_BYTES, MIN_PIECES

SHAPES = [(3,), (2, 2), (5,), (1, 3), (4,), (2,), (3, 1), (6,), (1,)]
LARGE = (MAX_BYTES // 4 + 1,)
LIBRARIES = {"thrace": thrace, "torch": torch}


def weights() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.normal(size=shape).astype(np.float32) for shape in (*SHAPES, LARGE)]


class Side:
    """The same parameters, optimizer and step on one library, compiled by thrace."""

    def __init__(
        self, lib: Any, make: Callable[[Any, Any], Any], clear: str = "before", count: int = 100
    ):
        self.lib = lib
        self.params = [lib.nn.Parameter(lib.tensor(w)) for w in weights()[:count]]
        self.opt = opt = make(lib.optim, self.params)
        params = self.params

        def loss_of(x: Any) -> Any:
            # Backwards: the optimizer's order is another than that of use.
            return sum((p * p * x).sum() + (p * (0.1 * i + 0.45)).sin().sum() for i, p in backwards)

        backwards = [*enumerate(params)][::-1]

        def step(x: Any) -> Any:
            if clear == "before":
                opt.zero_grad()
            loss = loss_of(x)
            loss.backward()
            opt.step()
            if clear == "after":
                opt.zero_grad()
            return loss.detach()

        self.loss_of = self.compiled(loss_of)
        self.step = self.compiled(step)

    def compiled(self, fn: Any) -> Any:
        return thrace.compile(fn) if self.lib is thrace else fn

    def state(self) -> list[Any]:
        kept = [self.opt.state[p] for p in self.params if p in self.opt.state]
        return [*self.params, *(s[k] for s in kept for k in sorted(s) if hasattr(s[k], "shape"))]


def same(a: Any, b: Any) -> None:
    assert (a is None) == (b is None)
    if a is not None:
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-4, atol=2e-6)


def run(make: Any, between: Any = None, steps: int = 5, clear: str = "before") -> Side:
    """Steps on both libraries, with something done between them; returns thrace's side."""
    sides = [Side(lib, make, clear) for lib in (torch, thrace)]
    for i in range(steps):
        losses = [side.step(side.lib.tensor(0.1 * (i + 1))) for side in sides]
        same(losses[1], losses[0])
        if between is not None:
            for a, b in zip(*(between(side, i) or [] for side in sides), strict=True):
                same(b, a)
    for a, b in zip(*(side.state() for side in sides), strict=True):
        same(b, a)
    for a, b in zip(*([p.grad for p in side.params] for side in sides), strict=True):
        same(b, a)
    return sides[1]


OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda o, p: o.SGD(p, lr=0.05),
    "momentum": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-2, nesterov=True),
    "adam": lambda o, p: o.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda o, p: o.AdamW(p, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda o, p: o.RMSprop(p, lr=0.003, momentum=0.5, centered=True),
    "adagrad": lambda o, p: o.Adagrad(p, lr=0.05, lr_decay=0.01),
    "rprop": lambda o, p: o.Rprop(p, lr=0.001),
    "adafactor": lambda o, p: o.Adafactor(p, weight_decay=0.01),
    "groups": lambda o, p: o.AdamW(
        [{"params": p[::2], "lr": 0.02}, {"params": p[1::2], "weight_decay": 0.0}], lr=0.01
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str):
    run(OPTIMIZERS[name])


@pytest.mark.parametrize("clear", ["before", "after", "never"])
def test_gradients_that_stay_and_go(clear: str):
    run(OPTIMIZERS["adamw"], clear=clear)


def test_many_small_tensors_are_few_inputs():
    side = run(OPTIMIZERS["adamw"], clear="after")
    (trace,) = thrace.explain(side.step).traces
    small = len(SHAPES)
    assert small >= MIN_PIECES
    # Three flat arrays for parameters and moments, and the large ones by themselves.
    count = len(trace.graph.inputs) - 3 * small + 3
    assert len(trace.executable.graph.inputs) == count


def touching(between: Callable[[Side, int], Any]) -> Callable[[Side, int], Any]:
    BETWEEN[between.__name__] = between
    return between


BETWEEN: dict[str, Callable[[Side, int], Any]] = {}


@touching
def reading_all(side: Side, i: int) -> Any:
    return [t.detach().clone() for t in side.state()]


@touching
def reading_one(side: Side, i: int) -> Any:
    return [side.params[i % 4].detach().clone()]


@touching
def reading_a_gradient(side: Side, i: int) -> Any:
    return [side.params[i % 4].grad]


@touching
def keeping_what_was_read(side: Side, i: int) -> Any:
    kept = side.__dict__.setdefault("kept", [])
    kept.append((side.params[i % 4].detach().clone(), side.params[3].detach() * 1))
    return [t for pair in kept for t in pair]


@touching
def writing_some(side: Side, i: int) -> Any:
    with side.lib.no_grad():
        side.params[i % 4].mul_(0.5)
        side.params[-1].add_(1)  # the large one


@touching
def writing_through_a_view(side: Side, i: int) -> Any:
    with side.lib.no_grad():
        side.params[1][0].zero_()


@touching
def setting_data(side: Side, i: int) -> Any:
    side.params[i % 4].data = side.lib.ones(SHAPES[i % 4])


@touching
def setting_a_gradient(side: Side, i: int) -> Any:
    side.params[i % 4].grad = side.lib.ones(SHAPES[i % 4])


@touching
def loading_a_state(side: Side, i: int) -> Any:
    if i == 1:
        side.__dict__["saved"] = side.opt.state_dict(), [p.detach().clone() for p in side.params]
    if i == 3:
        state, values = side.__dict__["saved"]
        side.opt.load_state_dict(state)
        with side.lib.no_grad():
            for p, v in zip(side.params, values, strict=True):
                p.copy_(v)


@touching
def sharing_with_numpy(side: Side, i: int) -> Any:
    if i == 2:
        side.__dict__["shared"] = side.params[0].detach().numpy()
    shared = side.__dict__.get("shared")
    return [] if shared is None else [side.lib.tensor(shared)]


@touching
def another_compiled_function_reads(side: Side, i: int) -> Any:
    return [side.loss_of(side.lib.tensor(0.5))]


@touching
def another_compiled_function_writes(side: Side, i: int) -> Any:
    if "shrink" not in side.__dict__:

        def shrink() -> None:
            with side.lib.no_grad():
                for p in side.params[1:9]:
                    p.mul_(0.9)

        side.__dict__["shrink"] = side.compiled(shrink)
    side.__dict__["shrink"]()


@touching
def an_argument_is_one_of_them(side: Side, i: int) -> Any:
    double = side.__dict__.setdefault("double", side.compiled(lambda t: t * 2))
    return [double(side.params[i % 4]), double(side.params[i % 4])]


@touching
def one_gets_another_learning_rate(side: Side, i: int) -> Any:
    side.opt.param_groups[0]["lr"] *= 0.5


@pytest.mark.parametrize("name", BETWEEN)
def test_between_steps(name: str):
    run(OPTIMIZERS["adam"], BETWEEN[name], steps=9)


@pytest.mark.parametrize("count", [2, 100])
def test_gradients_that_are_summed_over_calls(count: int):
    """With few tensors, which stay apart, and with all."""
    sides = [Side(lib, OPTIMIZERS["momentum"], count=count) for lib in (torch, thrace)]
    for side in sides:

        def add(x: Any, side: Side = side) -> Any:
            loss = side.loss_of(x)
            loss.backward()
            return loss.detach()

        def update(x: Any, side: Side = side) -> Any:
            loss = add(x, side)
            side.opt.step()
            side.opt.zero_grad()
            return loss

        side.loss_of = getattr(side.loss_of, "fn", side.loss_of)
        side.__dict__["rounds"] = [side.compiled(f) for f in (add, add, update)]
    for i in range(5):
        for theirs, ours in zip(*(side.__dict__["rounds"] for side in sides), strict=True):
            x = 0.1 * (i + 1)
            same(ours(thrace.tensor(x)), theirs(torch.tensor(x)))
            if i == 3:  # somebody looks
                for a, b in zip(sides[0].params, sides[1].params, strict=True):
                    same(b.grad, a.grad)
    for a, b in zip(sides[0].state(), sides[1].state(), strict=True):
        same(b, a)
    for step in sides[1].__dict__["rounds"]:
        assert not thrace.explain(step).fallbacks


def test_batch_norms_in_a_row():
    """Running means, and counts of another dtype."""

    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        layers = [m for _ in range(9) for m in (lib.nn.Linear(4, 4), lib.nn.BatchNorm1d(4))]
        return lib.nn.Sequential(*layers)

    theirs, ours = make(torch), make(thrace)
    ours.load_state_dict(theirs.state_dict())
    steps = []
    for lib, model in ((torch, theirs), (thrace, ours)):
        opt = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

        def step(x: Any, model: Any = model, opt: Any = opt) -> Any:
            opt.zero_grad()
            loss = model(x).pow(2).mean()
            loss.backward()
            opt.step()
            return loss.detach()

        steps.append(thrace.compile(step) if lib is thrace else step)
    for i in range(4):
        x = np.random.default_rng(i).normal(size=(6, 4)).astype(np.float32)
        same(steps[1](thrace.tensor(x)), steps[0](torch.tensor(x)))
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert a.dtype == getattr(thrace, str(b.dtype).removeprefix("torch.")), name
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-3, atol=1e-5)


def test_a_captured_tensor_gets_history_beside_parked_ones():
    found = []
    for lib in (torch, thrace):
        side = Side(lib, OPTIMIZERS["adam"])
        scale, offset = lib.ones(3, requires_grad=True), lib.zeros(3)
        read = side.compiled(
            lambda side=side, t=offset: sum(p.detach().sum() for p in side.params) + t
        )
        for i in range(4):
            side.step(lib.tensor(0.1))
            if i == 2:
                offset.add_(scale)
                side.step(lib.tensor(0.1))
            found.append(read())
    for theirs, ours in zip(found[:4], found[4:], strict=True):
        assert ours.requires_grad == theirs.requires_grad
        same(ours, theirs)


def replaced(side: Side) -> list[Any]:
    """Another tensor, while somebody has the one before."""
    before = [p.grad for p in side.params]
    side.step(side.lib.tensor(0.1))
    for p in side.params:
        p.grad = side.lib.full(tuple(p.shape), 10.0)
    return before


def emptied(side: Side) -> list[Any]:
    before = [side.params[2].grad]
    side.step(side.lib.tensor(0.1))
    side.params[2].grad = None
    return before


def part_of_another(side: Side) -> list[Any]:
    """A view of a larger tensor."""
    p = side.params[2]
    whole = side.lib.ones((2, *p.shape))
    p.grad = whole[1]
    return [whole]


def shared(side: Side) -> list[Any]:
    """Two leaves of one shape with one gradient."""
    side.params[2].grad = side.params[-1].grad = side.lib.ones(5)
    return []


@pytest.mark.parametrize("change", [replaced, emptied, part_of_another, shared])
@pytest.mark.parametrize("count", [3, 100], ids=["few", "many"])
def test_gradients_that_become_others(change: Callable[[Side], list[Any]], count: int):
    sides = [Side(lib, OPTIMIZERS["sgd"], count=count) for lib in (torch, thrace)]
    kept: list[list[Any]] = []
    for side in sides:
        side.params.append(side.lib.nn.Parameter(side.lib.ones(5)))

        def add(x: Any, side: Side = side) -> None:
            loss: Any = sum((p * p * x).sum() for p in side.params)
            loss.backward()

        side.step = side.compiled(add)
        for _ in range(4):
            side.step(side.lib.tensor(0.1))
        kept.append(change(side))
        for _ in range(3):
            side.step(side.lib.tensor(0.1))
        kept[-1] += [p.grad for p in side.params]
    for theirs, ours in zip(*kept, strict=True):
        same(ours, theirs)


def test_what_a_failed_step_lost_can_be_written_anew(monkeypatch: pytest.MonkeyPatch):
    from thrace.runtime import executable

    make, broken = executable._compile, []

    def fragile(*args: Any) -> Any:
        program: Any = make(*args)

        def run(*arrays: Any) -> Any:
            out = program.run(*arrays)
            if broken:
                program.box.clear()  # the results are lost on the way
                raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 12 bytes.")
            return out

        return program._replace(run=run)

    monkeypatch.setattr(executable, "_compile", fragile)
    monkeypatch.setattr(executable, "CACHE", type(executable.CACHE)(8))
    side = Side(thrace, OPTIMIZERS["momentum"])
    for _ in range(4):
        side.step(thrace.tensor(0.125))
    saved = [t.detach().clone() for t in side.state()]
    for _ in range(3):
        side.step(thrace.tensor(0.125))
    want = [t.detach().clone() for t in side.state()]
    for t in (*saved, *want):
        t.tolist()
    side.step(thrace.tensor(0.125))
    broken.append(True)
    with pytest.raises(thrace.OutOfMemoryError):
        side.step(thrace.tensor(0.125))
    broken.clear()
    with pytest.raises(thrace.StateLostError):
        side.params[0].tolist()
    with thrace.no_grad():
        for t, value in zip(side.state(), saved, strict=True):
            t.copy_(value)
    for _ in range(3):
        side.step(thrace.tensor(0.125))
    for t, value in zip(side.state(), want, strict=True):
        same(t, value)
