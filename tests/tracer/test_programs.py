"""Five programs that the recording model must get right, each with what it must do.

A: a run that cannot be replayed. B: look, write, then backward. C: SGD by hand, with
nothing decorated and nothing printed. D: views, detach and writes to a base. E: forward
compiled, backward outside, two calls, shared state.
"""

from __future__ import annotations

import gc
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from snippets import same_numbers

import thrace
import thrace.nn.functional as F
from thrace.runtime import counters
from thrace.tracer.recording import all_recorders


def pair(*arrays: np.ndarray) -> list[list]:
    return [[torch.tensor(a) for a in arrays], [thrace.tensor(a) for a in arrays]]


BATCHES = [
    (
        np.random.default_rng(i).standard_normal((8, 4)).astype(np.float32),
        np.random.default_rng(100 + i).standard_normal((8, 2)).astype(np.float32),
    )
    for i in range(6)
]


def program_a(library, compile, keep_item: bool, count: int = 4):
    """Program A on one library; what it leaves behind."""
    model = library.nn.Linear(4, 2)
    with library.no_grad():
        model.weight.copy_(library.arange(8.0).reshape(2, 4) / 10)
        model.bias.zero_()
    opt = library.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    crit = library.nn.MSELoss()
    it = iter([(library.tensor(x), library.tensor(y)) for x, y in BATCHES])
    losses: list = []

    @compile
    def step():
        x, y = next(it)
        opt.zero_grad()
        loss = crit(model(x), y)
        loss.backward()
        opt.step()
        losses.append(loss.item() if keep_item else loss)
        return loss

    returned = [step() for _ in range(count)]
    left = len(list(it))
    values = [v if keep_item else v.item() for v in losses]
    return step, [model.weight, model.bias], values, [r.item() for r in returned], left


@pytest.mark.parametrize("keep_item", (True, False), ids=("item", "tensor"))
def test_a_each_batch_is_used_once(keep_item: bool):
    _, *want = program_a(torch, lambda f: f, keep_item)
    with pytest.warns(thrace.FallbackWarning) as caught:
        step, *got = program_a(thrace, thrace.compile, keep_item)
    same_numbers(got, want)
    assert got[-1] == 2  # batches left of six
    told = thrace.explain(step)
    assert not told.traces and told.fallbacks
    # Said once, with the lines.
    assert len([w for w in caught if w.category is thrace.FallbackWarning]) == 1
    texts = {r.location.text for r in told.fallbacks if r.location is not None}
    assert any("next(it)" in text for text in texts)
    if keep_item:
        assert any("loss.item()" in text for text in texts)


def test_b_look_write_then_backward():
    """The second look at the forward values is free, and a donating call spoils nothing."""
    start = np.random.default_rng(0).standard_normal(512).astype(np.float32)
    reference = torch.tensor(start, requires_grad=True)
    saved = (reference * 2).exp()
    total = saved.sum()
    want_loss = total.item()
    with torch.no_grad():
        changed = reference * 0.5
    total.backward()  # before the write, which PyTorch cannot see here

    w = thrace.tensor(start, requires_grad=True)
    w2 = thrace.tensor(start)
    other = thrace.tensor(start)

    @thrace.compile
    def step(p):
        p.mul_(0.9)
        other.add_(p)

    step(w2)
    h = (w * 2).exp()
    loss = h.sum()
    del h
    same_numbers(loss.item(), want_loss)
    with thrace.no_grad():
        w.mul_(0.5)
    step(w2)
    before = counters.executables, counters.numpy_runs
    loss.backward()
    same_numbers(w.grad, reference.grad)
    after = counters.executables, counters.numpy_runs
    assert sum(after) - sum(before) == 1  # the backward pass, and no second forward
    same_numbers(w.detach(), changed.detach())
    same_numbers(w2, torch.tensor(start * np.float32(0.9) * np.float32(0.9)))


def clear(leaf: Any) -> None:
    leaf.grad = None


def sgd_by_hand(library, steps: int, x, y):
    w: Any = library.zeros(8, 1, requires_grad=True)
    for i in range(steps):
        j = 32 * (i % 6)
        batch = x[j : j + 32]
        loss = ((batch @ w - y[j : j + 32]) ** 2).mean() / (1 + i % 4)
        loss.backward()
        with library.no_grad():
            w -= 0.1 * w.grad
        clear(w)
    return w


