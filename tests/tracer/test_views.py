"""Writes through views: what every alias shows, and the gradients, are PyTorch's.

Each program is a function of two leaves; it runs uncompiled and compiled, with its tensors
as arguments and as captures. Where PyTorch refuses because a saved tensor was overwritten,
the gradient of the values that were read is right, so PyTorch is given copies there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from snippets import run, same_numbers

import thrace

# Each defines `program(x, w)`: `x` is a 3x4 tensor with history, `w` a 3x4 leaf. It writes
# to `x` or to what it makes, and returns what is to be compared; floating results get
# gradients.
PROGRAMS = {
    "select": "y = x[0]; y += 1; return x, y",
    "select_negative": "x[-1].mul_(2); return x",
    "select_twice": "x[1][2] = 7.0; return x",
    "slice": "x[1:].mul_(w[1:]); return x",
    "slice_step": "x[:, ::2].zero_(); return x",
    "slice_empty": "x[3:].add_(1); return x, x[2:2]",
    "transpose": "x.t().add_(1); return x",
    "transpose_weighted": "x.t().mul_(w.t()); return x",
    "view_strided": "x.view(-1)[::2].zero_(); return x",
    "view_of_slice": "x[1:].view(-1)[2:5].copy_(w.view(-1)[:3]); return x",
    "reshape_aliases": "x.reshape(2, 6)[1].neg_(); return x",
    "reshape_copies": "y = x.t().reshape(-1); y.zero_(); return x, y",
    "diagonal": "x.diagonal().mul_(3); return x",
    "diagonal_offset": "x.diagonal(1).copy_(w[0, :3]); return x",
    "diagonal_of_slice": "x[:, 1:].diagonal().zero_(); return x",
    "unsqueeze": "x.unsqueeze(1)[:, :, 0].fill_(5); return x",
    "squeeze": "x[:, None].squeeze(1).add_(w); return x",
    "narrow": "x.narrow(1, 1, 2).mul_(w.narrow(1, 0, 2)); return x",
    "split": "y = x.detach(); a, b = y.split(2, dim=1); a += b; return x, a, b",
    "chunk": "y = w.detach() * 2; a, b = y.chunk(2); b.copy_(a[:1]); return x * y",
    "unbind": "y = w.detach() * 2; rows = y.unbind(); rows[0].add_(rows[1]); return x * y",
    "iteration": "a, b, c = x.clone().unbind(); return a + b * c",
    "permute_and_select": "x.view(3, 2, 2).permute(2, 0, 1)[0].mul_(2); return x",
    "flatten": "x.flatten()[5] = 100.0; return x",
    "view_of_view": "x.t()[1:3].t()[:2].mul_(w[:2, :2]); return x",
    "deep_chain": "x.view(2, 6).t()[::3].unsqueeze(0)[0, 1].add_(w.flatten()[:2]); return x",
    "index_assignment": "x[0, 1] = w[2, 3]; x[2] = 1.0; x[:, 3] = w[:, 0]; return x",
    "index_assignment_ellipsis": "x[..., 1:3] = w[..., :2] * 2; return x",
    "index_assignment_broadcast": "x[1:] = w[0]; return x",
    "augmented_item": "x[1] += w[0]; x[:, 2] *= 2; x[0, 0] -= 1; return x",
    "mask_assignment": "x[x.detach() > 0.5] = 0.0; return x",
    "mask_scale": "x[x.detach() > 0] *= 3; return x",
    "tensor_index_assignment": "x[torch.tensor([2, 0])] = w[:2]; return x",
    "copy": "x.copy_(w); return x",
    "copy_broadcast": "x.copy_(w[0]); return x",
    "copy_overlapping": "x[1:].copy_(x[:-1].clone()); return x",
    "read_then_write": "s = (x + w).sum(); x.zero_(); return x, s",
    "view_read_before_and_after": "v = x[1]; a = v * 2; x.add_(1); b = v * 2; return a, b",
    "write_through_two_views": "a, b = x[:2], x[1:]; a.mul_(2); b.add_(w[1:]); return x, a, b",
    "detach": "d = x.detach(); d[1] = 7.0; return x, d",
    "detach_of_view": "d = x[1].detach(); d.fill_(2.0); return x * w",
    "view_of_detach": "x.detach()[0].zero_(); return x * w",
    "data": "x.data[0] = 4.0; return x * w",
    "data_assigned": "w.data = x.detach() * 2; return x * w",
    "no_grad_write": """
        with torch.no_grad():
            x[0].fill_(3.0)
        return x * w
    """,
    "no_grad_view": """
        with torch.no_grad():
            x.view(-1)[2:4] = 5.0
        return x * w
    """,
    "no_grad_leaf": """
        with torch.no_grad():
            w[0] *= 2
            w.t()[1] = 0.5
        return x * w * 2
    """,
    "base_gets_history": """
        y = torch.zeros(3, 4)
        v = y[1]
        before = v.requires_grad
        y.mul_(w)
        return before, v.requires_grad, y, v
    """,
    "view_gives_base_history": """
        y = torch.zeros(3, 4)
        y[0].add_(w[0])
        return y.requires_grad, y
    """,
    "expand_reads": "return x[:1].expand(3, 4) * w, x[0].expand_as(w)",
    "expanded_base_written": "e = x[:, :1].expand(3, 4); x[:, 0].add_(1); return e * w",
    "fill_diagonal_of_new": "y = torch.zeros(4, 4); y.diagonal().copy_(w[0]); return y",
    "zero_then_accumulate": """
        y = torch.zeros(4)
        for row in x:
            y += row
        return y
    """,
    "running_sum": """
        y = x.clone()
        for i in range(1, 3):
            y[i] += y[i - 1]
        return y
    """,
    "in_place_functions": "x.mul_(2).add_(w).neg_().sub_(w, alpha=3).div_(2).exp_(); return x",
    "in_place_on_view_chain": "x.view(2, 6)[0].mul_(w.view(2, 6)[1]); x.view(-1).tanh_(); return x",
    "self_assignment": "x[0] = x[1]; x.add_(x); return x",
    "swap_rows": "a, b = x[0].clone(), x[1].clone(); x[0], x[1] = b, a; return x",
    "clone_is_apart": "y = x.clone(); y[0] = 0.0; return x, y",
    "contiguous_shares": "y = x.contiguous(); y[0] = 0.0; return x, x.t().contiguous().zero_()",
    "writes_integers": """
        i = torch.arange(12).view(3, 4)
        i[1] += 10
        i.t()[0].mul_(2)
        return i, i.view(-1)[::3]
    """,
    "strides": "y = x.view(3, 2, 2).permute(2, 0, 1); return x.t().stride(), y[1:].stride()",
    "contiguity": "return (x.t() + 1).reshape(-1), x.t().is_contiguous(), x[1:].is_contiguous()",
    "as_bool": "m = torch.zeros(3, 4, dtype=torch.bool); m[1] = True; x[m] = 2.0; return x, m",
    "swap_axes": "x.transpose(0, 1)[2:].sub_(w.transpose(0, 1)[:2]); return x",
    "movedim": "x.view(3, 2, 2).movedim(0, 2)[1, 0].fill_(1.0); return x",
}

X = np.linspace(-1.0, 2.0, 12, dtype=np.float32).reshape(3, 4)
W = np.cos(np.arange(12, dtype=np.float32)).reshape(3, 4)


def function_of(body: str, library: Any) -> Callable[..., Any]:
    lines = body.strip().split("\n")
    indent = min((len(l) - len(l.lstrip()) for l in lines[1:] if l.strip()), default=0)
    text = "\n".join(["    " + lines[0].strip(), *("    " + l[indent:] for l in lines[1:])])
    return run(f"def program(x, w):\n{text}\n", library)["program"]


def flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def scalar_of(library: Any, results: list[Any]) -> Any:
    """Each result weighted differently, so that gradients tell the elements apart."""
    total = None
    for i, r in enumerate(results):
        if isinstance(r, library.Tensor) and r.requires_grad:
            weights = library.arange(1.0, 1.0 + r.numel()).reshape(r.shape) * (i + 1)
            part = (r * weights).sum()
            total = part if total is None else total + part
    return total


def outcome(program: Callable[..., Any], library: Any, x: np.ndarray, w: np.ndarray) -> list[Any]:
    """What the program returns and leaves behind, and the gradients of its two leaves."""
    leaf = library.tensor(x, requires_grad=True)
    weight = library.tensor(w, requires_grad=True)
    base = leaf * 1
    results = flat(program(base, weight))
    total = scalar_of(library, results)
    if total is not None:
        total.backward()
    return [*results, base, weight, leaf.grad, weight.grad]


@pytest.mark.parametrize("name", PROGRAMS)
def test_uncompiled(name: str):
    want = outcome(function_of(PROGRAMS[name], torch), torch, X, W)
    same_numbers(outcome(function_of(PROGRAMS[name], thrace), thrace, X, W), want)


@pytest.mark.filterwarnings("ignore::thrace.FallbackWarning")
@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_with_arguments(name: str):
    """The whole of it inside: leaves, writes and `backward`."""
    program = function_of(PROGRAMS[name], thrace)
    reference = function_of(PROGRAMS[name], torch)

    @thrace.compile
    def step(x, w):
        base = x * 1
        results = flat(program(base, w))
        total = scalar_of(thrace, results)
        if total is not None:
            total.backward()
        return [*results, base]

    for shift in (0.0, 0.25, 0.5):
        want = outcome(reference, torch, X + shift, W)
        leaf = thrace.tensor(X + shift, requires_grad=True)
        weight = thrace.tensor(W, requires_grad=True)
        got = [*step(leaf, weight), weight, leaf.grad, weight.grad]
        detached = [t.detach() if isinstance(t, torch.Tensor) else t for t in want]
        mine = [t.detach() if isinstance(t, thrace.Tensor) else t for t in got]
        same_numbers(mine, detached)
    told = thrace.explain(step)
    assert len(told.traces) == (0 if told.fallbacks else 1)
    if name not in NEEDS_VALUES:
        assert not told.fallbacks


# Their masks say how many elements there are: a value that Python needs.
NEEDS_VALUES = {"mask_scale"}


@pytest.mark.filterwarnings("ignore::thrace.FallbackWarning")
@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_with_captures(name: str):
    """Tensors captured and written to, with the gradient taken outside."""
    programs = {lib: function_of(PROGRAMS[name], lib) for lib in (torch, thrace)}
    got: dict[Any, list[Any]] = {}
    for lib in (torch, thrace):
        buffer, other = lib.tensor(X), lib.tensor(W)
        program = programs[lib]

        def step():
            return program(buffer, other)  # noqa: B023

        call = thrace.compile(step) if lib is thrace else step
        seen = []
        for _ in range(3):
            results = [r.clone() if isinstance(r, lib.Tensor) else r for r in flat(call())]
            seen.append([*results, buffer.clone(), other.clone()])
        got[lib] = seen
    same_numbers(got[thrace], got[torch], rtol=1e-4)


ARGUMENT_VIEWS = {
    "two_rows": (lambda b: (b[0], b[1]), "p.add_(q); q.mul_(2); return p * 1"),
    "overlapping": (lambda b: (b[:2], b[1:]), "p.add_(1); q.mul_(2); return p + q"),
    "base_and_view": (lambda b: (b, b[1]), "q.fill_(5); return p * 2"),
    "view_and_base": (lambda b: (b.t(), b), "q[0] = 9.0; p[1] += 1; return p.sum()"),
    "view_and_transposed": (lambda b: (b.t(), b[:, 1]), "p.mul_(2); q += 1; return q.clone()"),
    "same_twice": (lambda b: (b, b), "p += 1; q += 1; return p + q"),
    "one_read_only": (lambda b: (b[0], b[2]), "return p * q"),
    "strided": (lambda b: (b.view(-1)[::2], b.view(-1)[1::2]), "p.copy_(q); return p"),
    "detached": (lambda b: (b.detach(), b), "p[0] = 3.0; return q * 2"),
    "other_row": (lambda b: (b[int(b[0, 0]) % 3], b[2]), "p.add_(2); q.mul_(2); return p * q"),
    "row_as_argument": (lambda b: (b[1], b.clone()), "p.zero_(); return q.sum()"),
}


@pytest.mark.parametrize("name", ARGUMENT_VIEWS)
def test_arguments_that_are_views(name: str):
    """Arguments that share a base: every alias shows what was written, at each call."""
    make, body = ARGUMENT_VIEWS[name]
    got: dict[Any, list[Any]] = {}
    for lib in (torch, thrace):
        program = run(f"def program(p, q):\n    {body}\n", lib)["program"]
        call = thrace.compile(program) if lib is thrace else program
        base = lib.tensor(X)
        seen = []
        for _ in range(3):
            p, q = make(base)
            result = call(p, q)
            seen.append([result.clone(), p.clone(), q.clone(), base.clone()])
        fresh = lib.tensor(W)
        p, q = make(fresh)
        call(p, q)
        got[lib] = [*seen, fresh]
    same_numbers(got[thrace], got[torch])


def test_sharing_is_guarded():
    """A trace for arguments that share memory is not used for those that do not."""

    @thrace.compile
    def step(p, q):
        p += 1
        return q * 2

    x = thrace.zeros(4)
    assert step(x, x).tolist() == [2.0] * 4
    assert step(thrace.zeros(4), thrace.zeros(4)).tolist() == [0.0] * 4
    assert step(x, x).tolist() == [4.0] * 4
    assert len(thrace.explain(step).traces) == 2


REFUSED = {
    "expand": "torch.zeros(1, 4).expand(3, 4).add_(1)",
    "expand_index": "torch.zeros(1).expand(4)[:2].add_(1)",
    "leaf": "torch.ones(2, requires_grad=True).add_(1)",
    "view_of_leaf": "torch.ones(2, requires_grad=True)[0].zero_()",
    "leaf_item": "x = torch.ones(2, requires_grad=True)\nx[0] = 1.0",
    "view_not_possible": "torch.ones(3, 4).t().view(12)",
    "shape_grows": "torch.ones(3).add_(torch.ones(2, 3))",
    "dtype_narrows": "torch.ones(3, dtype=torch.int64).add_(0.5)",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_pytorch_does(name: str):
    with pytest.raises(RuntimeError):
        run(REFUSED[name], torch)
    with pytest.raises(RuntimeError):
        run(REFUSED[name], thrace)


# Where PyTorch refuses the backward pass because a value it saved was overwritten, what was
# read is what counts: PyTorch gives that once each value read is a copy.
OVERWRITTEN = {
    "square": (
        "s = (y * y).sum(); y.mul_(3); return s + y.sum()",
        "s = (y * y).sum(); y = y.clone().mul_(3); return s + y.sum()",
    ),
    "exp": (
        "e = y.exp(); s = e.sum(); e.zero_(); return s + e.sum()",
        "e = y.exp(); s = e.sum(); return s",
    ),
    "view": (
        "v = y[0]; s = (v * v).sum(); v.fill_(2.0); return s + y.sum()",
        "v = y[0].clone(); s = (v * v).sum(); z = y.clone(); z[0] = 2.0; return s + z.sum()",
    ),
    "other_operand": (
        "z = y.detach().clone(); s = (y * z).sum(); z.zero_(); return s",
        "z = y.detach().clone(); return (y * z).sum()",
    ),
    "program_d": (
        "v = y.view(-1)[:2]; s = (y * y).sum(); d = y.detach(); v.mul_(y[1, :2]); d[2] = 7.0; "
        "return y.sum() + s",
        "s = (y * y).sum(); z = y.clone(); z.view(-1)[:2].mul_(y[1, :2]); "
        "k = torch.ones(3, 4); k[2] = 0.0; return (z * k).sum() + z[2].sum() * 1 + s "
        "- z[2].detach().sum() + 28",
    ),
}


@pytest.mark.parametrize("compiled", (False, True), ids=("uncompiled", "compiled"))
@pytest.mark.parametrize("name", OVERWRITTEN)
def test_overwritten_values_keep_their_gradient(name: str, compiled: bool):
    ours, theirs = OVERWRITTEN[name]
    results = []
    for lib, body in ((thrace, ours), (torch, theirs)):
        program = run(f"def program(y):\n    {body}\n", lib)["program"]

        def step(x):
            total = program(x * 1)  # noqa: B023
            total.backward()
            return total.detach()

        call = thrace.compile(step) if compiled and lib is thrace else step
        seen = []
        for _ in range(2):
            x = lib.tensor(X, requires_grad=True)
            seen.append([call(x), x.grad])
        results.append(seen)
    same_numbers(*results)


def test_two_leaves_on_one_storage():
    for lib in (torch, thrace):
        x = lib.ones(3, requires_grad=True)
        y = x.detach().requires_grad_()
        (x * 2 + y * 3).sum().backward()
        assert x.grad.tolist() == [2.0] * 3
        assert y.grad.tolist() == [3.0] * 3
        with lib.no_grad():
            x[0] = 9.0
        assert y[0].item() == 9.0


# Random programs. A view is drawn by what it does to a tensor of any rank, a write by how
# it combines two tensors that broadcast.

VIEWS = (
    lambda t, i: t[i % t.shape[0]] if t.ndim and t.shape[0] else t,
    lambda t, i: t[..., i % 2 :] if t.ndim else t,
    lambda t, i: t[:: 1 + i % 2] if t.ndim else t,
    lambda t, i: t.t() if t.ndim == 2 else t,
    lambda t, i: t.unsqueeze(i % (t.ndim + 1)),
    lambda t, i: t.transpose(0, -1) if t.ndim else t,
    lambda t, i: t.flatten() if t.is_contiguous() else t,
    lambda t, i: t.diagonal() if t.ndim == 2 else t,
    lambda t, i: t.narrow(0, 0, t.shape[0] - i % 2) if t.ndim and t.shape[0] else t,
    lambda t, i: t.squeeze(),
    lambda t, i: t.detach(),
)
DETACH = len(VIEWS) - 1
WRITES = (
    lambda t, o: t.add_(o),
    lambda t, o: t.mul_(o),
    lambda t, o: t.copy_(o),
    lambda t, o: t.sub_(o, alpha=2),
    lambda t, o: t.fill_(0.5),
    lambda t, o: t.zero_(),
    lambda t, o: t.neg_(),
)
OPERATIONS = (
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - b * 0.5,
    lambda a, b: (a * 0.5).tanh() + b,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["view", "view", "write", "write", "make", "read"]),
        *[st.integers(0, 30)] * 3,
    ),
    min_size=3,
    max_size=9,
)


def broadcasts_to(other: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(other, shape) == tuple(shape)
    except ValueError:
        return False


LEAVES = ((X, True), (W, True), (W, False))


def play(
    library: Any, steps: Any, careful: bool, given: Any = None
) -> tuple[Any, list[Any], Any, Any]:
    """Run a random program. `careful` makes each value that is read a copy, for PyTorch.

    What is written through a detached view has no history itself: PyTorch would give that
    view, and no other, one.
    """
    made = given or tuple(library.tensor(a, requires_grad=g) for a, g in LEAVES)
    leaf, weight, other = made
    pool = [leaf * 1, weight * 1, other.exp()]
    detached: set[int] = set()

    def taken(t):
        return t.clone() if careful else t

    total = (pool[0] * pool[1]).sum() if not careful else (leaf * weight).sum()
    for kind, a, b, c in steps:
        t, other = pool[a % len(pool)], pool[b % len(pool)]
        if kind == "view":
            if c % len(VIEWS) == DETACH or a % len(pool) in detached:
                detached.add(len(pool))
            pool.append(VIEWS[c % len(VIEWS)](t, b))
        elif kind == "write" and broadcasts_to(other.shape, t.shape):
            source = other.detach() if a % len(pool) in detached else other
            WRITES[c % len(WRITES)](t, taken(source))
        elif kind == "make":
            with_other = broadcasts_to(other.shape, t.shape)
            operand = other if with_other else t
            pool.append(OPERATIONS[c % len(OPERATIONS)](taken(t), taken(operand)))
        elif kind == "read" and t.requires_grad:
            total = total + (taken(t) * taken(t)).sum() * 0.25
    for i, t in enumerate(pool):
        if t.requires_grad:
            total = total + (taken(t) * (i + 1)).sum()
    total.backward()
    return total, pool, leaf.grad, weight.grad


# An example that fails is short already, and making it shorter may take minutes.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


@settings(max_examples=60, phases=PHASES)
@given(STEPS)
def test_random_programs(steps):
    want = play(torch, steps, careful=True)
    same_numbers(play(thrace, steps, careful=False), want, rtol=2e-4)


@settings(max_examples=10, phases=PHASES)
@given(STEPS)
def test_random_programs_compiled(steps):
    want = play(torch, steps, careful=True)
    leaf, weight, other = (thrace.tensor(a, requires_grad=g) for a, g in LEAVES)

    @thrace.compile
    def step(leaf, weight, other):
        total, pool, *_ = play(thrace, steps, False, (leaf, weight, other))
        return total.detach(), [t.detach() for t in pool]

    for _ in range(2):
        leaf.grad = weight.grad = None
        total, pool = step(leaf, weight, other)
        same_numbers([total, pool], [want[0].detach(), [t.detach() for t in want[1]]], rtol=2e-4)
        same_numbers([leaf.grad, weight.grad], list(want[2:]), rtol=2e-4)


def test_many_views_of_one_base():
    """Every pair of views of a small base, one written and the other read."""
    makers = [
        lambda b: b,
        lambda b: b[1],
        lambda b: b[:, 1],
        lambda b: b.t(),
        lambda b: b.view(-1),
        lambda b: b[1:, ::2],
        lambda b: b.diagonal(),
        lambda b: b.view(2, 6).t(),
    ]
    for write, read in itertools.product(makers, makers):
        shown = []
        for lib in (torch, thrace):
            base = lib.tensor(X)
            target, seen = write(base), read(base)
            target.mul_(3).add_(1)
            shown.append([seen.clone(), base])
        same_numbers(shown[1], shown[0])


def _row(T: Any, x: Any, i: Any) -> tuple:
    return (x[i],)


def _of_a_result(T: Any, x: Any, i: Any) -> tuple:
    y = x * 2
    part = y[:, i]
    y += 1
    return part, y[i, 1:], y.t()[i]


def _written(T: Any, x: Any, i: Any) -> tuple:
    part = x[i, None, i]
    part += 1
    x[i] *= 2
    return part, x[..., i], x[i, [0, 2]]


def _constant(T: Any, x: Any, i: Any) -> tuple:
    part = x[T.tensor(1)]
    part += i
    return (part,)


@pytest.mark.parametrize("f", [_row, _of_a_result, _written, _constant], ids=lambda f: f.__name__)
def test_a_tensor_that_is_a_number_indexes_as_one_when_compiled(f: Any):
    compiled = thrace.compile(lambda x, i: f(thrace, x, i))
    for at in (1, 2, -1, 0):
        seen = []
        for T, call in ((torch, lambda x, i: f(torch, x, i)), (thrace, compiled)):
            x = T.arange(12, dtype=T.float64).reshape(3, 4)
            results = call(x, T.tensor(at))
            results[0].add_(100)  # shows in what it is a view of
            parts = [(t.tolist(), t.stride(), t.storage_offset()) for t in (x, *results)]
            seen.append(parts)
        assert seen[0] == seen[1]
    assert len(compiled.traces) == 1 and not compiled.fallbacks


@pytest.mark.parametrize("view", [False, True], ids=["whole", "view"])
def test_an_argument_is_pointed_at_memory_of_the_call(view: bool):
    def f(x: Any) -> Any:
        y = x.clone()
        x.data = y.detach() * 2
        return y, x

    compiled = thrace.compile(f)
    for k in (1.0, 2.0, 3.0):
        seen = []
        for T, call in ((torch, f), (thrace, compiled)):
            base = T.tensor([[k, 2.0], [3.0, 4.0]])
            x = base[0] if view else base
            y, same = call(x)
            y += 100
            assert same is x
            seen.append((y.tolist(), x.tolist(), base.tolist()))
        assert seen[0] == seen[1]
    assert not compiled.fallbacks
