"""`thrace.compile`: what a replay gives back, guards that trace again, and fallbacks.

Whatever a function does, its answer is that of the uncompiled run; `explain` says how it
was reached.
"""

from __future__ import annotations

import copy
import datetime
import os
import random
import time
import types
import warnings
from collections import Counter, deque, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from snippets import same_numbers

import thrace
from thrace import nn
from thrace.runtime import counters

Point = namedtuple("Point", "x y")

# What a call gives back, whatever the shape of it.

RESULTS: dict[str, Callable[[Any], Any]] = {
    "tensor": lambda x: x * 2,
    "tuple": lambda x: (x + 1, x - 1),
    "list": lambda x: [x + 1, [x * 2]],
    "dict": lambda x: {"sum": x.sum(), "parts": {"a": x[0], "b": x * 3}},
    "named_tuple": lambda x: Point(x + 1, y=[x]),
    "none": lambda x: None,
    "constants": lambda x: ("name", 3, x.shape[0], None, x + 1),
    "argument": lambda x: x,
    "argument_twice": lambda x: (x, x),
    "result_twice": lambda x: (lambda y: (y, y, y[0]))(x * 2),
    "view_of_argument": lambda x: x[1:],
    "transposed_argument": lambda x: (x.t(), x.view(-1)),
    "detached_argument": lambda x: x.detach(),
    "view_of_result": lambda x: (x * 2).t(),
    "views_of_one_result": lambda x: (lambda y: (y[0], y[1:]))(x + 0),
    "empty": lambda x: {},
    "integer": lambda x: (x > 0).sum(),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results(name: str):
    fn = RESULTS[name]
    call = thrace.compile(fn)
    for shift in range(3):
        a = np.arange(6, dtype=np.float32).reshape(2, 3) + shift
        want, got = fn(torch.tensor(a)), call(thrace.tensor(a))
        same_numbers(got, want)
        assert type(got) is type(want) or isinstance(got, thrace.Tensor)
    assert len(thrace.explain(call).traces) == 1


class Holder:
    def __init__(self, value):
        self.value = value


MADE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "closure": (lambda x: lambda: x * 2, lambda made: made()),
    "object": (lambda x: Holder(x), lambda made: made.value * 2),
    "array": (lambda x: np.ones(1) * x.shape[0], lambda made: made.__iadd__(1)),
    "set": (lambda x: {x.shape[0]}, lambda made: made.add(7) or len(made)),
    "generator": (lambda x: (v for v in [x * 2]), lambda made: next(made)),
}


@pytest.mark.parametrize("name", MADE)
def test_other_objects_are_made_anew(name: str):
    """What is no tensor and may change is made by each call, so there is nothing to replay."""
    fn, use = MADE[name]
    call = thrace.compile(fn)
    with pytest.warns(thrace.FallbackWarning, match="made (in the call|elsewhere)|outlives"):
        call(thrace.ones(1))
    for i in range(3):
        x = thrace.full((1,), float(i))
        got, want = use(call(x)), use(fn(x))
        assert (got.tolist() if hasattr(got, "tolist") else got) == (
            want.tolist() if hasattr(want, "tolist") else want
        )


def test_objects_of_the_call_are_its_own():
    """Objects made and dropped in the call may hold what they like."""

    class Parts:
        def __init__(self, x):
            self.x = x
            self.count = 0

        def twice(self):
            self.count += 1
            self.doubled = self.x * 2
            return self.doubled

    @thrace.compile
    def call(x):
        parts = Parts(x)
        return parts.twice() + parts.twice() + parts.count + Holder(x * 3).value

    for i in range(3):
        assert call(thrace.full((1,), float(i))).item() == 7.0 * i + 2
    assert not thrace.explain(call).fallbacks


def test_objects_that_were_there_are_returned():
    config = Config()
    call = thrace.compile(lambda x: (x * 2, config, thrace.float32, x.shape, Point, "name"))
    for _ in range(2):
        _, *rest = call(thrace.ones(2))
        assert rest == [config, thrace.float32, (2,), Point, "name"]
    assert len(thrace.explain(call).traces) == 1


def test_copies_of_compiled_modules():
    call = thrace.compile(nn.Linear(2, 2))
    other = copy.deepcopy(call)
    x = thrace.ones(1, 2)
    assert other(x).tolist() == call(x).tolist()
    with thrace.no_grad():
        other.weight.zero_()
    assert other(x).tolist() != call(x).tolist()
    assert copy.deepcopy(by_helper_compiled) is by_helper_compiled


