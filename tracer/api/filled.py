"""Tensors of one value, or to be written, by sizes and layout. Re-exported by `thrace`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.types import DType
from .. import prims, strided
from ..devices import as_device
from ..formats import Layout, format_strides, preserve_format
from ..promotion import Number, as_operand, check_tensor, common_dtype
from ..recording import user_error
from ..state import default_dtype
from ..tensor import Tensor
from .common import as_dtype, as_sizes, check_sizes, dense_strides, give, located, relayout
from .convert import number_for


def _filled(
    name: str, shape: Any, value: Any, dtype: DType | None, device: Any, requires_grad: bool
) -> Tensor:
    sizes = located(check_sizes)(name, as_sizes(name, shape))
    dtype = default_dtype() if dtype is None else as_dtype(name, dtype)
    made = prims.full(value, shape=sizes, dtype=dtype, device=device)
    return made.requires_grad_() if requires_grad else made


def _constant(name: str, value: int, doc: str) -> Callable[..., Tensor]:
    """`zeros` and its kin, which take sizes as `f(2, 3)`, `f((2, 3))` or `f(size=(2, 3))`."""

    def make(
        *size: Any,
        out: Tensor | None = None,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
        memory_format: Any = None,
        **named: Any,
    ) -> Tensor:
        size = sizes_of(name, size, named)
        check_layout(name, layout)
        if memory_format is not None and name != "empty":
            raise TypeError(f"{name}() got an unexpected keyword argument 'memory_format'")
        if out is not None:
            check_out_dtype(name, dtype, out)
            made = _filled(name, size, value, out._type.dtype, out.device, False)
            return give(name, made, out)
        made = _filled(name, size, value, dtype, device, False)
        if memory_format is not None:
            relayout(made, format_strides(name, made._type.shape, memory_format))
        return made.requires_grad_() if requires_grad else made

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{doc}, in a shape given as `{name}(2, 3)` or `{name}((2, 3))`."
    return make


zeros = _constant("zeros", 0, "Zeros")
ones = _constant("ones", 1, "Ones")
empty = _constant("empty", 0, "A tensor whose elements are to be written and zero until then")


def sizes_of(name: str, size: tuple, keywords: dict[str, Any]) -> tuple:
    """The sizes, which may come by keyword. Raises: TypeError for an unknown keyword."""
    keywords = dict(keywords)
    if "size" in keywords:
        size = (keywords.pop("size"),)
    for key in keywords:
        if key not in _IGNORED:
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
    return size


_IGNORED = ("layout", "pin_memory", "memory_format")  # of no meaning to random numbers


def check_layout(name: str, layout: Any) -> None:
    """Raises: TypeError for what is no layout."""
    if layout is not None and not isinstance(layout, Layout):
        kind = type(layout).__name__
        raise TypeError(f"{name}(): argument 'layout' must be thrace.layout, not {kind}")


def check_out_dtype(name: str, dtype: DType | None, out: Tensor) -> None:
    """Raises: RuntimeError if `dtype` is given and is not that of `out`."""
    if dtype is not None and dtype is not out._type.dtype:
        raise user_error(
            DTypeError(
                f"{name}: dtype {dtype} does not match dtype of out parameter ({out._type.dtype})"
            )
        )


def full(
    size: Any,
    fill_value: Number | Tensor,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor filled with one value, whose dtype it has unless told otherwise."""
    if not isinstance(size, (tuple, list)):
        kind = type(size).__name__
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {kind}")
    value = as_operand("full", fill_value, "fill_value")
    if out is not None:
        check_out_dtype("full", dtype, out)
        dtype = out._type.dtype
    if dtype is None:
        dtype = common_dtype(value)
    if isinstance(value, Tensor):
        sizes = located(check_sizes)("full", as_sizes("full", (size,)))
        made = prims.broadcast(prims.convert(value, as_dtype("full", dtype)), shape=sizes)
    else:
        value = number_for("full", value, as_dtype("full", dtype))
        made = _filled("full", (size,), value, dtype, device, False)
    if out is not None:
        return give("full", made, out)
    return made.requires_grad_() if requires_grad else made


def _like(
    name: str,
    x: Tensor,
    value: Any,
    dtype: DType | None,
    device: Any,
    requires_grad: bool,
    memory_format: Any = None,
) -> Tensor:
    """A tensor filled with `value`, like `x` in shape, strides, and dtype and device if None."""
    check_tensor(name, x)
    place = x.device if device is None else as_device(device)
    dtype = x._type.dtype if dtype is None else as_dtype(name, dtype)
    value = number_for(name, value, dtype)
    made = prims.full(value, shape=x._type.shape, dtype=dtype, device=place)
    made = like_layout(name, made, x, memory_format)
    return made.requires_grad_() if requires_grad else made


