"""Printed tensors against PyTorch's, with `thrace.` where it says `torch.`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from api_oracle import array, bools, integers

import thrace

NUMBERS: tuple[np.ndarray, ...] = (
    array(3, 4),
    array(3) * 1e-3,
    array(3) * 1e-6,
    array(3) * 1e6,
    array(3) * 1e12,
    array(20),
    array(30, 30),
    array(2, 3, 4),
    array(2, 2, 2, 2),
    array(1, 1, 5),
    array(1001),
    array(7, 200),
    array(200, 7),
    array(10, 10, 11),
    np.array([1.0, 2.0, 3.0], np.float32),
    np.array([1e9, 2.0], np.float32),
    np.array([2000.0, 1.0], np.float32),
    np.array([1e5, 1.5], np.float32),
    np.array([0.5, 1000.0], np.float32),
    np.array([1e-5, 1.0], np.float32),
    np.array([0.0, 0.0], np.float32),
    np.array([np.nan, np.inf, -np.inf], np.float32),
    np.array([np.nan, 1.0, -2.0], np.float32),
    np.array([np.inf, 1.5, -2.0], np.float32),
    np.array([np.nan, 1e10, 0.1], np.float32),
    np.array([-0.0, 1.0], np.float32),
    np.array(3.14159, np.float32),
    np.array(5.0, np.float32),
    np.array(1e-10, np.float32),
    np.array(np.nan, np.float32),
    np.array(7),
    np.array(True),
    array(3).astype(np.float64),
    array(3).astype(np.float16),
    np.array([65504, 1], np.float16),
    integers(3, 4),
    integers(40) * 1000,
    integers(3).astype(np.int8),
    integers(3, low=0).astype(np.uint8),
    bools(3, 4),
    bools(50),
    np.zeros((0,), np.float32),
    np.zeros((0, 3), np.float32),
    np.zeros((2, 0), np.int32),
    np.zeros((0,), np.float64),
    np.array([1 + 2j, -1.5 - 0.25j], np.complex64),
    np.array([[1 + 2j, 3 + 4j]], np.complex128),
    np.array(1e6 + 1j, np.complex64),
)


def same(ours: Any, theirs: Any) -> None:
    assert repr(ours) == repr(theirs).replace("torch.", "thrace.")


@pytest.fixture
def options() -> Iterator[None]:
    yield
    thrace.set_printoptions(profile="default")
    torch.set_printoptions(profile="default")


@pytest.mark.parametrize("data", NUMBERS, ids=lambda a: f"{a.dtype}{list(a.shape)}")
def test_numbers(data: np.ndarray) -> None:
    same(thrace.tensor(data), torch.tensor(data))


@pytest.mark.parametrize(
    "choice",
    (
        {"precision": 2},
        {"precision": 8, "linewidth": 40},
        {"sci_mode": True},
        {"sci_mode": False},
        {"threshold": 5, "edgeitems": 1},
        {"edgeitems": 2, "threshold": 10, "linewidth": 30},
        {"profile": "short"},
        {"profile": "full"},
    ),
    ids=str,
)
def test_options(choice: dict[str, Any], options: None) -> None:
    thrace.set_printoptions(**choice)
    torch.set_printoptions(**choice)
    for data in NUMBERS:
        same(thrace.tensor(data), torch.tensor(data))


def test_history() -> None:
    ours = thrace.tensor([1.0, 2.0], requires_grad=True)
    theirs = torch.tensor([1.0, 2.0], requires_grad=True)
    same(ours, theirs)
    for run in (
        lambda x: x * 2,
        lambda x: x.sum(),
        lambda x: x.double(),
        lambda x: x.repeat(12).exp(),
        lambda x: x.detach(),
        lambda x: (x, x.max(0)),
    ):
        same(run(ours), run(theirs))


def test_parameter_and_formats() -> None:
    same(thrace.nn.Parameter(thrace.ones(2)), torch.nn.Parameter(torch.ones(2)))
    assert f"{thrace.tensor(2.5):.3f}" == f"{torch.tensor(2.5):.3f}"
    assert str(thrace.zeros(2, 3).shape) == "thrace.Size([2, 3])"
    assert str(thrace.tensor(3)) == str(torch.tensor(3))


def test_bfloat16() -> None:
    data = [1.5, 2.25, 1e-3]
    same(thrace.tensor(data, dtype=thrace.bfloat16), torch.tensor(data, dtype=torch.bfloat16))
