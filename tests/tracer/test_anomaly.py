"""Anomaly detection: planted nan, inf and large values, found at the line that made them.

A plant is a function whose comments mark the guilty line (`# here`) and, for backward nodes,
the forward line that it differentiates (`# cause`). Each runs uncompiled and compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import thrace
from thrace import nn
from thrace.ir.anomaly import Watch


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.linear(x).relu()


def log_in_one_layer(x):
    class Log(Block):
        def forward(self, x):
            h = self.linear(x)
            return (h - h.max()).log()  # here

    thrace.manual_seed(0)
    net = nn.Sequential(Block(), Log(), Block())
    loss = net(x).sum()
    loss.backward()
    return loss


def zero_by_zero_in_a_rule(x):
    root = (x - x).sqrt()  # cause
    loss = (root * 0).sum()
    loss.backward()  # here
    return x.grad


def overflow_in_float16(x):
    half = (x + 300).half()
    square = half * half  # here
    return square.float().mean()


def in_a_scan(x):
    def step(total, row):
        total = total - row.sum() - 1
        return total, (total + 4.5).log()  # here

    return thrace.scan(step, thrace.zeros(()), x)


def in_a_branch(x):
    def negative(v):
        return (v - 9).sqrt()  # here

    return thrace.cond(x.sum() < 1e9, negative, lambda v: v, (x,))


def in_a_while_loop(x):
    def body(v, n):
        return (v * 1e20, n + 1)  # here

    return thrace.while_loop(lambda v, n: n < 5, body, (x + 1, thrace.tensor(0)))


def in_a_custom_backward(x):
    class Halve(thrace.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x / 2

        @staticmethod
        def backward(ctx, g):
            return g / 0  # here

    Halve.apply(x).sum().backward()  # cause
    return x.grad


def in_a_hook(x):
    y = x * 2  # cause
    y.register_hook(lambda g: g / 0)  # here
    y.sum().backward()
    return x.grad


def in_a_hook_of_a_function(x):
    y = x * 2  # cause
    y.grad_fn.register_prehook(lambda g: (g[0] / 0,))  # here
    y.sum().backward()
    return x.grad


def written_as_a_number(x):
    held = x.detach().clone()
    held[2, 1] = float("nan")  # here
    return held * 2


class Plant(NamedTuple):
    fn: Callable[..., Any]
    kind: str
    op: str
    phase: str = "forward"
    inside: str = ""


PLANTS = (
    Plant(log_in_one_layer, "nan", "log"),
    Plant(zero_by_zero_in_a_rule, "nan", "div", "backward"),
    Plant(overflow_in_float16, "inf", "mul"),
    Plant(in_a_custom_backward, "inf", "div", "backward"),
    Plant(in_a_hook, "inf", "div", "backward"),
    Plant(in_a_hook_of_a_function, "inf", "div", "backward"),
    Plant(written_as_a_number, "nan", "full"),
    Plant(in_a_scan, "nan", "log", inside="step 2 of scan"),
    Plant(in_a_branch, "nan", "sqrt", inside="true branch of cond"),
    Plant(in_a_while_loop, "inf", "mul", inside="body 1 of while_loop"),
)


def line_of(fn: Callable[..., Any], mark: str) -> int | None:
    lines, first = inspect.getsourcelines(fn)
    found = [first + i for i, line in enumerate(lines) if line.rstrip().endswith(f"# {mark}")]
    return found[0] if found else None


def example() -> Any:
    return thrace.linspace(0.1, 1, 32).reshape(8, 4).requires_grad_()


@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
@pytest.mark.parametrize("plant", PLANTS, ids=lambda p: p.fn.__name__)
def test_a_planted_anomaly_is_found_at_its_line(plant: Plant, compiled: bool):
    fn = thrace.compile(plant.fn) if compiled else plant.fn
    found = thrace.debug.hunt(fn, example())
    assert found is not None
    assert (found.kind, found.op, found.phase) == (plant.kind, plant.op, plant.phase)
    assert found.location is not None and found.location.file == __file__
    assert found.location.line == line_of(plant.fn, "here")
    assert (found.cause and found.cause.line) == line_of(plant.fn, "cause")
    # Uncompiled, loops and branches are Python's own.
    assert " ".join(found.inside).startswith(plant.inside if compiled else "")


@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
def test_a_function_that_is_replayed_is_looked_at_too(compiled: bool):
    def f(x):
        return x.log().sum()

    call = thrace.compile(f) if compiled else f
    for _ in range(2):
        call(thrace.ones(3))
    refused = pytest.raises(thrace.debug.AnomalyError, match=r"log made the first nan: 1 of 3")
    with refused, thrace.debug.detect_anomaly():
        call(thrace.tensor([1.0, -2.0, 3.0]))
    assert call(thrace.ones(3)).item() == 0  # and works as before


def statistics_of(fn: Callable[..., Any], *args: Any) -> Any:
    found = thrace.debug.hunt(fn, *args)
    assert found is not None
    return found


def test_statistics_of_operands_and_result():
    x = np.array([4.0, 1.0, -1.0, 0.25, np.e], np.float32)
    found = statistics_of(lambda v: v.log(), thrace.tensor(x))
    (operand,) = found.operands
    assert (operand.least, operand.greatest) == (-1.0, 4.0)
    assert operand.mean == pytest.approx(x.mean(dtype=np.float64))
    assert (operand.type, operand.nan, operand.inf) == ("f32[5]", 0, 0)
    assert (found.result.nan, found.count, found.size) == (1, 1, 5)
    assert found.element == "first at [2], where it is log(-1.0)"


FINE = {
    "masked": lambda x: thrace.where(x > 0.5, (x - 0.5).log(), 0.0).sum(),
    "given infinities": lambda x: (x + thrace.full((4,), -thrace.inf)).softmax(0)[1:].isnan().sum(),
    "causal mask": lambda x: (
        (x @ x.T).masked_fill(thrace.ones(8, 8).triu(1).bool(), -thrace.inf).softmax(-1).sum()
    ),
    "integers": lambda x: (x * 1000).long().sum(),
    "norm of zeros": lambda x: thrace.autograd.grad((x * 0).norm() * 0 + x.sum(), x),
}


@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
@pytest.mark.parametrize("name", FINE)
def test_what_is_no_anomaly(name: str, compiled: bool):
    fn = FINE[name]
    assert thrace.debug.hunt(thrace.compile(fn) if compiled else fn, example()) is None


def test_the_first_value_above_a_bound():
    def f(x):
        y = x * 10
        return (y * 10).sum()

    found = thrace.debug.hunt(f, thrace.ones(3), above=50)
    assert found is not None and found.kind == "above" and found.op == "mul"
    assert found.operands[0].greatest == 10
    assert thrace.debug.hunt(f, thrace.ones(3), above=1000) is None
    with pytest.raises(ValueError, match="positive"):
        thrace.debug.hunt(f, thrace.ones(3), above=-1)


def test_a_nan_that_came_in_says_so():
    found = thrace.debug.hunt(lambda x: (x + 1).sum(), thrace.tensor([1.0, float("nan")]))
    assert found is not None and not found.made
    assert "came in by an input" in str(found)


def test_an_anomaly_in_a_later_evaluation_names_its_origin():
    def f(x):
        y = thrace.where(x > 0, 1.0, x.log())
        y.sum().item()
        return y * 2

    found = thrace.debug.hunt(f, thrace.tensor([-1.0, 2.0]))
    assert found is not None and found.op == "log"


def test_kinds_can_be_left_out():
    def f(x):
        return x.log()

    assert thrace.debug.hunt(f, thrace.zeros(2), inf=False) is None
    assert thrace.debug.hunt(f, -thrace.ones(2), nan=False) is None


def test_values_are_those_of_an_ordinary_run():
    thrace.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.LayerNorm(3))
    x = example()
    want = net(x).detach().numpy()
    thrace.manual_seed(0)
    net2 = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.LayerNorm(3))
    with thrace.debug.detect_anomaly():
        got = net2(x)
        got.sum().backward()
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-6)


def test_the_mode_can_be_a_decorator_and_is_over_after_an_error():
    @thrace.debug.detect_anomaly()
    def f(x):
        return x.log().sum().item()

    with pytest.raises(RuntimeError, match="first nan"):
        f(-thrace.ones(2))
    assert np.isnan((-thrace.ones(2)).log().sum().item())


def sqrt_of_zero(T: Any) -> Any:
    def f(v):
        loss = (v.sqrt() * 0).sum()
        loss.backward()
        return loss

    return f


@pytest.mark.filterwarnings("ignore:Error detected")
@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
def test_pytorchs_names(compiled: bool):
    with pytest.raises(RuntimeError, match="returned nan values"), torch.autograd.detect_anomaly():
        sqrt_of_zero(torch)(torch.zeros(1, requires_grad=True))

    def look(f: Callable[..., Any]) -> None:
        with thrace.autograd.detect_anomaly():
            f(thrace.zeros(1, requires_grad=True))

    f = sqrt_of_zero(thrace)
    f = thrace.compile(f) if compiled else f
    with pytest.raises(RuntimeError, match="returned nan values") as caught:
        look(f)
    assert "loss = (v.sqrt() * 0).sum()" in str(caught.value)
    with thrace.autograd.set_detect_anomaly(True, check_nan=False):
        f(thrace.zeros(1, requires_grad=True))
    # In the forward pass nan is no anomaly to PyTorch.
    with thrace.autograd.detect_anomaly():
        assert np.isnan(thrace.compile(lambda v: v.log())(-thrace.ones(1)).item())


def test_a_graph_with_marks_is_looked_at_without_tensors():
    graph = thrace.trace(lambda x: x.log().exp(), thrace.spec("f32[2]"))
    watch = Watch()
    _, marks = watch.run(graph, [np.array([1.0, -1.0], np.float32)])
    with pytest.raises(thrace.debug.AnomalyError, match="log made"):
        watch.refuse(marks)
