"""`thrace.trace`: graphs of functions, modules and whole training steps, without data.

What a graph computes is compared with PyTorch running the same code; a function takes the
library as its first argument.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from nn_oracle import array, close
from processes import run
from programs import assert_same
from training import TASKS, Task, Training, initial_state

import thrace
from thrace import nn, spec
from thrace.ir import Graph
from thrace.ir.interpret import interpret
from thrace.ir.source import resolve
from thrace.runtime import compile_graph, to_numpy

# Names and types of what goes in and comes out.


class Model(nn.Module):
    scale: Any

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.register_buffer("scale", thrace.ones(2))

    def forward(self, x: Any, *, shift: Any = 0) -> Any:
        return self.fc(x) * self.scale + shift


MODEL = Model()
LIST = [thrace.ones(2), thrace.zeros(2)]
WEIGHT = thrace.ones(3, requires_grad=True)


def add_into(x: Any, y: Any) -> None:
    x[0] += y


def gradient_left_behind(x: Any) -> Any:
    loss = (x * WEIGHT).sum()
    loss.backward()
    return loss


class Named(NamedTuple):
    """A function, its arguments, and the graph's inputs and outputs as `name: type`."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: str
    outputs: str


NAMED = {
    "specs": Named(
        lambda x, y: x @ y, (spec("f32[2,3]"), spec("f32[3]")), {}, "x: f32[2,3], y: f32[3]",
        "out: f32[2]",
    ),
    "example_tensors": Named(
        lambda x, n: x * n, (thrace.ones(2, dtype=thrace.float64), thrace.tensor([1, 2])), {},
        "x: f64[2], n: i64[2]", "out: f64[2]",
    ),
    "containers": Named(
        lambda batch, k: {"sum": batch["a"] + batch["b"][0] * k, "all": [batch["a"].sum()]},
        ({"a": spec("f32[4,3]"), "b": [spec("f32[3]")]}, 2), {},
        "batch_0: f32[4,3], batch_1: f32[3]", "out0: f32[4,3], out1: f32[]",
    ),
    "star_and_keyword": Named(
        lambda *xs, last: xs[0] + xs[1] + last, (spec("f32[2]"), spec("f32[2]")),
        {"last": spec("f32[]")}, "xs_0: f32[2], xs_1: f32[2], last: f32[]", "out: f32[2]",
    ),
    "module": Named(
        MODEL, (spec("f32[5,3]"),), {},
        "x: f32[5,3], fc.bias: f32[2], fc.weight: f32[2,3], scale: f32[2]", "out: f32[5,2]",
    ),
    "method_and_keyword": Named(
        MODEL.forward, (spec("f32[3]"),), {"shift": spec("f32[]")},
        "x: f32[3], shift: f32[], fc.bias: f32[2], fc.weight: f32[2,3], scale: f32[2]",
        "out: f32[2]",
    ),
    "written_argument": Named(
        add_into, (spec("f32[2,3]"), spec("f32[3]")), {}, "x: f32[2,3], y: f32[3]",
        "x.new: f32[2,3]",
    ),
    "gradient": Named(
        gradient_left_behind, (spec("f32[3]"),), {}, "x: f32[3], WEIGHT: f32[3]",
        "out: f32[], WEIGHT.grad: f32[3]",
    ),
    "random": Named(
        lambda x: x + thrace.rand(2), (spec("f32[2]"),), {}, "x: f32[2], generator: u64[2]",
        "out: f32[2], generator.new: u64[2]",
    ),
    "unused_argument": Named(
        lambda x, y: x * 2, (spec("f32[2]"), spec("i64[]")), {}, "x: f32[2], y: i64[]",
        "out: f32[2]",
    ),
}  # fmt: skip


def listed(names: Any, types: Any) -> list[str]:
    return [f"{n}: {t}" for n, t in zip(names, types, strict=True)]


