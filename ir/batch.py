"""Batching: what an op becomes when its operands stand for one example each.

A batched operand has one more axis, in front. `batch_node` builds the nodes that do for all
examples what the op does for one; `batch_graph` does so for a whole graph. One row of RULES
per op; elementwise ops need none.

A rule is `rule(b, n, operands, batched, **attrs)`: `n` examples, the operands as they are
(literals too), a flag for each that says whether it has the axis in front. At least one has.
It returns the result(s), all with the axis.

Imported by the tracer's `vmap`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .batch_loops import RULES as LOOP_RULES
from .build import Builder
from .graph import Graph, Operand, Value
from .ops import OPS
from .ops.table import Op
from .types import Shape, TensorType, int64

Flags = Sequence[bool]
Ints = tuple[int, ...]
Rule = Callable[..., Any]

# Ops that a rule cannot be given for, with the reason.
NO_RULE = {
    "rng_bits": "vmap decides by its `randomness` what each example draws",
}


def batch_node(
    b: Builder, op: Op, operands: Sequence[Operand], batched: Flags, attrs: tuple, n: int
) -> Any:
    """The op for `n` examples at once; its result(s) have the batch axis in front.

    Raises: NotImplementedError for an op without a rule.
    """
    rule = RULES.get(op.name)
    if rule is None:
        if not op.elementwise:
            raise NotImplementedError(f"vmap: {op.name}: {NO_RULE.get(op.name, 'no rule')}")
        return _elementwise(b, n, op, operands, batched, attrs)
    return rule(b, n, tuple(operands), tuple(batched), **dict(zip(op.attrs, attrs, strict=True)))


def batch_graph(graph: Graph, batched: Flags, n: int) -> Graph:
    """`graph` for `n` examples: inputs with a flag have the axis in front, and all outputs."""
    b = Builder()
    env: dict[Value, Value] = {}
    flags: dict[Value, bool] = {}
    for v, flag in zip(graph.inputs, batched, strict=True):
        env[v] = Value(with_batch(v.type, n) if flag else v.type)
        flags[v] = bool(flag)
    inputs = list(env.values())
    for node in graph.nodes:
        b.scope, b.loc, b.cause = node.scope, node.loc, node.cause
        operands = [env[o] if isinstance(o, Value) else o for o in node.operands]
        which = [isinstance(o, Value) and flags[o] for o in node.operands]
        if any(which):
            made = batch_node(b, node.op, operands, which, node.attrs, n)
        else:
            made = b.emit(node.op, tuple(operands), node.attrs)
        for old, new in zip(node.outputs, made if node.op.multiple else (made,), strict=True):
            env[old], flags[old] = new, any(which)
    outputs = [env[v] if flags[v] else to_front(b, n, env[v], False) for v in graph.outputs]
    return b.finish(
        inputs,
        outputs,
        name=f"{graph.name}_batched",
        input_names=graph.input_names,
        output_names=graph.output_names,
        requires_grad=graph.requires_grad,
    )


def with_batch(type: TensorType, n: int) -> TensorType:
    return type.with_shape((n, *type.shape))


def without_batch(type: TensorType) -> TensorType:
    return type.with_shape(type.shape[1:])


# Forms that rules are written in


def to_front(b: Builder, n: int, x: Value, batched: bool) -> Value:
    """`x` with the batch axis in front, the same for each example if it had none."""
    return x if batched else b.broadcast(x, (n, *x.type.shape))


def own_shape(x: Value, batched: bool) -> Shape:
    """The shape of one example."""
    return x.type.shape[1:] if batched else x.type.shape


def _all_front(b: Builder, n: int, operands: Any, batched: Flags) -> tuple[Any, ...]:
    return tuple(
        to_front(b, n, o, f) if isinstance(o, Value) else o
        for o, f in zip(operands, batched, strict=True)
    )


def _padded(b: Builder, n: int, x: Value, rank: int) -> Value:
    """A batched operand whose examples have `rank` axes, new ones in front of the old."""
    shape = x.type.shape[1:]
    return b.reshape(x, (n, *(1,) * (rank - len(shape)), *shape))


def _elementwise(
    b: Builder, n: int, op: Op, operands: Sequence[Operand], batched: Flags, attrs: tuple
) -> Any:
    """Examples broadcast with each other: their axes are aligned at the last one."""
    rank = max(
        len(own_shape(o, f)) for o, f in zip(operands, batched, strict=True) if isinstance(o, Value)
    )
    aligned = tuple(
        _padded(b, n, o, rank) if f and isinstance(o, Value) else o
        for o, f in zip(operands, batched, strict=True)
    )
    return b.emit(op, aligned, attrs)


def natural(name: str) -> Rule:
    """For an op whose operands may have any axes in front, the same for all."""

    def rule(b: Builder, n: int, operands: Any, batched: Flags, **attrs: Any) -> Any:
        return getattr(b, name)(*_all_front(b, n, operands, batched), **attrs)

    return rule


def shifted(name: str, *axes: str) -> Rule:
    """For an op whose attributes `axes` count the operands' axes: they count one more."""

    def rule(b: Builder, n: int, operands: Any, batched: Flags, **attrs: Any) -> Any:
        for a in axes:
            at = attrs[a]
            attrs[a] = at + 1 if isinstance(at, int) else tuple(i + 1 for i in at)
        return getattr(b, name)(*_all_front(b, n, operands, batched), **attrs)

    return rule


