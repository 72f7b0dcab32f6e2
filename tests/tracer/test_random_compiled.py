"""Random operations in compiled functions: the numbers of the uncompiled run, new at each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import thrace
import thrace.nn.functional as F

P = np.array([0.1, 0.4, 0.5], np.float32)
DRAWS: dict[str, Callable[[Any, Any], Any]] = {
    "rand": lambda t, g: t.rand(5, generator=g),
    "rand_double": lambda t, g: t.rand(5, dtype=t.float64, generator=g),
    "rand_half": lambda t, g: t.rand(5, dtype=t.bfloat16, generator=g).float(),
    "randn": lambda t, g: t.randn(5, generator=g),
    "randint": lambda t, g: t.randint(-9, 9, (5,), generator=g),
    "randint_wide": lambda t, g: t.randint(0, 1 << 50, (5,), generator=g),
    "randperm": lambda t, g: t.randperm(7, generator=g),
    "normal": lambda t, g: t.normal(1.0, 2.0, (5,), generator=g),
    "normal_of_tensors": lambda t, g: t.normal(t.arange(5.0), t.ones(5), generator=g),
    "bernoulli": lambda t, g: t.bernoulli(t.full((9,), 0.5), generator=g),
    "multinomial": lambda t, g: t.multinomial(t.tensor([0.1, 0.4, 0.5]), 2, generator=g),
    "multinomial_again": lambda t, g: t.multinomial(t.ones(4), 9, True, generator=g),
    "uniform_": lambda t, g: t.empty(5).uniform_(-1, 1, generator=g),
    "normal_": lambda t, g: t.empty(5).normal_(generator=g),
    "random_": lambda t, g: t.empty(5, dtype=t.int64).random_(100, generator=g),
    "bernoulli_": lambda t, g: t.empty(9).bernoulli_(0.5, generator=g),
    "exponential_": lambda t, g: t.empty(5).exponential_(generator=g),
    "cauchy_": lambda t, g: t.empty(5).cauchy_(generator=g),
    "log_normal_": lambda t, g: t.empty(5).log_normal_(generator=g),
    "geometric_": lambda t, g: t.empty(5).geometric_(0.3, generator=g),
}
# Those that PyTorch gives no generator.
PLAIN: dict[str, Callable[[Any], Any]] = {
    "rand_like": lambda t: t.rand_like(t.zeros(5)),
    "randn_like": lambda t: t.randn_like(t.zeros(5)),
    "randint_like": lambda t: t.randint_like(t.zeros(5), 0, 90),
    "dropout": lambda t: F.dropout(t.ones(16), 0.5),
    "dropout2d": lambda t: F.dropout2d(t.ones(1, 16, 1, 1), 0.5),
    "alpha_dropout": lambda t: F.alpha_dropout(t.ones(16), 0.5, True),
    "rrelu": lambda t: F.rrelu(-t.ones(6), training=True),
    "gumbel_softmax": lambda t: F.gumbel_softmax(t.zeros(5)),
    "attention": lambda t: F.scaled_dot_product_attention(
        *(t.ones(1, 6, 4) * t.arange(4.0),) * 3, dropout_p=0.5
    ),
    "init": lambda t: t.nn.init.xavier_uniform_(t.empty(3, 3)),
    "fractional_max_pool2d": lambda t: F.fractional_max_pool2d(
        t.arange(49.0).reshape(1, 1, 7, 7), 2, output_size=3
    ),
}
HOST = {
    "poisson": lambda t, g: t.poisson(t.full((5,), 4.0), generator=g),
    "binomial": lambda t, g: t.binomial(t.full((5,), 9.0), t.full((5,), 0.5), generator=g),
}


def everything(generator: Any = None) -> dict[str, Any]:
    out = {name: draw(thrace, generator) for name, draw in DRAWS.items()}
    return out | {name: draw(thrace) for name, draw in PLAIN.items()}


def three_calls(fn: Any, *args: Any) -> list[dict[str, np.ndarray]]:
    out = []
    for _ in range(3):
        out.append({name: value.detach().numpy() for name, value in fn(*args).items()})
    return out


@pytest.fixture(scope="module")
def runs() -> Any:
    """Three calls uncompiled and compiled, from one seed; the states afterwards; the function."""
    thrace.manual_seed(11)
    expected = three_calls(everything)
    after = thrace.get_rng_state().numpy()
    thrace.manual_seed(11)
    compiled = thrace.compile(lambda: everything())
    got = three_calls(compiled)
    return expected, got, (after, thrace.get_rng_state().numpy()), compiled


@pytest.mark.parametrize("name", (*DRAWS, *PLAIN))
def test_compiled_draws_the_same(name: str, runs: Any):
    expected, got, _, _ = runs
    for e, g in zip(expected, got, strict=True):
        np.testing.assert_allclose(g[name], e[name], rtol=1e-5, atol=1e-6)
    # Each call draws anew; of few choices two may be equal, not all three.
    assert any((got[0][name] != got[i][name]).any() for i in (1, 2))


def test_one_executable_leaves_the_state_of_the_uncompiled_run(runs: Any):
    _, _, states, compiled = runs
    np.testing.assert_array_equal(*states)
    report = thrace.explain(compiled)
    assert len(report.traces) == len(report.executables) == 1 and not report.fallbacks


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", HOST)
def test_drawn_on_the_host(name: str):
    """What rejection draws needs the host: right, if uncompiled."""
    compiled = thrace.compile(lambda: HOST[name](thrace, None))
    results = []
    for fn in (lambda: HOST[name](thrace, None), compiled):
        thrace.manual_seed(3)
        results.append([fn().numpy() for _ in range(3)])
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[1][0] != results[1][1]).any()


def test_generators_as_arguments_and_captured():
    """A generator passed in, held outside and the default one; equal seeds, equal numbers."""
    held = thrace.Generator()

    def draw(g: Any) -> Any:
        return thrace.rand(3, generator=g), thrace.randn(3, generator=held), thrace.rand(3)

    results, states = [], []
    compiled = thrace.compile(draw)
    for fn in (draw, compiled):
        given = thrace.Generator().manual_seed(1)
        held.manual_seed(2)
        thrace.manual_seed(3)
        results.append([[t.numpy() for t in fn(given)] for _ in range(3)])
        states.append([g.get_state().numpy() for g in (given, held, thrace.default_generator)])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
    np.testing.assert_array_equal(*states)
    other = thrace.Generator().manual_seed(9)
    expected = draw(other.clone_state())[0].numpy()
    np.testing.assert_allclose(compiled(other)[0].numpy(), expected, rtol=1e-6)
    assert not thrace.explain(compiled).fallbacks


def states(t: Any, fn: Any) -> list[bool]:
    """Saving and restoring: which draws are equal."""
    t.manual_seed(0)
    before = t.get_rng_state()
    first = fn()
    second = fn()
    t.set_rng_state(before)
    again = fn()
    out = [bool((first == again).all()), bool((first == second).all())]
    with t.random.fork_rng():
        inside = fn()
    out.append(bool((inside == fn()).all()))
    with t.random.fork_rng(enabled=False):
        inside = fn()
    out.append(bool((inside == fn()).all()))
    generator = t.Generator()
    generator.manual_seed(4)
    state = generator.get_state()
    a = t.rand(4, generator=generator)
    generator.set_state(state)
    out.append(bool((a == t.rand(4, generator=generator)).all()))
    t.manual_seed(5)
    out.append(t.initial_seed() == 5)
    third = fn()
    t.manual_seed(5)
    out.append(bool((third == fn()).all()))
    return out


@pytest.mark.parametrize("compiled", (False, True))
def test_states_are_saved_and_restored(compiled: bool):
    expected = states(torch, lambda: torch.rand(8))
    fn = thrace.compile(lambda: thrace.rand(8)) if compiled else (lambda: thrace.rand(8))
    assert states(thrace, fn) == expected


def test_forked_inside_a_compiled_function():
    @thrace.compile
    def draw() -> tuple[Any, Any]:
        with thrace.random.fork_rng():
            inside = thrace.rand(4)
        return inside, thrace.rand(4)

    for _ in range(3):
        inside, after = (t.numpy() for t in draw())
        np.testing.assert_array_equal(inside, after)
    assert len(thrace.explain(draw).traces) == 1 and not thrace.explain(draw).fallbacks


def deterministic(t: Any) -> list[Any]:
    out: list[Any] = []

    def look() -> None:
        out.append(t.are_deterministic_algorithms_enabled())
        out.append(t.is_deterministic_algorithms_warn_only_enabled())
        out.append(t.get_deterministic_debug_mode())

    look()
    for mode, warn_only in ((True, False), (True, True), (False, True), (False, False)):
        t.use_deterministic_algorithms(mode, warn_only=warn_only)
        look()
    for level in ("warn", "error", "default", 1, 2, 0):
        t.set_deterministic_debug_mode(level)
        look()
    for wrong in ("other", 3):
        with pytest.raises(RuntimeError):
            t.set_deterministic_debug_mode(wrong)
    with pytest.raises(TypeError):
        t.set_deterministic_debug_mode(None)
    return out


def test_deterministic_mode():
    assert deterministic(thrace) == deterministic(torch)