@pytest.mark.parametrize("case", NAMED.values(), ids=NAMED)
def test_inputs_and_outputs_have_the_users_names(case: Named):
    graph = thrace.trace(case.fn, *case.args, **case.kwargs).verify()
    # In which order a function first reads its parameters is its own business.
    given = len(re.findall(r"f32|f64|i64", str((case.args, case.kwargs))))
    inputs, expected = listed(graph.input_names, graph.input_types), case.inputs.split(", ")
    assert inputs[:given] == expected[:given]
    assert sorted(inputs) == sorted(expected)
    assert listed(graph.output_names, graph.output_types) == case.outputs.split(", ")


def test_leaves_are_marked():
    graph = thrace.trace(MODEL, spec("f32[5,3]"))
    marked = {n for n, m in zip(graph.input_names, graph.requires_grad, strict=True) if m}
    assert marked == {"fc.weight", "fc.bias"}
    graph = thrace.trace(lambda x, y: x * y, spec("f32[2]", requires_grad=True), spec("f32[2]"))
    assert graph.requires_grad == (True, False)


def test_a_compiled_function_is_traced_as_the_function():
    def fn(x: Any) -> Any:
        return x.sin() * 2

    graphs = [thrace.trace(f, spec("f32[2]")) for f in (fn, thrace.compile(fn))]
    assert_same(*graphs)


def test_nodes_know_their_line_and_scope():
    graph = thrace.trace(MODEL, spec("f32[5,3]"))
    (product,) = [n for n in graph if n.op.name == "dot_general"]
    assert product.scope is not None
    assert [s.name for s in product.scope.chain()][:2] == ["Model", "fc"]
    place = resolve(product.loc)
    assert place is not None
    assert place.file == __file__ and place.function == "forward"
    assert place.text == "return self.fc(x) * self.scale + shift"
    causes = [resolve(n.cause) for n in graph.backward() if n.op.name == "dot_general"]
    assert causes[-1] == place


# What the graphs compute.


def straight(lib: Any, x: Any, w: Any) -> Any:
    return (lib.tanh(x @ w) * lib.sigmoid(x).sum(1, keepdim=True)).mean()


def several_outputs(lib: Any, x: Any, y: Any) -> Any:
    return x * y, (x + 1).exp().sum(0), (y > 0)


def views_written(lib: Any, x: Any, y: Any) -> Any:
    z = x * 1
    z[0] = z[1].clone() * y
    z.t()[2].mul_(3)
    z.view(-1)[::2] += y[0]
    return (z * z).sum()


def detached(lib: Any, x: Any, y: Any) -> Any:
    peak = x.detach().amax(1, keepdim=True)
    shared = (x * y).detach()
    return ((x - peak).exp() * shared + y).sum()


def without_grad(lib: Any, x: Any, y: Any) -> Any:
    z = x * y
    with lib.no_grad():
        factor = (z * x).sum()
        z2 = z * 2
        with lib.enable_grad():
            z2 = z2 + y
    return (z * factor + z2).sum()


def written_without_grad(lib: Any, x: Any, y: Any) -> Any:
    z = x * y
    with lib.no_grad():
        z *= 3
    z.detach()[0] = 2
    return (z * z).sum()


def inner_gradient(lib: Any, x: Any, y: Any) -> Any:
    z = x * 1
    z = z if z.requires_grad else z.requires_grad_()
    (g,) = lib.autograd.grad((z**3 * y).sum(), z, create_graph=True)
    return (g * g * y).sum()


def other_histories_out(lib: Any, x: Any, y: Any) -> Any:
    z = x * y
    with lib.no_grad():
        z *= 3
    return z, x.detach() * 2, z.detach(), y + 0


def indexed(lib: Any, x: Any, y: Any) -> Any:
    rows = lib.tensor([1, 0, 1])
    return (x[rows] * y).sum() + x.gather(1, rows.view(1, 3)).sum() + y.cumsum(0).prod()


def branches(lib: Any, x: Any, y: Any) -> Any:
    z = lib.where(x > 0, x * y, x.abs().sqrt())
    return lib.cat([z, y.expand(1, 3), x.flip(0)]).clamp(-1, 1).sum()


