"""The text form: what it looks like, and that it reads back to an equal graph."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from programs import PROGRAMS, Program, assert_same, graphs

from thrace.ir import Builder, Graph, Scope, TensorType, Value
from thrace.ir.ops.shape import Constant
from thrace.ir.source import Location, here
from thrace.ir.types import DTYPES, float32, float64, parse_type

X = TensorType((2, 3), float32)


def regression() -> Graph:
    """Two calls of one function in a module, and the backward of it all."""
    b = Builder()
    x, w = Value(TensorType((64, 10), float32)), Value(TensorType((10, 3), float32))
    net = Scope("net", "module")
    b.scope, b.loc = (
        Scope("linear", parent=net),
        Location("/home/u/train.py", 12, "step", "y = x @ w"),
    )
    y = b.dot_general(x, w, contract=((1,), (0,)), batch=((), ()))
    b.scope, b.loc = (
        Scope("square", parent=net),
        Location("/home/u/train.py", 13, "step", "y = y * y"),
    )
    y = b.mul(y, y)
    b.scope = Scope("square", parent=net)
    y = b.mul(y, y)
    loss = b.sum(y, (0, 1))
    return b.finish(
        *([x, w], [loss]),
        input_names=["x", "w"],
        output_names=["loss"],
        requires_grad=[False, True],
    )


EXPECTED = """\
file train.py = "/home/u/train.py"

