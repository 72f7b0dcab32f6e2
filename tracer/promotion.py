"""PyTorch's type promotion on tensors and Python numbers. Imported by the API and nn.

`elementwise` is the path of `x * y`: operands of one dtype, or a tensor and a number that
fits it, are recorded at once; anything else is converted first, under the op's scope.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.errors import UnsupportedDTypeError
from ..ir.ops.table import Op
from ..ir.promotion import result_type, scalar_dtype
from ..ir.types import DTYPES, DType
from .prims import apply, convert
from .recording import user_error
from .state import default_dtype, note_outside, scope
from .tensor import Tensor, from_host

Number = bool | int | float | complex
Operand = Tensor | Number
# Looked up once: NumPy's iinfo fills caches when asked, which a recording run would notice.
INT_RANGE = {
    d: (int(np.iinfo(d.np).min), int(np.iinfo(d.np).max))
    for d in DTYPES
    if d.kind in ("int", "uint")
}
_SMALL = 1 << 7  # integers below this fit every integer dtype that they can be negative in


def wrong_type(name: str, argument: str, position: int, got: object) -> TypeError:
    """The error for an argument that should have been a tensor."""
    kind = type(got).__name__
    return TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {kind}"
    )


def check_tensor(name: str, x: object, argument: str = "input", position: int = 1) -> None:
    """Raises: TypeError if `x` is not a tensor."""
    if not isinstance(x, Tensor):
        raise wrong_type(name, argument, position, x)


def as_operand(name: str, x: Any, argument: str = "other", position: int = 2) -> Operand:
    """A tensor or a plain Python number. NumPy's scalars and arrays become those.

    Raises: TypeError for anything else.
    """
    if isinstance(x, Tensor):
        return x
    cls = x.__class__
    if cls is float or cls is int or cls is bool or cls is complex:
        return x
    if isinstance(x, np.generic):
        return as_operand(name, x.item(), argument, position)
    if isinstance(x, np.ndarray):
        note_outside()
        return from_host(x)
    for plain in (bool, int, float, complex):
        if isinstance(x, plain):
            return plain(x)  # type: ignore[arg-type]
    raise wrong_type(name, argument, position, x)


def literal(value: Number, dtype: DType) -> Number:
    """`value` as a literal beside tensors of `dtype`; integers wrap around as in PyTorch."""
    kind = dtype.kind
    if kind == "int" or kind == "uint":
        number = int(value)  # type: ignore[arg-type]
        low, high = INT_RANGE[dtype]
        if low <= number <= high:
            return number
        if not -(2**63) <= number < 2**64:
            raise OverflowError("int too big to convert")
        bits = dtype.itemsize * 8
        number &= (1 << bits) - 1
        return number - (1 << bits) if number > high else number
    if kind == "bool":
        return bool(value)
    return float(value) if isinstance(value, bool) else value


def common_dtype(*args: Operand) -> DType:
    """The dtype PyTorch computes an operation on these in."""
    return result_type(
        [t._type for t in args if isinstance(t, Tensor)],
        [s for s in args if not isinstance(s, Tensor)],
        default_dtype(),
    )


def cast(x: Operand, dtype: DType) -> Any:
    """A tensor converted to `dtype`, or a number as a literal of it."""
    return convert(x, dtype) if isinstance(x, Tensor) else literal(x, dtype)


def promote(*args: Operand) -> list[Any]:
    """Operands of one dtype: tensors converted, numbers as literals."""
    first = args[0]
    if isinstance(first, Tensor):
        dtype = first._type.dtype
        if all(isinstance(a, Tensor) and a._type.dtype is dtype for a in args):
            return list(args)
    dtype = common_dtype(*args)
    return [cast(a, dtype) for a in args]


def promote_float(*args: Operand) -> list[Any]:
    """As `promote`, but integers and bools become the default dtype."""
    dtype = common_dtype(*args)
    if dtype.kind not in ("float", "complex"):
        dtype = default_dtype()
    return [cast(a, dtype) for a in args]


def to_floating(x: Tensor) -> Tensor:
    """`x` with integers and bools as the default dtype."""
    return x if x._type.dtype.kind in ("float", "complex") else convert(x, default_dtype())


def elementwise(row: Op, name: str, x: Any, y: Any) -> Tensor:
    """Record a binary elementwise op after promotion. `name` is what the user called.

    Raises: TypeError if an operand is neither tensor nor number, ShapeError if the shapes
    do not broadcast, DTypeError if the op lacks the dtype.
    """
    if isinstance(x, Tensor):
        dtype = x._type.dtype
        if isinstance(y, Tensor):
            if y._type.dtype is dtype:
                return apply(row, (x, y))
        elif _fits(y, dtype.kind):
            return apply(row, (x, y))
    elif isinstance(y, Tensor) and _fits(x, y._type.dtype.kind):
        return apply(row, (x, y))
    x, y = as_operand(name, x, "input", 1), as_operand(name, y)
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        raise wrong_type(name, "input", 1, x)
    with scope(name):
        return apply(row, tuple(promote(x, y)))


def _fits(value: Any, kind: str) -> bool:
    """Whether a number needs no change beside tensors of this kind of dtype."""
    cls = value.__class__
    if cls is float:
        return kind == "float" or kind == "complex"
    if cls is int:
        return kind == "float" or (kind != "bool" and kind != "uint" and -_SMALL < value < _SMALL)
    return cls is bool and kind == "bool"


def can_cast(from_: DType, to: DType) -> bool:
    """Whether a result of dtype `from_` may be written to `to`, as in `torch.can_cast`."""
    order = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}
    return order[from_.kind] <= order[to.kind]


def check_kinds(name: str, x: Operand, *kinds: str) -> None:
    """Raises: DTypeError if the dtype of `x` is not of these kinds."""
    dtype = x._type.dtype if isinstance(x, Tensor) else scalar_dtype(x, default_dtype())
    if dtype.kind not in kinds:
        raise user_error(UnsupportedDTypeError(f"{name}: not implemented for {dtype}"))
