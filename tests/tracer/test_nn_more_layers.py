"""The rest of PyTorch's layers against PyTorch's: recurrent, losses, padding, images, pooling."""

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

import thrace
from thrace.tracer import nn


class Sample(NamedTuple):
    make: Callable[[Any], Any]
    inputs: tuple[Any, ...]
    evaluate: bool = False


X1, X2, X3 = array(4), array(6, 5), array(2, 4, 8)
X4, X5 = array(2, 4, 6, 8), array(2, 2, 5, 6, 4)
P2 = np.abs(X2)
SIGNS = np.sign(array(6, seed=3))
ONES = np.sign(array(6, 5, seed=3))
IDS = integers(6, below=5)
SEQ = array(7, 3, 4)
H, C = array(2, 3, 5, seed=1), array(2, 3, 5, seed=2)
LOGP = np.log(np.abs(array(9, 2, 5)) + 0.1)
LOGP = LOGP - np.log(np.exp(LOGP).sum(2, keepdims=True))
LABELS = integers(2, 3, below=4) + 1
UNPOOLED = torch.nn.functional.max_pool2d(torch.tensor(X4), 2, return_indices=True)[1].numpy()

SAMPLES = {
    "softmax2d": Sample(lambda n: n.Softmax2d(), (X4,)),
    "hardshrink": Sample(lambda n: n.Hardshrink(0.3), (X2,)),
    "softshrink": Sample(lambda n: n.Softshrink(), (X2,)),
    "rrelu": Sample(lambda n: n.RReLU(), (X2,), evaluate=True),
    "alpha_dropout": Sample(lambda n: n.AlphaDropout(0.3), (X2,), evaluate=True),
    "dropout3d": Sample(lambda n: n.Dropout3d(), (X5,), evaluate=True),
    "feature_alpha_dropout": Sample(lambda n: n.FeatureAlphaDropout(), (X4,), evaluate=True),
    **{
        f"{mode}{rank}": Sample(
            lambda n, mode=mode, rank=rank: getattr(n, f"{mode}{rank}d")(tuple(range(2 * rank))),
            ((X3, array(2, 3, 8, 9), array(1, 2, 7, 8, 9))[rank - 1],),
        )
        for mode in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad")
        for rank in (1, 2, 3)
    },
    "constant_pad1": Sample(lambda n: n.ConstantPad1d(2, 1.5), (X3,)),
    "constant_pad3": Sample(lambda n: n.ConstantPad3d(1, -1.0), (X5,)),
    "instance_norm3d": Sample(lambda n: n.InstanceNorm3d(2, affine=True), (X5,)),
    "sync_batch_norm": Sample(lambda n: n.SyncBatchNorm(4), (X4,), evaluate=True),
    "local_response_norm": Sample(lambda n: n.LocalResponseNorm(3), (X4,)),
    "cross_map_lrn": Sample(lambda n: n.CrossMapLRN2d(3, alpha=0.5), (X4,)),
    "conv_transpose3d": Sample(
        lambda n: n.ConvTranspose3d(2, 3, 2, stride=2, output_padding=1, dilation=2), (X5,)
    ),
    "adaptive_max3": Sample(lambda n: n.AdaptiveMaxPool3d((2, None, 3)), (X5,)),
    "adaptive_max2": Sample(lambda n: n.AdaptiveMaxPool2d((4, 3), return_indices=True), (X4,)),
    "lp_pool1": Sample(lambda n: n.LPPool1d(2, 3), (X3,)),
    "lp_pool2": Sample(lambda n: n.LPPool2d(3, (2, 3), stride=2), (np.abs(X4),)),
    "lp_pool3": Sample(lambda n: n.LPPool3d(2, 2, ceil_mode=True), (X5,)),
    "max_unpool2": Sample(lambda n: n.MaxUnpool2d(2), (X4[:, :, :3, :4].copy(), UNPOOLED)),
    "fractional2": Sample(
        lambda n: n.FractionalMaxPool2d(
            2,
            output_ratio=0.6,
            return_indices=True,
            _random_samples=(torch if n is torch.nn else thrace).full((2, 4, 2), 0.4),
        ),
        (X4,),
    ),
    "fractional3": Sample(
        lambda n: n.FractionalMaxPool3d(
            2,
            output_size=(2, 3, 2),
            _random_samples=(torch if n is torch.nn else thrace).full((2, 2, 3), 0.7),
        ),
        (X5,),
    ),
    "pixel_shuffle": Sample(lambda n: n.PixelShuffle(2), (X4,)),
    "pixel_unshuffle": Sample(lambda n: n.PixelUnshuffle(2), (X4,)),
    "channel_shuffle": Sample(lambda n: n.ChannelShuffle(2), (X4,)),
    "unfold": Sample(lambda n: n.Unfold((2, 3), dilation=2, padding=1, stride=2), (X4,)),
    "fold": Sample(lambda n: n.Fold((3, 4), 2), (array(2, 8, 6),)),
    "upsample": Sample(lambda n: n.Upsample(scale_factor=1.7), (X4,)),
    "upsample_bicubic": Sample(
        lambda n: n.Upsample((5, 11), mode="bicubic", align_corners=False), (X4,)
    ),
    "upsampling_nearest": Sample(lambda n: n.UpsamplingNearest2d((7, 5)), (X4,)),
    "upsampling_bilinear": Sample(lambda n: n.UpsamplingBilinear2d(scale_factor=2), (X4,)),
    "embedding_bag": Sample(
        lambda n: n.EmbeddingBag(5, 3, padding_idx=1, max_norm=2.0), (IDS.reshape(2, 3),)
    ),
    "embedding_bag_max": Sample(
        lambda n: n.EmbeddingBag(5, 3, mode="max"), (IDS, np.array([0, 2, 2]))
    ),
    "soft_margin": Sample(lambda n: n.SoftMarginLoss(), (X2, ONES)),
    "margin_ranking": Sample(
        lambda n: n.MarginRankingLoss(0.2), (X2[:, 0].copy(), X2[:, 1].copy(), SIGNS)
    ),
    "cosine_embedding": Sample(
        lambda n: n.CosineEmbeddingLoss(0.1), (X2, array(6, 5, seed=7), SIGNS)
    ),
    "hinge_embedding": Sample(lambda n: n.HingeEmbeddingLoss(reduction="sum"), (X2, ONES)),
    "multilabel_margin": Sample(
        lambda n: n.MultiLabelMarginLoss(), (X2[:2].copy(), np.array([[1, 3, -1, 0, 2]] * 2))
    ),
    "multilabel_soft": Sample(lambda n: n.MultiLabelSoftMarginLoss(), (X2, (ONES + 1) / 2)),
    "multi_margin": Sample(lambda n: n.MultiMarginLoss(2, reduction="none"), (X2, IDS)),
    "poisson": Sample(lambda n: n.PoissonNLLLoss(full=True), (X2, np.round(P2 * 3))),
    "gaussian": Sample(lambda n: n.GaussianNLLLoss(full=True), (X2, array(6, 5, seed=8), P2)),
    "triplet": Sample(
        lambda n: n.TripletMarginLoss(swap=True), (X2, array(6, 5, seed=1), array(6, 5, seed=2))
    ),
    "triplet_distance": Sample(
        lambda n: n.TripletMarginWithDistanceLoss(margin=2.0),
        (X2, array(6, 5, seed=1), array(6, 5, seed=2)),
    ),
    "nll_loss2d": Sample(lambda n: n.NLLLoss2d(), (X4, integers(2, 6, 8, below=4))),
    "ctc": Sample(lambda n: n.CTCLoss(), (LOGP, LABELS, np.array([9, 6]), np.array([3, 2]))),
    "ctc_joined": Sample(
        lambda n: n.CTCLoss(zero_infinity=True, reduction="none"),
        (LOGP, LABELS.reshape(-1)[:5].copy(), (9, 1), (3, 2)),
    ),
    "linear_cross_entropy": Sample(lambda n: n.LinearCrossEntropyLoss(5, 7, bias=True), (X2, IDS)),
    "adaptive_log_softmax": Sample(
        lambda n: n.AdaptiveLogSoftmaxWithLoss(5, 12, [2, 6], div_value=1.5),
        (X2, np.array([0, 11, 3, 6, 1, 5])),
    ),
    "rnn": Sample(lambda n: n.RNN(4, 5, 2), (SEQ, H)),
    "rnn_relu": Sample(lambda n: n.RNN(4, 5, nonlinearity="relu", bias=False), (SEQ,)),
    "lstm": Sample(lambda n: n.LSTM(4, 5, 2), (SEQ, (H, C))),
    "lstm_options": Sample(
        lambda n: n.LSTM(4, 5, 2, batch_first=True, bidirectional=True, dropout=0.0), (SEQ,)
    ),
    "lstm_projected": Sample(lambda n: n.LSTM(4, 5, 2, bidirectional=True, proj_size=3), (SEQ,)),
    "gru": Sample(lambda n: n.GRU(4, 5, 2, bidirectional=True), (SEQ,)),
    "gru_unbatched": Sample(lambda n: n.GRU(4, 5), (SEQ[:, 0].copy(),)),
    "rnn_cell": Sample(lambda n: n.RNNCell(5, 3, nonlinearity="relu"), (X2,)),
    "lstm_cell": Sample(
        lambda n: n.LSTMCell(5, 3), (X2, (array(6, 3, seed=1), array(6, 3, seed=2)))
    ),
    "gru_cell": Sample(lambda n: n.GRUCell(5, 3, bias=False), (X2[0].copy(), array(3, seed=1))),
    "attention_bias_kv": Sample(
        lambda n: n.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True),
        (array(3, 2, 8), array(4, 2, 8, seed=1), array(4, 2, 8, seed=2)),
    ),
    "decoder": Sample(
        lambda n: n.TransformerDecoder(
            n.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True), 2, n.LayerNorm(8)
        ),
        (array(2, 3, 8), array(2, 4, 8, seed=1)),
    ),
    "transformer": Sample(
        lambda n: n.Transformer(8, 2, 1, 1, 16, dropout=0.0, activation="gelu", norm_first=True),
        (array(4, 2, 8), array(3, 2, 8, seed=1)),
    ),
}
# Where PyTorch writes a gradient of its own that is not the function's.
NO_GRADIENT = ("embedding_bag_max", "cross_map_lrn")


