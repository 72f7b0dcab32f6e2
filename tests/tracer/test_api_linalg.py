"""Products and einsum against PyTorch: values, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from api_oracle import array, bools, cases, check, integers

A, B = array(3, 4), array(4, 5)
V, W = array(4), array(4, seed=1)
BATCH, BATCH2 = array(2, 3, 4), array(2, 4, 5)
DEEP = array(6, 2, 3, 4)

SHAPES = (
    ((4,), (4,)),
    ((3, 4), (4,)),
    ((4,), (4, 5)),
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((1, 3, 4), (2, 4, 5)),
    ((6, 2, 3, 4), (2, 4, 5)),
    ((6, 1, 3, 4), (2, 4, 5)),
    ((6, 2, 3, 4), (4, 5)),
    ((3, 4), (6, 2, 4, 5)),
    ((0, 4), (4, 5)),
    ((3, 0), (0, 5)),
    ((2, 3, 0), (2, 0, 5)),
    ((3, 4), (3, 5)),
    ((4,), (3,)),
    ((3, 4), (3,)),
    ((2, 3, 4), (3, 5)),
    ((2, 3, 4), (3, 4, 5)),
    ((), (4,)),
    ((4,), ()),
)
MATMUL = [
    (f"matmul-{a}-{b}".replace(" ", ""), lambda T, x, y: x @ y, (array(*a), array(*b, seed=1)))
    for a, b in SHAPES
]


@cases(MATMUL)
def test_matmul(case: Any) -> None:
    check(case)


PRODUCTS = (
    ("mm", lambda T, x, y: T.mm(x, y), (A, B)),
    ("mm-transposed", lambda T, x, y: T.mm(y.t(), x.t()), (A, B)),
    ("mm-int", lambda T, x, y: x.mm(y), (integers(3, 4), integers(4, 2))),
    ("mm-half", lambda T, x, y: x.mm(y), (A.astype(np.float16), B.astype(np.float16)), False),
    ("mv", lambda T, x, y: T.mv(x, y), (A, V)),
    ("dot", lambda T, x, y: T.dot(x, y), (V, W)),
    ("bmm", lambda T, x, y: T.bmm(x, y), (BATCH, BATCH2)),
    ("outer", lambda T, x, y: T.outer(x, y), (V, array(3))),
    ("outer-promotes", lambda T, x, y: T.outer(x, y), (V, integers(3))),
    ("addmm", lambda T, x, y, z: T.addmm(z, x, y), (A, B, array(5))),
    ("addmm-scaled", lambda T, x, y, z: T.addmm(z, x, y, beta=0.5, alpha=2), (A, B, array(3, 5))),
    ("addmm-zero", lambda T, x, y: T.addmm(T.full((5,), float("nan")), x, y, beta=0), (A, B)),
    ("addmm_", lambda T, x, y, z: z.clone().addmm_(x, y), (A, B, array(3, 5))),
    ("addmv", lambda T, x, y, z: T.addmv(z, x, y, alpha=2), (A, V, array(3))),
    ("addr", lambda T, x, y, z: T.addr(z, x, y), (array(3), V, A)),
    ("addr-bool", lambda T, x, y, z: T.addr(z > 0, x > 0, y > 0), (array(3), V, array(3, 4))),
    ("baddbmm", lambda T, x, y, z: T.baddbmm(z, x, y, beta=2), (BATCH, BATCH2, array(2, 3, 5))),
    ("trace", lambda T, x: x.trace(), (A,)),
    ("trace-int", lambda T, x: x.trace(), (integers(3, 3).astype(np.int32),)),
    ("tensordot", lambda T, x, y: T.tensordot(x, y, dims=1), (A, B)),
    ("tensordot-2", lambda T, x, y: T.tensordot(x, y), (DEEP, array(3, 4, 2))),
    (
        "tensordot-lists",
        lambda T, x, y: T.tensordot(x, y, dims=([2, 1], [0, 1])),
        (BATCH, array(4, 3, 5)),
    ),
    ("tensordot-0", lambda T, x, y: T.tensordot(x, y, dims=0), (V, W)),
    ("vecdot", lambda T, x, y: T.linalg.vecdot(x, y), (A, V)),
    ("linalg-matmul", lambda T, x, y: T.linalg.matmul(x, y), (A, B)),
    ("square-chain", lambda T, x: x @ x @ x, (array(3, 3),)),
    ("mm-ranks", lambda T, x: T.mm(x, x[0]), (A,)),
    ("mm-dtypes", lambda T, x, y: T.mm(x, y), (A, B.astype(np.float64))),
    ("mm-bool", lambda T, x: T.mm(x, x.t()), (bools(3, 4),)),
    ("mv-ranks", lambda T, x: T.mv(x, x), (A,)),
    ("mv-sizes", lambda T, x, y: T.mv(x, y), (A, array(3))),
    ("dot-ranks", lambda T, x: T.dot(x, x), (A,)),
    ("dot-sizes", lambda T, x: T.dot(x, x[:2]), (V,)),
    ("bmm-ranks", lambda T, x: T.bmm(x, x), (A,)),
    ("bmm-sizes", lambda T, x: T.bmm(x, x), (BATCH,)),
    ("addmm-shape", lambda T, x, y: T.addmm(T.ones(4), x, y), (A, B)),
    ("addmm-sizes", lambda T, x: T.addmm(x, x, x), (A,)),
    ("tensordot-sizes", lambda T, x: T.tensordot(x, x, dims=1), (A,)),
    ("trace-ranks", lambda T, x: x.trace(), (V,)),
    ("matmul-number", lambda T, x: x @ 2, (A,)),
)


@cases(PRODUCTS)
def test_product(case: Any) -> None:
    check(case)


EINSUM = (
    ("ij,jk->ik", (A, B)),
    ("ij,jk", (A, B)),
    ("ij, jk -> ki", (A, B)),
    ("i,i->", (V, W)),
    ("i,j->ij", (V, W)),
    ("ij->ji", (A,)),
    ("ij->", (A,)),
    ("ij->j", (A,)),
    ("ii->i", (array(3, 3),)),
    ("ii", (array(3, 3),)),
    ("bij,bjk->bik", (BATCH, BATCH2)),
    ("bij,bjk->ikb", (BATCH, BATCH2)),
    ("...ij,...jk->...ik", (DEEP, BATCH2)),
    ("...ij,jk", (BATCH, B)),
    ("...ij->...ji", (BATCH,)),
    ("i...->...i", (BATCH,)),
    ("bhid,bhjd->bhij", (DEEP, array(6, 2, 5, 4))),
    ("ij,jk,kl->il", (A, B, array(5, 2))),
    ("ij,ij,i->j", (A, array(3, 4, seed=2), array(3))),
    ("ij,ik->jk", (A, array(3, 2))),
    ("ij,kl->ijkl", (A, B)),
    ("ij,j->ij", (A, V)),
    ("ij,ij->i", (A, array(1, 4))),
    ("iij,jk->ik", (array(3, 3, 4), B)),
    ("a,B->aB", (V, W)),
    ("ij,jk->ik", (A, A)),
    ("ij->ijk", (A,)),
    ("ij->ii", (A,)),
    ("ii->i", (A,)),
    ("ij", (A, A)),
    ("ij,jk", (A,)),
    ("ijk->ij", (A,)),
    ("i?->i", (A,)),
)


@cases(
    [
        (f"{i}:{equation}", lambda T, *xs, e=equation: T.einsum(e, *xs).contiguous(), data)
        for i, (equation, data) in enumerate(EINSUM)
    ]
)
def test_einsum(case: Any) -> None:
    check(case)
