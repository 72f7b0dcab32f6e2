"""State that compiled functions read and write: parameters, optimizers, gradients, random
numbers; what a replay donates, and what happens to state when a call fails."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from snippets import same_numbers

import thrace
from thrace import nn, optim
from thrace.ir.passes import pack as packing
from thrace.runtime import counters

DATA = [
    (
        np.random.default_rng(i).standard_normal((6, 4)).astype(np.float32),
        np.random.default_rng(50 + i).standard_normal((6, 2)).astype(np.float32),
    )
    for i in range(5)
]


def make_model(library: Any) -> Any:
    """The same weights on both libraries; batch norm has buffers."""
    model = library.nn.Sequential(
        library.nn.Linear(4, 5), library.nn.BatchNorm1d(5), library.nn.Tanh(),
        library.nn.Linear(5, 2),
    )  # fmt: skip
    with library.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(library.cos(library.arange(1.0 * p.numel()) + i).reshape(p.shape) * 0.5)
    return model


def batches(library: Any) -> list[tuple[Any, Any]]:
    return [(library.tensor(x), library.tensor(y)) for x, y in DATA]


def state_of(model: Any, opt: Any) -> list[Any]:
    entries = opt.state_dict()["state"]
    return [
        dict(model.state_dict()),
        {i: {k: v for k, v in s.items() if v is not None} for i, s in entries.items()},
        [None if p.grad is None else p.grad for p in model.parameters()],
    ]


OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda o, p: o.SGD(p, lr=0.05),
    "momentum": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda o, p: o.Adam(p, lr=0.01, eps=1e-3),
    "adamw": lambda o, p: o.AdamW(p, lr=0.01, eps=1e-3),
}
PLACES = ("zero_first", "zero_last", "accumulate", "zero_to_zeros", "clip")


def train(library: Any, compile: Callable[[Any], Any], optimizer: str, place: str) -> Any:
    model = make_model(library)
    opt = OPTIMIZERS[optimizer](library.optim, model.parameters())
    crit = library.nn.MSELoss()

    @compile
    def step(x, y):
        if place in ("zero_first", "clip"):
            opt.zero_grad()
        elif place == "zero_to_zeros":
            opt.zero_grad(set_to_none=False)
        loss = crit(model(x), y)
        loss.backward()
        if place == "clip":
            library.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        opt.step()
        if place == "zero_last":
            opt.zero_grad()
        return loss.detach()

    losses = [step(x, y) for x, y in batches(library)]
    return step, losses, model, opt


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_leave_the_state_pytorch_leaves(optimizer: str):
    _, want, model, opt = train(torch, lambda f: f, optimizer, "zero_first")
    step, got, mine, my_opt = train(thrace, thrace.compile, optimizer, "zero_first")
    same_numbers(got, want, rtol=1e-4)
    compare_state(state_of(mine, my_opt), state_of(model, opt))
    told = thrace.explain(step)
    assert len(told.traces) == len(told.executables) == 1
    assert not told.fallbacks and not told.recompiles


@pytest.mark.parametrize("place", PLACES)
def test_where_gradients_are_cleared(place: str):
    _, want, model, opt = train(torch, lambda f: f, "momentum", place)
    step, got, mine, my_opt = train(thrace, thrace.compile, "momentum", place)
    same_numbers(got, want, rtol=1e-4)
    compare_state(state_of(mine, my_opt), state_of(model, opt))
    told = thrace.explain(step)
    assert not told.fallbacks
    # The first call finds no gradients, so where they are read a second trace follows.
    assert len(told.traces) <= 2
    if place in ("zero_first", "zero_last"):
        assert len(told.traces) == 1


def compare_state(got: list[Any], want: list[Any]) -> None:
    for mine, reference in zip(got[0].items(), want[0].items(), strict=True):
        assert mine[0] == reference[0]
        # A bias before batch norm has no gradient but rounding errors, which Adam enlarges.
        if mine[0] != "0.bias":
            same_numbers(mine[1], reference[1], rtol=1e-3)
    assert list(got[1]) == list(want[1])
    for i in want[1]:
        assert set(want[1][i]) <= set(got[1][i]) | {"step"}
    for mine, reference in zip(got[2], want[2], strict=True):
        assert (mine is None) == (reference is None)
        if mine is not None and float(abs(reference).max()) > 1e-6:
            same_numbers(mine, reference, rtol=1e-3)


def test_write_back_reaches_every_alias():
    """Views, state dicts and other handles on a written tensor show its new value."""
    model = make_model(thrace)
    opt = optim.SGD(model.parameters(), lr=0.1)
    weight = model[0].weight
    row, shared = weight.detach()[0], model.state_dict()["0.weight"]

    @thrace.compile
    def step(x, y):
        opt.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        opt.step()

    for x, y in batches(thrace)[:3]:
        before = weight.detach().clone()
        step(x, y)
        assert weight is model[0].weight
        assert not thrace.equal(before, weight)
        assert thrace.equal(shared, weight) and thrace.equal(row, weight[0])


@pytest.mark.parametrize("name", ("StepLR", "CosineAnnealingLR", "by_hand", "inside"))
def test_a_schedule_traces_nothing_again(name: str):
    """Learning rates are inputs: the schedule changes numbers, never the trace."""

    def run(library: Any, compile: Callable[[Any], Any]) -> Any:
        model = make_model(library)
        opt = library.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        schedules = library.optim.lr_scheduler
        if name == "CosineAnnealingLR":
            schedule = schedules.CosineAnnealingLR(opt, T_max=12)
        else:
            schedule = schedules.StepLR(opt, step_size=2, gamma=0.5)

        @compile
        def step(x, y):
            opt.zero_grad()
            loss = library.nn.functional.mse_loss(model(x), y)
            loss.backward()
            opt.step()
            if name == "inside":
                schedule.step()
            return loss.detach()

        losses, rates = [], []
        for i in range(10):
            losses.append(step(*batches(library)[i % 5]))
            if name == "by_hand":
                opt.param_groups[0]["lr"] = 0.1 / (i + 2)
                opt.param_groups[0]["momentum"] = 0.9 - 0.01 * i
            elif name != "inside":
                schedule.step()
            rates.append(opt.param_groups[0]["lr"])
        return step, losses, rates

    _, want, want_rates = run(torch, lambda f: f)
    step, got, rates = run(thrace, thrace.compile)
    same_numbers(got, want, rtol=1e-4)
    assert rates == pytest.approx(want_rates)
    assert len(set(rates)) > 3
    told = thrace.explain(step)
    assert len(told.traces) == len(told.executables) == 1
    assert not told.recompiles and not told.fallbacks


def test_buffers_and_counters():
    norm = nn.BatchNorm1d(3)
    reference = torch.nn.BatchNorm1d(3)
    call = thrace.compile(norm)
    for i in range(4):
        a = np.random.default_rng(i).standard_normal((5, 3)).astype(np.float32)
        same_numbers(call(thrace.tensor(a)), reference(torch.tensor(a)))
    same_numbers(dict(norm.state_dict()), dict(reference.state_dict()))
    assert norm.num_batches_tracked.item() == 4


def nothing(_: Any) -> Any:
    return None


def test_new_gradients_and_old_ones():
    """`.grad` left set is an effect; gradients that were there are added to."""
    results = []
    for library in (torch, thrace):
        w: Any = library.tensor([1.0, 2.0], requires_grad=True)

        def step(x):
            (w * x).sum().backward()  # noqa: B023

        call = thrace.compile(step) if library is thrace else step
        seen = []
        for i in range(4):
            if i == 3:
                w.grad = nothing(w)
            call(library.full((2,), float(i + 1)))
            seen.append(w.grad.tolist())
        kept = w.grad
        call(library.ones(2))
        seen.append([kept.tolist(), kept is w.grad])
        results.append(seen)
    assert results[1] == results[0]


def test_gradients_of_arguments():
    """Leaves that come as arguments collect their own gradients, whichever they are."""

    @thrace.compile
    def step(p, x):
        (p * p * x).sum().backward()

    leaves: list[Any] = [thrace.full((2,), float(i), requires_grad=True) for i in range(1, 4)]
    for leaf in leaves:
        step(leaf, thrace.full((2,), 3.0))
    assert [p.grad.tolist() for p in leaves] == [[6.0] * 2, [12.0] * 2, [18.0] * 2]
    assert len(thrace.explain(step).traces) == 1
    step(leaves[0], thrace.ones(2))
    assert leaves[0].grad.tolist() == [8.0, 8.0]
    assert leaves[1].grad.tolist() == [12.0, 12.0]


def test_attribute_set_to_a_new_tensor():
    """`self.hidden = ...` is an effect: set again at every replay."""

    class Cell:
        def __init__(self):
            self.hidden = thrace.zeros(2)

        def step(self, x):
            self.hidden = self.hidden * 0.5 + x
            return self.hidden

    cell, plain = Cell(), Cell()
    call = thrace.compile(cell.step)
    for i in range(4):
        x = thrace.full((2,), float(i))
        assert call(x).tolist() == plain.step(x).tolist()
        assert cell.hidden.tolist() == plain.hidden.tolist()
    told = thrace.explain(call)
    assert len(told.traces) == 1 and any("hidden" in e for e in told.traces[0].effects)
    for _ in range(2):  # another tensor put there from outside is read, and traces nothing
        cell.hidden = thrace.full((2,), 100.0)
        kept = cell.hidden
        assert call(thrace.ones(2)).tolist() == cell.hidden.tolist() == [51.0, 51.0]
        assert kept.tolist() == [100.0, 100.0]
    assert len(thrace.explain(call).traces) == 1


@pytest.mark.parametrize("buffer", (False, True), ids=("attribute", "buffer"))
def test_hidden_state_of_a_module_traces_once_more_at_most(buffer: bool):
    def losses(library: Any, compile: Callable[[Any], Any]) -> list[float]:
        class Cell(library.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.linear = library.nn.Linear(2, 2)
                if buffer:
                    self.register_buffer("hidden", library.zeros(2))
                else:
                    self.hidden = library.zeros(2)
                with library.no_grad():
                    self.linear.weight.copy_(library.tensor([[0.5, -0.2], [0.1, 0.3]]))
                    self.linear.bias.zero_()

            def forward(self, x: Any) -> Any:
                self.hidden = library.tanh(self.linear(x) + self.hidden.detach())
                return self.hidden

        cell = Cell()
        opt = library.optim.SGD(cell.parameters(), lr=0.1)

        @compile
        def step(x: Any) -> Any:
            opt.zero_grad()
            loss = cell(x).sum()
            loss.backward()
            opt.step()
            return loss

        out = [step(library.tensor([1.0, float(i)])).item() for i in range(8)]
        if library is thrace:
            found = thrace.explain(step)
            assert len(found.traces) <= 2 and not found.fallbacks
        return out

    want = losses(torch, lambda fn: fn)
    np.testing.assert_allclose(losses(thrace, thrace.compile), want, rtol=1e-5)


def test_attribute_written_and_then_set():
    """What was there is written to, and stays what it became when another takes its place."""
    results = []
    for library in (torch, thrace):

        class Cell:
            hidden = library.zeros(2)

        cell = Cell()
        cell.hidden = library.zeros(2)

        def step(x, cell=cell):
            cell.hidden.add_(x)
            cell.hidden = cell.hidden * 2

        call = thrace.compile(step) if library is thrace else step
        seen = []
        for i in range(4):
            before = cell.hidden
            call(library.full((2,), float(i + 1)))
            seen.append([before.clone(), cell.hidden.clone()])
        results.append(seen)
    same_numbers(results[1], results[0])


def test_copies_that_are_still_equal_are_two_inputs():
    """An average starts as a copy of the parameter, and then goes its own way."""
    results = []
    for library in (torch, thrace):
        model = make_model(library)
        average = copy.deepcopy(model)
        other = [p.detach().clone() for p in model.parameters()]

        def step(model=model, average=average, other=other, library=library):
            with library.no_grad():
                for p, a in zip(model.parameters(), average.parameters(), strict=True):
                    p.mul_(0.5)
                    a.mul_(0.9).add_(p)
            return [a + o for a, o in zip(average.parameters(), other, strict=True)]

        call = thrace.compile(step) if library is thrace else step
        results.append([[*call(), *model.parameters(), *average.parameters()] for _ in range(3)])
    for mine, reference in zip(*reversed(results), strict=True):
        same_numbers([t.detach() for t in mine], [t.detach() for t in reference])


def test_views_read_in_vain_are_read_again():
    """A view of a capture whose value the function did not need is there afterwards."""
    base = thrace.arange(6.0).view(2, 3)
    view = base.t()

    @thrace.compile
    def step(x):
        view.exp()  # nobody needs it
        return x + 1

    for _ in range(2):
        step(thrace.ones(1))
        assert (view * 2).tolist() == [[0.0, 6.0], [2.0, 8.0], [4.0, 10.0]]


def test_plain_copies():
    """A copy shares the value until one of the two is written; each call reads it anew."""
    w, box = thrace.zeros(3), thrace.zeros(3)
    clone = thrace.compile(lambda: w.clone())
    put = thrace.compile(lambda x: box.copy_(x))
    fill = thrace.compile(lambda x: box.__setitem__(slice(None), x))
    kept = []
    for i in range(3):
        w += 1
        kept.append(clone())
        put(w)
        assert box.tolist() == [i + 1.0] * 3
        fill(w[0] * 10)
        assert box.tolist() == [10.0 * (i + 1)] * 3
        put(thrace.arange(6.0).view(2, 3)[1] + i)
        assert box.tolist() == [3.0 + i, 4.0 + i, 5.0 + i]
        put(thrace.arange(6.0).view(2, 3)[i % 2])
        assert box[0].item() == 3.0 * (i % 2)
    assert [k.tolist() for k in kept] == [[1.0] * 3, [2.0] * 3, [3.0] * 3]
    box.zero_()
    assert w.tolist() == [3.0] * 3


def test_gradient_written_and_then_cleared():
    results = []
    for library in (torch, thrace):
        w = library.ones(2, requires_grad=True)

        def step(x, w=w):
            (w * x).sum().backward()
            w.grad = None
            (w * x * 2).sum().backward()

        call = thrace.compile(step) if library is thrace else step
        seen = []
        for i in range(4):
            before = w.grad
            call(library.full((2,), float(i + 1)))
            seen.append([w.grad.clone(), 0 if before is None else before.clone()])
        results.append(seen)
    same_numbers(results[1], results[0])


def test_attribute_set_to_a_number_is_a_reason():
    class Counter:
        calls = 0

        def step(self, x):
            self.calls += 1
            return x * self.calls

    counter = Counter()
    call = thrace.compile(counter.step)
    with pytest.warns(thrace.FallbackWarning, match=r"changes self\.calls"):
        assert call(thrace.ones(1)).item() == 1.0
    assert [call(thrace.ones(1)).item() for _ in range(3)] == [2.0, 3.0, 4.0]
    assert counter.calls == 4


def test_global_counter_is_a_reason():
    space: dict[str, Any] = {"total": 0}
    exec(
        "def step(x):\n    global total\n    total += 1\n    return x * total\n", space
    )  # a module of its own
    call = thrace.compile(space["step"])
    with pytest.warns(thrace.FallbackWarning, match="changes total"):
        call(thrace.ones(1))
    assert call(thrace.ones(1)).item() == 2.0 and space["total"] == 2


def test_random_state_advances():
    call = thrace.compile(lambda: thrace.rand(3))
    thrace.manual_seed(1)
    want = [thrace.rand(3).tolist() for _ in range(3)]
    thrace.manual_seed(1)
    assert [call().tolist() for _ in range(3)] == want
    thrace.manual_seed(1)
    assert [call().tolist(), thrace.rand(3).tolist(), call().tolist()] == want
    assert len(thrace.explain(call).traces) == 1


# Donation


def live_arrays() -> int:
    import jax

    gc.collect()
    return len(jax.live_arrays())


def buffers_of(model: Any, opt: Any) -> set[int]:
    """Where the state lies; tensors of equal types may take one another's place."""
    moments = [m for s in opt.state.values() for m in s.values() if isinstance(m, thrace.Tensor)]
    return {
        t._storage.value.buffer.unsafe_buffer_pointer()
        for t in [*model.parameters(), *model.buffers(), *moments]
        if t.ndim
    }


