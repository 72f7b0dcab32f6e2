"""Forms that call functions by the table: `nn.functional`, products and statistics beyond the
common ones, `autograd.Function`s, and transforms of functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from .forms_math import fits, floating, real
from .forms_views import made
from .generate import Draft, Generator

Want = Callable[[torch.Tensor], bool]


def has_elements(t: torch.Tensor) -> bool:
    return floating(t) and t.numel() > 0 and t.ndim > 0


def matrix(t: torch.Tensor) -> bool:
    return has_elements(t) and t.ndim == 2


def stack(t: torch.Tensor) -> bool:
    return has_elements(t) and t.ndim == 3


def long(t: torch.Tensor) -> bool:
    """With room for a window of two along the last axis."""
    return has_elements(t) and 2 <= t.ndim <= 3 and t.shape[-1] >= 2


def integral(t: torch.Tensor) -> bool:
    return t.dtype is torch.int64 and t.ndim > 0 and t.numel() > 0


class Call(NamedTuple):
    """`{a}` is what `want` wants; `{b}` has its shape and dtype, `{c}` broadcasts with it and
    has its dtype, `{n}` is its last size. `exact` wants operands that went through nothing that
    rounds, as kinks and ties do."""

    source: str
    want: Want = floating
    exact: bool = False
    binds: int = 1


F = "T.nn.functional."
ACTIVATIONS = (
    *(Call(f"{F}{name}({{a}})") for name in ("gelu", "silu", "softplus", "mish", "logsigmoid")),
    *(Call(f"{F}{name}({{a}})") for name in ("softsign", "tanhshrink")),
    # PyTorch's second derivative of these at 0 is that of neither side.
    *(Call(f"{F}{name}({{a}} + 0.125)", exact=True) for name in ("elu", "selu", "celu")),
    Call(f"{F}relu6({{a}})", exact=True),
    *(Call(f"{F}{name}({{a}})", exact=True) for name in ("hardswish", "hardtanh")),
    # PyTorch's gradient has 1/6 in single precision, for doubles too.
    Call(f"{F}hardsigmoid({{a}})", lambda t: floating(t) and t.dtype is not torch.float64, True),
    *(Call(f"{F}leaky_relu({{a}}, 0.1)", exact=True), Call(f"{F}softshrink({{a}})", exact=True)),
    Call(f"{F}threshold({{a}}, 0.1, 2.0)", exact=True),
    Call(f"{F}glu({{a}}, -1)", lambda t: has_elements(t) and t.shape[-1] % 2 == 0),
)
LAYERS = (
    Call(f"{F}layer_norm({{a}}, ({{n}},), eps=0.5)", has_elements),
    Call(f"{F}layer_norm({{a}}, ({{n}},), {{a}}.reshape(-1)[:{{n}}], eps=0.5)", has_elements),
    Call(f"{F}rms_norm({{a}}, ({{n}},), eps=0.5)", has_elements),
    Call(f"{F}group_norm({{a}}, 1, eps=0.5)", lambda t: has_elements(t) and t.ndim > 1),
    Call(
        f"{F}batch_norm({{a}}, None, None, training=True, eps=0.5)",
        lambda t: has_elements(t) and t.ndim in (2, 3) and t.numel() > t.shape[1],
    ),
    Call(f"{F}linear({{a}}, {{a}}.reshape(-1, {{n}})[:2])", matrix),
    Call(f"{F}conv1d({{a}}, {{a}}[:1, :, :2])", lambda t: stack(t) and t.shape[-1] >= 2),
    Call(f"{F}conv1d({{a}}, {{a}}[:1, :, :1], padding=1)", stack),
    Call(f"{F}max_pool1d({{a}}, 2)", long, exact=True),
    Call(f"{F}avg_pool1d({{a}}.contiguous(), 2, padding=1)", long),
    Call(f"{F}adaptive_avg_pool1d({{a}}.contiguous(), 2)", long),
    Call(f"{F}interpolate({{a}}, scale_factor=2)", stack),
    Call(f"{F}interpolate({{a}}, size=3, mode='linear')", stack),
    Call(f"{F}pad({{a}}, (1, 0), value=0.5)", lambda t: t.ndim > 0 and t.numel() > 0),
    Call(f"{F}pad({{a}}, (-1, 2))", lambda t: t.ndim > 0 and t.shape[-1] > 1),
    Call(f"{F}pad({{a}}, (1, 1), mode='reflect')", long),
    Call(f"{F}pad({{a}}, (1, 2), mode='replicate')", long),
    Call(f"{F}pad({{a}}, (1, 1), mode='circular')", long),
    Call(f"{F}scaled_dot_product_attention({{a}}, {{a}}, {{b}})", matrix),
    Call(f"{F}dropout({{a}}, 0.5, training=False)"),
    Call(f"{F}embedding(T.tensor([[0, 0], [0, {{last}}]]), {{a}})", matrix),
    Call(f"{F}one_hot({{a}} % 3, 3)", integral),
    Call(f"{F}relu({{a}} * 1, inplace=True)", exact=True),
)
LOSSES = (
    *(Call(f"{F}mse_loss({{a}}, {{b}})"), Call(f"{F}mse_loss({{a}}, {{b}}, reduction='none')")),
    Call(f"{F}l1_loss({{a}}, {{b}})", exact=True),
    Call(f"{F}smooth_l1_loss({{a}}, {{b}}, reduction='sum')", exact=True),
    Call(f"{F}huber_loss({{a}}, {{b}}, delta=0.5)", exact=True),
    Call(f"{F}binary_cross_entropy_with_logits({{a}}, {{b}}.detach().sigmoid())", has_elements),
    Call(f"{F}cross_entropy({{a}}, {{b}}.detach().softmax(1))", matrix),
    Call(f"{F}cross_entropy({{a}}, T.zeros({{first}}, dtype=T.int64))", matrix),
    Call(f"{F}nll_loss({{a}}, T.zeros({{first}}, dtype=T.int64), reduction='none')", matrix),
    Call(f"{F}kl_div({{a}}, {{b}}.detach().softmax(0), reduction='sum')", has_elements),
)
MORE = (
    Call("T.einsum('...i,...i->...', {a}, {b}).contiguous()", has_elements),
    Call("T.einsum('ij,kj->ik', {a}, {b})", matrix),
    Call("T.einsum('ii->i', {a})", lambda t: matrix(t) and t.shape[0] == t.shape[1]),
    Call("T.tensordot({a}, {b}, dims=([0], [0]))", matrix),
    Call("T.bmm({a}, {b}.mT)", stack),
    Call("T.baddbmm({a} @ {b}.mT, {a}, {b}.mT, beta=0.5)", stack),
    Call("T.addmm({a} @ {b}.t(), {a}, {b}.t(), alpha=2)", matrix),
    Call("T.trace({a})", lambda t: t.ndim == 2 and not t.dtype.is_complex),
    Call("T.kron({a}, {a})", lambda t: has_elements(t) and t.numel() < 6),
    Call("T.rot90({a}, 1, (0, 1))", lambda t: t.ndim >= 2),
    Call("T.diag_embed({a})", lambda t: has_elements(t) and t.ndim < 3),
    Call("T.block_diag({a}, {a})", lambda t: matrix(t) and t.numel() < 9),
    Call("T.meshgrid({a}, {a}, indexing='ij')", lambda t: t.ndim == 1 and t.numel() < 5, binds=2),
    Call("{a}.cummax(0)", lambda t: t.ndim > 0 and real(t), exact=True, binds=2),
    Call("{a}.cummin(-1)", lambda t: t.ndim > 0 and real(t), exact=True, binds=2),
    Call("{a}.logcumsumexp(0)", has_elements),
    Call("{a}.diff(dim=0)", lambda t: t.ndim > 0 and t.shape[0] > 1 and t.dtype is not torch.bool),
    Call("T.aminmax({a})", lambda t: real(t) and t.numel() > 0, exact=True, binds=2),
    Call("T.std_mean({a} * 1, 0, correction=0)", lambda t: matrix(t) and t.shape[0] > 1, True, 2),
    Call("{a}.nan_to_num()"),
    Call("{a}.nansum(-1)", has_elements),
    Call("T.count_nonzero({a}, 0)", lambda t: t.ndim > 0, exact=True),
    Call("T.logaddexp({a}, {c})"),
    Call("T.clamp({a}, {c} - 1, {c} + 1)", exact=True),
    Call("T.lerp({a}, {b}, {b})"),
    Call("T.addcdiv({a}, {b}, {a}.detach().abs() + 1, value=0.5)"),
    Call("T.linalg.inv({a} @ {a}.mT + 2 * T.eye({first}, dtype={a}.dtype)).contiguous()", matrix),
    Call("T.linalg.det({a} @ {a}.mT + T.eye({first}, dtype={a}.dtype))", matrix),
    Call(
        "T.linalg.solve({a} @ {a}.mT + T.eye({first}, dtype={a}.dtype), {a}).contiguous()", matrix
    ),
    Call("T.linalg.vector_norm({a} * {a} + 1, dim=0)", has_elements),
    Call("T.fft.fft({a}.contiguous()).real.clone()", has_elements),
    Call("T.searchsorted(T.tensor([-1, 0, 2]), {a})", integral),
    Call("T.bincount({a}.abs().flatten() % 4, minlength=4)", integral),
    Call("T.isclose({a}, {c})", exact=True),
    Call("T.cdist({a}, {a} + 1)", lambda t: matrix(t) and t.shape[1] > 0, exact=True),
    Call("sum(t * t for t in {a}.unbind(0))", has_elements),
    Call("T.stack([t.sin() for t in {a}])", has_elements),
    Call("T.cartesian_prod({a}, {a})", lambda t: t.ndim == 1 and t.numel() < 5),
)
OWN = (
    *(Call("Cube.apply({a})"), Call("Halved.apply({a})"), Call("Product.apply({a}, {b}, 0.5)")),
    *(Call("Parts.apply({a})", exact=True, binds=2), Call("Product.apply({a}, {a}, 2.0)")),
)


def small(t: torch.Tensor) -> bool:
    return floating(t) and 0 < t.numel() <= 4 and t.is_contiguous()  # jacfwd is wrong at overlaps


def rows(t: torch.Tensor) -> bool:
    return has_elements(t)


TRANSFORMS = (
    # How the results of transforms are laid out hangs on how they are done.
    Call(
        "T.func.grad(lambda t: (t * t * {c}).sum())({a}).clone(memory_format=T.contiguous_format)"
    ),
    Call(
        "T.func.grad(lambda t: (t.sin() * {a}).sum())({a}).clone(memory_format=T.contiguous_format)"
    ),
    Call("T.func.vmap(lambda t: t * 2 + {s})({a}).clone(memory_format=T.contiguous_format)", rows),
    Call("T.func.vmap(lambda t, u: (t * u).sum(), in_dims=(0, 0))({a}, {b})", rows),
    Call(
        "T.func.vmap(lambda t: t[..., None] * t, in_dims=-1, out_dims=-1)({a}).contiguous()", rows
    ),
    Call("T.func.vmap(lambda t, i: t[i])({a}, T.zeros({first}, dtype=T.int64))", matrix),
    Call(
        "T.func.vmap(T.func.grad(lambda t: (t.sin() * t).sum()))({a}).clone(memory_format=T.contiguous_format)",
        rows,
    ),
    Call("(t.contiguous() for t in T.func.jvp(lambda t: t.sin() * t, ({a},), ({b},)))", binds=2),
    Call("T.func.vjp(lambda t: t * t * {c}, {a})[1]({a} * {c})[0]", lambda t: t.ndim == 0),
    Call(
        "T.func.vjp(lambda t: t.exp() * t, {a} / 4)[1]({b})[0].clone(memory_format=T.contiguous_format)"
    ),
    Call(
        "T.func.jacrev(lambda t: t * t.sum())({a}).clone(memory_format=T.contiguous_format)",
        small,
    ),
    Call(
        "T.func.jacfwd(lambda t: t.sin())({a}).clone(memory_format=T.contiguous_format)",
        small,
    ),
    Call(
        "T.func.hessian(lambda t: (t ** 3).sum())({a}).clone(memory_format=T.contiguous_format)",
        small,
    ),
    Call(
        "T.autograd.functional.jacobian(lambda t: t * t, {a}).clone(memory_format=T.contiguous_format)",
        small,
    ),
    Call(
        "(t.clone(memory_format=T.contiguous_format) for t in T.autograd.functional.hvp(lambda t: (t ** 3).sum(), {a}, {b}))",
        small,
        binds=2,
    ),
    Call(
        "(t.clone(memory_format=T.contiguous_format) for t in T.autograd.functional.vjp(lambda t: (t ** 3).sum(), {a}))",
        small,
        binds=2,
    ),
)


def called(g: Generator, table: tuple[Call, ...], *features: str) -> Draft | None:
    call = g.rng.choice(table)
    name = g.pick(call.want)
    if name is None:
        return None
    t = g.tensor(name)
    if not call.want(t):
        return None
    if call.exact and not g.exact(name):
        return None
    source = call.source.replace("{a}", name)
    for mark, broadcasts in (("{b}", False), ("{c}", True)):
        if mark in source:
            other = g.pick(lambda s, broadcasts=broadcasts: partner(s, t, broadcasts))
            if other is None or (call.exact and not g.exact(other)):
                return None
            source = source.replace(mark, other)
    if "{n}" in source or "{first}" in source or "{last}" in source:
        if not t.ndim:
            return None
        source = source.replace("{n}", str(t.shape[-1])).replace("{first}", str(t.shape[0]))
        source = source.replace("{last}", str(t.shape[0] - 1))
    source = source.replace("{s}", str(g.rng.randrange(-2, 3) / 2))
    return made(source, *features, smooth=not call.exact, rounds=True, binds=call.binds)


def partner(s: torch.Tensor, t: torch.Tensor, broadcasts: bool) -> bool:
    """Whether a tensor of the same dtype has the same shape, or broadcasts into it."""
    if s.dtype is not t.dtype:
        return False
    if not broadcasts:
        return s.shape == t.shape
    return fits(s.shape, t.shape) and torch.broadcast_shapes(s.shape, t.shape) == t.shape


def activation(g: Generator) -> Draft | None:
    return called(g, ACTIVATIONS, "nn.functional", "elementwise")


def layer(g: Generator) -> Draft | None:
    return called(g, LAYERS, "nn.functional", "layer")


def loss(g: Generator) -> Draft | None:
    return called(g, LOSSES, "nn.functional", "loss")


def more(g: Generator) -> Draft | None:
    return called(g, MORE, "more functions")


def own_function(g: Generator) -> Draft | None:
    return called(g, OWN, "autograd.Function")


def transform(g: Generator) -> Draft | None:
    return called(g, TRANSFORMS, "func transform")


FORMS = {
    activation: 1.5,
    layer: 2.0,
    loss: 1.5,
    more: 3.5,
    own_function: 1.5,
    transform: 2.5,
}
