"""DOT text: structure, colours, folding, and names that try to break out of it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import PROGRAMS, Program, graphs, long_chain

from thrace.ir import Builder, Graph, Scope, TensorType, Value
from thrace.ir.dot import COLOURS, quoted
from thrace.ir.types import float32

TEXT = """\
graph main(%x: f32[4,3], %w: f32[3,2] grad) -> (loss: f32[]) {
  %0 = dot_general(%x, %w) contract=((1,), (0,)) batch=((), ())  ; [net]/[fc]/linear
  %1 = mul(%0, 2.0)           ; [net]/[fc]/scale/inner
  %2 = sum(%1) axes=(0, 1)    ; [net]/sum
  return %2
}
"""
# One quoted string, as DOT's own grammar has it.
STRING = r'"(?:[^"\\\n]|\\.)*"'
LINE = re.compile(
    rf"\s*(?:digraph thrace {{|subgraph \w+ {{|}}|rankdir=.*|(?:graph|node|edge) \[.*\];"
    rf"|label={STRING};(?: color={STRING}; fontcolor={STRING};)?"
    rf"|\w+(?: -> \w+)? \[(?:\w+=(?:{STRING}|\w+)(?:, )?)*\];)?"
)


def boxes(dot: str) -> list[str]:
    """The labels of what stands for nodes."""
    return re.findall(rf"(?m)^\s*g\d+_n\d+ \[label=({STRING})", dot)


def assert_well_formed(dot: str) -> None:
    depth = 0
    for line in dot.split("\n"):
        assert LINE.fullmatch(line), line
        depth += line.endswith("{") - (line.strip() == "}")
        assert depth >= 0
    assert depth == 0


def test_inputs_parameters_and_outputs_are_told_apart():
    dot = Graph.from_text(TEXT).to_dot()
    assert_well_formed(dot)
    shapes = dict(re.findall(r'g0_(in\d|out\d) \[label="[^"]*", shape=(\w+)', dot))
    assert shapes == {"in0": "ellipse", "in1": "box3d", "out0": "ellipse"}
    assert r'g0_in1 [label="w\nf32[3,2]"' in dot
    assert "peripheries=2" in dot


def test_scopes_are_nested_clusters():
    dot = Graph.from_text(TEXT).to_dot()
    labels = re.findall(r'subgraph \w+ {\n\s*label="(\w+)"', dot)
    assert labels == ["forward", "net", "fc", "linear", "scale", "inner", "sum"]


def test_edges_carry_types():
    dot = Graph.from_text(TEXT).to_dot()
    assert 'g0_in0 -> g0_n0 [label="f32[4,3]"];' in dot
    assert 'g0_n2 -> g0_out0 [label="f32[]"];' in dot


def test_backward_has_its_colour_and_dashed_edges():
    dot = Graph.from_text(TEXT).backward().to_dot()
    assert_well_formed(dot)
    edges = re.findall(r"g0_(n\d+) -> .*(style=dashed)?.*;", dot)
    assert edges
    for line in dot.splitlines():
        if match := re.match(r"\s*g0_n(\d+) -> ", line):
            assert ("style=dashed" in line) == (int(match[1]) > 2), line
    for phase in ("forward", "backward"):
        assert COLOURS[phase][1] in dot
    assert COLOURS["optimizer"][1] not in dot


def test_optimizer_has_its_colour():
    text = TEXT.replace("; [net]/sum", "; <optimizer>/step")
    assert COLOURS["optimizer"][1] in Graph.from_text(text).to_dot()


@pytest.mark.parametrize(
    ("depth", "labels"),
    [
        (0, [r'"net\n3 nodes"']),
        (1, [r'"fc\n2 nodes"', r'"sum\n1 node"']),
        (2, [r'"linear\n1 node"', r'"scale\n1 node"', r'"sum\naxes=(0, 1)"']),
        (4, 3),
        (None, 3),
    ],
)
def test_depth_folds_scopes(depth: int | None, labels: list[str] | int):
    found = boxes(Graph.from_text(TEXT).to_dot(depth=depth))
    assert (len(found) if isinstance(labels, int) else found) == labels


def test_phases_do_not_count_as_depth():
    dot = Graph.from_text(TEXT).backward().to_dot(depth=0)
    assert sum("net" in label for label in boxes(dot)) == 2


def test_large_graphs_are_folded_to_the_depth_that_fits():
    b = Builder()
    x = v = Value(TensorType((4,), float32))
    for block in range(30):
        above = Scope(f"block{block}", "module")
        for call in range(5):
            b.scope = Scope(f"f{call}", parent=above)
            for _ in range(4):
                v = b.neg(v)  # type: ignore[attr-defined]
    g = b.finish([x], [v])
    assert len(boxes(g.to_dot())) == 150
    assert len(boxes(g.to_dot(fold=False))) == 600
    assert len(boxes(g.to_dot(limit=100))) == 30
    assert len(boxes(g.to_dot(limit=10))) <= 10
    assert len(boxes(g.to_dot(limit=600))) == 600
    assert_well_formed(g.to_dot())


STEP = """
graph step(%x: f32[3], %w: f32[3] grad, %m0: f32[3], %m1: f32[3], %m2: f32[3]) -> (
    loss: f32[3], w.new: f32[3], m0.new: f32[3], m1.new: f32[3], m2.new: f32[3],
) {
  %0: f32[3] = mul(%x, %w)   ; [net]/scale
  %1: f32[3] = add(%m0, %m1) ; <optimizer>
  %2: f32[3] = add(%1, %m2)  ; <optimizer>
  %3: f32[3] = sub(%w, %2)   ; <optimizer>
  return %0, %3, %1, %2, %1
}
"""


@pytest.mark.parametrize("options", [{"depth": 1}, {"limit": 3}])
def test_an_optimizer_phase_is_folded_first_and_its_state_drawn_together(options: dict):
    dot = Graph.from_text(STEP).to_dot(**options)
    assert_well_formed(dot)
    assert r'"optimizer\n3 nodes"' in boxes(dot)
    assert r'[label="m0\nand 2 more inputs"' in dot
    assert r'[label="w.new\nand 3 more outputs"' in dot
    assert r'[label="w\nf32[3]"' in dot  # the forward phase reads it too
    assert dot.count(" -> ") == 6


def test_inputs_of_a_graph_without_folds_are_drawn_one_by_one():
    dot = Graph.from_text(STEP).to_dot()
    assert len(boxes(dot)) == 4
    assert len(re.findall(r"g0_in\d \[label", dot)) == 5
    assert len(re.findall(r"g0_out\d \[label=\S+ shape", dot)) == 5


def test_a_long_chain_without_scopes_is_folded_by_runs():
    g = long_chain(5000)
    stripped = Graph.from_text(g.to_text(scopes=False, source=False))
    found = boxes(stripped.to_dot())
    assert 300 < len(found) <= 400
    assert found[0] == r'"%0 to %12\n13 nodes"'


def test_held_graphs_are_drawn_apart():
    (program,) = [p for p in PROGRAMS if p.name == "call_of_call"]
    dot = program.graph().to_dot()
    assert_well_formed(dot)
    assert dot.count('label="graph outer (1)"') == 1
    assert dot.count('label="graph inner (2)"') == 1
    assert r'"call\ngraph outer (1)"' in dot


def test_it_is_the_same_every_time():
    g = PROGRAMS[0].graph().backward()
    assert g.to_dot() == Graph.from_text(g.to_text()).to_dot()


HOSTILE = [
    '"',
    "\\",
    '\\"',
    '"]; evil [label="',
    "a\nb",
    "<b>bold</b>",
    "<<TABLE></TABLE>>",
    "&lt;&#60;",
    "\\N\\G\\l",
    "\0\x1b\u2028\ud800",
    "%x -> {}",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_stay_inside_their_quotes(name: str):
    b = Builder()
    x = Value(TensorType((), float32))
    b.scope = Scope(name, "function", Scope(name, "module", Scope(name, "phase")))
    b.check(b.gt(x, 0), message=name)  # type: ignore[attr-defined]
    g = b.finish([x], [x], name=name, input_names=[name], output_names=[name])
    dot = g.to_dot()
    assert_well_formed(dot)
    assert_well_formed(g.to_dot(depth=0))
    dot.encode()
    assert "URL" not in dot and "href" not in dot


@given(st.text())
def test_quoting_shows_the_text_as_it_is(text: str):
    shown = quoted(text)
    assert re.fullmatch(STRING, shown)
    assert shown.isprintable()
    inside = shown[1:-1]
    plain = inside.replace("&amp;", "&")
    back = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], plain)
    if all(c.isprintable() or c == "\n" for c in text):
        assert back == text


@given(graphs())
def test_drawn_graphs_give_well_formed_text(g: Graph):
    assert_well_formed(g.to_dot())
    assert_well_formed(g.to_dot(depth=1))


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot program")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_graphviz_accepts_it(program: Program):
    dot = program.graph().backward().to_dot()
    subprocess.run(["dot", "-Tsvg"], input=dot.encode(), check=True, capture_output=True)
