"""Random numbers: seeded streams, the same compiled and not, and of the right distribution.

The streams are not PyTorch's; what is compared is their shape, their dtype and what they
are distributed like.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import thrace
import thrace.nn.functional as F
from thrace import nn

COUNT = 20_000


class Law(NamedTuple):
    """How to draw, and the mean, the standard deviation and the limits of what comes."""

    draw: Callable[[Any], Any]
    mean: float
    deviation: float
    low: float = -math.inf
    high: float = math.inf


LAWS = {
    "rand": Law(lambda t: t.rand(COUNT), 0.5, math.sqrt(1 / 12), 0.0, 1.0),
    "rand_double": Law(lambda t: t.rand(COUNT, dtype=t.float64), 0.5, math.sqrt(1 / 12), 0.0, 1.0),
    "randn": Law(lambda t: t.randn(COUNT), 0.0, 1.0),
    "randn_double": Law(lambda t: t.randn(COUNT, dtype=t.float64), 0.0, 1.0),
    "randint": Law(lambda t: t.randint(-3, 5, (COUNT,)), 0.5, math.sqrt((8**2 - 1) / 12), -3, 4),
    "rand_like": Law(lambda t: t.rand_like(t.ones(COUNT)), 0.5, math.sqrt(1 / 12), 0.0, 1.0),
    "randn_like": Law(lambda t: t.randn_like(t.ones(COUNT)), 0.0, 1.0),
    "uniform_": Law(lambda t: t.empty(COUNT).uniform_(-2, 4), 1.0, 6 / math.sqrt(12), -2.0, 4.0),
    "normal_": Law(lambda t: t.empty(COUNT).normal_(3.0, 0.5), 3.0, 0.5),
    "normal": Law(lambda t: t.normal(1.0, 2.0, (COUNT,)), 1.0, 2.0),
    "bernoulli": Law(
        lambda t: t.bernoulli(t.full((COUNT,), 0.3)), 0.3, math.sqrt(0.3 * 0.7), 0.0, 1.0
    ),
    "dropout": Law(
        lambda t: t.nn.functional.dropout(t.ones(COUNT), 0.25), 1.0, math.sqrt(1 / 3), 0.0, 1.3334
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_distribution(name: str):
    """Mean, deviation and limits, within six standard errors; dtype and shape as PyTorch's."""
    law = LAWS[name]
    thrace.manual_seed(7)
    got, like = law.draw(thrace), law.draw(torch)
    assert str(got.dtype).split(".")[1] == str(like.dtype).split(".")[1]
    assert tuple(got.shape) == tuple(like.shape)
    x = got.numpy().astype(np.float64)
    assert x.min() >= law.low and x.max() <= law.high
    assert abs(x.mean() - law.mean) < 6 * law.deviation / math.sqrt(COUNT)
    assert abs(x.std() - law.deviation) < 6 * law.deviation / math.sqrt(COUNT)
    # Neighbours have nothing to do with each other.
    centred = (x - law.mean) / law.deviation
    assert abs((centred[:-1] * centred[1:]).mean()) < 6 / math.sqrt(COUNT)


WITH_DTYPE = {
    "rand": lambda t, **k: t.rand(2, **k),
    "randn": lambda t, **k: t.randn(2, **k),
    "normal": lambda t, **k: t.normal(0.0, 1.0, (2,), **k),
    "randint": lambda t, **k: t.randint(5, (2,), **k),
    "randperm": lambda t, **k: t.randperm(2, **k),
}


@pytest.mark.parametrize("name", WITH_DTYPE)
def test_a_dtype_that_is_not_that_of_out_is_refused(name: str):
    for t in (torch, thrace):
        with pytest.raises(RuntimeError, match="does not match dtype of out parameter"):
            WITH_DTYPE[name](t, dtype=t.float32, out=t.empty(2, dtype=t.float64))


INTO = {
    "rand": lambda t, out: t.rand(COUNT, out=out),
    "randn": lambda t, out: t.randn(COUNT, out=out),
    "normal": lambda t, out: t.normal(t.zeros(COUNT), t.ones(COUNT), out=out),
    "randint": lambda t, out: t.randint(0, 2**40, (COUNT,), out=out),
}


@pytest.mark.parametrize("name", INTO)
def test_numbers_are_drawn_in_the_dtype_of_out(name: str):
    for t in (torch, thrace):
        out = t.empty(COUNT, dtype=t.int64 if name == "randint" else t.float64)
        assert INTO[name](t, out) is out
        assert (out.float().double() != out.double()).any()  # more than a single would hold


