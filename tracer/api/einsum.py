"""`einsum`: sums of products written as subscripts. Re-exported by `thrace`.

Operands are contracted from left to right, two at a time, each pair by one `dot_general`.
"""

from __future__ import annotations

from typing import Any

from ...ir.errors import ShapeError
from ...ir.types import Shape
from .. import prims, views
from ..amp.autocast import autocasts
from ..promotion import check_tensor, promote
from ..scoping import scoped
from ..tensor import Tensor
from .common import relayout
from .linalg import batched
from .reduce import sum as total

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Axes under an ellipsis get labels of their own, which no equation can contain.
Label = str | int


def _parsed(
    equation: str, operands: list[Tensor]
) -> tuple[list[list[Label]], list[Label], dict[Label, int]]:
    """Labels of each operand's axes, those of the result, and the size of each.

    Raises: RuntimeError or ShapeError if the equation does not suit the operands.
    """
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        what = "more" if len(operands) > len(terms) else "fewer"
        raise ShapeError(f"einsum: {what} operands were provided than specified in the equation")
    spread = 0
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        named = len(term.replace("...", ""))
        if "..." in term:
            if named > x._type.ndim:
                raise ShapeError(_mismatch(named, x, i, "even though an ellipsis was given"))
            spread = max(spread, x._type.ndim - named)
        elif named != x._type.ndim:
            raise ShapeError(_mismatch(named, x, i, "and no ellipsis was given"))
    inputs = [_labels(term, x._type.ndim, spread) for term, x in zip(terms, operands, strict=True)]
    sizes: dict[Label, int] = {}
    for i, (labels, x) in enumerate(zip(inputs, operands, strict=True)):
        for label, n in zip(labels, x._type.shape, strict=True):
            m = sizes.setdefault(label, n)
            if m != n and 1 not in (m, n):
                raise ShapeError(
                    f"einsum: subscript {label} has size {n} for operand {i} which does not "
                    f"broadcast with previously seen size {m}"
                )
            sizes[label] = n if m == 1 else m
    if arrow:
        output = _labels(right, len(right.replace("...", "")) + spread, spread)
        for label in output:
            if label not in sizes:
                raise ShapeError(
                    f"einsum: output subscript {label} does not appear in the equation for any "
                    "input operand"
                )
            if output.count(label) > 1:
                raise ShapeError(f"einsum: output subscript {label} appears more than once")
    else:
        seen = [label for labels in inputs for label in labels]
        once = sorted(s for s in set(seen) if isinstance(s, str) and seen.count(s) == 1)
        output = [*range(spread), *once]
    return inputs, output, sizes


def _mismatch(named: int, x: Tensor, i: int, end: str) -> str:
    return (
        f"einsum: the number of subscripts in the equation ({named}) does not match the number of "
        f"dimensions ({x._type.ndim}) for operand {i} {end}"
    )


def _labels(term: str, ndim: int, spread: int) -> list[Label]:
    """A label per axis; those of an ellipsis are numbers, the last one being `spread` - 1."""
    head, dots, tail = term.partition("...")
    for c in head + tail:
        if c not in LETTERS:
            raise RuntimeError(
                f"einsum: invalid subscript given: {c!r}, subscripts must be in [a-zA-Z]"
            )
    if not dots:
        return list(head)
    count = ndim - len(head) - len(tail)
    return [*head, *range(spread - count, spread), *tail]


def _diagonals(x: Tensor, labels: list[Label], i: int) -> tuple[Tensor, list[Label]]:
    """The operand with each label once: a repeated one shows the diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            a = labels.index(label)
            b = labels.index(label, a + 1)
            m, n = x._type.shape[a], x._type.shape[b]
            if m != n:
                raise ShapeError(
                    f"einsum: subscript {label} is repeated for operand {i} but the sizes don't "
                    f"match, {n} != {m}"
                )
            x = views.diagonal(x, 0, a, b)
            labels = [s for j, s in enumerate(labels) if j not in (a, b)] + [label]
    return x, labels


def _summed(x: Tensor, labels: list[Label], keep: set[Label]) -> tuple[Tensor, list[Label]]:
    """The operand summed over the labels that nobody else needs."""
    axes = tuple(a for a, label in enumerate(labels) if label not in keep)
    if not axes:
        return x, labels
    return total(x, dim=axes), [s for s in labels if s in keep]


def _alone(
    x: Tensor, xs: list[Label], y: Tensor, ys: list[Label], keep: set[Label]
) -> tuple[Tensor, list[Label]]:
    """The operand summed over shared labels that nobody else needs and along which the other
    one has size 1: there is nothing to contract."""
    needed = {s for s in xs if s not in ys or y._type.shape[ys.index(s)] != 1}
    return _summed(x, xs, keep | needed)


def _widened(x: Tensor, labels: list[Label], at: list[Label], sizes: dict[Label, int]) -> Tensor:
    """The operand with those of its axes at `at` that have size 1 broadcast to their label's."""
    shape = tuple(sizes[s] if s in at else n for s, n in zip(labels, x._type.shape, strict=True))
    return x if shape == x._type.shape else prims.broadcast(x, shape=shape)


