"""Every op's lowering: XLA's results against the samples' oracles and the NumPy rules.

A compile takes 40 ms and more whatever is in it, so samples go through in groups: the
programs of many in one executable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from samples import cases
from sampling import Case, close, input_values

from thrace.ir.build import Builder
from thrace.ir.errors import AutogradError
from thrace.ir.grad import backward_graph
from thrace.ir.graph import Graph, Value
from thrace.ir.interpret import interpret
from thrace.ir.ops import OPS
from thrace.lowering import RULES
from thrace.runtime import compile_graph, to_numpy

GROUP = 60


def groups(items: Sequence[Case]) -> list[Sequence[Case]]:
    return [items[i : i + GROUP] for i in range(0, len(items), GROUP)]


def first_to_last(group: Sequence[Case]) -> str:
    return f"{group[0].name}..{group[-1].name}"


def test_every_op_has_a_rule():
    assert set(RULES) == set(OPS)


@pytest.mark.parametrize("group", groups([*cases()]), ids=first_to_last)
def test_xla_matches_oracle(group: Sequence[Case]):
    b = Builder()
    inputs: list[Value] = []
    outputs: list[Value] = []
    arrays: list[np.ndarray] = []
    expected: list[tuple[str, np.ndarray]] = []
    for case in group:
        mine = case.arrays
        values = input_values(mine)
        outputs += case.build(b, values)
        inputs += values
        arrays += mine
        expected += [(case.name, e) for e in case.expected(mine)]
    graph = b.finish(inputs, outputs)
    for got, (name, e), t in zip(
        compile_graph(graph)(arrays), expected, graph.output_types, strict=True
    ):
        got = to_numpy(got)
        assert (got.dtype, got.shape) == (t.dtype.np, t.shape), name
        close(got, e, name)


def differentiated(graph: Graph) -> Graph | None:
    try:
        return backward_graph(graph)
    except AutogradError:
        return None


DIFFERENTIABLE = [c for c in cases(first_dtype_only=True) if c.sample.differentiate]


@pytest.mark.parametrize("group", groups(DIFFERENTIABLE), ids=first_to_last)
def test_xla_matches_numpy_on_gradients(group: Sequence[Case]):
    """The gradient graph of each sample, in its first dtype, by both evaluators."""
    b = Builder()
    inputs: list[Value] = []
    outputs: list[Value] = []
    arrays: list[np.ndarray] = []
    names: list[str] = []
    rng = np.random.default_rng(0)
    for case in group:
        mine = case.arrays
        graph = differentiated(case.graph(mine))
        if graph is None:
            continue
        mine += [
            rng.uniform(-1, 1, t.shape).astype(t.dtype.np) for t in graph.input_types[len(mine) :]
        ]
        values = input_values(mine)
        found = b.call(*values, graph=graph)  # type: ignore[attr-defined]
        inputs += values
        arrays += mine
        outputs += found
        names += [f"{case.name} {name}" for name in graph.output_names]
    graph = b.finish(inputs, outputs)
    with np.errstate(all="ignore"):
        expected = interpret(graph, arrays)
    for got, e, name in zip(compile_graph(graph)(arrays), expected, names, strict=True):
        close(to_numpy(got), e.astype(np.complex128 if e.dtype.kind == "c" else e.dtype), name)
