"""Channels last: what follows a convolution takes that form, and computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from thrace.ir import Graph
from thrace.ir.interpret import interpret
from thrace.ir.passes import channels_last

CONV = (
    "%c: f32[2,4,6,5] = convolution(%x, %w) strides=(1, 1) low=(1, 1) high=(1, 1) "
    "lhs_dilation=(1, 1) rhs_dilation=(1, 1) groups=1 batch_groups=1"
)
HEADER = "%x: f32[2,3,6,5], %w: f32[4,3,3,3], %b: f32[4,1,1], %y: f32[2,4,6,5], %p: b1[6,5]"

# What follows the convolution, the type that it makes, and how often the values between are
# transposed: once after the convolution, and once for each operand or result that is not in
# that form.
FOLLOWING = {
    "elementwise": ("%r: f32[2,4,6,5] = tanh(%c)", 2),
    "literal": ("%r: f32[2,4,6,5] = mul(%c, 2)", 2),
    "two, one after the other": (
        "%t: f32[2,4,6,5] = tanh(%c)\n%r: f32[2,4,6,5] = mul(%t, %t)",
        2,
    ),
    "lower rank": ("%r: f32[2,4,6,5] = add(%c, %b)", 3),
    "lower rank twice": (
        "%t: f32[2,4,6,5] = add(%c, %b)\n%r: f32[2,4,6,5] = mul(%t, %b)",
        3,
    ),
    "another image": ("%r: f32[2,4,6,5] = sub(%y, %c)", 3),
    "select": ("%r: f32[2,4,6,5] = select(%p, %c, %y)", 4),
    "convert": ("%r: f64[2,4,6,5] = convert(%c) dtype=f64", 2),
    "sum to channels": ("%r: f32[4] = sum(%c) axes=(0, 2, 3)", 1),
    "sum of channels": ("%r: f32[2,6,5] = sum(%c) axes=(1,)", 1),
    "sum of the batch": ("%r: f32[4,6,5] = sum(%c) axes=(0,)", 2),
    "whole sum": ("%r: f32[] = sum(%c) axes=(0, 1, 2, 3)", 1),
    "amax": ("%r: f32[2,4] = amax(%c) axes=(2, 3)", 1),
    "sum_to": ("%r: f32[1,4,1,1] = sum_to(%c) shape=(1, 4, 1, 1)", 2),
    "sum_to of lower rank": ("%r: f32[4,1,1] = sum_to(%c) shape=(4, 1, 1)", 0),
    "slice": (
        "%r: f32[2,2,3,5] = slice(%c) starts=(0, 1, 0, 0) sizes=(2, 2, 3, 5) strides=(1, 2, 2, 1)",
        2,
    ),
    "unslice": (
        "%r: f32[2,9,6,7] = unslice(%c) shape=(2, 9, 6, 7) starts=(0, 1, 0, 2) "
        "strides=(1, 2, 1, 1)",
        2,
    ),
    "update_slice": (
        "%u: f32[1,4,2,5] = slice(%y) starts=(0, 0, 0, 0) sizes=(1, 4, 2, 5) "
        "strides=(1, 1, 1, 1)\n"
        "%r: f32[2,4,6,5] = update_slice(%c, %u) starts=(1, 0, 2, 0) strides=(1, 1, 2, 1)",
        3,
    ),
    "pad": (
        "%r: f32[2,5,6,13] = pad(%c, 0.5) low=(0, 1, -1, 0) high=(0, 0, 1, 4) "
        "interior=(0, 0, 0, 1)",
        2,
    ),
    "concatenate": ("%r: f32[2,8,6,5] = concatenate(%c, %y) axis=1", 3),
    "concatenate rows": ("%r: f32[2,4,12,5] = concatenate(%y, %c) axis=2", 3),
    "reverse": ("%r: f32[2,4,6,5] = reverse(%c) axes=(1, 3)", 2),
    "transpose": ("%r: f32[4,2,6,5] = transpose(%c) perm=(1, 0, 2, 3)", 2),
    "transpose to it": ("%r: f32[2,6,5,4] = transpose(%c) perm=(0, 2, 3, 1)", 1),
    "broadcast": (
        "%t: f32[2,4,1,1] = sum_to(%c) shape=(2, 4, 1, 1)\n"
        "%r: f32[2,4,3,5] = broadcast(%t) shape=(2, 4, 3, 5)",
        2,
    ),
    "reshape": ("%r: f32[2,120] = reshape(%c) shape=(2, 120)", 0),
    "to more axes": (
        "%t: f32[1,2,4,6,5] = reshape(%y) shape=(1, 2, 4, 6, 5)\n%r: f32[1,2,4,6,5] = add(%c, %t)",
        0,
    ),
    "argmax": ("%r: i64[2,6,5] = argmax(%c) axis=1", 0),
    "nothing": ("%r: f32[2,4,6,5] = tanh(%y)", 0),
}


def graph(following: str) -> Graph:
    result = following.rpartition("%r: ")[2].partition(" = ")[0]
    lines = [CONV, *following.splitlines(), "return %r, %c"]
    return Graph.from_text(
        "\n".join([f"graph main({HEADER}) -> (out: {result}, c: f32[2,4,6,5]) {{", *lines, "}"])
    )


def inputs(g: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal(t.shape).astype(t.dtype.np)
        if t.dtype.np.kind == "f"
        else rng.integers(0, 2, t.shape).astype(t.dtype.np)
        for t in g.input_types
    ]


@pytest.mark.parametrize("name", FOLLOWING)
def test_what_follows_a_convolution(name: str):
    following, transposes = FOLLOWING[name]
    before = graph(following)
    after = channels_last(before).verify()
    arrays = inputs(before)
    for got, want in zip(interpret(after, arrays), interpret(before, arrays), strict=True):
        assert got.shape == want.shape and got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    names = [node.op.name for node in after.nodes]
    assert names.count("transpose") == transposes, after.to_text(source=False)


def test_the_next_convolution_undoes_the_transpose():
    """Between two convolutions lie two transposes, which the ones XLA adds cancel."""
    second = CONV.replace("%c:", "%r:").replace("(%x, %w)", "(%t, %v)")
    body = [CONV, "%t: f32[2,4,6,5] = tanh(%c)", second, "return %r"]
    header = f"graph main({HEADER}, %v: f32[4,4,3,3]) -> (out: f32[2,4,6,5]) {{"
    after = channels_last(Graph.from_text("\n".join([header, *body, "}"])))
    names = [node.op.name for node in after.nodes]
    assert names == ["convolution", "transpose", "tanh", "transpose", "convolution"]


def test_graphs_without_convolutions_stay_themselves():
    g = Graph.from_text(
        "graph main(%x: f32[2,3]) -> (out: f32[2,3]) {\n%0 = tanh(%x)\nreturn %0\n}"
    )
    assert channels_last(g) is g


def test_the_gradient_by_a_kernel_is_no_image():
    body = [CONV, "%l: f32[] = sum(%c) axes=(0, 1, 2, 3)", "return %l"]
    header = f"graph main({HEADER.replace('%w: f32[4,3,3,3]', '%w: f32[4,3,3,3] grad')})"
    g = Graph.from_text("\n".join([f"{header} -> (out: f32[]) {{", *body, "}"])).backward()
    after = channels_last(g.optimize()).verify()
    arrays = [*inputs(g)]
    for got, want in zip(interpret(after, arrays), interpret(g, arrays), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4)
