"""Passes: text before and after, and the same results to the bit on drawn graphs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import PROGRAMS, Program, assert_same, graphs, random_array, same_bits

from thrace.ir import Builder, Graph, Value
from thrace.ir.hash import structural_key
from thrace.ir.interpret import interpret
from thrace.ir.passes import (
    PASSES,
    Pass,
    eliminate_common_subexpressions,
    eliminate_dead_code,
    fold_constants,
    optimize,
    simplify,
)
from thrace.ir.types import parse_type


def read(body: str, header: str) -> Graph:
    """The graph with this header and these lines; the last line is what it returns."""
    *lines, returned = [line.strip() for line in body.strip().splitlines()]
    ins, _, out = header.partition(" -> ")
    text = [f"graph main({ins}) -> (out: {out}) {{", *lines, f"return {returned}", "}"]
    return Graph.from_text("\n".join(text))


def equal(a: Graph, b: Graph) -> bool:
    return structural_key(a) == structural_key(b)


# Each case: a header, a body and what one pass followed by dead code elimination leaves.
# What stands on the left of the arrow stays as it is where nothing stands on the right.

F = "%x: f32[2,3], %y: f32[2,3] -> f32[2,3]"
I = "%x: i32[2,3], %y: i32[2,3] -> i32[2,3]"
B = "%c: b1[2,3], %x: f32[2,3], %y: f32[2,3] -> f32[2,3]"

SIMPLIFIED = [
    (F, "%0 = mul(%x, 1)\n%0", "%x"),
    (F, "%0 = mul(1.0, %x)\n%0", "%x"),
    (F, "%0 = full(1) shape=(2, 3) dtype=f32\n%1 = mul(%x, %0)\n%1", "%x"),
    (F, "%0 = full(1) shape=(3,) dtype=f32\n%1 = mul(%0, %x)\n%1", "%x"),
    (
        F,
        "%0 = full(1) shape=() dtype=f32\n%1 = broadcast(%0) shape=(3,)\n%2 = mul(%0, %x)\n%2",
        "%x",
    ),
    (F, "%0 = add(%x, 0.0)\n%0", None),  # -0.0 + 0.0 is 0.0
    (F, "%0 = add(%x, 0)\n%0", None),
    (F, "%0 = add(%x, -0.0)\n%0", "%x"),
    (F, "%0 = sub(%x, 0.0)\n%0", "%x"),
    (F, "%0 = sub(%x, -0.0)\n%0", None),
    (F, "%0 = sub(0.0, %x)\n%0", None),
    (F, "%0 = sub(-0.0, %x)\n%0", "%0 = neg(%x)\n%0"),
    (F, "%0 = sub(%x, %x)\n%0", None),  # inf - inf is nan
    (F, "%0 = mul(%x, 0.0)\n%0", None),
    (F, "%0 = div(%x, 1)\n%0", "%x"),
    (F, "%0 = pow(%x, 1.0)\n%0", "%x"),
    (F, "%0 = pow(%x, 0)\n%0", "%0 = full(1) shape=(2, 3) dtype=f32\n%0"),
    (F, "%0 = neg(%x)\n%1 = neg(%0)\n%1", "%x"),
    (F, "%0 = neg(%y)\n%1 = add(%x, %0)\n%1", "%0 = sub(%x, %y)\n%0"),
    (F, "%0 = neg(%x)\n%1 = add(%0, %y)\n%1", "%0 = sub(%y, %x)\n%0"),
    (F, "%0 = neg(%y)\n%1 = sub(%x, %0)\n%1", "%0 = add(%x, %y)\n%0"),
    (F, "%0 = sub(%x, %y)\n%1 = neg(%0)\n%1", None),  # the sign of a zero
    (F, "%0 = neg(%x)\n%1 = neg(%y)\n%2 = mul(%0, %1)\n%2", "%0 = mul(%x, %y)\n%0"),
    (F, "%0 = neg(%x)\n%1 = mul(%0, 2)\n%1", "%0 = mul(%x, -2.0)\n%0"),
    ("%x: u8[2] -> u8[2]", "%0 = neg(%x)\n%1 = abs(%0)\n%1", None),  # it has wrapped round
    (F, "%0 = neg(%x)\n%1 = abs(%0)\n%2 = abs(%1)\n%2", "%0 = abs(%x)\n%0"),
    (F, "%0 = maximum(%x, %x)\n%0", "%x"),
    (I, "%0 = add(%x, 0)\n%0", "%x"),
    (I, "%0 = mul(%x, 0)\n%0", "%0 = full(0) shape=(2, 3) dtype=i32\n%0"),
    (I, "%0 = sub(%x, %x)\n%0", "%0 = full(0) shape=(2, 3) dtype=i32\n%0"),
    (I, "%0 = sub(0, %x)\n%0", "%0 = neg(%x)\n%0"),
    (I, "%0 = sub(%x, %y)\n%1 = neg(%0)\n%1", "%0 = sub(%y, %x)\n%0"),
    (I, "%0 = bit_or(%x, 0)\n%1 = bit_xor(0, %0)\n%2 = shift_left(%1, 0)\n%2", "%x"),
    (I, "%0 = bit_not(%x)\n%1 = bit_not(%0)\n%2 = bit_and(%1, %1)\n%2", "%x"),
    (B, "%0 = full(True) shape=(2, 3) dtype=b1\n%1 = select(%0, %x, %y)\n%1", "%x"),
    (B, "%0 = full(False) shape=() dtype=b1\n%1 = select(%0, %x, %y)\n%1", "%y"),
    (
        B,
        "%0 = full(True) shape=() dtype=b1\n%1 = select(%0, 2.0, %y)\n%1",
        "%0 = full(2.0) shape=(2, 3) dtype=f32\n%0",
    ),
    (B, "%0 = select(%c, %x, %x)\n%0", "%x"),
    (B, "%0 = bit_not(%c)\n%1 = select(%0, %x, %y)\n%1", "%0 = select(%c, %y, %x)\n%0"),
    (
        "%c: b1[2,3], %x: f32[3] -> f32[2,3]",
        "%0 = full(True) shape=(2, 3) dtype=b1\n%1 = select(%0, %x, 0)\n%1",
        "%0 = broadcast(%x) shape=(2, 3)\n%0",
    ),
    # Conversions.
    (F, "%0 = convert(%x) dtype=f32\n%0", "%x"),
    (F, "%0 = convert(%x) dtype=f64\n%1 = convert(%0) dtype=f32\n%1", "%x"),
    (F, "%0 = convert(%x) dtype=f16\n%1 = convert(%0) dtype=f32\n%1", None),
    (
        "%x: i8[2] -> f64[2]",
        "%0 = convert(%x) dtype=i32\n%1 = convert(%0) dtype=f64\n%1",
        "%0 = convert(%x) dtype=f64\n%0",
    ),
    ("%x: u8[2] -> i8[2]", "%0 = convert(%x) dtype=f32\n%1 = convert(%0) dtype=i8\n%1", None),
    ("%x: i64[2] -> i64[2]", "%0 = convert(%x) dtype=f64\n%1 = convert(%0) dtype=i64\n%1", None),
    ("%x: i32[2] -> i32[2]", "%0 = convert(%x) dtype=f64\n%1 = convert(%0) dtype=i32\n%1", "%x"),
    # Moving elements.
    (F, "%0 = reshape(%x) shape=(6,)\n%1 = reshape(%0) shape=(2, 3)\n%1", "%x"),
    (F, "%0 = transpose(%x) perm=(0, 1)\n%0", "%x"),
    (F, "%0 = transpose(%x) perm=(1, 0)\n%1 = transpose(%0) perm=(1, 0)\n%1", "%x"),
    (
        "%x: f32[2,3,4] -> f32[3,4,2]",
        "%0 = transpose(%x) perm=(2, 0, 1)\n%1 = transpose(%0) perm=(2, 0, 1)\n%1",
        "%0 = transpose(%x) perm=(1, 2, 0)\n%0",
    ),
    (F, "%0 = broadcast(%x) shape=(2, 3)\n%1 = sum_to(%0) shape=(2, 3)\n%1", "%x"),
    (
        "%x: f32[3] -> f32[2,4,3]",
        "%0 = broadcast(%x) shape=(4, 3)\n%1 = broadcast(%0) shape=(2, 4, 3)\n%1",
        "%0 = broadcast(%x) shape=(2, 4, 3)\n%0",
    ),
    (F, "%0 = slice(%x) starts=(0, 0) sizes=(2, 3) strides=(1, 1)\n%0", "%x"),
    (
        "%x: f32[10] -> f32[2]",
        "%0 = slice(%x) starts=(1,) sizes=(4,) strides=(2,)\n"
        "%1 = slice(%0) starts=(1,) sizes=(2,) strides=(2,)\n%1",
        "%0 = slice(%x) starts=(3,) sizes=(2,) strides=(4,)\n%0",
    ),
    (
        "%x: f32[10], %u: f32[4] -> f32[4]",
        "%0 = update_slice(%x, %u) starts=(1,) strides=(2,)\n"
        "%1 = slice(%0) starts=(1,) sizes=(4,) strides=(2,)\n%1",
        "%u",
    ),
    (
        "%x: f32[10], %u: f32[4] -> f32[3]",
        "%0 = update_slice(%x, %u) starts=(1,) strides=(2,)\n"
        "%1 = slice(%0) starts=(1,) sizes=(3,) strides=(2,)\n%1",
        None,
    ),
    (F, "%0 = update_slice(%x, %y) starts=(0, 0) strides=(1, 1)\n%0", "%y"),
    (F, "%0 = pad(%x, 1.0) low=(0, 0) high=(0, 0) interior=(0, 0)\n%0", "%x"),
    (F, "%0 = concatenate(%x) axis=0\n%0", "%x"),
    (F, "%0 = reverse(%x) axes=(1,)\n%1 = reverse(%0) axes=(1,)\n%1", "%x"),
    (F, "%0 = sum(%x) axes=()\n%0", "%x"),
    # Operands that elementwise ops widen by themselves.
    (F, "%0 = full(2) shape=(2, 3) dtype=f32\n%1 = mul(%x, %0)\n%1", "%0 = mul(%x, 2.0)\n%0"),
    (
        F,
        "%0 = full(0.1) shape=() dtype=f32\n%1 = broadcast(%0) shape=(2, 3)\n%2 = sub(%1, %x)\n%2",
        "%0 = sub(0.1, %x)\n%0",
    ),
    (
        "%x: f32[3], %y: f32[2,3] -> f32[2,3]",
        "%0 = broadcast(%x) shape=(2, 3)\n%1 = mul(%0, %y)\n%1",
        "%0 = mul(%x, %y)\n%0",
    ),
    (  # the only operand with the result's shape stays
        "%x: f32[3], %y: f32[3] -> f32[2,3]",
        "%0 = broadcast(%x) shape=(2, 3)\n%1 = mul(%0, %y)\n%1",
        None,
    ),
    (
        "%x: f32[3] -> f32[2,3]",
        "%0 = full(2.0) shape=(2, 3) dtype=f32\n%1 = mul(%x, %0)\n%1",
        None,
    ),
    (
        B,
        "%0 = full(2.0) shape=(2, 3) dtype=f32\n%1 = select(%c, %0, %x)\n%1",
        "%0 = select(%c, 2.0, %x)\n%0",
    ),
    (B, "%0 = full(2.0) shape=(2, 3) dtype=f32\n%1 = select(%c, %0, 0)\n%1", None),
    (
        "%x: f32[2] -> b1[]",
        '%0 = full(True) shape=() dtype=b1\n%1 = check(%0) message="m"\n%1',
        "%0 = full(True) shape=() dtype=b1\n%0",
    ),
]

FOLDED = [
    (
        F,
        "%0 = full(2) shape=(2, 3) dtype=f32\n%1 = add(%0, 1)\n%1",
        "%0 = full(3.0) shape=(2, 3) dtype=f32\n%0",
    ),
    (  # of any size, without its array being made
        "%x: f32[] -> f32[100000,1000000]",
        "%0 = full(2) shape=(100000, 1000000) dtype=f32\n%1 = mul(%0, %0)\n%1",
        "%0 = full(4.0) shape=(100000, 1000000) dtype=f32\n%0",
    ),
    (
        F,
        "%0 = full(2) shape=(3, 2) dtype=f32\n%1 = transpose(%0) perm=(1, 0)\n%1",
        "%0 = full(2.0) shape=(2, 3) dtype=f32\n%0",
    ),
    (
        F,
        "%0 = full(1) shape=(2, 3) dtype=f32\n%1 = exp(%0)\n%1",
        None,
    ),  # not the same on every backend
    (  # whole numbers are
        "%x: f32[] -> i64[]",
        "%0 = iota() shape=(5,) axis=0 dtype=i64\n%1 = sum(%0) axes=(0,)\n%1",
        "%0 = full(10) shape=() dtype=i64\n%0",
    ),
    ("%x: f32[] -> f32[]", "%0 = full(0.1) shape=(5,) dtype=f32\n%1 = sum(%0) axes=(0,)\n%1", None),
    (
        "%x: f32[] -> i64[3]",
        "%0 = iota() shape=(3,) axis=0 dtype=i64\n%1 = add(%0, 1)\n%1",
        "%0 = constant() data=i64[3](1, 2, 3)\n%0",
    ),
    (  # a thousand numbers would be data where there was none
        "%x: f32[] -> i64[1000]",
        "%0 = iota() shape=(1000,) axis=0 dtype=i64\n%1 = add(%0, 1)\n%1",
        None,
    ),
    (
        "%x: f32[] -> b1[1000]",
        "%0 = iota() shape=(1000,) axis=0 dtype=i64\n%1 = ge(%0, 0)\n%1",
        "%0 = full(True) shape=(1000,) dtype=b1\n%0",
    ),
    (
        "%x: f32[] -> f32[20]",
        f"%0 = constant() data=f32[20]({', '.join(f'{n}.0' for n in range(20))})\n%1 = neg(%0)\n%1",
        f"%0 = constant() data=f32[20]({', '.join(f'-{n}.0' for n in range(20))})\n%0",
    ),
    (
        "%x: f32[] -> f32[0]",
        "%0 = constant() data=f32[0]()\n%1 = neg(%0)\n%1",
        "%0 = full(0) shape=(0,) dtype=f32\n%0",
    ),
    ("%x: f32[] -> f32[2]", "%0 = full(%x) shape=(2,) dtype=f32\n%1 = neg(%0)\n%1", None),
    (  # zeros of both signs are not one number
        "%x: f32[] -> f32[2]",
        "%0 = constant() data=f32[2](0.0, -0.0)\n%1 = neg(%0)\n%1",
        "%0 = constant() data=f32[2](-0.0, 0.0)\n%0",
    ),
]

MERGED = [
    (F, "%0 = exp(%x)\n%1 = exp(%x)\n%2 = mul(%0, %1)\n%2", "%0 = exp(%x)\n%1 = mul(%0, %0)\n%1"),
    (F, "%0 = mul(%x, 0.0)\n%1 = mul(%x, -0.0)\n%2 = mul(%0, %1)\n%2", None),
    (F, "%0 = mul(%x, 1)\n%1 = mul(%x, 1.0)\n%2 = mul(%0, %1)\n%2", None),
    (
        F,
        "%0 = mul(%x, nan)\n%1 = mul(%x, nan)\n%2 = mul(%0, %1)\n%2",
        "%0 = mul(%x, nan)\n%1 = mul(%0, %0)\n%1",
    ),
    (  # each of the equal nodes makes the next pair equal
        F,
        "%0 = exp(%x)\n%1 = neg(%0)\n%2 = exp(%x)\n%3 = neg(%2)\n%4 = mul(%1, %3)\n%4",
        "%0 = exp(%x)\n%1 = neg(%0)\n%2 = mul(%1, %1)\n%2",
    ),
    (
        "%c: b1[] -> b1[]",
        '%0 = check(%c) message="m"\n%1 = check(%c) message="m"\n%2 = eq(%0, %1)\n%2',
        None,
    ),
]

DEAD = [
    (F, "%0 = exp(%x)\n%1 = neg(%0)\n%2 = mul(%x, %y)\n%2", "%0 = mul(%x, %y)\n%0"),
    ("%c: b1[], %x: f32[] -> f32[]", '%0 = bit_not(%c)\n%1 = check(%0) message="m"\n%x', None),
]

TABLES: Sequence[tuple[Pass, list]] = (
    (simplify, SIMPLIFIED),
    (fold_constants, FOLDED),
    (eliminate_common_subexpressions, MERGED),
    (eliminate_dead_code, DEAD),
)
CASES: list[tuple] = [(run, *case) for run, table in TABLES for case in table]


@pytest.mark.parametrize(
    ("run", "header", "before", "after"),
    CASES,
    ids=[f"{c[0].__name__}-{re.sub(r'[^a-z0-9%.-]+', '_', c[2])[:50]}" for c in CASES],
)
def test_before_and_after(run: Pass, header: str, before: str, after: str | None):
    graph = read(before, header)
    copy = read(before, header)
    got = eliminate_dead_code(run(graph)).verify()
    expected = read(before if after is None else after, header)
    assert equal(got, expected), f"{got}\nexpected\n{expected}"
    assert_same(graph, copy)
    if after is None:
        assert run(graph) is graph


@pytest.mark.parametrize("run", [*PASSES, optimize], ids=lambda run: run.__name__)
@given(g=graphs(), seed=st.integers(0, 5))
def test_results_stay_the_same_to_the_bit(run: Pass, g: Graph, seed: int):
    args = [random_array(t, seed + i) for i, t in enumerate(g.input_types)]
    expected = evaluated(g, args)
    before = g.to_text()
    got = run(g).verify()
    assert g.to_text() == before
    assert got.input_names == g.input_names and got.output_names == g.output_names
    assert got.input_types == g.input_types and got.output_types == g.output_types
    assert got.requires_grad == g.requires_grad and got.name == g.name
    if expected is not None:
        same_bits(interpret(got, args), expected)


def evaluated(g: Graph, args: list[np.ndarray]) -> list[np.ndarray] | None:
    """The outputs, or None where NumPy refuses, as for whole numbers to negative powers."""
    try:
        return interpret(g, args)
    except (ValueError, OverflowError):
        return None


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_programs_and_their_gradients_stay_the_same(program: Program):
    g = program.graph().backward()
    rng = np.random.default_rng(0)
    more = [rng.normal(size=t.shape).astype(t.dtype.np) for t in g.input_types]
    args = program.arguments() + more[len(program.inputs) :]
    got = g.optimize()
    same_bits(interpret(got, args), interpret(g, args))
    assert len(got) <= len(g)
    assert optimize(got) is got


def test_the_first_of_equal_nodes_keeps_its_place():
    g = Graph.from_text("""
        graph main(%x: f32[2]) -> (a: f32[2], b: f32[2]) {
          %0 = exp(%x)  ; first  a.py:1
          %1 = exp(%x)  ; second  a.py:2
          return %0, %1
        }
    """)
    (node,) = eliminate_common_subexpressions(g).nodes
    assert node.scope.path == "first" and node.loc.line == 1  # type: ignore[union-attr]


def test_what_replaces_a_node_keeps_its_place():
    g = Graph.from_text("""
        graph main(%x: f32[2], %y: f32[2]) -> (a: f32[2]) {
          %0 = neg(%y)      ; first   a.py:1
          %1 = add(%x, %0)  ; second  a.py:2
          return %1
        }
    """)
    (node,) = g.optimize().nodes
    assert node.op.name == "sub"
    assert node.scope.path == "second" and node.loc.line == 2  # type: ignore[union-attr]


def test_unread_inputs_stay():
    g = Graph.from_text("graph g(%x: f32[2], %y: f32[2] grad) -> (a: f32[2]) {\n return %x\n}")
    assert g.optimize() is g


CHECKED = """
    graph checked(%ok: b1[], %x: f32[]) -> (y: f32[]) {
      %0 = check(%ok) message="no"
      return %x
    }
    graph middle(%ok: b1[], %x: f32[]) -> (y: f32[]) {
      %0 = call(%ok, %x) graph=@checked
      return %x
    }
    graph main(%ok: b1[], %x: f32[]) -> (y: f32[]) {
      %0 = call(%ok, %x) graph=@middle
      return %x
    }
