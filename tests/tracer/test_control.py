"""cond, while_loop, scan, map and associative_scan: uncompiled, compiled, and differentiated.

Uncompiled they are Python's own control flow, which is the oracle for the one graph that a
compiled function records.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import thrace
from thrace.higher_order_ops import map as map_over

T = thrace
W = T.tensor([[0.5, 0.2], [0.1, -0.3]], dtype=T.float64, requires_grad=True)
X = T.tensor([1.0, 2.0], dtype=T.float64)
Y = T.tensor([0.3, -0.7], dtype=T.float64)
XS = T.tensor(np.random.default_rng(0).normal(size=(5, 2)))


def branch(less: bool) -> Callable[..., Any]:
    def program(x: Any, y: Any) -> Any:
        pred = x.sum() < y.sum() if less else x.sum() > y.sum()
        return T.cond(
            pred, lambda x, y: (x * y.sin() + W @ x, y), lambda x, y: (x.exp(), x), (x, y)
        )

    return program


def nested(h: Any, xs: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        h, t = carry["h"], carry["t"]
        h = T.cond(t > 2, lambda: (W @ h + x).tanh(), lambda: h * x)
        return {"h": h, "t": t + 1}, [h.sin(), x * t]

    carry, (a, b) = T.scan(step, {"h": h, "t": T.tensor(0)}, xs)
    return carry["h"], a, b


def grow(h: Any) -> Any:
    return T.while_loop(
        lambda i, h: (h * h).sum() < 50,
        lambda i, h: (i + 1, h * 1.5 + (W @ h)),
        (T.tensor(0), h),
    )


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cond-true": (branch(False), (X, Y)),
    "cond-false": (branch(True), (X, Y)),
    "scan": (
        lambda h, xs: T.scan(lambda h, x: ((W @ h + x).tanh(), (h * x).sin()), h, xs),
        (X, XS),
    ),
    "scan-dim-reverse": (
        lambda h, xs: T.scan(lambda h, x: (h * x, x + h), h, xs.T, dim=1, reverse=True),
        (X, XS),
    ),
    "scan-nested": (nested, (X, XS)),
    "while": (grow, (X,)),
    "while-none": (lambda h: T.while_loop(lambda h: h.sum() < 0, lambda h: (h.sin(),), (h,)), (X,)),
    "map": (lambda xs: map_over(lambda x, w: (x @ w).sin() * x, xs, W), (XS,)),
    "associative": (lambda xs: T.associative_scan(lambda a, b: a * b, xs, 0), (XS,)),
    "associative-reverse": (
        lambda xs: T.associative_scan(lambda a, b: a * b, xs, 1, reverse=True),
        (XS,),
    ),
}


def detached_outside(positive: bool) -> Callable[..., Any]:
    """A branch reads a detached tensor that has got history, and has one of its own."""

    def no(x: Any, d: Any) -> Any:
        e = (x * 1).detach()
        e += d
        (g,) = T.autograd.grad((x * x * d).sum(), [x], create_graph=True)
        return (e * g).sum()

    def program(x: Any, y: Any) -> Any:
        d = T.zeros(2, dtype=T.float64).detach()
        d += W[0] * y
        pred = x.sum() > 0 if positive else x.sum() < 0
        return [T.cond(pred, lambda x, d: (d * x).sum(), no, (x, d))]

    return program


PROGRAMS["detached-yes"] = (detached_outside(True), (X, Y))
PROGRAMS["detached-no"] = (detached_outside(False), (X, Y))


def flat(out: Any) -> list[Any]:
    if isinstance(out, T.Tensor):
        return [out]
    items = out.values() if isinstance(out, dict) else out
    return [t for item in items for t in flat(item)]


def results(program: Callable[..., Any], args: tuple[Any, ...]) -> list[np.ndarray]:
    """Results, gradients, and gradients of the gradients' squares."""
    leaves = [a.clone().detach().requires_grad_() for a in args]
    outs = flat(program(*leaves))
    by = [*leaves, W]
    total: Any = sum((o * o).sum() for o in outs if o.requires_grad)
    first = T.autograd.grad(total, by, create_graph=True, materialize_grads=True)
    total = sum((g * g).sum() for g in first if g.requires_grad)
    second = ()
    if isinstance(total, T.Tensor):
        second = T.autograd.grad(total, by, materialize_grads=True)
    return [t.detach().numpy() for t in (*outs, *first, *second)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_is_one_trace_and_equals_python(name: str):
    program, args = PROGRAMS[name]
    want = results(program, args)
    compiled = T.compile(program, fullgraph=True)
    for _ in range(2):
        got = results(compiled, args)
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-12)
    assert len(T.explain(compiled).traces) == 1