def test_identities_of_results():
    """The same tensor twice is one tensor, and what was an argument is that argument."""
    call = thrace.compile(lambda x: (x, [x * 2] * 2))
    for _ in range(3):
        x = thrace.ones(3)
        same, (a, b) = call(x)
        assert same is x
        a += 1
        assert b.tolist() == [3.0] * 3


def test_views_in_results_share_memory():
    call = thrace.compile(lambda x: (x[0], (x * 2)[0:1], x * 1))
    x = thrace.zeros(2, 2)
    for i in range(3):
        row, new, _ = call(x)
        row += 1
        assert x[0].tolist() == [i + 1.0] * 2
        base, part = thrace.compile(lambda v: (lambda y: (y, y[1]))(v * 1))(x)
        part.fill_(9.0)
        assert base[1].tolist() == [9.0] * 2
        assert new.tolist() == [[2.0 * i] * 2]


def test_results_are_not_overwritten_by_later_calls():
    call = thrace.compile(lambda x: x + 1)
    kept = [call(thrace.full((3,), float(i))) for i in range(4)]
    assert [k.tolist() for k in kept] == [[i + 1.0] * 3 for i in range(4)]


# How a function may be compiled and called.


def test_ways_of_compiling():
    def plain(x, scale=2.0, *, shift=0.0):
        """Doc."""
        return x * scale + shift

    bare = thrace.compile(plain)
    with_arguments = thrace.compile(fullgraph=True)(plain)
    x = thrace.ones(2)
    for call in (bare, with_arguments):
        assert call.__name__ == "plain" and call.__doc__ == "Doc."
        for _ in range(2):
            assert call(x).tolist() == [2.0, 2.0]
            assert call(x, 3.0).tolist() == [3.0, 3.0]
            assert call(x=x, shift=1.0).tolist() == [3.0, 3.0]
            assert call(x, scale=4.0, shift=1.0).tolist() == [5.0, 5.0]
        assert len(thrace.explain(call).traces) == 4
    assert thrace.compile(bare) is bare
    with pytest.raises(TypeError):
        thrace.compile(3)  # pyright: ignore
    with pytest.raises(TypeError):
        thrace.explain(plain)
    with pytest.raises(TypeError, match="unexpected keyword"):
        bare(x, nonsense=1)


def test_methods():
    class Counter:
        def __init__(self, start):
            self.total = thrace.tensor(start)

        @thrace.compile
        def add(self, x):
            self.total += x
            return self.total * 1

    a, b = Counter(0.0), Counter(100.0)
    for i in range(1, 4):
        assert a.add(thrace.tensor(1.0)).item() == i
        assert b.add(thrace.tensor(10.0)).item() == 100 + 10 * i
    assert not thrace.explain(Counter.add).fallbacks
    bound = thrace.compile(a.add)
    assert bound(thrace.tensor(1.0)).item() == 4.0


def test_modules():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    call = thrace.compile(model)
    x = thrace.rand(5, 3)
    for _ in range(3):
        same = call(x)
        want = model(x).detach().numpy()
        np.testing.assert_allclose(same.detach().numpy(), want, rtol=1e-5, atol=1e-6)
        same.sum().backward()
    assert [n for n, _ in call.named_parameters()] == [n for n, _ in model.named_parameters()]
    call.eval()
    assert not model.training
    assert call.state_dict().keys() == model.state_dict().keys()


def test_module_inside_a_step():
    model = nn.Linear(2, 1)
    inner = thrace.compile(model)

    @thrace.compile
    def step(x):
        model.zero_grad()
        loss = inner(x).pow(2).sum()
        loss.backward()
        return loss

    x = thrace.ones(3, 2)
    losses = [step(x).item() for _ in range(3)]
    assert losses[0] == losses[1] == losses[2]
    assert len(thrace.explain(step).traces) == 1
    assert not thrace.explain(inner).traces  # it was part of the step
    assert model.weight.grad is not None


def test_nested_compiled_functions():
    @thrace.compile
    def inner(x):
        return x.sin()

    @thrace.compile
    def outer(x):
        return inner(x) + inner(x * 2)

    x = np.linspace(0, 1, 4, dtype=np.float32)
    for _ in range(2):
        np.testing.assert_allclose(
            outer(thrace.tensor(x)).numpy(), np.sin(x) + np.sin(2 * x), rtol=1e-5
        )
        np.testing.assert_allclose(inner(thrace.tensor(x)).numpy(), np.sin(x), rtol=1e-5)
    assert len(thrace.explain(outer).traces) == len(thrace.explain(inner).traces) == 1