def losses(lib: Any, x: Any, y: Any) -> Any:
    f = lib.nn.functional
    x = f.layer_norm(x, (3,), y)
    return f.cross_entropy(x, lib.tensor([2, 0])) + f.gelu(x).sum() + f.softmax(x, -1)[0, 1]


def convolved(lib: Any, x: Any, w: Any) -> Any:
    f = lib.nn.functional
    return (f.max_pool2d(f.conv2d(x, w, padding=1).relu(), 2) ** 2).sum()


PAIR = ((2, 3), (3,))
FUNCTIONS: tuple[tuple[Callable[..., Any], tuple[tuple[int, ...], ...]], ...] = (
    (straight, ((4, 3), (3, 2))),
    *((fn, PAIR) for fn in (several_outputs, views_written, detached, without_grad)),
    *(
        (fn, PAIR)
        for fn in (
            written_without_grad,
            other_histories_out,
            inner_gradient,
            indexed,
            branches,
            losses,
        )
    ),
    (convolved, ((2, 2, 6, 6), (3, 2, 3, 3))),
)


def from_pytorch(fn: Callable[..., Any], arrays: list[np.ndarray]) -> list[np.ndarray]:
    """PyTorch's outputs, and the gradients that cotangents drawn by `cotangent` give."""
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    got = fn(torch, *leaves)
    outs = got if isinstance(got, tuple) else (got,)
    tracked = [o for o in outs if o.requires_grad]
    seeds = None
    if len(tracked) > 1:
        seeds = [torch.from_numpy(cotangent(tuple(o.shape), i)) for i, o in enumerate(tracked)]
    gradients = torch.autograd.grad(tracked, leaves, seeds, materialize_grads=True)
    return [t.detach().numpy() for t in (*outs, *gradients)]


def cotangent(shape: tuple[int, ...], i: int) -> np.ndarray:
    return array(*shape, seed=500 + i)


def traced(fn: Callable[..., Any], arrays: list[np.ndarray]) -> Graph:
    specs = [spec(f"f32{list(a.shape)}".replace(" ", "")) for a in arrays]
    return thrace.trace(functools.partial(fn, thrace), *specs)