@pytest.mark.parametrize("name", LAWS)
def test_seeded_and_compiled_draw_the_same(name: str):
    draw = LAWS[name].draw
    compiled = thrace.compile(lambda: draw(thrace))
    runs = []
    for call in (lambda: draw(thrace), compiled, lambda: draw(thrace), compiled):
        thrace.manual_seed(11)
        runs.append([call().numpy() for _ in range(2)])
    for run in runs[1:]:
        for a, b in zip(run, runs[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert (runs[0][0] != runs[0][1]).any()
    assert len(thrace.explain(compiled).traces) == 1


def test_uniform_fills_the_unit_interval_evenly():
    """1 never comes, and each of 64 bins gets its share (chi-squared, six deviations)."""
    thrace.manual_seed(0)
    x = thrace.rand(64 * 1000).numpy()
    assert x.max() < 1.0
    counts = np.bincount((x * 64).astype(int), minlength=64)
    statistic = ((counts - 1000) ** 2 / 1000).sum()
    assert abs(statistic - 63) < 6 * math.sqrt(2 * 63)


def test_seeds_differ_and_repeat():
    def draw(seed: int) -> list[float]:
        thrace.manual_seed(seed)
        return thrace.rand(4).tolist()

    assert draw(1) == draw(1)
    assert len({tuple(draw(s)) for s in range(20)}) == 20
    assert draw(-1) == draw(-1)


def test_generator():
    """A generator has a stream of its own, which the default one does not disturb."""
    a, b = thrace.Generator(), thrace.Generator()
    a.manual_seed(5)
    b.manual_seed(5)
    first = thrace.rand(3, generator=a).tolist()
    thrace.rand(10)
    assert thrace.rand(3, generator=b).tolist() == first
    assert thrace.rand(3, generator=a).tolist() != first
    assert a.initial_seed() == 5
    state = a.get_state()
    later = thrace.randn(4, generator=a).tolist()
    a.set_state(state)
    assert thrace.randn(4, generator=a).tolist() == later


def test_generator_inside_compile():
    def step(generator):
        return thrace.rand(3, generator=generator)

    generator = thrace.Generator().manual_seed(9)
    want = [step(generator).tolist() for _ in range(3)]
    generator.manual_seed(9)
    call = thrace.compile(lambda: step(generator))
    assert [call().tolist() for _ in range(3)] == want
    assert not thrace.explain(call).fallbacks


def test_seeding_inside_compile():
    @thrace.compile
    def step():
        thrace.manual_seed(3)
        return thrace.rand(2)

    assert step().tolist() == step().tolist()
    after = thrace.rand(2).tolist()
    thrace.manual_seed(3)
    thrace.rand(2)
    assert thrace.rand(2).tolist() == after


def test_permutation():
    thrace.manual_seed(0)
    seen = set()
    for _ in range(20):
        p = thrace.randperm(6)
        assert sorted(p.tolist()) == list(range(6)) and p.dtype is thrace.int64
        seen.add(tuple(p.tolist()))
    assert len(seen) > 10
    assert thrace.randperm(0).tolist() == [] and thrace.randperm(1).tolist() == [0]


@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
def test_dropout_masks(compiled: bool):
    """Masks differ between calls and between layers; the gradient uses the call's own."""
    first, second = nn.Dropout(0.5), nn.Dropout(0.5)

    def forward(x):
        return first(x), second(x)

    call = thrace.compile(forward) if compiled else forward
    thrace.manual_seed(0)
    x: Any = thrace.ones(100, requires_grad=True)
    seen = []
    for _ in range(3):
        a, b = call(x)
        del x.grad
        (a + 3 * b).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), (a + 3 * b).detach().numpy())
        seen += [tuple(a.tolist()), tuple(b.tolist())]
    assert len(set(seen)) == 6
    first.eval()
    second.eval()
    a, b = call(x)
    assert a.tolist() == b.tolist() == [1.0] * 100


def test_dropout_edges():
    x = thrace.ones(5)
    assert F.dropout(x, 0.0).tolist() == [1.0] * 5
    assert F.dropout(x, 1.0).tolist() == [0.0] * 5
    assert F.dropout(x, 0.7, training=False).tolist() == [1.0] * 5
    y = x.clone()
    F.dropout(y, 1.0, inplace=True)
    assert y.tolist() == [0.0] * 5
    zero: Any = thrace.zeros(3, requires_grad=True)
    F.dropout(zero, 1.0).sum().backward()
    assert zero.grad.tolist() == [0.0] * 3


def test_initial_weights_are_seeded():
    def weights() -> list[float]:
        thrace.manual_seed(4)
        return nn.Linear(8, 4).weight.flatten().tolist()

    assert weights() == weights()
    bound = 1 / math.sqrt(8)
    assert all(abs(w) <= bound for w in weights())
    assert len(set(weights())) == 32
