"""What is different between two graphs, and passes watched."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from programs import graphs

import thrace
from thrace.ir import Graph, log

BASE = """
graph g(%x: f32[4], %w: f32[4] grad) -> (y: f32[4]) {
  %0 = mul(%x, %w)    ; [net]/linear
  %1 = add(%0, 1.0)   ; [net]/linear
  %2 = exp(%1)        ; [net]/relu
  %3 = neg(%2)        ; [net]
  return %3
}
"""

CHANGES = (
    # One more node: the nodes after it keep their names.
    (
        ("%2 = exp(%1)", "%9 = tanh(%1)  ; [net]/relu\n  %2 = exp(%9)"),
        ["+ %+0: f32[4] = tanh(%1)  ; net/relu"],
        [
            "- %2: f32[4] = exp(%1)  ; net/relu",
            "+ %2: f32[4] = exp(%+0)  ; net/relu",
        ],
    ),
    (
        ("add(%0, 1.0)", "add(%0, 2.0)"),
        ["- %1: f32[4] = add(%0, 1.0)  ; net/linear"],
        ["+ %+0: f32[4] = add(%0, 2.0)  ; net/linear"],
    ),
    # An int is not a float.
    (("1.0", "1"), ["- %1: f32[4] = add(%0, 1.0)  ; net/linear"], []),
    (("[net]/relu", "[net]/gelu"), ["+ %+0: f32[4] = exp(%1)  ; net/gelu"], []),
    (("%w: f32[4] grad", "%w: f32[4]"), ["- input %w: f32[4] grad", "+ input %w: f32[4]"], []),
    (("return %3", "return %2"), ["- return y = %3: f32[4]", "+ return y = %2: f32[4]"], []),
)


@pytest.mark.parametrize(("change", "some", "more"), CHANGES)
def test_differences(change: tuple[str, str], some: list[str], more: list[str]):
    found = Graph.from_text(BASE).diff(Graph.from_text(BASE.replace(*change)))
    assert found
    shown = found.text().splitlines()
    assert set(some + more) <= set(shown), shown
    assert found.added + found.removed <= 4


def test_names_and_places_make_no_difference():
    other = BASE.replace("%2", "%abc").replace("; [net]/linear", "; [net]/linear  a.py:3")
    found = Graph.from_text(BASE).diff(Graph.from_text(other))
    assert not found and found.same_program and found.text() == ""


def test_scopes_alone_are_shown_though_the_program_is_the_same():
    found = Graph.from_text(BASE).diff(Graph.from_text(BASE.replace("relu", "gelu")))
    assert found and found.same_program


def test_a_layer_more_is_that_layer_alone():
    def made(layers: int) -> Graph:
        net = thrace.nn.Sequential(*(thrace.nn.Linear(4, 4) for _ in range(layers)))
        return thrace.trace(net, thrace.spec("f32[2,4]"))

    found = made(12).diff(made(13))
    assert found.removed == 1  # what is returned
    assert found.added == 2 + 2 + 1  # weight and bias; product and sum; what is returned


def test_graphs_that_nodes_hold_are_compared_too():
    def made(op: str) -> Graph:
        return Graph.from_text(
            f"graph f(%x: f32[4]) -> (y: f32[4]) {{\n %0 = {op}(%x)\n return %0\n}}\n"
            "graph g(%x: f32[4]) -> (y: f32[4]) {\n %0 = call(%x) graph=@f\n return %0\n}"
        )

    shown = made("exp").diff(made("neg")).text().splitlines()
    assert shown[-4:-1] == ["  graph f:", "  input %x: f32[4]", "- %0: f32[4] = exp(%x)"] or (
        "- %0: f32[4] = exp(%x)" in shown and "+ %+0: f32[4] = neg(%x)" in shown
    )


@given(graphs())
def test_a_graph_and_itself(graph: Graph):
    assert not graph.diff(Graph.from_text(graph.to_text()))


def test_passes_show_before_and_after():
    graph = Graph.from_text(BASE.replace("add(%0, 1.0)", "mul(%0, 1.0)"))
    seen = graph.passes()
    assert [s.name for s in seen.steps][:4] == [
        *("simplify", "fold_constants", "eliminate_common_subexpressions", "eliminate_dead_code")
    ]
    first = seen.steps[0]
    assert first.before is graph and seen.result is seen.steps[-1].after
    assert not graph.optimize().diff(seen.result)
    for step in seen.steps:
        assert step.changed == (step.before is not step.after)
    assert any(step.changed for step in seen.steps) and "nothing to do" not in str(first)


def test_the_log_names_passes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(log, "_SHOWN", {})
    monkeypatch.setattr(log._ROOT, "propagate", True)
    graph = Graph.from_text(BASE + "# again")
    graph.optimize()
    assert not caplog.messages
    monkeypatch.setenv("THRACE_LOG", "passes")
    monkeypatch.setattr(log._ROOT, "handlers", [logging.NullHandler()])
    graph.optimize()
    logging.getLogger("thrace.passes").setLevel(logging.NOTSET)
    assert any(m.startswith("g: simplify:") for m in caplog.messages)


def test_an_unknown_topic_is_said_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log, "_SHOWN", {})
    monkeypatch.setattr(log._ROOT, "handlers", [logging.NullHandler()])
    monkeypatch.setenv("THRACE_LOG", "passes,pases")
    with pytest.warns(UserWarning, match="no topic 'pases'; known: all, traces"):
        assert log.enabled("passes")
    assert log.enabled("passes") and not log.enabled("compile")  # a warning is an error here
    logging.getLogger("thrace.passes").setLevel(logging.NOTSET)
