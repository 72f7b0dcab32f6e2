"""Initialisation: the distributions of PyTorch, and `nn.utils` with its numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from nn_oracle import array, close, host, ours, theirs
from scipy import stats

from thrace.tracer import nn
from thrace.tracer.nn import init
from thrace.tracer.tensor import from_host

SHAPE = (64, 32, 3)


def zeros(*shape: int):
    return from_host(np.zeros(shape, "float32"))


def uniform(bound: float):
    return stats.uniform(-bound, 2 * bound)


FILLS = {
    "uniform": (lambda i, t: i.uniform_(t, -1.0, 3.0), stats.uniform(-1, 4)),
    "normal": (lambda i, t: i.normal_(t, 2.0, 0.5), stats.norm(2, 0.5)),
    "trunc_normal": (lambda i, t: i.trunc_normal_(t), stats.truncnorm(-2, 2)),
    "trunc_normal_off": (
        lambda i, t: i.trunc_normal_(t, 1.0, 2.0, -3.0, 2.0),
        stats.truncnorm(-2, 0.5, 1, 2),
    ),
    "xavier_uniform": (
        lambda i, t: i.xavier_uniform_(t, 2.0),
        uniform(2 * math.sqrt(6 / (96 + 192))),
    ),
    "xavier_normal": (lambda i, t: i.xavier_normal_(t), stats.norm(0, math.sqrt(2 / 288))),
    "kaiming_uniform": (lambda i, t: i.kaiming_uniform_(t, a=math.sqrt(5)), uniform(96**-0.5)),
    "kaiming_normal": (
        lambda i, t: i.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
        stats.norm(0, math.sqrt(2 / 192)),
    ),
}


@pytest.mark.parametrize("name", FILLS)
def test_fill_has_its_distribution(name: str):
    fill, expected = FILLS[name]
    tensor = zeros(*SHAPE)
    assert fill(init, tensor) is tensor
    assert stats.kstest(host(tensor).ravel(), expected.cdf).pvalue > 1e-3
    reference = torch.zeros(*SHAPE)
    fill(torch.nn.init, reference)  # the table itself describes PyTorch
    assert stats.kstest(reference.numpy().ravel(), expected.cdf).pvalue > 1e-3


DEFAULTS = {
    "linear": (lambda n: n.Linear(100, 50), uniform(0.1), uniform(0.1)),
    "conv": (lambda n: n.Conv2d(8, 64, 5), uniform(200**-0.5), uniform(200**-0.5)),
    "transposed": (lambda n: n.ConvTranspose2d(64, 16, 3), uniform(144**-0.5), uniform(144**-0.5)),
    "embedding": (lambda n: n.Embedding(100, 30), stats.norm(), None),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_layers_start_as_in_pytorch(name: str):
    make, weight, bias = DEFAULTS[name]
    layers = [make(nn) for _ in range(4)]
    drawn = np.concatenate([host(m.weight).ravel() for m in layers])
    assert stats.kstest(drawn, weight.cdf).pvalue > 1e-3
    if bias is not None:
        drawn = np.concatenate([host(m.bias).ravel() for m in layers])
        assert stats.kstest(drawn, bias.cdf).pvalue > 1e-3


def test_attention_starts_as_in_pytorch():
    m = nn.MultiheadAttention(64, 4)
    bound = math.sqrt(6 / (64 + 192))
    assert stats.kstest(host(m.in_proj_weight).ravel(), uniform(bound).cdf).pvalue > 1e-3
    assert not host(m.in_proj_bias).any() and not host(m.out_proj.bias).any()


def test_constants():
    t = zeros(3, 4)
    close(init.ones_(t), np.ones((3, 4), "float32"))
    close(init.constant_(t, 2.5), np.full((3, 4), 2.5, "float32"))
    close(init.eye_(t), np.eye(3, 4, dtype="float32"))
    assert not host(init.zeros_(t)).any()
    embedding = nn.Embedding(4, 3, padding_idx=1)
    assert not host(embedding.weight)[1].any() and host(embedding.weight)[0].any()
    assert embedding.weight.is_leaf and embedding.weight.requires_grad


@pytest.mark.parametrize(
    "name", ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")
)
def test_gains(name: Any):
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))


def test_bad_initialisation():
    for call in (
        lambda: init.xavier_uniform_(zeros(3)),
        lambda: init.calculate_gain("no"),
        lambda: init.kaiming_normal_(zeros(2, 2), mode="fan"),
        lambda: init.eye_(zeros(3)),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("norm_type", (2.0, 1.0, 3.0, math.inf))
@pytest.mark.parametrize("max_norm", (0.5, 1e3))
def test_clip_grad_norm(norm_type: float, max_norm: float):
    mine, reference = [ours(array(4, 3)), ours(array(5))], [theirs(array(4, 3)), theirs(array(5))]
    for leaves, framework in ((mine, ours), (reference, theirs)):
        for i, p in enumerate(leaves):
            p.grad = framework(array(*p.shape, seed=i + 1), grad=False)
    mine.append(ours(array(2)))  # without a gradient
    got = nn.utils.clip_grad_norm_(mine, max_norm, norm_type)
    close(got, torch.nn.utils.clip_grad_norm_(reference, max_norm, norm_type))
    for a, b in zip(mine, reference, strict=False):
        close(a.grad, b.grad)


def test_clip_grad_value():
    p = ours(array(4, 3))
    p.grad = ours(array(4, 3, seed=1) * 3, grad=False)
    nn.utils.clip_grad_value_([p], 0.7)
    close(p.grad, np.clip(array(4, 3, seed=1) * 3, -0.7, 0.7).astype("float32"))


def test_clip_without_gradients_and_with_infinite_ones():
    assert host(nn.utils.clip_grad_norm_([ours(array(2))], 1.0)) == 0
    p = ours(array(2))
    p.grad = ours(np.array([np.inf, 1], "float32"), grad=False)
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)


def test_parameters_as_a_vector():
    m = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(m.parameters())
    close(vector, np.concatenate([host(p).ravel() for p in m.parameters()]))
    nn.utils.vector_to_parameters(from_host(np.arange(8, dtype="float32")), m.parameters())
    close(m.weight, np.arange(6, dtype="float32").reshape(2, 3))
    close(m.bias, np.array([6, 7], "float32"))
    with pytest.raises(RuntimeError):
        nn.utils.vector_to_parameters(from_host(np.zeros(7, "float32")), m.parameters())