def like_layout(name: str, made: Tensor, x: Tensor, memory_format: Any) -> Tensor:
    """The fresh tensor `made`, laid out as `x` is or as a memory format says."""
    if memory_format is None or memory_format is preserve_format:
        return relayout(made, dense_strides(x))
    return relayout(made, format_strides(name, x._type.shape, memory_format))


def _constant_like(name: str, value: int, what: str) -> Callable[..., Tensor]:
    def make(
        input: Tensor,
        *,
        dtype: DType | None = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        pin_memory: bool = False,
    ) -> Tensor:
        check_layout(name, layout)
        return _like(name, input, value, dtype, device, requires_grad, memory_format)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{what} in the shape of `input`, with its dtype, device and order of dims."
    return make


zeros_like = _constant_like("zeros_like", 0, "Zeros")
ones_like = _constant_like("ones_like", 1, "Ones")
empty_like = _constant_like("empty_like", 0, "A tensor to be written")


def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor filled with one value, in the shape of `input`, with its dtype and device."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    return _like("full_like", input, fill_value, dtype, device, requires_grad, memory_format)


# Strides of one's own


@located
def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor to be written, with given strides.

    Raises: RuntimeError if sizes and strides differ in number or are negative.
    """
    shape = as_sizes("empty_strided", (size,))
    strides = as_sizes("empty_strided", (stride,), "stride")
    if len(shape) != len(strides):
        raise ShapeError(
            f"empty_strided: dimensionality of sizes ({len(shape)}) must match dimensionality of "
            f"strides ({len(strides)})"
        )
    check_sizes("empty_strided", shape)
    if any(s < 0 for s in strides):
        raise ShapeError(f"empty_strided: negative strides are not supported, got {list(strides)}")
    dtype = default_dtype() if dtype is None else as_dtype("empty_strided", dtype)
    if strided.memory_order(shape, strides) is not None and 0 not in shape:
        made = relayout(prims.full(0, shape=shape, dtype=dtype, device=device), strides)
    else:
        memory = prims.full(0, shape=(strided.span(shape, strides),), dtype=dtype, device=device)
        made = strided.as_strided(memory, shape, strides, 0, "")
    return made.requires_grad_() if requires_grad else made


@located
def empty_permuted(
    size: Any,
    physical_layout: Any,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor to be written whose dims lie in memory in the order `physical_layout` says.

    Raises: RuntimeError unless that names every dim once.
    """
    shape = check_sizes("empty_permuted", as_sizes("empty_permuted", (size,)))
    order = as_sizes("empty_permuted", (physical_layout,), "physical_layout")
    if len(order) != len(shape):
        raise ShapeError(
            "empty_permuted: Number of dimensions in size does not match the length of the "
            f"physical_layout; i.e. len(size) = {len(shape)} is not equal to "
            f"len(physical_layout) = {len(order)}"
        )
    strides, step = [0] * len(shape), 1
    for i, axis in enumerate(reversed(order)):
        if not 0 <= axis < len(shape):
            raise ShapeError(
                f"empty_permuted: Dimension out of range (expected to be between 0 and "
                f"{len(shape) - 1}, but got {axis} at index {len(shape) - 1 - i})."
            )
        if strides[axis]:
            raise ShapeError("empty_permuted: Duplicate dim not allowed")
        strides[axis] = step
        step *= max(shape[axis], 1)
    made = _filled("empty_permuted", (shape,), 0, dtype, device, False)
    relayout(made, None if order == tuple(range(len(order))) else tuple(strides))
    return made.requires_grad_() if requires_grad else made


# Methods that make tensors like `self`


def _new(make: Any) -> Any:
    def method(
        self: Tensor, *args: Any, dtype: DType | None = None, device: Any = None, **options: Any
    ) -> Tensor:
        if dtype is None:
            dtype = self._type.dtype
        return make(*args, dtype=dtype, device=device or self.device, **options)

    method.__name__ = method.__qualname__ = f"new_{make.__name__}"
    method.__doc__ = f"`{make.__name__}` with the dtype and device of `self` unless told otherwise."
    return method


METHODS = {f.__name__: f for f in map(_new, (zeros, ones, empty, full, empty_strided))}
FUNCTIONS = {
    f.__name__: f
    for f in (
        *(zeros, ones, empty, full, zeros_like, ones_like, empty_like, full_like),
        *(empty_strided, empty_permuted),
    )
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