@pytest.mark.parametrize("packed", [False, True])
def test_old_buffers_are_gone(packed: bool, monkeypatch: pytest.MonkeyPatch):
    """Memory does not grow: each step's new values take the place of the old ones."""
    if not packed:
        monkeypatch.setattr(packing, "MAX_BYTES", 0)
    model = make_model(thrace)
    opt = optim.Adam(model.parameters(), lr=0.01)

    @thrace.compile
    def step(x, y):
        opt.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss.detach()

    data = batches(thrace)
    for x, y in data:
        step(x, y)
    before = live_arrays()
    places = set() if packed else buffers_of(model, opt)
    for _ in range(10):
        for x, y in data:
            step(x, y)
    assert live_arrays() <= before
    assert packed or buffers_of(model, opt) == places
    (trace,) = thrace.explain(step).traces
    assert len(trace.donated) >= 3 * len(list(model.parameters()))


def test_what_is_held_elsewhere_stays_right():
    """A clone, a copied array or a result made before keeps its numbers; views do not."""
    w = thrace.ones(4)
    call = thrace.compile(lambda: w.mul_(2))
    call()
    copied, double, array = w.clone(), w * 2, w.numpy()
    alias, later, kept = w.detach(), w[1:] + 1, array.copy()
    call()
    call()
    assert copied.tolist() == [2.0] * 4
    assert double.tolist() == [4.0] * 4
    assert kept.tolist() == [2.0] * 4
    assert array.tolist() == [8.0] * 4
    assert later.tolist() == [3.0] * 3
    assert alias.tolist() == w.tolist() == [8.0] * 4


