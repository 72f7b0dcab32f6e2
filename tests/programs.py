"""Graphs that the tests of the IR share: a small table, and a strategy that draws others.

Also what it means for two graphs to be the same down to names, scopes and places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from thrace.ir import Builder, Graph, Node, Scope, TensorType, Value
from thrace.ir.errors import ThraceError
from thrace.ir.ops import OPS
from thrace.ir.ops.shape import Constant
from thrace.ir.source import Location, resolve
from thrace.ir.types import (
    DTYPES,
    bool_,
    float32,
    int64,
    parse_type,
)

# The table: float64 programs that are smooth where the tests evaluate them.


class Program(NamedTuple):
    name: str
    inputs: tuple[str, ...]
    build: Callable[..., Any]  # (b, *inputs) -> outputs
    positive: bool = False  # inputs are drawn above zero

    def graph(self) -> Graph:
        b = Builder()
        values = [Value(parse_type(t)) for t in self.inputs]
        with_place(b, self.name)
        outputs = self.build(b, *values)
        outputs = outputs if isinstance(outputs, tuple | list) else [outputs]
        return b.finish(values, list(outputs), name=self.name).verify()

    def arguments(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [self._argument(rng, parse_type(t)) for t in self.inputs]

    def _argument(self, rng: np.random.Generator, t: TensorType) -> np.ndarray:
        if t.dtype.kind in ("uint", "int"):
            return rng.integers(0, 2, t.shape).astype(t.dtype.np)
        if t.dtype is bool_:
            return rng.integers(0, 2, t.shape).astype(bool)
        x = rng.uniform(0.4, 1.7, t.shape)
        if not self.positive:
            x = x * rng.choice([-1.0, 1.0], t.shape)
        if t.dtype.is_complex:
            x = x + 1j * rng.uniform(0.4, 1.7, t.shape)
        return np.asarray(x, t.dtype.np)


def with_place(b: Builder, name: str, line: int = 1) -> None:
    b.scope = Scope(name, "function", Scope("net", "module"))
    b.loc = Location("/src/model.py", line, "forward", f"y = {name}(x)")


def _linear(b: Any, x: Any, w: Any, bias: Any) -> Any:
    y = b.add(b.dot_general(x, w, contract=((1,), (0,)), batch=((), ())), bias)
    return b.sum(b.mul(y, b.tanh(y)), (0, 1))


def _softmax(b: Any, x: Any) -> Any:
    peak = b.reshape(b.amax(x, axes=(1,)), (3, 1))
    e = b.exp(b.sub(x, peak))
    total = b.reshape(b.sum(e, (1,)), (3, 1))
    return b.sum(b.mul(b.log(b.div(e, total)), b.div(e, total)), (0, 1))


def _shapes(b: Any, x: Any) -> Any:
    y = b.transpose(b.reshape(x, (3, 2, 2)), (2, 0, 1))
    y = b.slice(y, starts=(0, 1, 0), sizes=(2, 1, 2), strides=(1, 2, 1))
    y = b.concatenate(y, b.reverse(b.mul(y, y), axes=(0,)), axis=1)
    y = b.pad(y, 0.5, low=(1, 0, -1), high=(0, 2, 0), interior=(0, 1, 0))
    return b.sum(b.exp(y), (0, 1, 2))


def _writes(b: Any, x: Any, u: Any, i: Any) -> Any:
    y = b.update_slice(x, u, starts=(1,), strides=(2,))
    z = b.index_add(y, b.mul(u, u), i)
    z = b.index_set(z, u, b.add(i, 2))
    return b.sum(b.mul(b.mul(z, z), z), (0,))


def _branches(b: Any, x: Any, y: Any) -> Any:
    c = b.gt(x, y)
    s = b.select(c, b.mul(x, y), b.sin(y))
    return b.sum(b.maximum(b.minimum(s, 1.1), b.mul(x, 0.1)), (0,)), b.mul(s, 3)


def _powers(b: Any, x: Any, y: Any) -> Any:
    return b.sum(b.add(b.pow(x, y), b.add(b.pow(x, 3), b.pow(2.0, y))), (0,))


def _convolution(b: Any, x: Any, w: Any) -> Any:
    at = {"strides": (2,), "low": (1,), "high": (1,), "lhs_dilation": (1,)}
    y = b.convolution(x, w, **at, rhs_dilation=(1,), groups=2, batch_groups=1)
    return b.sum(b.mul(y, b.mul(y, y)), (0, 1, 2))


def _many_outputs(b: Any, x: Any) -> Any:
    y = b.exp(x)
    return y, x, y, b.convert(b.sum(y, (0,)), float32), b.gt(x, 0)


def _complex(b: Any, x: Any, y: Any) -> Any:
    return b.mul(b.conj(b.mul(x, y)), b.exp(x))


# Inner graphs of the calls: several outputs, one an input, one integral, one not read.
def _inner(b: Any, x: Any, y: Any) -> Any:
    product = b.mul(b.sin(x), y)
    return product, x, b.exp(b.mul(product, y)), b.convert(b.gt(x, 0), int64)


INNER = Program("inner", ("f64[3]", "f64[3]"), _inner).graph()
OUTER = Program(
    "outer",
    ("f64[3]",),
    lambda b, x: b.mul(b.call(x, b.cos(x), graph=INNER)[2], x),
).graph()


def _call(b: Any, x: Any, y: Any) -> Any:
    first, same, third, _ = b.call(x, y, graph=INNER)
    again, *_ = b.call(first, b.mul(same, y), graph=INNER)
    return b.sum(b.add(b.mul(first, again), b.add(third, same)), (0,))


def _call_one_output(b: Any, x: Any, y: Any) -> Any:
    return b.sum(b.call(x, b.mul(y, y), graph=INNER)[0], (0,))


def _call_of_call(b: Any, x: Any) -> Any:
    y = b.call(x, graph=OUTER)[0]
    return b.sum(b.mul(y, b.call(b.mul(y, 0.5), graph=OUTER)[0]), (0,))


def _call_results_out(b: Any, x: Any, y: Any) -> Any:
    return b.call(x, x, graph=INNER)[:3] + b.call(y, x, graph=INNER)[1:3]


def _elementwise(b: Any, x: Any) -> Any:
    one = b.add(b.log1p(x), b.expm1(b.rsqrt(x)))
    two = b.mul(b.sqrt(x), b.logistic(b.neg(x)))
    return b.sub(b.div(one, b.erf(x)), b.mul(two, b.abs(b.cos(x))))


PROGRAMS = (
    Program("linear", ("f64[4,3]", "f64[3,2]", "f64[2]"), _linear),
    Program("softmax", ("f64[3,4]",), _softmax),
    Program("elementwise", ("f64[2,3]",), _elementwise, positive=True),
    Program(
        "broadcasting", ("f64[2,1]", "f64[3]", "f64[]"), lambda b, x, y, z: b.mul(x, b.div(y, z))
    ),
    Program("shapes", ("f64[2,6]",), _shapes),
    Program("writes", ("f64[6]", "f64[2]", "i64[2]"), _writes),
    Program("branches", ("f64[5]", "f64[5]"), _branches),
    Program("powers", ("f64[4]", "f64[4]"), _powers, positive=True),
    Program("convolution", ("f64[2,4,5]", "f64[4,2,3]"), _convolution),
    Program("many_outputs", ("f64[3]",), _many_outputs),
    Program("complex", ("c128[2]", "c128[2]"), _complex),
    Program("empty", ("f64[0,3]",), lambda b, x: b.sum(b.exp(x), (0,))),
    Program("unread_input", ("f64[2]", "f64[2]"), lambda b, x, y: b.mul(x, x)),
    Program("input_is_output", ("f64[2]",), lambda b, x: (x, b.mul(x, x), x)),
    Program("call", ("f64[3]", "f64[3]"), _call),
    Program("call_one_output", ("f64[3]", "f64[3]"), _call_one_output),
    Program("call_of_call", ("f64[3]",), _call_of_call),
    Program("call_results_out", ("f64[3]", "f64[3]"), _call_results_out),
)


# The strategy. A graph grows node by node from what fits the values made so far; an op that
# refuses them is left out, so every graph drawn is sound.

TYPES = [TensorType(s, d) for d in DTYPES for s in ((), (3,), (2, 3), (1, 3), (0,), (2, 1, 3))]
NAMES = st.one_of(
    st.sampled_from(["x", "y", "layers.0.weight", "0", "inf", "1j", "True", "grad", "a~2", "a b"]),
    st.text(max_size=6),
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 0.0, -0.0, 1.0, 0.1, math.inf, -math.inf, math.nan, True, False]),
    st.integers(-(2**40), 2**40),
    st.floats(),
)
COMPLEX = st.builds(complex, st.floats(), st.floats())
UNARY = [n for n, row in OPS.items() if row.elementwise and len(row.grads) == 1 and not row.attrs]
BINARY = [
    n
    for n, row in OPS.items()
    if row.elementwise and n not in {*UNARY, "select", "convert", "bit_not"}
]


@st.composite
def graphs(draw: Any, max_nodes: int = 12, nested: int = 2) -> Graph:
    """A sound graph with hostile names, literals, scopes and places."""
    b = Builder()
    types = st.sampled_from(TYPES)
    inputs = [Value(t) for t in draw(st.lists(types, min_size=1, max_size=4))]
    values = list(inputs)
    scopes: list[Scope | None] = [None]
    places = [None, *draw(st.lists(_places(), max_size=3))]
    inner = [draw(graphs(max_nodes=4, nested=0)) for _ in range(draw(st.integers(0, nested)))]
    for _ in range(draw(st.integers(0, max_nodes))):
        if draw(st.booleans()):
            kind = draw(st.sampled_from(["phase", "module", "function", "function", "odd kind"]))
            scopes.append(Scope(draw(NAMES), kind, draw(st.sampled_from(scopes))))
        b.scope = draw(st.sampled_from(scopes))
        b.loc, b.cause = draw(st.sampled_from(places)), draw(st.sampled_from(places))
        values += _grow(draw, b, values, inner)
    outputs = draw(st.lists(st.sampled_from(values), max_size=4))
    n, m = len(inputs), len(outputs)
    return b.finish(
        inputs,
        outputs,
        name=draw(NAMES),
        input_names=draw(st.lists(NAMES, min_size=n, max_size=n)),
        output_names=draw(st.lists(NAMES, min_size=m, max_size=m)),
        requires_grad=draw(st.lists(st.booleans(), min_size=n, max_size=n)),
    )


def _places() -> Any:
    files = st.sampled_from(["/a/train.py", "/b/train.py", "train.py", "<stdin>", "/c/odd name.py"])
    functions = st.one_of(st.sampled_from(["<module>", "step", "<lambda>"]), NAMES)
    texts = st.one_of(
        st.sampled_from(["", "y = x @ w", "s = `a`  # b", "  ; # {"]), st.text(max_size=8)
    )
    return st.builds(Location, files, st.integers(1, 4), functions, texts)


def _grow(draw: Any, b: Any, values: list[Value], inner: list[Graph]) -> list[Value]:
    """The results of one more node, none if the op refused."""
    x = draw(st.sampled_from(values))
    before = len(b.nodes)
    try:
        made = _node(draw, b, values, x, inner)
    except (ThraceError, OverflowError, ValueError, ZeroDivisionError):
        return []
    if len(b.nodes) == before:
        return []
    return list(made) if isinstance(made, tuple) else [made]


def _node(draw: Any, b: Any, values: list[Value], x: Value, inner: list[Graph]) -> Any:
    same = [v for v in values if v.type.dtype is x.type.dtype]
    y = draw(st.sampled_from(same))
    kinds = ["unary", "binary", "literal", "select", "convert", "shape", "reduce", "make"]
    kinds += ["constant", "rng", *(["call"] * bool(inner))]
    kind = draw(st.sampled_from(kinds))
    if kind == "unary":
        return getattr(b, draw(st.sampled_from(UNARY)))(x)
    if kind == "binary":
        return getattr(b, draw(st.sampled_from(BINARY)))(x, y)
    if kind == "literal":
        pair = [x, literal_for(draw, x.type)]
        pair = pair if draw(st.booleans()) else pair[::-1]
        return getattr(b, draw(st.sampled_from(BINARY)))(*pair)
    if kind == "select":
        c = draw(st.sampled_from([v for v in values if v.type.dtype is bool_] or [x]))
        return b.select(c, x, draw(st.sampled_from([y, literal_for(draw, x.type)])))
    if kind == "convert":
        return b.emit(OPS["convert"], (x,), (draw(st.sampled_from(DTYPES)),))
    if kind == "shape":
        return _shape_node(draw, b, x, y)
    if kind == "reduce":
        axes = tuple(sorted(draw(st.sets(st.integers(0, max(x.type.ndim - 1, 0))))))
        name = draw(st.sampled_from(["sum", "amax", "amin", "any", "all"]))
        return b.emit(OPS[name], (x,), (axes,))
    if kind == "make":
        t = draw(st.sampled_from(TYPES))
        if draw(st.booleans()):
            return b.full(literal_for(draw, t), shape=t.shape, dtype=t.dtype)
        return b.iota(shape=t.shape, axis=0, dtype=t.dtype)
    if kind == "constant":
        t = draw(st.sampled_from(TYPES))
        return b.constant(data=Constant(random_array(t, draw(st.integers(0, 9)))))
    if kind == "rng":
        state = b.constant(data=Constant(np.array([draw(st.integers(0, 9)), 0], np.uint64)))
        return b.rng_bits(state, shape=x.type.shape)
    graph = draw(st.sampled_from(inner))
    fitting = [[v for v in values if v.type is t] for t in graph.input_types]
    if not all(fitting):
        return None
    return b.call(*(draw(st.sampled_from(vs)) for vs in fitting), graph=graph)


def _shape_node(draw: Any, b: Any, x: Value, y: Value) -> Any:
    shape = x.type.shape
    ones = (1,) * len(shape)
    zeros = (0,) * len(shape)
    rows: list[tuple[str, tuple, tuple]] = [
        ("reshape", (x,), (shape,)),
        ("reshape", (x,), ((*shape, 1),)),
        ("reshape", (x,), ((x.type.numel,),)),
        ("transpose", (x,), (tuple(draw(st.permutations(range(len(shape))))),)),
        ("broadcast", (x,), (shape,)),
        ("broadcast", (x,), ((2, *shape),)),
        ("sum_to", (x,), (shape,)),
        ("sum_to", (x,), (shape[1:],)),
        ("slice", (x,), (zeros, shape, ones)),
        ("slice", (x,), (zeros, tuple(min(n, 1) for n in shape), ones)),
        ("slice", (x,), (zeros, tuple((n + 1) // 2 for n in shape), (2,) * len(shape))),
        ("unslice", (x,), (tuple(n + 1 for n in shape), ones, ones)),
        ("update_slice", (x, y), (zeros, ones)),
        ("pad", (x, literal_for(draw, x.type)), (ones, zeros, zeros)),
        ("pad", (x, literal_for(draw, x.type)), (zeros, zeros, zeros)),
        ("concatenate", (x, y), (0,)),
        ("concatenate", (x,), (0,)),
        ("reverse", (x,), (tuple(range(len(shape))),)),
    ]
    name, operands, attrs = draw(st.sampled_from(rows))
    return b.emit(OPS[name], operands, attrs)


def literal_for(draw: Any, t: TensorType) -> Any:
    """A literal that a tensor of type `t` may stand beside."""
    if t.dtype is bool_:
        return draw(st.booleans())
    if t.dtype.kind in ("uint", "int"):
        info = np.iinfo(t.dtype.np)
        small = st.sampled_from([n for n in (0, 1, 2, -1) if n >= info.min])
        return draw(small | st.integers(int(info.min), int(info.max)))
    return draw(COMPLEX if t.dtype.is_complex and draw(st.booleans()) else NUMBERS)


def random_array(t: TensorType, seed: int) -> np.ndarray:
    """Small numbers, among them zeros of both signs, infinities and nan where there are any."""
    rng = np.random.default_rng(seed)
    if t.dtype is bool_:
        return rng.integers(0, 2, t.shape).astype(bool)
    if t.dtype.kind in ("uint", "int"):
        low = 0 if t.dtype.kind == "uint" else -5
        return rng.integers(low, 6, t.shape).astype(t.dtype.np)
    odd = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 3.25]
    x = rng.choice(odd, t.shape)
    if t.dtype.is_complex:
        pairs = np.stack([x, rng.choice(odd, t.shape)], axis=-1)
        return pairs.view(np.complex128)[..., 0].astype(t.dtype.np)
    return np.asarray(x).astype(t.dtype.np)


# Sameness, found by walking both graphs at once.


def assert_same(a: Graph, b: Graph) -> None:
    """Fail unless the graphs are equal in everything that is written down."""
    _Same().graphs(a, b)


class _Same:
    def __init__(self) -> None:
        self.pairs: dict[int, Any] = {}
        self.back: dict[int, Any] = {}

    def paired(self, a: Any, b: Any) -> bool:
        """Whether these objects stand for one another wherever they appear."""
        first = self.pairs.setdefault(id(a), b) is b and self.back.setdefault(id(b), a) is a
        assert first, (a, b)
        return first

    def graphs(self, a: Graph, b: Graph) -> None:
        todo = [(a, b)]
        while todo:
            a, b = todo.pop()
            if id(a) in self.pairs:
                self.paired(a, b)
                continue
            self.paired(a, b)
            assert a.name == b.name
            assert a.input_names == b.input_names
            assert a.output_names == b.output_names
            assert a.requires_grad == b.requires_grad
            assert a.input_types == b.input_types
            assert len(a.nodes) == len(b.nodes)
            for v, w in zip(a.inputs, b.inputs, strict=True):
                self.paired(v, w)
            for n, m in zip(a.nodes, b.nodes, strict=True):
                todo += self.nodes(n, m)
            for v, w in zip(a.outputs, b.outputs, strict=True):
                self.paired(v, w)

    def nodes(self, n: Node, m: Node) -> list[tuple[Graph, Graph]]:
        assert n.op is m.op
        assert resolve(n.loc) == resolve(m.loc)
        assert resolve(n.cause) == resolve(m.cause)
        self.scopes(n.scope, m.scope)
        for o, p in zip(n.operands, m.operands, strict=True):
            if isinstance(o, Value):
                assert isinstance(p, Value)
                self.paired(o, p)
            else:
                assert type(o) is type(p) and repr(o) == repr(p)
        for v, w in zip(n.outputs, m.outputs, strict=True):
            assert v.type is w.type
            assert (w.node, w.index) == (m, v.index)
            self.paired(v, w)
        held = []
        for x, y in zip(n.attrs, m.attrs, strict=True):
            if isinstance(x, Graph):
                held.append((x, y))
            else:
                assert type(x) is type(y) and x == y and repr(x) == repr(y)
        return held

    def scopes(self, s: Scope | None, t: Scope | None) -> None:
        while s is not None and t is not None:
            self.paired(s, t)
            assert (s.name, s.kind) == (t.name, t.kind)
            s, t = s.parent, t.parent
        assert s is None and t is None


def same_bits(got: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    """Fail unless the arrays are equal in dtype, shape and every number, signs of zero too."""
    for g, e in zip(got, expected, strict=True):
        assert g.dtype == e.dtype and g.shape == e.shape
        if g.dtype.kind in "biu":
            np.testing.assert_array_equal(g, e)
            continue
        for part in ("real", "imag") if g.dtype.kind == "c" else ("real",):
            # NumPy's own comparison does not know the nan of bfloat16.
            x, y = (np.asarray(getattr(a, part), np.float64) for a in (g, e))
            np.testing.assert_array_equal(x, y)
            zero = y == 0
            np.testing.assert_array_equal(np.signbit(x[zero]), np.signbit(y[zero]))


def long_chain(nodes: int) -> Graph:
    """A straight line of `nodes` nodes, each of which reads the one before."""
    b: Any = Builder()
    x = Value(TensorType((4,), float32))
    scopes = [Scope(f"block{i}", "module") for i in range(7)]
    steps = (b.sin, lambda v: b.mul(v, 0.5), lambda v: b.add(v, x), b.tanh)
    v = x
    for i in range(nodes):
        b.scope = scopes[i % 7]
        b.loc = Location("/src/chain.py", i % 50 + 1, "forward", "x = f(x)")
        v = steps[i % 4](v)
    return b.finish([x], [v], input_names=["x"])
