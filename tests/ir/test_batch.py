"""Batching rules: an op on a batch is the op on each example, stacked.

Every sample of every op runs with each choice of batched operands, by the NumPy rules.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from samples import cases
from sampling import Case, input_values

from thrace.ir.batch import NO_RULE, batch_graph, lacking
from thrace.ir.interpret import interpret

N = 3


def test_every_op_has_a_rule():
    assert not lacking()


def varied(a: np.ndarray, i: int) -> np.ndarray:
    """Example `i`: the sample's operand, its elements turned round by `i`."""
    return np.roll(a.ravel(), i).reshape(a.shape)


def flags(count: int) -> list[tuple[bool, ...]]:
    every = [f for f in itertools.product((True, False), repeat=count) if any(f)]
    # Each operand alone, and all: what lies between adds nothing for many operands.
    return every if count <= 3 else [f for f in every if sum(f) in (1, count)]


def batchable():
    for case in cases(first_dtype_only=True):
        if case.sample.op not in NO_RULE and case.arrays and case.sample.op != "check":
            yield case


@pytest.mark.parametrize("case", [*batchable()], ids=lambda c: c.name)
def test_rule_is_the_op_on_each_example(case: Case):
    arrays = case.arrays
    one = case.graph(arrays)
    for batched in flags(len(arrays)):
        examples = [
            [varied(a, i) if f else a for a, f in zip(arrays, batched, strict=True)]
            for i in range(N)
        ]
        stacked = [
            np.stack([e[j] for e in examples]) if f else arrays[j] for j, f in enumerate(batched)
        ]
        graph = batch_graph(one, batched, N).verify()
        assert [v.type for v in graph.inputs] == [v.type for v in input_values(stacked)]
        got = interpret(graph, stacked)
        want = [interpret(one, e) for e in examples]
        for j, g in enumerate(got):
            expected = np.stack([w[j] for w in want])
            assert g.dtype == expected.dtype and g.shape == expected.shape
            if g.dtype.kind in "biu":
                np.testing.assert_array_equal(g, expected)
            else:
                np.testing.assert_allclose(
                    g.astype(complex), expected.astype(complex), rtol=1e-5, atol=1e-5
                )
