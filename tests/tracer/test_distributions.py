"""`thrace.distributions` against PyTorch's: densities, moments, divergences, shapes, draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from snippets import assert_prints_the_same, same_numbers

import thrace
import thrace.distributions

# Of each: a distribution, another for the divergence (or none), and values.
CASES = {
    "normal": ("D.Normal(a, b)", "D.Normal(b, a)", "b - 1"),
    "normal-numbers": ("D.Normal(0.0, 1.0)", "D.Normal(1.0, 2.0)", "T.tensor(0.3)"),
    "uniform": ("D.Uniform(a, a + b)", "D.Uniform(a - 1, a + b + 1)", "a + 0.2"),
    "exponential": ("D.Exponential(a)", "D.Exponential(b)", "b"),
    "gamma": ("D.Gamma(a, b)", "D.Gamma(b, a)", "b"),
    "chi2": ("D.Chi2(b)", "D.Chi2(a)", "a"),
    "beta": ("D.Beta(a, b)", "D.Beta(b, a)", "p"),
    "student_t": ("D.StudentT(b * 2, a, b)", "", "a"),
    "laplace": ("D.Laplace(a, b)", "D.Laplace(b, a)", "b - 1"),
    "cauchy": ("D.Cauchy(a, b)", "", "b - 1"),
    "gumbel": ("D.Gumbel(a, b)", "D.Gumbel(b, a)", "b - 1"),
    "half_normal": ("D.HalfNormal(a)", "D.HalfNormal(b)", "b"),
    "half_cauchy": ("D.HalfCauchy(a)", "", "b"),
    "weibull": ("D.Weibull(a, b)", "", "b"),
    "pareto": ("D.Pareto(a, b + 2)", "", "a + 1"),
    "log_normal": ("D.LogNormal(a, b)", "D.LogNormal(b, a)", "b"),
    "bernoulli": ("D.Bernoulli(p)", "D.Bernoulli(logits=a)", "T.tensor([1.0, 0.0, 1.0])"),
    "bernoulli-logits": ("D.Bernoulli(logits=a)", "D.Bernoulli(p)", "T.tensor([1.0, 0.0, 1.0])"),
    "geometric": ("D.Geometric(p)", "D.Geometric(logits=a)", "n"),
    "binomial": ("D.Binomial(5, p)", "D.Binomial(5, logits=a)", "n"),
    "negative_binomial": ("D.NegativeBinomial(3.0, p)", "", "n"),
    "poisson": ("D.Poisson(a)", "D.Poisson(b)", "n"),
    "categorical": ("D.Categorical(P)", "D.Categorical(logits=P)", "T.tensor([0, 2])"),
    "categorical-logits": ("D.Categorical(logits=P)", "D.Categorical(P)", "T.tensor([[0, 2]])"),
    "one_hot": ("D.OneHotCategorical(P)", "D.OneHotCategorical(logits=P)", "T.eye(3)[:2]"),
    "multinomial": ("D.Multinomial(4, P)", "", "T.tensor([[1.0, 1.0, 2.0], [0.0, 0.0, 4.0]])"),
    "dirichlet": ("D.Dirichlet(P + 1)", "D.Dirichlet(P + 2)", "P"),
    "multivariate_normal": (
        "D.MultivariateNormal(a[:2], M)",
        "D.MultivariateNormal(b[:2], scale_tril=T.linalg.cholesky(M) * 2)",
        "T.tensor([0.3, 0.7])",
    ),
    "multivariate_normal-precision": (
        "D.MultivariateNormal(a[:2], precision_matrix=M)",
        "D.MultivariateNormal(b[:2], M)",
        "T.tensor([0.3, 0.7])",
    ),
    "independent": (
        "D.Independent(D.Normal(P, P + 1), 1)",
        "D.Independent(D.Normal(P + 1, P + 1), 1)",
        "P",
    ),
    "mixture": ("D.MixtureSameFamily(D.Categorical(p), D.Normal(a, b))", "", "T.tensor(0.4)"),
    "affine_sigmoid": (
        "D.TransformedDistribution(D.Normal(a, b), [D.AffineTransform(1.0, 2.0), "
        "D.SigmoidTransform()])",
        "",
        "p",
    ),
    "tanh": (
        "D.TransformedDistribution(D.Independent(D.Normal(P, P + 1), 1), [D.TanhTransform()])",
        "",
        "P - 0.5",
    ),
    "softplus": ("D.TransformedDistribution(D.Normal(a, b), D.SoftplusTransform())", "", "b"),
    "power": ("D.TransformedDistribution(D.Gamma(a, b), D.PowerTransform(2.0))", "", "b"),
}
ASKED = {
    "log_prob": lambda d, x, D: d.log_prob(x),
    "cdf": lambda d, x, D: d.cdf(x),
    "icdf": lambda d, x, D: d.icdf(d.log_prob(x) * 0 + 0.3),
    "mean": lambda d, x, D: d.mean,
    "mode": lambda d, x, D: d.mode,
    "variance": lambda d, x, D: d.variance,
    "stddev": lambda d, x, D: d.stddev,
    "entropy": lambda d, x, D: d.entropy(),
    "shapes": lambda d, x, D: (tuple(d.batch_shape), tuple(d.event_shape)),
    "draws": lambda d, x, D: (tuple(d.sample().shape), tuple(d.sample((3, 2)).shape)),
    "expand": lambda d, x, D: d.expand((4, *d.batch_shape)).log_prob(x),
    "expand_draws": lambda d, x, D: tuple(d.expand((4, *d.batch_shape)).sample().shape),
    "enumerate_support": lambda d, x, D: d.enumerate_support(),
    "support": lambda d, x, D: bool(d.support.check(x).all()),
    "has_rsample": lambda d, x, D: d.has_rsample,
}


def space(library: Any) -> dict[str, Any]:
    return {
        "T": library,
        "D": library.distributions,
        "a": library.tensor([0.5, 1.0, 2.0]),
        "b": library.tensor([1.5, 0.7, 3.0]),
        "p": library.tensor([0.2, 0.5, 0.9]),
        "n": library.tensor([1.0, 0.0, 3.0]),
        "P": library.tensor([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]),
        "M": library.tensor([[2.0, 0.5], [0.5, 1.0]]),
    }


def answer(name: str, case: tuple[str, str, str], library: Any) -> Any:
    names = space(library)
    made, x = eval(case[0], names), eval(case[2], names)
    try:
        if name == "kl_divergence":
            return library.distributions.kl_divergence(made, eval(case[1], names))
        return ASKED[name](made, x, library.distributions)
    except NotImplementedError:
        return "not implemented"


@pytest.mark.parametrize("case", CASES)
def test_answers_as_pytorch(case: str):
    for name in (*ASKED, *(["kl_divergence"] if CASES[case][1] else [])):
        want, got = (answer(name, CASES[case], library) for library in (torch, thrace))
        if isinstance(want, torch.Tensor):
            assert tuple(got.shape) == tuple(want.shape), name
            a, b = got.numpy(force=True), want.numpy(force=True)
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5, err_msg=name)
        else:
            assert got == want, name


@pytest.mark.parametrize("case", ("normal", "gamma", "beta", "student_t", "multivariate_normal"))
def test_gradients_of_densities(case: str):
    grads = []
    for library in (torch, thrace):
        names = space(library)
        leaves = [names[k].requires_grad_() for k in ("a", "b", "M")]
        made = eval(CASES[case][0], names)
        made.log_prob(eval(CASES[case][2], names).detach()).sum().backward()
        grads.append([leaf.grad for leaf in leaves])
    for got, want in zip(grads[1], grads[0], strict=True):
        assert (got is None) == (want is None)
        if want is not None:
            same_numbers(got, want, 1e-4)


@pytest.mark.parametrize("case", [c for c in CASES if c not in ("cauchy", "half_cauchy", "power")])
def test_draws_have_the_moments(case: str):
    names = space(thrace)
    made = eval(CASES[case][0], names)
    thrace.manual_seed(0)
    drawn = made.sample((20_000,)).double()
    try:
        mean, spread = made.mean, made.stddev
    except NotImplementedError:  # by the distribution function instead
        if not hasattr(type(made), "cdf") or len(made.event_shape):
            return
        middle = made.icdf(thrace.full(made.batch_shape, 0.5))
        share = (drawn < middle).double().mean(0)
        assert ((share - 0.5).abs() < 0.02).all()
        return
    known = spread.isfinite() & mean.isfinite()
    gap = (drawn.mean(0) - mean).abs()
    assert (gap < 0.05 * (spread + 1e-3))[known].all()
    if case not in ("student_t", "pareto", "log_normal"):  # whose fourth moment is large
        assert ((drawn.std(0) - spread).abs() < 0.05 * spread + 1e-3)[known].all()


@pytest.mark.parametrize("concentration", (0.3, 1.0, 2.5, 20.0))
def test_gradient_through_gamma_numbers(concentration: float):
    a = thrace.full((200,), concentration, dtype=thrace.float64, requires_grad=True)
    x = thrace.distributions.Gamma(a, thrace.ones(200, dtype=thrace.float64)).rsample()
    x.sum().backward()
    assert a.grad is not None
    theirs = torch._standard_gamma_grad(torch.tensor(a.tolist()), torch.tensor(x.tolist()))
    np.testing.assert_allclose(a.grad.numpy(), theirs.numpy(), rtol=5e-3, atol=1e-6)


def test_compiled_as_uncompiled():
    loc = thrace.nn.Parameter(thrace.zeros(3))

    def loss(x):
        d = thrace.distributions.Normal(loc, loc.exp() + 1)
        q = thrace.distributions.Categorical(logits=d.rsample((2,)))
        kl = thrace.distributions.kl_divergence(d, thrace.distributions.Normal(0.0, 1.0))
        return d.log_prob(x).sum() + q.log_prob(q.sample()).sum() + kl.sum()

    compiled = thrace.compile(loss, fullgraph=True)
    results = []
    for f in (loss, compiled, compiled):
        thrace.manual_seed(3)
        loc.grad = None
        out = f(thrace.ones(3))
        out.backward()
        assert loc.grad is not None
        results.append([out.item(), *loc.grad.tolist()])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-4)


def test_prints_and_refuses_as_pytorch():
    assert_prints_the_same("""
        D = torch.distributions
        a = torch.ones(3)
        print(D.Normal(0.0, 1.0), D.Normal(a, a), D.Categorical(a), D.Bernoulli(logits=a))
        print(D.Independent(D.Normal(a, a), 1), D.HalfNormal(1.0), D.Beta(a, a), D.LogNormal(a, a))
        print(D.Pareto(a, a), D.MultivariateNormal(a, torch.eye(3)), D.Dirichlet(a))
        for make in (
            lambda: D.Normal(0.0, -1.0),
            lambda: D.Bernoulli(),
            lambda: D.Bernoulli(2.0),
            lambda: D.Categorical(torch.tensor(1.0)),
            lambda: D.Uniform(1.0, 0.0),
            lambda: D.Normal(a, a).log_prob(torch.ones(2)),
            lambda: D.Normal(a, a).log_prob(1.0),
            lambda: D.Exponential(1.0).log_prob(torch.tensor(-1.0)),
            lambda: D.MultivariateNormal(a),
            lambda: D.MultivariateNormal(a, -torch.eye(3)),
            lambda: D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0)),
            lambda: D.Poisson(1.0).rsample(),
            lambda: D.Independent(D.Normal(a, a), 2),
        ):
            try:
                print(make())
            except Exception as error:
                print(type(error).__name__)
    """)