def test_a_clone_shares_until_it_is_written():
    w = thrace.ones(4)
    call = thrace.compile(lambda: w.add_(1))
    call()
    kept = [w.clone()]
    for _ in range(3):
        call()
        kept.append(w.clone())
    assert [k[0].item() for k in kept] == [2.0, 3.0, 4.0, 5.0]
    best = copy.deepcopy(w)
    call()
    assert best.tolist() == [5.0] * 4


def test_history_that_reads_a_written_value():
    """Backward after a compiled update uses what the forward read."""
    w: Any = thrace.tensor([1.0, 2.0], requires_grad=True)

    @thrace.compile
    def update():
        with thrace.no_grad():
            w.mul_(10)

    update()
    out = (w * w).sum()
    update()
    out.backward()
    assert w.grad.tolist() == [20.0, 40.0]


# Failures


def test_a_failed_call_changes_nothing_on_replay():
    """A replay whose inputs cannot be read leaves parameters as they were."""
    w = thrace.ones(2)

    @thrace.compile
    def step(x):
        w.add_(x)
        return w * 1

    step(thrace.ones(2))
    with pytest.raises(RuntimeError):
        step(thrace.ones(3))
    assert w.tolist() == [2.0, 2.0]
    assert step(thrace.ones(2)).tolist() == [3.0, 3.0]


