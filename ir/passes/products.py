"""Products: no reading along columns whose elements are a power of two apart.

The gradient by a weight is a product of a transposed matrix, g, with another. XLA's CPU
backend reads g along its columns; where a row of it takes a multiple of 4096 bytes, the
elements of a column fall on the same few lines of the cache and push each other out. A few
columns of zeros make the rows longer. Imported by `ir.passes`, used by the runtime.

Source of the effect: Lam, Rothberg & Wolf 1991, doi:10.1145/106972.106981.
"""

from __future__ import annotations

from math import prod

from ..graph import Graph, Node, Value
from ..nested import changed_graphs
from ..rebuild import Rebuilder
from ..types import float32, float64

_ROW = 4096  # bytes: rows of a multiple of it get longer
_LINE = 64  # bytes: by so much
_FEW = 128  # rows
_LARGE = 8 << 20  # bytes: beyond the caches there is nothing to gain by a copy


def pad_products(graph: Graph) -> Graph:
    """The graph with longer rows where a product reads columns; inputs and outputs stay."""
    return changed_graphs(graph, _longer)


def _longer(graph: Graph) -> Graph:
    if not any(map(_reads_columns, graph.nodes)):
        return graph
    new = Rebuilder(graph)
    for node in graph.nodes:
        operands = new.map(node.operands)
        if not _reads_columns(node):
            new.copy(node, operands)
            continue
        b = new.building(node)
        x, y = operands
        assert isinstance(x, Value)
        more = _LINE // x.type.dtype.itemsize
        none = (0,) * x.type.ndim
        x = b.pad(x, 0, low=none, high=(*none[1:], more), interior=none)
        out = b.dot_general(x, y, contract=node.attr("contract"), batch=node.attr("batch"))
        shape = node.outputs[0].type.shape
        starts, strides = (0,) * len(shape), (1,) * len(shape)
        new.replace(node, [b.slice(out, starts=starts, sizes=shape, strides=strides)])
    return new.finish()


def _reads_columns(node: Node) -> bool:
    """Whether a node is a product over the leading axes of both operands, of which the first
    has one other axis, with rows that meet in the cache."""
    if node.op.name != "dot_general":
        return False
    x, y = (v.type for v in node.operands)  # type: ignore[union-attr]
    summed = tuple(range(x.ndim - 1))
    rows, columns_of_y = prod(x.shape[:-1]), prod(y.shape[len(summed) :])
    contract, batch = node.attr("contract"), node.attr("batch")
    return (
        x.dtype in (float32, float64)
        and not batch[0]
        and bool(summed)
        and contract == (summed, summed)
        and y.ndim > len(summed)
        and rows >= max(columns_of_y, _FEW)  # else the copies cost more than they gain
        and 0 < x.size_bytes <= _LARGE
        and x.shape[-1] * x.dtype.itemsize % _ROW == 0
    )