def test_c_sgd_by_hand():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((192, 8)).astype(np.float32)
    y = (x @ rng.standard_normal((8, 1))).astype(np.float32)
    (tx, ty), (mx, my) = pair(x, y)
    same_numbers(sgd_by_hand(thrace, 300, mx, my), sgd_by_hand(torch, 300, tx, ty), rtol=1e-4)


def test_c_compiles_once_and_does_not_grow():
    """One recurring graph: slice starts and the divisor are inputs, and no tape is left."""
    rng = np.random.default_rng(0)
    x = thrace.tensor(rng.standard_normal((192, 128)).astype(np.float32))
    y = x[:, :1] * 2
    w: Any = thrace.zeros(128, 1, requires_grad=True)
    made, nodes = [], []

    def live() -> int:
        gc.collect()
        return sum(type(o).__name__ == "Node" for o in gc.get_objects())

    for i in range(600):
        j = 32 * (i % 6)
        loss = ((x[j : j + 32] @ w - y[j : j + 32]) ** 2).mean() / (1 + i % 4)
        loss.backward()
        with thrace.no_grad():
            w -= 0.01 * w.grad
        clear(w)
        if i in (299, 599):
            made.append(counters.executables)
            nodes.append(live())
    assert made[1] == made[0]  # nothing new once the loop is known
    assert nodes[1] <= nodes[0] + 300  # at most what is pending
    pending = sum(len(r.nodes) for r in all_recorders())
    assert pending <= 512
    assert w.grad_fn is None and w.is_leaf


@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
def test_d_views_detach_and_base_writes(compiled: bool):
    start = np.array([1.0, 2.0, 3.0, 4.0], np.float32)

    def program(x):
        y = x * 1
        v = y[:2]
        d = y.detach()
        s = (y * y).sum()  # reads the first value of y
        v.mul_(x[2:])
        d[3] = 7.0
        total = y.sum() + s
        total.backward()
        return total.detach(), y.detach()

    run = thrace.compile(program) if compiled else program
    for _ in range(2):
        x: Any = thrace.tensor(start, requires_grad=True)
        total, y = run(x)
        assert y.tolist() == [3.0, 8.0, 3.0, 7.0]
        assert total.item() == 21.0 + 30.0
        # 2x from s; x2 and x3 from v; x0 and x1 by v's factor; 1 for y[2] and, though its
        # value was overwritten, for y[3].
        assert x.grad.tolist() == [2.0 + 3.0, 4.0 + 4.0, 6.0 + 1.0 + 1.0, 8.0 + 2.0 + 1.0]


def test_d_pytorch_refuses_it():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = x * 1
    v = y[:2]
    s = (y * y).sum()
    v.mul_(x[2:])
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        (y.sum() + s).backward()


def test_d_requires_grad_follows_the_value():
    for library in (torch, thrace):
        y = library.zeros(4)
        v = y[:2]
        w = library.ones(4, requires_grad=True)
        assert not v.requires_grad
        y.mul_(w)
        assert v.requires_grad and not v.is_leaf
        x = library.ones(3, requires_grad=True)
        other = x.detach().requires_grad_()
        (x * 2 + other * 3).sum().backward()
        assert (x.grad.tolist(), other.grad.tolist()) == ([2.0] * 3, [3.0] * 3)
        t = library.arange(6.0).reshape(2, 3)
        flat = (t.t() + 1).reshape(-1)
        assert flat.tolist() == [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]


class Net:
    """Program E on one library: a model with batch norm, with the same weights on both."""

    def __init__(self, library, dropout: float):
        nn = library.nn
        self.model = nn.Sequential(
            nn.Linear(6, 5, bias=False),
            nn.BatchNorm1d(5),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(5, 3),
        )
        with library.no_grad():
            for i, p in enumerate(self.model.parameters()):
                p.copy_(library.sin(library.arange(1.0 * p.numel()) + i).reshape(p.shape) * 0.5)


