"""Costs on the IR against XLA's analysis of the same program, and memory against sums by hand."""

from __future__ import annotations

from typing import Any

import jax
import pytest

import thrace
from thrace.ir import Graph
from thrace.ir.cost import RULES, node_cost
from thrace.ir.ops import OPS
from thrace.lowering import lower

CONV = "lhs_dilation={lhs} rhs_dilation={rhs} groups={groups} batch_groups=1"


def graph_of(types: str, result: str, line: str) -> Graph:
    inputs = ", ".join(f"%x{i}: {t}" for i, t in enumerate(types.split()))
    return Graph.from_text(
        f"graph g({inputs}) -> (y: {result}) {{\n  %0: {result} = {line}\n  return %0\n}}"
    )


def conv(x: str, w: str, out: str, strides=(1, 1), low=(0, 0), high=(0, 0), **at: Any) -> tuple:
    rest = CONV.format(**{"lhs": (1, 1), "rhs": (1, 1), "groups": 1, **at})
    return (
        f"{x} {w}",
        out,
        f"convolution(%x0, %x1) strides={strides} low={low} high={high} {rest}",
    )


# One node each; what XLA counts of the unoptimized program is the oracle.
NODES = (
    ("f32[4,8] f32[4,8]", "f32[4,8]", "add(%x0, %x1)"),
    ("f32[4,8] f32[8]", "f32[4,8]", "mul(%x0, %x1)"),
    ("f32[0,8]", "f32[0,8]", "neg(%x0)"),
    ("f32[]", "f32[]", "exp(%x0)"),
    ("f32[5,7]", "f32[5,7]", "tanh(%x0)"),
    ("f32[5,7] f32[7]", "f32[5,7]", "pow(%x0, %x1)"),
    ("f32[5,7]", "f32[5,7]", "pow(%x0, 2)"),
    ("f32[5,7]", "f32[5,7]", "pow(%x0, 3)"),
    ("f32[5,7]", "f32[5,7]", "pow(%x0, -1)"),
    ("f32[5,7]", "b1[5,7]", "lt(%x0, 0)"),
    ("f32[5,7]", "i64[5,7]", "convert(%x0) dtype=i64"),
    ("f32[5,7]", "f32[5]", "sum(%x0) axes=(1,)"),
    ("f32[5,7]", "f32[5,7]", "sum(%x0) axes=()"),
    ("f32[5,7]", "f32[]", "amax(%x0) axes=(0, 1)"),
    ("f32[5,7]", "f32[7]", "sum_to(%x0) shape=(7,)"),
    ("f32[5,7]", "f32[7,5]", "transpose(%x0) perm=(1, 0)"),
    ("f32[5,7]", "f32[35]", "reshape(%x0) shape=(35,)"),
    ("f32[5,7] f32[7,3]", "f32[5,3]", "dot_general(%x0, %x1) contract=((1,), (0,)) batch=((), ())"),
    (
        "f32[2,5,7] f32[2,7,3]",
        "f32[2,5,3]",
        "dot_general(%x0, %x1) contract=((2,), (1,)) batch=((0,), (0,))",
    ),
    conv("f32[2,3,8,9]", "f32[4,3,3,3]", "f32[2,4,6,7]"),
    conv("f32[2,3,8,9]", "f32[4,3,3,3]", "f32[2,4,8,9]", low=(1, 1), high=(1, 1)),
    conv("f32[2,3,8,9]", "f32[4,3,3,3]", "f32[2,4,4,5]", (2, 2), (1, 1), (1, 1)),
    conv("f32[2,4,8,9]", "f32[4,2,3,3]", "f32[2,4,6,7]", groups=2),
    conv("f32[2,3,4,5]", "f32[4,3,3,3]", "f32[2,4,9,11]", low=(2, 2), high=(2, 2), lhs=(2, 2)),
    conv("f32[2,3,9,9]", "f32[4,3,3,3]", "f32[2,4,3,3]", (2, 2), rhs=(2, 2)),
    conv("f32[2,3,6,7]", "f32[4,3,3,3]", "f32[2,4,10,10]", (2, 3), (2, 1), (3, 4), lhs=(3, 4)),
)


def xla_counts(graph: Graph) -> tuple[int, int]:
    with jax.enable_x64(True):
        types = [jax.ShapeDtypeStruct(t.shape, t.dtype.np) for t in graph.input_types]
        found: Any = jax.jit(lower(graph), keep_unused=True).lower(*types).cost_analysis()
    return int(found.get("flops", 0)), int(found.get("transcendentals", 0))