"""


def test_a_call_of_a_graph_with_an_effect_stays():
    (call,) = Graph.from_text(CHECKED).optimize().nodes
    (inner,) = call.attrs[0].nodes
    (check,) = inner.attrs[0].nodes
    assert check.op.name == "check"


def test_held_graphs_are_optimized_once():
    g = Graph.from_text("""
        graph inner(%x: f32[2]) -> (y: f32[2]) {
          %0 = mul(%x, 1)
          %1 = exp(%0)
          return %1
        }
        graph main(%x: f32[2]) -> (y: f32[2]) {
          %0 = call(%x) graph=@inner
          %1 = call(%0) graph=@inner
          return %1
        }
    """)
    first, second = g.optimize().nodes
    assert first.attrs[0] is second.attrs[0]
    assert [n.op.name for n in first.attrs[0].nodes] == ["exp"]
    assert [n.op.name for n in g.nodes[0].attrs[0].nodes] == ["mul", "exp"]


def test_a_literal_takes_part_in_half_precision_as_the_full_did():
    b = Builder()
    x = Value(parse_type("f16[2]"))
    y = b.mul(x, b.full(0.1, shape=(2,), dtype=x.type.dtype))  # type: ignore[attr-defined]
    g = b.finish([x], [y])
    args = [np.array([3.3, -7.7], np.float16)]
    same_bits(interpret(g.optimize(), args), interpret(g, args))


def test_passes_are_verified_when_asked(monkeypatch: pytest.MonkeyPatch):
    from thrace.ir import passes

    def broken(graph: Graph) -> Graph:
        return Graph(graph.inputs, [], [Value(parse_type("f32[2]"))])

    g = PROGRAMS[0].graph()
    monkeypatch.setenv("THRACE_VERIFY", "1")
    with pytest.raises(ValueError, match="not a value of this graph"):
        passes.checked(broken, g)
    monkeypatch.setenv("THRACE_VERIFY", "0")
    passes.checked(broken, g)
