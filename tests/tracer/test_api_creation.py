"""Tensors from data, sizes, ranges and generators, against PyTorch where it is an oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from api_oracle import array, cases, check

import thrace

M = array(3, 4)

DATA: tuple[tuple[str, Any], ...] = (
    ("int", 3),
    ("float", 2.5),
    ("bool", True),
    ("complex", 1 + 2j),
    ("list", [1, 2, 3]),
    ("floats", [1.0, 2.5]),
    ("mixed", [1, 2.5, True]),
    ("bools", [True, False]),
    ("bool-int", [True, 2]),
    ("nested", [[1, 2], [3, 4]]),
    ("tuples", ((1, 2), (3, 4))),
    ("deep", [[[1.5], [2]]]),
    ("empty", []),
    ("empty-nested", [[], []]),
    ("range", range(3)),
    ("infinite", [1e400, -float("inf"), float("nan")]),
    ("numpy", np.arange(6, dtype=np.int32).reshape(2, 3)),
    ("numpy-double", np.linspace(0, 1, 3)),
    ("numpy-half", np.ones(2, np.float16)),
    ("numpy-scalar", np.float32(1.5)),
    ("numpy-double-scalar", np.float64(1.5)),
    ("numpy-double-list", [np.float64(1)]),
    ("numpy-int-list", [np.int32(1)]),
    ("numpy-array-list", [np.array([1.0, 2.0])]),
    ("numpy-strided", np.arange(12).reshape(3, 4)[::2, ::2]),
    ("numpy-big-endian", np.array([1, 2], ">i4").astype("<i4")),
    ("ragged", [[1, 2], [3]]),
    ("ragged-number", [[1, 2], 3]),
    ("ragged-list", [1, [2]]),
    ("text", "a"),
    ("texts", ["a"]),
    ("none", None),
    ("nones", [None]),
    ("dict", {1: 2}),
    ("huge", 2**63),
    ("huge-list", [2**63]),
)


@cases([(name, lambda T, d=data: T.tensor(d), ()) for name, data in DATA])
def test_data(case: Any) -> None:
    check(case)


# PyTorch's shares the array's memory, and its strides with it.
@cases([(n, lambda T, d=d: T.as_tensor(d), ()) for n, d in DATA if n != "numpy-strided"])
def test_as_tensor(case: Any) -> None:
    check(case)


MAKE = (
    ("dtype", lambda T: T.tensor([1.7, -2.2], dtype=T.int64)),
    ("dtype-half", lambda T: T.tensor([1, 2], dtype=T.float16)),
    ("dtype-bool", lambda T: T.tensor([0, 2], dtype=T.bool)),
    ("uint8-negative", lambda T: T.tensor([-1], dtype=T.uint8)),
    ("uint8-large", lambda T: T.tensor([300], dtype=T.uint8)),
    ("requires_grad", lambda T: T.tensor([1.0], requires_grad=True)),
    ("requires_grad-int", lambda T: T.tensor([1], requires_grad=True)),
    ("of-tensors", lambda T: T.tensor([T.tensor(1), T.tensor(2.5)])),
    ("of-tensor", lambda T: T.tensor(T.ones(2))),
    ("from_numpy", lambda T: T.from_numpy(np.ones((2, 3), np.int16))),
    ("from_numpy-list", lambda T: T.from_numpy([1])),
    ("as_tensor-same", lambda T: (lambda x: T.as_tensor(x) is x)(T.ones(2))),
    ("as_tensor-dtype", lambda T: T.as_tensor(T.ones(2), dtype=T.int32)),
    ("scalar_tensor", lambda T: T.scalar_tensor(3)),
    ("zeros", lambda T: T.zeros(2, 3)),
    ("zeros-tuple", lambda T: T.zeros((2, 3), dtype=T.int8)),
    ("zeros-size", lambda T: T.zeros(T.Size([2, 3]))),
    ("zeros-nothing", lambda T: T.zeros(())),
    ("zeros-keyword", lambda T: T.zeros(size=(2,))),
    ("zeros-grad", lambda T: T.zeros(2, requires_grad=True)),
    ("zeros-numpy-size", lambda T: T.zeros(np.int64(2), 3)),
    ("zeros-negative", lambda T: T.zeros(-1)),
    ("zeros-float", lambda T: T.zeros(2.5)),
    ("zeros-text", lambda T: T.zeros("a")),
    ("ones", lambda T: T.ones(3, dtype=T.bool)),
    ("empty-shape", lambda T: T.empty(2, 3).shape),
    ("full", lambda T: T.full((2, 2), 7)),
    ("full-float", lambda T: T.full((2,), 1.5)),
    ("full-bool", lambda T: T.full((2,), True)),
    ("full-dtype", lambda T: T.full((2,), 1.5, dtype=T.int64)),
    ("full-tensor", lambda T: T.full((2,), T.tensor(3.0))),
    ("eye", lambda T: T.eye(3)),
    ("eye-wide", lambda T: T.eye(2, 4, dtype=T.int64)),
    ("eye-negative", lambda T: T.eye(-1)),
    ("arange", lambda T: T.arange(5)),
    ("arange-float", lambda T: T.arange(3.0)),
    ("arange-bounds", lambda T: T.arange(2, 8, 3)),
    ("arange-down", lambda T: T.arange(5, 0, -2)),
    ("arange-fraction", lambda T: T.arange(0, 1, 0.3)),
    ("arange-tenths", lambda T: T.arange(0, 1, 0.1)),
    ("arange-dtype", lambda T: T.arange(1, 4, dtype=T.float16)),
    ("arange-int32", lambda T: T.arange(0, 6, 2, dtype=T.int32)),
    ("arange-empty", lambda T: T.arange(0)),
    ("arange-zero-step", lambda T: T.arange(0, 1, 0)),
    ("arange-wrong-way", lambda T: T.arange(5, 1)),
    ("arange-keyword", lambda T: T.arange(start=1, end=4)),
    ("linspace", lambda T: T.linspace(0, 1, 5)),
    ("linspace-down", lambda T: T.linspace(3, -2, 7)),
    ("linspace-one", lambda T: T.linspace(2, 5, 1)),
    ("linspace-none", lambda T: T.linspace(2, 5, 0)),
    ("linspace-int", lambda T: T.linspace(0, 10, 3, dtype=T.int64)),
    ("linspace-double", lambda T: T.linspace(-1, 1, 11, dtype=T.float64)),
    ("linspace-negative", lambda T: T.linspace(0, 1, -1)),
    ("size-add", lambda T: T.zeros(2).shape + T.zeros(3).shape),
    ("size-slice", lambda T: T.zeros(2, 3, 4).shape[1:]),
    ("size-text", lambda T: str(T.zeros(2, 3).shape)),
    ("size-numel", lambda T: T.zeros(2, 3).shape.numel()),
    ("Tensor-list", lambda T: T.Tensor([1, 2])),
    ("Tensor-sizes", lambda T: T.Tensor(2, 3).shape),
    ("randint-none", lambda T: T.randint(5, 5, (2,))),
    ("normal-negative", lambda T: T.normal(0.0, -1.0, (2,))),
    ("bernoulli-range", lambda T: T.bernoulli(T.tensor([2.0]))),
    ("rand-int", lambda T: T.rand(2, dtype=T.int64)),
    ("randperm-negative", lambda T: T.randperm(-1)),
)


@cases([(name, make, ()) for name, make in MAKE])
def test_make(case: Any) -> None:
    check(case)


LIKE = (
    ("zeros_like", lambda T, x: T.zeros_like(x)),
    ("zeros_like-transposed", lambda T, x: T.zeros_like(x.t())),
    ("ones_like-dtype", lambda T, x: T.ones_like(x, dtype=T.int32)),
    ("full_like", lambda T, x: T.full_like(x, 2)),
    ("empty_like", lambda T, x: T.empty_like(x, requires_grad=True).requires_grad),
    ("new_zeros", lambda T, x: x.new_zeros(2, 3)),
    ("new_ones", lambda T, x: x.double().new_ones((2,))),
    ("new_full", lambda T, x: x.new_full((2,), 3)),
    ("new_empty", lambda T, x: x.new_empty(2, dtype=T.int64).dtype),
    ("new_tensor", lambda T, x: x.double().new_tensor([1, 2])),
    ("rand_like", lambda T, x: T.rand_like(x).shape),
    ("randint_like", lambda T, x: T.randint_like(x, 3).dtype),
)


@cases([(name, make, (M,), False) for name, make in LIKE])
def test_like(case: Any) -> None:
    check(case)


def test_copying_a_tensor_by_tensor_warns() -> None:
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        thrace.tensor(thrace.ones(2))


@pytest.mark.parametrize("count", (0, 1, 20_000))
def test_uniform_and_normal(count: int) -> None:
    thrace.manual_seed(3)
    u, n = thrace.rand(count).numpy(), thrace.randn(count, dtype=thrace.float64).numpy()
    assert u.shape == n.shape == (count,)
    assert ((u >= 0) & (u < 1)).all()
    if count > 1000:
        assert abs(u.mean() - 0.5) < 0.01 and abs(u.std() - 12**-0.5) < 0.01
        assert abs(n.mean()) < 0.03 and abs(n.std() - 1) < 0.03


def test_seeds_repeat_and_differ() -> None:
    thrace.manual_seed(1)
    first = thrace.rand(5).tolist()
    second = thrace.rand(5).tolist()
    thrace.manual_seed(1)
    assert thrace.rand(5).tolist() == first != second
    own = thrace.Generator().manual_seed(1)
    assert thrace.rand(5, generator=own).tolist() == first
    assert thrace.rand(5).tolist() == second  # the default stream did not move


def test_whole_numbers() -> None:
    x = thrace.randint(-3, 4, (5000,)).numpy()
    assert x.dtype == np.int64 and set(x.tolist()) == set(range(-3, 4))
    assert np.bincount(x + 3).min() > 500
    assert sorted(thrace.randperm(50).tolist()) == list(range(50))
    wide = thrace.randint(0, 1 << 40, (1000,)).numpy()
    assert wide.min() >= 0 and wide.max() < 1 << 40 and wide.max() > 1 << 38


def test_random_fills() -> None:
    x = thrace.zeros(4000)
    assert x.uniform_(2, 3) is x
    assert x.min().item() >= 2 and x.max().item() < 3
    assert abs(x.normal_(5, 0.1).mean().item() - 5) < 0.02
    assert abs(x.bernoulli_(0.25).mean().item() - 0.25) < 0.05
    assert abs(x.exponential_(2).mean().item() - 0.5) < 0.05
    assert set(thrace.zeros(100, dtype=thrace.int64).random_(3).tolist()) == {0, 1, 2}
    p = thrace.full((4000,), 0.75)
    assert abs(thrace.bernoulli(p).mean().item() - 0.75) < 0.05
    assert thrace.bernoulli(thrace.tensor([0.0, 1.0])).tolist() == [0, 1]
    m = thrace.normal(thrace.full((4000,), 3.0), 0.5)
    assert abs(m.mean().item() - 3) < 0.05 and abs(m.std().item() - 0.5) < 0.05


def test_dtypes_of_random_tensors() -> None:
    for name in ("float16", "float32", "float64"):
        assert thrace.rand(2, dtype=getattr(thrace, name)).dtype.name == name
        assert str(getattr(torch, name)) == f"torch.{name}"
