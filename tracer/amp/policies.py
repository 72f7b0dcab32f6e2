"""Which operations autocast casts, by device: PyTorch's lists as a table.

Names are those of the API functions; `autocasts` (beside this file) looks them up when the
function is defined. What is not listed computes in the dtypes it is given. An operation that
PyTorch composes of listed ones, where ours records primitives, is listed here as the parts
are there: `tensordot` is a matrix product on the CPU.
"""

from __future__ import annotations

# Compute in the lower precision.
LOWER = "lower"
# Compute in float32.
FULL = "full"
# Compute in float32 unless the call names a dtype.
RESULT = "result"
# Compute in float32 if any operand is float32, else in the lower precision.
WIDEST = "widest"
# Compute in the dtypes that are given, what it is made of too.
PLAIN = "plain"
# Refused: the result would overflow or lose what counts.
BANNED = "banned"


def _rows(policy: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), policy)


_LOSSES = """
    cosine_embedding_loss cross_entropy hinge_embedding_loss huber_loss kl_div l1_loss
    margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss
    poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss
    binary_cross_entropy_with_logits
"""
_PRODUCTS = """
    addbmm addmm baddbmm bmm matmul mm vecdot linear prelu scaled_dot_product_attention
    attention_of_heads conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
"""

CPU = {
    **_rows(LOWER, _PRODUCTS),
    # Matrix products inside.
    **_rows(LOWER, "chain_matmul multi_dot einsum_product tensordot_product"),
    **_rows(PLAIN, "matrix_exp"),
    **_rows(FULL, _LOSSES + "binary_cross_entropy ctc_loss"),
    **_rows(FULL, "adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d max_pool3d"),
    **_rows(FULL, "fractional_max_pool2d fractional_max_pool3d"),
    **_rows(FULL, "max_unpool1d max_unpool2d max_unpool3d"),
    **_rows(FULL, "grid_sample pad_edges cdist prod trace quantile nanquantile polar"),
    **_rows(FULL, "view_as_complex fft ifft rfft irfft hfft ihfft"),
    **_rows(FULL, "fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn stft"),
    **_rows(FULL, "cholesky cholesky_ex cholesky_inverse cholesky_solve geqrf inverse inv"),
    **_rows(FULL, "inv_ex cond eig eigh eigvals eigvalsh householder_product lstsq"),
    **_rows(FULL, "matrix_rank qr solve svd svdvals tensorinv tensorsolve lu_solve ormqr"),
    **_rows(FULL, "pinverse triangular_solve lu"),
    **_rows(WIDEST, "cat stack index_copy"),
}

CUDA = {
    **_rows(LOWER, _PRODUCTS),
    **_rows(LOWER, "addmv addr mv einsum chain_matmul multi_dot"),
    **_rows(LOWER, "rnn_tanh_cell rnn_relu_cell gru_cell lstm_cell"),
    **_rows(FULL, _LOSSES),
    **_rows(FULL, "acos asin cosh sinh tan erfinv exp expm1 log log10 log1p log2 pow"),
    **_rows(FULL, "reciprocal rsqrt softplus layer_norm group_norm rms_norm renorm"),
    **_rows(FULL, "cosine_similarity cdist dist pdist logsumexp resized rdiv square"),
    **_rows(FULL, "multilabel_soft_margin_loss"),
    **_rows(PLAIN, "matrix_exp nansum nanmean"),
    **_rows(RESULT, "sum prod cumsum cumprod softmax log_softmax vector_norm matrix_norm norm"),
    **_rows(WIDEST, "addcdiv addcmul atan2 bilinear cross dot vdot grid_sample"),
    **_rows(WIDEST, "index_put scatter_add tensordot"),
    **_rows(BANNED, "binary_cross_entropy"),
}

POLICIES = {"cpu": CPU, "cuda": CUDA}