def test_recursion():
    @thrace.compile
    def power(x, n):
        return x if n == 0 else power(x, n - 1) * x

    for _ in range(2):
        assert power(thrace.tensor([2.0]), 3).tolist() == [16.0]


def test_a_function_defined_again_compiles_nothing_new():
    def make(k):
        @thrace.compile
        def step(x):
            return (x * 3 + 1).tanh().sum()

        return step

    x = thrace.rand(7, 5)
    make(0)(x)
    before = counters.executables
    values = [make(i)(x).item() for i in range(5)]
    assert counters.executables == before
    assert len(set(values)) == 1


def test_arguments_that_are_containers():
    @thrace.compile
    def total(batch, weights):
        return batch["x"].sum() * weights[0] + batch["more"][1] * weights[1]

    for i in range(3):
        x = thrace.full((2,), float(i))
        got = total({"x": x, "more": [0, thrace.tensor(5.0)]}, (thrace.tensor(2.0), 3.0))
        assert got.item() == 4.0 * i + 15.0
    assert len(thrace.explain(total).traces) == 1
    total({"x": x, "more": [0, thrace.tensor(5.0)], "z": 1}, (thrace.tensor(2.0), 3.0))
    assert len(thrace.explain(total).traces) == 2
    total({"x": x, "more": [0, thrace.tensor(5.0)]}, (thrace.tensor(2.0), 4.0))
    told = thrace.explain(total)
    assert len(told.traces) == 3
    assert len(told.recompiles) == 2


# Guards. Each case is a function, what is changed before its second call and what brings
# the first state back; it must trace again with the right numbers, then find the old trace.


class Guard(NamedTuple):
    call: Callable[[], Any]
    change: Callable[[], Any]
    restore: Callable[[], Any]


class Config:
    scale = 2.0

    def __init__(self):
        self.bias = 1.0
        self.items = [1.0, 2.0]
        self.table = {"a": 1.0}


class Slotted:
    __slots__ = ("scale",)

    def __init__(self):
        self.scale = 2.0


SETTINGS: Any = types.ModuleType("settings")
SETTINGS.__file__ = "/settings.py"
SETTINGS.scale = 2.0
GLOBAL_SCALE = 2.0
GLOBAL_TABLE = {"a": 1.0}
GLOBAL_TENSOR = thrace.tensor([5.0])


def by_global(x):
    return x * GLOBAL_SCALE


def by_global_table(x):
    return x * GLOBAL_TABLE["a"]


def by_helper(x):
    return helper(x)


def helper(x):
    return x + 1


def other_helper(x):
    return x - 1


by_helper_compiled = thrace.compile(by_helper)


def set_global(name: str, value: Any) -> Callable[[], Any]:
    return lambda: globals().__setitem__(name, value)