def converted(x: Any, fn: Callable[..., Any], grad: bool = True) -> Any:
    if isinstance(x, tuple) and x and isinstance(x[0], np.ndarray):
        return tuple(fn(a) for a in x)
    return fn(x, grad)


def leaves(args: list[Any]) -> list[Any]:
    return [t for a in args for t in (a if isinstance(a, tuple) else (a,))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAMPLES)
def test_layer_matches_pytorch(name: str):
    sample = SAMPLES[name]
    torch.manual_seed(0)
    reference, mine = sample.make(torch.nn), sample.make(nn)
    assert repr(mine) == repr(reference)
    state = reference.state_dict()
    assert list(mine.state_dict()) == list(state)
    mine.load_state_dict(state)
    if sample.evaluate:
        reference.eval()
        mine.eval()
    learns = not name.startswith(("soft_", "margin_", "cosine", "hinge", "multi", "poisson"))
    grads = [True, *(learns and name not in ("gaussian",) for _ in sample.inputs[1:])]
    mine_args = [converted(x, ours, g) for x, g in zip(sample.inputs, grads, strict=True)]
    args = [converted(x, theirs, g) for x, g in zip(sample.inputs, grads, strict=True)]
    got, want = mine(*mine_args), reference(*args)
    same_outputs(got, want, 2e-5)
    if name not in NO_GRADIENT:
        backward(flat(got)[:1], ours)
        backward(flat(want)[:1], theirs)
        same_gradients(leaves(mine_args), leaves(args), 1e-4)
        same_gradients(list(mine.parameters()), list(reference.parameters()), 1e-4)


