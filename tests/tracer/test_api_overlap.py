"""`out=` that shows elements of an operand: refused where PyTorch refuses it. Where it does not,
the result is that of the values there were before, which PyTorch may have written over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import thrace

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = (
    *("T.add(x, 1)", "T.sub(x, x)", "T.mul(x, x)", "T.div(x, 2)", "T.floor_divide(x, 2)"),
    *("T.pow(x, 2)", "T.sin(x)", "T.exp(x)", "T.abs(x)", "T.neg(x)", "T.floor(x)", "T.round(x)"),
    *("T.sigmoid(x)", "T.clamp(x, 1, 2)", "T.where(x > 1, x, x)", "T.maximum(x, x)"),
    *("T.lerp(x, x, 0.5)", "T.square(x)", "T.cumsum(x, 0)", "T.cumprod(x, 1)", "T.msort(x)"),
    *("T.logcumsumexp(x, 0)", "T.renorm(x, 2, 0, 1)", "T.softmax(x, 0)", "T.log_softmax(x, 1)"),
    *("T.tril(x)", "T.triu(x)", "T.diag(x)", "T.t_copy(x)", "T.mm(x, x)", "T.matmul(x, x)"),
    *("T.matmul(x, x[0])", "T.mv(x, x[0])", "T.dot(x[0], x[0])", "T.bmm(x[None], x[None])"),
    *("T.addmm(x, x, x)", "T.addmm(x[0], x, x)", "T.addmv(x[0], x, x[1])", "T.addr(x, x[0], x[1])"),
    *("T.baddbmm(x[None], x[None], x[None])", "T.tensordot(x, x, 1)", "T.inner(x, x)"),
    *("T.outer(x[0], x[0])", "T.kron(x[0], x[0])", "T.linalg.cross(x, x)", "T.linalg.vecdot(x, x)"),
    *("T.linalg.inv(x)", "T.linalg.matrix_power(x, 2)", "T.linalg.multi_dot([x, x, x])"),
    *("T.linalg.det(x)", "T.linalg.svdvals(x)", "T.linalg.pinv(x)", "T.cholesky_solve(x, x)"),
    *("T.linalg.solve_triangular(x, x, upper=True)", "T.nn.functional.linear(x, x)"),
    *("T.linalg.vector_norm(x, dim=0)", "T.linalg.matrix_norm(x)", "T.norm(x, dim=1)"),
    *("T.sum(x, 1)", "T.prod(x, 0)", "T.mean(x, 1)", "T.amax(x, 1)", "T.amin(x, 0)", "T.std(x, 1)"),
    "T.sum(x, (0, 1))",
    *("T.var(x, 0)", "T.nansum(x, 1)", "T.logsumexp(x, 1)", "T.quantile(x, 0.5, 1)"),
    *("T.gather(x, 0, i)", "T.take_along_dim(x, i, 0)", "T.take(x, i)", "T.index_select(x, 0, j)"),
    *("T.scatter(x, 0, i, x)", "T.scatter_add(x, 0, i, y)", "T.scatter_add(y, 0, i, x)"),
    *("T.index_add(x, 0, j, y)", "T.index_copy(y, 0, j, x)", "T.masked_select(x, x > 1)"),
    *("T.cat([x])", "T.cat([x[0], x[1]])", "T.stack([x[0]])", "T.hstack([x])", "T.vstack([x])"),
    *("T.nan_to_num(x)", "T.ldexp(x, y)", "T.ldexp(y, x)", "T.diff(x)", "T.fft.irfft(x)"),
    *("T.max(x, 1)", "T.min(x, 0)", "T.median(x, 1)", "T.mode(x, 1)", "T.kthvalue(x, 1, 1)"),
    *("T.cummax(x, 0)", "T.sort(x, 0)", "T.topk(x, 2, 0)", "T.aminmax(x, dim=0)", "T.atan2(y, x)"),
)  # fmt: skip
VALUES = np.random.default_rng(0).permutation(24) / 8 + np.eye(24)[0]


def answers(T: Any, source: str, start: int, out: bool) -> Any:
    """What a row gives, or the class of its error."""
    memory = T.tensor(VALUES)
    space = {"T": T, "x": memory[:9].view(3, 3), "y": T.ones(3, 3, dtype=T.float64)}
    space |= {"i": T.zeros(3, 3, dtype=T.int64), "j": T.tensor([2, 0, 1])}
    result = eval(source, space)
    if not out:
        return result
    first, *rest = result if isinstance(result, tuple) else (result,)
    space["o"] = memory[start : start + first.numel()].view(tuple(first.shape))
    space["e"] = [T.empty(0, dtype=r.dtype) for r in rest]
    try:
        return eval(source[:-1] + (", out=(o, *e))" if rest else ", out=o)"), space)
    except RuntimeError as error:
        assert "refer to a single memory location" in str(error), error
        return "refused"


@pytest.mark.parametrize("start", (0, 1, 2), ids=("start", "next", "other"))
def test_overlap_with_operands(start: int):
    for source in ROWS:
        wanted, got = (answers(T, source, start, True) for T in (torch, thrace))
        assert (wanted == "refused") == (got == "refused"), source
        if got != "refused":
            right = answers(torch, source, start, False)
            pairs = zip(right, got, strict=True) if isinstance(right, tuple) else [(right, got)]
            for r, g in pairs:
                np.testing.assert_allclose(g.numpy(), r.numpy(), rtol=1e-9, err_msg=source)
