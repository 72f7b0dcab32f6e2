"""`thrace.debug.bisect` against planted miscompilations: a lowering rule that is wrong for one
node of a program. The node must be named, and the file it writes must show the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from jax import lax

import thrace
import thrace.nn.functional as F
from thrace import nn, optim
from thrace.ir import Graph
from thrace.lowering import table
from thrace.runtime import executable


def training_step() -> tuple[Callable, tuple]:
    thrace.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 3))
    opt = optim.SGD(net.parameters(), lr=1e-3)

    def step(x, labels):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        opt.step()
        return loss

    return step, (thrace.randn(5, 4), thrace.tensor([0, 1, 2, 1, 0]))


def adam() -> tuple[Callable, tuple]:
    weight = nn.Parameter(thrace.ones(3))
    opt = optim.Adam([weight], lr=1e-3)

    def step(x):
        (weight * x).sum().backward()
        opt.step()

    return step, (thrace.tensor([1.0, 2.0, 3.0]),)


def convolution() -> tuple[Callable, tuple]:
    thrace.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2))

    def step(x):
        loss = net(x).square().mean()
        loss.backward()
        return loss

    return step, (thrace.randn(2, 2, 8, 8),)


def loop() -> tuple[Callable, tuple]:
    def step(carry, x):
        carry = (carry * 0.5 + x).tanh()
        return carry, carry.exp()

    return lambda x: thrace.scan(step, thrace.zeros(3), x), (thrace.randn(6, 3),)


def branch() -> tuple[Callable, tuple]:
    def f(x):
        return thrace.cond(x.sum() > -1e9, lambda v: v.sin() * 2, lambda v: v.cos(), (x,))

    return f, (thrace.randn(4),)


class Plant(NamedTuple):
    """`wrong(node, result)` is what the rule of `op` gives for nodes where `when(node)`."""

    op: str
    program: Callable[[], tuple[Callable, tuple]]
    wrong: Callable[[Any, Any], Any]
    when: Callable[[Any], bool] = lambda node: True
    inside: str = ""


def half_as_large(node: Any, result: Any) -> Any:
    return lax.mul(result, np.asarray(0.5, result.dtype))


def negative(node: Any, result: Any) -> Any:
    return lax.neg(result)


def shifted(node: Any, result: Any) -> Any:
    return lax.add(result, np.asarray(1, result.dtype))


def backwards(node: Any, result: Any) -> Any:
    return lax.rev(result, (0,))


def one_element(node: Any, result: Any) -> Any:
    flat = lax.reshape(result, (result.size,))
    return lax.reshape(lax.concatenate([flat[:1] * 0, flat[1:]], 0), result.shape)


def is_backward_float(node: Any) -> bool:
    return node.phase == "backward" and node.outputs[0].type.dtype.is_floating_point


PLANTS = (
    Plant("dot_general", training_step, half_as_large, lambda n: n.phase == "backward"),
    Plant("erf", training_step, shifted),
    Plant("sqrt", adam, half_as_large, lambda n: n.phase == "optimizer"),
    Plant("rsqrt", training_step, one_element),
    Plant("exp", training_step, shifted, lambda n: n.phase == "forward"),
    Plant("amax", training_step, negative),  # the loss is right all the same
    Plant("convolution", convolution, one_element, lambda n: n.phase == "forward"),
    Plant("transpose", convolution, negative, is_backward_float),
    Plant("tanh", loop, backwards, inside="step 0 of scan"),
    Plant("sin", branch, half_as_large, inside="true branch of cond"),
)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Plant], None]]:
    def plant(p: Plant) -> None:
        right = table.RULES[p.op]

        def rule(node: Any, *args: Any) -> Any:
            result = right(node, *args)
            return p.wrong(node, result) if p.when(node) else result

        monkeypatch.setitem(table.RULES, p.op, rule)
        executable.CACHE.clear()

    yield plant
    monkeypatch.undo()
    executable.CACHE.clear()


def first_planted(graph: Graph, p: Plant) -> Any:
    return next(n for n in graph.nodes if n.op.name == p.op and p.when(n))


@pytest.mark.parametrize("plant", PLANTS, ids=lambda p: p.op)
def test_a_wrong_lowering_is_found(
    plant: Plant, planted: Callable, tmp_path: Path, thrace_main: Callable
):
    fn, args = plant.program()
    planted(plant)
    found = thrace.debug.bisect(fn, *args, path=tmp_path / "small.txt")
    assert found is not None and found.alone and len(found.graph) == 1
    assert found.node.op.name == plant.op and plant.when(found.node)
    assert found.location is not None and found.location.file == __file__
    assert " ".join(found.inside).startswith(plant.inside)
    if not plant.inside:
        graph = thrace.trace(fn, *args)
        expected = first_planted(graph, plant)
        assert (found.node.outputs[0].type, found.node.phase) == (
            expected.outputs[0].type,
            expected.phase,
        )
    again = thrace_main("run", tmp_path / "small.txt", "--evaluator", "whole,numpy")
    assert again.code == 1 and "whole and numpy differ in out0" in again.out, again.err
    assert again.out.splitlines()[0].endswith("data of the file")


def normed_twice() -> tuple[Callable, tuple]:
    """A gradient that is nothing but rounding errors: of the bias before a norm, and Adam's step
    makes it as large as any other."""
    thrace.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(4, 4), nn.SiLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 4, 3, padding=1), nn.GroupNorm(4, 4), nn.Flatten(), nn.Linear(64, 3)),
    )
    opt = optim.Adam(net.parameters(), lr=1e-2)

    def step(x, labels):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        opt.step()
        return loss

    return step, (thrace.randn(2, 3, 8, 8), thrace.tensor([0, 2]))


@pytest.mark.parametrize("program", (training_step, normed_twice), ids=lambda p: p.__name__)
def test_programs_whose_ways_agree(program: Callable):
    fn, args = program()
    assert thrace.debug.bisect(fn, *args) is None


def test_two_devices_agree():
    fn, args = branch()
    assert thrace.debug.bisect(fn, *args, first="cpu", second="cpu") is None
    with pytest.raises(thrace.DeviceError):
        thrace.debug.bisect(fn, *args, first="cuda:99")


def test_single_precision_against_double():
    def variance(x):
        centred = x.square().mean() - x.mean().square()  # cancels
        return centred * 2

    x = thrace.tensor(np.linspace(0, 1e-3, 64, dtype=np.float32) + 100)
    found = thrace.debug.bisect(variance, x, first="numpy", second="float64")
    assert found is not None and found.node.op.name == "sub" and not found.alone
    assert found.location is not None and "# cancels" in found.location.text
    assert thrace.debug.bisect(variance, x - 100, first="numpy", second="float64") is None


def test_what_is_wrong_only_in_the_whole_is_shown_with_its_context(planted: Callable):
    # The rule looks at what its operand is: in a program of one op it is right.
    def wrong(node: Any, result: Any) -> Any:
        before = node.operands[0].node
        return shifted(node, result) if before is not None and before.op.name == "mul" else result

    planted(Plant("exp", branch, wrong))
    found = thrace.debug.bisect(lambda x: (x * 2).exp() + 1, thrace.randn(3))
    assert found is not None and found.node.op.name == "exp"
    assert [n.op.name for n in found.graph.nodes] == ["mul", "exp"]
    assert "in a graph of 2 nodes" in str(found)
    ops = thrace.debug.bisect(lambda x: (x * 2).exp() + 1, thrace.randn(3), second="ops")
    assert ops is not None and ops.node.op.name == "exp"


def test_what_vanishes_when_values_are_looked_at(planted: Callable):
    # As a fusion does: wrong only where nothing but the last value leaves the program.
    outputs: list[int] = []
    right = executable._compile

    def wrong(node: Any, result: Any) -> Any:
        return shifted(node, result) if outputs[-1] == 1 else result

    def compile_noting(graph: Graph, *rest: Any) -> Any:
        outputs.append(len(graph.outputs))
        return right(graph, *rest)

    planted(Plant("exp", branch, wrong))
    executable._compile = compile_noting
    try:
        found = thrace.debug.bisect(lambda x: (x * 2).exp().sum(), thrace.randn(3))
    finally:
        executable._compile = right
    assert found is not None and found.node.op.name == "exp"


def test_tolerance_and_bad_arguments():
    fn, args = training_step()
    assert thrace.debug.bisect(fn, *args, first="numpy", second="float64") is None
    strict = thrace.debug.bisect(fn, *args, first="numpy", second="float64", tolerance=0.0)
    assert strict is not None
    with pytest.raises(ValueError, match="'fast' is no way to run a graph; known: whole, ops"):
        thrace.debug.bisect(fn, *args, first="fast")
    with pytest.raises(TypeError, match="not specs"):
        thrace.debug.bisect(lambda x: x + 1, thrace.spec("f32[2]"))
    graph = thrace.trace(lambda x: x + 1, thrace.spec("f32[2]"))
    assert thrace.debug.bisect(graph, np.ones(2, np.float32)) is None
    with pytest.raises(TypeError, match="takes 1 inputs, got 0"):
        thrace.debug.bisect(graph)


def test_the_command(model: Path, planted: Callable, thrace_main: Callable):
    args = ("bisect", "model.py:net", "--input", "f32[6,4]", "--grad", "--eval", "--optimize")
    clean = thrace_main(*args)
    assert clean.code == 0 and "whole and numpy agree in all" in clean.out, clean.err
    planted(Plant("select", training_step, shifted))
    found = thrace_main(*args, "--output", "small.txt")
    assert found.code == 1, found.err
    assert "module Net: whole and numpy part at" in found.out
    assert "model.py:" in found.out and "thrace run small.txt --evaluator whole,numpy" in found.out
    assert thrace_main("run", "small.txt", "--evaluator", "whole,numpy").code == 1
    assert thrace_main("run", "small.txt", "--evaluator", "numpy,float64").code == 0
    # What it wrote is a graph with data for every other command.
    assert thrace_main("bisect", "small.txt").code == 1
    assert "select" in thrace_main("dump", "small.txt").out


BAD = [
    (("model.py:net", "--first", "fast"), "--first: 'fast' is no way to run a graph"),
    (("model.py:net", "--second", "cuda:x"), "--second: 'cuda:x' is no way"),
    (("model.py:net", "--input", "f32[2,4]", "--tolerance", "-1"), "--tolerance must not be"),
    (("model.py:net", "--input", "f32[2,4]", "--second", "cuda:99"), "--second: device cuda:99"),
    (("model.py:nothing",), "has no 'nothing'"),
    (("no.txt",), "cannot read no.txt"),
]


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_bad_input(argv: tuple[str, ...], message: str, model: Path, thrace_main: Callable):
    done = thrace_main("bisect", *argv)
    assert (done.code, done.out) == (2, "")
    assert message in done.err and "Traceback" not in done.err
