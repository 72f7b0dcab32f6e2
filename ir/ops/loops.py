"""Structured control flow: ops that hold the graphs of branches and of loop bodies.

What the graphs read from outside is an operand, so a held graph is closed. Operands go to
the graphs in one order: what is carried from step to step, slices, and then what every
step reads alike.

Imported by `ir.ops` alone; everyone else looks ops up through `ir.ops.get`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..types import TensorType, bool_
from .table import op, table

Types = tuple[TensorType, ...]


def _shown(types: Sequence[TensorType]) -> str:
    return f"({', '.join(map(str, types))})"


def _check_takes(name: str, what: str, graph: Any, types: Types) -> None:
    if types != graph.input_types:
        raise ShapeError(
            f"{name}: operands {_shown(types)} for a {what} that takes {_shown(graph.input_types)}"
        )


def _check_condition(name: str, what: str, type: TensorType | None) -> None:
    if type is None or type.dtype is not bool_ or type.ndim:
        raise DTypeError(f"{name}: {what} must be a bool scalar, not {type}")


def _check_carried(name: str, before: Types, after: Types) -> None:
    for i, (a, b) in enumerate(zip(before, after, strict=False)):
        if a is not b:
            raise ShapeError(f"{name}: carry {i} begins as {a} and a step makes it {b}")
    if len(before) != len(after):
        raise ShapeError(f"{name}: a step makes {len(after)} carries of {len(before)}")


def _cond_type(
    name: str, pred: TensorType, *types: TensorType, true_graph: Any, false_graph: Any
) -> Types:
    _check_condition(name, "the predicate", pred)
    _check_takes(name, "true branch", true_graph, types)
    _check_takes(name, "false branch", false_graph, types)
    if true_graph.output_types != false_graph.output_types:
        raise ShapeError(
            f"{name}: the true branch gives {_shown(true_graph.output_types)}, "
            f"the false branch {_shown(false_graph.output_types)}"
        )
    return true_graph.output_types


def _cond(pred: np.ndarray, *args: np.ndarray, true_graph: Any, false_graph: Any) -> tuple:
    from ..interpret import interpret

    return tuple(interpret(true_graph if pred else false_graph, args))


def _cond_vjp(b: Any, node: Any, cots: Any, needs: Any) -> Any:
    from ..loops import vjp_cond

    return vjp_cond(b, node, cots, needs)


def _while_type(
    name: str, *types: TensorType, cond_graph: Any, body_graph: Any, carries: int
) -> Types:
    _check_takes(name, "condition", cond_graph, types)
    _check_takes(name, "body", body_graph, types)
    if len(cond_graph.outputs) != 1:
        raise ShapeError(f"{name}: the condition gives {len(cond_graph.outputs)} results")
    _check_condition(name, "the condition", cond_graph.output_types[0])
    _check_carried(name, types[:carries], body_graph.output_types)
    return types[:carries]


def _while(*args: np.ndarray, cond_graph: Any, body_graph: Any, carries: int) -> tuple:
    from ..interpret import interpret

    carried, consts = list(args[:carries]), args[carries:]
    while interpret(cond_graph, (*carried, *consts))[0]:
        carried = interpret(body_graph, (*carried, *consts))
    return tuple(carried)


def _while_vjp(b: Any, node: Any, cots: Any, needs: Any) -> Any:
    from ..loops import vjp_while

    return vjp_while(b, node, cots, needs)


def _scan_type(
    name: str,
    *types: TensorType,
    graph: Any,
    carries: int,
    xs: int,
    length: int,
    reverse: bool,
    saves: bool,
) -> Types:
    stacked = types[carries : carries + xs]
    for i, t in enumerate(stacked):
        if not t.ndim or t.shape[0] != length:
            raise ShapeError(f"{name}: input {i} of shape {t.shape} for {length} steps")
    slices = [t.with_shape(t.shape[1:]) for t in stacked]
    _check_takes(name, "step", graph, (*types[:carries], *slices, *types[carries + xs :]))
    made = graph.output_types
    _check_carried(name, types[:carries], made[:carries])
    ys = [*made[carries:], *(types[:carries] if saves else ())]
    return (*types[:carries], *(t.with_shape((length, *t.shape)) for t in ys))


def _scan(
    *args: np.ndarray,
    graph: Any,
    carries: int,
    xs: int,
    length: int,
    reverse: bool,
    saves: bool,
) -> tuple:
    from ..interpret import interpret

    carried = list(args[:carries])
    stacked, consts = args[carries : carries + xs], args[carries + xs :]
    ys = [
        np.empty((length, *v.type.shape), v.type.dtype.np)
        for v in (*graph.outputs[carries:], *(graph.inputs[:carries] if saves else ()))
    ]
    for t in reversed(range(length)) if reverse else range(length):
        outs = interpret(graph, (*carried, *(x[t] for x in stacked), *consts))
        for y, made in zip(ys, (*outs[carries:], *(carried if saves else ())), strict=True):
            y[t] = made
        carried = outs[:carries]
    return (*carried, *ys)


def _scan_vjp(b: Any, node: Any, cots: Any, needs: Any) -> Any:
    from ..loops import vjp_scan

    return vjp_scan(b, node, cots, needs)


LOOPS = table(
    op(
        "cond",  # pred, operands: what one of two graphs makes of the operands
        _cond_type,
        vjp=_cond_vjp,
        attrs=("true_graph", "false_graph"),
        multiple=True,
        evaluate=_cond,
    ),
    op(
        "while_loop",  # carries, constants: the carries after the last step
        _while_type,
        vjp=_while_vjp,
        attrs=("cond_graph", "body_graph", "carries"),
        multiple=True,
        evaluate=_while,
    ),
    op(
        # Carries, inputs whose leading axis is the step's number, constants: the carries
        # after the last step, what the steps made, stacked, and under `saves` the carries
        # that each step began with, stacked.
        "scan",
        _scan_type,
        vjp=_scan_vjp,
        attrs=("graph", "carries", "xs", "length", "reverse", "saves"),
        multiple=True,
        evaluate=_scan,
    ),
)