def test_training_step_with_loops_and_branches_is_one_executable():
    """Dropout draws and running statistics move only in the branch that is taken."""

    def make() -> tuple[Any, Callable[..., Any]]:
        T.manual_seed(0)
        layer, norm = T.nn.Linear(2, 2).double(), T.nn.BatchNorm1d(2).double()
        opt = T.optim.SGD([*layer.parameters(), *norm.parameters()], lr=1e-2)

        def step(xs: Any, flag: Any) -> Any:
            opt.zero_grad()
            out = T.cond(
                flag > 0,
                lambda x: T.nn.functional.dropout(norm(layer(x)), 0.5),
                lambda x: layer(x) * 2,
                (xs,),
            )
            last, ys = T.scan(
                lambda h, x: (T.nn.functional.dropout(layer(h) + x, 0.3), h * 1), out[0], xs
            )
            loss = (
                ys.pow(2).mean()
                + T.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, layer(h)), (0, last))[
                    1
                ].sum()
            )
            loss.backward()
            opt.step()
            return loss

        return norm, step

    flags = [T.tensor(f) for f in (1, -1, 1, -1)]
    norm, step = make()
    want = [step(XS, flag).item() for flag in flags]
    again, step = make()
    compiled = T.compile(step, fullgraph=True)
    got = [compiled(XS, flag).item() for flag in flags]
    np.testing.assert_allclose(got, want, rtol=1e-9)
    np.testing.assert_allclose(again.running_mean.numpy(), norm.running_mean.numpy())
    assert again.num_batches_tracked.item() == 2
    assert not again.running_mean.requires_grad
    assert len(T.explain(compiled).traces) == 1


@pytest.mark.parametrize("compiled", (False, True))
def test_checks_inside_are_made_where_they_run(compiled: bool):
    def program(flag: Any, i: Any) -> Any:
        return T.cond(flag, lambda: X[i], lambda: X[i * 0])

    fn = T.compile(program, fullgraph=True) if compiled else program
    assert fn(T.tensor(False), T.tensor([7])).tolist() == [1.0]
    assert fn(T.tensor(True), T.tensor([1])).tolist() == [2.0]
    with pytest.raises(IndexError):
        fn(T.tensor(True), T.tensor([7])).tolist()

    def loop(n: Any) -> Any:
        return T.while_loop(lambda i: X[i][0] < 2.5, lambda i: (i + 1,), (n,))[0]

    fn = T.compile(loop, fullgraph=True) if compiled else loop
    with pytest.raises(IndexError):
        fn(T.tensor([0])).tolist()

    def scanned(xs: Any) -> Any:
        return T.scan(lambda c, i: (c, X[i]), T.tensor(0.0), xs)[1]

    fn = T.compile(scanned, fullgraph=True) if compiled else scanned
    assert fn(T.tensor([[0], [1]])).tolist() == [[1.0], [2.0]]
    with pytest.raises(IndexError):
        fn(T.tensor([[0], [5]])).tolist()


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda p: T.cond(p, lambda: X, lambda: X[:1]), T.ShapeError, "output 0 is f64"),
        (lambda p: T.cond(p, lambda: X, lambda: X.float()), T.DTypeError, "f32"),
        (lambda p: T.cond(p, lambda: X, lambda: (X,)), TypeError, "structures"),
        (lambda p: T.cond(p, lambda: 1, lambda: 2), TypeError, "output 0 is 1"),
        (lambda p: T.cond(XS > 0, lambda: X, lambda: X), RuntimeError, "single-element"),
        (lambda p: T.cond(p, 1, lambda: X), RuntimeError, "callable"),
        (lambda p: T.cond(p, lambda x: X, lambda x: X, (1,)), RuntimeError, "tensor leaves"),
        (lambda p: T.scan(lambda c, x: (c[:1], x), X, XS), T.ShapeError, "carry 0 is f64.2."),
        (lambda p: T.scan(lambda c, x: (c.float(), x), X, XS), T.DTypeError, "carry 0"),
        (lambda p: T.scan(lambda c, x: c, X, XS), TypeError, "a carry and an output"),
        (lambda p: T.scan(lambda c, x: (c, x), X, XS[:0]), RuntimeError, "scan dimension > 0"),
        (lambda p: T.scan(lambda c, x: (c, x), (), XS), RuntimeError, "init leaves"),
        (lambda p: T.scan(lambda c, x: ((c, c), x), X, XS), TypeError, "structure"),
        (lambda p: T.while_loop(lambda x: p, lambda x: x[:1], (X,)), T.ShapeError, "carry 0"),
        (lambda p: T.while_loop(lambda x: x > 0, lambda x: x, (X,)), T.ShapeError, "one bool"),
        (lambda p: T.while_loop(lambda x: p, lambda x: x, X), RuntimeError, "tuple or list"),
        (lambda p: T.associative_scan(lambda a, b: a, [], 0), ValueError, "at least 1"),
        (lambda p: map_over(lambda x: x, [1]), RuntimeError, "only consist of tensors"),
    ],
)
def test_errors_are_typed_and_at_the_users_line(program: Any, error: type, message: str):
    compiled = T.compile(program)
    for _ in range(2):
        with pytest.raises(error, match=message) as caught:
            compiled(T.tensor(True))
        if isinstance(caught.value, T.ThraceError):
            assert "test_control.py" in str(caught.value)