def test_index_checks_inside():
    """An index out of range is an error with its line, compiled as well."""
    table = thrace.arange(12.0).reshape(4, 3)
    pick = thrace.compile(lambda i: table[i])
    assert pick(thrace.tensor([0, 3])).tolist() == [[0.0, 1.0, 2.0], [9.0, 10.0, 11.0]]
    assert pick(thrace.tensor([1, 1])).tolist() == [[3.0, 4.0, 5.0]] * 2
    with pytest.raises(IndexError, match=r"test_compile_state\.py"):
        pick(thrace.tensor([0, 7])).tolist()
    assert pick(thrace.tensor([2, 2])).tolist() == [[6.0, 7.0, 8.0]] * 2


def test_hoisted_state_compiles_once():
    """Moments that the first `step()` makes are there before it is recorded."""
    before = counters.executables
    step, *_ = train(thrace, thrace.compile, "adamw", "zero_first")
    assert counters.executables - before <= 1
    assert len(thrace.explain(step).traces) == 1


def test_two_functions_on_one_state():
    """Compiled functions that share parameters see each other's writes."""
    w = thrace.zeros(3)
    up, down = thrace.compile(lambda: w.add_(2)), thrace.compile(lambda: w.sub_(1))
    for i in range(3):
        up()
        w += 0.5
        down()
        assert w.tolist() == [(i + 1) * 1.5] * 3


