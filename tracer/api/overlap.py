"""What the tensors given as `out=` may share with the operands: as much as PyTorch's function looks
at. Imported by `common.py`.

Values are read before anything is written, so the result is right where nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.types import TensorType
from .. import strided
from ..recording import user_error
from ..tensor import Tensor

# A letter for each tensor operand in order, the last one for all that follow: "p" must not
# share a part of its elements with `out`, "w" not even all of them, "e" is as "p" if it has the
# result's shape, "-" may share anything. Functions that are not listed have "p".
_RULES = {
    name: letters
    for letters, names in (
        # Matrix products, decompositions and what is made of them.
        (
            "-",
            "mm matmul mv bmm dot vdot inner tensordot vecdot multi_dot matrix_power det slogdet "
            "plain_slogdet inv inv_ex inverse pinv cond matrix_rank solve solve_ex lstsq lu "
            "lu_factor lu_factor_ex lu_unpack lu_solve plain_lu_solve cholesky plain_cholesky "
            "cholesky_ex cholesky_solve cholesky_inverse qr plain_qr geqrf householder_product "
            "ormqr eigh eigvalsh svd plain_svd svdvals ldl_factor ldl_factor_ex ldl_solve "
            "triangular_solve tensorinv tensorsolve",
        ),
        ("--e", "linear"),
        ("e-", "addmm addmv baddbmm addbmm"),
        ("ew", "addr"),
        ("-p", "solve_triangular"),
        ("w", "cross linalg_cross outer kron"),
        # Reductions.
        (
            "-",
            "sum nansum mean nanmean prod std var norm vector_norm matrix_norm logsumexp softmax "
            "log_softmax all any amax amin argmax argmin "
            "quantile nanquantile hash_tensor cummax cummin histc histogram",
        ),
        ("w", "kthvalue"),
        # Copies of parts, and choices by index.
        (
            "-",
            "diag tril triu alias_copy as_strided_copy detach_copy diagonal_copy expand_copy "
            "narrow_copy permute_copy select_copy slice_copy split_copy split_with_sizes_copy "
            "squeeze_copy t_copy transpose_copy unbind_copy unfold_copy unsqueeze_copy view_copy "
            "view_as_complex_copy view_as_real_copy slice_scatter diff bucketize searchsorted "
            "isin",
        ),
        ("w", "cat stack hstack vstack dstack column_stack take masked_select index_select"),
        ("w-", "take_along_dim"),
        ("wp", "gather"),
        ("pw", "scatter scatter_add scatter_reduce index_add index_copy index_reduce"),
        # Of nn and special.
        (
            "-",
            "fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 hfft2 ihfft2 fftn ifftn rfftn "
            "irfftn hfftn ihfftn avg_pool2d avg_pool3d logsigmoid native_batch_norm "
            "_native_batch_norm_legit _batch_norm_with_update ndtr mvlgamma multigammaln "
            "_joined polar",
        ),
        ("p-", "ldexp"),
    )
    for name in names.split()
}
# Functions of which only the first output is looked at.
_FIRST = frozenset(("sort", "kthvalue"))


def check_apart(name: str, result: Any, out: Any, operands: Sequence[Any]) -> None:
    """Raises: RuntimeError if an operand shows elements of `out`, about to hold `result`, that it
    must not, or `out` one place twice."""
    letters = _RULES.get(name, "p")
    if isinstance(out, (tuple, list)):
        for i, (made, one) in enumerate(zip(result, out, strict=False)):
            _check_one("-" if i and name in _FIRST else letters, made, one, operands)
    else:
        _check_one(letters, result, out, operands)


def _check_one(letters: str, result: Any, out: Any, operands: Sequence[Any]) -> None:
    if not isinstance(out, Tensor) or not isinstance(result, Tensor):
        return
    if any(n > 1 and not s for n, s in zip(out._type.shape, out.stride(), strict=True)):
        raise user_error(
            RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to "
                "a single memory location. Please clone() the tensor before performing the "
                "operation."
            )
        )
    tensors = [x for o in operands for x in (o if isinstance(o, (tuple, list)) else (o,))]
    tensors = [x for x in tensors if isinstance(x, Tensor)]
    for i, x in enumerate(tensors):
        letter = letters[min(i, len(letters) - 1)]
        if x._storage is out._storage and _shared(letter, x, out, result._type):
            raise user_error(
                RuntimeError(
                    "unsupported operation: some elements of the input tensor and the written-to "
                    "tensor refer to a single memory location. Please clone() the tensor before "
                    "performing the operation."
                )
            )


def _shared(letter: str, x: Tensor, out: Tensor, result: TensorType) -> bool:
    if letter == "-" or (letter == "e" and x._type.shape != result.shape):
        return False
    whole = letter == "w"
    if x is out:
        return whole
    return strided.partly_overlap(x, out, whole, result.numel)