def guards() -> dict[str, Guard]:
    config = Config()
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(1.0))
    norm = nn.BatchNorm1d(2)
    norm(thrace.rand(4, 2))
    x = thrace.tensor([1.0, 3.0])
    cell = [3.0]
    number = 2.0

    def by_closure(v):
        return v * number

    def set_number(value):
        nonlocal number
        number = value

    def by_default(v, k=2.0):
        return v * k

    weight = thrace.tensor([1.0, 2.0], requires_grad=True)
    leaf = thrace.tensor([1.0, 2.0])
    swap: Any = Config()
    swap.tensor = thrace.tensor([1.0])
    first_tensor, second_tensor = swap.tensor, thrace.tensor([9.0, 9.0])

    def compiled(fn: Callable[..., Any]) -> Any:
        return thrace.compile(fn)

    def of(fn: Callable[..., Any], *args: Any) -> Callable[[], Any]:
        call = compiled(fn)
        made = lambda: call(*args)  # noqa: E731
        made.compiled = call
        return made

    def sized(make: Callable[[], Any], fn: Callable[[Any], Any]) -> Callable[[], Any]:
        call = compiled(fn)
        made = lambda: call(make())  # noqa: E731
        made.compiled = call
        return made

    slotted, array = Slotted(), np.array([1.0, 2.0])
    optimizer = thrace.optim.SGD([thrace.ones(1, requires_grad=True)], lr=2.0)
    os.environ["THRACE_TEST_SCALE"] = "2"

    def maybe(c):
        return c.extra if hasattr(c, "extra") else 0.0

    shape = [2]
    dtype = [thrace.float32]
    grad = [False]
    return {
        "global": Guard(
            of(by_global, x), set_global("GLOBAL_SCALE", 7.0), set_global("GLOBAL_SCALE", 2.0)
        ),
        "global_type": Guard(
            of(lambda v: v.long() * GLOBAL_SCALE, x),
            set_global("GLOBAL_SCALE", 2),
            set_global("GLOBAL_SCALE", 2.0),
        ),
        "global_dict": Guard(
            of(by_global_table, x),
            lambda: GLOBAL_TABLE.update(a=5.0),
            lambda: GLOBAL_TABLE.update(a=1.0),
        ),
        "helper": Guard(
            of(by_helper, x), set_global("helper", other_helper), set_global("helper", helper)
        ),
        "closure": Guard(of(by_closure, x), lambda: set_number(5.0), lambda: set_number(2.0)),
        "closure_list": Guard(
            of(lambda v: v * cell[0], x),
            lambda: cell.__setitem__(0, 9.0),
            lambda: cell.__setitem__(0, 3.0),
        ),
        "closure_list_longer": Guard(
            of(lambda v: v * len(cell), x), lambda: cell.append(1.0), lambda: cell.pop()
        ),
        "attribute": Guard(
            of(lambda v: v + config.bias, x),
            lambda: setattr(config, "bias", 10.0),
            lambda: setattr(config, "bias", 1.0),
        ),
        "class_attribute": Guard(
            of(lambda v: v * config.scale, x),
            lambda: setattr(Config, "scale", 4.0),
            lambda: setattr(Config, "scale", 2.0),
        ),
        "slot_attribute": Guard(
            of(lambda v: v * slotted.scale, x),
            lambda: setattr(slotted, "scale", 4.0),
            lambda: setattr(slotted, "scale", 2.0),
        ),
        "module_setting": Guard(
            of(lambda v: v * SETTINGS.scale, x),
            lambda: setattr(SETTINGS, "scale", 4.0),
            lambda: setattr(SETTINGS, "scale", 2.0),
        ),
        "environment": Guard(
            of(lambda v: v * float(os.environ["THRACE_TEST_SCALE"]), x),
            lambda: os.environ.update(THRACE_TEST_SCALE="4"),
            lambda: os.environ.update(THRACE_TEST_SCALE="2"),
        ),
        "getenv": Guard(
            of(lambda v: v * float(os.getenv("THRACE_TEST_SCALE", "3")), x),
            lambda: os.environ.update(THRACE_TEST_SCALE="4"),
            lambda: os.environ.update(THRACE_TEST_SCALE="2"),
        ),
        "numpy_array": Guard(
            of(lambda v: v * float(array[1]), x),
            lambda: array.__setitem__(1, 4.0),
            lambda: array.__setitem__(1, 2.0),
        ),
        "hyper_parameter_read": Guard(
            of(lambda v: v * optimizer.param_groups[0]["lr"], x),
            lambda: optimizer.param_groups[0].update(lr=4.0),
            lambda: optimizer.param_groups[0].update(lr=2.0),
        ),
        "attribute_appears": Guard(
            of(lambda v: v * getattr(config, "extra", 2.0) + maybe(config), x),
            lambda: setattr(config, "extra", 4.0),
            lambda: config.__dict__.pop("extra", None),
        ),
        "attribute_list": Guard(
            of(lambda v: v * sum(config.items), x),
            lambda: config.items.append(3.0),
            lambda: config.items.pop(),
        ),
        "attribute_dict": Guard(
            of(lambda v: v * config.table["a"], x),
            lambda: config.table.update(a=3.0),
            lambda: config.table.update(a=1.0),
        ),
        "object_as_argument": Guard(
            of(lambda v, c: v * c.bias, x, config),
            lambda: setattr(config, "bias", 20.0),
            lambda: setattr(config, "bias", 1.0),
        ),
        "training": Guard(of(model, thrace.ones(3, 2)), model.eval, model.train),
        "submodule_training": Guard(
            of(lambda v: model(v), thrace.ones(3, 2)), model[1].eval, model[1].train
        ),
        "module_attribute": Guard(
            of(lambda v: norm(v), thrace.ones(3, 2)),
            lambda: (norm.eval(), setattr(norm, "eps", 1.0)),
            lambda: (norm.train(), setattr(norm, "eps", 1e-5)),
        ),
        "dropout_p": Guard(
            of(lambda v: model[1](v), thrace.ones(3, 2)),
            lambda: setattr(model[1], "p", 0.0),
            lambda: setattr(model[1], "p", 1.0),
        ),
        "parameter_replaced": Guard(
            of(lambda v: swap.tensor * v, x),
            lambda: setattr(swap, "tensor", second_tensor),
            lambda: setattr(swap, "tensor", first_tensor),
        ),
        "requires_grad_of_capture": Guard(
            of(lambda v: (v * leaf).requires_grad, x),
            lambda: leaf.requires_grad_(),
            lambda: leaf.requires_grad_(False),
        ),
        "requires_grad_of_argument": Guard(
            sized(lambda: thrace.ones(2, requires_grad=grad[0]), lambda v: (v * 2).requires_grad),
            lambda: grad.__setitem__(0, True),
            lambda: grad.__setitem__(0, False),
        ),
        "shape": Guard(
            sized(lambda: thrace.ones(shape[0]), lambda v: v.sum() * v.shape[0]),
            lambda: shape.__setitem__(0, 5),
            lambda: shape.__setitem__(0, 2),
        ),
        "dtype": Guard(
            sized(lambda: thrace.ones(2, dtype=dtype[0]), lambda v: v * 0.5),
            lambda: dtype.__setitem__(0, thrace.float64),
            lambda: dtype.__setitem__(0, thrace.float32),
        ),
        "default_dtype": Guard(
            of(lambda: thrace.ones(2) * 2),
            lambda: thrace.set_default_dtype(thrace.float64),
            lambda: thrace.set_default_dtype(thrace.float32),
        ),
        "grad_mode": Guard(
            of(lambda: (thrace.ones(2, requires_grad=True) * 2).requires_grad),
            lambda: thrace.set_grad_enabled(False),
            lambda: thrace.set_grad_enabled(True),
        ),
        "default_argument": Guard(
            of(by_default, x),
            lambda: setattr(by_default, "__defaults__", (6.0,)),
            lambda: setattr(by_default, "__defaults__", (2.0,)),
        ),
        "grad_present": Guard(
            of(lambda: thrace.zeros(2) if weight.grad is None else weight.grad * 2),
            lambda: setattr(weight, "grad", thrace.ones(2)),
            lambda: setattr(weight, "grad", None),
        ),
        "capture_shape": Guard(
            of(lambda: GLOBAL_TENSOR.sum()),
            lambda: setattr(GLOBAL_TENSOR, "data", thrace.ones(3)),
            lambda: setattr(GLOBAL_TENSOR, "data", thrace.tensor([5.0])),
        ),
    }


