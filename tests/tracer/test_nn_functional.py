"""`nn.functional` against PyTorch's: values and gradients, and the errors of bad calls."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as TF
from nn_oracle import (
    array,
    backward,
    close,
    host,
    integers,
    ours,
    same_gradients,
    same_outputs,
    theirs,
)

import thrace
from thrace.tracer.nn import functional as F
from thrace.tracer.tensor import Tensor


class Sample(NamedTuple):
    call: Callable[..., Any]  # of the functional module and the tensors
    inputs: tuple[Any, ...]
    rtol: float = 1e-5


A, B = array(6, 5), array(6, 5, seed=1)
P, Q = 1 / (1 + np.exp(-A)), (1 / (1 + np.exp(-B))).astype("float32")
ZEROS = np.zeros((3, 4), "float32")
LOGITS, IMAGE = array(7, 4) * 3, array(2, 4, 3, 5)
TARGET, PIXELS = integers(7, below=4), integers(2, 3, 5, below=4)
HOLES = np.where(np.arange(7) % 3 == 0, -100, TARGET)
WEIGHT = np.array([0.3, 1.0, 2.0, 0.7], "float32")
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
HEADS = tuple(array(2, 3, n, 8, seed=s) for n, s in ((5, 1), (7, 2), (7, 3)))
LOOK = np.random.default_rng(0).random((5, 7)) > 0.4
NOWHERE = np.where(np.arange(5)[:, None] == 2, False, LOOK)
IMAGES = array(2, 3, 7, 6)


def each_reduction(name: str, call: Callable[..., Any], inputs: tuple) -> dict[str, Sample]:
    def reduced(reduction: str) -> Callable[..., Any]:
        return lambda f, *xs: call(f, *xs, reduction=reduction)

    return {f"{name}_{r}": Sample(reduced(r), inputs) for r in ("mean", "sum", "none")}


SAMPLES = {
    **each_reduction("mse", lambda f, x, y, **k: f.mse_loss(x, y, **k), (A, B)),
    **each_reduction("l1", lambda f, x, y, **k: f.l1_loss(x, y, **k), (A, B)),
    **each_reduction("smooth_l1", lambda f, x, y, **k: f.smooth_l1_loss(x, y, **k), (A, B)),
    **each_reduction("huber", lambda f, x, y, **k: f.huber_loss(x, y, delta=0.5, **k), (A, B)),
    **each_reduction("bce", lambda f, x, y, **k: f.binary_cross_entropy(x, y, **k), (P, Q)),
    **each_reduction(
        "bce_logits", lambda f, x, y, **k: f.binary_cross_entropy_with_logits(x, y, **k), (A * 9, Q)
    ),
    **each_reduction("classes", lambda f, x, t, **k: f.cross_entropy(x, t, **k), (LOGITS, TARGET)),
    **each_reduction("nll", lambda f, x, t, **k: f.nll_loss(x, t, **k), (LOGITS, TARGET)),
    **each_reduction("ignored", lambda f, x, t, **k: f.cross_entropy(x, t, **k), (LOGITS, HOLES)),
    **each_reduction(
        "weighted_smooth",
        lambda f, x, t, w, **k: f.cross_entropy(x, t, w.detach(), label_smoothing=0.1, **k),
        (LOGITS, HOLES, WEIGHT),
    ),
    **each_reduction(
        "pixels",
        lambda f, x, t, w, **k: f.cross_entropy(x, t, w.detach(), **k),
        (IMAGE, PIXELS, WEIGHT),
    ),
    **each_reduction("kl", lambda f, x, y, **k: f.kl_div(x, y, **k), (A, Q)),
    "smooth_l1_beta": Sample(lambda f, x, y: f.smooth_l1_loss(x, y, beta=0.3), (A, B)),
    "smooth_l1_zero": Sample(lambda f, x, y: f.smooth_l1_loss(x, y, beta=0.0), (A, B)),
    "kl_log": Sample(
        lambda f, x, y: f.kl_div(x, y, reduction="batchmean", log_target=True), (A, B)
    ),
    "bce_weight": Sample(
        lambda f, x, y, w: f.binary_cross_entropy(x, y, w.detach()), (P, Q, P + 1)
    ),
    "bce_certain": Sample(
        lambda f, x, y: f.binary_cross_entropy(x, y.detach(), reduction="none"),
        (np.array([0, 1, 0.5], "float32"), np.array([0, 1, 1], "float32")),
    ),
    "bce_logits_zero": Sample(
        lambda f, x, y: f.binary_cross_entropy_with_logits(x, y), (ZEROS, ZEROS + 0.25)
    ),
    "bce_logits_pos": Sample(
        lambda f, x, y, w: f.binary_cross_entropy_with_logits(
            x, y, weight=w.detach(), pos_weight=w.detach() * 2
        ),
        (A, Q, P[0]),
    ),
    "cross_entropy_one": Sample(
        lambda f, x, t: f.cross_entropy(x, t), (LOGITS[0], TARGET[0:1].reshape(()))
    ),
    "cross_entropy_shares": Sample(
        lambda f, x, y: f.cross_entropy(x, y, label_smoothing=0.2), (LOGITS, SHARES)
    ),
    "cross_entropy_shares_weight": Sample(
        lambda f, x, y, w: f.cross_entropy(x, y, w.detach()), (LOGITS, SHARES, WEIGHT)
    ),
    "cross_entropy_large": Sample(lambda f, x, t: f.cross_entropy(x, t), (LOGITS * 1e4, TARGET)),
    "cross_entropy_masked": Sample(
        lambda f, x, t: f.cross_entropy(x, t),
        (np.where(np.arange(4) == (TARGET[:, None] + 1) % 4, -np.inf, LOGITS), TARGET),
    ),
    "cross_entropy_half_double": Sample(
        lambda f, x, t: f.cross_entropy(x, t), (LOGITS.astype("float64"), TARGET)
    ),
    "attention": Sample(lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v), HEADS),
    "attention_causal": Sample(
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.7), HEADS
    ),
    # In blocks of rows: even ones, uneven ones, with fewer keys than rows, with more.
    **{
        f"attention_causal_{rows}_{keys}": Sample(
            lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True),
            (array(2, rows, 3), array(2, keys, 3, seed=1), array(2, keys, 4, seed=2)),
        )
        for rows, keys in ((128, 128), (131, 131), (300, 70), (130, 200))
    },
    "attention_bool": Sample(
        lambda f, q, k, v, m: f.scaled_dot_product_attention(q, k, v, attn_mask=m), (*HEADS, LOOK)
    ),
    "attention_nowhere": Sample(
        lambda f, q, k, v, m: f.scaled_dot_product_attention(q, k, v, attn_mask=m),
        (*HEADS, NOWHERE),
    ),
    "attention_added": Sample(
        lambda f, q, k, v, m: f.scaled_dot_product_attention(q, k, v, attn_mask=m),
        (*HEADS, array(2, 1, 5, 7, seed=9)),
    ),
    "attention_grouped": Sample(
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (array(2, 6, 5, 8), HEADS[1], HEADS[2]),
    ),
    "attention_matrix": Sample(
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v),
        (HEADS[0][0, 0], HEADS[1][0, 0], HEADS[2][0, 0]),
    ),
    "attention_spread": Sample(
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v),
        (HEADS[0], HEADS[1][:1], HEADS[2][:, :1]),
    ),
    "one_hot": Sample(lambda f, t: f.one_hot(t), (TARGET,)),
    "one_hot_more": Sample(lambda f, t: f.one_hot(t, 6), (PIXELS,)),
    "normalize": Sample(lambda f, x: f.normalize(x), (A,)),
    "normalize_zero": Sample(
        lambda f, x: f.normalize(x, dim=0), (A * np.array([0, 1, 1, 1, 1], "float32"),)
    ),
    "normalize_one": Sample(lambda f, x: f.normalize(x, p=1.0, dim=-1), (A,)),
    "normalize_three": Sample(lambda f, x: f.normalize(x, p=3.0, dim=0), (A,)),
    "pad": Sample(lambda f, x: f.pad(x, (1, 2, 0, 3), value=1.5), (IMAGES,)),
    "pad_crop": Sample(lambda f, x: f.pad(x, (-1, 2, 1, -2)), (IMAGES,)),
    "pad_reflect": Sample(lambda f, x: f.pad(x, (3, 1), mode="reflect"), (IMAGES[0],)),
    "pad_reflect_crop": Sample(lambda f, x: f.pad(x, (-1, 3, 2, -3), mode="reflect"), (IMAGES,)),
    "pad_circular_crop": Sample(lambda f, x: f.pad(x, (-1, 2, 2, -1), mode="circular"), (IMAGES,)),
    "pad_replicate_crop": Sample(lambda f, x: f.pad(x, (-9, 11), mode="replicate"), (IMAGES[0],)),
    "pad_circular": Sample(lambda f, x: f.pad(x, (6, 2, 0, 7), mode="circular"), (IMAGES,)),
    "pad_replicate": Sample(lambda f, x: f.pad(x, (9, 0, 2, 1), mode="replicate"), (IMAGES,)),
    "relu_zero": Sample(lambda f, x: f.relu(x), (ZEROS,)),
    "elu_zero": Sample(lambda f, x: f.elu(x, 1.3), (ZEROS,)),
    "softplus_zero": Sample(lambda f, x: f.softplus(x), (ZEROS,)),
    "leaky_zero": Sample(lambda f, x: f.leaky_relu(x, 0.3), (ZEROS,)),
    "hardtanh_edge": Sample(lambda f, x: f.hardtanh(x), (np.array([-1, 1, 0], "float32"),)),
    "softmax_dtype": Sample(lambda f, x: f.softmax(x, dim=0), (A.astype("float64"),)),
    "softmax_implicit": Sample(lambda f, x: f.softmax(x, dim=1), (A,)),
    "max_pool_nan": Sample(
        lambda f, x: f.max_pool2d(x, 2), (np.where(IMAGES > 1.5, np.nan, IMAGES),)
    ),
    "max_pool_integers": Sample(
        lambda f, x: f.max_pool2d(x, 2, padding=1), (integers(1, 6, 6, below=99) - 50,)
    ),
    "layer_norm_row": Sample(lambda f, x: f.layer_norm(x, (5,), eps=1e-3), (A,)),
    "linear_double": Sample(
        lambda f, x, w: f.linear(x, w), (A.astype("float64"), B.astype("float64"))
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_function_matches_pytorch(name: str):
    sample = SAMPLES[name]
    inputs = tuple(np.asarray(x) for x in sample.inputs)
    mine, reference = [ours(x) for x in inputs], [theirs(x) for x in inputs]
    got, want = sample.call(F, *mine), sample.call(TF, *reference)
    same_outputs(got, want, sample.rtol)
    if want.requires_grad and name != "bce_certain":  # its gradient is ours to choose at 0
        backward(got, ours)
        backward(want, theirs)
        same_gradients(mine, reference, sample.rtol)


SECOND = {
    "batch_norm": lambda f, x: f.batch_norm(x, None, None, training=True),
    "layer_norm": lambda f, x: f.layer_norm(x, (5,)),
    "group_norm": lambda f, x: f.group_norm(x, 1),
    "gelu": lambda f, x: f.gelu(x),
    "gelu_tanh": lambda f, x: f.gelu(x, approximate="tanh"),
    "silu": lambda f, x: f.silu(x),
    "softmax": lambda f, x: f.softmax(x, dim=1),
    "cross_entropy": lambda f, x: f.cross_entropy(x, x.detach().argmax(1)),
    "bce_logits": lambda f, x: f.binary_cross_entropy_with_logits(x, (x.detach() > 0).to(x.dtype)),
    "attention": lambda f, x: f.scaled_dot_product_attention(x, x, x),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_gradient_matches_pytorch(name: str):
    from thrace.tracer.autograd import grad

    x, y = ours(array(6, 5, dtype="float64")), theirs(array(6, 5, dtype="float64"))
    for framework, leaf, derive in ((F, x, grad), (TF, y, torch.autograd.grad)):
        out: Any = SECOND[name](framework, leaf)
        first: Any = derive((out * out * out).sum(), leaf, create_graph=True)[0]
        (first * first).sum().backward()
    close(x.grad, y.grad, 1e-8)


def test_half_precision_statistics_are_single():
    from thrace.ir.types import float16

    x = array(64, 33) + 30
    mine = ours(x).to(float16)
    reference = theirs(x).half()
    got, want = F.layer_norm(mine, (33,)), TF.layer_norm(reference, (33,))
    assert got.dtype is float16
    np.testing.assert_allclose(host(got), want.detach().numpy(), atol=2e-2)
    loss = F.cross_entropy(mine, ours(integers(64, below=33)))
    assert loss.dtype is float16


def test_inplace_writes_the_input():
    for name in ("relu", "silu", "elu", "leaky_relu", "hardtanh", "hardswish", "mish"):
        x, y = ours(A, grad=False), theirs(A, grad=False)
        assert getattr(F, name)(x, inplace=True) is x
        close(x, getattr(TF, name)(y, inplace=True))


BAD = {
    "linear": (lambda f, x: f.linear(x(2, 3), x(4, 5)), RuntimeError),
    "linear_dtype": (lambda f, x: f.linear(x(2, 3), x(4, 3, dtype="float64")), RuntimeError),
    "conv_channels": (lambda f, x: f.conv2d(x(1, 2, 5, 5), x(4, 3, 3, 3)), RuntimeError),
    "conv_rank": (lambda f, x: f.conv2d(x(1, 5), x(4, 3, 3, 3)), RuntimeError),
    "conv_kernel": (lambda f, x: f.conv2d(x(1, 3, 5, 5), x(4, 3, 7, 7)), RuntimeError),
    "conv_dtype": (
        lambda f, x: f.conv2d(x(1, 3, 5, 5, dtype="float64"), x(4, 3, 3, 3)),
        RuntimeError,
    ),
    "conv_stride": (lambda f, x: f.conv2d(x(1, 3, 5, 5), x(4, 3, 3, 3), stride=0), RuntimeError),
    "conv_bias": (lambda f, x: f.conv2d(x(1, 3, 5, 5), x(4, 3, 3, 3), x(3)), RuntimeError),
    "conv_groups": (lambda f, x: f.conv2d(x(1, 4, 5, 5), x(4, 2, 3, 3), groups=3), RuntimeError),
    "batch_norm_one": (
        lambda f, x: f.batch_norm(x(1, 3), None, None, training=True),
        ValueError,
    ),
    "batch_norm_stats": (
        lambda f, x: f.batch_norm(x(2, 3, 4), x(2), x(2)),
        RuntimeError,
    ),
    "layer_norm": (lambda f, x: f.layer_norm(x(2, 4), (3,)), RuntimeError),
    "group_norm": (lambda f, x: f.group_norm(x(2, 4, 3), 3), RuntimeError),
    "group_norm_one": (lambda f, x: f.group_norm(x(1, 2, 1), 2), ValueError),
    "max_pool_rank": (lambda f, x: f.max_pool2d(x(2, 3), 2), RuntimeError),
    "max_pool_padding": (lambda f, x: f.max_pool2d(x(2, 3, 4, 4), 2, padding=2), RuntimeError),
    "max_pool_size": (lambda f, x: f.max_pool2d(x(2, 3, 1, 4), 2), RuntimeError),
    "cross_entropy_batch": (lambda f, x: f.cross_entropy(x(3, 4), x(2, value=0)), ValueError),
    "cross_entropy_range": (lambda f, x: f.cross_entropy(x(3, 4), x(3, value=7)), IndexError),
    "nll_dtype": (lambda f, x: f.nll_loss(x(2, 3), x(2)), RuntimeError),
    "nll_shape": (lambda f, x: f.nll_loss(x(2, 3, 4), x(2, 5, value=0)), RuntimeError),
    "bce_shape": (lambda f, x: f.binary_cross_entropy(x(2, value=0.5), x(3)), ValueError),
    "bce_range": (lambda f, x: f.binary_cross_entropy(x(2, value=2.0), x(2)), RuntimeError),
    "bce_logits_shape": (lambda f, x: f.binary_cross_entropy_with_logits(x(2), x(3)), ValueError),
    "mse_shape": (lambda f, x: f.mse_loss(x(2), x(3)), RuntimeError),
    "embedding_range": (lambda f, x: f.embedding(x(1, value=9), x(2, 3)), IndexError),
    "embedding_dtype": (lambda f, x: f.embedding(x(2), x(2, 3)), RuntimeError),
    "one_hot_dtype": (lambda f, x: f.one_hot(x(2)), RuntimeError),
    "one_hot_range": (lambda f, x: f.one_hot(x(2, value=5), 2), RuntimeError),
    "dropout_p": (lambda f, x: f.dropout(x(2), 2.0), ValueError),
    "softmax_dim": (lambda f, x: f.softmax(x(2, 3), 5), IndexError),
    "pad_odd": (lambda f, x: f.pad(x(2), (1,)), RuntimeError),
    "pad_long": (lambda f, x: f.pad(x(2), (1, 1, 1, 1)), RuntimeError),
    "pad_mode": (lambda f, x: f.pad(x(2, 2), (1, 1), mode="no"), NotImplementedError),
    "pad_reflect": (lambda f, x: f.pad(x(2, 3), (3, 3), mode="reflect"), RuntimeError),
    "pad_reflect_none": (lambda f, x: f.pad(x(2, 3), (-1, -2), mode="reflect"), RuntimeError),
    "pad_vector": (lambda f, x: f.pad(x(3), (1, 1), mode="circular"), NotImplementedError),
    "pad_no_channels": (lambda f, x: f.pad(x(1, 0, 3), (1, 1), mode="replicate"), RuntimeError),
    "pad_crop": (lambda f, x: f.pad(x(2, 3), (-4, 2)), RuntimeError),
    "attention": (
        lambda f, x: f.scaled_dot_product_attention(x(1, 2, 3), x(1, 2, 4), x(1, 2, 3)),
        RuntimeError,
    ),
    "gelu": (lambda f, x: f.gelu(x(2), approximate="sin"), RuntimeError),
    "reduction": (lambda f, x: f.mse_loss(x(2), x(2), reduction="most"), ValueError),
    "glu_odd": (lambda f, x: f.glu(x(2, 3)), RuntimeError),
    "prelu": (lambda f, x: f.prelu(x(2, 3, 4), x(2)), RuntimeError),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore")
def test_misuse_raises_what_pytorch_raises(name: str):
    call, kind = BAD[name]

    def maker(framework: Callable[..., Any]) -> Callable[..., Any]:
        def make(*shape: int, dtype: str = "float32", value: Any = None) -> Any:
            data = array(*shape, dtype=dtype) if value is None else np.full(shape, value)
            return framework(data.astype(dtype) if data.dtype.kind == "f" else data, grad=False)

        return make

    with pytest.raises(kind):
        call(TF, maker(theirs))
    with pytest.raises(kind) as info:
        call(F, maker(ours))
    assert str(info.value)


def test_ignored_everything_is_nan_as_in_pytorch():
    target = np.full(7, -100)
    assert np.isnan(host(F.cross_entropy(ours(LOGITS), ours(target))))


def test_broadcast_losses_warn():
    with pytest.warns(UserWarning, match="target size"):
        F.mse_loss(ours(A), ours(B[:1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.mse_loss(ours(A), ours(B))


def test_gumbel_softmax_is_a_distribution():
    out = F.gumbel_softmax(ours(A), tau=0.5)
    np.testing.assert_allclose(host(out).sum(-1), 1, rtol=1e-5)
    hard = F.gumbel_softmax(ours(A), hard=True)
    assert isinstance(hard, Tensor)
    np.testing.assert_allclose(np.sort(host(hard), -1)[:, -1], 1, rtol=1e-5)


GRAD_FNS: dict[str, Callable[[Any, Any], Any]] = {
    "linear": lambda f, x: f.linear(x, x, x.sum(1)),
    "linear_without_bias": lambda f, x: f.linear(x, x),
    "conv2d": lambda f, x: f.conv2d(x[None, None], x[None, None]),
    "conv_transpose2d": lambda f, x: f.conv_transpose2d(x[None, None], x[None, None]),
    "max_pool2d": lambda f, x: f.max_pool2d(x[None], 2),
    "avg_pool2d": lambda f, x: f.avg_pool2d(x[None], 2),
    "adaptive_avg_pool2d": lambda f, x: f.adaptive_avg_pool2d(x[None], 2),
    "batch_norm": lambda f, x: f.batch_norm(x, None, None, training=True),
    "layer_norm": lambda f, x: f.layer_norm(x, (5,)),
    "group_norm": lambda f, x: f.group_norm(x, 1),
    "embedding": lambda f, x: f.embedding(x.detach().argmax(1), x),
    "pad": lambda f, x: f.pad(x, (1, 1)),
    "cross_entropy": lambda f, x: f.cross_entropy(x, x.detach().argmax(1)),
    "nll_loss": lambda f, x: f.nll_loss(x, x.detach().argmax(1)),
    "mse_loss": lambda f, x: f.mse_loss(x, x.detach()),
    "smooth_l1_loss": lambda f, x: f.smooth_l1_loss(x, x.detach()),
    "huber_loss": lambda f, x: f.huber_loss(x, x.detach()),
    "bce": lambda f, x: f.binary_cross_entropy(x.sigmoid(), x.detach().sigmoid()),
    "bce_logits": lambda f, x: f.binary_cross_entropy_with_logits(x, x.detach().sigmoid()),
    **{
        name: lambda f, x, name=name: getattr(f, name)(x)
        for name in (
            *("relu", "gelu", "silu", "elu", "leaky_relu", "softplus", "logsigmoid", "mish"),
            *("hardtanh", "hardsigmoid", "hardswish", "sigmoid", "tanh"),
        )
    },
    "softmax": lambda f, x: f.softmax(x, 1),
    "log_softmax": lambda f, x: f.log_softmax(x, 1),
}


@pytest.mark.parametrize("name", GRAD_FNS)
def test_grad_fn_has_pytorchs_name(name: str):
    mine = GRAD_FNS[name](F, ours(A)).grad_fn
    assert mine.name() == GRAD_FNS[name](TF, theirs(A)).grad_fn.name()


# At 0, where formulas by `abs` and `maximum` lose the second derivative.
SMOOTH = {
    "softplus": lambda T, x: T.nn.functional.softplus(x),
    "logsigmoid": lambda T, x: T.nn.functional.logsigmoid(x),
    "mish": lambda T, x: T.nn.functional.mish(x),
    "logaddexp": lambda T, x: T.logaddexp(x, x * 2),
    "logaddexp2": lambda T, x: T.logaddexp2(x, x.detach()),
    "xlogy": lambda T, x: T.xlogy(x, x.detach() + 3),
    "xlog1py": lambda T, x: T.special.xlog1py(x, x),
    "huber_loss": lambda T, x: T.nn.functional.huber_loss(x, x.detach() * 0, reduction="none"),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_third_derivatives(name: str):
    seen = []
    for T in (torch, thrace):
        x = T.tensor([0.0, 1.0, -0.75, 0.5], dtype=T.float64, requires_grad=True)
        orders = [SMOOTH[name](T, x)]
        for _ in range(3):
            total = (orders[-1] ** 2).sum() + x.sum()
            orders.append(T.autograd.grad(total, x, create_graph=True)[0])
        seen.append([t.tolist() for t in orders])
    for wanted, got in zip(*seen, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)
