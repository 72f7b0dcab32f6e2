"""Questions about tensors and dtypes that record nothing. Bound by `methods.py`."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ...ir.types import DType
from ..promotion import as_operand, check_tensor, common_dtype
from ..tensor import Tensor, from_host


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype that arithmetic of two tensors or numbers gives."""
    return common_dtype(
        as_operand("result_type", tensor1, "tensor1", 1), as_operand("result_type", tensor2)
    )


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal."""
    check_tensor("is_same_size", input)
    return input._type.shape == other._type.shape


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input._type.dtype.is_signed


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element differs from zero. Raises: RuntimeError for other sizes."""
    check_tensor("is_nonzero", input)
    return bool(input)


def typename(obj: Any) -> str:
    """The name of a tensor's type, or of another object's class with its module."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, builtins.type) else builtins.type(obj)
    module = getattr(kind, "__module__", "")
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"


def apply_(self: Tensor, callable: Any) -> Tensor:
    """Replace each element by what a Python function gives for it; reads the values.

    Raises: RuntimeError if the tensor requires grad.
    """
    if self.requires_grad:
        raise RuntimeError("Can't call apply_() on Variable that requires grad. Use var.detach()")
    array = self._host()
    made = [callable(v) for v in array.ravel().tolist()]
    return self._write(from_host(np.array(made).reshape(array.shape), self.dtype, self.device))


def map_(self: Tensor, tensor: Tensor, callable: Any) -> Tensor:
    """Replace each element by what a Python function gives for it and that of `tensor`."""
    other = tensor.expand(self.shape)._host().ravel().tolist()
    mine = self._host()
    made = [callable(v, w) for v, w in zip(mine.ravel().tolist(), other, strict=True)]
    return self._write(from_host(np.array(made).reshape(mine.shape), self.dtype, self.device))


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """`self`: where its data lies in host memory is up to XLA."""
    return self


def share_memory_(self: Tensor) -> Tensor:
    """`self`; memory shared with other processes is not offered."""
    return self


def to_dense(
    self: Tensor, dtype: DType | None = None, *, masked_grad: bool | None = None
) -> Tensor:
    """`self`, which is dense."""
    return self if dtype is None else self.to(dtype)


def _never(name: str, why: str) -> Any:
    def query(self: Tensor) -> bool:
        return False

    query.__name__ = query.__qualname__ = name
    query.__doc__ = f"False: {why}."
    return query


is_pinned = _never("is_pinned", "where its data lies in host memory is up to XLA")
is_shared = _never("is_shared", "memory shared with other processes is not offered")
is_coalesced = _never("is_coalesced", "tensors are dense")
is_distributed = _never("is_distributed", "tensors are on one device")


def is_inference(input: Tensor) -> bool:
    """Whether a tensor was made in inference mode."""
    return input.is_inference()


def is_cpu(self: Tensor) -> bool:
    """Whether the tensor is on the CPU."""
    return self.device.type == "cpu"


def retains_grad(self: Tensor) -> bool:
    """Whether `retain_grad` was called on this tensor."""
    return "_retains" in self.__dict__


_KINDS = ("is_sparse", "is_sparse_csr", "is_quantized", "is_nested", "is_meta", "is_mkldnn")
METHODS = {
    f.__name__: f
    for f in (
        *(is_nonzero, apply_, map_, pin_memory, share_memory_, to_dense, is_inference),
        *(is_pinned, is_shared, is_coalesced, is_distributed),
    )
}
PROPERTIES = {
    "is_cpu": property(is_cpu),
    "retains_grad": property(retains_grad),
} | {name: property(_never(name, "tensors are dense")) for name in _KINDS}
FUNCTIONS = {
    f.__name__: f
    for f in (result_type, is_same_size, is_signed, is_nonzero, typename, is_inference)
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