GUARDS = tuple(guards())


def plain(value: Any) -> Any:
    return (value.dtype, value.tolist()) if isinstance(value, thrace.Tensor) else value


@pytest.mark.parametrize("name", GUARDS)
def test_guard(name: str):
    guard = guards()[name]
    compiled = guard.call.compiled  # type: ignore[attr-defined]
    thrace.manual_seed(0)
    try:
        first = plain(guard.call())
        assert plain(guard.call()) == first
        assert len(thrace.explain(compiled).traces) == 1
        guard.change()
        second = plain(guard.call())
        assert second != first
        assert plain(guard.call()) == second
        told = thrace.explain(compiled)
        assert len(told.traces) == 2 and len(told.recompiles) == 1
        assert told.recompiles[0].reason
        guard.restore()
        assert plain(guard.call()) == first
        assert len(thrace.explain(compiled).traces) == 2, thrace.explain(compiled)
        assert not thrace.explain(compiled).fallbacks
    finally:
        guard.restore()


def test_captured_tensors_are_read_again():
    """A captured tensor is an input: neither a write nor another tensor in its place is missed."""
    box: Any = Config()
    box.tensor = thrace.tensor([1.0])
    call = thrace.compile(lambda: box.tensor * 10)
    assert call().item() == 10.0
    box.tensor.fill_(2.0)
    assert call().item() == 20.0
    box.tensor += 1
    assert call().item() == 30.0
    box.tensor = thrace.tensor([7.0])
    assert call().item() == 70.0
    box.tensor.data = thrace.tensor([8.0])
    assert call().item() == 80.0


