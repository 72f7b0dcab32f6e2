"""The same program on a CUDA device as on the CPU. `make test-gpu` runs this where there is one."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from nn_oracle import array
from nn_oracle import close as close_to_scale
from samples import cases
from sampling import Case, close, input_values
from source_tree import ROOT
from training import TASKS, Task, Training, initial_state

import thrace
from thrace import nn, optim
from thrace.ir.build import Builder
from thrace.ir.errors import AutogradError
from thrace.ir.graph import Value
from thrace.ir.interpret import interpret
from thrace.ir.types import DTYPES
from thrace.runtime import compile_graph, to_numpy

pytestmark = pytest.mark.gpu
CUDA = thrace.device("cuda", 0)
# Sums are taken in another order there, and differences grow from step to step.
RTOL = 1e-3
# Samples go through in groups: a compile costs the same whatever is in it.
GROUP = 60


def groups(items: Sequence[Case]) -> list[Sequence[Case]]:
    return [items[i : i + GROUP] for i in range(0, len(items), GROUP)]


def first_to_last(group: Sequence[Case]) -> str:
    return f"{group[0].name}..{group[-1].name}"


# Operations.


@pytest.mark.parametrize("group", groups([*cases()]), ids=first_to_last)
def test_op_samples_match_their_oracles(group: Sequence[Case]):
    b = Builder()
    inputs: list[Value] = []
    outputs: list[Value] = []
    arrays: list[np.ndarray] = []
    expected: list[tuple[str, np.ndarray]] = []
    for case in group:
        mine = case.arrays
        values = input_values(mine)
        outputs += case.build(b, values)
        inputs += values
        arrays += mine
        expected += [(case.name, e) for e in case.expected(mine)]
    results = compile_graph(b.finish(inputs, outputs), CUDA)(arrays)
    for got, (name, e), v in zip(results, expected, outputs, strict=True):
        got = to_numpy(got)
        assert (got.dtype, got.shape) == (v.type.dtype.np, v.type.shape), name
        close(got, e, name)


DIFFERENTIABLE = [c for c in cases(first_dtype_only=True) if c.sample.differentiate]


@pytest.mark.parametrize("group", groups(DIFFERENTIABLE), ids=first_to_last)
def test_gradients_of_op_samples_match_numpys(group: Sequence[Case]):
    b: Any = Builder()
    inputs: list[Value] = []
    outputs: list[Value] = []
    arrays: list[np.ndarray] = []
    names: list[str] = []
    rng = np.random.default_rng(0)
    for case in group:
        mine = case.arrays
        try:
            graph = case.graph(mine).backward()
        except AutogradError:
            continue  # its results have no gradient in this dtype
        mine += [
            rng.uniform(-1, 1, t.shape).astype(t.dtype.np) for t in graph.input_types[len(mine) :]
        ]
        values = input_values(mine)
        outputs += b.call(*values, graph=graph)
        inputs += values
        arrays += mine
        names += [f"{case.name} {name}" for name in graph.output_names]
    graph = b.finish(inputs, outputs)
    with np.errstate(all="ignore"):
        expected = interpret(graph, arrays)
    for got, e, name in zip(compile_graph(graph, CUDA)(arrays), expected, names, strict=True):
        close(to_numpy(got), e, name)


# Training.


def follow(task: Task, steps: int, **options: Any) -> Training:
    """Train on the device and, in PyTorch, on the CPU; compare what comes of it."""
    state = initial_state(task)
    mine = Training(task, thrace, state, device="cuda", **options)
    reference = Training(task, torch, state)
    for i in range(steps):
        np.testing.assert_allclose(mine.run(i), reference.run(i), RTOL, err_msg=f"step {i}")
    for p in mine.model.parameters():
        assert p.device == CUDA and p.grad.device == CUDA
    for entry in mine.opt.state.values():
        assert {t.device for t in entry.values()} == {CUDA}
    got, expected = mine.state(), reference.state()
    assert list(got) == list(expected)
    for name, value in expected.items():
        try:
            close_to_scale(got[name], value, RTOL)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
    close_to_scale(mine.evaluated(), reference.evaluated(), RTOL)
    return mine


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_a_compiled_training_step(task: Task):
    training = follow(task, 20, compile=thrace.compile)
    found = thrace.explain(training.step)
    assert [t.calls for t in found.traces] == [20]
    assert len(found.executables) == 1
    assert found.executables[0].device == CUDA
    assert not found.fallbacks
    assert not found.recompiles


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_an_uncompiled_training_step(task: Task):
    follow(task, 3)


OPTIMIZERS = {
    "dampening": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.1, amsgrad=True),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.1, momentum=0.9, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
}


@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_step_without_arguments_is_where_the_parameters_are(make: Any, compiled: bool):
    def trained(device: str) -> np.ndarray:
        p = thrace.tensor(array(4, 3), device=device, requires_grad=True)
        opt = make([p])

        def step() -> Any:
            opt.zero_grad()
            loss = (p * p * p.sin()).sum()
            loss.backward()
            opt.step()
            return loss

        run = thrace.compile(step) if compiled else step
        for _ in range(5):
            assert run().device == p.device
        if compiled:
            assert not thrace.explain(run).fallbacks
        return p.detach().cpu().numpy().copy()

    close_to_scale(trained("cuda"), trained("cpu"), RTOL)


def test_the_digits_network(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    digits = importlib.import_module("digits")
    data = digits.load()

    def losses(device: str, steps: int) -> list[float]:
        training = digits.Training(steps=100)
        training.model.to(device)
        thrace.manual_seed(1)  # each device draws from its own stream: begin both anew
        out = []
        for images, labels in itertools.islice(data.batches(0), steps):
            loss = training.train_step(
                thrace.tensor(images, device=device), thrace.tensor(labels, device=device)
            )
            training.scheduler.step()
            out.append(loss.item())
        found = thrace.explain(training.train_step)
        assert len(found.traces) == 1
        assert not found.fallbacks
        return out

    got = losses("cuda", 12)
    np.testing.assert_allclose(got, losses("cpu", 12), rtol=1e-2)
    assert got[-1] < got[0] / 2


# Devices.


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
@pytest.mark.parametrize("shape", ((), (0, 2), (3, 5)), ids=str)
def test_there_and_back_without_a_changed_bit(dtype: Any, shape: tuple[int, ...]):
    x = thrace.from_numpy(np.asarray(array(*shape) * 50).astype(dtype.np))
    there = x.to("cuda")
    assert there.device == CUDA and there.is_cuda
    assert there.dtype is x.dtype and there.shape == x.shape
    assert there.to("cuda:0") is there is there.to(CUDA) is there.cuda()
    back = there.cpu()
    assert back.device.type == "cpu"
    assert back.numpy().tobytes() == x.numpy().tobytes()


def through(library: Any, device: str) -> list[Any]:
    """Gradients that cross between devices both ways, the second order too."""
    w = library.full((3,), 0.5, requires_grad=True)
    v = library.full((3,), 2.0, requires_grad=True, device=device)
    y = (w * 2).to(device) * v
    z = (y.sin().cpu() * w + w).sum()
    z.backward(retain_graph=True)
    (g,) = library.autograd.grad(z, v, create_graph=True)
    (h,) = library.autograd.grad((g * g).cpu().sum(), w)
    return [w.grad, v.grad, g, h]


def test_gradients_cross_devices_as_in_pytorch():
    got, expected = through(thrace, "cuda"), through(torch, "cpu")
    assert [t.device.type for t in got] == ["cpu", "cuda", "cuda", "cpu"]
    for g, e in zip(got, expected, strict=True):
        close_to_scale(g.detach().cpu(), e)


def test_operands_on_two_devices_are_refused():
    here, there = thrace.ones(3), thrace.ones(3, device="cuda")
    with pytest.raises(thrace.DeviceError, match=r"add.*cpu and cuda:0"):
        thrace.add(here, there)
    # But a number is where it is needed, as in PyTorch.
    assert (there * thrace.tensor(2.0)).tolist() == [2, 2, 2]
    assert (thrace.tensor(2.0) * there).device == CUDA


def test_a_transfer_inside_a_compiled_function_still_gives_the_answer():
    weight = thrace.full((3,), 2.0, device="cuda")

    @thrace.compile
    def fn(x: Any) -> Any:
        return (x.to("cuda") * weight).sum()

    with pytest.warns(thrace.FallbackWarning, match="cuda:0"):
        assert fn(thrace.ones(3)).item() == 6
    assert fn(thrace.ones(3)).item() == 6
    assert thrace.explain(fn).fallbacks


def test_random_numbers_are_those_of_the_cpu():
    def drawn(device: str) -> list[Any]:
        thrace.manual_seed(7)
        x = thrace.ones(50, device=device)
        return [
            thrace.rand(5, device=device),
            thrace.randn(5, device=device),
            thrace.randint(0, 100, (5,), device=device),
            nn.functional.dropout(x, 0.5),
        ]

    for got, expected in zip(drawn("cuda"), drawn("cpu"), strict=True):
        assert got.device == CUDA
        close_to_scale(got.cpu(), expected)


def test_views_share_memory_there_too():
    x = thrace.zeros(3, 4, device="cuda")
    x[1] += 1
    x.t()[0].mul_(5).add_(2)
    x.view(-1)[::5] = 9
    y = torch.zeros(3, 4)
    y[1] += 1
    y.t()[0].mul_(5).add_(2)
    y.view(-1)[::5] = 9
    assert x.tolist() == y.tolist()


def test_a_graph_is_traced_where_the_parameters_are():
    layer = nn.Linear(3, 2).to("cuda")
    graph = thrace.trace(layer, thrace.spec("f32[4,3]"))
    assert [n.op.name for n in graph] == ["dot_general", "add"]
    graph = thrace.trace(lambda x: layer(x).sum(), thrace.spec("f32[4,3]", device="cuda"))
    args = {n: layer.state_dict()[n].cpu().numpy() for n in ("weight", "bias")} | {"x": array(4, 3)}
    got = compile_graph(graph, CUDA)([args[n.rpartition(".")[2]] for n in graph.input_names])
    expected = layer(thrace.tensor(args["x"], device="cuda")).sum()
    close_to_scale(np.asarray(got[0]), expected.detach().cpu().numpy())


def test_the_profiler_reads_the_devices_own_times():
    big = thrace.randn(4096, 4096, device="cuda")

    def step(x):
        slow = big @ big  # planted
        return slow.mean() + (x * 2).sum()

    found = thrace.profiler.profile(step, thrace.randn(16, device="cuda"), repeats=5)
    assert found.method == "trace"
    place = next(iter(found.by_line()))
    assert place is not None and place.text.endswith("# planted"), found
    assert all(e.track.startswith("/device:") for e in found.events)
    assert found.attributed >= 0.9, found
