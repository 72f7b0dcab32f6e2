"""The verifier: each way in which a graph can be unsound is named with graph and node."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from programs import PROGRAMS, Program, graphs

from thrace.ir import Graph, Node, TensorType, Value
from thrace.ir.errors import GraphError
from thrace.ir.ops import OPS
from thrace.ir.ops.table import op
from thrace.ir.source import Location
from thrace.ir.types import float32, float64, int32
from thrace.ir.verifier import operand_counts

X = TensorType((2, 3), float32)
PLACE = Location("/src/model.py", 7, "forward", "y = f(x)")


def node(name: str, *operands, attrs: tuple = (), types=(X,)) -> Node:
    made = Node(OPS[name], operands, attrs, PLACE)
    made.outputs = tuple(Value(t, made, i) for i, t in enumerate(types))
    return made


def graph_of(*nodes: Node, inputs: tuple[Value, ...]) -> Graph:
    return Graph(inputs, nodes, [nodes[-1].outputs[0]], name="g")


def wrong_type() -> Graph:
    x = Value(X)
    return graph_of(node("exp", x, types=(TensorType((3,), float32),)), inputs=(x,))


def wrong_result_count() -> Graph:
    x = Value(X)
    return graph_of(node("exp", x, types=(X, X)), inputs=(x,))


def used_before_defined() -> Graph:
    x = Value(X)
    first = node("exp", x)
    return graph_of(node("neg", first.outputs[0]), first, inputs=(x,))


def foreign_operand() -> Graph:
    return graph_of(node("exp", Value(X)), inputs=(Value(X),))


def foreign_output() -> Graph:
    return Graph([Value(X)], [], [Value(X)], name="g")


def node_twice() -> Graph:
    x = Value(X)
    one = node("exp", x)
    return graph_of(one, one, inputs=(x,))


def stolen_result() -> Graph:
    x = Value(X)
    one, two = node("exp", x), node("neg", x)
    two.outputs = (Value(X, one),)
    return graph_of(one, two, inputs=(x,))


def wrong_index() -> Graph:
    x = Value(X)
    one = node("exp", x)
    one.outputs[0].index = 1
    return graph_of(one, inputs=(x,))


def input_twice() -> Graph:
    x = Value(X)
    return Graph([x, x], [], [x], name="g")


def unknown_op() -> Graph:
    x = Value(X)
    made = Node(op("exp", lambda name, t: t), (x,), (), PLACE)
    made.outputs = (Value(X, made),)
    return graph_of(made, inputs=(x,))


def too_many_operands() -> Graph:
    x = Value(X)
    return graph_of(node("exp", x, x), inputs=(x,))


def dtypes_differ() -> Graph:
    x, y = Value(X), Value(X.with_dtype(float64))
    return graph_of(node("mul", x, y), inputs=(x, y))


def strange_operand() -> Graph:
    x = Value(X)
    return graph_of(node("mul", x, "two"), inputs=(x,))


def float_beside_integers() -> Graph:
    x = Value(TensorType((2,), int32))
    return graph_of(node("mul", x, 0.5, types=(x.type,)), inputs=(x,))


def missing_attribute() -> Graph:
    x = Value(X)
    return graph_of(node("sum", x), inputs=(x,))


def unhashable_attribute() -> Graph:
    x = Value(X)
    return graph_of(node("reshape", x, attrs=([2, 3],)), inputs=(x,))


def numpy_attribute() -> Graph:
    x = Value(X)
    return graph_of(node("reshape", x, attrs=((np.int64(2), 3),)), inputs=(x,))


def in_a_held_graph() -> Graph:
    inner = wrong_type()
    x = Value(X)
    return Graph(
        [x], [node("call", x, attrs=(inner,), types=inner.output_types)], [x], name="outer"
    )


UNSOUND: list[tuple[Callable[[], Graph], str]] = [
    (wrong_type, "graph g: node %0 = exp: has type (f32[3]), inferred (f32[2,3])"),
    (wrong_result_count, "has type (f32[2,3], f32[2,3]), inferred (f32[2,3])"),
    (used_before_defined, "node %0 = neg: operand 0 is not defined before it is used"),
    (foreign_operand, "node %0 = exp: operand 0 is not defined before it is used"),
    (foreign_output, "graph g: output 'out0' is not a value of this graph"),
    (node_twice, "node %1 = exp: result 0 is defined twice"),
    (stolen_result, "node %1 = neg: result 0 names another node as its producer"),
    (wrong_index, "node %0 = exp: result 0 names another node as its producer"),
    (input_twice, "input 'arg1' is the same value as another input"),
    (unknown_op, "'exp' is not an op of the table"),
    (too_many_operands, "exp: takes 1 operands, got 2"),
    (dtypes_differ, "mul: expected one dtype, got thrace.float32 and thrace.float64"),
    (strange_operand, "mul: operand 1 is a str, not a value or a number"),
    (float_beside_integers, "thrace.int32 cannot hold the literal 0.5"),
    (missing_attribute, "sum: takes attributes ('axes',), got 0 of them"),
    (unhashable_attribute, "reshape: attribute shape must be a tuple of sizes, got [2, 3]"),
    (numpy_attribute, "reshape: attribute shape must be a tuple of sizes"),
    (in_a_held_graph, "graph g: node %0 = exp: has type"),
]


@pytest.mark.parametrize(("make", "message"), UNSOUND, ids=lambda x: getattr(x, "__name__", ""))
def test_unsound_graphs_are_refused(make: Callable[[], Graph], message: str):
    with pytest.raises(GraphError) as caught:
        make().verify()
    assert message in str(caught.value)


def test_the_users_line_is_named():
    with pytest.raises(GraphError, match=r"model.py:7 in forward: y = f\(x\)"):
        wrong_type().verify()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_programs_and_two_backwards_are_sound(program: Program):
    once = program.graph().backward().verify()
    once.backward().verify()


@given(graphs())
def test_drawn_graphs_are_sound(g: Graph):
    assert g.verify() is g


def test_every_op_says_how_many_operands_it_takes():
    counts = {name: operand_counts(row) for name, row in OPS.items()}
    assert counts["mul"] == counts["eq"] == counts["pad"] == (2, 2)
    assert counts["select"] == (3, 3)
    assert counts["sum"] == counts["full"] == counts["exp"] == counts["check"] == (1, 1)
    assert counts["iota"] == counts["constant"] == (0, 0)
    assert counts["index"] == (1, None)
    assert all(low <= (high or low) for low, high in counts.values())
    for name, row in OPS.items():
        if row.elementwise and len(row.grads) > 0:
            assert counts[name] == (len(row.grads),) * 2, name