def test_many_traces_warn_once():
    call = thrace.compile(lambda x, k: x * k)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for k in range(12):
            assert call(thrace.ones(1), float(k)).item() == k
    told = [w for w in caught if w.category is thrace.RecompileWarning]
    assert len(told) == 1 and "argument 1" in str(told[0].message)


# Fallbacks. `keep` counts what happened outside the function.

LOG: list[Any] = []
NUMBERS = iter(range(1_000_000))
TALLY: Counter[str] = Counter()
RECENT: deque[int] = deque(maxlen=2)
HISTORY = np.zeros(3)
OPTIMIZER = thrace.optim.SGD([thrace.ones(1, requires_grad=True)], lr=1.0)
GENERATOR = np.random.default_rng(0)
ARRAY = np.array([1.0, 2.0], np.float32)


def prints(x):
    print("seen")
    return x + 1


def item(x):
    return x * x.sum().item()


def branch(x):
    if x.sum() > 0:
        return x + 1
    return x - 1


def appends(x):
    LOG.append(x.shape[0])
    return x + 1


def keeps_tensor(x):
    LOG.append(x * 2)
    return x + 1


def advances(x):
    return x * next(NUMBERS)


def loops(x):
    for n in NUMBERS:
        return x * n


def counts(x):
    TALLY["calls"] += 1
    return x * TALLY["calls"]


def queues(x):
    RECENT.append(x.shape[0])
    return x * len(RECENT)


def writes_array(x):
    HISTORY[0] += 1
    return x * float(HISTORY[0])


def reads_file(x):
    with open(__file__) as file:
        return x * len(file.readline())


def library_random(x):
    return x * random.randint(1, 1000)


def now(x):
    return x + datetime.datetime.now().year * 0


def sets_rate(x):
    OPTIMIZER.param_groups[0]["lr"] *= 0.5
    return x * OPTIMIZER.param_groups[0]["lr"]


def python_random(x):
    return x * random.random()


def numpy_random(x):
    return x * float(np.random.rand())


def numpy_generator(x):
    return x * GENERATOR.normal()


def clock(x):
    time.time()
    return x + 1


def numpy_data(x):
    return x + thrace.tensor(ARRAY)


def to_numpy(x):
    return thrace.tensor(np.cumsum(x.numpy()))


def to_list(x):
    return x + len(x.tolist())


def masks(x):
    return x[x > 0]


FALLBACKS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "print": (prints, "it prints", 'print("seen")'),
    "item": (item, "tensor's value", "x.sum().item()"),
    "branch": (branch, "tensor's value", "if x.sum() > 0:"),
    "append": (appends, "container that outlives", "LOG.append"),
    "kept_tensor": (keeps_tensor, "container that outlives", "LOG.append"),
    "next": (advances, "iterator", "next(NUMBERS)"),
    "for": (loops, "iterator", "for n in NUMBERS:"),
    "counter": (counts, "changes TALLY", ""),
    "deque": (queues, "container that outlives", "RECENT.append"),
    "array": (writes_array, "changes HISTORY", ""),
    "file": (reads_file, "opens a file or uses one", "open(__file__)"),
    "library_random": (library_random, "random", "random.randint(1, 1000)"),
    "now": (now, "clock", "datetime.datetime.now()"),
    "hyper_parameters": (sets_rate, "hyper-parameters", "OPTIMIZER.param_groups"),
    "python_random": (python_random, "random", "random.random()"),
    "numpy_random": (numpy_random, "random", "np.random.rand()"),
    "numpy_generator": (numpy_generator, "random", "GENERATOR.normal()"),
    "clock": (clock, "clock", "time.time()"),
    "numpy_data": (numpy_data, "NumPy data", "thrace.tensor(ARRAY)"),
    "to_numpy": (to_numpy, "tensor's value", "x.numpy()"),
    "tolist": (to_list, "tensor's value", "x.tolist()"),
    "mask": (masks, "tensor's value", "x[x > 0]"),
}


def reset(seed: int = 0) -> None:
    global NUMBERS, GENERATOR
    LOG.clear()
    TALLY.clear()
    RECENT.clear()
    HISTORY[:] = 0
    OPTIMIZER.param_groups[0]["lr"] = 1.0
    GENERATOR = np.random.default_rng(seed)
    NUMBERS = iter(range(1_000_000))
    random.seed(seed)
    np.random.seed(seed)