def flat(out: Any) -> list[Any]:
    return [t for o in out for t in flat(o)] if isinstance(out, (tuple, list)) else [out]


def test_packed_sequences():
    torch.manual_seed(0)
    lengths = [4, 7, 2]
    reference, mine = (
        torch.nn.LSTM(4, 5, 2, bidirectional=True),
        nn.LSTM(4, 5, 2, bidirectional=True),
    )
    mine.load_state_dict(reference.state_dict())
    results = []
    for lib, module, make in ((thrace, mine, ours), (torch, reference, theirs)):
        rnn = lib.nn.utils.rnn
        packed = rnn.pack_padded_sequence(make(SEQ), lengths, enforce_sorted=False)
        out, (h, c) = module(packed)
        padded, sizes = rnn.pad_packed_sequence(out, batch_first=True, padding_value=-1.0)
        parts = rnn.unpad_sequence(padded, sizes, batch_first=True)
        again = rnn.pad_sequence(parts, padding_side="left")
        module.zero_grad()
        padded.sum().backward()
        results.append((packed.data, packed.batch_sizes, padded, sizes, h, c, again, *parts))
    same_outputs(results[0], results[1])
    same_gradients(list(mine.parameters()), list(reference.parameters()), 1e-4)


def test_a_compiled_recurrent_layer_is_one_loop():
    layer = nn.GRU(4, 5)
    x = ours(array(50, 3, 4), grad=False)

    def loss(x: Any) -> Any:
        layer.zero_grad()
        out = layer(x)[0].square().mean()
        out.backward()
        return out

    want = loss(x)
    grads = [host(p.grad).copy() for p in layer.parameters()]
    step = thrace.compile(loss)
    for _ in range(2):
        close(step(x), want)
        for p, g in zip(layer.parameters(), grads, strict=True):
            close(p.grad, g, 1e-4)
    report = thrace.explain(step)
    assert not report.fallbacks
    assert len(report.executables) == 1


@pytest.mark.parametrize(
    ("make", "error"),
    (
        (lambda n: n.LSTM(4, 5, proj_size=5), ValueError),
        (lambda n: n.RNN(4, 5, nonlinearity="sin"), ValueError),
        (lambda n: n.GRU(4, 0), ValueError),
        (lambda n: n.GRU(4, 5)(array_of(n, 3, 2, 6)), RuntimeError),
        (lambda n: n.GRU(4, 5)(array_of(n, 3, 2, 4), array_of(n, 1, 3, 5)), RuntimeError),
        (lambda n: n.LSTMCell(4, 5)(array_of(n, 3, 2, 6)), ValueError),
        (lambda n: n.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]), ValueError),
        (lambda n: n.FractionalMaxPool2d(2), ValueError),
        (lambda n: n.TripletMarginLoss(margin=0.0), ValueError),
        (lambda n: n.Softmax2d()(array_of(n, 3, 2)), ValueError),
        (lambda n: n.MultiMarginLoss(p=3), ValueError),
    ),
)
def test_what_pytorch_refuses(make: Any, error: type[Exception]):
    for n in (torch.nn, nn):
        with pytest.raises(error):
            make(n)


def array_of(n: Any, *shape: int) -> Any:
    return (theirs if n is torch.nn else ours)(array(*shape))
