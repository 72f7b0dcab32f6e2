"""`thrace.explain` as a table, THRACE_LOG, and progress on long compiles."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager

import pytest

import thrace
from thrace.ir import log
from thrace.runtime import executable, progress


def test_a_table_of_traces_with_their_phases():
    net = thrace.nn.Linear(4, 2)
    opt = thrace.optim.SGD(net.parameters(), lr=0.1)

    @thrace.compile
    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    step(thrace.ones(3, 4))
    step(thrace.ones(3, 4))
    step(thrace.ones(5, 4))
    found = thrace.explain(step)
    lines = str(found).splitlines()
    assert lines[0] == "step: 2 traces, 2 executables, 0 fallbacks, 1 recompiles"
    assert lines[1].split() == [
        *("trace", "nodes", "inputs", "calls", "recording", "tracing", "lowering", "XLA", "memory")
    ]
    first, second = (row.split() for row in lines[2:4])
    assert (first[0], first[3], second[0], second[3]) == ("0", "2", "1", "1")
    phases = found.traces[0].phases
    assert list(phases) == ["recording", "tracing", "lowering", "XLA"]
    assert all(seconds > 0 for seconds in phases.values())
    slow = found.traces[0].executable.slowest
    assert 1 <= len(slow) <= 5
    assert {"optimizer", "Linear/linear"} & {scope.path for scope in slow}
    assert [s.trace_s for s in slow] == sorted((s.trace_s for s in slow), reverse=True)
    assert sum(s.trace_s for s in slow) <= phases["tracing"]
    assert lines[-2].split() == ["times", "recompile"]
    assert lines[-1].split()[:3] == ["1", "argument", "0"] and "f32[5,4]" in lines[-1]
    assert "test_explain.py:" in lines[-1] and "step(thrace.ones(5, 4))" in lines[-1]
    assert "&lt;" not in found._repr_html_() and "<pre>step: 2 traces" in found._repr_html_()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """Sets THRACE_LOG for this test alone, and collects what is written."""
    monkeypatch.setattr(log, "_SHOWN", {})
    monkeypatch.setattr(log._ROOT, "propagate", True)
    monkeypatch.setattr(log._ROOT, "handlers", [logging.NullHandler()])
    before = {name: logging.getLogger(f"thrace.{name}").level for name in log.TOPICS}
    yield lambda topics: monkeypatch.setenv("THRACE_LOG", topics)
    for name, level in before.items():
        logging.getLogger(f"thrace.{name}").setLevel(level)


def test_the_log_of_traces_and_compiles(logged, caplog: pytest.LogCaptureFixture):
    @thrace.compile
    def scaled(x, by):
        return x * by + 417.25

    scaled(thrace.ones(3), 2.0)
    assert not caplog.messages
    logged("traces, compile")
    scaled(thrace.ones(3), 3.0)
    said = "\n".join(caplog.messages)
    assert "scaled is traced again: argument 1" in said
    assert "scaled: recorded in" in said and "2 nodes" in said
    assert "scaled for cpu, 2 nodes:" in said and "XLA" in said


def test_the_log_of_a_fallback(logged, caplog: pytest.LogCaptureFixture):
    @thrace.compile
    def reads(x):
        return x * x.sum().item()

    logged("all")
    with pytest.warns(thrace.FallbackWarning):
        reads(thrace.ones(3))
    (message,) = [m for m in caplog.messages if "runs uncompiled" in m]
    assert "needs a tensor's value" in message and "x.sum().item()" in message


def shown(monkeypatch: pytest.MonkeyPatch, capsys, seconds: float, terminal: bool) -> str:
    monkeypatch.setenv("THRACE_PROGRESS", "1")
    monkeypatch.setattr(progress, "PATIENCE_S", 0.05)
    monkeypatch.setattr(progress, "_EVERY_S", 0.05)
    monkeypatch.setattr(progress, "_terminal", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "80")
    with progress.shown("step for cpu, 12 nodes") as stage:
        stage.name, stage.detail = "in XLA", "; slowest to trace: relu (4 nodes, 0.001 s)"
        time.sleep(seconds)
    return capsys.readouterr().err


def test_a_long_compile_says_so(monkeypatch: pytest.MonkeyPatch, capsys):
    lines = shown(monkeypatch, capsys, 0.4, terminal=False).splitlines()
    said = "thrace: compiling step for cpu, 12 nodes: in XLA, 0 s; slowest to trace: relu (4 nodes"
    assert lines[0] == f"{said}, 0.001 s)"
    assert lines[1].startswith("thrace: compiled step for cpu, 12 nodes in 0.")
    text = shown(monkeypatch, capsys, 0.4, terminal=True)
    assert text.count("\r\x1b[Kthrace: compiling") >= 2 and text.endswith("\r\x1b[K")
    assert all(len(line) < 80 for line in text.split("\r\x1b[K"))  # one that wraps would stay


def test_what_is_said_names_the_slowest_scopes(monkeypatch: pytest.MonkeyPatch):
    stages: list[progress.Stage] = []

    @contextmanager
    def kept(what: str):
        with progress.shown(what) as stage:
            stages.append(stage)
            yield stage

    monkeypatch.setattr(executable, "shown", kept)
    model = thrace.nn.Sequential(thrace.nn.Linear(5, 7), thrace.nn.Tanh())
    thrace.compile(model)(thrace.ones(2, 5))
    (stage,) = stages
    assert stage.detail.startswith("; slowest to trace: ")
    assert "Sequential/0/linear (2 nodes, 0." in stage.detail


def test_a_short_compile_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE_S", 30.0)
    with progress.shown("step") as stage:
        stage.name = "tracing"
    assert capsys.readouterr().err == ""


def test_progress_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("THRACE_PROGRESS", "0")
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    with progress.shown("step"):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""
