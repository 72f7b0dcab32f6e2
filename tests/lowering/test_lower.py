"""What whole graphs become: the user's lines and scopes in the metadata, and choices of rules
that results do not show."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest

from thrace.ir import Builder, Graph, Scope, TensorType, Value
from thrace.ir.source import Location
from thrace.ir.types import bfloat16, dtype_from_name, float32, parse_type, uint8
from thrace.lowering import check_messages, lower
from thrace.lowering.metadata import caller_at
from thrace.runtime import compile_graph, run_host, to_numpy


def values(*texts: str) -> list[Value]:
    return [Value(parse_type(t)) for t in texts]


def layered() -> Graph:
    """Three nodes: two of one line and scope, one of others."""
    b = Builder()
    (x,) = values("f32[4]")
    forward = Scope("forward", "phase")
    b.scope = Scope("conv1", "module", forward)
    b.loc = Location("/home/somebody/model.py", 12, "forward", "return x.sin() * 2")
    y = b.mul(b.sin(x), 2)
    b.scope = Scope("backward", "phase")
    b.loc = Location("/home/somebody/train.py", 1, "step", "loss.backward()")
    return b.finish([x], [b.cos(y)])


def operations(text: str) -> dict[str, tuple[str, str]]:
    """Each StableHLO operation's name scope, and the file and line it comes from."""
    places = dict(re.findall(r"^(#loc\d*) = loc\((.*)\)$", text, re.MULTILINE))
    out = {}
    for op, ref in re.findall(r"stablehlo\.(\w+) .* loc\((#loc\d*)\)$", text, re.MULTILINE):
        named = re.fullmatch(r'"([^"]*)"\((#loc\d*)\)', places[ref])
        if named is not None:
            in_function = re.fullmatch(r'"\w+"\((#loc\d*)\)', places[named[2]])
            assert in_function is not None, places[named[2]]
            out[op] = (named[1], places[in_function[1]])
    return out


def test_scopes_and_lines_are_in_the_metadata():
    found = operations(compile_graph(layered()).stablehlo())
    assert found["sine"][0] == "jit(main)/forward/conv1/sin"
    assert found["multiply"][0] == "jit(main)/forward/conv1/mul"
    assert found["cosine"][0] == "jit(main)/backward/cos"
    assert found["sine"][1].startswith('"/home/somebody/model.py":12')
    assert found["multiply"][1].startswith('"/home/somebody/model.py":12')
    assert found["cosine"][1].startswith('"/home/somebody/train.py":1')


def test_callers_are_made_once_per_line():
    one, same = (Location("a.py", 3, "f") for _ in range(2))
    assert caller_at(one) is caller_at(same)
    assert caller_at(one).__code__.co_filename == "a.py"


def jaxpr(build, *texts: str) -> str:
    b = Builder()
    inputs = values(*texts)
    return compile_graph(b.finish(inputs, [build(b, *inputs)])).jaxpr()


@pytest.mark.parametrize(
    ("shapes", "contract", "batch", "ranks"),
    [
        # Batch and sequence merged with nothing moved, as in a linear layer on a sequence.
        (("f32[2,3,4]", "f32[4,5]"), ((2,), (0,)), ((), ()), (2, 2)),
        # Its weight gradient contracts both at once.
        (("f32[2,3,4]", "f32[2,3,5]"), ((0, 1), (0, 1)), ((), ()), (2, 2)),
        # Two batch axes, as in attention, become one.
        (("f32[2,3,4,5]", "f32[2,3,6,5]"), ((3,), (3,)), ((0, 1), (0, 1)), (3, 3)),
        (("f32[4]", "f32[4]"), ((0,), (0,)), ((), ()), (1, 1)),
    ],
)
def test_products_are_collapsed_without_moving_data(shapes, contract, batch, ranks):
    text = jaxpr(lambda b, x, y: b.dot_general(x, y, contract=contract, batch=batch), *shapes)
    assert "transpose" not in text
    operands = re.search(r"dot_general\[.*?\] (\w+) (\w+)", text, re.DOTALL)
    assert operands is not None
    for name, rank in zip(operands.groups(), ranks, strict=True):
        shape = re.search(rf"\b{name}:f32\[([0-9,]*)\]", text)
        assert shape is not None and len(shape[1].split(",")) == rank


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_half_precision_products_accumulate_in_single(dtype: str):
    text = jaxpr(
        lambda b, x, y: b.dot_general(x, y, contract=((1,), (0,)), batch=((), ())),
        *(f"{dtype}[2,3]", f"{dtype}[3,4]"),
    )
    assert "preferred_element_type=float32" in text


