"""What the API files share: `out=`, dimensions, sizes and errors. Imported by the API and nn."""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ...ir.errors import AxisError as AxisError
from ...ir.errors import DTypeError, ShapeError, ThraceError
from ...ir.errors import IndexRangeError as IndexRangeError
from ...ir.ops import OPS
from ...ir.ops.typing import normalize_axis
from ...ir.types import DType, Shape, bool_, complex128, float64, int64
from .. import prims, views
from ..recording import user_error
from ..state import STATE
from ..tensor import Tensor, check_cast
from .overlap import check_apart

F = TypeVar("F", bound=Callable[..., Any])
Dims = int | Sequence[int] | None
_CONVERT = OPS["convert"]
# Functions whose `out` must have the dtype of the result: no cast on the way.
_EXACT = frozenset(
    (
        *("abs", "addmm", "addmv", "addbmm", "baddbmm", "dot", "vdot", "bmm", "mv", "ceil"),
        *("conj_physical", "cross", "cummax", "cummin", "diff", "diag", "frac", "floor", "frexp"),
        *("isin", "kthvalue", "lu_unpack", "lu_solve", "masked_select", "matmul", "max", "min"),
        *("quantile", "nanquantile", "heaviside", "softmax", "linear", "logsigmoid", "topk"),
        *("softshrink", "hardshrink", "gelu", "mm", "mode", "neg", "ormqr", "qr", "round", "sign"),
        *("sgn", "slice_scatter", "signbit", "triangular_solve", "trunc", "nan_to_num", "svd"),
        *("polar", "gather", "index_copy", "index_select", "index_add", "index_reduce", "sort"),
        *("avg_pool2d", "avg_pool3d", "aminmax", "hash_tensor", "isposinf", "isneginf", "amax"),
        *("amin", "ldl_factor", "ldl_factor_ex", "ldl_solve", "svdvals", "plain_qr", "plain_svd"),
        *("plain_lu_solve", "scatter", "scatter_add", "scatter_reduce", "take", "take_along_dim"),
        *("norm", "vector_norm", "matrix_norm", "renorm", "histogram", "histc", "msort", "tril"),
        *("triu", "bucketize", "searchsorted", "inner", "tensordot", "vecdot", "multi_dot"),
        *("logcumsumexp", "log_softmax", "nonzero", "softplus", "all", "any", "argmax", "argmin"),
        *(
            "fft_ifft",
            "fft_ihfft",
            "ifft",
            "ihfft",
            "linalg_cross",
            "det",
            "slogdet",
            "cholesky",
            "cholesky_ex",
            "eigh",
        ),
        *("eigvalsh", "lu", "lu_factor", "lu_factor_ex", "inv", "inv_ex", "solve", "solve_ex"),
        *("solve_triangular", "where", "native_batch_norm", "_native_batch_norm_legit"),
    )
)


def located(fn: F) -> F:
    """Add the user's line to errors of `fn`; for functions that record no scope."""

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except ThraceError as error:
            raise user_error(error) from None

    return wrapper  # type: ignore[return-value]


def with_out(fn: F) -> F:
    """Handle the `out` that `fn` declares: `fn` itself never sees it."""

    @functools.wraps(fn)
    def wrapper(*args: Any, out: Tensor | None = None, **kwargs: Any) -> Any:
        result = fn(*args, **kwargs)
        if out is None:
            return result
        operands = (*args, *kwargs.values())
        if isinstance(result, tuple):
            return give_each(wrapper.__name__, result, out, operands)
        return give(wrapper.__name__, result, out, operands)

    return wrapper  # type: ignore[return-value]


def give_each(
    name: str, results: tuple[Tensor, ...], out: Any, operands: Sequence[Any] = ()
) -> Any:
    """Write results into as many tensors. Raises: RuntimeError if their number differs, or as
    `check_apart`."""
    if not isinstance(out, (tuple, list)):
        raise TypeError(f"{name}(): argument 'out' must be tuple of Tensors")
    if len(out) != len(results):
        raise RuntimeError(f"{name}: expected {len(results)} tensors for 'out', got {len(out)}")
    check_apart(name, results, out, operands)
    given = [give(name, result, o) for result, o in zip(results, out, strict=True)]
    return type(results)(given) if type(results) is tuple else type(results)(*given)


