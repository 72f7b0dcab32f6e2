"""API functions compiled by XLA against PyTorch: many snippets, one executable."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from api_oracle import array, assert_same, bools, integers, leaves

import thrace


def snippets(T: Any, x: Any, p: Any, i: Any, b: Any) -> list[Any]:
    y = x.clone()
    y[b] = 0.0
    y[1:, ::2] += 1
    y.t()[0].mul_(2)
    y[[0, 2]] = y[[2, 0]]
    return [
        y,
        x.detach() // 0.3,
        x % 0.7,
        i // 3,
        i % -4,
        T.div(i, 3, rounding_mode="trunc"),
        p**x,
        x.clamp(-0.5, 0.5),
        T.where(b, x, 0),
        x.var(1),
        T.std_mean(x, 0),
        x.prod(1),
        (x * 30).softmax(1),
        (x * 30).log_softmax(0),
        x.logsumexp((0, 1)),
        x.cumsum(1),
        x.norm(),
        x.norm(3, dim=1),
        tuple(x.max(1)),
        x.argmin(0),
        x.amax((0, 1)),
        b.any(1),
        b.all(),
        T.count_nonzero(i, 0),
        x.round(decimals=1),
        x.flip(1).roll(1, 0),
        x.tril(-1),
        T.diag(x[0], 1),
        x.repeat(2, 1),
        x.repeat_interleave(2, 1),
        T.cat([x, p], 1).diagonal(1),
        T.stack([x, p], -1),
        x.gather(1, i.abs() % 4),
        x.index_select(1, i[0].abs() % 4),
        x.scatter_add(1, i.abs() % 4, p),
        x[i[:, 0].abs() % 3],
        x[i[:, 0].abs() % 3, i[:, 1].abs() % 4],
        x.masked_fill(b, -1.0),
        x @ p.t(),
        T.einsum("ij,kj->ik", x, p),
        T.addmm(x[:, :3], x, p.t(), beta=0.5),
        T.arange(0, 1, 0.1),
        T.linspace(0, 1, 7),
        T.eye(3, 4),
        (i << 2) ^ 5,
        ~i & 3,
        i.to(T.int8),
        (x * 100).to(T.int32),
        x.half().float(),
        T.isclose(x, x + 1e-9),
        T.nan_to_num(T.log(x)),
        x.sign() * x.trunc() + x.frac(),
        T.lerp(x, p, 0.3),
    ]


def test_compiled_results_and_gradients() -> None:
    data = (array(3, 4), array(3, 4, seed=1, low=0.1), integers(3, 4), bools(3, 4))

    def step(x: Any, p: Any, i: Any, b: Any) -> Any:
        outs = snippets(thrace, x, p, i, b)
        total: Any = 0.0
        for out in leaves(outs):
            if out.requires_grad:
                total = total + out.float().nan_to_num(posinf=0, neginf=0).sum()
        gx, gp = thrace.autograd.grad(total, [x, p])
        return [t.detach() if isinstance(t, thrace.Tensor) else t for t in leaves(outs)], gx, gp

    ours = [thrace.tensor(a, requires_grad=k < 2) for k, a in enumerate(data)]
    compiled = thrace.compile(fullgraph=True)(step)
    got, gx, gp = compiled(*ours)

    theirs = [torch.tensor(a, requires_grad=k < 2) for k, a in enumerate(data)]
    want = leaves(snippets(torch, *theirs))
    total: Any = 0.0
    for out in want:
        if out.requires_grad:
            total = total + out.float().nan_to_num(posinf=0, neginf=0).sum()
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        np.testing.assert_allclose(
            g.numpy().astype(np.float64),
            w.detach().numpy().astype(np.float64),
            rtol=2e-5,
            atol=2e-5,
            err_msg=str(k),
        )
        assert_same(g.shape, w.shape)
    for g, w in zip((gx, gp), torch.autograd.grad(total, theirs[:2]), strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-3, atol=1e-3)