def answers(call: Callable[[Any], Any]) -> list[Any]:
    reset()
    out = [call(thrace.full((2,), v)).tolist() for v in (1.0, -2.0, 3.0)]
    return [*out, [v.tolist() if isinstance(v, thrace.Tensor) else v for v in LOG]]


@pytest.mark.parametrize("name", FALLBACKS)
def test_fallback(name: str, capsys: pytest.CaptureFixture[str]):
    fn, reason, line = FALLBACKS[name]
    want = answers(fn)
    shown = capsys.readouterr().out
    compiled = thrace.compile(fn)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert answers(compiled) == want
    assert capsys.readouterr().out == shown
    told = thrace.explain(compiled)
    assert not told.traces
    because = [r for r in told.fallbacks if reason in r.reason]
    assert because, told
    location = because[0].location
    told_where = ""
    if line:
        assert location is not None and location.file == __file__
        assert line in location.text and location.function == fn.__name__
        told_where = f"test_compile.py:{location.line}"
    mine = [w for w in caught if w.category is thrace.FallbackWarning]
    assert len(mine) == 1
    assert reason in str(mine[0].message) and told_where in str(mine[0].message)


def test_iterators_of_the_call_are_no_reason():
    def total(values):
        return sum(v * 2 for v in values)

    @thrace.compile
    def call(x):
        parts = iter([x, x + 1])
        first = next(parts)
        return first + total(v for v in parts) + total(reversed([x * 3]))

    for i in range(3):
        x = thrace.full((1,), float(i))
        assert call(x).item() == i + 2 * (i + 1) + 6 * i
    assert not thrace.explain(call).fallbacks


@pytest.mark.parametrize("name", FALLBACKS)
def test_fullgraph_refuses(name: str, capsys: pytest.CaptureFixture[str]):
    fn, reason, _ = FALLBACKS[name]
    reset()
    with pytest.raises(thrace.FallbackError, match=reason):
        thrace.compile(fn, fullgraph=True)(thrace.ones(2))
    capsys.readouterr()


def test_fallbacks_are_said_once():
    """Whatever the arguments, the same reason at the same line is told once."""

    @thrace.compile
    def look(x, i):
        return x * x.sum().item() + i

    @thrace.compile
    def changes(x):
        return x.requires_grad_(False)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(20):
            assert look(thrace.ones(2), i).tolist() == [2.0 + i] * 2
            assert not changes(thrace.ones(2, requires_grad=True)).requires_grad
    assert len(caught) == 2
    assert len(thrace.explain(look).fallbacks) == len(thrace.explain(changes).fallbacks) == 1


def test_a_fallback_belongs_to_its_signature():
    """Another signature of the same function may still be replayed."""

    @thrace.compile
    def maybe(x, look):
        return x * x.sum().item() if look else x * 2

    with pytest.warns(thrace.FallbackWarning):
        assert maybe(thrace.ones(2), True).tolist() == [2.0, 2.0]
    for _ in range(3):
        assert maybe(thrace.full((2,), 3.0), False).tolist() == [6.0, 6.0]
        assert maybe(thrace.full((2,), 3.0), True).tolist() == [18.0, 18.0]
    told = thrace.explain(maybe)
    assert len(told.traces) == 1 and told.traces[0].calls == 3


def test_containers_that_are_returned_are_no_reason():
    """Lists and dictionaries filled in the call belong to its result, if nobody else has them."""

    @thrace.compile
    def collects(x):
        out, table = [], {}
        for i in range(2):
            out.append(x * i)
        table.setdefault("parts", out)
        table.update(x=x + 1)
        return table

    for i in range(3):
        got = collects(thrace.full((2,), float(i)))
        assert [p.tolist() for p in got["parts"]] == [[0.0] * 2, [float(i)] * 2]
    assert not thrace.explain(collects).fallbacks

    @thrace.compile
    def leaks(x):
        LOG.append(x.shape[0])
        return LOG

    with pytest.warns(thrace.FallbackWarning, match="container that outlives"):
        leaks(thrace.ones(2))


def test_a_local_list_is_no_reason():
    @thrace.compile
    def collects(x):
        parts, table = [], {}
        for i in range(3):
            parts.append(x * i)
            table[i] = parts[-1]
        table.update(last=x)
        return thrace.stack(parts).sum(0) + table["last"]

    for _ in range(2):
        assert collects(thrace.ones(2)).tolist() == [4.0, 4.0]
    assert not thrace.explain(collects).fallbacks


# Exceptions


