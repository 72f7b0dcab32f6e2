"""Ops that hold a graph or act on the run itself.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import AutogradError, DTypeError, ShapeError
from ..types import TensorType, bool_
from .table import op, table


def _call_type(name: str, *types: TensorType, graph: Any) -> tuple[TensorType, ...]:
    if types != graph.input_types:
        raise ShapeError(f"{name}: operands {types} for a graph that takes {graph.input_types}")
    return graph.output_types


def _call_vjp(b: Any, node: Any, cots: Any, needs: Any) -> Any:
    from ..grad import vjp_call

    return vjp_call(b, node, cots, needs)


def _call(*args: np.ndarray, graph: Any) -> tuple[np.ndarray, ...]:
    from ..interpret import interpret

    return tuple(interpret(graph, args))


def _check_type(name: str, ok: TensorType | None, *, message: str) -> TensorType:
    if ok is None or ok.dtype is not bool_ or ok.ndim:
        raise DTypeError(f"{name}: the condition must be a bool scalar")
    return ok


def _graft_type(name: str, data: TensorType, history: TensorType) -> TensorType:
    if data is not history:
        raise ShapeError(f"{name}: operands of types {data} and {history} differ")
    return data


def _opaque_grad(b: Any, g: Any, out: Any, x: Any, *, function: str) -> Any:
    raise AutogradError(
        f"backward: the gradient of {function}, an autograd.Function, is Python code that the "
        "graph does not hold; trace a function that calls backward() itself"
    )


CONTROL = table(
    op(
        "detach",
        lambda name, x: x,
        no_grad="it stops the gradient",
        evaluate=lambda x: x,
    ),
    op(
        "graft",  # the first operand's data with the second one's history
        _graft_type,
        None,
        lambda b, g, out, data, history: g,
        evaluate=lambda data, history: data,
    ),
    op(
        "opaque",  # a result of the user's autograd.Function: to differentiate it is an error
        lambda name, x, *, function: x,
        _opaque_grad,
        attrs=("function",),
        evaluate=lambda x, *, function: x,
    ),
    op(
        "barrier",  # what is computed from its result is not merged with the same from its operand
        lambda name, x: x,
        lambda b, g, out, x: g,
        evaluate=lambda x: x,
    ),
    op(
        "call",
        _call_type,
        vjp=_call_vjp,
        attrs=("graph",),
        multiple=True,
        evaluate=_call,
    ),
    op(
        "check",  # raises IndexError with the message when its operand is False
        _check_type,
        attrs=("message",),
        no_grad="its result is bool",
        evaluate=lambda ok, *, message: ok,
        effect=True,
    ),
)
