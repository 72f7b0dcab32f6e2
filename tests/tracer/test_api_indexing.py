"""Indexing, gathering and scattering against PyTorch: reads, writes, aliasing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from api_oracle import array, bools, cases, check, integers

import thrace
from thrace.ir.errors import AxisError

X = array(3, 4, 5)
M = array(3, 4)
V = array(6)
I = integers(3, 4)
MASK = bools(3, 4)
AT = np.array([0, 2, 1, 0])
NEG = np.array([-1, 0, -3])
GRID = np.array([[0, 2], [1, 1]])

# Each index as a function of the module, so that tensors in it belong to that library.
INDEX = (
    ("int", lambda T: 1, X),
    ("negative", lambda T: -1, X),
    ("numpy-int", lambda T: np.int64(2), X),
    ("ints", lambda T: (0, 2, -1), X),
    ("slice", lambda T: slice(1, None), X),
    ("slice-step", lambda T: (slice(None), slice(0, 4, 2)), X),
    ("slice-negative", lambda T: slice(-2, -1), X),
    ("slice-far", lambda T: slice(-10, 10), X),
    ("slice-none", lambda T: slice(2, 1), X),
    ("slice-all", lambda T: slice(None), X),
    ("ellipsis", lambda T: (..., 1), X),
    ("ellipsis-alone", lambda T: ..., X),
    ("ellipsis-middle", lambda T: (0, ..., slice(1, 3)), X),
    ("ellipsis-twice", lambda T: (..., 0, ...), X),
    ("none", lambda T: None, X),
    ("none-mixed", lambda T: (slice(None), None, 1, ..., None), X),
    ("tensor-scalar", lambda T: T.tensor(1), X),
    ("tensor-slice-bound", lambda T: slice(0, T.tensor(2)), X),
    ("tensor", lambda T: T.tensor(AT[:3]), X),
    ("tensor-negative", lambda T: T.tensor(NEG), X),
    ("tensor-int32", lambda T: T.tensor(AT[:3], dtype=T.int32), X),
    ("tensor-grid", lambda T: T.tensor(GRID), X),
    ("list", lambda T: [0, 2], X),
    ("list-bool", lambda T: [True, False, True], X),
    ("list-nested", lambda T: [[0, 1], [1, 2]], X),
    ("list-empty", lambda T: [], X),
    ("range", lambda T: range(2), X),
    ("numpy", lambda T: np.array([2, 0]), X),
    ("two", lambda T: ([0, 1], [1, 3]), X),
    ("two-broadcast", lambda T: (T.tensor(GRID), T.tensor([1, 3])), X),
    ("three", lambda T: ([0, 1], [1, 3], [2, 4]), X),
    ("apart", lambda T: ([0, 1], slice(None), [1, 3]), X),
    ("second", lambda T: (slice(None), [0, 2, 2]), X),
    ("last", lambda T: (..., [0, 2, 2]), X),
    ("last-two", lambda T: (slice(None), [0, 2, 2], [1, 1, 3]), X),
    ("int-and-tensor", lambda T: (0, slice(None), [0, 2]), X),
    ("slice-and-tensor", lambda T: (slice(1, 3), [0, 2]), X),
    ("none-and-tensor", lambda T: (None, [0, 2]), X),
    ("tensor-none-tensor", lambda T: ([0, 1], None, [1, 3]), X),
    ("mask", lambda T: T.tensor(MASK), X),
    ("mask-whole", lambda T: T.tensor(MASK), M),
    ("mask-none", lambda T: T.zeros(3, 4, dtype=T.bool), X),
    ("mask-rows", lambda T: T.tensor([True, False, True]), X),
    ("mask-columns", lambda T: (slice(None), T.tensor([True, False, True, False])), X),
    ("mask-and-tensor", lambda T: (T.tensor([True, False, True]), T.tensor([1, 3])), X),
    ("true", lambda T: True, X),
    ("false", lambda T: False, X),
    ("true-and-int", lambda T: (True, 0), X),
    ("repeated", lambda T: [1, 1, 1], X),
)
READS = [(name, lambda T, x, i=i: x[i(T)], (data,)) for name, i, data in INDEX]


@cases(READS)
def test_read(case: Any) -> None:
    check(case)


def stored(index: Any, value: Any) -> Any:
    def run(T: Any, x: Any) -> Any:
        y = x.clone()
        y[index(T)] = value(T, y[index(T)].detach())
        return y

    return run


# A write to every element leaves no history; in PyTorch it leaves one whose gradient is zero.
WHOLE = ("slice-far", "slice-all", "ellipsis-alone", "none")
# Where an index names a place twice, which value stays is nobody's promise.
WRITES = [
    (f"{name}-{what}", stored(i, value), (data,), name not in WHOLE)
    for name, i, data in INDEX
    for what, value in (
        ("number", lambda T, old: 7.5),
        ("scalar", lambda T, old: T.tensor(7.5)),
        ("same", lambda T, old: old * 2 + 1),
        ("broadcast", lambda T, old: old[..., :1] * 2 if old.ndim and old.numel() else 3),
        ("leading", lambda T, old: old[None, None] * 3),
    )
    if name not in ("repeated", "two-broadcast", "second", "last", "tensor-grid")
    or what in ("number", "scalar")
]


@cases(WRITES)
def test_write(case: Any) -> None:
    check(case)


def swapped(T: Any, x: Any) -> Any:
    x = x.clone()
    x[[0, 1]] = x[[1, 0]]
    return x


def added(T: Any, x: Any) -> Any:
    x = x.clone()
    x[1:, ::2] += 1
    x[0] *= 2
    x[:, 0, 0] -= x[:, 1, 1]
    return x


def through(T: Any, x: Any) -> Any:
    base = x.clone()
    base.transpose(0, 1)[1:][..., 2] = 5
    base.view(-1)[[0, 7]] = T.tensor([1.0, 2.0])
    base[0][T.tensor(MASK[0])] = 9
    return base


def gradient_to_value(T: Any, x: Any, v: Any) -> Any:
    y = x.clone()
    y[[0, 2]] = v
    y[1, 1:] = v[0, 0]
    return y


MORE = (
    ("swap", swapped, (X,)),
    ("augmented", added, (X,)),
    ("through", through, (X,)),
    ("value-gradient", gradient_to_value, (X, array(2, 4, 5))),
    ("mask-values", lambda T, x: [y := x.clone(), y.__setitem__(y > 0, y[y > 0] * 2)][0], (M,)),
    ("mask-float-int", lambda T, x: [y := x.clone(), y.__setitem__(y > 0, 1.7)][0], (I,)),
    ("set-int-tensor", lambda T, x: [y := x.clone(), y.__setitem__(0, T.tensor(3))][0], (M,)),
    (
        "set-dtype",
        lambda T, x: [y := x.clone(), y.__setitem__(0, T.ones(4, dtype=T.int64))][0],
        (M,),
    ),
    ("iterate", lambda T, x: list(x), (M,)),
    ("contains", lambda T, x: (2 in x, 99 in x), (I,)),
    ("scalar-ellipsis", lambda T, x: x[...], (np.array(1.5, np.float32),)),
    ("scalar-none", lambda T, x: x[None], (np.array(1.5, np.float32),)),
    (
        "scalar-set",
        lambda T, x: [y := x.clone(), y.__setitem__(..., 3)][0],
        (np.array(1.5, np.float32),),
        False,
    ),
    ("scalar-mask", lambda T, x: x[x > 0], (np.array(1.5, np.float32),)),
    ("gather", lambda T, x, i: x.gather(0, i), (M, integers(2, 4, low=0, high=3))),
    ("gather-1", lambda T, x, i: T.gather(x, 1, i), (M, integers(3, 6, low=0, high=4))),
    ("gather-small", lambda T, x, i: x.gather(-1, i), (M, integers(2, 2, low=0, high=4))),
    ("gather-empty", lambda T, x, i: x.gather(1, i), (M, np.zeros((3, 0), np.int64))),
    ("gather-3d", lambda T, x, i: x.gather(1, i), (X, integers(3, 2, 5, low=0, high=4))),
    ("take", lambda T, x: x.take(T.tensor([[0, -1], [5, 5]])), (M,)),
    ("take_along_dim", lambda T, x: T.take_along_dim(x, T.tensor([[0], [2], [1]]), 1), (M,)),
    ("take_along_dim-flat", lambda T, x: T.take_along_dim(x, T.tensor([0, 7])), (M,)),
    ("index_select", lambda T, x: x.index_select(1, T.tensor([3, 0, 0])), (X,)),
    ("index_select-scalar", lambda T, x: x.index_select(0, T.tensor(1)), (X,)),
    ("scatter", lambda T, x, s: x.scatter(1, T.tensor([[2, 0]]), s), (M, array(1, 2))),
    ("scatter-number", lambda T, x: x.scatter(0, T.tensor([[2, 0], [1, 1]]), 9), (M,)),
    ("scatter-value", lambda T, x: x.scatter(0, T.tensor([[2, 0]]), value=1.5), (M,)),
    (
        "scatter-add",
        lambda T, x, s: x.scatter(1, T.tensor([[2, 2]]), s, reduce="add"),
        (M, array(1, 2)),
    ),
    ("scatter_", lambda T, x, s: x.clone().scatter_(0, T.tensor([[2, 0]]), s), (M, array(3, 4))),
    (
        "scatter_add",
        lambda T, x, s: x.scatter_add(0, T.tensor([[2, 0], [2, 1]]), s),
        (M, array(2, 2)),
    ),
    ("one-hot", lambda T: T.zeros(3, 4).scatter_(1, T.tensor([[1], [3], [0]]), 1), ()),
    ("index_add", lambda T, x, s: x.index_add(0, T.tensor([0, 0]), s, alpha=2), (M, array(2, 4))),
    (
        "index_add_-1",
        lambda T, x, s: x.clone().index_add_(1, T.tensor([1, 3]), s),
        (M, array(3, 2)),
    ),
    ("index_copy", lambda T, x, s: x.index_copy(0, T.tensor([2, 0]), s), (M, array(2, 4))),
    ("index_fill", lambda T, x: x.index_fill(1, T.tensor([0, 2]), 7), (M,)),
    (
        "index_put",
        lambda T, x, v: x.index_put((T.tensor([0, 0]), T.tensor([1, 1])), v, accumulate=True),
        (M, array(2)),
    ),
    ("masked_fill", lambda T, x, m: x.masked_fill(m, -1e9), (M, MASK)),
    ("masked_fill-broadcast", lambda T, x, m: x.masked_fill(m, 0), (X, bools(4, 1))),
    ("masked_fill-tensor", lambda T, x, m: x.masked_fill(m, T.tensor(2)), (M, MASK)),
    ("masked_fill-int", lambda T, x, m: x.masked_fill(m, 1.5), (I, MASK)),
    ("masked_select", lambda T, x, m: T.masked_select(x, m), (M, MASK)),
    ("masked_select-broadcast", lambda T, x, m: x.masked_select(m), (M, bools(4))),
    ("nonzero", lambda T, x: x.nonzero(), (MASK,)),
    ("nonzero-tuple", lambda T, x: T.nonzero(x, as_tuple=True), (I,)),
    ("argwhere", lambda T, x: T.argwhere(x), (I,)),
    ("index-computed", lambda T, x, i: x[(i + 1) % 3], (M, AT)),
    ("gather-computed", lambda T, x: x.gather(1, x.argmax(1, keepdim=True)), (M,)),
    ("set-computed", lambda T, x, i: [y := x.clone(), y.__setitem__((i * 2) % 3, 1.0)][0], (M, AT)),
)


@cases(MORE)
def test_more(case: Any) -> None:
    check(case)


ERRORS = (
    ("range", lambda T, x: x[5], (M,)),
    ("range-second", lambda T, x: x[0, 4], (M,)),
    ("range-negative", lambda T, x: x[-4], (M,)),
    ("many", lambda T, x: x[0, 0, 0], (M,)),
    ("scalar", lambda T, x: x[0], (np.array(1.5, np.float32),)),
    ("step", lambda T, x: x[::-1], (M,)),
    ("step-zero", lambda T, x: x[::0], (M,)),
    ("float", lambda T, x: x[1.5], (M,)),
    ("float-tensor", lambda T, x: x[T.tensor([0.5])], (M,)),
    ("int8-tensor", lambda T, x: x[T.tensor([0], dtype=T.int8)], (M,)),
    ("tensor-range", lambda T, x: x[T.tensor([5])], (M,)),
    ("tensor-range-set", lambda T, x: x.clone().__setitem__(T.tensor([5]), 1.0), (M,)),
    ("mask-shape", lambda T, x: x[T.tensor([True, False])], (M,)),
    ("mask-shape-set", lambda T, x: x.clone().__setitem__(T.tensor([True, False]), 1.0), (M,)),
    ("no-broadcast", lambda T, x: x[[0, 1], [0, 1, 2]], (M,)),
    ("set-list", lambda T, x: x.clone().__setitem__(0, [1, 2, 3]), (M,)),
    ("set-array", lambda T, x: x.clone().__setitem__(0, np.ones(4)), (M,)),
    ("set-text", lambda T, x: x.clone().__setitem__(0, "a"), (M,)),
    ("set-shape", lambda T, x: x.clone().__setitem__(0, T.ones(2, 4)), (M,)),
    ("set-shape-tensor", lambda T, x: x.clone().__setitem__([0, 1], T.ones(5)), (M,)),
    (
        "set-dtype-tensor",
        lambda T, x: x.clone().__setitem__([0, 1], T.ones(4, dtype=T.float64)),
        (M,),
    ),
    ("set-complex", lambda T, x: x.clone().__setitem__(0, 1 + 2j), (M,)),
    ("set-leaf", lambda T, x: x.__setitem__(0, 1.0), (M,)),
    ("gather-range", lambda T, x: x.gather(1, T.tensor([[4]])), (M,)),
    ("gather-negative", lambda T, x: x.gather(1, T.tensor([[-1]])), (M,)),
    ("gather-rank", lambda T, x: x.gather(1, T.tensor([0])), (M,)),
    ("gather-size", lambda T, x: x.gather(1, T.zeros(4, 1, dtype=T.int64)), (M,)),
    ("gather-dtype", lambda T, x: x.gather(1, T.zeros(1, 1)), (M,)),
    ("index_select-range", lambda T, x: x.index_select(1, T.tensor([5])), (M,)),
    ("index_select-rank", lambda T, x: x.index_select(1, T.tensor([[0]])), (M,)),
    ("index_select-dim", lambda T, x: x.index_select(2, T.tensor([0])), (M,)),
    ("scatter-size", lambda T, x: x.scatter(1, T.tensor([[0, 1]]), T.ones(1, 1)), (M,)),
    ("scatter-dtype", lambda T, x: x.scatter(1, T.tensor([[0]]), T.ones(1, 1).double()), (M,)),
    ("scatter_add-range", lambda T, x: x.scatter_add(1, T.tensor([[9]]), T.ones(1, 1)), (M,)),
    ("index_add-shape", lambda T, x: x.index_add(0, T.tensor([0]), T.ones(2, 4)), (M,)),
    ("index_add-dtype", lambda T, x: x.index_add(0, T.tensor([0]), T.ones(1, 4).double()), (M,)),
    ("take-range", lambda T, x: x.take(T.tensor([12])), (M,)),
    ("masked_fill-mask", lambda T, x: x.masked_fill(T.tensor([1, 0, 1, 1]), 0), (M,)),
    ("masked_fill-value", lambda T, x: x.masked_fill(x > 1, T.tensor([1.0, 2.0])), (M,)),
    ("masked_fill-shape", lambda T, x: x.masked_fill(T.ones(5).bool(), 0), (M,)),
    ("masked_select-mask", lambda T, x: x.masked_select(x), (M,)),
)


@cases(ERRORS)
def test_error(case: Any) -> None:
    check(case)


def test_reads_of_basic_indices_alias() -> None:
    x = thrace.zeros(3, 4)
    row = x[1]
    row += 1
    x[2, 1:3].fill_(5)
    assert x.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1], [0, 5, 5, 0]]
    picked = x[[0, 1]]
    picked.zero_()
    assert x[1].tolist() == [1, 1, 1, 1]


def test_a_computed_index_out_of_range_raises_when_results_are_observed() -> None:
    x, i = thrace.ones(3), thrace.tensor([1, 2])
    bad = x[i + 1]
    with pytest.raises(IndexError, match="out of bounds for dimension 0 with size 3"):
        bad.tolist()


def test_an_index_error_names_the_users_line() -> None:
    x = thrace.ones(3, 4)
    with pytest.raises(AxisError, match=r"(?s)index 7 is out of bounds for dimension 1.*x\[0, 7\]"):
        x[0, 7]