def test_freezing_a_parameter_traces_again():
    model = make_model(thrace)

    @thrace.compile
    def step(x, y):
        model.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()

    x, y = batches(thrace)[0]
    step(x, y)
    model[3].weight.requires_grad_(False)
    step(x, y)
    assert model[3].weight.grad is None and model[3].bias.grad is not None
    model[3].weight.requires_grad_(True)
    step(x, y)
    assert model[3].weight.grad is not None
    assert len(thrace.explain(step).traces) == 2


def test_loading_a_state_dict_is_seen():
    model = make_model(thrace)
    saved = {k: v.clone() for k, v in model.state_dict().items()}
    call = thrace.compile(model)
    x, _ = batches(thrace)[0]
    first = call(x).detach()
    with thrace.no_grad():
        for p in model.parameters():
            p.zero_()
    assert call(x).abs().sum().item() == 0.0
    model.load_state_dict(saved)
    same = call(x).detach()
    np.testing.assert_allclose(same.numpy(), first.numpy(), rtol=1e-5)
    assert len(thrace.explain(call).traces) == 1


def test_hooks_registered_later_are_seen():
    model = make_model(thrace)
    call = thrace.compile(model)
    x, _ = batches(thrace)[0]
    first = call(x).detach()
    handle = model[3].register_forward_hook(lambda m, args, out: out * 2)
    np.testing.assert_allclose(call(x).detach().numpy(), 2 * first.numpy(), rtol=1e-4)
    handle.remove()
    np.testing.assert_allclose(call(x).detach().numpy(), first.numpy(), rtol=1e-4)

    w: Any = thrace.ones(2, requires_grad=True)

    @thrace.compile
    def step():
        w.grad = None
        (w * 3).sum().backward()

    step()
    assert w.grad.tolist() == [3.0, 3.0]
    hook = w.register_hook(lambda g: g * 10)
    step()
    assert w.grad.tolist() == [30.0, 30.0]
    hook.remove()
    step()
    assert w.grad.tolist() == [3.0, 3.0]