def test_what_cannot_be_recorded_runs_as_python():
    def program(x: Any) -> Any:
        return T.cond(x.sum() > 0, lambda: x * (2 if x[0].item() > 0 else 3), lambda: x)

    compiled = T.compile(program)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert compiled(X).tolist() == [2.0, 4.0]
        assert compiled(-X).tolist() == [-1.0, -2.0]
    assert any("cond" in str(w.message) for w in caught)


def test_traced_without_data_and_differentiated_as_a_graph():
    graph = T.trace(branch(False), T.spec("f64[2]"), T.spec("f64[2]")).verify()
    assert [n.op.name for n in graph.nodes][-1] == "cond"
    assert T.Graph.from_text(graph.to_text()).to_text() == graph.to_text()
    backward = graph.backward(["x"]).verify().optimize()
    assert sum(n.op.name == "cond" for n in backward.nodes) == 2


@pytest.mark.parametrize("compiled", (False, True))
def test_vmap_takes_each_example_its_own_way(compiled: bool):
    def way(x: Any) -> Any:
        kept = T.cond(x.sum() > 0, lambda x: x * 2, lambda x: x.sin(), (x,))
        far = T.while_loop(lambda x: x.sum() < 10, lambda x: (x + 1,), (x,))[0]
        return kept, far, T.scan(lambda c, y: (c * 0.5 + y, c + y), x[0], x)

    xs = T.tensor([[1.0, 2.0], [-3.0, 1.0]])
    program = T.compile(T.vmap(way), fullgraph=True) if compiled else T.vmap(way)
    want = [flat(way(x)) for x in xs]
    for i, got in enumerate(flat(program(xs))):
        np.testing.assert_allclose(got.numpy(), np.stack([w[i].numpy() for w in want]), rtol=1e-6)


def test_detached_inside_stays_detached():
    def program(x: Any) -> Any:
        return T.scan(lambda c, x: (c.detach() * x, c * x.detach()), T.ones_like(x[0]), x)

    for fn in (program, T.compile(program, fullgraph=True)):
        x = XS.clone().requires_grad_()
        last, ys = fn(x)
        (last.sum() + ys.sum()).backward()
        got = x.grad.numpy()
        if fn is program:
            want = got
    np.testing.assert_allclose(got, want)


@pytest.mark.parametrize("n", range(1, 12))
def test_associative_scan_of_any_length(n: int):
    x = np.random.default_rng(n).normal(size=(n, 2))
    got = T.associative_scan(lambda a, b: a + b, T.tensor(x), 0)
    np.testing.assert_allclose(got.numpy(), np.cumsum(x, 0))


def test_generic_associative_scan_maps_over_elements():
    x = np.random.default_rng(0).normal(size=(5, 2, 2))
    got = T.associative_scan(lambda a, b: a @ b, T.tensor(x), 0, combine_mode="generic")
    want = [x[0]]
    for m in x[1:]:
        want.append(want[-1] @ m)
    np.testing.assert_allclose(got.numpy(), np.array(want))
