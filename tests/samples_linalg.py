"""Samples of matrix factorisations; see `samples.py`.

Factors are compared where LAPACK's signs settle them; what hangs on a choice of signs is
checked through PyTorch's samples, which compare what does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import torch
from sampling import Sample, sample

WIDE = ("float64", "float32")
RNG = np.random.default_rng(7)


def batched(fn: Any) -> Any:
    """An oracle of one matrix, for the leading axes of many."""

    def oracle(*arrays: np.ndarray) -> Any:
        lead = arrays[0].shape[:-2]
        made = [fn(*(a[i] for a in arrays)) for i in np.ndindex(*lead)]
        if isinstance(made[0], tuple):
            parts = zip(*made, strict=True)
            return tuple(np.array(p).reshape(*lead, *np.shape(p[0])) for p in parts)
        return np.array(made).reshape(*lead, *made[0].shape)

    return oracle


def lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    packed, pivots, _ = scipy.linalg.lapack.dgetrf(a)
    perm = np.arange(a.shape[0])
    for i, j in enumerate(pivots):
        perm[[i, j]] = perm[[j, i]]
    return packed, pivots, perm


def spd(n: int) -> np.ndarray:
    a = RNG.standard_normal((2, n, n))
    return a @ a.swapaxes(-1, -2) + n * np.eye(n)


def indefinite(n: int) -> np.ndarray:
    """Symmetric, with a small diagonal: most pivots are blocks of two."""
    a = RNG.standard_normal((2, n, n))
    return (a + a.swapaxes(-1, -2)) * (1 - 0.95 * np.eye(n))


def ldl(a: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(t.numpy() for t in torch.linalg.ldl_factor(torch.from_numpy(a)))


def ldl_solve(packed: np.ndarray, pivots: np.ndarray, x: np.ndarray) -> np.ndarray:
    return torch.linalg.ldl_solve(*map(torch.from_numpy, (packed, pivots, x))).numpy()


SQUARE = RNG.standard_normal((2, 3, 3)) + 2 * np.eye(3)
TALL, FLAT = RNG.standard_normal((4, 2)), RNG.standard_normal((2, 4))
SYMMETRIC = spd(3) + np.diag([0.0, 3.0, 9.0])
INDEFINITE = indefinite(6)
RIGHT = RNG.standard_normal((2, 3, 2))

LINALG: tuple[Sample, ...] = (
    # Only the lower triangle is read, which differences of single elements would show.
    sample("cholesky", spd(3), oracle=np.linalg.cholesky, dtypes=("float64",), differentiate=False),
    sample("cholesky", np.array([[4.0]]), oracle=np.linalg.cholesky, dtypes=("float64",)),
    *(
        sample("triangular_solve", SQUARE, RIGHT, dtypes=("float64",), lower=lower,
               adjoint=adjoint, unit=unit,
               oracle=batched(lambda a, x, lower=lower, adjoint=adjoint, unit=unit:
                              scipy.linalg.solve_triangular(a, x, trans=2 * adjoint, lower=lower,
                                                            unit_diagonal=unit)))
        for lower in (False, True)
        for adjoint in (False, True)
        for unit in (False, True)
    ),
    sample("lu", SQUARE, oracle=batched(lu), dtypes=("float64",)),
    sample("lu", TALL, oracle=lu, dtypes=("float64",)),
    sample("lu", FLAT, oracle=lu, dtypes=("float64",)),
    sample("ldl_factor", INDEFINITE, oracle=ldl, dtypes=("float64",), hermitian=False),
    sample("ldl_solve", *ldl(INDEFINITE), RNG.standard_normal((2, 6, 2)), oracle=ldl_solve,
           dtypes=("float64",), hermitian=False),
    sample("qr", SQUARE, oracle=batched(lambda a: tuple(np.linalg.qr(a))), dtypes=("float64",),
           full=False),
    sample("qr", TALL, oracle=lambda a: tuple(np.linalg.qr(a)), dtypes=("float64",), full=False),
    sample("qr", TALL, oracle=lambda a: tuple(np.linalg.qr(a, "complete")), dtypes=("float64",),
           full=True, differentiate=False),
    sample("eigh", np.array([[2.0]]), oracle=lambda a: tuple(np.linalg.eigh(a)),
           dtypes=("float64",)),
    sample("eigh", SYMMETRIC, oracle=lambda a: tuple(np.linalg.eigh(a)), dtypes=("float64",),
           differentiate=False),
    sample("eig", np.array([[2.0]]), oracle=lambda a: tuple(
        x.astype(np.complex128) for x in np.linalg.eig(a)), dtypes=("float64",)),
    sample("svd", np.array([[2.0]]), oracle=lambda a: tuple(np.linalg.svd(a)), dtypes=("float64",),
           full=False),
    sample("svd", TALL, oracle=lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
           dtypes=("float64",), full=False),
)  # fmt: skip
