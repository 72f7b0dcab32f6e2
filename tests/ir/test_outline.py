"""Folding by scope: the same program, and equal layers written once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import assert_same, graphs

import thrace
from thrace.ir import Graph
from thrace.ir.hash import structural_hash
from thrace.ir.interpret import interpret
from thrace.ir.nested import nested_graphs


def step_graph() -> Graph:
    net = thrace.nn.Sequential(*(thrace.nn.Linear(4, 4) for _ in range(3)))
    opt = thrace.optim.SGD(net.parameters(), lr=0.1)

    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    return thrace.trace(step, thrace.spec("f32[5,4]"))


@pytest.mark.parametrize("depth", [0, 1, 2, 9])
def test_folded_and_unfolded_it_is_the_same_program(depth: int):
    graph = step_graph()
    folded = graph.fold(depth).verify()
    assert len(folded) < len(graph)  # the optimizer is always one
    assert structural_hash(folded.unfold()) == structural_hash(graph)
    assert (folded.input_names, folded.output_names) == (graph.input_names, graph.output_names)
    rng = np.random.default_rng(0)
    args = [rng.random(t.shape).astype(t.dtype.np) for t in graph.input_types]
    for a, b in zip(interpret(folded, args), interpret(graph, args), strict=True):
        np.testing.assert_array_equal(a, b)


def test_equal_layers_are_one_graph():
    folded = step_graph().fold(1)
    forward = [n for n in folded if n.op.name == "call" and n.phase == "forward"]
    layers = [n for n in forward if n.scope is not None and n.scope.kind == "module"]
    assert [n.scope.name for n in layers] == ["0", "1", "2"]  # type: ignore[union-attr]
    assert len({id(n.attr("graph")) for n in layers}) == 1
    body = layers[0].attr("graph")
    assert (body.name, body.input_names) == ("Sequential", ("x", "weight", "bias"))


def test_text_by_depth_reads_back():
    graph = step_graph()
    text = graph.to_text(depth=1)
    assert_same(Graph.from_text(text), graph.fold(1))
    short = graph.to_text(depth=1, held=False)
    assert short.count("graph ") < text.count("graph ") and "more = call" not in short
    with pytest.raises(thrace.GraphError, match="@Sequential is not defined"):
        Graph.from_text(short)


def test_depth_must_not_be_negative():
    with pytest.raises(ValueError, match="depth must not be negative, got -1"):
        step_graph().to_text(depth=-1)


def test_a_called_graph_may_be_called_twice():
    inner = Graph.from_text(
        "graph half(%x: f32[2]) -> (y: f32[2]) {\n %0 = mul(%x, 2)\n return %0\n}"
    )
    text = inner.to_text() + (
        "graph g(%x: f32[2]) -> (y: f32[2], z: f32[2]) {\n %0 = call(%x) graph=@half\n"
        " %1 = call(%0) graph=@half\n return %1, %x\n}"
    )
    flat = Graph.from_text(text).unfold().verify()
    assert [n.op.name for n in flat] == ["mul", "mul"]
    assert len(nested_graphs(flat)) == 1
    out = interpret(flat, [np.ones(2, np.float32)])
    assert out[0].tolist() == [4, 4] and out[1].tolist() == [1, 1]


@given(graphs(), st.integers(0, 3))
def test_any_graph_folds(graph: Graph, depth: int):
    folded = graph.fold(depth).verify()
    assert structural_hash(folded.unfold()) == structural_hash(graph.unfold())
    assert_same(Graph.from_text(folded.to_text(cost=True, names="scope")), folded)