def test_exception_leaves_earlier_writes():
    """As uncompiled: what was written before the error stays, and the function still works."""
    total = thrace.zeros(2)
    fail = [True]

    @thrace.compile
    def step(x):
        total.add_(x)
        if fail[0]:
            raise KeyError("stop")
        total.add_(x)
        return total * 1

    with pytest.raises(KeyError, match="stop"):
        step(thrace.ones(2))
    assert total.tolist() == [1.0, 1.0]
    fail[0] = False
    assert step(thrace.ones(2)).tolist() == [3.0, 3.0]
    assert step(thrace.ones(2)).tolist() == [5.0, 5.0]
    assert len(thrace.explain(step).traces) == 1
    fail[0] = True
    with pytest.raises(KeyError, match="stop"):
        step(thrace.ones(2))
    assert total.tolist() == [6.0, 6.0]


def test_a_replay_reads_what_a_failed_run_left_pending():
    total = thrace.zeros(2)

    @thrace.compile
    def step(x, fail):
        total.add_(x)
        if fail:
            raise KeyError("stop")
        return total * 2

    step(thrace.ones(2), False)
    with pytest.raises(KeyError, match="stop"):
        step(thrace.ones(2), True)
    assert step(thrace.ones(2), False).tolist() == [6.0, 6.0]  # nobody looked in between
    assert total.tolist() == [3.0, 3.0]
    assert len(thrace.explain(step).traces) == 1


def test_exception_inside_restores_modes():
    @thrace.compile
    def broken(x):
        with thrace.no_grad():
            return x + thrace.ones(5)

    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"add: shapes \(2,\) and \(5,\)"):
            broken(thrace.ones(2))
        assert thrace.is_grad_enabled()
        y = thrace.ones(2, requires_grad=True) * 2
        assert y.requires_grad and y.tolist() == [2.0, 2.0]


# Backward outside


def test_backward_outside():
    weight = thrace.tensor([1.0, 2.0, 3.0], requires_grad=True)
    call = thrace.compile(lambda x: (x * weight).sin().sum())
    reference = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    for i in range(3):
        a = np.linspace(0, 1 + i, 3, dtype=np.float32)
        x, rx = thrace.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        out, want = call(x), (rx * reference).sin().sum()
        assert out.requires_grad and out.grad_fn is not None
        (out * 2).backward()
        (want * 2).backward()
        same_numbers([out.detach(), x.grad, weight.grad], [want.detach(), rx.grad, reference.grad])
        with pytest.raises(RuntimeError, match="second time"):
            out.backward()
    assert len(thrace.explain(call).traces) == 1


def test_history_of_arguments_flows_through():
    call = thrace.compile(lambda v: v * v)
    results = []
    for library, fn in ((torch, lambda v: v * v), (thrace, call)):
        x = library.tensor([1.0, 2.0], requires_grad=True)
        h = (x * 3).exp()
        for _ in range(2):
            h = fn(h) * 0.01
        h.sum().backward()
        results.append(x.grad)
    same_numbers(results[1], results[0])


def test_double_backward_outside():
    call = thrace.compile(lambda v: (v**3).sum())
    results = []
    for library, fn in ((torch, lambda v: (v**3).sum()), (thrace, call)):
        x = library.tensor([1.0, 2.0], requires_grad=True)
        (g,) = library.autograd.grad(fn(x), x, create_graph=True)
        (g * g).sum().backward()
        results.append([g.detach(), x.grad])
    same_numbers(results[1], results[0])


def test_no_grad_results_have_no_history():
    weight = thrace.ones(2, requires_grad=True)

    @thrace.compile
    @thrace.no_grad()
    def call(x):
        return x * weight

    for _ in range(2):
        assert not call(thrace.ones(2)).requires_grad
    plain_call = thrace.compile(lambda x: x * weight)
    with thrace.no_grad():
        assert not plain_call(thrace.ones(2)).requires_grad
    assert plain_call(thrace.ones(2)).requires_grad


def test_explain_reads():
    weight = thrace.ones(2, requires_grad=True)
    call = thrace.compile(lambda x: x * weight)
    call(thrace.ones(2))
    call(thrace.ones(2))
    told = thrace.explain(call)
    (trace,) = told.traces
    assert trace.calls == 2
    assert trace.captures == ("weight",)
    assert trace.executable in told.executables
    assert "mul" in str(trace.graph)
    assert "1 traces, 1 executables, 0 fallbacks, 0 recompiles" in str(told)
