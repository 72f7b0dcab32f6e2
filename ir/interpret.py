"""Running a graph with NumPy, one rule per op: the second evaluator beside XLA.

Imported by passes (constant folding), the `call` op and the runtime's first tier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import AxisError
from .graph import Graph, Node, Operand, Scalar, Value
from .source import Location, RawLocation, resolve
from .types import TensorType


def apply(node: Node, args: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """The results of one node, given arrays for its operands (scalars for literals).

    Python scalars take the dtype of the tensor operands beside them, as the IR says.
    """
    row = node.op
    assert row.evaluate is not None, row.name
    types = tuple(v.type for v in node.outputs)
    if row.elementwise and len(args) > 1:
        args = [
            a if isinstance(o, Value) else literal(a, _dtype_for(node))
            for a, o in zip(args, node.operands, strict=True)
        ]
    with np.errstate(all="ignore"):
        if row.attrs:
            got = row.evaluate(*args, **node.attr_dict())
        else:
            got = row.evaluate(*args)
    results = got if row.multiple else (got,)
    return tuple(_fit(r, t) for r, t in zip(results, types, strict=True))


def literal(value: Scalar, dtype: np.dtype) -> np.ndarray:
    """A Python scalar as an array; an integer that does not fit wraps round, as in PyTorch."""
    try:
        return np.asarray(value, dtype)
    except OverflowError:
        bits = dtype.itemsize * 8
        return np.asarray(int(value.real) % (1 << bits), f"u{dtype.itemsize}").view(dtype)


def _dtype_for(node: Node) -> np.dtype:
    """The dtype of literal operands: that of the other operands they are typed with."""
    for o in node.operands[1:] if node.op.name == "select" else node.operands:
        if isinstance(o, Value):
            return o.type.dtype.np
    raise AssertionError("an elementwise node without a tensor operand")


def _fit(result: Any, type: TensorType) -> np.ndarray:
    array = np.asarray(result)
    if array.dtype != type.dtype.np:
        array = array.astype(type.dtype.np)
    return array


def check_failed(message: str, loc: RawLocation | Location | None) -> AxisError:
    """The error of a `check` node whose condition is False."""
    where = resolve(loc)
    return AxisError(message if where is None else f"{message}\n  {where}")


def interpret(graph: Graph, args: Sequence[Any]) -> list[np.ndarray]:
    """The graph's outputs for `args`, one array per input.

    Values are dropped after their last use, so memory follows what is live.
    Raises: AxisError (an IndexError) if a check fails, naming the user's line.
    """
    if len(args) != len(graph.inputs):
        raise ValueError(f"the graph takes {len(graph.inputs)} inputs, got {len(args)}")
    last: dict[Value, int] = {}
    for position, node in enumerate(graph.nodes):
        for o in node.operands:
            if isinstance(o, Value):
                last[o] = position
    keep = set(graph.outputs)
    env: dict[Value, np.ndarray] = dict(zip(graph.inputs, args, strict=True))

    def look(o: Operand) -> Any:
        return env[o] if isinstance(o, Value) else o

    for position, node in enumerate(graph.nodes):
        results = apply(node, [look(o) for o in node.operands])
        if node.op.name == "check" and not results[0]:
            raise check_failed(node.attr("message"), node.loc)
        for v, r in zip(node.outputs, results, strict=True):
            if v in last or v in keep:
                env[v] = r
        for o in node.operands:
            if isinstance(o, Value) and last[o] == position and o not in keep:
                env.pop(o, None)
    return [env[v] for v in graph.outputs]