BIG = np.ones(400_000)


@pytest.mark.parametrize(
    ("call", "falls_back"),
    (
        (lambda x: x * float(np.ones(400_000).sum()), False),
        (lambda x: x * float(np.linalg.norm(np.ones((700, 700)))), False),
        (lambda x: x * float(BIG[0]), True),
    ),
    ids=("made inside", "by NumPy's Python code", "a global"),
)
def test_only_the_users_own_large_arrays_are_a_reason(call: Any, falls_back: bool):
    """NumPy's functions see large arrays too: those are no state of the user's."""
    step = thrace.compile(call)
    x = thrace.ones(3)
    expected = call(np.ones(3, np.float32))
    for _ in range(3):
        np.testing.assert_allclose(step(x).numpy(), expected, rtol=1e-6)
    assert bool(thrace.explain(step).fallbacks) is falls_back


def test_leaves_made_inside_are_no_state_of_the_next_call():
    """A leaf's slot may be looked at after the call; the next call makes a leaf of its own."""

    @thrace.compile
    def penalty(x: Any, w: Any) -> Any:
        inner = x.detach().requires_grad_()
        (slope,) = thrace.autograd.grad(((inner * w) ** 2).sum(), inner, create_graph=True)
        (slope**2).sum().backward()
        return inner.grad

    w = thrace.tensor([2.0, 3.0], requires_grad=True)
    for i in range(4):
        # slope = 2 x w², its square's derivative by x = 8 x w⁴, accumulated by nothing else
        x = thrace.tensor([1.0 + i, 1.0])
        np.testing.assert_allclose(penalty(x, w).numpy(), 8 * x.numpy() * [16.0, 81.0])
        w.grad = None
    assert len(thrace.explain(penalty).traces) == 1
    assert not thrace.explain(penalty).fallbacks


