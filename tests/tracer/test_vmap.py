"""`vmap`: what PyTorch's gives, and what a loop over the examples gives.

A row is a function of both libraries (`T` is torch or thrace) and of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from api_oracle import array, bools, integers
from transforms import assert_as_pytorch, assert_one_trace

import thrace

x, X, A, B = array(3), array(5, 3), array(4, 3), array(5, 4, 3)
picks = integers(5, low=0, high=3)
F = {torch: torch.nn.functional, thrace: thrace.nn.functional}


def written(v: Any) -> Any:
    v = v.clone()
    v[0] = v[1] * 2
    v[1:].mul_(3)
    v.view(1, -1)[0, 2:] += 1
    return v


def written_input(T: Any, X: Any) -> Any:
    out = T.vmap(lambda v: v.add_(1).sum())(X)
    return out, X


def written_column(T: Any, X: Any) -> Any:
    T.vmap(lambda v: v.mul_(2), in_dims=1)(X)
    return X


ROWS: dict[str, tuple] = {
    "plain": (lambda T, X: T.vmap(lambda v: v * 2 + v.sum())(X), X),
    "in_dim": (lambda T, X: T.vmap(lambda v: v * 2 + v.sum(), in_dims=1)(X), X),
    "negative_dims": (lambda T, X: T.vmap(lambda v: v * 2, in_dims=-1, out_dims=-1)(X), X),
    "not_mapped": (lambda T, X, x: T.vmap(lambda a, b: a + b, in_dims=(0, None))(X, x), X, x),
    "nested_in_dims": (
        lambda T, X, x: T.vmap(lambda d: d["a"] + d["b"], in_dims=({"a": 0, "b": None},))(
            {"a": X, "b": x}
        ),
        *(X, x),
    ),
    "list_of_inputs": (lambda T, X: T.vmap(lambda ts: ts[0] * ts[1])([X, X]), X),
    "out_dims": (lambda T, X: T.vmap(lambda v: (v, (v * 2, v.sum())), out_dims=(1, (1, 0)))(X), X),
    "out_dim_none": (
        lambda T, X, x: T.vmap(lambda v: (v, x * 2, 7), out_dims=(0, None, None))(X),
        *(X, x),
    ),
    "same_for_all": (lambda T, X: T.vmap(lambda v: T.ones(2))(X), X),
    "keywords": (lambda T, X: T.vmap(lambda a, b: a + b)(X, b=X), X),
    "vmap_of_vmap": (
        lambda T, X, A: T.vmap(
            T.vmap(lambda a, b: (a * b).sum(), in_dims=(None, 0)), in_dims=(0, None)
        )(X, A),
        *(X, A),
    ),
    "chunks": (lambda T, X: T.vmap(lambda v: (v.sin(), v.sum()), chunk_size=2)(X), X),
    "chunks_out_dims": (
        lambda T, B: T.vmap(lambda v: v.sin(), in_dims=1, out_dims=2, chunk_size=3)(B),
        B,
    ),
    "matmul": (lambda T, B, A: T.vmap(lambda m: m @ A.t() + A @ m.t())(B), B, A),
    "views": (lambda T, B: T.vmap(lambda m: m.t()[1:].reshape(-1)[::2].view(2, 2))(B), B),
    "diagonal": (lambda T, B: T.vmap(lambda m: m.diagonal() + m[:, 0][:3])(B), B),
    "writes": (lambda T, X: T.vmap(written)(X), X),
    "written_input": (written_input, X),
    "written_column": (written_column, X),
    "index_by_example": (lambda T, X, i: T.vmap(lambda v, i: v[i])(X, i), X, picks),
    "gather": (lambda T, X, i: T.vmap(lambda v, i: v.gather(0, i.view(1)))(X, i), X, picks),
    "where": (lambda T, X, m: T.vmap(lambda v, m: T.where(m, v, -v))(X, m), X, bools(5, 3)),
    "reductions": (
        lambda T, B: T.vmap(lambda m: (m.amax(0), m.argmax(), m.mean(), m.var(1), m.prod(1)))(B),
        B,
    ),
    "softmax": (lambda T, X, i: T.vmap(F[T].cross_entropy)(X, i), X, picks),
    "conv": (
        lambda T, x, w: T.vmap(lambda a, b: F[T].conv1d(a, b, padding=1))(x, w),
        *(array(3, 2, 4, 6), array(3, 4, 4, 3)),
    ),
    "conv_groups": (
        lambda T, x, w: T.vmap(lambda w: F[T].conv1d(x, w, groups=2))(w),
        *(array(2, 4, 6), array(3, 6, 2, 3)),
    ),
    "layer_norm": (lambda T, B: T.vmap(lambda m: F[T].layer_norm(m, (3,)))(B), B),
    "attention": (
        lambda T, B: T.vmap(lambda m: F[T].scaled_dot_product_attention(m[None], m[None], m[None]))(
            B
        ),
        B,
    ),
    "einsum": (lambda T, B, A: T.vmap(lambda m: T.einsum("ij,kj->ik", m, A))(B), B, A),
    # Errors
    "no_inputs": (lambda T: T.vmap(lambda: 1)(),),
    "sizes_differ": (lambda T, X, A: T.vmap(lambda a, b: a)(X, A), X, A),
    "in_dims_structure": (lambda T, X: T.vmap(lambda a: a, in_dims=(0, 0))(X), X),
    "in_dims_type": (lambda T, X: T.vmap(lambda a: a, in_dims="0")(X), X),
    "in_dim_too_large": (lambda T, X: T.vmap(lambda a: a, in_dims=2)(X), X),
    "in_dim_of_number": (lambda T, X: T.vmap(lambda a, b: a)(X, 3), X),
    "nothing_mapped": (lambda T, X: T.vmap(lambda a: a, in_dims=None)(X), X),
    "out_dims_structure": (lambda T, X: T.vmap(lambda a: (a, a), out_dims=(0, 0, 0))(X), X),
    "returns_a_number": (lambda T, X: T.vmap(lambda a: 3.0)(X), X),
    "batched_to_none": (lambda T, X: T.vmap(lambda a: a, out_dims=None)(X), X),
    "chunk_size": (lambda T, X: T.vmap(lambda a: a, chunk_size=0)(X), X),
    "control_flow": (lambda T, X: T.vmap(lambda a: a if a.sum() > 0 else -a)(X), X),
    "item": (lambda T, X: T.vmap(lambda a: a.sum().item())(X), X),
    "random": (lambda T, X: T.vmap(lambda a: a + T.rand(3))(X), X),
    "write_to_outside": (lambda T, X, x: T.vmap(lambda a: x.add_(a))(X), X, x),
    "backward_inside": (lambda T, X: T.vmap(lambda a: a.sum().backward())(X), X),
}


@pytest.mark.parametrize("name", ROWS)
def test_as_pytorch(name: str):
    assert_as_pytorch(ROWS[name])


@pytest.mark.parametrize("name", ("writes", "written_input", "conv", "index_by_example", "chunks"))
def test_compiled_is_one_trace(name: str):
    assert_one_trace(ROWS[name])


def test_it_is_not_a_loop():
    graph = thrace.trace(thrace.vmap(lambda v: (v * 2).sum()), thrace.spec("f32[1000,3]"))
    assert [node.op.name for node in graph.nodes] == ["mul", "sum"]


def test_randomness():
    zeros = thrace.zeros(4, 3)
    draw = lambda v: v + thrace.rand(3)  # noqa: E731
    same = thrace.vmap(draw, randomness="same")(zeros).numpy()
    different = thrace.vmap(draw, randomness="different")(zeros).numpy()
    assert (same == same[0]).all() and len(np.unique(different)) == 12
    nested = thrace.vmap(thrace.vmap(draw, randomness="same"), randomness="different")
    drawn = nested(thrace.zeros(2, 4, 3)).numpy()
    assert (drawn == drawn[:, :1]).all() and (drawn[0] != drawn[1]).all()
    with pytest.raises(RuntimeError):
        thrace.vmap(draw, randomness="other")


def test_random_state_goes_on_after_it():
    thrace.manual_seed(0)
    thrace.vmap(lambda v: v + thrace.rand(3), randomness="different")(thrace.zeros(4, 3))
    after = thrace.rand(2).tolist()
    thrace.manual_seed(0)
    thrace.rand(12)
    assert thrace.rand(2).tolist() == after


def test_values_that_are_the_same_for_all_can_be_looked_at():
    w = thrace.tensor(x)
    seen: list[Any] = []

    def f(v: Any) -> Any:
        doubled = w * 2
        seen.append(doubled.tolist())
        return v * float(doubled[0])

    got = thrace.vmap(f)(thrace.tensor(X))
    np.testing.assert_allclose(got.numpy(), X * x[0] * 2, rtol=1e-6)
    np.testing.assert_allclose(seen[0], x * 2, rtol=1e-6)


def test_what_is_kept_from_inside_can_be_used_if_it_is_not_batched():
    kept: list[Any] = []
    w = thrace.tensor(x, requires_grad=True)

    def f(v: Any) -> Any:
        kept.append(w * 3)
        return v * kept[0]

    thrace.vmap(f)(thrace.tensor(X))
    kept[0].sum().backward()
    assert w.grad.tolist() == [3, 3, 3]  # type: ignore[union-attr]


def test_an_error_inside_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError):
        thrace.vmap(lambda v: v * (1 / 0))(thrace.tensor(X))
    assert thrace.vmap(lambda v: v.sum())(thrace.ones(2, 3)).tolist() == [3, 3]
    t = thrace.ones(2, requires_grad=True)
    t.sum().backward()


def test_an_error_inside_leaves_the_random_state_readable():
    def f(v: Any) -> Any:
        return v + thrace.rand(3) * (1 / 0)

    thrace.manual_seed(0)
    with pytest.raises(ZeroDivisionError):
        thrace.vmap(f, randomness="different")(thrace.tensor(X))
    assert thrace.rand(2).shape == (2,)


def test_a_tensor_of_many_examples_prints_them_all():
    seen: list[str] = []
    thrace.vmap(lambda v: seen.append(repr(v)) or v)(thrace.tensor([1.0, 2.0]))
    assert seen == ["BatchedTensor(lvl=1, bdim=0, value=\n    tensor([1., 2.])\n)"]


def test_batched_gradients_of_what_a_compiled_function_returned():
    f = thrace.compile(lambda v: (v * v).sin())
    for _ in range(2):
        v = thrace.tensor(x, requires_grad=True)
        (got,) = thrace.autograd.grad(f(v), v, thrace.eye(3), is_grads_batched=True)
        assert got is not None
        np.testing.assert_allclose(got.numpy(), np.diag(2 * x * np.cos(x * x)), rtol=1e-5)


def test_a_compiled_function_inside():
    inner = thrace.compile(lambda v: (v * v).sum())
    got = thrace.vmap(inner)(thrace.tensor(X))
    np.testing.assert_allclose(got.numpy(), (X * X).sum(1), rtol=1e-6)


def test_batch_norm_statistics_of_the_module_cannot_be_batched():
    norm = thrace.nn.BatchNorm1d(3)
    with pytest.raises(RuntimeError, match="vmap"):
        thrace.vmap(norm)(thrace.randn(4, 2, 3))


@pytest.mark.parametrize("mask", [bools(5), np.ones(5, bool)])
def test_checks_hold_for_each_example(mask: np.ndarray):
    """An index out of range in one example is an error, as it is outside."""
    index = thrace.tensor(np.where(mask, 1, 0))
    assert thrace.vmap(lambda v, i: v[i])(thrace.tensor(X), index).shape == (5,)
    with pytest.raises(IndexError):
        thrace.vmap(lambda v, i: v[i])(thrace.tensor(X), index + 2).tolist()
