"""Views as copies (`select_copy`), and copies with a view written (`select_scatter`).

Rows only: each is a view of `shape.py` or `strided.py`, read or written. Bound by `methods.py`.
"""

from __future__ import annotations

import functools
from typing import Any

from ...ir.errors import ShapeError
from .. import prims
from .. import views as links
from ..promotion import check_tensor
from ..scoping import scoped_as
from ..tensor import Tensor
from . import complexes, parts, shape, strided
from .common import IndexRangeError, dense_strides, in_place_of, relayout, same_value, with_out


def _alias(input: Tensor) -> Tensor:
    return input


def _detach(input: Tensor) -> Tensor:
    return links.detach(input)


def _expand(input: Tensor, size: Any, *, implicit: bool = False) -> Tensor:
    return shape.expand(input, size)


def _narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    if input._type.ndim and dim >= input._type.ndim:
        raise IndexRangeError(f"narrow_copy: dim {dim} of a {input._type.ndim}-d tensor")
    return shape.narrow(input, dim, start, length)


def _view(input: Tensor, size: Any = None, *, dtype: Any = None) -> Tensor:
    return shape.view(input, dtype) if size is None else shape.view(input, size)


def _copying(name: str, view: Any) -> Any:
    """`view` as a function whose results own their elements, laid out in row order."""

    def copy(*args: Any, **kwargs: Any) -> Any:
        check_tensor(name, args[0] if args else kwargs.get("input"))
        seen = view(*args, **kwargs)
        if isinstance(seen, Tensor):
            return relayout(_own(seen), None)
        return tuple(relayout(_own(part), None) for part in seen)

    _named(copy, name, view, f"`{name.removesuffix('_copy')}` into new storage, in row order.")
    return with_out(scoped_as(copy, name, ""))


def _own(x: Tensor) -> Tensor:
    copy = same_value(x)
    return copy if copy is not x else Tensor._wrap(x._value(), x.device)


def _scattering(name: str, view: Any) -> Any:
    """A copy of the input in which what `view` shows is the second argument."""

    def scatter(input: Tensor, src: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_tensor(name, input)
        check_tensor(name, src, "src", 2)
        # Its own storage with the same value: the write below replaces that.
        copy = Tensor._wrap(input._value(), input.device, dense_strides(input))
        seen = view(copy, *args, **kwargs)
        if seen._type.shape != src._type.shape:
            raise ShapeError(
                f"{name}: expected src to have a size equal to the slice of self. src size = "
                f"{list(src._type.shape)}, slice size = {list(seen._type.shape)}"
            )
        new = prims.convert(src, input._type.dtype)
        if seen._type.numel == input._type.numel:  # all of it, perhaps: its gradient is zero then
            new = in_place_of(seen, new)
        seen._write_value(new._value())
        return copy

    _named(
        scatter,
        name,
        view,
        f"A copy of `input` in which its `{name.removesuffix('_scatter')}` is `src`.",
    )
    return with_out(scoped_as(scatter, name, ""))


def _named(fn: Any, name: str, view: Any, doc: str) -> None:
    functools.update_wrapper(fn, view, assigned=("__annotations__",), updated=())
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc
    del fn.__wrapped__


alias_copy = _copying("alias_copy", _alias)
as_strided_copy = _copying("as_strided_copy", strided.as_strided)
detach_copy = _copying("detach_copy", _detach)
diagonal_copy = _copying("diagonal_copy", shape.diagonal)
expand_copy = _copying("expand_copy", _expand)
narrow_copy = _copying("narrow_copy", _narrow)
permute_copy = _copying("permute_copy", shape.permute)
select_copy = _copying("select_copy", shape.select)
slice_copy = _copying("slice_copy", parts.slice)
split_copy = _copying("split_copy", shape.split)
split_with_sizes_copy = _copying("split_with_sizes_copy", parts.split_with_sizes)
squeeze_copy = _copying("squeeze_copy", shape.squeeze)
t_copy = _copying("t_copy", shape.t)
transpose_copy = _copying("transpose_copy", shape.transpose)
unbind_copy = _copying("unbind_copy", shape.unbind)
unfold_copy = _copying("unfold_copy", strided.unfold)
unsqueeze_copy = _copying("unsqueeze_copy", shape.unsqueeze)
view_copy = _copying("view_copy", _view)
view_as_complex_copy = _copying("view_as_complex_copy", complexes.view_as_complex)
view_as_real_copy = _copying("view_as_real_copy", complexes.view_as_real)

as_strided_scatter = _scattering("as_strided_scatter", strided.as_strided)
diagonal_scatter = _scattering("diagonal_scatter", shape.diagonal)
select_scatter = _scattering("select_scatter", shape.select)
slice_scatter = _scattering("slice_scatter", parts.slice)

FUNCTIONS = {
    f.__name__: f
    for f in (
        *(alias_copy, as_strided_copy, detach_copy, diagonal_copy, expand_copy, narrow_copy),
        *(permute_copy, select_copy, slice_copy, split_copy, split_with_sizes_copy),
        *(squeeze_copy, t_copy, transpose_copy, unbind_copy, unfold_copy, unsqueeze_copy),
        *(view_copy, view_as_complex_copy, view_as_real_copy, as_strided_scatter),
        *(diagonal_scatter, select_scatter, slice_scatter),
    )
}
METHODS = {
    f.__name__: f
    for f in (as_strided_scatter, diagonal_scatter, select_scatter, slice_scatter, narrow_copy)
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
