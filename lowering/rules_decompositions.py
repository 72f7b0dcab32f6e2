"""Factorisations of matrices as `jax.lax.linalg` calls; read by `lowering.table` alone.

XLA has no general eigenvalues on GPUs.
"""

from __future__ import annotations

import numpy as np
from jax import lax
from jax.lax import linalg


def _empty(fn):
    """Zeros where there is nothing to factorise."""

    def rule(node, *args):
        if 0 in args[0].shape:
            types = [v.type for v in node.outputs]
            out = tuple(lax.full(t.shape, 0, t.dtype.np) for t in types)
            return out if node.op.multiple else out[0]
        return fn(node, *args)

    return rule


def _triangular(node, a, x):
    if 0 in x.shape:
        return x
    complex_ = np.issubdtype(a.dtype, np.complexfloating)
    adjoint = node.attr("adjoint")
    return linalg.triangular_solve(
        a,
        x,
        left_side=True,
        lower=node.attr("lower"),
        transpose_a=adjoint,
        conjugate_a=adjoint and complex_,
        unit_diagonal=node.attr("unit"),
    )


def _lu(node, a):
    if 0 in a.shape:
        outs = [v.type for v in node.outputs]
        perm = lax.broadcasted_iota(np.int64, outs[2].shape, len(outs[2].shape) - 1)
        return a, lax.full(outs[1].shape, 0, np.int32), perm
    packed, pivots, perm = linalg.lu(a)
    return packed, pivots, lax.convert_element_type(perm, np.int64)


def _qr(node, a):
    if 0 in a.shape:
        q, r = (v.type for v in node.outputs)
        eye = np.broadcast_to(np.eye(*q.shape[-2:], dtype=a.dtype), q.shape)
        return lax.convert_element_type(eye, a.dtype), lax.full(r.shape, 0, r.dtype.np)
    return tuple(linalg.qr(a, full_matrices=node.attr("full")))


def _eigh(node, a):
    v, w = linalg.eigh(a, lower=True, symmetrize_input=False)
    return w, v


def _svd(node, a):
    return tuple(linalg.svd(a, full_matrices=node.attr("full")))


def _eig(node, a):
    w, v = linalg.eig(a, compute_left_eigenvectors=False)
    return w, v


RULES = {
    "cholesky": _empty(lambda node, a: linalg.cholesky(a, symmetrize_input=False)),
    "triangular_solve": _triangular,
    "lu": _lu,
    "qr": _qr,
    "eigh": _empty(_eigh),
    "eig": _empty(_eig),
    "svd": _empty(_svd),
}
