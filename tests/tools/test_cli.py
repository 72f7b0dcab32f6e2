"""The program as it is started: exit codes, pipes, and what it may import."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from thrace.ir import Graph
from thrace.tools.cli import COMMANDS, parser

THRACE = Path(sysconfig.get_path("scripts")) / "thrace"


def start(*command: object, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=120)


def test_dump_then_run_by_the_installed_program(model: Path):
    dump = start(
        THRACE, "dump", "model.py:step", "--input", "f32[6,4]", "--input", "i64[6]", cwd=model
    )
    assert dump.returncode == 0, dump.stderr
    assert len(Graph.from_text(dump.stdout)) > 50
    run = start(
        sys.executable, "-m", "thrace", "run", "-", "--random", cwd=model, stdin=dump.stdout
    )
    assert run.returncode == 0, run.stderr
    assert "xla on cpu: compiled in" in run.stdout


@pytest.mark.parametrize("program", [(THRACE,), (sys.executable, "-m", "thrace")], ids=len)
def test_the_program_itself_is_no_line_of_the_users(program: tuple, model: Path):
    (model / "net.py").write_text("from thrace import nn\n\nnet = nn.Sequential(nn.Linear(4, 2))\n")
    done = start(*program, "dump", "net.py:net", "--input", "f32[3,4]", cwd=model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("graph Sequential(")  # no file, since no line is in one
    assert "dot_general" in done.stdout and "; [Sequential]/[0]/linear\n" in done.stdout


def test_a_users_mistake_ends_with_code_2(model: Path):
    done = start(
        sys.executable, "-m", "thrace", "dump", "model:net", "--input", "f32[2,7]", cwd=model
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "ShapeError" in done.stderr and "(2, 7)" in done.stderr
    assert "model.py:17 in forward" in done.stderr
    assert "Traceback" not in done.stderr


GRAPH = "graph g(%x: f32[4]) -> (y: f32[4]) {\n  %0 = mul(%x, 2)\n  return %0\n}\n"


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("cost", "-"), 0, "graph g: 1 nodes"),
        (("cost", "model.py:nit", "--input", "f32[2,4]"), 2, "did you mean 'net'?"),
        (("diff", "-", "model.py:net", "--input", "f32[2,4]"), 2, "--input is for functions"),
        (("diff", "-", "other.txt"), 1, "+ %+0: f32[4] = mul(%x, 3)"),
        (("profile", "-", "--repeats", "1"), 0, "attributed to 1 nodes"),
        (("profile", "-", "--integers-below", "0"), 2, "--integers-below must be at least 1"),
        (
            ("explain", "model.py:net", "--input", "f32[2,4]", "--eval"),
            0,
            "1 traces, 1 executables",
        ),
        (("explain", "model.py:breaks", "--input", "f32[2]"), 2, "KeyError: 'missing'"),
    ],
)
def test_commands_as_they_are_started(argv: tuple[str, ...], code: int, said: str, model: Path):
    (model / "other.txt").write_text(GRAPH.replace("2)", "3)"))
    command = (THRACE,) if argv[0] in ("cost", "profile") else (sys.executable, "-m", "thrace")
    done = start(*command, *argv, cwd=model, stdin=GRAPH)
    assert done.returncode == code, done.stderr
    assert said in (done.stderr if code == 2 else done.stdout)
    assert "Traceback" not in done.stderr and bool(done.stdout) == (code != 2)


def test_a_reader_that_stops_early_is_no_error(model: Path):
    command = f"{THRACE} dump model.py:step --input f32[6,4] --input i64[6] | head -1"
    done = start("bash", "-o", "pipefail", "-c", command, cwd=model)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr


@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        (">/dev/full", 2, "cannot write the output: no space left on device"),
        ("--output /dev/full", 2, "cannot write /dev/full: no space left on device"),
    ],
)
def test_nowhere_to_write_to_is_no_traceback(where: str, code: int, said: str, model: Path):
    done = start("bash", "-c", f"{THRACE} dump model.py:net --input f32[2,4] {where}", cwd=model)
    assert done.returncode == code, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "THRACE_CACHE_SIZE=abc",
            "THRACE_CACHE_SIZE must be a whole number above 0, got 'abc'",
        ),
        ("THRACE_LOG=frob,compile", "THRACE_LOG: there is no topic 'frob'; known: all, traces"),
    ],
)
def test_a_wrong_setting_is_a_sentence(setting: str, said: str, model: Path):
    command = ("run", "-", "--random")
    done = start("env", setting, THRACE, *command, cwd=model, stdin=GRAPH)
    assert done.returncode == 0, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_graph_comes_through_a_pipe(model: Path):
    (model / "g").write_text(GRAPH)
    done = start("bash", "-c", f"{THRACE} cost <(cat g)", cwd=model)
    assert done.returncode == 0 and "graph g: 1 nodes" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("dump", "--help"), 0),
        (("run", "--help"), 0),
        (("doctor", "--help"), 0),
        ((), 2),
        (("paint",), 2),
        (("dump",), 2),
        (("dump", "f.py:f", "--format", "gif"), 2),
        (("dump", "f.py:f", "--depth", "deep"), 2),
        (("run", "g.txt", "--evaluator", "cuda"), 2),
    ],
)
def test_exit_codes(argv: tuple[str, ...], code: int, thrace_main: Callable):
    done = thrace_main(*argv)
    assert done.code == code
    assert bool(done.out) == (code == 0)
    assert bool(done.err) == (code != 0)


def test_help_has_the_examples_of_every_command():
    text = parser().format_help()
    for command in COMMANDS:
        assert command.examples in text
        assert command.summary in text


def test_the_examples_parse():
    for command in COMMANDS:
        for line in command.examples.splitlines():
            for part in line.split("|"):
                words = part.split()
                assert words[0] == "thrace"
                parser().parse_args(words[1:])


def test_dumping_text_loads_no_jax(model: Path):
    code = (
        "import sys; from thrace.tools.cli import main;"
        "assert main(['dump', 'model.py:net', '--input', 'f32[2,4]', '--grad']) == 0;"
        "assert 'jax' not in sys.modules and 'graphviz' not in sys.modules"
    )
    done = start(sys.executable, "-c", code, cwd=model)
    assert done.returncode == 0, done.stderr
