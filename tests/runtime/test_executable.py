"""Compiled graphs: what they return, what is compiled how often, donation and checks."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from thrace.ir import Builder, Graph, TensorType, Value
from thrace.ir.errors import DeviceError
from thrace.ir.source import Location
from thrace.ir.types import bool_, complex128, dtype_from_numpy, float32, float64, int64
from thrace.runtime import (
    Device,
    checks,
    compile_graph,
    counters,
    run_host,
    to_jax,
    to_numpy,
)


def inputs(*arrays: np.ndarray) -> list[Value]:
    return [Value(TensorType(a.shape, dtype_from_numpy(a.dtype))) for a in arrays]


def doubled_sum(x: np.ndarray, factor: float = 2) -> Graph:
    b = Builder()
    (v,) = inputs(x)
    y = b.mul(v, factor)
    return b.finish([v], [y, b.sum(y, (0,))])


X = np.array([1.0, 2.0, 3.0], np.float32)


@pytest.mark.parametrize("convert", [lambda a: a, to_jax], ids=["numpy", "jax"])
def test_takes_numpy_and_jax_arrays(convert):
    y, total = compile_graph(doubled_sum(X))([convert(X)])
    assert isinstance(y, jax.Array)
    assert to_numpy(y).tolist() == [2, 4, 6]
    assert float(total) == 12


@pytest.mark.parametrize("dtype", ["int64", "uint64", "float64", "complex128"])
@pytest.mark.parametrize("convert", [lambda a: a, to_jax], ids=["numpy", "jax"])
def test_64_bit_types_are_kept_without_touching_the_users_setting(dtype: str, convert):
    x = np.array([2**40 + 1, 3], dtype)
    b = Builder()
    (v,) = inputs(x)
    (got,) = compile_graph(b.finish([v], [b.add(v, 1)]))([convert(x)])
    assert got.dtype == dtype
    np.testing.assert_array_equal(to_numpy(got), x + 1)
    assert jax.numpy.arange(2).dtype == np.int32


def test_the_quickest_way_compiles_nothing_of_its_own():
    x = np.zeros((7, 4), np.float32)
    program = compile_graph(doubled_sum(x, 0.375)).program
    assert program.quickest is not None
    compiled: list[str] = []

    def note(name: str, seconds: float, **kwargs: object) -> None:
        if "backend_compile" in name:
            compiled.append(name)

    jax.monitoring.register_event_duration_secs_listener(note)
    array = to_jax(x + 1)
    for _ in range(2):
        for got, want in zip(program.quickest(array), program.run(array), strict=True):
            np.testing.assert_array_equal(to_numpy(got), to_numpy(want))
    assert not compiled
    with jax.enable_x64(True):  # another setting of the user's
        assert [a.dtype for a in program.quickest(array)] == ["float32", "float32"]


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_programs_of_64_bit_types_have_no_quickest_way(dtype: str):
    assert compile_graph(doubled_sum(np.zeros(3, dtype))).program.quickest is None


def test_equal_graphs_compile_once():
    x = np.zeros((7, 5), np.float32)
    compile_graph(doubled_sum(x, 0.125))
    compiled, hits = counters.executables, counters.cache_hits
    again = compile_graph(doubled_sum(x, 0.125))
    assert (counters.executables, counters.cache_hits) == (compiled, hits + 1)
    compile_graph(doubled_sum(x, 0.25))
    compile_graph(doubled_sum(x, 0.125), donate=(0,))
    assert counters.executables == compiled + 2
    assert again.calls == 0


def test_donated_inputs_are_consumed_and_others_are_not():
    x = np.arange(1000, dtype=np.float32)
    kept, given = to_jax(x), to_jax(x)
    b = Builder()
    v, w = inputs(x, x)
    exe = compile_graph(b.finish([v, w], [b.add(w, 1), b.sum(v, (0,))]), donate=(1,))
    exe([kept, given])
    assert given.is_deleted() and not kept.is_deleted()


def test_outputs_may_be_inputs_and_repeat():
    b = Builder()
    (v,) = inputs(X)
    y = b.neg(v)
    got = compile_graph(b.finish([v], [v, y, y, v]))([X])
    assert [to_numpy(g).tolist() for g in got] == [[1, 2, 3], [-1, -2, -3], [-1, -2, -3], [1, 2, 3]]


def test_graph_without_inputs():
    b = Builder()
    (got,) = compile_graph(b.finish([], [b.iota(shape=(3,), axis=0, dtype=int64)]))([])
    assert to_numpy(got).tolist() == [0, 1, 2]


def test_calls_of_one_graph_are_lowered_once():
    b = Builder()
    (v,) = inputs(X)
    inner = b.finish([v], [b.tanh(b.mul(v, 3))], name="layer")
    outer = Builder()
    (x,) = inputs(X)
    (y,) = outer.call(x, graph=inner)  # type: ignore[attr-defined]
    (z,) = outer.call(y, graph=inner)  # type: ignore[attr-defined]
    exe = compile_graph(outer.finish([x], [z]))
    assert exe.jaxpr().count("tanh") == 1
    np.testing.assert_allclose(to_numpy(exe([X])[0]), np.tanh(3 * np.tanh(3 * X)), rtol=1e-6)


def test_missing_device_is_named():
    with pytest.raises(DeviceError, match=r"device cuda:99 is not there; there is cpu"):
        compile_graph(doubled_sum(X), Device("cuda", 99))


def test_attributes_tell_what_making_it_took():
    x = np.zeros((300, 3), np.float32)
    exe = compile_graph(doubled_sum(x, 0.5))
    assert exe.trace_s > 0 and exe.lower_s > 0 and exe.compile_s > 0
    assert exe.memory_bytes >= x.nbytes
    assert "stablehlo.multiply" in exe.stablehlo()
    assert "mul" in exe.jaxpr()


# Checks.


def picking(lines: tuple[int, int] = (10, 20)) -> Graph:
    """Reads x[i], then y[j], each after a check of its index."""
    b = Builder()
    x = Value(TensorType((3,), float32))
    i, j = Value(TensorType((), int64)), Value(TensorType((), int64))
    outs = []
    for index, line in ((i, lines[0]), (j, lines[1])):
        b.loc = Location("train.py", line, "step", "x[i]")
        b.check(b.lt(index, 3), message=f"index out of range at {line}")  # type: ignore
        outs.append(b.index(x, index))  # type: ignore[attr-defined]
    return b.finish([x, i, j], outs)


def index(n: int) -> np.ndarray:
    return np.array(n, np.int64)


def nested(graph: Graph) -> Graph:
    b = Builder()
    values = [Value(t) for t in graph.input_types]
    return b.finish(values, list(b.call(*values, graph=graph)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrap", [lambda g: g, nested], ids=["plain", "nested"])
@pytest.mark.parametrize(
    ("at", "message"),
    [
        ((0, 2), None),
        ((3, 0), "index out of range at 10\n  train.py:10 in step: x[i]"),
        ((0, 9), "index out of range at 20\n  train.py:20 in step: x[i]"),
        ((7, 9), "index out of range at 10\n  train.py:10 in step: x[i]"),
    ],
)
def test_failed_check_raises_when_looked_at(wrap, at, message):
    graph = wrap(picking())
    args = [X, index(at[0]), index(at[1])]
    outs = compile_graph(graph)(args)
    assert len(outs) == 2
    if message is None:
        checks.raise_pending()
        assert [float(o) for o in outs] == [1, 3]
        return
    with pytest.raises(IndexError) as error:
        checks.raise_pending()
    assert str(error.value) == message
    checks.raise_pending()  # raised once
    with pytest.raises(IndexError) as error:
        run_host(graph, args)
    assert str(error.value) == message


def test_equal_graph_from_elsewhere_names_its_own_line():
    compile_graph(picking())
    compiled = counters.executables
    exe = compile_graph(picking(lines=(10, 20)))
    assert counters.executables == compiled
    assert [m for m, _ in exe.check_messages] == [
        "index out of range at 10",
        "index out of range at 20",
    ]


def test_unread_checks_do_not_pile_up():
    exe = compile_graph(picking())
    for _ in range(checks.PENDING_LIMIT * 2):
        exe([X, index(0), index(0)])
    assert len(checks.pending) <= checks.PENDING_LIMIT
    checks.raise_pending()
    assert not checks.pending


def test_word_tells_the_first_check_of_many():
    b = Builder()
    flags = Value(TensorType((9,), bool_))
    for i in range(9):
        at = b.slice(flags, starts=(i,), sizes=(1,), strides=(1,))
        b.check(b.reshape(at, ()), message=f"check {i}")  # type: ignore[attr-defined]
    exe = compile_graph(b.finish([flags], []))
    for first in range(9):
        ok = np.arange(9) < first
        exe([ok])
        with pytest.raises(IndexError, match=f"check {first}"):
            checks.raise_pending()


def test_results_match_numpy_in_double_precision():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 5)), rng.standard_normal((5, 3)) * 1j
    b = Builder()
    v, w = inputs(x, y)
    z = b.dot_general(b.convert(v, complex128), w, contract=((1,), (0,)), batch=((), ()))
    graph = b.finish([v, w], [z, b.exp(v)])
    assert graph.output_types[1].dtype is float64
    for got, expected in zip(compile_graph(graph)([x, y]), (x @ y, np.exp(x)), strict=True):
        np.testing.assert_allclose(to_numpy(got), expected, rtol=1e-13)