graph main(%x: f32[64,10], %w: f32[10,3] grad) -> (loss: f32[]) {
  %0: f32[64,3] = dot_general(%x, %w) contract=((1,), (0,)) batch=((), ())  \
; [net]/linear  train.py:12 in step `y = x @ w`
  %1: f32[64,3] = mul(%0, %0)                                               \
; [net]/square  train.py:13 in step `y = y * y`
  %2: f32[64,3] = mul(%1, %1)                                               \
; [net]/square#2  train.py:13
  %3: f32[] = sum(%2) axes=(0, 1)                                           \
; [net]/square#2  train.py:13
  return %3
}
"""


def test_looks_as_documented():
    assert regression().to_text() == EXPECTED
    assert str(regression()) == EXPECTED


def test_backward_names_the_line_that_caused_it():
    lines = regression().backward().to_text().splitlines()
    (product,) = [line for line in lines if "dot_general" in line and "<backward>" in line]
    assert product.endswith("; <backward>/[net]/linear  for train.py:12 in step `y = x @ w`")


def test_the_readmes_example_reads_back():
    readme = (Path(__file__).parents[2] / "ir" / "README.md").read_text()
    text = readme.split("```\n")[1]
    assert Graph.from_text(text).to_text() == text


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"source": False}, "  %1: f32[64,3] = mul(%0, %0)  ; [net]/square"),
        ({"scopes": False}, "  %1: f32[64,3] = mul(%0, %0)  ; train.py:13 in step `y = y * y`"),
        ({"types": False, "source": False, "scopes": False}, "  %1 = mul(%0, %0)"),
    ],
)
def test_options_leave_out(options: dict[str, bool], line: str):
    text = regression().to_text(**options)
    shown = [" ".join(one.split()) for one in text.splitlines()]
    assert " ".join(line.split()) in shown
    Graph.from_text(text)


def test_many_inputs_take_a_line_each():
    values = [Value(X) for _ in range(12)]
    g = Graph(values, [], values, input_names=[f"weight{i}" for i in range(12)])
    text = g.to_text()
    assert "\n    %weight11: f32[2,3],\n" in text
    assert_same(Graph.from_text(text), g)


def test_places_of_running_code():
    b = Builder()
    x = Value(X)
    b.loc = here(1)
    b.exp(x)
    g = b.finish([x], [b.nodes[-1].outputs[0]])
    assert "test_printer.py:" in g.to_text()
    assert "in test_places_of_running_code `b.loc = here(1)`" in g.to_text()
    assert_same(Graph.from_text(g.to_text()), g)


NUMBERS = [
    *(0, -1, 10**30, True, False, 0.0, -0.0, 0.1, 1e-320, 1e300, math.inf, -math.inf, math.nan),
    *(1j, -1j, 1 + 2j, complex(-0.0, -0.0), complex(math.nan, -math.inf), complex(0.0, -0.0)),
]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_literals_read_back_exactly(number: complex):
    b = Builder()
    b.full(number, shape=(2,), dtype=float64)
    g = b.finish([], [b.nodes[-1].outputs[0]])
    assert_same(Graph.from_text(g.to_text()), g)
    assert_same(Graph.from_json(g.to_json()), g)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 2), (20,)], ids=str)
def test_constants_read_back_exactly(dtype, shape: tuple[int, ...]):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 255, (*shape, dtype.itemsize), dtype=np.uint8)
    if dtype.name == "bool":
        bits &= 1
    array = bits.reshape(-1).view(dtype.np).reshape(shape)
    b = Builder()
    b.constant(data=Constant(array))
    g = b.finish([], [b.nodes[-1].outputs[0]])
    for back in (Graph.from_text(g.to_text()), Graph.from_json(g.to_json())):
        assert_same(back, g)
        assert back.nodes[0].attrs[0].array.tobytes() == array.tobytes()


def test_small_constants_are_listed():
    b = Builder()
    b.constant(data=Constant(np.array([[1.5, -0.0], [np.inf, 2]], np.float32)))
    text = b.finish([], [b.nodes[-1].outputs[0]]).to_text()
    assert "constant() data=f32[2,2](1.5, -0.0, inf, 2.0)" in text


def test_a_nan_keeps_its_bits():
    array = np.array([0x7FC00001, 0xFFC00000], np.uint32).view(np.float32)
    b = Builder()
    b.constant(data=Constant(array))
    g = b.finish([], [b.nodes[-1].outputs[0]])
    back = Graph.from_text(g.to_text()).nodes[0].attrs[0].array
    assert back.tobytes() == array.tobytes()


def test_a_graph_called_twice_is_written_once():
    (program,) = [p for p in PROGRAMS if p.name == "call"]
    text = program.graph().to_text()
    assert text.count("graph inner(") == 1
    assert text.count("graph=@inner") == 2


def test_graphs_of_one_name_are_told_apart():
    def square(b, x):
        return b.mul(x, x)

    inner = [Program("main", ("f64[3]",), square).graph() for _ in range(2)]
    b = Builder()
    x = Value(parse_type("f64[3]"))
    y = b.call(b.call(x, graph=inner[0])[0], graph=inner[1])[0]
    g = b.finish([x], [y], name="main")
    text = g.to_text()
    assert "graph main~2(" in text and "graph main~3(" in text
    assert_same(Graph.from_text(text), g)


def test_inputs_of_one_name_are_told_apart():
    x, y = Value(X), Value(X)
    g = Graph([x, y], [], [y, x], input_names=["x", "x"], output_names=["o", "o"])
    assert "return %x~2, %x" in g.to_text()
    assert_same(Graph.from_text(g.to_text()), g)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_programs_read_back(program: Program):
    for g in (program.graph(), program.graph().backward(), program.graph().backward().optimize()):
        assert_same(Graph.from_text(g.to_text()), g)


@given(graphs())
def test_what_is_printed_reads_back_the_same(g: Graph):
    g.verify()
    text = g.to_text()
    back = Graph.from_text(text)
    assert_same(back, g)
    assert back.to_text() == text


def test_phases_are_headed():
    text = regression().backward().to_text()
    assert text.count("  # forward\n") == text.count("  # backward\n") == 1
    assert "# forward" not in regression().to_text()


def test_cost_columns():
    (line,) = [s for s in regression().to_text(cost=True).splitlines() if "dot_general" in s]
    assert "|3.84 k  3.45 kB  3.45 kB|  ; [net]/linear" in line
    assert_same(Graph.from_text(regression().to_text(cost=True)), regression())


def test_names_by_scope_stay_as_they_are():
    g = regression()
    text = g.to_text(names="scope")
    for name in ("net.linear.dot_general", "net.square.mul", "net.square.mul.2", "net.square.sum"):
        assert f"  %{name}: " in text
    assert_same(Graph.from_text(text), g)
    more = Graph.from_text(
        text.replace(
            "  %net.square.mul:",
            "  %new: f32[64,3] = exp(%net.linear.dot_general)  ; [net]/linear\n  %net.square.mul:",
        )
    )
    lines = set(more.to_text(names="scope", source=False).splitlines())
    before = set(g.to_text(names="scope", source=False).splitlines())
    assert len(lines - before) == 1  # the new one alone
    with pytest.raises(ValueError, match="names must be one of number, scope, got 'op'"):
        g.to_text(names="op")
