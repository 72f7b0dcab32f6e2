"""Backward graphs against finite differences in float64, first and second order.

A graph's derivative along a direction, by central differences of the interpreted graph, is
compared with what its backward graph says for random cotangents. The second order is the
same test of the backward graph itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from programs import INNER, PROGRAMS, Program

from thrace.ir import Builder, Graph, Value
from thrace.ir.errors import AutogradError
from thrace.ir.grad import call_gradient
from thrace.ir.interpret import interpret
from thrace.ir.types import TensorType, float64, parse_type

STEP = 1e-5
Arrays = list[np.ndarray]


def is_inexact(t: TensorType) -> bool:
    return t.dtype.is_floating_point or t.dtype.is_complex


def drawn(t: TensorType, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=t.shape)
    if t.dtype.is_complex:
        x = x + 1j * rng.normal(size=t.shape)
    return np.asarray(x, t.dtype.np)


def dot(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """The real inner product, in which PyTorch's complex gradients are gradients."""
    return float(sum(np.real(np.vdot(x, y)) for x, y in zip(a, b, strict=True)))


def check_gradient(graph: Graph, args: Arrays, seed: int = 0, rtol: float = 1e-6) -> Graph:
    """Compare `graph.backward()` with finite differences; returns the backward graph."""
    rng = np.random.default_rng(seed)
    backward = graph.backward().verify()
    assert backward.output_types[: len(graph.outputs)] == graph.output_types
    extra = backward.input_names[len(graph.inputs) :]
    cotangents = [drawn(t, rng) for t in backward.input_types[len(graph.inputs) :]]
    results = interpret(backward, [*args, *cotangents])
    for got, expected in zip(results, interpret(graph, args), strict=False):
        np.testing.assert_array_equal(got, expected)
    gradients = results[len(graph.outputs) :]
    chosen = [i for i, t in enumerate(graph.input_types) if is_inexact(t)]
    assert len(gradients) == len(chosen)
    # What the outputs are weighted by: a lone real scalar is differentiated as it is.
    weights: dict[int, np.ndarray] = {}
    left = list(zip(extra, cotangents, strict=True))
    for i, (name, t) in enumerate(zip(graph.output_names, graph.output_types, strict=True)):
        if is_inexact(t) and not extra:
            weights[i] = np.ones(())
        elif left and re.fullmatch(rf"grad_{name}(_\d+)?", left[0][0]):
            weights[i] = left.pop(0)[1]
    assert not left
    direction = [drawn(graph.inputs[i].type, rng) for i in chosen]

    def moved(by: float) -> float:
        at = list(args)
        for i, d in zip(chosen, direction, strict=True):
            at[i] = args[i] + by * d
        outs = interpret(graph, at)
        return dot(list(weights.values()), [outs[i] for i in weights])

    expected = (moved(STEP) - moved(-STEP)) / (2 * STEP)
    np.testing.assert_allclose(dot(gradients, direction), expected, rtol=rtol, atol=1e-8)
    return backward