def extended(name: str, **first: Any) -> Rule:
    """For an op with attributes that hold a number per axis: `first` is the batch axis's,
    None for the number of examples."""

    def rule(b: Builder, n: int, operands: Any, batched: Flags, **attrs: Any) -> Any:
        for a, value in first.items():
            attrs[a] = (n if value is None else value, *attrs[a])
        return getattr(b, name)(*_all_front(b, n, operands, batched), **attrs)

    return rule


# Rules that are not one of these forms


def _transpose(b: Builder, n: int, operands: Any, batched: Flags, *, perm: Ints) -> Any:
    return b.transpose(operands[0], (0, *(p + 1 for p in perm)))


def _broadcast(b: Builder, n: int, operands: Any, batched: Flags, *, shape: Shape) -> Any:
    return b.broadcast(_padded(b, n, operands[0], len(shape)), (n, *shape))


def _sum_to(b: Builder, n: int, operands: Any, batched: Flags, *, shape: Shape) -> Any:
    (x,) = operands
    lead = x.type.ndim - 1 - len(shape)
    return b.sum_to(b.sum(x, tuple(range(1, 1 + lead))), (n, *shape))


def _full(b: Builder, n: int, operands: Any, batched: Flags, *, shape: Shape, dtype: Any) -> Any:
    value = b.convert(operands[0], dtype)
    return b.broadcast(_padded(b, n, value, len(shape)), (n, *shape))


def _index(b: Builder, n: int, operands: Any, batched: Flags) -> Any:
    x, indices = operands[0], _indices(b, n, operands[1:], batched[1:], batched[0])
    return b.index(x, *indices)


def _put(name: str) -> Rule:
    def rule(b: Builder, n: int, operands: Any, batched: Flags) -> Any:
        x, u = _all_front(b, n, operands[:2], batched[:2])
        return getattr(b, name)(x, u, *_indices(b, n, operands[2:], batched[2:], True))

    return rule


def _indices(b: Builder, n: int, indices: Any, batched: Flags, x_batched: bool) -> list[Value]:
    """Index operands aligned with each other; the example's number comes first if what they
    index is batched."""
    rank = max(len(own_shape(i, f)) for i, f in zip(indices, batched, strict=True))
    aligned = [_padded(b, n, i, rank) if f else i for i, f in zip(indices, batched, strict=True)]
    if not x_batched:
        return aligned
    line = b.iota(shape=(n,), axis=0, dtype=indices[0].type.dtype)
    return [b.reshape(line, (n, *(1,) * rank)), *aligned]


