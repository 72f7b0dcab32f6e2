"""Constant folding: what depends on no input is computed now. Imported by `ir.passes` alone.

Two kinds of constant are known: one number everywhere (`full`), of any size, and small
arrays (`constant`, `iota`). A fold never makes a program larger: a result is stored as data
only if it is tiny, or no larger than the data it is made of and that nobody else reads.

Only ops whose result is the same to the last bit on every backend are folded: NumPy's `exp`
and XLA's differ in the last place, and a sum depends on its order.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..collector import without_collector
from ..graph import Graph, Node, Operand, Scalar, Value
from ..interpret import apply
from ..ops import OPS, Op
from ..ops.shape import Constant
from ..rebuild import Rebuilder
from ..types import DType, TensorType

LARGEST = 4096  # elements of an array that is looked into
TINY_BYTES = 64  # of a result that may be stored though it was computed

_EXACT = {
    *("neg", "abs", "sign", "floor", "ceil", "round", "sqrt", "conj", "convert"),
    *("add", "sub", "mul", "div", "maximum", "minimum", "select"),
    *("eq", "ne", "lt", "le", "gt", "ge"),
    *("bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right"),
    *("reshape", "transpose", "broadcast", "slice", "unslice", "update_slice"),
    *("pad", "concatenate", "reverse", "amax", "amin", "any", "all", "argmax", "argmin"),
}
# The parts of a complex result are rounded in more than one way.
_INEXACT_ON_COMPLEX = {"abs", "mul", "div", "sqrt"}
# Exact on whole numbers, where no order and no rounding matters.
_EXACT_ON_INTEGERS = {"sum", "sum_to", "dot_general", "pow", "int_div", "rem", "index_add"}
# These move elements; of one number everywhere they make the same.
_MOVES = {"reshape", "transpose", "broadcast", "slice", "reverse"}

_FULL, _CONSTANT = OPS["full"], OPS["constant"]


@without_collector
def fold_constants(graph: Graph) -> Graph:
    """Replace nodes that depend on constants alone by `full` or by data no larger."""
    new = Rebuilder(graph)
    uses = Counter(o for node in graph.nodes for o in node.operands if isinstance(o, Value))
    uses.update(graph.outputs)
    folded = 0
    for node in graph.nodes:
        operands = new.map(node.operands)
        made = _fold(node, operands, uses) if _foldable(node) else None
        if made is None:
            new.copy(node, operands)
        else:
            op, args, attrs = made
            kept = Node(op, args, attrs, node.loc, node.scope, node.cause, len(new.nodes))
            kept.outputs = (Value(node.outputs[0].type, kept),)
            new.nodes.append(kept)
            new.replace(node, kept.outputs)
            folded += 1
    return new.finish() if folded else graph


def _complex(node: Node) -> bool:
    values = (*node.outputs, *(o for o in node.operands if isinstance(o, Value)))
    return any(v.type.dtype.is_complex for v in values)


def _foldable(node: Node) -> bool:
    name = node.op.name
    kind = node.outputs[0].type.dtype.kind if len(node.outputs) == 1 else ""
    if name in _EXACT:
        return name not in _INEXACT_ON_COMPLEX or not _complex(node)
    return name in _EXACT_ON_INTEGERS and kind in ("bool", "uint", "int")


def _fold(
    node: Node, operands: tuple[Operand, ...], uses: Counter[Value]
) -> tuple[Op, tuple, tuple] | None:
    """The `full` or `constant` node that equals `node`, or None."""
    type = node.outputs[0].type
    values = [o for o in operands if isinstance(o, Value)]
    if not values or not all(_is_constant(v) for v in values):
        return None
    numbers = [uniform(o) for o in operands]
    pointwise = node.op.elementwise or node.op.name in _MOVES
    if pointwise and all(n is not None for n in numbers):
        return _spread(node, operands, numbers, type)
    if type.numel > LARGEST or any(v.type.numel > LARGEST for v in values):
        return None
    args = [_array(o) if isinstance(o, Value) else o for o in operands]
    result = _evaluate(node, args)
    if result is None:
        return None
    first = same_everywhere(result)
    if first is not None:
        return _FULL, (first,), (type.shape, type.dtype)
    stored = sum(
        new.type.size_bytes
        for new, old in zip(operands, node.operands, strict=True)
        if isinstance(new, Value) and new.node and new.node.op is _CONSTANT and uses[old] == 1  # type: ignore[index]
    )
    if result.nbytes <= max(TINY_BYTES, stored):
        return _CONSTANT, (), (Constant(result),)
    return None


def _spread(
    node: Node, operands: tuple[Operand, ...], numbers: list[Any], type: TensorType
) -> tuple[Op, tuple, tuple] | None:
    """An op on one number everywhere is done on that number alone."""
    if node.op.name in _MOVES:
        return _FULL, (numbers[0],), (type.shape, type.dtype)
    args = [
        np.full((), n, o.type.dtype.np) if isinstance(o, Value) else n
        for o, n in zip(operands, numbers, strict=True)
    ]
    result = _evaluate(node, args)
    if result is None:
        return None
    return _FULL, (number_of(result),), (type.shape, type.dtype)


def _evaluate(node: Node, args: list[Any]) -> np.ndarray | None:
    """The node's result, or None where NumPy refuses (whole numbers to negative powers)."""
    try:
        (result,) = apply(node, args)
    except (ValueError, ArithmeticError):
        return None
    return result


def _is_constant(v: Value) -> bool:
    if v.node is None:
        return False
    if v.node.op is _FULL:
        return uniform(v) is not None
    return v.node.op is _CONSTANT or v.node.op.name == "iota"


def _array(v: Value) -> np.ndarray:
    assert v.node is not None
    (result,) = apply(v.node, v.node.operands)
    return result


def uniform(o: Operand) -> Scalar | None:
    """The number that `o` is everywhere: a literal, or what a `full` node holds."""
    if not isinstance(o, Value):
        return o
    if o.node is None or o.node.op is not _FULL or isinstance(o.node.operands[0], Value):
        return None
    return in_dtype(o.node.operands[0], o.type.dtype)


_RANKS = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}


def in_dtype(number: Scalar, dtype: DType) -> Scalar | None:
    """`number` as a literal of the dtype's own kind; None if the dtype does not hold it."""
    rank = 3 if isinstance(number, complex) else 2 if isinstance(number, float) else 1
    if isinstance(number, bool):
        rank = 0
    if rank == _RANKS[dtype.kind]:
        if rank != 1:
            return number
        info = np.iinfo(dtype.np)
        return number if info.min <= number <= info.max else None  # type: ignore[operator]
    if rank > _RANKS[dtype.kind] and not (dtype.kind == "bool" and number in (0, 1)):
        return None
    with np.errstate(all="ignore"):
        return number_of(np.full((), number, dtype.np))


def same_everywhere(array: np.ndarray) -> Scalar | None:
    """The number that fills `array`, told apart to the bit, or None."""
    if array.size == 0:
        return 0
    line = np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(array.size, -1)
    return number_of(array.reshape(-1)[:1].reshape(())) if (line == line[0]).all() else None


def number_of(array: np.ndarray) -> Scalar:
    """A zero-dimensional array as the shortest Python number that converts back to it."""
    exact = array.item()
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        short = float(str(array[()]))
        if array.dtype.type(short).tobytes() == array.tobytes():
            return short
    return exact