@pytest.mark.parametrize(("fn", "shapes"), FUNCTIONS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_backward_graph_gives_pytorchs_gradients(fn: Any, shapes: Any):
    arrays = [array(*s, seed=i) for i, s in enumerate(shapes)]
    expected = from_pytorch(fn, arrays)
    backward = traced(fn, arrays).verify().backward().verify()
    seeds = backward.input_types[len(arrays) :]
    args = [*arrays, *(cotangent(t.shape, i) for i, t in enumerate(seeds))]
    exe = compile_graph(backward)
    for got in (
        interpret(backward, args),
        interpret(backward.optimize(), args),
        [to_numpy(a) for a in exe(args)],
    ):
        for g, e in zip(got, expected, strict=True):
            close(g, e)


class Scaled(thrace.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Any) -> Any:
        ctx.save_for_backward(a)
        return a * 2

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * ctx.saved_tensors[0] * 100


def test_a_custom_function_is_traced_with_the_backward_that_is_called():
    def step(x: Any) -> Any:
        (g,) = thrace.autograd.grad(Scaled.apply(x * 3).sum(), x)
        return g

    graph = thrace.trace(step, spec("f32[2]", requires_grad=True))
    (got,) = interpret(graph, [np.array([1, -2], "float32")])
    np.testing.assert_array_equal(got, [900, -1800])  # 100 * 3x * 3


@pytest.mark.parametrize("last", (lambda y: y, lambda y: y.sum()), ids=("itself", "behind"))
def test_a_graph_does_not_guess_a_custom_gradient(last: Callable[[Any], Any]):
    graph = thrace.trace(lambda x: last(Scaled.apply(x * 3)), spec("f32[2]"))
    x = np.array([1, -2], "float32")
    np.testing.assert_array_equal(interpret(brought_back(graph), [x])[0], last(x * 6))
    np.testing.assert_array_equal(compile_graph(graph)([x])[0], last(x * 6))
    with pytest.raises(thrace.AutogradError, match=r"Scaled, an autograd\.Function"):
        graph.backward()


def test_data_made_inside_is_part_of_the_graph():
    def fn(x: Any) -> Any:
        return x * thrace.tensor([1.0, 2.0]), thrace.tensor(range(40))

    graph = brought_back(thrace.trace(fn, spec("f32[2]")).verify())
    assert graph.input_names == ("x",)
    product, numbers = interpret(graph, [np.array([3, 4], "float32")])
    np.testing.assert_array_equal(product, [3, 8])
    np.testing.assert_array_equal(numbers, range(40))


@pytest.mark.parametrize(("fn", "shapes"), FUNCTIONS, ids=lambda v: getattr(v, "__name__", ""))
def test_text_and_json_bring_graphs_back(fn: Any, shapes: Any):
    graph = traced(fn, [array(*s) for s in shapes])
    for g in (graph, graph.backward()):
        brought_back(g)


def brought_back(graph: Graph) -> Graph:
    """The graph from its text, found equal to the graph and to what JSON gives."""
    text = graph.to_text()
    back = Graph.from_text(text).verify()
    assert_same(back, graph)
    assert back.to_text() == text
    assert_same(Graph.from_json(graph.to_json()).verify(), graph)
    return back


# Whole training steps.


def arguments(graph: Graph, training: Training, state: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What the inputs of a traced step are at the first step, by their names."""
    x, y = training.task.batch(0)
    group = training.opt.param_groups[0]
    known: dict[str, Any] = {"x": x, "y": y, **state}
    known |= {k: np.float64(v) for k, v in group.items() if isinstance(v, float)}
    if "betas" in group:
        known["betas"], known["betas_1"] = map(np.float64, group["betas"])
    out = []
    for name, t in zip(graph.input_names, graph.input_types, strict=True):
        if name not in known:
            assert name.endswith((".momentum_buffer", ".exp_avg", ".exp_avg_sq", ".step"))
        out.append(np.asarray(known.get(name, np.zeros(t.shape)), t.dtype.np))
    return out


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_a_traced_training_step_computes_pytorchs(task: Task):
    state = initial_state(task)
    mine, reference = Training(task, thrace, state), Training(task, torch, state)
    loss = reference.run(0)
    expected = reference.state()
    specs = [thrace.tensor(a) for a in task.batch(0)]
    graph = thrace.trace(mine.step, *specs).verify()
    assert {n.phase for n in graph} == {"forward", "backward", "optimizer"}
    args = arguments(graph, mine, state)
    for g in (graph, brought_back(graph), graph.optimize()):
        got = dict(zip(g.output_names, interpret(g, args), strict=True))
        np.testing.assert_allclose(got.pop("out"), loss, rtol=1e-5)
        seen = set()
        for name, value in got.items():
            key = name.removesuffix(".new")
            if key in expected:
                seen.add(key)
                close(value, expected[key], 1e-4)
        # The rest of PyTorch's state belongs to the optimizer: numbers, not names.
        assert {k for k in expected if not k[0].isdigit() or k in state} <= seen | set(state)
        assert {n for n in seen if n.endswith(".grad")} == {
            f"{n}.grad" for n, _ in mine.model.named_parameters()
        }


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
@pytest.mark.parametrize("steps_before", (0, 2))
def test_tracing_a_training_step_changes_nothing(task: Task, steps_before: int):
    mine = Training(task, thrace, initial_state(task))
    for i in range(steps_before):
        mine.run(i)
    before = everything(mine)
    graph = thrace.trace(mine.step, *map(thrace.tensor, task.batch(0)))
    assert len(graph) > 50
    after = everything(mine)
    assert after.pop("objects") == before.pop("objects")
    assert repr(after) == repr(before)
    # And it trains on as if nothing had been.
    other = Training(task, thrace, initial_state(task))
    for i in range(steps_before):
        other.run(i)
    assert mine.run(5) == other.run(5)


def everything(training: Training) -> dict[str, Any]:
    """Numbers and Python state of a training, and which objects hold them."""
    model, opt = training.model, training.opt
    tensors = [*model.state_dict().values(), *(p.grad for p in model.parameters())]
    return {
        "tensors": [t if t is None else t.tolist() for t in tensors],
        "requires_grad": [p.requires_grad and p.is_leaf for p in model.parameters()],
        "state": opt.state_dict(),
        "schedule": training.schedule.state_dict(),
        "objects": [
            *(id(p) for p in model.parameters()),
            *(id(p.grad) for p in model.parameters()),
            *(id(t) for entry in opt.state.values() for t in entry.values()),
        ],
    }


def test_tracing_changes_neither_arguments_nor_the_generator():
    x = thrace.ones(2, 3)
    thrace.manual_seed(3)
    drawn = thrace.rand(3).tolist()
    thrace.manual_seed(3)

    def fn(x: Any) -> Any:
        x.mul_(2)
        return nn.functional.dropout(x) + thrace.randn(3)

    thrace.trace(fn, x)
    assert x.tolist() == [[1.0] * 3] * 2
    assert thrace.rand(3).tolist() == drawn


def test_a_tensor_that_got_out_says_that_it_has_no_data():
    kept: list[Any] = []

    def fn(x: Any) -> Any:
        kept.append(x * 2)
        return x

    thrace.trace(fn, spec("f32[2]"))
    assert "f32[2]" in repr(kept[0])
    for look in (thrace.Tensor.tolist, lambda t: (t + 1).tolist()):
        with pytest.raises(thrace.DataDependentError, match="traced without data"):
            look(kept[0])


# Code that needs data.


def a_branch(x: Any) -> Any:
    if x.sum() > 0:  # here
        return x
    return -x


def a_loop(x: Any) -> Any:
    while (x < 3).all():  # here
        x = x + 1
    return x


def a_number(x: Any) -> Any:
    return x * x.amax().item()  # here


def a_list(x: Any) -> Any:
    return x * x.tolist()[0]  # here


def an_index(x: Any) -> Any:
    return x[: int(x.sum())]  # here


def a_mask(x: Any) -> Any:
    return x[x > 0]  # here


def places(x: Any) -> Any:
    return x.nonzero()  # here


def a_parameter(x: Any) -> Any:
    return x * float(WEIGHT.sum())  # here


def a_module_function(x: Any) -> Any:
    def scaled(x: Any) -> Any:
        return x / float(x.norm())  # here

    return scaled(x * 2)


def an_array(x: Any) -> Any:
    return thrace.tensor(x.detach().numpy())  # here


NEED_DATA = (
    *(a_branch, a_loop, a_number, a_list, an_index, a_mask, places, a_parameter),
    *(a_module_function, an_array),
)


@pytest.mark.parametrize("fn", NEED_DATA)
def test_code_that_needs_a_value_is_refused_at_its_line(fn: Callable[..., Any]):
    lines, first = inspect.getsourcelines(fn)
    (at,) = [i for i, text in enumerate(lines) if text.rstrip().endswith("# here")]
    place = f"{Path(__file__).name}:{first + at} in "
    with pytest.raises(thrace.DataDependentError, match=re.escape(place)) as caught:
        thrace.trace(fn, spec("f32[3]"))
    assert lines[at].strip() in str(caught.value)
    # The next one is not the worse for it.
    assert len(thrace.trace(lambda x: x * 2, spec("f32[3]"))) == 1


def test_numbers_that_hang_on_no_input_are_no_data():
    graph = thrace.trace(lambda x: x * int(thrace.ones(3).sum()), spec("f32[2]"))
    np.testing.assert_array_equal(interpret(graph, [np.ones(2, "float32")])[0], [3, 3])


def test_shape_errors_come_from_the_users_line():
    with pytest.raises(thrace.ShapeError, match=r"test_tracing.py:\d+ in .*\n?.*") as caught:
        thrace.trace(lambda x, y: x + y, spec("f32[2,3]"), spec("f32[4]"))
    assert "(2, 3)" in str(caught.value) and "(4,)" in str(caught.value)


@pytest.mark.parametrize("text", ("f32", "f33[2]", "f32[2", "[2]", "f32[-1]"))
def test_a_spec_that_is_no_type_is_refused(text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        spec(text)


def test_a_function_without_tensors_to_return_is_refused():
    with pytest.raises(RuntimeError, match="returned no tensor and wrote to none"):
        thrace.trace(lambda x: None, spec("f32[2]"))


# Pictures, and what is imported for all this.


def test_pictures_show_modules_and_phases():
    training = Training(TASKS[0], thrace, initial_state(TASKS[0]))
    step = thrace.trace(training.step, *map(thrace.tensor, TASKS[0].batch(0)))
    net = thrace.trace(training.model, spec("f32[4,1,8,8]"))
    for graph, phases in ((step, ["backward", "optimizer"]), (net.backward(), ["backward"])):
        dot = graph.to_dot(fold=False)
        assert dot.startswith("digraph") and dot.rstrip().endswith("}")
        assert dot.count("{") == dot.count("}")
        for name in ("conv1", "norm2", "batch_norm", "max_pool2d", *phases):
            assert re.search(rf'label="?<?[^"]*{name}', dot), name
        assert len(graph.to_dot(depth=1)) < len(dot)


WITHOUT_JAX = """
import sys
import thrace
from thrace import nn, optim
from thrace.ir.interpret import interpret

model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(),
                      nn.Dropout(), nn.Linear(8, 2))
opt = optim.AdamW(model.parameters())

def step(x, y):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    opt.step()
    return loss

x, y = thrace.spec("f32[2,1,4,4]"), thrace.spec("i64[2]")
graph = thrace.trace(step, x, y)
back = thrace.Graph.from_text(str(graph)).verify().optimize()
thrace.Graph.from_json(back.to_json()).to_dot()
print(thrace.trace(model, x).backward())
assert not [name for name in sys.modules if name.split(".")[0] in ("jax", "jaxlib")]
"""


def test_tracing_differentiating_and_printing_do_not_import_jax(tmp_path: Path):
    assert "grad_5.weight" in run(sys.executable, "-c", WITHOUT_JAX, cwd=tmp_path)


def test_history_that_makes_no_data_is_in_the_graph():
    """A write through `detach` puts other data under a value's history: gradients still flow
    through what was overwritten, in a traced graph and in a compiled function."""

    def overwritten(x, z):
        y = x * 3 + 1
        y.detach().copy_(z)
        return (y * 2).sum()

    spec = thrace.spec("f32[3]", requires_grad=True)
    graph = thrace.trace(overwritten, spec, thrace.spec("f32[3]")).backward()
    x, z = np.ones(3, np.float32), np.full(3, 5, np.float32)
    out, grad = interpret(graph, [x, z])
    assert out == 30
    np.testing.assert_array_equal(grad, [6, 6, 6])
    compiled = thrace.compile(overwritten)
    for _ in range(2):
        t = thrace.tensor(x, requires_grad=True)
        compiled(t, thrace.tensor(z)).backward()
        assert t.grad is not None and t.grad.tolist() == [6, 6, 6]


def test_a_spec_may_be_marked_as_requiring_grad():
    marked = spec("f32[2] grad")
    assert marked.requires_grad and str(marked) == "thrace.spec('f32[2] grad')"
    assert thrace.trace(lambda x: x * 2, marked).requires_grad == (True,)
    for refused in (lambda: spec("i64[2] grad"), lambda: spec("i64[2]", requires_grad=True)):
        with pytest.raises(ValueError, match="has no gradient"):
            refused()