def test_random_numbers_cost_what_xla_counts():
    graph = thrace.trace(lambda x: thrace.nn.functional.dropout(x, 0.5), thrace.spec("f32[8,16]"))
    ours, xla = graph.cost().total.flops, xla_counts(graph)[0]
    assert ours == pytest.approx(xla, rel=1e-3)


@pytest.mark.parametrize("node", NODES, ids=lambda n: f"{n[2].split('(')[0]} {n[0]}")
def test_operations_are_those_that_xla_counts(node: tuple[str, str, str]):
    graph = graph_of(*node)
    cost = graph.cost().total
    assert (cost.flops, cost.transcendentals) == xla_counts(graph)


def test_bytes_are_those_of_operands_and_results():
    add = graph_of("f32[4,8] f32[8]", "f32[4,8]", "add(%x0, %x1)").cost().total
    assert (add.bytes_read, add.bytes_written) == (4 * (32 + 8), 4 * 32)
    assert add.intensity == 32 / (4 * 72)
    view = graph_of("f32[4,8]", "f32[32]", "reshape(%x0) shape=(32,)").cost().total
    assert (view.bytes, view.intensity) == (0, 0.0)
    rows = graph_of("f32[100,8] i64[3]", "f32[3,8]", "index(%x0, %x1)").cost().total
    assert rows.bytes == 2 * 3 * 8 * 4 + 3 * 8  # not the whole table


def test_every_op_has_a_rule():
    assert RULES.keys() == OPS.keys()


def test_loops_and_branches():
    def looped(x):
        for _ in range(3):
            x = x @ x
        return x

    def scanned(x):
        return thrace.higher_order_ops.scan(lambda c, i: (c @ c, c.sum()), x, thrace.arange(3))[0]

    spec = thrace.spec("f32[4,4]")
    once = thrace.trace(looped, spec).cost().total
    scan = thrace.trace(scanned, spec).cost().total
    assert once.flops == 3 * 2 * 4**3
    assert once.flops <= scan.flops < 2 * once.flops and not scan.at_least
    text = """
graph stop(%x: f32[4]) -> (out: b1[]) {
  %0 = lt(%x, 9)
  %1 = all(%0) axes=(0,)
  return %1
}
graph step(%x: f32[4]) -> (out: f32[4]) {
  %0 = mul(%x, 2)
  return %0
}
graph g(%p: b1[], %x: f32[4]) -> (out: f32[4], other: f32[4]) {
  %0 = while_loop(%x) cond_graph=@stop body_graph=@step carries=1
  %1 = cond(%p, %x) true_graph=@step false_graph=@step
  return %0, %1
}"""
    graph = Graph.from_text(text)
    loop, branch = graph.nodes
    assert node_cost(loop).flops == 4 + 3 + 4 and node_cost(loop).at_least
    assert node_cost(branch).flops == 4 and not node_cost(branch).at_least
    assert graph.cost().total.at_least


def test_sums_by_scope_phase_and_line():
    net = thrace.nn.Sequential(thrace.nn.Linear(4, 8), thrace.nn.ReLU(), thrace.nn.Linear(8, 2))

    def loss(x):
        return net(x).square().sum()

    cost = thrace.trace(loss, thrace.spec("f32[6,4]")).backward().cost()
    scopes = cost.by_scope(2)
    assert scopes["forward/Sequential/0"].flops == 2 * 6 * 4 * 8 + 6 * 8
    assert "backward/Sequential/2" in scopes
    phases = cost.by_phase()
    assert set(phases) == {"forward", "backward"}
    assert sum(c.flops for c in phases.values()) == cost.total.flops
    (line,) = {place.text for place in cost.by_line() if place and place.line > 1}
    assert line == "return net(x).square().sum()"
    assert max(cost.live_by_scope(0).values()) == cost.memory.peak_bytes


