"""Reductions against PyTorch: values, dtypes, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from api_oracle import Case, array, bools, cases, check, integers

X = array(3, 4, 2)
M = array(3, 4)
I = integers(3, 4)
B = bools(3, 4)
HALF = array(3, 4).astype(np.float16)
TIES = np.array([[1, 3, 3], [0, 0, 0], [2, 1, 2]], np.float32)
NAN = np.array([[1, np.nan, 3], [np.inf, 0, -np.inf]], np.float32)
INF = np.array([[-np.inf, -np.inf], [np.inf, 0], [1, 2]], np.float32)
EMPTY = np.zeros((0, 3), np.float32)
ZERO_D = np.array(1.5, np.float32)


def named(name: str, *args: Any, **kwargs: Any) -> Any:
    return lambda T, x: getattr(T, name)(x, *args, **kwargs)


DIMS = (
    ("all", {}),
    ("0", {"dim": 0}),
    ("-1", {"dim": -1}),
    ("two", {"dim": (0, 2)}),
    ("list", {"dim": [2, 1]}),
    ("none", {"dim": None}),
    ("empty", {"dim": ()}),
    ("keep", {"dim": 1, "keepdim": True}),
    ("keep-two", {"dim": (-1, 0), "keepdim": True}),
    ("range", {"dim": 3}),
    ("twice", {"dim": (0, -3)}),
)
SEVERAL = ("sum", "mean", "var", "std", "amax", "amin", "any", "all", "logsumexp", "count_nonzero")
DIM_CASES = [
    Case(f"{name}-{what}", named(name, **options), (X,), name != "count_nonzero")
    for name in SEVERAL
    for what, options in DIMS
    if not (name == "count_nonzero" and "keepdim" in options)
    # PyTorch's own results for no dims are wrong here: infinite gradients, a shape error.
    if not (name in ("var", "std", "logsumexp") and what == "empty")
]


@cases(DIM_CASES)
def test_dims(case: Case) -> None:
    check(case)


ONE = ("sum", "mean", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all")
ONE += ("softmax", "log_softmax", "logsumexp", "cumsum", "cumprod", "var", "std")
KIND_CASES = [
    Case(f"{name}-{what}", named(name, 1), (data,), what == "float")
    for name in ONE
    for what, data in (
        ("float", M),
        ("int", I),
        ("int32", I.astype(np.int32)),
        ("bool", B),
        ("uint8", np.abs(I).astype(np.uint8)),
        ("double", M.astype(np.float64)),
        ("half", HALF),
        ("ties", TIES),
        ("nan", NAN),
        ("infinite", INF),
        ("empty", EMPTY),
    )
]
WHOLE_CASES = [
    Case(f"{name}-{what}-whole", named(name), (data,), what == "float")
    for name in ONE
    if name not in ("softmax", "log_softmax", "logsumexp", "cumsum", "cumprod")
    for what, data in (
        ("float", M),
        ("int", I),
        ("bool", B),
        ("half", HALF),
        ("nan", NAN),
        ("empty", EMPTY),
        ("scalar", ZERO_D),
    )
]


@cases(KIND_CASES + WHOLE_CASES)
def test_kinds(case: Case) -> None:
    check(case)


MORE = (
    ("sum-dtype", lambda T, x: x.sum(dtype=T.float64), (M,)),
    ("sum-int-dtype", lambda T, x: T.sum(x, 0, dtype=T.int32), (I,)),
    ("sum-position", lambda T, x: x.sum(0, True), (M,)),
    ("sum-scalar-dim", lambda T, x: x.sum(0), (ZERO_D,)),
    ("sum-scalar-last", lambda T, x: x.sum(-1), (ZERO_D,)),
    ("sum-scalar-range", lambda T, x: x.sum(1), (ZERO_D,)),
    ("sum-scalar-keep", lambda T, x: x.sum(0, keepdim=True), (ZERO_D,)),
    ("sum-number", lambda T: T.sum(5), ()),
    ("sum-text", lambda T, x: x.sum("a"), (M,)),
    ("sum-float-dim", lambda T, x: x.sum(1.5), (M,)),
    ("mean-dtype", lambda T, x: x.mean(dtype=T.float32), (I,)),
    ("mean-keep", lambda T, x: x.mean((0, 1), keepdim=True), (M,)),
    ("prod-keep", lambda T, x: x.prod(1, keepdim=True), (M,)),
    ("prod-zero", lambda T, x: x.prod(1), (TIES,)),
    ("prod-odd", lambda T, x: x.prod(0), (array(7, 2),)),
    ("prod-dtype", lambda T, x: x.prod(0, dtype=T.float64), (I,)),
    ("prod-range", lambda T, x: x.prod(2), (I,)),
    ("var-unbiased", lambda T, x: x.var(0, False), (M,)),
    ("var-unbiased-alone", lambda T, x: x.var(False), (M,)),
    ("var-keyword", lambda T, x: x.var(dim=1, unbiased=False, keepdim=True), (M,)),
    ("var-correction", lambda T, x: x.var(1, correction=2), (M,)),
    ("var-one", lambda T, x: x[:1].var(0), (M,), False),
    ("std-constant", lambda T, x: (x * 0 + 2).std(1), (M,)),
    ("std-unbiased", lambda T, x: x.std(unbiased=False), (M,)),
    ("var_mean", lambda T, x: T.var_mean(x, 1), (M,)),
    ("std_mean", lambda T, x: T.std_mean(x, 0, keepdim=True), (M,)),
    ("max-dim", lambda T, x: x.max(1), (TIES,)),
    ("max-values", lambda T, x: x.max(dim=0, keepdim=True).values, (M,)),
    ("max-indices", lambda T, x: x.max(dim=0).indices, (M,)),
    ("max-whole-ties", lambda T, x: x.max(), (TIES,)),
    ("min-whole-ties", lambda T, x: x.min(), (TIES,)),
    ("max-pair", lambda T, x, y: T.max(x, y), (M, array(4, seed=1))),
    ("min-pair", lambda T, x, y: x.min(y), (M, array(4, seed=1))),
    ("max-unpack", lambda T, x: tuple(x.max(1)), (M,)),
    ("max-scalar-dim", lambda T, x: x.max(0), (ZERO_D,)),
    ("amax-ties", lambda T, x: x.amax(1), (TIES,)),
    ("amin-ties", lambda T, x: x.amin((0, 1)), (TIES,)),
    ("aminmax", lambda T, x: tuple(T.aminmax(x, dim=1)), (M,)),
    ("argmax-keep", lambda T, x: x.argmax(1, True), (M,)),
    ("argmax-whole-keep", lambda T, x: x.argmax(keepdim=True), (M,)),
    ("argmax-range", lambda T, x: x.argmax(2), (M,)),
    ("argmin-first", lambda T, x: x.argmin(1), (TIES,)),
    ("empty-amax", lambda T, x: x.amax(), (EMPTY,)),
    ("empty-amax-0", lambda T, x: x.amax(0), (EMPTY,)),
    ("empty-sum-0", lambda T, x: x.sum(0), (EMPTY,)),
    ("empty-mean-0", lambda T, x: x.mean(0), (EMPTY,), False),
    ("empty-prod-0", lambda T, x: x.prod(0), (EMPTY,)),
    ("empty-max-1", lambda T, x: x.max(1), (EMPTY,)),
    ("empty-argmax-0", lambda T, x: x.argmax(0), (EMPTY,)),
    ("empty-logsumexp-0", lambda T, x: x.logsumexp(0), (EMPTY,), False),
    ("empty-all", lambda T, x: x.all(), (EMPTY,)),
    ("empty-softmax", lambda T, x: x.softmax(0), (EMPTY,)),
    ("softmax-large", lambda T, x: (x * 1e4).softmax(1), (M,)),
    ("softmax-scalar", lambda T, x: x.softmax(0), (ZERO_D,)),
    ("softmax-dtype", lambda T, x: T.softmax(x, 0, dtype=T.float64), (M,)),
    ("log_softmax-keyword", lambda T, x: T.log_softmax(x, dim=0), (M,)),
    ("log_softmax-range", lambda T, x: x.log_softmax(2), (M,)),
    ("logsumexp-large", lambda T, x: (x * 1e4).logsumexp(1), (M,)),
    ("logsumexp-complex", lambda T, x: T.complex(x, x * 0.5).logsumexp(1), (M,)),
    ("logsumexp-dims", lambda T, x: T.logsumexp(x, (0, 2), keepdim=True), (X,)),
    ("cumsum-0", lambda T, x: x.cumsum(0), (array(5, 3),)),
    ("cumsum-dtype", lambda T, x: x.cumsum(-1, dtype=T.float64), (M,)),
    ("cumsum-range", lambda T, x: x.cumsum(5), (M,)),
    ("cumsum-scalar", lambda T, x: x.cumsum(0), (ZERO_D,)),
    ("cumprod-zero", lambda T, x: x.cumprod(1), (TIES,)),
    ("norm", lambda T, x: x.norm(), (M,)),
    ("norm-dim", lambda T, x: x.norm(dim=1, keepdim=True), (M,)),
    ("norm-1", lambda T, x: x.norm(1), (M,)),
    ("norm-3", lambda T, x: x.norm(3, dim=0), (M,)),
    ("norm-inf", lambda T, x: x.norm(float("inf")), (M,)),
    ("norm-zero", lambda T, x: (x * 0).norm(), (M,)),
    ("norm-int", lambda T, x: x.norm(), (I,)),
    ("vector_norm-0", lambda T, x: T.linalg.vector_norm(x, 0), (TIES,), False),
    ("vector_norm-minus-inf", lambda T, x: T.linalg.vector_norm(x, -float("inf"), dim=1), (M,)),
    ("vector_norm-half", lambda T, x: T.linalg.vector_norm(x, 0.5), (M,)),
    ("vector_norm-dims", lambda T, x: T.linalg.vector_norm(x, 2, (0, 2)), (X,)),
    ("linalg-norm", lambda T, x: T.linalg.norm(x), (M,)),
    ("linalg-norm-fro", lambda T, x: T.linalg.norm(x, "fro"), (M,)),
    ("linalg-norm-1", lambda T, x: T.linalg.norm(x, 1), (M,)),
    ("linalg-norm-inf", lambda T, x: T.linalg.norm(x, float("inf")), (M,)),
    ("linalg-norm-minus-1", lambda T, x: T.linalg.norm(x, -1, dim=(0, 2)), (X,)),
    ("matrix_norm", lambda T, x: T.linalg.matrix_norm(x, keepdim=True), (X,)),
    ("count_nonzero", lambda T, x: T.count_nonzero(x, dim=0), (I,)),
    ("any-dims", lambda T, x: x.any(dim=(0, 1)), (B,)),
    ("all-keep", lambda T, x: T.all(x, 1, True), (B,)),
    ("any-nan", lambda T, x: x.any(), (NAN,), False),
)


@cases(MORE)
def test_more(case: Case) -> None:
    check(case)
