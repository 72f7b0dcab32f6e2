"""Entries of the database that are left out, each with its technical reason.

Nothing is here because a sample fails. Left-out entries count as failing in percentages of
the whole database.
"""

from __future__ import annotations

from typing import Any

_JITERATOR = "compiles CUDA source text given by the user"
_SPARSE = "sparse layouts: thrace has dense tensors only"
_PRIVATE = "a private kernel of PyTorch without a public function"
_HALF_COMPLEX = "complex32: neither NumPy nor XLA has the type"

EXCLUDED: dict[str, str] = {
    "jiterator_unary": _JITERATOR,
    "jiterator_binary": _JITERATOR,
    "jiterator_4inputs_with_extra_args": _JITERATOR,
    "jiterator_binary_return_by_ref": _JITERATOR,
    "jiterator_2inputs_2outputs": _JITERATOR,
    "to_sparse": _SPARSE,
    "sparse.sampled_addmm": _SPARSE,
    "sparse.mm": _SPARSE,
    "torch._scaled_mm": _PRIVATE,
    "torch._scaled_mm_v2": _PRIVATE,
    "torch.ops.aten._flash_attention_forward": _PRIVATE,
    "torch.ops.aten._efficient_attention_forward": _PRIVATE,
    "chalf": _HALF_COMPLEX,
}
# Results that are random or not initialised: shapes and dtypes are compared.
UNDEFINED_VALUES = frozenset(
    (
        *("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"),
        *("empty_permuted", "resize_", "resize_as_", "bernoulli", "cauchy", "exponential"),
        *("geometric", "log_normal", "normal", "uniform", "multinomial", "rand_like"),
        *("randn_like", "randint_like", "randint", "randn", "rand", "randperm", "poisson"),
        *("nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d"),
    )
)
# Entries that draw random numbers if all of these arguments are true; with their defaults.
_DROPS = {"p": 0.5, "training": True}
SOMETIMES_RANDOM: dict[str, dict[str, Any]] = {
    "nn.functional.scaled_dot_product_attention": {"dropout_p": 0.0},
    "nn.functional.multi_head_attention_forward": {"training": True},
    "nn.functional.rrelu": {"training": False},
    "nn.functional.dropout": _DROPS,
    "nn.functional.dropout2d": _DROPS,
    "nn.functional.dropout3d": _DROPS,
    "nn.functional.alpha_dropout": {"p": 0.5, "training": False},
    "svd_lowrank": {"M": None},  # then of lower rank than the matrix, as the projection falls
    "nn.functional.feature_alpha_dropout": {"p": 0.5, "training": False},
}
# PyTorch's own gradients differ from finite differences: its one for `as_strided_scatter` is
# what was overwritten, and zero for what was kept. Shapes and dtypes are compared.
WRONG_GRADIENTS = frozenset(("as_strided_scatter",))
# PyTorch gives zeros for second gradients that it says it cannot compute.
NO_SECOND_GRADIENT = frozenset(
    ("nn.functional.linear_cross_entropy", variant) for variant in ("chunked", "chunked_none")
)
# PyTorch's second gradients are nan at infinities that cancel, such as where both operands are
# masked; elements that have a number are compared.
NAN_SECOND_GRADIENT = frozenset(("masked.logaddexp",))
# Entries that return indices, which of several equal elements is not said: the elements at
# the indices are compared. With the place of `dim` among the arguments after the tensor.
CHOOSES_AMONG_EQUALS = {"sort": 0, "argsort": 0, "topk": 1, "kthvalue": 1, "mode": 0}