MEMORY = (
    # Two products in a row: the first is there until the second is made.
    (
        """graph g(%x: f32[64,64]) -> (y: f32[64,64]) {
  %0 = dot_general(%x, %x) contract=((1,), (0,)) batch=((), ())
  %1 = dot_general(%0, %x) contract=((1,), (0,)) batch=((), ())
  return %1
}""",
        3,
    ),
    # A chain of cheap elementwise work is one loop: nothing but the ends.
    (
        """graph g(%x: f32[64,64]) -> (y: f32[64,64]) {
  %0 = mul(%x, 2)
  %1 = add(%0, 1)
  %2 = mul(%1, %0)
  return %2
}""",
        2,
    ),
    # A cheap value that a product reads is stored for that; the sum at the end computes it
    # again, so what it came from is there until then. It lies in the room of the result.
    (
        """graph g(%x: f32[64,64]) -> (y: f32[64,64]) {
  %0 = dot_general(%x, %x) contract=((1,), (0,)) batch=((), ())
  %1 = mul(%0, 2)
  %2 = dot_general(%1, %x) contract=((1,), (0,)) batch=((), ())
  %3 = dot_general(%2, %x) contract=((1,), (0,)) batch=((), ())
  %4 = add(%1, %3)
  return %4
}""",
        5,
    ),
    # A reshape is another name, and an input handed out is copied.
    (
        """graph g(%x: f32[64,64]) -> (y: f32[4096], z: f32[64,64]) {
  %0 = mul(%x, 2)
  %1 = reshape(%0) shape=(4096,)
  return %1, %x
}""",
        3,
    ),
)


@pytest.mark.parametrize(("text", "buffers"), MEMORY)
def test_memory_is_that_of_the_buffers_at_the_peak(text: str, buffers: int):
    found = Graph.from_text(text).cost().memory
    assert found.peak_bytes == buffers * 64 * 64 * 4
    assert found.peak_bytes == max(found.live_bytes)


def test_what_waits_for_its_reader_is_made_as_early_as_it_can_be():
    # As a convolution's input is transposed in the forward pass for its backward.
    text = """graph g(%x: f32[64,64], %w: f32[64,64]) -> (y: f32[64,64]) {
  %0 = dot_general(%x, %w) contract=((1,), (0,)) batch=((), ())
  %1 = dot_general(%0, %w) contract=((1,), (0,)) batch=((), ())
  %2 = dot_general(%1, %w) contract=((1,), (0,)) batch=((), ())
  %3 = transpose(%x) perm=(1, 0)
  %4 = dot_general(%3, %2) contract=((1,), (0,)) batch=((), ())
  return %4
}"""
    found = Graph.from_text(text).cost().memory
    size = 64 * 64 * 4
    # Two inputs and the result, whose room the first product takes meanwhile; then the
    # transposed input comes, which stays, and each product beside the one it is made from.
    assert [live // size for live in found.live_bytes] == [3, 5, 6, 4, 5]
    waiting = [a for a in found.alive if a.value.node and a.value.node.op.name == "transpose"]
    assert len(waiting) == 1


def test_a_donated_input_makes_room():
    graph = graph_of("f32[64] f32[64]", "f32[64]", "add(%x0, %x1)")
    assert graph.cost().memory.peak_bytes == 3 * 256
    assert graph.cost(donate=[0]).memory.peak_bytes == 2 * 256


def test_what_is_alive_at_the_peak_is_named_with_its_line():
    def chain(x):
        wide = x @ x.t()
        return (wide @ wide).sum()

    memory = thrace.trace(chain, thrace.spec("f32[64,4]")).cost().memory
    largest = memory.alive[0]
    assert (largest.kind, largest.size_bytes) == ("intermediate", 64 * 64 * 4)
    assert {a.location.text for a in memory.alive if a.location and a.size_bytes > 9999} == {
        "wide = x @ x.t()",
        "return (wide @ wide).sum()",
    }
    assert memory.peak is not None and memory.peak.op.name == "dot_general"


def test_an_empty_graph_costs_nothing():
    graph = Graph.from_text("graph g(%x: f32[3]) -> (y: f32[3]) {\n  return %x\n}")
    assert graph.cost().total.nodes == 0 and graph.cost().memory.peak is None
    assert graph.cost().memory.peak_bytes == 2 * 12


def test_it_prints_as_a_table():
    net = thrace.nn.Sequential(thrace.nn.Linear(4, 8), thrace.nn.ReLU())
    cost = thrace.trace(net, thrace.spec("f32[6,4]")).cost()
    text = str(cost)
    assert text == cost.table("scope") and "forward/Sequential/0" in text
    assert "dot_general" in cost.table("op") and "<pre>" in cost._repr_html_()
    assert repr(cost).startswith("<cost of Sequential: ")
    with pytest.raises(ValueError, match="by must be one of scope, line"):
        cost.table("file")