def widened(graph: Graph) -> Graph:
    """Without the outputs whose own precision would hide the derivative."""
    keep = [
        (v, n)
        for v, n in zip(graph.outputs, graph.output_names, strict=True)
        if v.type.dtype.itemsize >= 8 or not is_inexact(v.type)
    ]
    return Graph(
        *(graph.inputs, graph.nodes, [v for v, _ in keep]),
        name=graph.name,
        input_names=graph.input_names,
        output_names=[n for _, n in keep],
        requires_grad=graph.requires_grad,
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_matches_finite_differences(program: Program, seed: int):
    check_gradient(widened(program.graph()), program.arguments(seed), seed)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_second_order_matches_finite_differences(program: Program):
    rng = np.random.default_rng(1)
    graph = widened(program.graph())
    backward = graph.backward()
    args = program.arguments()
    args += [drawn(t, rng) for t in backward.input_types[len(args) :]]
    check_gradient(backward, args, rtol=1e-5)


@pytest.mark.parametrize("name", ["elementwise", "call", "call_of_call", "powers"])
def test_third_order_matches_finite_differences(name: str):
    (program,) = [p for p in PROGRAMS if p.name == name]
    rng = np.random.default_rng(2)
    twice = program.graph().backward().backward()
    args = program.arguments()
    args += [drawn(t, rng) for t in twice.input_types[len(args) :]]
    check_gradient(twice, args, rtol=1e-4)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_optimized_graphs_have_the_same_gradient(program: Program):
    check_gradient(widened(program.graph()).optimize(), program.arguments())


def scalar_program(build, inputs: tuple[str, ...] = ("f64[3]",)) -> Graph:
    return Program("p", inputs, build).graph()


def inlined(graph: Graph) -> Graph:
    """The graph with its calls replaced by what they call."""
    b = Builder()
    inputs = [Value(v.type) for v in graph.inputs]

    def run(g: Graph, values: Sequence[Value]) -> list[Value]:
        env: dict = dict(zip(g.inputs, values, strict=True))
        for node in g.nodes:
            operands = tuple(env[o] if isinstance(o, Value) else o for o in node.operands)
            if node.op.name == "call":
                made = run(node.attrs[0], operands)  # type: ignore[arg-type]
            else:
                b.emit(node.op, operands, node.attrs)
                made = b.nodes[-1].outputs
            env.update(zip(node.outputs, made, strict=True))
        return [env[v] for v in g.outputs]

    return b.finish(inputs, run(graph, inputs), input_names=graph.input_names)


@pytest.mark.parametrize("name", [p.name for p in PROGRAMS if "call" in p.name])
@pytest.mark.parametrize("order", [1, 2])
def test_calls_have_the_gradient_of_what_they_call(name: str, order: int):
    (program,) = [p for p in PROGRAMS if p.name == name]
    called, flat = program.graph(), inlined(program.graph())
    for _ in range(order):
        called, flat = called.backward(), flat.backward()
    assert called.output_names == flat.output_names
    rng = np.random.default_rng(3)
    args = program.arguments()
    args += [drawn(t, rng) for t in called.input_types[len(args) :]]
    for got, expected in zip(interpret(called, args), interpret(flat, args), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_a_call_is_differentiated_as_one_call():
    (program,) = [p for p in PROGRAMS if p.name == "call_one_output"]
    backward = program.graph().backward()
    calls = [n for n in backward.nodes if n.op.name == "call"]
    assert [n.attrs[0].name for n in calls] == ["inner", "inner_backward"]
    assert calls[1].scope is not None and calls[1].phase == "backward"


def test_the_gradient_of_a_call_reads_what_the_call_gave():
    grad, sources, targets = call_gradient(INNER, (False, False, True, False), (True, True))
    assert targets == (0, 1)
    assert ("out", 2) in sources and ("cot", 2) in sources and ("cot", 0) not in sources
    assert not any(n.op.name == "exp" for n in grad.nodes)  # its result was handed in
    assert call_gradient(INNER, (False, False, True, False), (True, True))[0] is grad


def test_a_call_without_a_needed_input_makes_no_gradient_node():
    inner = scalar_program(lambda b, x: b.convert(b.gt(x, 0), float64))
    g = scalar_program(lambda b, x: (b.call(x, graph=inner)[0], b.mul(x, x)))
    backward = g.backward()
    assert sum(n.op.name == "call" for n in backward.nodes) == 1
    check_gradient(g, [np.array([0.5, -1.5, 2.0])])


def test_an_input_nobody_reads_has_a_gradient_of_zeros():
    g = scalar_program(lambda b, x, y: b.sum(b.mul(x, x), (0,)), ("f64[3]", "f64[2]"))
    _, dx, dy = interpret(g.backward(), [np.array([1.0, 2.0, 3.0]), np.ones(2)])
    np.testing.assert_array_equal(dx, [2, 4, 6])
    np.testing.assert_array_equal(dy, [0, 0])


def test_flagged_inputs_alone_are_differentiated():
    g = Graph.from_text("""
        graph main(%x: f64[2], %w: f64[2] grad) -> (loss: f64[]) {
          %0 = mul(%x, %w)
          %1 = sum(%0) axes=(0,)
          return %1
        }
    """)
    backward = g.backward()
    assert backward.output_names == ("loss", "grad_w")
    assert backward.requires_grad == (False, True)
    assert g.backward(["x"]).output_names == ("loss", "grad_x")
    assert g.backward([1, 0]).output_names == ("loss", "grad_x", "grad_w")


def test_outputs_that_are_not_one_scalar_get_a_cotangent_each():
    g = scalar_program(lambda b, x: (b.exp(x), b.gt(x, 0), b.sum(x, (0,))))
    assert g.backward().input_names == ("arg0", "grad_out0", "grad_out2")


def test_names_stay_unique_through_several_backwards():
    g = scalar_program(lambda b, x: b.sum(b.mul(x, b.mul(x, x)), (0,)))
    for _ in range(3):
        g = g.backward(["arg0"])
        assert len(set(g.input_names)) == len(g.input_names)
        assert len(set(g.output_names)) == len(g.output_names)
    assert g.output_names == ("out0", "grad_arg0", "grad_arg0_2", "grad_arg0_3")


def test_nodes_have_phase_scope_and_cause():
    backward = PROGRAMS[0].graph().backward()
    (inside,) = {n.scope.path for n in backward.nodes if n.phase == "forward" and n.scope}
    later = [n for n in backward.nodes if n.phase == "backward"]
    assert later and {n.scope.path for n in later if n.scope} == {"backward", f"backward/{inside}"}
    assert len({id(n.scope.chain()[0]) for n in later if n.scope}) == 1
    assert all(n.cause is not None for n in later if n.scope and n.scope.path != "backward")


@pytest.mark.parametrize(
    ("types", "build", "wrt", "message"),
    [
        (("f64[2]",), lambda b, x: b.gt(x, 1), None, "no output of the graph is floating"),
        (("i64[2]",), lambda b, x: b.convert(x, float64), None, "no input of the graph is"),
        (("f64[2]",), lambda b, x: b.mul(x, x), ["y"], "no input is named 'y'; inputs: arg0"),
        (("f64[2]",), lambda b, x: b.mul(x, x), [1], "input 1 is not a floating"),
        (("f64[2]", "i64[]"), lambda b, x, i: b.mul(x, x), [1], "input 1 is not a floating"),
    ],
)
def test_what_has_no_gradient_is_refused(types, build, wrt, message: str):
    with pytest.raises(AutogradError, match=message):
        scalar_program(build, types).backward(wrt)


def test_a_gradient_through_a_dead_end_is_zero():
    g = scalar_program(lambda b, x: b.sum(b.mul(b.floor(x), 2), (0,)))
    np.testing.assert_array_equal(
        interpret(g.backward(), [np.array([1.5, 2.5, 3.5])])[1], [0, 0, 0]
    )


def test_symbolic_types_stay_those_of_the_input():
    for text in ("f32[2]", "bf16[2]", "c64[2]", "f64[]"):
        t = parse_type(text)
        backward = scalar_program(lambda b, x: b.mul(x, x), (text,)).backward().verify()
        assert backward.output_types[1] is t
