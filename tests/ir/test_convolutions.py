"""Convolutions that XLA's CPU backend is slow at take other forms, and compute the same."""

from __future__ import annotations

import numpy as np
import pytest

from thrace.ir import Graph
from thrace.ir.interpret import interpret
from thrace.ir.ops import OPS
from thrace.ir.passes import channels_last, rewrite_convolutions
from thrace.ir.types import TensorType, dtype_from_name

# Shapes of the image and the kernel, and what differs from a plain convolution. `left` are
# the convolutions that the form has.
FORMS = {
    "plain": ((2, 3, 6, 5), (4, 3, 3, 2), {}, 1),
    "strided": ((2, 3, 6, 5), (4, 3, 3, 2), {"strides": (2, 1)}, 1),
    "groups": ((2, 4, 6, 5), (6, 2, 3, 2), {"groups": 2}, 1),
    "one row": ((2, 3, 6), (4, 3, 3), {}, 1),
    "depthwise": ((2, 3, 6, 5), (3, 1, 3, 2), {"groups": 3}, 0),
    "depthwise, strided": (
        (2, 3, 9, 8),
        (3, 1, 3, 2),
        {"groups": 3, "strides": (2, 3), "rhs_dilation": (2, 1), "low": (1, -1), "high": (2, 0)},
        0,
    ),
    "depthwise in one dimension": ((2, 5, 9), (5, 1, 4), {"groups": 5, "low": (3,)}, 0),
    "depthwise in a loop": (
        (2, 3, 9, 8),
        (3, 1, 4, 4),
        {"groups": 3, "strides": (2, 1), "low": (1, 2), "high": (0, -1)},
        0,
    ),
    "depthwise in a loop over parts of a row": (
        (2, 5, 30),
        (5, 1, 20),
        {"groups": 5, "rhs_dilation": (2,), "strides": (3,), "low": (9,), "high": (11,)},
        0,
    ),
    "depthwise in a loop, spread": (
        (1, 2, 5, 5),
        (2, 1, 3, 7),
        {"groups": 2, "lhs_dilation": (1, 8), "low": (2, 3)},
        0,
    ),
    "depthwise, many taps": ((1, 2, 20, 20), (2, 1, 9, 9), {"groups": 2}, 1),
    "two results of each channel": ((2, 3, 6, 5), (6, 1, 3, 2), {"groups": 3}, 1),
    "groups of the batch": ((4, 3, 6, 5), (6, 3, 3, 2), {"batch_groups": 2}, 1),
    "groups of the batch, one each": (
        (3, 2, 6, 5),
        (3, 2, 4, 4),
        {"batch_groups": 3, "low": (1, 0), "strides": (2, 1)},
        0,
    ),
    "spread": ((2, 3, 4, 3), (16, 3, 3, 3), {"lhs_dilation": (2, 2)}, 4),
    "spread, padded": (
        (2, 3, 4, 3),
        (16, 3, 4, 3),
        {"lhs_dilation": (2, 3), "low": (2, 1), "high": (3, -1)},
        6,
    ),
    "spread in one of two dimensions": (
        (2, 3, 4, 7),
        (16, 3, 3, 2),
        {"lhs_dilation": (3, 1), "strides": (1, 2), "rhs_dilation": (1, 3), "low": (0, 2)},
        3,
    ),
    "spread further than the kernel": ((2, 3, 4, 3), (4, 3, 1, 1), {"lhs_dilation": (2, 2)}, 1),
    "spread depthwise": (
        (2, 3, 4, 3),
        (3, 1, 3, 3),
        {"groups": 3, "lhs_dilation": (2, 2), "low": (2, 2), "high": (2, 2)},
        0,
    ),
    "spread to few channels": ((2, 3, 4, 3), (4, 3, 3, 3), {"lhs_dilation": (2, 2)}, 1),
    "spread groups": ((2, 4, 4), (16, 2, 5), {"groups": 2, "lhs_dilation": (2,)}, 2),
    "empty": ((0, 3, 6, 5), (3, 1, 3, 2), {"groups": 3}, 1),
}


def convolution(x: tuple[int, ...], w: tuple[int, ...], dtype: str, more: dict) -> Graph:
    """A graph of that convolution and something elementwise after it."""
    rank = len(x) - 2
    usual: dict = {
        **dict.fromkeys(("low", "high"), (0,) * rank),
        **dict.fromkeys(("strides", "lhs_dilation", "rhs_dilation"), (1,) * rank),
        **dict.fromkeys(("groups", "batch_groups"), 1),
    }
    op, of = OPS["convolution"], dtype_from_name(dtype)
    types = TensorType(x, of), TensorType(w, of)
    out = op.infer(types, op.pack({**usual, **more}))
    attrs = " ".join(f"{name}={value}" for name, value in {**usual, **more}.items())
    head = f"graph main(%x: {types[0]}, %w: {types[1]}) -> (r: {out}) {{"
    body = f"%c: {out} = convolution(%x, %w) {attrs}", f"%r: {out} = neg(%c)", "return %r"
    return Graph.from_text("\n".join([head, *body, "}"]))


@pytest.mark.parametrize("dtype", ("float64", "bfloat16"))
@pytest.mark.parametrize("name", FORMS)
def test_forms(name: str, dtype: str):
    x, w, more, left = FORMS[name]
    before = convolution(x, w, dtype, more)
    after = rewrite_convolutions(before).verify()
    assert [n.op.name for n in after.nodes].count("convolution") == left, after.to_text()
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(t.shape).astype(t.dtype.np) for t in before.input_types]
    (want,) = interpret(before, arrays)
    rtol, atol = (1e-10, 1e-12) if dtype == "float64" else (1e-2, 1e-2)
    for graph in (after, channels_last(after).verify()):
        (got,) = interpret(graph, arrays)
        assert got.shape == want.shape and got.dtype == want.dtype
        np.testing.assert_allclose(got.astype(float), want.astype(float), rtol, atol)


def test_what_stays_is_the_graph_itself():
    x, w, more, _ = FORMS["groups"]
    before = convolution(x, w, "float32", more)
    assert rewrite_convolutions(before) is before


def test_a_form_has_the_place_in_the_source_of_what_it_replaces():
    x, w, more, _ = FORMS["spread depthwise"]
    before = convolution(x, w, "float32", more)
    node = before.nodes[0]
    after = rewrite_convolutions(before)
    assert {n.loc for n in after.nodes[:-1]} == {node.loc}
    assert {n.scope for n in after.nodes[:-1]} == {node.scope}
