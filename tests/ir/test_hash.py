"""Structural keys: equal for equal programs, whatever they are called; different otherwise."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from hypothesis import given
from processes import run
from programs import PROGRAMS, graphs

from thrace.ir import Graph
from thrace.ir.hash import structural_hash, structural_key
from thrace.ir.limits import Limits

BASE = """\
graph main(%x: f32[2,3], %y: f32[2,3]) -> (out: f32[2,3]) {
  %0 = mul(%x, 2.0)  ; [net]/f  a.py:3
  %1 = sub(%0, %y)
  return %1
}
"""


def test_names_scopes_places_and_flags_do_not_count():
    other = """\
graph renamed(%a: f32[2,3] grad, %b: f32[2,3]) -> (other: f32[2,3]) {
  %product = mul(%a, 2.0)  ; <backward>/g  b.py:9  for c.py:1
  %z = sub(%product, %b)
  return %z
}
"""
    a, b = Graph.from_text(BASE), Graph.from_text(other)
    assert structural_key(a) == structural_key(b)
    assert structural_hash(a) == structural_hash(b)


DIFFERENT = [
    BASE,
    BASE.replace("mul", "add"),
    BASE.replace("f32", "f64"),
    BASE.replace("[2,3]", "[3,2]"),
    BASE.replace("sub(%0, %y)", "sub(%y, %0)"),
    BASE.replace("sub(%0, %y)", "sub(%0, %x)"),
    BASE.replace("return %1", "return %0"),
    BASE.replace("%y: f32[2,3]", "%y: f32[2,3], %z: f32[]"),
    *(
        BASE.replace("2.0", n)
        for n in ("2", "3.0", "0", "0.0", "-0.0", "1", "1.0", "True", "nan", "inf", "-inf")
    ),
    BASE.replace("sub(%0, %y)", "slice(%0) starts=(0, 0) sizes=(2, 3) strides=(1, 1)"),
    BASE.replace("sub(%0, %y)", "transpose(%0) perm=(0, 1)"),
    BASE.replace("sub(%0, %y)", "full(1) shape=(2, 3) dtype=f32"),
    BASE.replace("sub(%0, %y)", "broadcast(%0) shape=(2, 3)"),
    BASE.replace("sub(%0, %y)", "reshape(%0) shape=(2, 3)"),
]


def test_every_difference_counts():
    made = [Graph.from_text(text) for text in DIFFERENT]
    for a, b in itertools.combinations(made, 2):
        assert structural_key(a) != structural_key(b), f"{a}\n{b}"
        assert structural_hash(a) != structural_hash(b)


def test_the_data_of_constants_counts():
    text = "graph g() -> (y: f32[2]) {\n %0 = constant() data=f32[2](1.0, 0.0)\n return %0\n}"
    a, b = Graph.from_text(text), Graph.from_text(text.replace("0.0", "-0.0"))
    assert structural_key(a) != structural_key(b)
    assert structural_key(a) == structural_key(Graph.from_text(text))


def test_nan_is_itself():
    a, b = (Graph.from_text(BASE.replace("2.0", "nan")) for _ in range(2))
    assert structural_key(a) == structural_key(b)


HELD = """\
graph inner(%x: f32[2]) -> (y: f32[2]) {
  %0 = exp(%x)
  return %0
}
graph same(%z: f32[2]) -> (w: f32[2]) {
  %0 = exp(%z)
  return %0
}
graph main(%x: f32[2]) -> (y: f32[2]) {
  %0 = call(%x) graph=@inner
  %1 = call(%0) graph=@same
  return %1
}
"""


def test_held_graphs_count_by_what_they_do():
    a = Graph.from_text(HELD)
    b = Graph.from_text(HELD.replace("@same", "@inner"))
    c = Graph.from_text(HELD.replace("exp(%z)", "neg(%z)"))
    assert structural_key(a) == structural_key(b) != structural_key(c)


def test_graphs_that_share_deeply_are_quick():
    text = "graph g0(%x: f32[2]) -> (y: f32[2]) {\n %0 = exp(%x)\n return %0\n}\n"
    for i in range(1, 60):  # 2 ** 60 calls, if each were followed
        text += (
            f"graph g{i}(%x: f32[2]) -> (y: f32[2]) {{\n"
            f" %0 = call(%x) graph=@g{i - 1}\n %1 = call(%0) graph=@g{i - 1}\n return %1\n}}\n"
        )
    large = Limits(expanded=1 << 62)
    g = Graph.from_text(text, limits=large)
    assert structural_hash(g) == structural_hash(Graph.from_json(g.to_json(), limits=large))
    assert structural_hash(g.verify().optimize()) == structural_hash(g)


@pytest.mark.parametrize("name", ["linear", "call", "many_outputs"])
def test_the_digest_is_that_of_other_processes(name: str, tmp_path: Path):
    (program,) = [p for p in PROGRAMS if p.name == name]
    g = program.graph().backward()
    (tmp_path / "g.txt").write_text(g.to_text())
    check = (
        "from thrace.ir import Graph\nfrom thrace.ir.hash import structural_hash\n"
        f"assert structural_hash(Graph.from_text(open('g.txt').read())) == {structural_hash(g)!r}"
    )
    run(sys.executable, "-c", check, cwd=tmp_path)


@given(graphs())
def test_reading_back_keeps_the_key(g: Graph):
    assert structural_key(Graph.from_text(g.to_text())) == structural_key(g)
    hash(structural_key(g))
