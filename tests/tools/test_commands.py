"""`thrace diff`, `cost`, `profile`, `explain`: what they print, and one line for bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import thrace
from thrace.tools.cli import COMMANDS, main, parser

STEP = ("model.py:step", "--input", "f32[6,4]", "--input", "i64[6]")


@pytest.fixture
def saved(model: Path, thrace_main: Callable) -> Path:
    """The step as a file, beside the model."""
    assert main(["dump", *STEP, "--output", "step.txt"]) == 0
    assert main(["dump", *STEP, "--optimize", "--output", "step.json"]) == 0
    return model


def test_cost_of_a_target_and_of_its_file(saved: Path, thrace_main: Callable):
    target, file = thrace_main("cost", *STEP), thrace_main("cost", "step.txt")
    assert target.code == file.code == 0
    assert target.out.splitlines()[1:] == file.out.splitlines()[1:]
    assert target.out.startswith("function step: ")
    assert "alive at the peak" in file.out and "forward/Net/hidden" in file.out


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("scope", "backward/Net/out"),
        ("line", "model.py:17 in forward: return self.out(self.drop(self.hidden(x).relu()))"),
        ("op", "dot_general"),
        ("phase", "optimizer"),
        ("node", "= dot_general: f32[6,5]  forward/Net/hidden/linear"),
    ],
)
def test_cost_by(by: str, said: str, saved: Path, thrace_main: Callable):
    done = thrace_main("cost", "step.txt", "--by", by, "--top", "200")
    assert done.code == 0 and said in done.out


def test_cost_as_json(saved: Path, thrace_main: Callable):
    found = json.loads(thrace_main("cost", "step.json", "--json").out)
    assert found["total"]["flops"] == sum(n["flops"] for n in found["nodes"])
    assert found["total"]["flops"] == sum(s["flops"] for s in found["scopes"].values())
    assert max(n["live_bytes"] for n in found["nodes"]) == found["memory"]["peak_bytes"]
    assert {a["kind"] for a in found["memory"]["alive"]} >= {"input", "output"}


def test_diff_of_equal_and_of_different_graphs(saved: Path, thrace_main: Callable):
    same = thrace_main("diff", "step.txt", "step.txt")
    assert (same.code, same.out) == (
        0,
        "0 lines only in step.txt, 0 only in step.txt: the same program\n",
    )
    other = thrace_main("diff", "step.txt", "step.json", "--context", "1")
    assert other.code == 1 and "\x1b" not in other.out
    assert other.out.splitlines()[-1].endswith("not the same program")
    assert any(line.startswith("- ") for line in other.out.splitlines())
    assert "\x1b[31m- " in thrace_main("diff", "step.txt", "step.json", "--color", "always").out
    quiet = thrace_main("diff", "step.txt", "step.json", "--quiet")
    assert (quiet.code, quiet.out) == (1, "")


def test_diff_of_two_targets(model: Path, thrace_main: Callable):
    done = thrace_main("diff", "model.py:net", "model.py:Net", "--input", "f32[2,4]", "--grad")
    assert done.code == 0, done.out


def test_dump_in_columns_and_colours(saved: Path, thrace_main: Callable):
    text = thrace_main("dump", "step.txt", "--depth", "1", "--cost", "--names", "scope").out
    assert "graph=@Net.hidden" in text and "  # optimizer" in text
    assert "%Net.hidden" in text and " B|  ; [Net]/[hidden]" in text
    assert "\x1b" not in text
    brief = thrace_main("dump", "step.txt", "--depth", "1", "--brief").out
    assert brief.count("graph ") == 1 < text.count("graph ") and "more = call(" in brief
    coloured = thrace_main("dump", "step.txt", "--color", "always").out
    assert "\x1b[36m%0" in coloured


def test_profile_with_trace_and_picture(saved: Path, thrace_main: Callable):
    done = thrace_main(
        *("profile", "step.txt", "--repeats", "1", "--by", "scope", "--top", "3"),
        *("--trace", "t.json", "--picture", "t.dot"),
    )
    assert done.code == 0, done.err
    assert "% attributed to" in done.out and "measured by" in done.out
    assert json.loads((saved / "t.json").read_text())["traceEvents"]
    assert (saved / "t.dot").read_text().startswith("digraph")


def test_explain_says_what_became_of_a_function(model: Path, thrace_main: Callable):
    done = thrace_main("explain", *STEP)
    assert done.code == 0, done.err
    assert "step: 1 traces, 1 executables, 0 fallbacks, 0 recompiles" in done.out
    assert "recording" in done.out and "guards: " in done.out
    with pytest.warns(thrace.FallbackWarning):
        broken = thrace_main("explain", "model.py:values", "--input", "f32[3]")
    assert broken.code == 1
    assert "model.py:" in broken.out and "fallback" in broken.out
    assert broken.err.endswith("thrace explain: function values runs uncompiled\n")


BAD = [
    (("cost", "nowhere.txt"), "cannot read nowhere.txt: no such file or directory"),
    (("cost", "model.py"), "names no function"),
    (("cost", "bad.txt"), "bad.txt: line 1: expected a graph, found 'hello'"),
    (("cost", "bad.json"), "bad.json: not JSON"),
    (("cost", "step.txt", "--input", "f32[2]"), "--input is for functions, and step.txt is a"),
    (("cost", "step.txt", "--eval"), "--eval is for functions"),
    (("cost", "step.txt", "--top", "0"), "--top must be at least 1"),
    (("cost", "step.txt", "--output", "no/where.txt"), "cannot write no/where.txt: there is no"),
    (("cost", "step.txt", "--output", ""), "an empty file name says nowhere to write to"),
    (("cost", "step.txt", "--outputs", "o.txt"), "thrace cost: error: unrecognized arguments"),
    (("cost", "."), "cannot read .: is a directory"),
    (("cost", "no.py:f"), "thrace cost: there is no file 'no.py'"),
    (("profile", "huge.txt"), "TiB of memory on cpu to run, and"),
    (("nan-hunt", "huge.txt"), "running huge: MemoryError: "),
    (("nan-hunt", "step.txt", "--data", "bad.txt"), "it is no .npz file of plain arrays"),
    (("diff", "step.txt"), "the following arguments are required: "),
    (("diff", "-", "-"), "only one of the graphs can be read from standard input"),
    (("diff", "step.txt", "model.py:stap"), "did you mean 'step'?"),
    (("diff", "step.txt", "step.txt", "--context", "-1"), "--context must not be negative"),
    (("profile", "step.txt", "--device", "tpu"), "--device: "),
    (("profile", "step.txt", "--repeats", "0"), "--repeats must be at least 1, got 0"),
    (("profile", "step.txt", "--depth", "-1"), "--depth must not be negative, got -1"),
    (("profile", "step.txt", "--method", "guess"), "invalid choice: 'guess'"),
    (("explain", "step.txt"), "'step.txt' names no function"),
    (("explain", *STEP, "--calls", "0"), "--calls must be at least 1, got 0"),
    (("explain", "model.py:net", "--input", "f32[2,7]"), "ShapeError"),
    (("explain", "model.py:step"), "takes (x, labels), got 0 --inputs"),
    (("dump", "step.txt", "--depth", "-1"), "--depth must not be negative, got -1"),
]


@pytest.mark.parametrize(
    ("argv", "said"), BAD, ids=lambda a: " ".join(a) if type(a) is tuple else ""
)
def test_bad_input_ends_with_code_2_and_says_why(
    argv: tuple[str, ...], said: str, saved: Path, thrace_main: Callable
):
    (saved / "bad.txt").write_text("hello\n")
    (saved / "huge.txt").write_text(
        "graph huge() -> (y: f32[1000000,1000000,1000]) {\n"
        "  %0 = full(1) shape=(1000000, 1000000, 1000) dtype=f32\n  return %0\n}\n"
    )
    (saved / "bad.json").write_text("{hello\n")
    done = thrace_main(*argv)
    assert (done.code, done.out) == (2, "")
    assert said in done.err and "Traceback" not in done.err and "numeric.py" not in done.err


def test_every_command_has_help_with_examples(thrace_main: Callable):
    assert [c.name for c in COMMANDS] == [
        *("dump", "show", "diff", "cost", "profile", "explain", "nan-hunt", "bisect", "run"),
        "doctor",
    ]
    for command in COMMANDS:
        done = thrace_main(command.name, "--help")
        assert done.code == 0 and command.examples in done.out


@pytest.mark.parametrize("name", ["dump", "show", "diff", "cost", "profile", "nan-hunt", "bisect"])
def test_commands_take_targets_alike(name: str):
    words = ["a.txt", "b.txt"] if name == "diff" else ["a.txt"]
    args = parser().parse_args(
        [name, *words, "--input", "f32[2]", "--grad", "--optimize", "--eval", "--traceback"]
    )
    assert args.input == ["f32[2]"] and args.grad and args.optimize and args.eval


def test_a_defect_of_ours_is_a_sentence_too(
    saved: Path, thrace_main: Callable, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: object) -> object:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("thrace.tools.cost.find_subject", fails)
    done = thrace_main("cost", "step.txt")
    assert (done.code, done.out) == (2, "")
    assert "thrace cost: ZeroDivisionError: planted" in done.err and "Traceback" not in done.err
    assert "Traceback" in thrace_main("cost", "step.txt", "--traceback").err
