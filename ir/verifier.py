"""Checks of a whole graph: types inferred again, SSA order, attributes, nested graphs.

`check_node` is also what the readers (text, JSON) type a node with. Passes call `verify` on
what they made when THRACE_VERIFY is 1.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import GraphError, ThraceError
from .graph import Graph, Node, Operand, Value
from .nested import nested_graphs
from .ops import OPS, Op
from .ops.shape import Constant
from .source import resolve
from .types import DType, TensorType


def verify(graph: Graph) -> None:
    """Raise GraphError, naming graph and node, unless `graph` and all it holds are sound."""
    for g in nested_graphs(graph):
        _verify_one(g)


def _verify_one(graph: Graph) -> None:
    def fail(message: str) -> None:
        raise GraphError(f"graph {graph.name}: {message}")

    numbers: dict[Value, int] = {}
    for name, v in zip(graph.input_names, graph.inputs, strict=True):
        if not isinstance(v, Value) or not isinstance(v.type, TensorType):
            fail(f"input {name!r} is not a typed value")
        if v in numbers:
            fail(f"input {name!r} is the same value as another input")
        numbers[v] = len(numbers)
    lead = len(numbers)
    for node in graph.nodes:
        result = f"%{len(numbers) - lead}"
        for i, o in enumerate(node.operands):
            if isinstance(o, Value) and o not in numbers:
                fail(_at(result, node, f"operand {i} is not defined before it is used"))
        try:
            types = check_node(node.op, node.operands, node.attrs)
        except GraphError as e:
            raise GraphError(f"graph {graph.name}: {_at(result, node, str(e))}") from e
        if types != tuple(v.type for v in node.outputs):
            got = ", ".join(str(v.type) for v in node.outputs)
            fail(_at(result, node, f"has type ({got}), inferred ({', '.join(map(str, types))})"))
        for i, v in enumerate(node.outputs):
            if v in numbers:
                fail(_at(result, node, f"result {i} is defined twice"))
            if v.node is not node or v.index != i:
                fail(_at(result, node, f"result {i} names another node as its producer"))
            numbers[v] = len(numbers)
    for name, v in zip(graph.output_names, graph.outputs, strict=True):
        if not isinstance(v, Value) or v not in numbers:
            fail(f"output {name!r} is not a value of this graph")


def _at(result: str, node: Node, message: str) -> str:
    place = resolve(node.loc)
    where = f"\n  {place}" if place is not None else ""
    return f"node {result} = {node.op.name}: {message}{where}"


def check_node(op: Op, operands: tuple[Operand, ...], attrs: tuple) -> tuple[TensorType, ...]:
    """The types of a node's results. Raises: GraphError for whatever is wrong with it."""
    if OPS.get(op.name) is not op:
        raise GraphError(f"{op.name!r} is not an op of the table")
    low, high = operand_counts(op)
    if len(operands) < low or (high is not None and len(operands) > high):
        wanted = low if low == high else f"at least {low}"
        raise GraphError(f"{op.name}: takes {wanted} operands, got {len(operands)}")
    if len(attrs) != len(op.attrs):
        raise GraphError(f"{op.name}: takes attributes {op.attrs}, got {len(attrs)} of them")
    for name, value in zip(op.attrs, attrs, strict=True):
        _check_attribute(op, name, value)
    types = tuple(_operand_type(op, i, o) for i, o in enumerate(operands))
    try:
        result = op.infer(types, attrs)
    except ThraceError as e:
        raise GraphError(str(e)) from e
    except Exception as e:  # a rule that trips over operands it never expected
        given = ", ".join("a literal" if t is None else str(t) for t in types)
        raise GraphError(f"{op.name}: does not take operands ({given}): {e}") from e
    if op.elementwise:
        _check_literals(op, operands)
    return result if isinstance(result, tuple) else (result,)


def _operand_type(op: Op, i: int, o: Operand) -> TensorType | None:
    if isinstance(o, Value):
        return o.type
    if isinstance(o, bool | int | float | complex):
        return None
    raise GraphError(f"{op.name}: operand {i} is a {type(o).__name__}, not a value or a number")


# Attributes by name: what holds for `shape` holds in every op that has one.


def _is_int(value: object) -> bool:
    return type(value) is int


def _is_ints(value: object) -> bool:
    return type(value) is tuple and all(type(n) is int for n in value)


def _is_sizes(value: object) -> bool:
    return type(value) is tuple and all(type(n) is int and n >= 0 for n in value)


def _is_axes_pair(value: object) -> bool:
    return type(value) is tuple and len(value) == 2 and all(map(_is_sizes, value))


ATTRIBUTES: dict[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("shape", "sizes"), (_is_sizes, "a tuple of sizes")),
    **dict.fromkeys(
        (
            *("axes", "perm", "starts", "strides", "low", "high", "interior"),
            *("lhs_dilation", "rhs_dilation"),
        ),
        (_is_ints, "a tuple of whole numbers"),
    ),
    **dict.fromkeys(("axis", "groups", "batch_groups"), (_is_int, "a whole number")),
    **dict.fromkeys(("contract", "batch"), (_is_axes_pair, "two tuples of axes")),
    "dtype": (lambda value: isinstance(value, DType), "a dtype"),
    "data": (lambda value: isinstance(value, Constant), "constant data"),
    "graph": (lambda value: isinstance(value, Graph), "a graph"),
    "message": (lambda value: isinstance(value, str), "a string"),
}


def _check_attribute(op: Op, name: str, value: Any) -> None:
    check, what = ATTRIBUTES.get(name, (None, ""))
    if check is not None:
        if not check(value):
            raise GraphError(f"{op.name}: attribute {name} must be {what}, got {value!r}")
        return
    try:
        hash(value)
    except TypeError:
        raise GraphError(f"{op.name}: attribute {name} is not hashable: {value!r}") from None


_RANK = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}


def _check_literals(op: Op, operands: tuple[Operand, ...]) -> None:
    """A literal takes the dtype beside it, so that dtype must be able to hold its kind."""
    first = 1 if op.name == "select" else 0
    literals = [o for o in operands if not isinstance(o, Value)]
    if not literals:
        return
    if not isinstance(operands[0], Value) and first:
        raise GraphError(f"{op.name}: the condition must be a tensor")
    dtype = next(o.type.dtype for o in operands[first:] if isinstance(o, Value))
    for o in literals:
        if isinstance(o, bool) or (dtype.kind == "bool" and o in (0, 1) and isinstance(o, int)):
            continue
        rank = 1 if isinstance(o, int) else 2 if isinstance(o, float) else 3
        if rank > _RANK[dtype.kind]:
            raise GraphError(f"{op.name}: {dtype} cannot hold the literal {o!r}")


@functools.cache
def operand_counts(op: Op) -> tuple[int, int | None]:
    """The fewest and the most operands of an op, read off its NumPy rule's signature."""
    if isinstance(op.evaluate, np.ufunc):
        return op.evaluate.nin, op.evaluate.nin
    try:
        parameters = list(inspect.signature(op.evaluate or op.typing).parameters.values())
    except ValueError:  # a built-in function
        return len(op.grads), len(op.grads)
    if op.evaluate is None:
        parameters = parameters[1:]  # the op's name
    plain = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return plain, None
    return plain, plain