def _window_indices(b: Builder, starts: Any, sizes: Ints, strides: Ints, shape: Shape) -> Any:
    """Indices of a window of `shape` that starts where each example says."""
    indices = []
    for axis, (start, size, stride) in enumerate(zip(starts, sizes, strides, strict=True)):
        room = max(shape[axis] - ((size - 1) * stride + 1 if size else 0), 0)
        # A window that would leave the array is moved inside it, as for one example.
        inside = b.minimum(b.maximum(b.convert(start, int64), 0), room)
        line = b.mul(b.iota(shape=(size,), axis=0, dtype=int64), stride)
        at = b.add(b.reshape(inside, (*inside.type.shape, 1)), line)
        own = [1] * len(sizes)
        own[axis] = size
        indices.append(b.reshape(at, (*inside.type.shape, *own)))
    return indices


def _dynamic(name: str, lead: int) -> Rule:
    """A window with a computed start: moved like the static one if the start is the same for
    all examples, else read and written by indices."""

    def rule(b: Builder, n: int, operands: Any, batched: Flags, **attrs: Any) -> Any:
        arrays = _all_front(b, n, operands[:lead], batched[:lead])
        starts = operands[lead:]
        sizes = attrs.get("sizes") or own_shape(arrays[-1], True)
        strides = attrs["strides"]
        if not any(batched[lead:]):
            zero = b.full(0, shape=(), dtype=starts[0].type.dtype) if starts else None
            if zero is None:
                return arrays[-1]
            for a, value in (("sizes", n), ("shape", n), ("strides", 1)):
                if a in attrs:
                    attrs[a] = (value, *attrs[a])
            return getattr(b, name)(*arrays, zero, *starts, **attrs)
        shape = attrs.get("shape") or own_shape(arrays[0], True)
        at = _window_indices(b, starts, sizes, strides, shape)
        which = [f or i.type.ndim > len(sizes) for i, f in zip(at, batched[lead:], strict=True)]
        indices = _indices(b, n, at, which, True)
        if name == "dynamic_slice":
            return b.index(arrays[0], *indices)
        into = arrays[0]
        if name == "dynamic_unslice":
            into = b.zeros(TensorType((n, *shape), into.type.dtype))
        return b.index_set(into, arrays[-1], *indices)

    return rule


def _dot(b: Builder, n: int, operands: Any, batched: Flags, *, contract: Any, batch: Any) -> Any:
    x, y = operands
    moved = [
        tuple(tuple(a + f for a in axes) for axes, f in zip(pair, batched, strict=True))
        for pair in (contract, batch)
    ]
    (cx, cy), (bx, by) = moved
    if all(batched):
        return b.dot_general(x, y, contract=(cx, cy), batch=((0, *bx), (0, *by)))
    # The examples are one more free axis of the operand that has them; it comes out first
    # of that operand's.
    out = b.dot_general(x, y, contract=(cx, cy), batch=(bx, by))
    at = len(bx) if batched[0] else x.type.ndim - len(cx)
    return _to_front_from(b, out, at)


def _to_front_from(b: Builder, x: Value, axis: int) -> Value:
    rest = [i for i in range(x.type.ndim) if i != axis]
    return b.transpose(x, (axis, *rest))


