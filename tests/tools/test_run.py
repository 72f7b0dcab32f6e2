"""`thrace run`: printed graphs executed, by XLA and by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from thrace.ir import Graph
from thrace.ir.types import DTYPES
from thrace.tools import run as run_module
from thrace.tools.compare import differences, largest
from thrace.tools.draw import draw_inputs
from thrace.tools.run import summary

COUNT = """
graph count() -> (n: i64[4], half: f32[4], flags: b1[4], empty: f32[0]) {
  %0 = iota() shape=(4,) axis=0 dtype=i64
  %1 = convert(%0) dtype=f32
  %2 = mul(%1, 0.5)
  %3 = gt(%0, 0)
  %4 = full(1.0) shape=(0,) dtype=f32
  return %0, %2, %3, %4
}
"""
PRODUCT = """
graph product(%x: f32[3,4], %w: f32[4,2] grad) -> (y: f32[3,2]) {
  %0 = dot_general(%x, %w) contract=((1,), (0,)) batch=((), ())
  return %0
}
"""
CHECKED = """
graph checked(%i: i64[4]) -> (n: i64[4]) {
  %0 = lt(%i, 1)
  %1 = all(%0) axes=(0,)
  %2 = check(%1) message="pick: index out of range" ; model.py:7 in pick `x[i]`
  return %i
}
"""


def table(out: str) -> dict[str, list[str]]:
    """The printed rows by output name."""
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("output "))
    return {line.split()[0]: line.split()[1:] for line in lines[start + 1 :] if "[" in line}


@pytest.mark.parametrize("evaluator", ["xla", "numpy", "both", "ops,float64"])
def test_the_summary(evaluator: str, tmp_path: Path, thrace_main: Callable):
    (tmp_path / "g.txt").write_text(COUNT)
    done = thrace_main("run", tmp_path / "g.txt", "--evaluator", evaluator)
    assert (done.code, done.err) == (0, "")
    found = table(done.out)
    assert found["n"] == ["i64[4]", "1.5", "0", "3", "0"]
    assert found["half"] == ["f32[4]", "0.75", "0", "1.5", "0"]
    assert found["flags"] == ["b1[4]", "0.75", "0", "1", "0"]
    assert found["empty"] == ["f32[0]", "-", "-", "-", "0"]
    assert ("agree in all 4 outputs" in done.out) == (evaluator in ("both", "ops,float64"))


def test_a_dumped_training_step_runs(model: Path, thrace_main: Callable):
    step = ("model.py:step", "--input", "f32[6,4]", "--input", "i64[6]")
    for name in ("step.txt", "step.json"):
        assert thrace_main("dump", *step, "--output", name).code == 0
    done = thrace_main("run", "step.txt", "--random", "--evaluator", "both")
    assert done.code == 0, done.out
    names = Graph.from_text((model / "step.txt").read_text()).output_names
    found = table(done.out)
    assert list(found) == list(names)
    assert all(row[-1] == "0" for row in found.values())  # no nan anywhere
    again = thrace_main("run", "step.json", "--random", "--evaluator", "numpy")
    assert table(again.out).keys() == found.keys()


def test_the_seed_decides_the_numbers(tmp_path: Path, thrace_main: Callable):
    (tmp_path / "g.txt").write_text(PRODUCT)

    def rows(seed: int) -> dict[str, list[str]]:
        args = ("--random", "--evaluator", "numpy", "--seed", str(seed))
        return table(thrace_main("run", tmp_path / "g.txt", *args).out)

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


def test_evaluators_that_differ_are_told(tmp_path: Path, monkeypatch, thrace_main: Callable):
    (tmp_path / "g.txt").write_text(PRODUCT)
    real = run_module._with_numpy
    monkeypatch.setattr(run_module, "_with_numpy", lambda *a: [r * 1.5 for r in real(*a)])
    done = thrace_main("run", tmp_path / "g.txt", "--random", "--evaluator", "both")
    assert done.code == 1
    assert "xla and numpy differ in y: up to" in done.out


@pytest.mark.parametrize("evaluator", ["xla", "numpy"])
def test_a_check_that_fails_names_the_line(evaluator: str, tmp_path: Path, thrace_main: Callable):
    (tmp_path / "g.txt").write_text(CHECKED)
    args = ("run", tmp_path / "g.txt", "--random", "--evaluator", evaluator)
    done = thrace_main(*args, "--integers-below", "100")
    assert done.code == 1
    assert "pick: index out of range" in done.err
    assert "model.py:7 in pick" in done.err
    assert thrace_main(*args, "--integers-below", "1").code == 0


BAD = [
    ("graph f(", (), "g.txt"),
    ("{}", (), "g.txt"),
    ("nonsense", (), "g.txt"),
    ("", (), "g.txt"),
    (PRODUCT.replace("dot_general(%x", "dot_general(%z"), ("--random",), "%z"),
    (PRODUCT, (), "draw them with --random"),
    (PRODUCT, ("--random", "--seed", "-1"), "--seed"),
    (PRODUCT, ("--random", "--integers-below", "0"), "--integers-below"),
    (PRODUCT, ("--random", "--device", "tpu"), "--device"),
    (PRODUCT, ("--random", "--device", "cuda:63"), "cuda:63 is not there"),
]


@pytest.mark.parametrize(("text", "options", "message"), BAD, ids=map(str, range(len(BAD))))
def test_bad_input_is_one_message(
    text: str, options: tuple[str, ...], message: str, tmp_path: Path, thrace_main: Callable
):
    (tmp_path / "g.txt").write_text(text)
    done = thrace_main("run", tmp_path / "g.txt", *options)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph f(%x: f32[99999999,99999999]) -> () {\n return\n}", "cannot draw the inputs"),
        ("graph f(%x: u8[9999999999999]) -> () {\n return\n}", "cannot draw the inputs"),
        (
            "graph f() -> (y: f64[99999999,99999999]) {\n"
            " %0 = full(1.0) shape=(99999999,99999999) dtype=f64\n return %0\n}",
            "numpy: MemoryError: Unable to allocate",
        ),
    ],
)
def test_graphs_too_large_for_the_machine(
    text: str, message: str, tmp_path: Path, thrace_main: Callable
):
    (tmp_path / "g.txt").write_text(text)
    done = thrace_main("run", tmp_path / "g.txt", "--random", "--evaluator", "numpy")
    assert done.code == 1
    assert message in done.err and "Traceback" not in done.err


def test_files_that_cannot_be_read(tmp_path: Path, thrace_main: Callable):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    for path, message in (("nowhere.txt", "no such file"), ("picture.png", "not a text file")):
        done = thrace_main("run", tmp_path / path)
        assert done.code == 2
        assert message in done.err
    assert thrace_main("run", tmp_path).code == 2


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_inputs_have_the_types_of_the_graph(dtype):
    short = dtype.short
    text = f"graph f(%x: {short}[64], %s: {short}[], %e: {short}[0]) -> () {{\n  return\n}}"
    arrays = draw_inputs(Graph.from_text(text), seed=3)
    assert [a.shape for a in arrays] == [(64,), (), (0,)]
    assert all(a.dtype == dtype.np for a in arrays)
    wide = np.abs(arrays[0].astype(complex))
    assert len(set(wide)) > 1 and wide.max() < 2
    if dtype.kind != "complex":
        assert (arrays[0] >= 0).all()


def test_weights_are_normal_and_scaled_by_their_fan_in():
    text = "graph f(%w: f64[400,100] grad, %b: f64[40000] grad) -> () {\n  return\n}"
    weight, bias = draw_inputs(Graph.from_text(text), seed=0)
    assert abs(weight.mean()) < 0.01 and abs(weight.std() - 0.1) < 0.001
    assert abs(bias.mean()) < 0.02 and abs(bias.std() - 1) < 0.02


NAN, INF = np.nan, np.inf


def f32(values: Any) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (f32([1, 2]), f32([1, 2]), True),
        (f32([1, 2]), f32([1, 2.001]), True),
        (f32([1e-5, 100]), f32([2e-5, 100]), True),  # small beside the largest
        (f32([1, 2]), f32([1, 2.1]), False),
        (f32([1e-6]), f32([2e-6]), False),
        (f32([NAN, 1]), f32([NAN, 1]), True),
        (f32([NAN, 1]), f32([1, 1]), False),
        (f32([INF, 1]), f32([INF, 1]), True),
        (f32([INF]), f32([-INF]), False),
        (f32([]), f32([]), True),
        (f32([1]), f32([1, 1]), False),
        (f32([1]), np.array([1], np.float64), False),
        (np.array([1], np.float64), np.array([1.00001], np.float64), False),
        (np.array([1, 2], np.int64), np.array([1, 3], np.int64), False),
        (np.array([True]), np.array([True]), True),
        (np.array([1 + 1j], np.complex64), np.array([1 + 1j], np.complex64), True),
        (np.array([1 + 1j], np.complex64), np.array([1 - 1j], np.complex64), False),
        (np.array([1.0], ml_dtypes.bfloat16), np.array([1.03], ml_dtypes.bfloat16), True),
    ],
)
def test_what_counts_as_different(a: np.ndarray, b: np.ndarray, same: bool):
    assert (differences(a, b) == "") is same


def test_noise_beside_large_outputs_is_no_difference():
    noise, other = f32([1e-6]), f32([-1e-6])
    assert differences(noise, other)
    assert not differences(
        noise, other, beside=largest([f32([3, INF]), np.array([10**9], np.int64)])
    )


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (f32([1, NAN, 3]), ("2", "1", "3", "1")),
        (f32([NAN]), ("-", "-", "-", "1")),
        (f32(5), ("5", "5", "5", "0")),
        (np.array([1, 2], ml_dtypes.bfloat16), ("1.5", "1", "2", "0")),
        (np.array([3 + 4j], np.complex64), ("3+4j", "5", "5", "0")),
        (np.array([2**62 + 1, 2**62 + 1]), (f"{2.0**62:.6g}", *[str(2**62 + 1)] * 2, "0")),
        (f32([INF, 1]), ("inf", "1", "inf", "0")),
    ],
)
def test_summaries(array: np.ndarray, expected: tuple[str, ...]):
    assert summary(np.asarray(array)) == expected