def test_single_precision_products_are_not_tf32():
    text = jaxpr(
        lambda b, x, y: b.dot_general(x, y, contract=((1,), (0,)), batch=((), ())),
        *("f32[2,3]", "f32[3,4]"),
    )
    assert "Precision.HIGHEST" in text


def test_half_precision_sums_are_rounded_once():
    n = 5000
    b = Builder()
    x = Value(TensorType((n,), bfloat16))
    graph = b.finish([x], [b.sum(x, (0,))])
    (got,) = compile_graph(graph)([np.ones(n, bfloat16.np)])
    assert float(got) == float(np.float32(n).astype(bfloat16.np))


def test_scalar_operands_are_not_broadcast_by_hand():
    assert "broadcast" not in jaxpr(lambda b, x: b.mul(x, 2), "f32[3]")
    assert "broadcast" not in jaxpr(lambda b, x, y: b.mul(x, y), "f32[3]", "f32[]")


@pytest.mark.parametrize(("value", "expected"), [(-1, 255), (300, 44), (256, 0)])
def test_whole_number_literals_wrap_round(value: int, expected: int):
    b = Builder()
    x = Value(TensorType((1,), uint8))
    (got,) = compile_graph(b.finish([x], [b.add(x, value)]))([np.zeros(1, np.uint8)])
    assert to_numpy(got).tolist() == [expected]


def test_literals_take_the_dtype_beside_them():
    for dtype in ("float16", "float64", "int8", "complex64"):
        b = Builder()
        x = Value(TensorType((2,), dtype_from_name(dtype)))
        (got,) = compile_graph(b.finish([x], [b.sub(3, x)]))([np.ones(2, dtype)])
        assert got.dtype == dtype and to_numpy(got).tolist() == [2, 2]


def test_wild_indices_do_no_harm():
    """Reads clamp and writes drop what the check beside them reports."""
    x, wild = np.arange(4, dtype=np.float32), np.array([-7, 2, 99], np.int64)
    b = Builder()
    v, u, i = values("f32[4]", "f32[3]", "i64[3]")
    outs = [b.index(v, i), b.index_add(v, u, i), b.index_set(v, u, i)]
    graph = b.finish([v, u, i], outs)
    args = [x, x[:3] + 10, wild]
    read, added, put = compile_graph(graph)(args)
    assert to_numpy(read).tolist() == run_host(graph, args)[0].tolist() == [0, 2, 3]
    assert to_numpy(added).tolist() == [0, 1, 13, 3]
    assert to_numpy(put).tolist() == [0, 1, 11, 3]


def test_check_messages_come_in_the_order_of_execution():
    b = Builder()
    (x,) = values("b1[]")
    b.check(x, message="inner")  # type: ignore[attr-defined]
    inner = b.finish([x], [x])
    outer = Builder()
    (y,) = values("b1[]")
    outer.check(y, message="first")  # type: ignore[attr-defined]
    (z,) = outer.call(y, graph=inner)  # type: ignore[attr-defined]
    outer.call(z, graph=inner)  # type: ignore[attr-defined]
    outer.check(y, message="last")  # type: ignore[attr-defined]
    graph = outer.finish([y], [z])
    assert [m for m, _ in check_messages(graph)] == ["first", "inner", "inner", "last"]


def test_long_graphs_are_lowered_without_recursion():
    b = Builder()
    x = y = Value(TensorType((), float32))
    for _ in range(20_000):
        y = b.add(y, 1)
    shape = jax.ShapeDtypeStruct((), np.float32)
    assert len(jax.make_jaxpr(lower(b.finish([x], [y])))(shape).eqns) == 20_000