def _conv(b: Builder, n: int, operands: Any, batched: Flags, **attrs: Any) -> Any:
    """Examples become more of the batch (of x alone), more channels (of w alone), or groups
    (of both)."""
    x, w = operands
    groups, parts = attrs["groups"], attrs["batch_groups"]

    def inside(v: Value, axis: int, count: int) -> Value:
        """The examples (axis 0) within each of `count` parts of `axis`, as one axis."""
        shape = v.type.shape
        v = b.reshape(v, (*shape[:axis], count, shape[axis] // count, *shape[axis + 1 :]))
        rest = [i for i in range(1, v.type.ndim) if i > axis]
        v = b.transpose(v, (*range(1, axis), axis, 0, *rest))
        joined = shape[axis] * n
        return b.reshape(v, (*shape[1:axis], joined, *shape[axis + 1 :]))

    def outside(v: Value, axis: int, count: int) -> Value:
        """The reverse: the examples out of each of `count` parts of `axis`, to the front."""
        shape = v.type.shape
        each = shape[axis] // (count * n)
        v = b.reshape(v, (*shape[:axis], count, n, each, *shape[axis + 1 :]))
        v = _to_front_from(b, v, axis + 1)
        return b.reshape(v, (n, *shape[:axis], count * each, *shape[axis + 1 :]))

    if all(batched):
        if parts > 1:
            attrs["batch_groups"] = n * parts
            x = b.reshape(x, (n * x.type.shape[1], *x.type.shape[2:]))
        else:
            attrs["groups"] = n * groups
            x = inside(x, 2, 1)
        w = b.reshape(w, (n * w.type.shape[1], *w.type.shape[2:]))
        return outside(b.convolution(x, w, **attrs), 1, 1)
    if batched[0]:
        out = b.convolution(inside(x, 1, parts), w, **attrs)
        return outside(out, 0, 1)
    count = groups * parts
    out = b.convolution(x, inside(w, 1, count), **attrs)
    return outside(out, 1, count)


def _check(b: Builder, n: int, operands: Any, batched: Flags, *, message: str) -> Any:
    return to_front(b, n, b.check(b.all(operands[0], axes=(0,)), message=message), False)


def _call(b: Builder, n: int, operands: Any, batched: Flags, *, graph: Graph) -> Any:
    key = (id(graph), batched, n)
    found = _GRAPHS.get(key)
    # The entry holds the graph, so its id is not reused while the entry lives.
    if found is None or found[0] is not graph:
        if len(_GRAPHS) > 256:
            _GRAPHS.clear()
        found = _GRAPHS[key] = (graph, batch_graph(graph, batched, n))
    return b.call(*operands, graph=found[1])


_GRAPHS: dict[tuple, tuple[Graph, Graph]] = {}

# Whatever stands in front of their last axes is a batch to these.
_NATURAL = (
    *("detach", "graft", "opaque", "barrier", "bitcast", "fft", "iota", "constant"),
    *("cholesky", "triangular_solve", "lu", "qr", "eigh", "eig", "svd"),
    *("ldl_factor", "ldl_solve"),
)

RULES: dict[str, Rule] = {
    **{name: natural(name) for name in _NATURAL},
    **{name: shifted(name, "axes") for name in ("sum", "amax", "amin", "any", "all", "reverse")},
    **{name: shifted(name, "axis") for name in ("argmax", "argmin", "concatenate")},
    "sort": shifted("sort", "axis"),
    "polygamma": natural("polygamma"),
    "airy_ai": natural("airy_ai"),
    "sum_to": _sum_to,
    "reshape": extended("reshape", shape=None),
    "transpose": _transpose,
    "broadcast": _broadcast,
    "slice": extended("slice", starts=0, sizes=None, strides=1),
    "unslice": extended("unslice", shape=None, starts=0, strides=1),
    "update_slice": extended("update_slice", starts=0, strides=1),
    "dynamic_slice": _dynamic("dynamic_slice", 1),
    "dynamic_unslice": _dynamic("dynamic_unslice", 1),
    "dynamic_update_slice": _dynamic("dynamic_update_slice", 2),
    "pad": extended("pad", low=0, high=0, interior=0),
    "full": _full,
    "index": _index,
    **{f"index_{kind}": _put(f"index_{kind}") for kind in ("add", "set", "mul", "max", "min")},
    "dot_general": _dot,
    "convolution": _conv,
    "call": _call,
    "check": _check,
    **LOOP_RULES,
}


def lacking() -> list[str]:
    """The ops that have no rule and give no reason."""
    return [
        name
        for name, row in OPS.items()
        if not row.elementwise and name not in RULES and name not in NO_RULE
    ]
