"""Building nodes: `b.mul(x, y)` types and appends a node, with a method per op.

Gradient rules, passes and the tracer's recorder build through this class. Every method
takes the op's operands by position and its attributes by keyword.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Graph, Node, Operand, Scope, Value
from .ops import OPS
from .ops.table import Op
from .source import Location, RawLocation
from .types import DType, Shape, TensorType

_FULL = OPS["full"]


class Builder:
    """Appends nodes to a list. `scope`, `loc` and `cause` go onto each new node."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.scope: Scope | None = None
        self.loc: RawLocation | Location | None = None
        self.cause: RawLocation | Location | None = None

    def emit(self, op: Op, operands: tuple[Operand, ...], attrs: tuple = ()) -> Any:
        """Append a node and return its result, or the tuple of them for `op.multiple`.

        An elementwise op on literals alone gives a literal and no node.
        Raises: ShapeError, DTypeError or AxisError from the typing rule.
        """
        types = tuple(v.type if isinstance(v, Value) else None for v in operands)
        if op.elementwise and not any(types):
            return fold_scalars(op, operands)
        result = op.infer(types, attrs)
        node = Node(op, operands, attrs, self.loc, self.scope, self.cause, len(self.nodes))
        self.nodes.append(node)
        if op.multiple:
            node.outputs = tuple(Value(t, node, i) for i, t in enumerate(result))  # type: ignore
            return node.outputs
        value = Value(result, node)  # type: ignore[arg-type]
        node.outputs = (value,)
        return value

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Methods are made from the op table, below."""

    # Helpers for gradient rules: they leave out nodes that would do nothing.

    def zeros(self, type: TensorType) -> Value:
        return self.emit(_FULL, (0,), (type.shape, type.dtype))

    def full_of(self, type: TensorType, value: Operand) -> Value:
        return self.emit(_FULL, (value,), (type.shape, type.dtype))

    def conj(self, x: Operand) -> Any:
        if not isinstance(x, Value):
            return x.conjugate() if isinstance(x, complex) else x
        return self.emit(OPS["conj"], (x,)) if x.type.dtype.is_complex else x

    def convert(self, x: Value, dtype: DType) -> Value:
        return x if x.type.dtype is dtype else self.emit(OPS["convert"], (x,), (dtype,))

    def reshape(self, x: Value, shape: Shape) -> Value:
        return x if x.type.shape == shape else self.emit(OPS["reshape"], (x,), (tuple(shape),))

    def broadcast(self, x: Value, shape: Shape) -> Value:
        return x if x.type.shape == shape else self.emit(OPS["broadcast"], (x,), (tuple(shape),))

    def transpose(self, x: Value, perm: tuple[int, ...]) -> Value:
        if perm == tuple(range(len(perm))):
            return x
        return self.emit(OPS["transpose"], (x,), (tuple(perm),))

    def sum(self, x: Value, axes: tuple[int, ...]) -> Value:
        return x if not axes else self.emit(OPS["sum"], (x,), (tuple(axes),))

    def sum_to(self, x: Value, shape: Shape) -> Value:
        return x if x.type.shape == shape else self.emit(OPS["sum_to"], (x,), (tuple(shape),))

    def finish(
        self, inputs: list[Value] | tuple[Value, ...], outputs: list[Value], **options: Any
    ) -> Graph:
        return Graph(inputs, self.nodes, outputs, **options)


def fold_scalars(op: Op, operands: tuple[Any, ...]) -> Any:
    """The op on Python scalars, in double precision, as a Python scalar."""
    assert op.evaluate is not None
    with np.errstate(all="ignore"):
        return np.asarray(op.evaluate(*map(np.asarray, operands))).item()


def _method(row: Op):
    def method(self: Builder, *operands: Operand, **attrs: Any) -> Any:
        return self.emit(row, operands, row.pack(attrs) if attrs or row.attrs else ())

    method.__name__ = row.name
    method.__doc__ = f"Append a `{row.name}` node."
    return method


for _row in OPS.values():
    if not hasattr(Builder, _row.name):
        setattr(Builder, _row.name, _method(_row))