def _product(x: Tensor, y: Tensor, contract: Any, batch: Any) -> Tensor:
    x, y = batched("einsum", x, y) if contract[0] else promote(x, y)
    return prims.dot_general(x, y, contract=contract, batch=batch)


_matrix_product = autocasts(name="einsum_product")(_product)


def _contracted(
    x: Tensor, xs: list[Label], y: Tensor, ys: list[Label], keep: set[Label], output: list[Label]
) -> tuple[Tensor, list[Label]]:
    """The product of two operands, summed over the labels they share and nobody needs."""
    shared = [s for s in xs if s in ys]
    batch = [s for s in shared if s in keep]
    inner = [s for s in shared if s not in keep]
    contract = (tuple(xs.index(s) for s in inner), tuple(ys.index(s) for s in inner))
    pairs = (tuple(xs.index(s) for s in batch), tuple(ys.index(s) for s in batch))
    product = _matrix_product if inner else _product
    out = product(x, y, contract, pairs)
    free = [s for s in xs if s not in shared] + [s for s in ys if s not in shared]
    labels = batch + free
    if not inner and (x._strides is not None or y._strides is not None or labels != output):
        relayout(out, _product_strides(out._type.shape, labels, ((x, xs), (y, ys)), output))
    return out, labels


def _product_strides(
    shape: Shape,
    labels: list[Label],
    operands: tuple[tuple[Tensor, list[Label]], ...],
    output: list[Label],
) -> Shape | None:
    """Strides of an elementwise product whose axes are in the order of the output's."""
    order = [s for s in output if s in labels]
    order += sorted((s for s in labels if s not in output), key=str)
    sizes = tuple(shape[labels.index(s)] for s in order)
    layouts = tuple(
        (
            tuple(x._type.shape[xs.index(s)] if s in xs else 1 for s in order),
            tuple(x.stride()[xs.index(s)] if s in xs else 0 for s in order),
        )
        for x, xs in operands
    )
    strides = prims.dense_strides(sizes, layouts) or views.contiguous_strides(sizes)
    return tuple(strides[order.index(s)] for s in labels)


@autocasts
@scoped
def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum of products of the operands' elements that `equation` says, such as "ij,jk->ik".

    Ellipses broadcast; a subscript that one operand repeats takes its diagonal.
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum(): argument 'equation' must be str, not {type(equation).__name__}")
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    if not operands:
        raise RuntimeError("einsum(): must provide at least one operand")
    for i, x in enumerate(operands):
        check_tensor("einsum", x, "operands", i + 2)
    tensors: list[Tensor] = list(operands)
    inputs, output, sizes = _parsed(equation, tensors)
    parts = [_diagonals(x, s, i) for i, (x, s) in enumerate(zip(tensors, inputs, strict=True))]
    x, xs = parts[0]
    for i, (y, ys) in enumerate(parts[1:], 1):
        later = set(output).union(*(s for _, s in parts[i + 1 :]))
        x, xs = _summed(x, xs, later | set(ys))
        y, ys = _summed(y, ys, later | set(xs))
        (x, xs), (y, ys) = _alone(x, xs, y, ys, later), _alone(y, ys, x, xs, later)
        both = [s for s in xs if s in ys]
        x = _widened(x, xs, both, sizes)
        y = _widened(y, ys, both, sizes)
        x, xs = _contracted(x, xs, y, ys, later, output)
    x, xs = _summed(x, xs, set(output))
    order = tuple(xs.index(s) for s in output)
    if order != tuple(range(len(order))):
        x = views.transpose(x, order)
    return x if x is not operands[0] else views.reshape(x, x._type.shape)  # type: ignore


FUNCTIONS = {"einsum": einsum}
METHODS: dict[str, Any] = {}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