def program_e(library, compile, x1, x2, y1):
    model = Net(library, dropout=0.0).model
    functional = library.nn.functional
    averages = [p.detach().clone() for p in model.parameters()]
    opt = library.optim.SGD(model.parameters(), lr=0.1)

    def update(net):
        with library.no_grad():
            for a, p in zip(averages, net.parameters(), strict=True):
                a.mul_(0.9).add_(p, alpha=0.1)

    ema = compile(update)
    m = compile(model)
    p = model[0].weight
    seen = []
    for _ in range(3):
        opt.zero_grad()
        loss = functional.cross_entropy(m(x1), y1) + 0.1 * m(x2).pow(2).mean()
        ema(model)
        loss.backward(retain_graph=True)
        (g,) = library.autograd.grad(loss, [p], create_graph=True)
        first = [q.grad.clone() for q in model.parameters()]
        (g * g).sum().backward()
        second = [q.grad.clone() for q in model.parameters()]
        opt.step()
        seen.append([loss.detach(), g.detach(), first, second])
    return seen, [*model.parameters()], [*model.buffers()], averages, m


def test_e_forward_compiled_backward_outside():
    rng = np.random.default_rng(0)
    x1, x2 = (rng.standard_normal((7, 6)).astype(np.float32) for _ in range(2))
    y1 = np.array([0, 1, 2, 0, 1, 2, 0])
    (tx1, tx2, ty1), (mx1, mx2, my1) = pair(x1, x2, y1)
    *want, _ = program_e(torch, lambda f: f, tx1, tx2, ty1)
    *got, m = program_e(thrace, thrace.compile, mx1, mx2, my1)
    same_numbers(got, want, rtol=2e-4)
    assert len(thrace.explain(m).traces) == 1 and not thrace.explain(m).fallbacks


def test_e_literally():
    """`opt.step()` between: PyTorch refuses the double backward, the values read count."""
    rng = np.random.default_rng(0)
    x1, x2 = (rng.standard_normal((7, 6)).astype(np.float32) for _ in range(2))
    y1 = np.array([0, 1, 2, 0, 1, 2, 0])
    results = []
    for step_between in (False, True):
        _, (mx1, mx2, my1) = pair(x1, x2, y1)
        model = Net(thrace, dropout=0.0).model
        opt = thrace.optim.SGD(model.parameters(), lr=0.1)
        m: Any = thrace.compile(model)
        p = model[0].weight
        loss = F.cross_entropy(m(mx1), my1) + 0.1 * m(mx2).pow(2).mean()
        loss.backward(retain_graph=True)
        (g,) = thrace.autograd.grad(loss, [p], create_graph=True)
        if step_between:
            opt.step()
        assert g is not None
        g.sum().backward()
        results.append([q.grad.clone() for q in model.parameters()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


def test_e_each_call_has_its_own_dropout_mask():
    """The masks of two calls differ, and each gradient belongs to its own call's mask."""
    layer = thrace.nn.Dropout(0.5)
    m = thrace.compile(lambda v: layer(v) * 1)
    thrace.manual_seed(3)
    x: Any = thrace.ones(64, requires_grad=True)
    a, b = m(x), m(x)
    assert a.tolist() != b.tolist()
    (a * 1 + b * 10).sum().backward()
    want = a.detach().numpy() + 10 * b.detach().numpy()
    np.testing.assert_allclose(x.grad.numpy(), want)


def test_e_donation_waits_for_residuals():
    """While history holds a parameter its update leaves that value alone; then it is donated."""
    p: Any = thrace.ones(256, requires_grad=True)
    x = thrace.full((256,), 2.0)
    m = thrace.compile(lambda v: (v * p * p).sum())

    @thrace.compile
    def halve():
        with thrace.no_grad():
            p.mul_(0.5)

    halve()
    loss = m(x)
    halve()
    loss.backward()
    # d/dp x p^2 = 2 x p, with p as it was when the loss was computed.
    assert p.grad.tolist() == [2.0 * 2.0 * 0.5] * 256
    assert p.tolist() == [0.25] * 256
    del loss
    p.grad = None
    place = p._storage.value.buffer.unsafe_buffer_pointer()
    halve()
    # Nobody held it: the new value took its place.
    assert p._storage.value.buffer.unsafe_buffer_pointer() == place
    assert p.tolist() == [0.125] * 256


def test_no_warning_where_nothing_falls_back():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = thrace.compile(lambda v: v * 2)
        assert f(thrace.ones(2)).tolist() == [2.0, 2.0]
