"""Views, joins and conversions against PyTorch: values, strides, aliasing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from api_oracle import array, bools, cases, check, integers

import thrace

X = array(2, 3, 4)
M = array(3, 4)
V = array(6)
I = integers(3, 4)
B = bools(3, 4)
ONES = array(1, 3, 1, 2)
ZERO_D = np.array(1.5, np.float32)
EMPTY = np.zeros((0, 3), np.float32)
SQUARE = array(4, 4)


def written(view: Any) -> Any:
    """The base after a write through a view of it, and the view."""

    def run(T: Any, x: Any) -> Any:
        base = x.clone()
        part = view(T, base)
        part.mul_(2).add_(1)
        return base, part

    return run


VIEWS = (
    ("view", lambda T, x: x.view(6, 4), X),
    ("view-infer", lambda T, x: x.view(-1, 2), X),
    ("view-tuple", lambda T, x: x.view((4, 6)), X),
    ("view-size", lambda T, x: x.view(T.Size([24])), X),
    ("view-split", lambda T, x: x.view(2, 3, 2, 2), X),
    ("view-transposed", lambda T, x: x.transpose(0, 1).view(3, 2, 2, 2), X),
    ("view_as", lambda T, x: x.view_as(x.view(4, 6)), X),
    ("reshape", lambda T, x: x.reshape(3, 8), X),
    ("reshape-keyword", lambda T, x: T.reshape(x, (3, -1)), X),
    ("flatten", lambda T, x: x.flatten(), X),
    ("flatten-1", lambda T, x: T.flatten(x, 1), X),
    ("flatten-end", lambda T, x: x.flatten(0, 1), X),
    ("ravel", lambda T, x: x.ravel(), X),
    ("unflatten", lambda T, x: x.unflatten(2, (2, -1)), X),
    ("squeeze", lambda T, x: x.squeeze(), ONES),
    ("squeeze-0", lambda T, x: x.squeeze(0), ONES),
    ("squeeze-1", lambda T, x: x.squeeze(1), ONES),
    ("squeeze-several", lambda T, x: T.squeeze(x, (0, -2)), ONES),
    ("unsqueeze", lambda T, x: x.unsqueeze(1), X),
    ("unsqueeze-last", lambda T, x: x.unsqueeze(-1), X),
    ("unsqueeze-transposed", lambda T, x: x.transpose(0, 2).unsqueeze(0), X),
    ("transpose", lambda T, x: x.transpose(0, -1), X),
    ("swapaxes", lambda T, x: T.swapaxes(x, 0, 1), X),
    ("t", lambda T, x: x.t(), M),
    ("T", lambda T, x: x.T, M),
    ("mT", lambda T, x: x.mT, X),
    ("permute", lambda T, x: x.permute(2, 0, 1), X),
    ("permute-tuple", lambda T, x: T.permute(x, (1, -1, 0)), X),
    ("movedim", lambda T, x: x.movedim(0, 2), X),
    ("movedim-several", lambda T, x: T.movedim(x, (0, 1), (-1, 0)), X),
    ("narrow", lambda T, x: x.narrow(1, 1, 2), X),
    ("narrow-negative", lambda T, x: x.narrow(-1, -3, 2), X),
    ("select", lambda T, x: x.select(1, -1), X),
    ("split", lambda T, x: x.split(3, -1)[1], X),
    ("split-list", lambda T, x: T.split(x, [1, 3], dim=2)[1], X),
    ("chunk", lambda T, x: x.chunk(3, 2)[1], X),
    ("unbind", lambda T, x: x.unbind(1)[2], X),
    ("diagonal", lambda T, x: x.diagonal(), SQUARE),
    ("diagonal-offset", lambda T, x: x.diagonal(1), SQUARE),
    ("diagonal-below", lambda T, x: T.diagonal(x, -2), SQUARE),
    ("diagonal-dims", lambda T, x: x.diagonal(1, -1, 0), X),
    ("detach", lambda T, x: x.detach(), X),
    ("slice", lambda T, x: x[:, 1:, ::2], X),
    ("chain", lambda T, x: x.transpose(1, 2)[0].narrow(0, 1, 3)[::2, 1], X),
    ("chain-view", lambda T, x: x.view(4, 6)[1::2].t()[2:4], X),
    ("chain-diagonal", lambda T, x: x.view(2, 2, 4)[1].t().diagonal(), SQUARE),
    ("unsqueeze-chain", lambda T, x: x[:, None].squeeze(1)[1], X),
)


@cases([(name, fn, (data,)) for name, fn, data in VIEWS])
def test_view(case: Any) -> None:
    check(case)


# PyTorch lets nobody write to views that came several at once, in grad mode.
SEVERAL = ("split", "split-list", "chunk", "unbind", "detach")


@cases([(name, written(fn), (data,), name not in SEVERAL) for name, fn, data in VIEWS])
def test_write_through_view(case: Any) -> None:
    check(case)


COPIES = (
    ("reshape-copy", lambda T, x: x.t().reshape(-1), (M,)),
    ("reshape-scalar", lambda T, x: x.reshape(()), (np.ones((1, 1), np.float32),)),
    ("flatten-copy", lambda T, x: x.transpose(0, 1).flatten(), (X,)),
    ("flatten-scalar", lambda T, x: x.flatten(), (ZERO_D,)),
    ("view-empty", lambda T, x: x.view(3, 0), (EMPTY,)),
    ("view-ambiguous", lambda T, x: x.view(-1, 0), (EMPTY,)),
    ("t-vector", lambda T, x: x.t(), (V,)),
    ("transpose-scalar", lambda T, x: x.transpose(0, -1), (ZERO_D,)),
    ("expand", lambda T, x: x.expand(5, -1, 4), (array(3, 1),)),
    ("expand-size", lambda T, x: x.expand(T.Size([2, 6])), (V,)),
    ("expand_as", lambda T, x, y: x.expand_as(y), (array(4), M)),
    ("broadcast_to", lambda T, x: T.broadcast_to(x, (2, 3, 4)), (M,)),
    ("broadcast_tensors", lambda T, x, y: T.broadcast_tensors(x, y), (array(3, 1), array(4))),
    ("broadcast_shapes", lambda T: T.broadcast_shapes((3, 1), (4,), ()), ()),
    ("split-all", lambda T, x: x.split(4), (V,)),
    ("chunk-all", lambda T, x: x.chunk(4), (V,)),
    ("unbind-all", lambda T, x: T.unbind(x), (M,)),
    ("split-empty", lambda T, x: x.split(2), (EMPTY,)),
    ("cat", lambda T, x, y: T.cat([x, y]), (M, array(2, 4))),
    ("cat-dim", lambda T, x, y: T.cat((x, y), dim=-1), (M, array(3, 1))),
    ("cat-promotes", lambda T, x, y: T.cat([x, y]), (I, M)),
    ("cat-empty", lambda T, x: T.cat([x, T.tensor([])]), (M,)),
    ("concat", lambda T, x: T.concat([x, x], 1), (M,)),
    ("stack", lambda T, x, y: T.stack([x, y]), (M, array(3, 4, seed=1))),
    ("stack-last", lambda T, x: T.stack((x, x, x), dim=-1), (M,)),
    ("stack-scalars", lambda T, x: T.stack([x, x]), (ZERO_D,)),
    ("hstack", lambda T, x: T.hstack([x, x]), (M,)),
    ("hstack-vectors", lambda T, x: T.hstack([x, x]), (V,)),
    ("vstack", lambda T, x: T.vstack([x, x]), (V,)),
    ("repeat", lambda T, x: x.repeat(2, 3), (M,)),
    ("repeat-new", lambda T, x: x.repeat(2, 1, 2), (M,)),
    ("repeat-zero", lambda T, x: x.repeat(0, 1), (M,)),
    ("tile", lambda T, x: x.tile(2), (M,)),
    ("tile-tuple", lambda T, x: T.tile(x, (2, 1, 2)), (M,)),
    ("repeat_interleave", lambda T, x: x.repeat_interleave(2, dim=1), (M,)),
    ("repeat_interleave-flat", lambda T, x: T.repeat_interleave(x, 3), (M,)),
    (
        "repeat_interleave-tensor",
        lambda T, x, n: x.repeat_interleave(n, 0),
        (M, np.array([2, 0, 1])),
    ),
    ("repeat_interleave-alone", lambda T, n: T.repeat_interleave(n), (np.array([2, 0, 1]),)),
    ("flip", lambda T, x: x.flip(0), (M,)),
    ("flip-several", lambda T, x: T.flip(x, (0, -1)), (X,)),
    ("flip-args", lambda T, x: x.flip(0, 2), (X,)),
    ("roll", lambda T, x: x.roll(1), (M,)),
    ("roll-dim", lambda T, x: x.roll(-1, 1), (M,)),
    ("roll-several", lambda T, x: T.roll(x, (1, 2), (0, 1)), (M,)),
    ("roll-far", lambda T, x: x.roll(7, 1), (M,)),
    ("tril", lambda T, x: x.tril(), (X,)),
    ("tril-up", lambda T, x: T.tril(x, 1), (M,)),
    ("triu", lambda T, x: T.triu(x, diagonal=1), (SQUARE,)),
    ("triu-bool", lambda T, x: x.triu(-1), (B,)),
    ("diag", lambda T, x: T.diag(x), (V,)),
    ("diag-above", lambda T, x: x.diag(2), (V,)),
    ("diag-below", lambda T, x: x.diag(-1), (V,)),
    ("diag-matrix", lambda T, x: x.diag(1), (M,)),
    ("meshgrid", lambda T, x, y: T.meshgrid(x, y, indexing="ij"), (V, array(2))),
    ("meshgrid-xy", lambda T, x, y: T.meshgrid(x, y, indexing="xy"), (V, array(2))),
    ("clone", lambda T, x: x.clone(), (M,)),
    ("clone-transposed", lambda T, x: x.t().clone(), (M,)),
    ("clone-expanded", lambda T, x: x.expand(2, 3, 4).clone(), (M,)),
    ("contiguous", lambda T, x: x.t().contiguous(), (M,)),
    ("contiguous-no-grad", lambda T, x: x.t().contiguous(), (M,), False),
    ("contiguous-same", lambda T, x: x.contiguous() is x, (M,)),
    ("is_contiguous", lambda T, x: (x.is_contiguous(), x.t().is_contiguous()), (M,)),
    ("clone-apart", lambda T, x: [c := x.detach().clone(), c.zero_(), x][2], (M,)),
    ("double", lambda T, x: x.double(), (M,)),
    ("to-dtype", lambda T, x: x.to(T.float16), (M,)),
    ("to-keyword", lambda T, x: x.to(dtype=T.int64), (M,)),
    ("to-device", lambda T, x: x.to("cpu") is x, (M,)),
    ("to-device-dtype", lambda T, x: x.to("cpu", T.float64), (M,)),
    ("to-other", lambda T, x, y: x.to(y), (M, I)),
    ("to-same", lambda T, x: x.to(T.float32) is x, (M,)),
    ("to-copy", lambda T, x: x.to(T.float32, copy=True), (M,)),
    ("to-type", lambda T, x: x.to(int), (M,)),
    ("to-wrong", lambda T, x: x.to([1]), (M,)),
    ("to-no-device", lambda T, x: x.to("foo"), (M,)),
    ("long", lambda T, x: (x * 3).long(), (M,)),
    ("bool", lambda T, x: x.bool(), (I,)),
    ("bool-float", lambda T, x: x.bool(), (np.array([0, -0.0, 0.5, np.nan], np.float32),), False),
    ("float-int", lambda T, x: x.float(), (I,)),
    ("half", lambda T, x: x.half(), (M,)),
    ("bfloat16", lambda T, x: x.bfloat16(), (M,)),
    ("int-narrow", lambda T, x: x.to(T.int8), (I * 100,)),
    ("byte", lambda T, x: x.byte(), (I,)),
    ("type", lambda T, x: x.type(), (M,)),
    ("type-dtype", lambda T, x: x.type(T.int32), (M,)),
    ("type_as", lambda T, x, y: x.type_as(y), (M, I)),
    ("cpu", lambda T, x: x.cpu() is x, (M,)),
    ("size", lambda T, x: (x.size(), x.size(1), x.size(-1), x.shape), (X,)),
    ("size-range", lambda T, x: x.size(3), (X,)),
    ("dims", lambda T, x: (x.dim(), x.ndim, x.numel(), x.nelement(), len(x)), (X,)),
    ("element_size", lambda T, x: x.element_size(), (X,)),
    ("is_floating_point", lambda T, x: (x.is_floating_point(), T.is_complex(x)), (X,)),
    ("is_tensor", lambda T, x: (T.is_tensor(x), T.is_tensor(1)), (X,)),
    ("fill_diagonal_", lambda T, x: x.clone().fill_diagonal_(5), (SQUARE,)),
    ("fill_diagonal_-wrap", lambda T, x: x.clone().fill_diagonal_(5, wrap=True), (array(7, 2),)),
    ("requires_grad-flows", lambda T, x: (x * 2).view(-1)[1:].t(), (M,)),
)


@cases(COPIES)
def test_copy(case: Any) -> None:
    check(case)


ERRORS = (
    ("view-size", lambda T, x: x.view(5), (M,)),
    ("view-two", lambda T, x: x.view(-1, -1), (M,)),
    ("view-minus-2", lambda T, x: x.view(-2, 6), (M,)),
    ("view-rest", lambda T, x: x.view(5, -1), (M,)),
    ("view-strides", lambda T, x: x.t().view(-1), (M,)),
    ("view-float", lambda T, x: x.view(2.0, 6), (M,)),
    ("reshape-text", lambda T, x: x.reshape("a"), (M,)),
    ("flatten", lambda T, x: x.flatten(1, 0), (M,)),
    ("unflatten", lambda T, x: x.unflatten(1, (2, 3)), (M,)),
    ("squeeze", lambda T, x: x.squeeze(2), (M,)),
    ("unsqueeze", lambda T, x: x.unsqueeze(4), (M,)),
    ("transpose", lambda T, x: x.transpose(0, 2), (M,)),
    ("t", lambda T, x: x.t(), (X,)),
    ("mT", lambda T, x: x.mT, (V,)),
    ("permute-count", lambda T, x: x.permute(0), (M,)),
    ("permute-twice", lambda T, x: x.permute(0, 0), (M,)),
    ("permute-range", lambda T, x: x.permute(0, 2), (M,)),
    ("movedim-count", lambda T, x: x.movedim((0, 1), (0,)), (M,)),
    ("movedim-twice", lambda T, x: x.movedim((0, 0), (0, 1)), (M,)),
    ("expand-size", lambda T, x: x.expand(4, 4), (M,)),
    ("expand-few", lambda T, x: x.expand(4), (M,)),
    ("expand-lead", lambda T, x: x.expand(-1, 3, 4), (M,)),
    ("narrow-long", lambda T, x: x.narrow(0, 1, 3), (M,)),
    ("narrow-start", lambda T, x: x.narrow(0, 4, 1), (M,)),
    ("select", lambda T, x: x.select(0, 5), (M,)),
    ("select-scalar", lambda T, x: x.select(0, 0), (ZERO_D,)),
    ("split-zero", lambda T, x: x.split(0), (M,)),
    ("split-sum", lambda T, x: x.split([1, 1]), (M,)),
    ("split-negative", lambda T, x: x.split(-1), (M,)),
    ("chunk", lambda T, x: x.chunk(0), (M,)),
    ("unbind", lambda T, x: x.unbind(3), (M,)),
    ("diagonal", lambda T, x: x.diagonal(0, 0, 0), (M,)),
    ("cat-none", lambda T: T.cat([]), ()),
    ("cat-ranks", lambda T, x: T.cat([x, x[0]]), (M,)),
    ("cat-sizes", lambda T, x: T.cat([x, x.t()]), (M,)),
    ("cat-dim", lambda T, x: T.cat([x, x], 2), (M,)),
    ("cat-scalars", lambda T, x: T.cat([x, x]), (ZERO_D,)),
    ("cat-number", lambda T, x: T.cat([x, 1]), (M,)),
    ("cat-tensor", lambda T, x: T.cat(x), (M,)),
    ("stack-sizes", lambda T, x: T.stack([x, x.t()]), (M,)),
    ("stack-none", lambda T: T.stack([]), ()),
    ("repeat", lambda T, x: x.repeat(2), (M,)),
    ("flip-range", lambda T, x: x.flip(5), (M,)),
    ("flip-twice", lambda T, x: x.flip(0, 0), (M,)),
    ("roll-range", lambda T, x: x.roll(1, 5), (M,)),
    ("roll-count", lambda T, x: x.roll((1, 1), 0), (M,)),
    ("tril-vector", lambda T, x: x.tril(), (V,)),
    ("tril-float", lambda T, x: x.tril(3.5), (M,)),
    ("diag-cube", lambda T, x: x.diag(), (X,)),
    ("broadcast_shapes", lambda T: T.broadcast_shapes((3,), (4,)), ()),
    ("item", lambda T, x: x.item(), (M,)),
)


@cases(ERRORS)
def test_error(case: Any) -> None:
    check(case)


def test_errors_name_the_op_and_the_users_line() -> None:
    import pytest

    from thrace.ir.errors import AxisError, ShapeError

    x = thrace.ones(2, 3)
    with pytest.raises(ShapeError, match=r"view: shape '\[4\]' is invalid for input of size 6"):
        x.view(4)
    with pytest.raises(
        AxisError, match=r"(?s)transpose: .*test_api_shape.py:\d+ in .*transpose\(0"
    ):
        x.transpose(0, 2)
    with pytest.raises(ShapeError, match=r"(?s)mul: shapes \(2, 3\) and \(4,\).*test_api_shape"):
        _ = x * thrace.ones(4)