def give(name: str, result: Tensor, out: Tensor, operands: Sequence[Any] = ()) -> Tensor:
    """Write `result`, computed from `operands`, into `out`, which takes its shape as in PyTorch.

    Raises: RuntimeError if either requires grad, or as `check_apart`; DTypeError if the dtype does
    not fit.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if STATE.grad_enabled and (result.requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad."
        )
    if out._type.dtype is not result._type.dtype and (name in _EXACT or name.endswith("_copy")):
        raise user_error(
            DTypeError(
                f"{name}: Expected out tensor to have dtype {result._type.dtype}, but got "
                f"{out._type.dtype} instead"
            )
        )
    if operands:
        check_apart(name, result, out, operands)
    if out._type.shape == result._type.shape:
        return out._write(result)
    if out._type.numel:
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(out.shape)}, which does not match the required output shape "
            f"{list(result.shape)}.",
            UserWarning,
            stacklevel=3,
        )
    check_cast(result._type.dtype, out._type.dtype)
    fitted = prims.convert(result, out._type.dtype)
    if STATE.session is not None:
        STATE.session.note_handle(out)
    out._repoint(fitted._storage, fitted._view, fitted._type)
    return out


def normalize_dim(name: str, dim: Any, ndim: int) -> int:
    """`dim` counted from 0; a zero-dimensional tensor has one.

    Raises: AxisError out of range, TypeError if it is not an integer.
    """
    return normalize_axis(name, as_int(name, dim, "dim"), ndim)


def normalize_dims(name: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Dims counted from 0, ascending; None and no dims at all mean every one.

    Raises: AxisError out of range, ShapeError for a dim given twice.
    """
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        if not dim:
            return tuple(range(ndim))
        dims = [normalize_dim(name, d, ndim) for d in dim]
        for d in dims:
            if dims.count(d) > 1:
                raise ShapeError(f"{name}: dim {d} appears multiple times in the list of dims")
        return tuple(sorted(dims)) if ndim else ()
    found = normalize_dim(name, dim, ndim)
    return (found,) if ndim else ()


def as_int(name: str, value: Any, argument: str) -> int:
    """An integer from an int, a NumPy integer or a tensor of one. Raises: TypeError."""
    if value.__class__ is int:
        return value
    try:
        return operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name}(): argument '{argument}' must be int, not {kind}") from None


def as_sizes(name: str, sizes: Any, argument: str = "size") -> Shape:
    """A shape given as `f(2, 3)`, `f((2, 3))` or `f([2, 3])`. Raises: TypeError."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    out = []
    for n in sizes:
        if n.__class__ is not int:
            try:
                n = operator.index(n)
            except TypeError:
                kind = type(n).__name__
                raise TypeError(
                    f"{name}(): argument '{argument}' must be tuple of ints, not {kind}"
                ) from None
        out.append(n)
    return tuple(out)


def check_sizes(name: str, shape: Shape) -> Shape:
    """`shape` again. Raises: ShapeError if a size is negative."""
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: Dimension size must be non-negative, got {list(shape)}")
    return shape


# What PyTorch takes for a dtype as well.
PYTHON_TYPES = {bool: bool_, int: int64, float: float64, complex: complex128}


def as_dtype(name: str, dtype: Any) -> DType:
    """`dtype` again, or what Python's number types stand for. Raises: TypeError for others."""
    if not isinstance(dtype, DType):
        if isinstance(dtype, type) and dtype in PYTHON_TYPES:
            return PYTHON_TYPES[dtype]
        kind = type(dtype).__name__
        raise TypeError(f"{name}(): argument 'dtype' must be thrace.dtype, not {kind}")
    return dtype


def same_value(x: Tensor) -> Tensor:
    """A tensor of its own storage with the elements and the history of `x`.

    Without history it shares the value; else a node separates the two for autograd.
    """
    value = x._value()
    if value.edge is None and value.source is None:
        return Tensor._wrap(value, x._storage.device, dense_strides(x))
    return prims.apply(_CONVERT, (x,), (x._type.dtype,))


def in_place_of(old: Tensor, new: Tensor) -> Tensor:
    """`new`, which does not depend on `old` smoothly but has its history: its gradient is zero."""
    if not STATE.grad_enabled or not old.requires_grad:
        return new
    ndim = old._type.ndim
    return prims.update_slice(old, new, starts=(0,) * ndim, strides=(1,) * ndim)


def require(x: Tensor, test: Callable[[Any], Any], message: str) -> None:
    """Raises: RuntimeError unless `test`, of an array or a tensor, holds for all elements: now
    if the values are known, else when results are observed."""
    known = x._host_if_ready()
    if known is not None:
        if not np.all(test(known)):
            raise user_error(RuntimeError(message))
        return
    ok = test(x.detach())
    prims.check(prims.all(ok, axes=tuple(range(ok._type.ndim))), message=message)


def relayout(x: Tensor, strides: tuple[int, ...] | None) -> Tensor:
    """The fresh tensor `x`, with strides as if it had been laid out so."""
    x._storage.strides = x._strides = strides
    return x


def seen(x: Tensor) -> Tensor:
    """The fresh tensor `x` as a view of another. PyTorch composes some functions of others and ends
    with a view, which `detach_` refuses and whose hooks a write to it leaves behind.
    """
    shape, strides = x._type.shape, x.stride()
    made = relayout(prims.reshape(x, shape=(*shape, 1)), x._strides and (*x._strides, 1))
    view = views.restride(made, shape, strides, "")
    if made.requires_grad:
        view._value()  # recorded in the function's scope, of which it is a part
    return view


def laid_like(x: Tensor, *operands: Any) -> Tensor:
    """The fresh tensor `x`, laid out as an elementwise result of `operands` is."""
    return relayout(x, prims.result_strides(x._type.shape, operands))


def dense_strides(x: Tensor) -> tuple[int, ...] | None:
    """Strides of a dense copy of `x` that keeps the order of its axes in memory."""
    return None if x._strides is None else prims.copy_strides(x._type.shape, (x,))
