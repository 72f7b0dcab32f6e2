"""A slice of `make fuzz`: the same programs at every run, few of them compiled by XLA.

The run itself is `python -m tests.fuzz`; here it must find nothing, and find some faults.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from fuzz.check import check
from fuzz.exclusions import is_open
from fuzz.forms import draw
from fuzz.planted import FAULTS, find
from fuzz.program import Input, Program, Statement
from fuzz.run import oracle, run_plain, run_torch

pytestmark = pytest.mark.filterwarnings("ignore")

PROGRAMS = 300
PARTS = 6
SEED = 0


def assert_agrees(number: int, compiled: str, plain: bool = True) -> tuple[str, ...]:
    result = check(draw(SEED, number), compiled, plain)
    m = result.mismatch
    if m is not None and not is_open(m.program, m.mode, m.difference):
        script = m.program.reproduction(m.compiled)
        pytest.fail(f"program {number}, {m.mode}: {m.difference.text}\n{script}", pytrace=False)
    return result.ways


@pytest.mark.parametrize("part", range(PARTS))
def test_programs_agree_with_pytorch(part: int):
    ways = [assert_agrees(n, "interpreted") for n in range(part, PROGRAMS, PARTS)]
    replayed = sum("compiled (interpreted), replayed" in w for w in ways)
    assert replayed > PROGRAMS / PARTS / 4  # or little of compilation was looked at


@pytest.mark.parametrize("number", range(0, 40, 5))
def test_programs_agree_when_xla_compiles_them(number: int):
    assert_agrees(number, "xla", plain=False)


@pytest.mark.parametrize("name", ["missing-sum-to", "stale-view", "missing-guard", "lost-commit"])
def test_planted_faults_are_found(name: str):
    number, text, _ = find(name, SEED, limit=120)
    assert number >= 0, f"{FAULTS[name].text}: {text}"


def test_a_program_is_the_same_at_every_draw():
    assert draw(3, 5) == draw(3, 5)
    assert draw(3, 5) != draw(4, 5)


X = Input("x0", "float64", (3,), True, ([0.5, -1.0, 2.0], [1.0, 2.0, 3.0]))
OVERWRITTEN = Program(
    (X,),
    tuple(
        map(
            Statement,
            (
                "v0 = x0 * 2",
                "v1 = v0 * v0.sin()",
                "v0.mul_(x0)",
                "(v1 + v0).sum().backward()",
            ),
        )
    ),
    inside=4,
)


def test_pytorch_refuses_where_a_saved_value_was_overwritten():
    space = {"T": torch, "x0": X.make(torch, 0)}
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        for s in OVERWRITTEN.statements:
            exec(s.source, space)


def test_the_gradient_wanted_then_is_that_of_the_function():
    (wanted,) = run_torch(OVERWRITTEN)
    got = run_plain(OVERWRITTEN)

    def value(x: np.ndarray) -> float:
        return float((2 * x * np.sin(2 * x) + 2 * x * x).sum())

    x, step = np.array(X.values[0]), 1e-6
    slopes = [(value(x + step * e) - value(x - step * e)) / (2 * step) for e in np.eye(3)]
    for outcome in (wanted, got):
        assert outcome.snapshot is not None, outcome.failed
        np.testing.assert_allclose(outcome.snapshot.tensors["x0.grad"].values, slopes, rtol=1e-7)


def test_second_order_goes_through_cloned_values():
    x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    with oracle():
        y = x.exp()
        z = (y * y).sin()
        y.mul_(3)
        (first,) = torch.autograd.grad(z.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
    e = np.exp(2 * x.detach().numpy())
    np.testing.assert_allclose(first.detach().numpy(), 2 * e * np.cos(e))
    np.testing.assert_allclose(second.numpy(), 4 * e * np.cos(e) - 4 * e * e * np.sin(e))


def test_the_features_meet():
    features = [draw(SEED, n).features for n in range(150)]
    pairs = {p for f in features for p in itertools.combinations(sorted(f), 2)}
    assert len(pairs) > 1_500
