"""Running a graph with NumPy, one rule per op: the second evaluator beside XLA.

Imported by passes (constant folding), the `call` op and the runtime's first tier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import IndexRangeError, LinAlgError, ThraceError
from .graph import Graph, Node, Scalar, Value
from .source import Location, RawLocation, resolve
from .types import DType, TensorType


def apply(node: Node, args: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """The results of one node, given arrays for its operands (scalars for literals).

    Python scalars take the dtype of the tensor operands beside them, as the IR says.
    """
    with np.errstate(all="ignore"):
        return apply_quietly(node, args)


def apply_quietly(node: Node, args: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """`apply`, for who has told NumPy not to warn once for many nodes."""
    row = node.op
    evaluate = row.evaluate
    assert evaluate is not None, row.name
    if row.elementwise and len(args) > 1:
        for o in node.operands:
            if o.__class__ is not Value:
                args = _with_literals(node, args)
                break
    got = evaluate(*args, **node.attr_dict()) if row.attrs else evaluate(*args)
    outputs = node.outputs
    if not row.multiple:
        return (_fit(got, outputs[0].type),)
    return tuple([_fit(r, v.type) for r, v in zip(got, outputs, strict=True)])


def _with_literals(node: Node, args: Sequence[Any]) -> list[Any]:
    dtype = literal_dtype(node).np
    return [
        a if o.__class__ is Value else literal(a, dtype)
        for a, o in zip(args, node.operands, strict=True)
    ]


def literal(value: Scalar, dtype: np.dtype) -> np.ndarray:
    """A Python scalar as an array; an integer that does not fit wraps round, as in PyTorch."""
    try:
        return np.asarray(value, dtype)
    except OverflowError:
        bits = dtype.itemsize * 8
        return np.asarray(int(value.real) % (1 << bits), f"u{dtype.itemsize}").view(dtype)


def literal_dtype(node: Node) -> DType:
    """The dtype of literal operands: that of the tensors they are typed with."""
    if node.op.name == "full":
        return node.attr("dtype")
    for o in node.operands[1:] if node.op.name == "select" else node.operands:
        if isinstance(o, Value):
            return o.type.dtype
    raise AssertionError("an elementwise node without a tensor operand")


def _fit(result: Any, type: TensorType) -> np.ndarray:
    wanted = type.dtype.np
    array = result if result.__class__ is np.ndarray else np.asarray(result)
    return array if array.dtype == wanted else array.astype(wanted)


def check_failed(message: str, loc: RawLocation | Location | None) -> ThraceError:
    """The error of a `check` node whose condition is False."""
    where = resolve(loc)
    kind = LinAlgError if message.startswith("linalg.") else IndexRangeError
    return kind(message if where is None else f"{message}\n  {where}")


def interpret(graph: Graph, args: Sequence[Any]) -> list[np.ndarray]:
    """The graph's outputs for `args`, one array per input.

    Values are dropped after their last use, so memory follows what is live.
    Raises: AxisError (an IndexError) if a check fails, naming the user's line.
    """
    if len(args) != len(graph.inputs):
        raise ValueError(f"the graph takes {len(graph.inputs)} inputs, got {len(args)}")
    ends = last_uses(graph)
    env: dict[Value, np.ndarray] = dict(zip(graph.inputs, args, strict=True))
    with np.errstate(all="ignore"):
        for node, dead in zip(graph.nodes, ends, strict=True):
            operands = [env[o] if o.__class__ is Value else o for o in node.operands]  # type: ignore
            results = apply_quietly(node, operands)
            if node.op.name == "check" and not results[0]:
                raise check_failed(node.attr("message"), node.loc)
            for v, r in zip(node.outputs, results, strict=True):
                env[v] = r
            for v in dead:
                del env[v]
    return [env[v] for v in graph.outputs]


def last_uses(graph: Graph) -> list[list[Value]]:
    """For each node, the values that nobody reads after it."""
    seen: set[Value] = set(graph.outputs)
    out: list[list[Value]] = []
    for node in reversed(graph.nodes):
        dead: list[Value] = []
        for v in (*node.operands, *node.outputs):
            if v.__class__ is Value and v not in seen:
                seen.add(v)  # type: ignore[arg-type]
                dead.append(v)  # type: ignore[arg-type]
        out.append(dead)
    return out[::-1]
