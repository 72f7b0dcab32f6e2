"""Layout: around convolutions, channels come last. Imported by `ir.passes` and the runtime.

Convolutions of the IR have channels first, as PyTorch's. XLA's CPU backend computes them
with channels last and transposes around each; what lies between two of them then is
transposed to and fro. This pass keeps such values channels last from one convolution to the
next: a convolution's result is transposed once, elementwise ops, reductions, padding and
slices take the transposed form, and the transposes that are left beside convolutions meet
XLA's own and go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph import Graph, Node, Operand, Value
from ..nested import changed_graphs
from ..ops import OPS
from ..ops.shape import inverse
from ..rebuild import Rebuilder
from .dce import eliminate_dead_code

Ints = tuple[int, ...]


def channels_last(graph: Graph) -> Graph:
    """The graph with what follows its convolutions in the form (N, spatial..., C).

    Inputs, outputs and their types stay. Sums may run in another order.
    """
    return changed_graphs(graph, _channels_last)


def _channels_last(graph: Graph) -> Graph:
    if not any(_makes_images(node) for node in graph.nodes):
        return graph
    new = _Layouts(graph)
    for node in graph.nodes:
        new.visit(node)
    return eliminate_dead_code(new.finish([new.plain(v) for v in graph.outputs]))


def _makes_images(node: Node) -> bool:
    """Whether a node is a convolution, but not the gradient by a kernel.

    That one has a cotangent as its kernel, of which the result is the smaller part.
    """
    if node.op.name != "convolution":
        return False
    kernel = node.operands[1].type.shape[2:]  # type: ignore[union-attr]
    result = node.outputs[0].type.shape[2:]
    return _count(kernel) <= _count(result)


def _count(shape: Ints) -> int:
    out = 1
    for n in shape:
        out *= n
    return out


def order(ndim: int) -> Ints:
    """The axes of (N, C, spatial...) in the order of (N, spatial..., C)."""
    return (0, *range(2, ndim), 1)


class _Layouts(Rebuilder):
    """`env` has the plain forms of values, `last` the forms with channels last.

    A value may have one of them or both. Those in `last` prefer that form; `beside` has that
    form of plain values that met them.
    """

    def __init__(self, graph: Graph):
        super().__init__(graph)
        self.last: dict[Value, Value] = {}
        self.beside: dict[tuple[Value, int], Value] = {}

    def visit(self, node: Node) -> None:
        self.building(node)
        carry = CARRY.get(node.op.name, _elementwise if node.op.elementwise else None)
        turned = any(isinstance(o, Value) and o in self.last for o in node.operands)
        if turned and carry is not None and carry(self, node):
            return
        outputs = self.copy(node, tuple(map(self.plain, node.operands)))
        if _makes_images(node):
            out = outputs[0]
            self.last[node.outputs[0]] = self.emit("transpose", out, perm=order(out.type.ndim))

    def emit(self, name: str, *operands: Operand, **attrs: Any) -> Value:
        """A node of the scope and place of the one that is looked at."""
        op = OPS[name]
        return self.builder.emit(op, operands, op.pack(attrs) if op.attrs else ())

    def plain(self, operand: Operand) -> Any:
        if not isinstance(operand, Value):
            return operand
        found = self.env.get(operand)
        if found is None:
            last = self.last[operand]
            found = self.emit("transpose", last, perm=inverse(order(last.type.ndim)))
            self.env[operand] = found
        return found

    def turned(self, operand: Operand, ndim: int) -> Operand:
        """The operand of an op on `ndim` axes, to be broadcast with values channels last."""
        if not isinstance(operand, Value) or operand.type.ndim == 0:
            return self.plain(operand)
        if operand.type.ndim == ndim and operand in self.last:
            return self.last[operand]
        found = self.beside.get((operand, ndim))
        if found is None:
            value = self.plain(operand)
            if value.type.ndim < ndim:
                shape = (1,) * (ndim - value.type.ndim) + value.type.shape
                value = self.emit("reshape", value, shape=shape)
            found = self.emit("transpose", value, perm=order(ndim))
            self.beside[operand, ndim] = found
        return found


# How an op passes the form on. Each gives False where it does not.


def _elementwise(new: _Layouts, node: Node) -> bool:
    out = node.outputs[0].type
    if node.op.multiple or not any(
        isinstance(o, Value) and o in new.last and o.type.ndim == out.ndim for o in node.operands
    ):
        return False
    operands = [new.turned(o, out.ndim) for o in node.operands]
    attrs = node.attr_dict()
    new.last[node.outputs[0]] = new.emit(node.op.name, *operands, **attrs)
    return True


def _reduced(new: _Layouts, node: Node) -> bool:
    x = new.last[node.operands[0]]  # type: ignore[index]
    perm = order(x.type.ndim)
    axes = node.attr("axes")
    out = new.emit(node.op.name, x, axes=tuple(i for i in range(x.type.ndim) if perm[i] in axes))
    left = [a for a in perm if a not in axes]
    back = tuple(left.index(a) for a in sorted(left))
    if back != tuple(range(len(back))):
        out = new.emit("transpose", out, perm=back)
    new.env[node.outputs[0]] = out
    return True


def _transpose(new: _Layouts, node: Node) -> bool:
    x = new.last[node.operands[0]]  # type: ignore[index]
    back = inverse(order(x.type.ndim))
    perm = tuple(back[a] for a in node.attr("perm"))
    same = perm == tuple(range(len(perm)))
    new.env[node.outputs[0]] = x if same else new.emit("transpose", x, perm=perm)
    return True


def _permuted(*names: str) -> Callable[[_Layouts, Node], bool]:
    """The op with these attributes, each of one number per axis, in the other order."""

    def carry(new: _Layouts, node: Node) -> bool:
        out = node.outputs[0].type
        if node.operands[0].type.ndim != out.ndim:  # type: ignore[union-attr]
            return False
        attrs = node.attr_dict()
        perm = order(out.ndim)
        for name in names:
            attrs[name] = tuple(attrs[name][a] for a in perm)
        operands = [new.turned(o, out.ndim) for o in node.operands]
        new.last[node.outputs[0]] = new.emit(node.op.name, *operands, **attrs)
        return True

    return carry


def _reshape(new: _Layouts, node: Node) -> bool:
    """Of spatial axes alone."""
    x, shape = node.operands[0], node.attr("shape")
    if len(shape) < 3 or shape[:2] != x.type.shape[:2]:  # type: ignore[union-attr]
        return False
    last = new.last[x]  # type: ignore[index]
    new.last[node.outputs[0]] = new.emit("reshape", last, shape=(shape[0], *shape[2:], shape[1]))
    return True


def _same(new: _Layouts, node: Node) -> bool:
    new.last[node.outputs[0]] = new.emit(node.op.name, new.last[node.operands[0]])  # type: ignore[index]
    return True


def _concatenate(new: _Layouts, node: Node) -> bool:
    ndim = node.outputs[0].type.ndim
    operands = [new.turned(o, ndim) for o in node.operands]
    axis = order(ndim).index(node.attr("axis"))
    new.last[node.outputs[0]] = new.emit("concatenate", *operands, axis=axis)
    return True


def _reverse(new: _Layouts, node: Node) -> bool:
    x = new.last[node.operands[0]]  # type: ignore[index]
    perm = order(x.type.ndim)
    axes = tuple(i for i in range(x.type.ndim) if perm[i] in node.attr("axes"))
    new.last[node.outputs[0]] = new.emit("reverse", x, axes=axes)
    return True


CARRY: dict[str, Callable[[_Layouts, Node], bool]] = {
    **dict.fromkeys(("sum", "amax", "amin", "any", "all"), _reduced),
    "sum_to": _permuted("shape"),
    "broadcast": _permuted("shape"),
    "slice": _permuted("starts", "sizes", "strides"),
    "unslice": _permuted("shape", "starts", "strides"),
    "update_slice": _permuted("starts", "strides"),
    "pad": _permuted("low", "high", "interior"),
    "concatenate": _concatenate,
    "reverse": _reverse,
    "reshape": _reshape,
    "barrier": _same,
    "transpose": _transpose,
}