def test_variables_of_inner_functions_do_not_outlive_the_call():
    """`size` is a cell of the call's own frame: a comprehension reads it."""

    @thrace.compile
    def normalized(tensors: Any) -> Any:
        size = sum((t * t).sum() for t in tensors).sqrt()
        return [t / size for t in tensors]

    tensors = [thrace.tensor([3.0]), thrace.tensor([4.0])]
    for _ in range(3):
        assert [t.item() for t in normalized(tensors)] == pytest.approx([0.6, 0.8])
    assert len(thrace.explain(normalized).traces) == 1
    assert not thrace.explain(normalized).fallbacks


def test_arguments_that_the_call_makes_leaves():
    """`x.requires_grad_()` inside is done again at every call, gradients outside included."""

    @thrace.compile
    def energy(x: Any, w: Any) -> Any:
        x.requires_grad_()
        (slope,) = thrace.autograd.grad((w * x**3).sum(), x, create_graph=True)
        return (slope**2).sum()

    w = thrace.tensor([2.0, 3.0])
    for i in range(3):
        x = thrace.tensor([1.0 + i, 1.0])
        loss = energy(x, w)
        loss.backward()
        # slope = 3 w x², squared and differentiated: 36 w² x³
        assert x.requires_grad and x.grad is not None
        np.testing.assert_allclose(
            x.grad.numpy(), 36 * np.array([4.0, 9.0]) * x.detach().numpy() ** 3
        )

    @thrace.compile
    def inside(x: Any) -> Any:
        x.requires_grad_()
        loss = (x**2).sum()
        loss.backward()
        return loss.detach()

    for i in range(3):
        x = thrace.tensor([1.0 + i, 1.0])
        inside(x)
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy())
    for fn in (energy, inside):
        assert len(thrace.explain(fn).traces) == 1
        assert not thrace.explain(fn).fallbacks


@pytest.mark.filterwarnings("ignore::thrace.FallbackWarning")
def test_a_module_class_that_the_run_names_is_no_module():
    class Twice(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    def f(x):
        net = Twice(2, 2)
        return net(x).sum() - net(x).sum()

    assert thrace.compile(f)(thrace.ones(1, 2)).item() == 0


def test_what_was_returned_of_an_argument_that_becomes_a_leaf_is_of_this_call():
    @thrace.compile
    def f(x: Any) -> Any:
        seen = x.detach()
        x.requires_grad_()
        return seen

    held = []
    for value in (1.0, 2.0, 3.0):
        x = thrace.tensor([value])
        held.append(f(x))
        assert held[-1].data_ptr() == x.data_ptr() and x.requires_grad
    assert [t.item() for t in held] == [1.0, 2.0, 3.0]


def test_a_hook_on_a_leaf_that_a_call_makes_runs_at_every_call():
    @thrace.compile
    def f(x: Any) -> Any:
        leaf = (x * 2).requires_grad_()
        leaf.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", p.grad * 10))
        return leaf

    with pytest.warns(thrace.FallbackWarning, match="a hook is to see"):
        for _ in range(3):
            leaf = f(thrace.tensor([1.0]))
            (leaf * 3).sum().backward()
            assert leaf.grad.tolist() == [30.0]


def test_a_mask_that_every_call_makes_needs_no_fallback():
    @thrace.compile
    def f(x: Any) -> Any:
        return x[thrace.tensor([True, False, True])], x[None, True]

    for start in (0.0, 1.0):
        picked, _ = f(thrace.arange(3.0) + start)
        assert picked.tolist() == [start, start + 2]
    assert not f.fallbacks
