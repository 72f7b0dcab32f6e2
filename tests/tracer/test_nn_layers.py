"""Layers against PyTorch's with the same weights: output, gradients, buffers, names, repr."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
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

from thrace.tracer import nn


class Sample(NamedTuple):
    make: Callable[[Any], Any]
    inputs: tuple[np.ndarray, ...]
    rtol: float = 1e-5


X2, X3 = array(6, 5), array(2, 3, 8)
X4, X5 = array(2, 4, 9, 8), array(2, 2, 5, 6, 4)
IDS = integers(3, 4, below=7)

SAMPLES = {
    "identity": Sample(lambda n: n.Identity(1, a=2), (X2,)),
    "linear": Sample(lambda n: n.Linear(5, 3), (X2,)),
    "linear_no_bias": Sample(lambda n: n.Linear(8, 3, bias=False), (X3,)),
    "linear_vector": Sample(lambda n: n.Linear(5, 2), (X2[0],)),
    "linear_empty": Sample(lambda n: n.Linear(5, 2), (X2[:0],)),
    "bilinear": Sample(lambda n: n.Bilinear(5, 4, 3), (X2, array(6, 4, seed=1))),
    "embedding": Sample(lambda n: n.Embedding(7, 5), (IDS,)),
    "embedding_padding": Sample(lambda n: n.Embedding(7, 5, padding_idx=-2), (IDS,)),
    "embedding_max_norm": Sample(lambda n: n.Embedding(7, 5, max_norm=1.0), (IDS,)),
    "embedding_freq": Sample(lambda n: n.Embedding(7, 5, scale_grad_by_freq=True), (IDS,)),
    "conv1d": Sample(lambda n: n.Conv1d(3, 6, 3, stride=2, padding=1, dilation=2, groups=3), (X3,)),
    "conv2d": Sample(lambda n: n.Conv2d(4, 5, 3), (X4,)),
    "conv2d_options": Sample(
        lambda n: n.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), groups=2, bias=False),
        (X4,),
    ),
    "conv2d_same": Sample(lambda n: n.Conv2d(4, 3, (4, 3), padding="same", dilation=2), (X4,)),
    "conv2d_unbatched": Sample(lambda n: n.Conv2d(4, 3, 3, padding="valid"), (X4[0],)),
    "conv2d_reflect": Sample(lambda n: n.Conv2d(4, 3, 3, padding=2, padding_mode="reflect"), (X4,)),
    "conv2d_circular": Sample(
        lambda n: n.Conv2d(4, 3, 3, padding=(1, 2), padding_mode="circular"), (X4,)
    ),
    "conv2d_replicate": Sample(
        lambda n: n.Conv2d(4, 3, 4, padding="same", padding_mode="replicate"), (X4,)
    ),
    "conv3d": Sample(lambda n: n.Conv3d(2, 3, 2, stride=(1, 2, 1), padding=1), (X5,)),
    "conv_transpose1d": Sample(lambda n: n.ConvTranspose1d(3, 4, 3, stride=2), (X3,)),
    "conv_transpose2d": Sample(
        lambda n: n.ConvTranspose2d(
            4, 6, (3, 2), stride=2, padding=1, output_padding=(1, 0), groups=2, dilation=(1, 2)
        ),
        (X4,),
    ),
    "batch_norm1d": Sample(lambda n: n.BatchNorm1d(5), (X2,)),
    "batch_norm1d_3d": Sample(lambda n: n.BatchNorm1d(3, momentum=None), (X3,)),
    "batch_norm2d": Sample(lambda n: n.BatchNorm2d(4), (X4 * 3 + 10,)),
    "batch_norm2d_plain": Sample(
        lambda n: n.BatchNorm2d(4, affine=False, track_running_stats=False), (X4,)
    ),
    "batch_norm3d": Sample(lambda n: n.BatchNorm3d(2, eps=1e-3, momentum=0.3), (X5,)),
    "layer_norm": Sample(lambda n: n.LayerNorm(8), (X3 * 2 + 5,)),
    "layer_norm_2d": Sample(lambda n: n.LayerNorm((3, 8), bias=False), (X3,)),
    "layer_norm_plain": Sample(lambda n: n.LayerNorm([8], elementwise_affine=False), (X3,)),
    "rms_norm": Sample(lambda n: n.RMSNorm(8), (X3,)),
    "group_norm": Sample(lambda n: n.GroupNorm(2, 4), (X4,)),
    "group_norm_plain": Sample(lambda n: n.GroupNorm(4, 4, affine=False), (X4,)),
    "instance_norm1d": Sample(lambda n: n.InstanceNorm1d(3), (X3,)),
    "instance_norm2d": Sample(
        lambda n: n.InstanceNorm2d(4, affine=True, track_running_stats=True), (X4,)
    ),
    "flatten": Sample(lambda n: n.Flatten(), (X4,)),
    "flatten_some": Sample(lambda n: n.Flatten(0, 2), (X4,)),
    "unflatten": Sample(lambda n: n.Unflatten(2, (4, 2)), (X3,)),
    "max_pool1d": Sample(lambda n: n.MaxPool1d(2), (X3,)),
    "max_pool2d": Sample(lambda n: n.MaxPool2d(2), (X4,)),
    "max_pool2d_options": Sample(
        lambda n: n.MaxPool2d((3, 2), stride=2, padding=1, dilation=(1, 2), ceil_mode=True), (X4,)
    ),
    "max_pool2d_indices": Sample(
        lambda n: n.MaxPool2d(3, stride=2, padding=1, return_indices=True), (X4,)
    ),
    "max_pool2d_ties": Sample(lambda n: n.MaxPool2d(3, 2), (np.round(X4),)),
    "max_pool3d": Sample(lambda n: n.MaxPool3d(2, padding=1), (X5,)),
    "avg_pool1d": Sample(lambda n: n.AvgPool1d(3), (X3,)),
    "avg_pool2d": Sample(lambda n: n.AvgPool2d(2), (X4,)),
    "avg_pool2d_options": Sample(
        lambda n: n.AvgPool2d(3, stride=2, padding=1, ceil_mode=True), (X4,)
    ),
    "avg_pool2d_exclude": Sample(
        lambda n: n.AvgPool2d((3, 2), padding=1, count_include_pad=False), (X4,)
    ),
    "avg_pool2d_divisor": Sample(lambda n: n.AvgPool2d(2, 1, divisor_override=3), (X4,)),
    "avg_pool3d": Sample(lambda n: n.AvgPool3d(2), (X5,)),
    "adaptive_avg_pool1d": Sample(lambda n: n.AdaptiveAvgPool1d(3), (X3,)),
    "adaptive_avg_pool2d": Sample(lambda n: n.AdaptiveAvgPool2d(1), (X4,)),
    "adaptive_avg_pool2d_whole": Sample(lambda n: n.AdaptiveAvgPool2d((3, 4)), (X4,)),
    "adaptive_avg_pool2d_any": Sample(lambda n: n.AdaptiveAvgPool2d((4, None)), (X4[0],)),
    "adaptive_avg_pool2d_more": Sample(lambda n: n.AdaptiveAvgPool2d((12, 5)), (X4,)),
    "adaptive_max_pool1d": Sample(lambda n: n.AdaptiveMaxPool1d(3), (X3,)),
    "adaptive_max_pool2d": Sample(lambda n: n.AdaptiveMaxPool2d((3, 5)), (X4,)),
    "zero_pad": Sample(lambda n: n.ZeroPad2d((1, 0, 2, 1)), (X4,)),
    "constant_pad": Sample(lambda n: n.ConstantPad2d(1, 2.5), (X4,)),
    "reflection_pad": Sample(lambda n: n.ReflectionPad2d((1, 2, 0, 3)), (X4,)),
    "replication_pad": Sample(lambda n: n.ReplicationPad2d(2), (X4,)),
    "cosine_similarity": Sample(lambda n: n.CosineSimilarity(), (X2, array(6, 5, seed=3))),
    "pairwise_distance": Sample(lambda n: n.PairwiseDistance(), (X2, array(6, 5, seed=3))),
    "prelu": Sample(lambda n: n.PReLU(), (X4,)),
    "prelu_channels": Sample(lambda n: n.PReLU(4, init=0.1), (X4,)),
    "sequential": Sample(
        lambda n: n.Sequential(n.Linear(5, 4), n.ReLU(), n.Dropout(0.0), n.Linear(4, 2)), (X2,)
    ),
    "encoder_layer": Sample(
        lambda n: n.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), (X3,), 3e-5
    ),
    "encoder_layer_norm_first": Sample(
        lambda n: n.TransformerEncoderLayer(
            8, 4, 16, dropout=0.0, activation="gelu", norm_first=True
        ),
        (X3,),
        3e-5,
    ),
    **{
        f"activation_{i}": Sample(make, (X2 * 3,))
        for i, make in enumerate(
            (
                *(lambda n: n.ReLU(), lambda n: n.ReLU(inplace=False), lambda n: n.ReLU6()),
                *(lambda n: n.LeakyReLU(0.2), lambda n: n.ELU(1.5), lambda n: n.CELU(0.7)),
                *(lambda n: n.SELU(), lambda n: n.GELU(), lambda n: n.GELU("tanh")),
                *(lambda n: n.SiLU(), lambda n: n.Mish(), lambda n: n.Sigmoid()),
                *(lambda n: n.Tanh(), lambda n: n.Softplus(), lambda n: n.Softplus(2.0, 3.0)),
                *(lambda n: n.LogSigmoid(), lambda n: n.Softsign(), lambda n: n.Tanhshrink()),
                *(lambda n: n.Hardtanh(-2.0, 1.0), lambda n: n.Hardsigmoid()),
                *(lambda n: n.Hardswish(), lambda n: n.Threshold(0.5, -2.0)),
                *(lambda n: n.Softmax(1), lambda n: n.Softmin(0), lambda n: n.LogSoftmax(-1)),
            )
        )
    },
    "glu": Sample(lambda n: n.GLU(), (X3,)),
}


def pair_of(sample: Sample) -> tuple[Any, Any]:
    """Our module and PyTorch's, ours with PyTorch's state."""
    torch.manual_seed(3)
    reference = sample.make(torch.nn)
    with torch.no_grad():
        for p in reference.parameters():  # ones and zeros would hide mistakes
            p.add_(torch.rand_like(p) * 0.5)
    mine = sample.make(nn)
    mine.load_state_dict(reference.state_dict())
    return mine, reference


@pytest.mark.parametrize("name", SAMPLES)
def test_layer_matches_pytorch(name: str):
    sample = SAMPLES[name]
    mine, reference = pair_of(sample)
    assert repr(mine) == repr(reference)
    assert list(mine.state_dict()) == list(reference.state_dict())
    my_inputs = [ours(x) for x in sample.inputs]
    inputs = [theirs(x) for x in sample.inputs]
    got, want = mine(*my_inputs), reference(*inputs)
    same_outputs(got, want, sample.rtol)
    backward(got, ours)
    backward(want, theirs)
    same_gradients(my_inputs, inputs, sample.rtol)
    same_gradients(list(mine.parameters()), list(reference.parameters()), sample.rtol)
    for (key, a), (other, b) in zip(
        mine.state_dict().items(), reference.state_dict().items(), strict=True
    ):
        assert key == other
        close(a, b, sample.rtol)
    mine.eval()
    reference.eval()
    same_outputs(mine(*my_inputs), reference(*inputs), sample.rtol)


def test_state_goes_to_pytorch():
    mine = nn.Sequential(nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(126, 2))
    reference = torch.nn.Sequential(
        torch.nn.Conv2d(4, 3, 3),
        torch.nn.BatchNorm2d(3),
        torch.nn.Flatten(),
        torch.nn.Linear(126, 2),
    )
    state = {k: torch.from_numpy(host(v)) for k, v in mine.state_dict().items()}
    reference.load_state_dict(state)
    close(mine(ours(X4)), reference(theirs(X4)))


def test_batch_norm_is_accurate_far_from_zero():
    x = array(64, 3) + np.float32(1000.0)
    mine, reference = nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3).double()
    my_input, wide = ours(x), theirs(x.astype("float64"))
    got, want = mine(my_input), reference(wide)
    np.testing.assert_allclose(host(got), host(want), atol=1e-3)
    backward(got, ours)
    want.backward(torch.from_numpy(array(64, 3, seed=100).astype("float64")))
    np.testing.assert_allclose(host(my_input.grad), host(wide.grad), atol=1e-3)


def test_batch_norm_counts_batches_and_averages_them():
    mine, reference = nn.BatchNorm2d(4, momentum=None), torch.nn.BatchNorm2d(4, momentum=None)
    for seed in range(3):
        x = array(2, 4, 3, 3, seed=seed)
        mine(ours(x))
        reference(theirs(x))
    for a, b in zip(mine.buffers(), reference.buffers(), strict=True):
        close(a, b)


@pytest.mark.parametrize("batch_first", (True, False))
@pytest.mark.parametrize("masked", ("none", "bool", "float", "padding", "both", "heads"))
def test_multihead_attention(batch_first: bool, masked: str):
    torch.manual_seed(1)
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=batch_first)
    mine = nn.MultiheadAttention(8, 2, batch_first=batch_first)
    mine.load_state_dict(reference.state_dict())
    assert repr(mine) == repr(reference)
    query, memory = array(5, 3, 8), array(4, 3, 8, seed=1)
    if batch_first:
        query, memory = query.transpose(1, 0, 2).copy(), memory.transpose(1, 0, 2).copy()
    above = np.triu(np.ones((5, 4), bool), 2)
    late = np.arange(4) >= np.array([[4], [3], [2]])
    options: dict[str, Any] = {}
    if masked in ("bool", "both"):
        options["attn_mask"] = above
    if masked == "float":
        options["attn_mask"] = array(5, 4, seed=5)
    if masked == "heads":
        options["attn_mask"] = array(6, 5, 4, seed=5)
    if masked in ("padding", "both"):
        options["key_padding_mask"] = late
    mine_args, args = (ours(query), ours(memory)), (theirs(query), theirs(memory))
    got = mine(
        mine_args[0], mine_args[1], mine_args[1], **{k: ours(v, False) for k, v in options.items()}
    )
    want = reference(args[0], args[1], args[1], **{k: theirs(v, False) for k, v in options.items()})
    same_outputs(got, want)
    backward(got[0], ours)
    backward(want[0], theirs)
    same_gradients(list(mine_args), list(args))
    same_gradients(list(mine.parameters()), list(reference.parameters()))


def test_multihead_attention_of_other_widths():
    torch.manual_seed(2)
    reference = torch.nn.MultiheadAttention(8, 4, kdim=3, vdim=5, bias=False)
    mine = nn.MultiheadAttention(8, 4, kdim=3, vdim=5, bias=False)
    mine.load_state_dict(reference.state_dict())
    q, k, v = array(5, 8), array(6, 3, seed=1), array(6, 5, seed=2)
    got = mine(ours(q), ours(k), ours(v), average_attn_weights=False)
    same_outputs(got, reference(theirs(q), theirs(k), theirs(v), average_attn_weights=False))


def test_self_attention_uses_one_product():
    torch.manual_seed(2)
    reference = torch.nn.MultiheadAttention(8, 2)
    mine = nn.MultiheadAttention(8, 2)
    mine.load_state_dict(reference.state_dict())
    x, y = ours(array(4, 2, 8)), theirs(array(4, 2, 8))
    same_outputs(mine(x, x, x), reference(y, y, y))


def test_encoder_stack():
    torch.manual_seed(2)
    layer = {"d_model": 8, "nhead": 2, "dim_feedforward": 16, "dropout": 0.0}
    reference = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(**layer), 2)
    mine = nn.TransformerEncoder(nn.TransformerEncoderLayer(**layer), 2)
    mine.load_state_dict(reference.state_dict())
    assert repr(mine) == repr(reference)
    mask = np.triu(np.full((4, 4), -np.inf, "float32"), 1)
    got = mine(ours(array(4, 2, 8)), mask=ours(mask, False))
    close(got, reference(theirs(array(4, 2, 8)), mask=theirs(mask, False)), 3e-5)


def test_dropout_keeps_the_expected_share():
    layer = nn.Dropout(0.25)
    x = ours(np.ones((200, 100), "float32"))
    out = host(layer(x))
    assert set(np.unique(out)) == {0.0, np.float32(1 / 0.75)}
    assert abs((out != 0).mean() - 0.75) < 0.02
    layer.eval()
    assert layer(x) is x
    assert not host(nn.Dropout(1.0)(x)).any()
    channels = host(nn.Dropout2d(0.5)(ours(np.ones((8, 16, 2, 2), "float32"))))
    assert ((channels == 0).all((2, 3)) | (channels == 2).all((2, 3))).all()


def test_dropout_gradient_is_its_mask():
    x = ours(array(50, 4))
    out = nn.Dropout(0.5)(x)
    out.sum().backward()
    kept = host(out) != 0
    np.testing.assert_array_equal(host(x.grad), np.where(kept, 2.0, 0.0))
