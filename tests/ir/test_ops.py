"""The op tables: every row is complete, and its rules agree with oracles.

NumPy rules are held against the samples' oracles, gradients against central differences
of the oracles in double precision, second gradients against differences of the first.
"""

from __future__ import annotations

import numpy as np
import pytest
from samples import SAMPLES, cases
from sampling import Case, close, input_values, is_floating

from thrace.ir.build import Builder
from thrace.ir.grad import backward_graph
from thrace.ir.graph import Graph
from thrace.ir.hash import structural_key
from thrace.ir.interpret import interpret
from thrace.ir.ops import OPS

STEP = 1e-5


@pytest.mark.parametrize("row", OPS.values(), ids=lambda row: row.name)
def test_row_is_complete(row):
    assert callable(row.typing)
    assert callable(row.evaluate)
    assert row.no_grad or row.grads or row.grad_each, "neither a gradient nor a reason"
    assert not (row.no_grad and (row.grads or row.grad_each)), "both a gradient and a reason"
    if row.free:
        assert row.dynamic in OPS and set(row.free) <= set(row.attrs)


def test_every_op_has_samples():
    assert {s.op for s in SAMPLES} == set(OPS)


@pytest.mark.parametrize("op", OPS)
def test_samples_of_differentiable_ops_are_differentiated(op: str):
    if not OPS[op].no_grad and op not in ("graft", "opaque"):
        assert any(s.differentiate for s in SAMPLES if s.op == op)


@pytest.mark.parametrize("case", [*cases()], ids=lambda c: c.name)
def test_numpy_rule_matches_oracle(case: Case):
    arrays = case.arrays
    graph = case.graph(arrays)
    before = [a.copy() for a in arrays]
    got = interpret(graph, arrays)
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b, "an operand was written to")
    for g, e, v in zip(got, case.expected(arrays), graph.outputs, strict=True):
        assert g.dtype == v.type.dtype.np and g.shape == v.type.shape
        close(g, e, case.name)


@pytest.mark.parametrize("case", [*cases(first_dtype_only=True)], ids=lambda c: c.name)
def test_text_round_trip(case: Case):
    graph = case.graph(case.arrays).verify()
    again = Graph.from_text(graph.to_text())
    assert structural_key(again) == structural_key(graph)
    assert again.to_text() == graph.to_text()


def differentiable_cases():
    """Each sample once per kind of inexact number it takes, in double precision."""
    for case in cases(first_dtype_only=True):
        if not case.sample.differentiate or OPS[case.sample.op].no_grad:
            continue
        dtypes = case.sample.dtypes
        if any(is_floating(np.dtype(d)) if d != "bfloat16" else True for d in dtypes):
            yield case._replace(dtype="float64", name=f"{case.name}-real")
        if any(d.startswith("complex") for d in dtypes):
            yield case._replace(dtype="complex128", name=f"{case.name}-complex")


def test_gradient_of_graft_goes_to_its_history():
    b = Builder()
    data, history = input_values([np.zeros(2), np.zeros(2)])
    graph = b.finish([data, history], [b.graft(data, history)], input_names=["data", "history"])
    backward = backward_graph(graph)
    got = interpret(backward, [np.ones(2), np.full(2, 5.0), np.array([3.0, 4.0])])
    assert [g.tolist() for g in got] == [[1, 1], [0, 0], [3, 4]]


def is_inexact(a: np.ndarray) -> bool:
    return a.dtype.kind in "fc"


def random_like(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out = rng.standard_normal(a.shape)
    return (out + 1j * rng.standard_normal(a.shape) if a.dtype.kind == "c" else out).astype(a.dtype)


def inner(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.real(np.sum(np.conj(a) * b)))


def difference_quotient(fn, arrays, i, direction) -> list[np.ndarray]:
    """The derivative of `fn` along `direction` of argument `i`, by central differences."""

    def at(step: float) -> list[np.ndarray]:
        moved = [*arrays]
        moved[i] = np.asarray(arrays[i] + step * direction)
        return [np.asarray(r) for r in fn(moved)]

    return [(p - m) / (2 * STEP) for p, m in zip(at(STEP), at(-STEP), strict=True)]


def with_cotangents(graph: Graph, rng: np.random.Generator) -> tuple[Graph, list[np.ndarray]]:
    """The gradient graph, and random cotangents for its extra inputs."""
    backward = backward_graph(graph)
    extra = backward.input_types[len(graph.inputs) :]
    return backward, [random_like(np.zeros(t.shape, t.dtype.np), rng) for t in extra]


def check_gradient(graph: Graph, arrays: list[np.ndarray], fn, name: str) -> None:
    """Cotangents of `graph`'s inputs, against differences of `fn`, in random directions."""
    rng = np.random.default_rng(0)
    backward, cotangents = with_cotangents(graph, rng)
    got = interpret(backward, [*arrays, *cotangents])
    gradients = dict(zip(backward.output_names, got, strict=True))
    weights = dict(zip(backward.input_names[len(arrays) :], cotangents, strict=True))
    if not weights:  # a single scalar is differentiated as it is
        weights = {f"grad_{graph.output_names[0]}": np.ones(())}
    for i, (a, input_name) in enumerate(zip(arrays, graph.input_names, strict=True)):
        if not is_inexact(a):
            continue
        direction = random_like(a, rng)
        slopes = difference_quotient(fn, arrays, i, direction)
        expected = sum(
            inner(weights[f"grad_{name}"], slope)
            for name, slope in zip(graph.output_names, slopes, strict=True)
            if f"grad_{name}" in weights  # an output of whole numbers, or constant, has none
        )
        found = inner(gradients[f"grad_{input_name}"], direction)
        assert found == pytest.approx(expected, rel=2e-6, abs=1e-6), (name, i)


@pytest.mark.parametrize("case", [*differentiable_cases()], ids=lambda c: c.name)
def test_gradient_matches_differences(case: Case):
    arrays = case.arrays
    graph = case.graph(arrays)
    check_gradient(graph, arrays, case.expected, case.name)


@pytest.mark.parametrize("case", [*differentiable_cases()], ids=lambda c: c.name)
def test_second_gradient_matches_differences(case: Case):
    arrays = case.arrays
    graph = case.graph(arrays)
    backward, cotangents = with_cotangents(graph, np.random.default_rng(1))
    kept = [i for i, n in enumerate(backward.output_names) if n.startswith("grad_")]
    gradient = Graph(
        *(backward.inputs, backward.nodes, [backward.outputs[i] for i in kept]),
        name=f"{graph.name}_gradient",
        output_names=[f"slope{i}" for i in kept],
    )
    arrays = [*arrays, *cotangents]
    check_gradient(gradient, arrays, lambda moved: interpret(gradient, moved), case.name)
