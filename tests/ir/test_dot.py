"""DOT text: structure, colours, folding, and names that try to break out of it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import PROGRAMS, Program, graphs, long_chain

import thrace
from thrace import nn
from thrace.ir import Builder, Graph, Scope, TensorType, Value
from thrace.ir.dot import COLOURS, LEGIBLE, quoted
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
    rf"|\w+(?: -> \w+)? \[(?:\w+=(?:{STRING}|[\w.]+)(?:, )?)*\];)?"
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
    assert 'g0_in0 -> g0_n0 [label=" f32[4,3]"' in dot
    assert 'g0_n2 -> g0_out0 [label=" f32[]"' in dot


def test_edges_show_dtype_and_size():
    text = """graph g(%x: f32[900,900], %h: f16[2], %i: i64[2], %b: b1[2]) -> (y: f32[900,900]) {
  %0 = neg(%x)
  %1 = neg(%h)
  %2 = neg(%i)
  %3 = bit_not(%b)
  return %0
}"""
    dot = Graph.from_text(text).to_dot()
    assert_well_formed(dot)
    found = re.findall(r'g0_in(\d) -> .*color="(#\w+)", penwidth=([\d.]+)', dot)
    assert len({colour for _, colour, _ in found}) == 4
    widths = {i: float(width) for i, _, width in found}
    assert widths["0"] > 2 > widths["1"]


def test_effects_and_state_have_shapes_of_their_own():
    dot = Graph.from_text(
        """graph g(%x: f32[2], %mean: f32[2]) -> (mean.new: f32[2], x.grad: f32[2]) {
  %0 = gt(%x, 0)
  %1 = all(%0) axes=(0,)
  %2 = check(%1) message="no"
  %3 = add(%mean, %x)
  return %3, %3
}"""
    ).to_dot()
    assert_well_formed(dot)
    shapes = dict(re.findall(r'g0_(in\d|out\d) \[label="[^"]*", shape=(\w+)', dot))
    assert shapes == {"in0": "ellipse", "in1": "cylinder", "out0": "cylinder", "out1": "note"}
    assert dot.count("shape=octagon") == 1


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
        (0, [r'"net\n3 nodes, 63 FLOP\n1 parameter, 24 B"']),
        (1, [r'"fc\n2 nodes, 56 FLOP\n1 parameter, 24 B"', r'"sum\n1 node, 7 FLOP"']),
        (
            2,
            [
                r'"linear\n1 node, 48 FLOP\n1 parameter, 24 B"',
                r'"scale\n1 node, 8 FLOP"',
                r'"sum\naxes=(0, 1)"',
            ],
        ),
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
    assert len(boxes(g.to_dot())) == 30
    assert len(boxes(g.to_dot(limit=400))) == 150
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
    (label,) = [label for label in boxes(dot) if "optimizer" in label]
    assert label == (r'"optimizer\n3 nodes, 9 FLOP\n3 state tensors, 36 B\nwrites 4 tensors, 48 B"')
    assert r'"scale\n1 node, 3 FLOP\n1 parameter, 12 B"' in boxes(dot)
    assert dot.count(" -> ") == 2  # into the forward box, and out of it


def test_inputs_of_a_graph_without_folds_are_drawn_one_by_one():
    dot = Graph.from_text(STEP).to_dot()
    assert len(boxes(dot)) == 4
    assert len(re.findall(r"g0_in\d \[label", dot)) == 5
    assert len(re.findall(r"g0_out\d \[label=\S+ shape", dot)) == 5


def test_a_long_chain_without_scopes_is_folded_by_runs():
    g = long_chain(5000)
    stripped = Graph.from_text(g.to_text(scopes=False, source=False))
    found = boxes(stripped.to_dot(limit=400))
    assert 300 < len(found) <= 400
    assert found[0] == r'"%0 to %12\n13 nodes"'


def test_a_folded_step_flows_down_and_gradients_up():
    net = thrace.nn.Sequential(*(thrace.nn.Linear(4, 4) for _ in range(12)))
    opt = thrace.optim.Adam(net.parameters())

    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    dot = thrace.trace(step, thrace.spec("f32[5,4]")).to_dot()
    assert_well_formed(dot)
    labels = boxes(dot)
    assert len(labels) < 60
    assert r'"linear\n2 nodes, 180 FLOP\n2 parameters, 80 B"' in labels
    assert r'"linear\n3 nodes, 336 FLOP\ngives 2 gradients, 80 B"' in labels
    assert dot.count("dir=back") >= 12
    (gradients,) = re.findall(r'label=" 24 tensors, 960 B".*', dot)
    assert "ltail=cluster_g0_" in gradients and "constraint=false" in gradients


def test_heat_colours_by_time():
    g = Graph.from_text(TEXT)
    dot = g.to_dot(heat={g.nodes[0]: 3e-3, g.nodes[1]: 1e-3})
    assert_well_formed(dot)
    found = re.findall(r'label="(\w+)[^"]*\\n([\d.]+ \w+, [\d.]+ %)".*fillcolor="(#\w+)"', dot)
    assert [(op, said) for op, said, _ in found] == [
        *(("dot_general", "3 ms, 75.0 %"), ("mul", "1 ms, 25.0 %"), ("sum", "0 us, 0.0 %"))
    ]
    assert found[0][2] == "#ef4738" and found[2][2] == "#ffffff"


def test_held_graphs_are_drawn_apart():
    (program,) = [p for p in PROGRAMS if p.name == "call_of_call"]
    dot = program.graph().to_dot()
    assert_well_formed(dot)
    assert dot.count('label="graph outer (1)"') == 1
    assert dot.count('label="graph inner (2)"') == 1
    assert r'"call\ngraph outer (1)"' in dot


def test_a_page_of_equal_loops_is_drawn_once_and_folded():
    net = nn.LSTM(6, 6, 3)
    g = thrace.trace(lambda x: net(x)[0].sum(), thrace.spec("f32[4,2,6]")).backward()
    dot = g.to_dot()
    assert_well_formed(dot)
    # Three layers: one step of the loop, and one of its gradient.
    assert re.findall(r'label="graph (\w+)', dot) == ["scan_step_backward", "scan_step"]
    boxes = re.findall(r"(?m)^ *(g\d+)_n\d+ \[label", dot)
    assert boxes.count("g0") <= LEGIBLE and boxes.count("g1") <= 8 >= boxes.count("g2")
    whole = g.to_dot(fold=False)
    assert len(re.findall(r"(?m)^ *g1_n\d+ \[label", whole)) > 20


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
