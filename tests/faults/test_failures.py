"""What fails says what it is, at the user's line, and takes nothing else with it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import thrace
import thrace.nn.functional as F
from thrace import nn
from thrace.runtime import room

TOO_LARGE = 2**45  # elements


def test_what_is_too_large_is_refused():
    x = thrace.ones(TOO_LARGE)
    with pytest.raises(thrace.OutOfMemoryError, match="nothing was computed") as caught:
        x.numpy()
    assert isinstance(caught.value, (MemoryError, RuntimeError))
    # It stays pending, and in nobody's way.
    y = thrace.ones(3, requires_grad=True)
    (y * 2).sum().backward()
    assert y.grad is not None and y.grad.tolist() == [2.0, 2.0, 2.0]
    assert thrace.compile(lambda t: t + 1)(y).tolist() == [2.0, 2.0, 2.0]
    del x, caught
    gc.collect()


def test_more_elements_than_can_be_counted():
    with pytest.raises(RuntimeError, match="overflowed"):
        thrace.zeros(2**40, 2**40)


def make_step() -> tuple[Any, Any, Any]:
    w, x = thrace.ones(4), thrace.tensor([1.0] * 4)

    @thrace.compile
    def step(x):
        w.mul_(2).add_(x)

    step(thrace.zeros(4))
    return w, step, x


def test_a_step_without_room_is_refused_before_it_consumes_anything(
    monkeypatch: pytest.MonkeyPatch,
):
    w, step, x = make_step()
    monkeypatch.setattr(room, "CHECKED_BYTES", -1)
    with monkeypatch.context() as short:
        short.setattr(room, "available_bytes", lambda device: -1)
        with pytest.raises(thrace.OutOfMemoryError, match=r"step needs .* on cpu"):
            step(x)
    assert w.tolist() == [2.0] * 4
    step(x)
    assert w.tolist() == [5.0] * 4


def test_a_step_that_fails_after_consuming_says_so(monkeypatch: pytest.MonkeyPatch):
    from thrace.runtime import executable
    from thrace.tracer import compile as compiling

    monkeypatch.setattr(compiling, "write", lambda *args: None)  # which calls XLA by itself
    w, step, x = make_step()
    before = thrace.ones(2) + 1
    into = executable.Program.into

    def failing(program: Any, args: Any, out: Any) -> None:
        into(program, args, [])  # the results are lost on the way
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 12 bytes.")

    with monkeypatch.context() as broken:
        broken.setattr(executable.Program, "into", failing)
        with pytest.raises(thrace.OutOfMemoryError, match="an allocation failed"):
            step(x)
    with pytest.raises(thrace.StateLostError, match="consumed by a call of step"):
        w.tolist()
    with pytest.raises(thrace.StateLostError, match="consumed by a call of step"):
        step(x)
    assert before.tolist() == [2.0, 2.0]
    w.copy_(thrace.ones(4))  # it can be written anew, and the step goes on
    step(x)
    assert w.tolist() == [3.0] * 4


def test_half_an_update_is_taken_back():
    m = nn.Linear(3, 2)
    opt = thrace.optim.AdamW(m.parameters(), lr=0.1)

    def step() -> None:
        opt.zero_grad()
        m(thrace.ones(4, 3)).pow(2).sum().backward()
        opt.step()

    step()
    seen = {
        "parameters": [p.tolist() for p in m.parameters()],
        "state": [{k: v.tolist() for k, v in s.items()} for s in opt.state.values()],
    }

    class Broken(type(opt)):
        def _update(self, group: Any, params: Any) -> None:
            super()._update(group, params)
            raise KeyError("stop")

    opt.__class__ = Broken
    with pytest.raises(KeyError, match="stop"):
        step()
    opt.__class__ = Broken.__base__  # type: ignore[assignment]
    assert [p.tolist() for p in m.parameters()] == seen["parameters"]
    assert [{k: v.tolist() for k, v in s.items()} for s in opt.state.values()] == seen["state"]
    step()
    assert [p.tolist() for p in m.parameters()] != seen["parameters"]


def test_arrays_overwritten_after_a_call():
    double = thrace.compile(lambda x: x * 2)
    for size in (4, 1000, 40_000):  # aligned for XLA or not
        for offset in range(4):
            array = np.arange(size + offset, dtype=np.float32)[offset:]
            x = thrace.tensor(array)
            results = [x + 1, double(x)]
            want = [array + 1, array * 2]
            array[:] = -1
            for got, expected in zip(results, want, strict=True):
                np.testing.assert_array_equal(got.numpy(), expected)


# What gives its memory back, and what keeps nothing that it should not.


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

    def forward(self, x: Any) -> Any:
        return self.layers(x)


def watched(model: Any) -> list[weakref.ref]:
    tensors = [*model.parameters(), *model.buffers()]
    return [weakref.ref(t._storage) for t in tensors] + [weakref.ref(model)]


def train(compiled: bool) -> tuple[list[weakref.ref], Any]:
    model = Net()
    opt = thrace.optim.Adam(model.parameters(), lr=0.1)
    x, y = thrace.randn(8, 4), thrace.randint(0, 2, (8,))

    def step(x: Any) -> Any:
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    run = thrace.compile(step) if compiled else step
    for _ in range(2):
        run(x)
    seen = watched(model)
    seen += [weakref.ref(t._storage) for s in opt.state.values() for t in s.values()]
    return seen, thrace.explain(run) if compiled else None


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "uncompiled"])
def test_a_dropped_model_gives_its_buffers_back(compiled: bool):
    seen, found = train(compiled)
    gc.collect()
    kept = [r() for r in seen if r() is not None]
    del found
    gc.collect()
    assert not kept, f"{len(kept)} of {len(seen)} live on: {kept[:3]}"


def test_an_exception_pins_no_tensors():
    def fail() -> weakref.ref:
        big = thrace.ones(100)
        seen = weakref.ref(big._storage)
        try:
            big.matmul(thrace.ones(3))
        except RuntimeError as error:
            assert "dot" in str(error)
        return seen

    seen = fail()
    gc.collect()
    assert seen() is None


def test_compiled_shapes_are_bounded():
    from thrace.tracer.compile import MAX_TRACES

    double = thrace.compile(lambda x: x * 2)
    with pytest.warns(UserWarning):
        for n in range(1, MAX_TRACES + 9):
            double(thrace.ones(n))
    assert len(thrace.explain(double).traces) == MAX_TRACES


def test_graphs_met_once_are_forgotten(monkeypatch: pytest.MonkeyPatch):
    from thrace.runtime import executable, host
    from thrace.tracer import evaluate

    monkeypatch.setattr(host, "compile_cost_s", lambda graph: 0.0)  # compile at first sight
    monkeypatch.setattr(executable.CACHE, "size", 4)
    monkeypatch.setattr(evaluate, "MAX_KNOWN_GRAPHS", 6)
    for n in range(1, 12):
        x = thrace.tensor(np.ones(n, np.float32))
        for _ in range(2):
            assert (x * 3 + 1).sum().item() == 4 * n
        y = thrace.tensor(np.ones(2, np.float32))
        assert (y * 5 + 1).tolist() == [6.0, 6.0]
    assert len(evaluate._KNOWN) <= 6
    kept = [known for known in evaluate._KNOWN.values() if known.executables]
    assert len(kept) <= len(evaluate._COMPILED) <= 4
    assert evaluate._entries == sum(map(len, evaluate._KNOWN))
