"""Reading graphs from text: what is accepted, and what is refused with its line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import assert_same, graphs

from thrace.ir import Graph
from thrace.ir.errors import GraphError
from thrace.ir.interpret import interpret
from thrace.ir.parser import parse_with_data
from thrace.ir.source import Location

GOOD = """\
graph main(%x: f32[2,3], %w: f32[3] grad) -> (y: f32[2,3], total: f32[]) {
  %0: f32[2,3] = mul(%x, %w)
  %1: f32[] = sum(%0) axes=(0, 1)
  return %0, %1
}
"""


def test_a_graph_written_by_hand():
    g = Graph.from_text("""
        # Types of results, numbers in order and origins may be left out.
        graph g(%x: f32[2, 3], %w: f32[3] grad,) -> (out: f32[2,3],) {  # a comment
          %product = mul(%x, %w)   # another

          %sum: f32[2,3] = add(%product, 1.5)  ; [net]/linear#2  a.py:3 `x + 1.5`
          return %sum,
        }
    """)
    assert [n.op.name for n in g.nodes] == ["mul", "add"]
    assert g.input_names == ("x", "w") and g.requires_grad == (False, True)
    assert g.nodes[1].operands[1] == 1.5
    assert g.nodes[1].scope.chain()[0].kind == "module"  # type: ignore[union-attr]
    assert g.nodes[1].loc == Location("a.py", 3, "<module>", "x + 1.5")


def test_the_last_graph_is_the_program():
    g = Graph.from_text("""
        graph half(%x: f32[2]) -> (y: f32[2]) {
          %0 = mul(%x, 0.5)
          return %0
        }
        graph main(%x: f32[2]) -> (y: f32[2]) {
          %0: f32[2] = call(%x) graph=@half
          return %0
        }
    """)
    assert g.name == "main"
    assert g.nodes[0].attrs[0].name == "half"


BAD = [
    ("mul(%x, %w)", "frobnicate(%x, %w)", 2, "unknown op 'frobnicate'"),
    ("mul(%x, %w)", "mul(%x, %v)", 2, "%v is not defined"),
    ("mul(%x, %w)", "mul(%x, %0)", 2, "%0 is not defined"),
    ("mul(%x, %w)", "mul(%x)", 2, "mul: takes 2 operands, got 1"),
    ("mul(%x, %w)", "mul(%x, %w, %w)", 2, "mul: takes 2 operands, got 3"),
    ("mul(%x, %w)", "mul(%x, %w", 2, "expected ')', found the end of the line"),
    ("mul(%x, %w)", "mul(%x %w)", 2, "expected ')', found '%w'"),
    ("mul(%x, %w)", "mul(%x, __import__)", 2, "expected an operand, found '__import__'"),
    ("mul(%x, %w)", "mul(2, 3)", 2, "needs at least one tensor operand"),
    ("mul(%x, %w)", "mul(%x, 1j)", 2, "cannot hold the literal 1j"),
    ("mul(%x, %w)", "mul(%x, %w) axis=1", 2, "takes attributes none; found axis"),
    ("mul(%x, %w)", "dot_general(%x, 2) contract=((1,), (0,)) batch=((), ())", 2, "a literal"),
    ("mul(%x, %w)", "index(%x, 3)", 2, "index"),
    ("mul(%x, %w)", "mul(%x, %w) $", 2, "unexpected '$'"),
    ("mul(%x, %w)", "mul(%x, %w)  ; not an origin at all", 2, "the origin after ';' reads"),
    ("%0: f32[2,3] = mul", "%0: f32[3] = mul", 2, "%0 is declared f32[3], but mul gives f32[2,3]"),
    ("%0: f32[2,3] = mul", "%0: f64[2,3] = mul", 2, "declared f64[2,3]"),
    ("%0: f32[2,3] = mul", "%0: f33[2,3] = mul", 2, "unknown dtype 'f33'"),
    ("%0: f32[2,3] = mul", "%x: f32[2,3] = mul", 2, "%x is defined twice"),
    ("%0: f32[2,3] = mul", "%0, %9 = mul", 2, "mul has 1 results, 2 are named"),
    ("%0: f32[2,3] = mul", "mul", 2, "mul has 1 results, 0 are named"),
    ("%0: f32[2,3] = mul", "%0: f32[2,3] mul", 2, "expected '=', found 'mul'"),
    ("%1: f32[] =", "%0: f32[] =", 3, "%0 is defined twice"),
    ("axes=(0, 1)", "axes=(0, 2)", 3, "sum: axes (0, 2) of a tensor with 2 dimensions"),
    ("axes=(0, 1)", "axes=(1, 0)", 3, "sum: axes (1, 0)"),
    ("axes=(0, 1)", "axes=(0, 1", 3, "expected ')'"),
    ("axes=(0, 1)", "axes=0", 3, "attribute axes must be a tuple of whole numbers, got 0"),
    ("axes=(0, 1)", "axes=(0, True)", 3, "attribute axes must be a tuple of whole numbers"),
    ("axes=(0, 1)", "axes=f32", 3, "attribute axes must be"),
    ("axes=(0, 1)", "axes=@nobody", 3, "graph @nobody is not defined before it is used"),
    ("axes=(0, 1)", "axes=os.system", 3, "expected an attribute's value, found 'os.system'"),
    ("axes=(0, 1)", "axes=" + "(" * 500 + ")" * 500, 3, "nested too deep"),
    ("axes=(0, 1)", "axes=" + "9" * 5000, 3, "digits"),
    ("axes=(0, 1)", "axes=(0, 1) axes=()", 3, "attribute axes is given twice"),
    ("axes=(0, 1)", "", 3, "sum takes attributes axes; found none"),
    ("axes=(0, 1)", 'axes="unclosed', 3, "unexpected '\"'"),
    ("return %0, %1", "return %0", 4, "the graph has 2 outputs, 1 are returned"),
    ("return %0, %1", "return %1, %0", 4, "output y is declared f32[2,3]"),
    ("return %0, %1", "return %0, %5", 4, "%5 is not defined"),
    ("return %0, %1", "return %0, 1", 4, "unexpected '1'"),
    ("return %0, %1", "return %0, %1\n  return %0, %1", 5, "a second return"),
    ("return %0, %1", "return %0, %1\n  %2 = neg(%0)", 5, "expected '}' after the return"),
    ("  return %0, %1\n", "", 4, "graph main has no return"),
    ("}\n", "", 1, "graph main is never closed"),
    ("}\n", "graph other() -> () {\n", 5, "graph main is not closed yet"),
    ("}\n", "}\n}\n", 6, "expected a graph, found '}'"),
    ("}\n", "}\nfile a = b\n", 6, 'a file line reads: file NAME = "PATH"'),
    ("}\n", "} and more\n", 5, "unexpected 'and'"),
    ("graph main", "graf main", 1, "expected a graph, found 'graf'"),
    ("graph main", "graph", 1, "expected the graph's name, found '('"),
    (" -> ", " ", 1, "expected '->'"),
    (" {\n", "\n", 1, "expected '{'"),
    ("%w: f32[3] grad", "%x: f32[3] grad", 1, "%x is defined twice"),
    ("%w: f32[3] grad", "%w: f32[3] gradient", 1, "expected ')', found 'gradient'"),
    ("%w: f32[3] grad", "%w: f32[-3] grad", 1, "unexpected '['"),
    ("%w: f32[3] grad", "%w grad", 1, "expected ':', found 'grad'"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), BAD, ids=[b[1][:40] for b in BAD])
def test_bad_text_is_refused_with_its_line(old: str, new: str, line: int, message: str):
    assert GOOD.count(old) == 1
    with pytest.raises(GraphError) as caught:
        Graph.from_text(GOOD.replace(old, new))
    assert str(caught.value).startswith(f"line {line}: ")
    assert message in str(caught.value)


CONSTANTS = [
    ("f32[2](1.0)", "f32[2] has 2 elements, got 1"),
    ("f32[2](1.0, 2j)", "does not hold complex numbers"),
    ("i8[2](1, 300)", "300"),
    ("i8[2](1, 1.5)", "does not hold all of these numbers"),
    ("b1[2](0, 2)", "does not hold all of these numbers"),
    ("f32[2](1.0, x)", "expected a number, found 'x'"),
    ('f32[2](base64 "AAAA")', "f32[2] has 8 bytes, got 3"),
    ('f32[2](base64 "!")', "base64"),
    ("3", "attribute data must be constant data, got 3"),
]


@pytest.mark.parametrize(("data", "message"), CONSTANTS)
def test_bad_constants_are_refused(data: str, message: str):
    text = f"graph g() -> (y: f32[2]) {{\n  %0 = constant() data={data}\n  return %0\n}}\n"
    with pytest.raises(GraphError) as caught:
        Graph.from_text(text)
    assert str(caught.value).startswith("line 2: ")
    assert message.lower() in str(caught.value).lower()


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n"])
def test_no_graph_at_all_is_refused(text: str):
    with pytest.raises(GraphError, match="there is no graph in the text"):
        Graph.from_text(text)


def test_a_second_graph_of_one_name_is_refused():
    with pytest.raises(GraphError, match="line 6: there is a graph main already"):
        Graph.from_text(GOOD + GOOD)


@given(st.data())
def test_damaged_text_is_read_or_refused_but_never_crashes(data: st.DataObject):
    text = data.draw(graphs(max_nodes=6)).to_text()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 8)))
    put = data.draw(st.sampled_from(["", "(", ")", '"', "%", "@", ";", "{", "}", "\n", "0", "`"]))
    damaged = text[:start] + put + text[stop:]
    try:
        g = Graph.from_text(damaged)
    except GraphError as e:
        assert str(e).startswith(("line ", "there is no graph"))
    else:
        g.verify()
        assert_same(Graph.from_text(g.to_text()), g)


def test_a_file_may_hold_the_data_of_its_last_graph():
    made = " %0 = constant() data=f32[2](1.0, 2.5)\n return %0\n}\n"
    data = f"graph input_data() -> (x: f32[2]) {{\n{made}"
    main = "graph f(%x: f32[2]) -> (y: f32[2]) {\n %0 = neg(%x)\n return %0\n}\n"
    graph, found = parse_with_data(data + main)
    assert graph.name == "f" and found is not None
    np.testing.assert_array_equal(interpret(found, [])[0], np.array([1, 2.5], np.float32))
    assert parse_with_data(main)[1] is None
    with pytest.raises(GraphError, match=r"input_data must take nothing and give \(f32\[3\]\)"):
        parse_with_data(data + main.replace("f32[2]", "f32[3]"))
