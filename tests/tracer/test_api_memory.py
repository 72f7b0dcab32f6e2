"""Strided views, copies of views, creation by layout, conversions: what OpInfo does not show.

Each snippet runs on PyTorch and on thrace: values, strides, aliasing and the kind of error.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from api_oracle import array, cases, check

import thrace

X = array(2, 3, 4)
M = array(3, 4)
V = array(12)
C = (array(3, 2) + 1j * array(3, 2, seed=1)).astype(np.complex64)


def written(view: Any, value: float = 5.0) -> Any:
    """The base after a view of it was filled, the view, and whether they share memory."""

    def run(T: Any, x: Any) -> Any:
        base = x.clone()
        part = view(T, base)
        part.fill_(value)
        return base, part, part.untyped_storage().data_ptr() == base.untyped_storage().data_ptr()

    return run


VIEWS = (
    ("as_strided", lambda T, x: x.as_strided((2, 3), (5, 2), 1), V),
    ("as_strided-overlap", lambda T, x: x.as_strided((4, 3), (1, 1)), V),
    ("as_strided-transposed", lambda T, x: x.as_strided((4, 3), (1, 4)), M),
    ("as_strided-offset", lambda T, x: x[1:].as_strided((2, 2), (4, 1)), M),
    ("as_strided-outside", lambda T, x: x[1:].as_strided((2, 2), (4, 1), 0), M),
    ("as_strided-permuted", lambda T, x: x.t().contiguous().t().as_strided((2, 2), (1, 3)), M),
    ("as_strided-empty", lambda T, x: x.as_strided((0, 3), (1, 1)), V),
    ("unfold", lambda T, x: x.unfold(0, 3, 1), V),
    ("unfold-gaps", lambda T, x: x.unfold(1, 1, 3), M),
    ("unfold-tiles", lambda T, x: x.unfold(1, 2, 2), M),
    ("expanded-item", lambda T, x: x[:1].expand(3, 4)[1], M),
    ("diagonal", lambda T, x: x.diagonal(1), M),
    ("view-int", lambda T, x: x.view(T.int32), M),
    ("view-bytes", lambda T, x: x.view(T.uint8)[:, :2], M),
    ("view-double", lambda T, x: x.view(T.float64), M),
    ("real", lambda T, x: x.real, C),
    ("imag", lambda T, x: x.imag[1:], C),
    ("conj", lambda T, x: x.conj().t(), C),
    ("view_as_real", lambda T, x: T.view_as_real(x)[..., 1], C),
    ("view_as_complex", lambda T, x: T.view_as_complex(x.view(3, 2, 2)), M),
    ("mH", lambda T, x: x.mH, C),
    ("slices", lambda T, x: x.tensor_split(3)[1], V),
    ("hsplit", lambda T, x: x.hsplit([1, 3])[1], M),
    ("atleast_3d", lambda T, x: T.atleast_3d(x), M),
    ("new-axis", lambda T, x: x[None, 1, None], X),
)


@cases([(n, view, (x,), False) for n, view, x in VIEWS])
def test_views(case):
    check(case)


@cases([(n, written(view), (x,), False) for n, view, x in VIEWS])
def test_views_written(case):
    check(case)


@cases([(n, view, (x,)) for n, view, x in VIEWS if x.dtype != np.complex64])
def test_gradients_of_views(case):
    check(case)


def inplace(change: Any) -> Any:
    def run(T: Any, x: Any) -> Any:
        y = x.clone()
        base = y.view_as(y)
        result = change(y)
        assert result is y
        y[0] = 7.0
        return y, base, y.is_contiguous()

    return run


@cases(
    [
        ("t_", inplace(lambda y: y.t_()), (M,), False),
        ("transpose_", inplace(lambda y: y.transpose_(0, 2)), (X,), False),
        ("swapaxes_", inplace(lambda y: y.swapaxes_(0, 1)), (X,), False),
        ("squeeze_", inplace(lambda y: y.squeeze_()), (array(3, 1),), False),
        ("unsqueeze_", inplace(lambda y: y.unsqueeze_(1)), (M,), False),
        ("as_strided_", inplace(lambda y: y.as_strided_((2, 2), (1, 4))), (M,), False),
        ("resize_", inplace(lambda y: y.resize_(2, 3)), (M,), False),
        ("resize_as_", inplace(lambda y: y.resize_as_(y[:1])), (M,), False),
        ("set_", lambda T, x: x.clone().set_(x), (M,), False),
        ("set_-part", lambda T, x: T.empty(0).set_(x, 1, (2, 2), (4, 1)), (M,), False),
        (
            "set_-storage",
            lambda T, x: T.empty(0).set_(x.untyped_storage(), 2, (3,)),
            (M,),
            False,
        ),
        ("resize-grows", lambda T, x: x.clone().resize_(5, 4)[:3], (M,), False),
        ("resize-grad", lambda T, x: x.resize_(2), (M,)),
        ("t_-leaf", lambda T, x: x.t_(), (M,)),
        ("t_-history", lambda T, x: (x * 2).t_(), (M,)),
    ]
)
def test_in_place_views(case):
    check(case)


@cases(
    [
        ("select_scatter", lambda T, x, y: T.select_scatter(x, y[0], 0, 1), (M, array(2, 4))),
        ("diagonal_scatter", lambda T, x, y: x.diagonal_scatter(y, 1), (M, array(3))),
        ("slice_scatter", lambda T, x, y: x.slice_scatter(y, 0, 1, 3), (M, array(2, 4))),
        ("slice_scatter-dtype", lambda T, x, y: x.slice_scatter(y.long(), 0, 1), (M, array(2, 4))),
        ("copies-own", lambda T, x: T.t_copy(x).fill_(1).sum() + x.sum(), (M,)),
        ("split_copy", lambda T, x: T.split_copy(x, 2, 1), (M,)),
        ("unbind_copy", lambda T, x: T.unbind_copy(x, 1), (M,)),
        ("split_write", lambda T, x: (x * 2).split(2)[0].add_(1), (M,)),
        ("unbind_write", lambda T, x: (x * 2).unbind()[0][1:].zero_(), (M,)),
        ("chunk_write_detached", lambda T, x: (x * 2).detach().chunk(2)[0].add_(1), (M,)),
        ("unsafe_split_write", lambda T, x: (x * 2).unsafe_split(2)[0].add_(1), (M,)),
        ("expand_write", lambda T, x: x[:1].clone().expand(3, 4).add_(1), (M,), False),
        ("expand_fill", lambda T, x: x[:1].clone().expand(3, 4).zero_(), (M,), False),
        ("out-overlap", lambda T, x: T.cat([x[:1], x[1:2]], out=x[:2]), (M,), False),
        ("out-expanded", lambda T, x: T.add(x, 1, out=x[:1].expand(3, 4)), (M,), False),
        ("sum_to_size", lambda T, x: x.sum_to_size(3, 1), (M,)),
        ("rot90", lambda T, x: T.rot90(x, -3, (1, 0)), (M,)),
        ("block_diag", lambda T, x: T.block_diag(x, x[0], T.tensor(3)), (M,)),
        ("diag_embed", lambda T, x: T.diag_embed(x, -2, 0, 2), (M,)),
        ("vander", lambda T, x: T.vander(x, 3), (array(4),)),
        ("cartesian_prod", lambda T, x: T.cartesian_prod(x, x[:2]), (array(3),)),
        ("combinations", lambda T, x: T.combinations(x, 2, True), (array(3),)),
        ("is_set_to", lambda T, x: (x.is_set_to(x[:]), x.is_set_to(x[1:])), (M,), False),
        ("dim_order", lambda T, x: x.permute(2, 0, 1).dim_order(), (X,), False),
        ("offset", lambda T, x: (x[1].storage_offset(), x.t()[2].storage_offset()), (M,), False),
        ("nbytes", lambda T, x: x[1].untyped_storage().nbytes(), (M,), False),
        ("base", lambda T, x: (x[1:]._base is None, x._base is None), (M,), False),
    ]
)
def test_copies_and_queries(case):
    check(case)


ERRORS = (
    "torch.ones(4).as_strided((3,), (2,))",
    "torch.ones(4).as_strided((2,), (1, 1))",
    "torch.ones(4).as_strided((2,), (-1,))",
    "torch.ones(4).unfold(0, 5, 1)",
    "torch.ones(4).unfold(0, 2, 0)",
    "torch.ones(4).unfold(1, 2, 1)",
    "torch.ones(2, 3).view(torch.float64)",
    "torch.tensor(1.0).view(torch.int8)",
    "torch.ones(2, 3).T.view(torch.int8)",
    "torch.ones(2).imag",
    "torch.ones(2, 3).hsplit(2)",
    "torch.ones(2).vsplit(2)",
    "torch.ones(2, 2).dsplit(2)",
    "torch.ones(3).tensor_split(0)",
    "torch.rot90(torch.ones(2, 2), 1, (0, 0))",
    "torch.block_diag(torch.ones(1, 1, 1))",
    "torch.empty_permuted((2, 3), (0, 0))",
    "torch.empty_strided((2, 3), (1,))",
    "torch.tensor(300, dtype=torch.int8)",
    "torch.tensor([float('nan')], dtype=torch.int64)",
    "torch.tensor([1j], dtype=torch.float32)",
    "torch.linspace(torch.ones(1), 2, 3)",
    "torch.arange(3, dtype=torch.bool)",
    "torch.ones(2, out=torch.zeros(2), dtype=torch.int64)",
    "torch.full(2, 1)",
    "torch.ones(2, 3, 4).clone(memory_format=torch.channels_last)",
    "torch.multinomial(torch.tensor([1.0, -1.0]), 1)",
    "torch.multinomial(torch.ones(2), 3)",
    "torch.ones(2).geometric_(1.5)",
    "torch.ones(2).cauchy_(0, -1)",
    "torch.ones(2).log_normal_(0, 0)",
    "torch.ones(2, dtype=torch.int64).uniform_()",
    "torch.ones(2).bernoulli(p=2)",
    "torch.poisson(torch.tensor([-1.0]))",
    "torch.signal.windows.hann(-1)",
    "torch.signal.windows.gaussian(3, std=-1)",
    "torch.signal.windows.general_cosine(3, a=[])",
    "torch.hann_window(-1)",
    "torch.finfo(torch.int8)",
    "torch.iinfo(torch.float32)",
    "'a' in torch.ones(2)",
)


@pytest.mark.parametrize("text", ERRORS)
def test_errors(text: str):
    raised = []
    for module in (torch, thrace):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(Exception) as info:
                eval(text, {"torch": module})
        raised.append(info.value)
    kinds = [c for c in type(raised[0]).__mro__ if c.__module__ == "builtins"]
    assert isinstance(raised[1], kinds[0]), raised


CREATED = (
    "torch.tensor([0.1, 1], dtype=torch.float64)",
    "torch.empty_strided((2, 3), (1, 2)).fill_(2)",
    "torch.empty_strided((2, 3), (1, 1)).zero_()",
    "torch.empty_permuted((2, 3, 4), (1, 2, 0)).zero_()",
    "torch.ones(2, 3).T.new_empty_strided((3, 2), (2, 1)).zero_()",
    "torch.ones(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)",
    "torch.zeros_like(torch.ones(2, 3).T, memory_format=torch.contiguous_format)",
    "torch.ones(1, 2, 3, 4).to(memory_format=torch.channels_last).clone()",
    "torch.linspace(0, 9, 5, dtype=torch.int64)",
    "torch.linspace(torch.tensor(1.0), 2, 3)",
    "torch.linspace(0, 1 + 1j, 3)",
    "torch.logspace(0, 2, 3, base=2)",
    "torch.Tensor(torch.Size([0, 3]))",
    "torch.LongTensor([1, 2])",
    "torch.tril_indices(3, 4, -1)",
    "torch.asarray([1, 2], dtype=torch.float32, requires_grad=True)",
    "torch.frombuffer(bytearray(b'abcdefgh'), dtype=torch.int16, count=2, offset=2)",
    "torch.complex(torch.tensor([1.0, float('inf')]), torch.tensor([float('inf'), 0.0]))",
    "torch.polar(torch.tensor([2.0]), torch.tensor([1.0]))",
    "torch.kaiser_window(5, False, 3.0)",
    "torch.hamming_window(6, True, 0.6, 0.3, dtype=torch.float64)",
    "torch.signal.windows.kaiser(6, beta=3.0, sym=False)",
    "torch.signal.windows.exponential(1, tau=2.0, sym=False)",
    "torch.result_type(torch.ones(2, dtype=torch.int64), 1.5)",
)


@cases([(text, lambda T, text=text: eval(text, {"torch": T}), (), False) for text in CREATED])
def test_creation(case):
    check(case)


@pytest.mark.parametrize(
    ("fill", "mean"),
    (
        (lambda t: t.exponential_(2.0), 0.5),
        (lambda t: t.geometric_(0.25), 4.0),
        (lambda t: t.log_normal_(0.0, 0.5), float(np.exp(0.125))),
        (lambda t: thrace.poisson(t.fill_(3.0)), 3.0),
        (lambda t: thrace.binomial(t.fill_(10.0), thrace.full_like(t, 0.3)), 3.0),
        (lambda t: t.cauchy_(1.0, 0.5).lt(1.5).double(), 0.75),
    ),
    ids=("exponential", "geometric", "log_normal", "poisson", "binomial", "cauchy"),
)
def test_distributions(fill: Any, mean: float):
    thrace.manual_seed(3)
    first = fill(thrace.empty(20000))
    thrace.manual_seed(3)
    assert fill(thrace.empty(20000)).tolist() == first.tolist()
    assert abs(first.mean().item() - mean) < 0.05 * max(mean, 1)


@pytest.mark.parametrize("replacement", (False, True))
def test_multinomial(replacement: bool):
    thrace.manual_seed(0)
    weights = thrace.tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 1.0, 1.0]]).repeat(4000, 1)
    drawn = thrace.multinomial(weights, 2, replacement).numpy()
    share = (drawn[::2, 0] == 2).mean()
    assert abs(share - 0.75) < 0.03
    assert not np.isin(drawn[::2], (0, 3)).any()
    assert replacement or (drawn[:, 0] != drawn[:, 1]).all()


def test_compiled_runs_draw_the_same():
    def draws(n):
        weights = thrace.ones(5)
        x = thrace.empty(4)
        return x.cauchy_() + n, thrace.multinomial(weights, 3, True), x.geometric_(0.5) * 2

    thrace.manual_seed(1)
    plain = [t.tolist() for t in draws(thrace.ones(4))]
    step = thrace.compile(draws)
    for _ in range(2):
        thrace.manual_seed(1)
        got = [t.tolist() for t in step(thrace.ones(4))]
        np.testing.assert_allclose(got[0], plain[0], rtol=1e-5)
        assert got[1:] == plain[1:]


def test_rng_state():
    state = thrace.get_rng_state()
    with thrace.random.fork_rng():
        first = thrace.rand(3).tolist()
    assert thrace.rand(3).tolist() == first
    thrace.set_rng_state(state)
    assert thrace.rand(3).tolist() == first


def overlapping(T: Any, x: Any, w: Any) -> Any:
    x.as_strided((3, 3), (1, 1))[0, 1] = 9.0
    x.unfold(0, 2, 3).mul_(2)
    x.view(T.int32)[2:3] = 0
    T.view_as_complex(x.view(6, 2)).conj().imag[4].add_(1)
    seen = x[4:8].as_strided((2, 3), (2, 1), 3)
    return seen * w, x * 2


def test_strided_views_compiled():
    """Arguments, and a leaf whose view shows elements around it."""
    step = thrace.compile(lambda x, w: overlapping(thrace, x, w))
    for shift in (0.0, 1.0):
        got, want = [], []
        for T, run, out in (
            (thrace, step, got),
            (torch, lambda x, w: overlapping(torch, x, w), want),
        ):
            x = T.tensor(V + np.float32(shift))
            w = T.ones(2, 3, requires_grad=True)
            first, second = run(x, w)
            first.sum().backward()
            out += [first.detach().tolist(), second.tolist(), x.tolist(), w.grad.tolist()]
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-6)
    assert not thrace.explain(step).fallbacks


LAYOUTS = {
    "permuted": lambda x: x.permute(2, 0, 1),
    "sliced": lambda x: x[:, ::2].transpose(0, 2),
    "thin": lambda x: x[..., None].permute(3, 2, 1, 0),
    "expanded": lambda x: x[:, :1].expand(2, 3, 4),
    "channels_last": lambda x: x[None].permute(0, 3, 1, 2),
    "channels_spread": lambda x: x[None, :, :2].permute(0, 3, 1, 2),
}
LAID_OUT = (
    *("T.rand_like(x)", "T.randint_like(x, 3)", "x.roll(1, 0)", "x.roll(1, 1)", "x.tril()"),
    *("x.triu(1)", "x.diff(dim=-1)", "x.logcumsumexp(0)", "T.copysign(x, x)", "x // y", "y // x"),
    *("T.xlogy(x, y)", "x.signbit()", "x.isreal()", "x[T.tensor([0, 0])]", "x[:, T.tensor([1])]"),
    *("x[..., T.tensor([0, 1])]", "x[:, T.tensor([[0, 1], [1, 0]]).t()]"),
    *("x[T.tensor([0]), :, [1]]", "x[x > 3]", "x.index_put((T.tensor([0]),), y[:1])"),
    "T.nn.functional.logsigmoid(x)",
    *("T.nn.functional.layer_norm(x, x.shape[-1:])", "T.nn.functional.glu(x[:, :2], 1)"),
    "T.nn.functional.soft_margin_loss(x, y, reduction='none')",
    *("T.cat([x, x])", "T.cat([x, y], 1)", "T.cat([x, x.float()], 1)", "T.cat([x, T.zeros(0)], 1)"),
    *("T.stack([x, x])", "T.stack([x, x], 1)", "T.stack([x, x], -1)", "T.dstack([x, x])"),
    "(x > 1)[..., T.tensor([[1, 0], [0, 1]]), 0:1][-2:, :, None][T.tensor([0, 0, 0])]",
    "y[:1, :1].transpose(0, 1)[-2:, T.tensor([[0, 0], [0, 0]]), 0::3]",
    *("2.0**x", "T.fmax(y, x)", "T.gcd(x.long(), y.long())", "T.polygamma(1, x)"),
    *("T.mvlgamma(x + 3, 2)", "T.renorm(x, 2, 0, 1.0)", "x.put(T.tensor([0]), x.new_ones(1))"),
    *("x.rot90(4)", "x.rot90(1)", "T.special.chebyshev_polynomial_t(x, y.long() % 4)"),
    *("T.einsum('...ij,...ij->...ji', x, y)", "T.einsum('...i,...j->j...i', x, y)"),
    *("T.nn.functional.dropout(x)", "T.nn.functional.alpha_dropout(x, training=True)"),
    "T.nn.functional.rrelu(x)",
    *("T.nn.functional.group_norm(x, 1)", "T.nn.functional.rms_norm(x, x.shape[-1:])"),
    "T.nn.functional.binary_cross_entropy(x / 25, y / 25, reduction='none')",
    "T.nn.functional.hinge_embedding_loss(x, y, reduction='none')",
    "x.to(x.dtype, memory_format=T.contiguous_format)",
    "x.to(T.float32, memory_format=T.contiguous_format)",
)  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_are_laid_out_as_pytorchs(layout: str):
    for source in LAID_OUT:
        seen = []
        for T in (torch, thrace):
            base = LAYOUTS[layout](T.arange(24, dtype=T.float64).reshape(2, 3, 4) + 1)
            made = eval(source, {"T": T, "x": base, "y": base.contiguous()})
            seen.append([(n, s) for n, s in zip(made.shape, made.stride(), strict=True) if n != 1])
        assert seen[0] == seen[1], source
