"""`hash_tensor`. Bound by `methods.py`."""

from __future__ import annotations

from ...ir.errors import AxisError, ShapeError
from ...ir.types import float64, int64, uint64
from .. import prims
from ..promotion import check_tensor
from ..scoping import scoped
from ..tensor import Tensor
from .common import Dims, normalize_dims, with_out


@with_out
@scoped
def hash_tensor(
    input: Tensor,
    dim: Dims = (),
    *,
    keepdim: bool = False,
    mode: int = 0,
    out: Tensor | None = None,
) -> Tensor:
    """The exclusive or of the elements' bits as 64-bit numbers, along `dim` or of all.

    Raises: RuntimeError for another mode, and for no elements along no named dim.
    """
    name = "hash_tensor"
    check_tensor(name, input)
    if mode != 0:
        raise RuntimeError(f"{name}: Unknown hash_tensor mode {mode}")
    dtype, shape = input._type.dtype, input._type.shape
    if dtype.is_complex:
        raise ShapeError(f"{name}: not implemented for {dtype}")
    axes = normalize_dims(name, dim, len(shape))
    if not input._type.numel:
        if dim is None or dim == () or dim == []:
            raise ShapeError(
                f"{name}: Expected reduction dim to be specified for input.numel() == 0. Specify "
                "the reduction dim with the 'dim' argument."
            )
        for a in axes:
            if not shape[a]:
                raise AxisError(f"{name}: Expected reduction dim {a} to have non-zero size.")
    wide = prims.convert(input, float64 if dtype.kind == "float" else int64)
    bits = prims.bitcast(wide, dtype=uint64)
    rest = tuple(a for a in range(len(shape)) if a not in axes)
    kept = tuple(shape[a] for a in rest)
    count = 1
    for a in axes:
        count *= shape[a]
    lines = prims.reshape(prims.transpose(bits, perm=(*axes, *rest)), shape=(count, *kept))
    while count > 1:
        half = count // 2
        low, high = (_rows(lines, start, half) for start in (0, half))
        folded = prims.bit_xor(low, high)
        if count % 2:
            folded = prims.concatenate(folded, _rows(lines, count - 1, 1), axis=0)
        lines, count = folded, half + count % 2
    final = tuple(1 if a in axes else n for a, n in enumerate(shape)) if keepdim else kept
    return prims.reshape(lines, shape=final)


def _rows(x: Tensor, start: int, count: int) -> Tensor:
    shape = x._type.shape
    none = (0,) * (len(shape) - 1)
    return prims.slice(
        x, starts=(start, *none), sizes=(count, *shape[1:]), strides=(1,) * len(shape)
    )


METHODS = {"hash_tensor": hash_tensor}
FUNCTIONS = dict(METHODS)
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
