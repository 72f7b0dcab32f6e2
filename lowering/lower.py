"""A whole graph as one function of JAX arrays; used by `runtime` and `tools`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import lax

from ..ir.graph import Graph, Node, Scalar, Value
from ..ir.interpret import literal, literal_dtype
from ..ir.nested import has_effect, held_graphs
from ..ir.source import Location, RawLocation
from .metadata import Places
from .run import Run, collecting
from .table import RULES

Check = tuple[str, RawLocation | Location | None]


def lower(
    graph: Graph, *, numbered: bool = False, seconds: dict[str, float] | None = None
) -> Callable[..., list]:
    """`fn(*arrays)`: the graph's outputs, and last the check word if it has checks.

    The word is an int32: 0, or 1 + the position in `check_messages` of the first check
    that failed. Trace it with 64-bit types enabled. For `numbered` and `seconds` see
    `metadata.Places`.
    """

    def program(*args: Any) -> list:
        with collecting() as run:
            outputs = evaluate(graph, args, Places(numbered, seconds))
        return [*outputs, check_word(run)] if run.flags else outputs

    program.__name__ = program.__qualname__ = graph.name if graph.name.isidentifier() else "main"
    return program


def evaluate(graph: Graph, args: Sequence[Any], places: Places | None = None) -> list:
    """The graph's outputs for `args`, node by node."""
    env: dict[Value, Any] = dict(zip(graph.inputs, args, strict=True))
    with places or Places() as places:
        for node in graph.nodes:
            operands = [
                env[o] if isinstance(o, Value) else literal_operand(node, o) for o in node.operands
            ]
            got = places.call(RULES[node.op.name], node, operands)
            if node.op.multiple:
                env.update(zip(node.outputs, got, strict=True))
            else:
                env[node.outputs[0]] = got
    return [env[v] for v in graph.outputs]


def literal_operand(node: Node, value: Scalar) -> np.ndarray:
    """A literal as an array of the dtype that the tensor operands beside it have."""
    return literal(value, literal_dtype(node).np)


def check_word(run: Run) -> Any:
    word: Any = np.int32(0)
    for i in reversed(range(len(run.flags))):  # so that the first to fail is what stays
        word = lax.select(run.flags[i], lax.convert_element_type(word, np.int32), np.int32(i + 1))
    return word


def check_messages(graph: Graph) -> list[Check]:
    """Message and place of each check the program makes, in the order it makes them."""
    out: list[Check] = []
    for node in graph.nodes:
        if node.op.name == "check":
            out.append((node.attr("message"), node.loc))
        elif has_effect(node):
            for held in held_graphs(node):
                out += check_messages(held)
    return out
