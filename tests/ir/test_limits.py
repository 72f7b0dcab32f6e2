"""Hostile files: an error within a second, neither a hang nor a crash."""

from __future__ import annotations

import json
import time

import pytest

from thrace.ir import Graph
from thrace.ir.errors import GraphError
from thrace.ir.limits import SCOPES, Limits

HEAD = "graph g(%x: f32[2]) -> (y: f32[2]) {\n"
N = 100_000


def node(text: str) -> str:
    return f"{HEAD}  %0 = {text}\n  return %0\n}}\n"


def chain(levels: int, calls: int = 1) -> str:
    """Graphs that each call the one before."""
    out = HEAD.replace("g(", "g0(") + "  %0 = mul(%x, 2)\n  return %0\n}\n"
    for i in range(1, levels):
        lines = [
            f"  %{j} = call({f'%{j - 1}' if j else '%x'}) graph=@g{i - 1}" for j in range(calls)
        ]
        body = "\n".join(lines)
        out += HEAD.replace("g(", f"g{i}(") + f"{body}\n  return %{calls - 1}\n}}\n"
    return out


HOSTILE = {
    "digits": node(f"mul(%x, {'1' * N}x)"),
    "open brackets": node(f"mul(%x, {'(' * N}"),
    "open string": node('mul(%x, "' + "\\" * N),
    "many sizes": HEAD.replace("[2]", f"[{'1,' * N}]"),
    "spaces in a type": HEAD.replace("[2]", f"[{' ' * N}x]"),
    "deep attribute": node(f"full(1) shape={'(' * N}{')' * N} dtype=f32"),
    "deep scope": node(f"mul(%x, 2)  ; {'/'.join('a' * N)}"),
    "spaces in an origin": node(f"mul(%x, 2)  ; a{' ' * N}b"),
    "many causes": node(f"mul(%x, 2)  ; {'a.py:1  for ' * N}"),
    "ticks": node(f"mul(%x, 2)  ; a.py:1 in f {'`' * N}"),
    "bars": node(f"mul(%x, 2)  {'|a' * N}"),
    "no end of a head": "graph g(\n" * N,
    "huge constant": node(f'constant() data=f32[{"9" * 40}](base64 "AAAA")'),
    "graphs in graphs": chain(1000),
    "doubling calls": chain(100, calls=2),
    "surrogates": node('mul(%"\\ud800", 2)'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_an_error(name: str):
    started = time.process_time()
    with pytest.raises(GraphError):
        Graph.from_text(HOSTILE[name])
    assert time.process_time() - started < 3


def test_limits_of_text_and_json():
    graph = Graph.from_text(chain(4, calls=3))
    text, document = graph.to_text(), graph.to_json()
    for limits, said in (
        (Limits(size_bytes=100), "bytes, and at most 100 are read"),
        (Limits(nodes=9), "10 nodes, and at most 9 are read"),
        (Limits(graphs=3), "4 graphs, and at most 3 are read"),
        (Limits(nesting=3), "4 graphs in graphs, and at most 3 are read"),
        (Limits(expanded=50), "66 nodes with called graphs in line"),
    ):
        with pytest.raises(GraphError, match=said):
            Graph.from_text(text, limits=limits)
        with pytest.raises(GraphError, match=said):
            Graph.from_json(document, limits=limits)
    enough = Limits(len(document), 10, 4, 4, 66)
    assert len(Graph.from_text(text, limits=enough)) == 3
    assert len(Graph.from_json(document, limits=enough)) == 3


def test_hostile_json_is_an_error():
    document = json.loads(Graph.from_text(node("mul(%x, 2)")).to_json())
    rows = [{"name": "a", "kind": "function", "parent": i - 1 if i else None} for i in range(5000)]
    for text in (
        "[" * N,
        '{"thrace": 1, "graphs": ' + "[" * N,
        json.dumps({**document, "scopes": rows}),
    ):
        with pytest.raises(GraphError):
            Graph.from_json(text)


def test_as_many_scopes_as_are_allowed():
    deep = Graph.from_text(node(f"mul(%x, 2)  ; {'/'.join(['a'] * SCOPES)}"))
    assert len(deep.nodes[0].scope.chain()) == SCOPES  # type: ignore[union-attr]
    assert Graph.from_json(deep.to_json()).to_text() == deep.to_text()
