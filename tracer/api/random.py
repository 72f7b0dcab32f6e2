"""Random tensors and random fills. Re-exported by `thrace`; the fills are methods.

The numbers are those of `tracer.random`: the same in compiled and uncompiled runs.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from ...ir.errors import ShapeError, UnsupportedDTypeError
from ...ir.types import DType, Shape, float32, int64
from .. import prims
from .. import random as source
from ..devices import as_device
from ..promotion import INT_RANGE, check_tensor
from ..scoping import scoped
from ..state import default_dtype
from ..tensor import Tensor
from .common import as_dtype, as_int, as_sizes, check_sizes, in_place_of, located, require
from .filled import check_out_dtype, like_layout

Generator = source.Generator


def _drawn(
    name: str,
    size: tuple,
    draw: Any,
    generator: Generator | None,
    dtype: DType | None,
    device: Any,
    requires_grad: bool,
    ignored: dict[str, Any],
) -> Tensor:
    from .filled import sizes_of

    sizes = located(check_sizes)(name, as_sizes(name, sizes_of(name, size, ignored)))
    made = _floats(name, sizes, draw, generator, dtype or default_dtype(), device)
    return made.requires_grad_() if requires_grad else made


@located
def _floats(
    name: str, sizes: Shape, draw: Any, generator: Generator | None, dtype: DType, device: Any
) -> Tensor:
    if as_dtype(name, dtype).kind not in ("float", "complex"):
        raise UnsupportedDTypeError(f"{name}: not implemented for {dtype}")
    return _scoped_draw[name](_numbers, draw, sizes, dtype, generator, as_device(device))


def _numbers(draw: Any, shape: Shape, dtype: DType, generator: Any, device: Any) -> Tensor:
    """Numbers of a floating dtype, or complex ones of two: normal ones have variance 1 then."""
    if not dtype.is_complex:
        return draw(shape, dtype, generator, device)
    parts = [draw(shape, dtype.to_real(), generator, device) for _ in range(2)]
    if draw is source.normal:
        parts = [prims.mul(x, math.sqrt(0.5)) for x in parts]
    return prims.complex(*parts)


def _under(name: str) -> Any:
    return scoped(name=name)(lambda draw, *args: draw(*args))


_scoped_draw = {
    name: _under(name) for name in ("rand", "randn", "rand_like", "randn_like", "uniform_")
}


def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **ignored: Any,
) -> Tensor:
    """Numbers from the uniform distribution on [0, 1)."""
    dtype = _dtype_of("rand", dtype, out)
    made = _drawn("rand", size, source.uniform, generator, dtype, device, requires_grad, ignored)
    return made if out is None else given("rand", made, out)


def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **ignored: Any,
) -> Tensor:
    """Numbers from the standard normal distribution."""
    dtype = _dtype_of("randn", dtype, out)
    made = _drawn("randn", size, source.normal, generator, dtype, device, requires_grad, ignored)
    return made if out is None else given("randn", made, out)


def _dtype_of(name: str, dtype: DType | None, out: Any) -> DType | None:
    """The dtype to draw numbers in: that asked for, or that of a tensor they are drawn for.

    Raises: RuntimeError if those are two.
    """
    if not isinstance(out, Tensor):
        return dtype
    check_out_dtype(name, dtype, out)
    return out._type.dtype


def given(name: str, made: Tensor, out: Tensor, *operands: Any) -> Tensor:
    from .common import give

    return give(name, made, out, operands)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """`rand` in the shape of `input`, with its dtype and device."""
    return _random_like(
        *("rand_like", input, source.uniform, generator, dtype, device, requires_grad),
        memory_format,
    )


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """`randn` in the shape of `input`, with its dtype and device."""
    return _random_like(
        *("randn_like", input, source.normal, generator, dtype, device, requires_grad),
        memory_format,
    )


def _random_like(
    name: str,
    x: Tensor,
    draw: Any,
    generator: Any,
    dtype: Any,
    device: Any,
    requires_grad: bool,
    memory_format: Any,
) -> Tensor:
    check_tensor(name, x)
    place = x.device if device is None else device
    made = _floats(name, x._type.shape, draw, generator, dtype or x._type.dtype, place)
    made = like_layout(name, made, x, memory_format)
    return made.requires_grad_() if requires_grad else made


def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Whole numbers from `low` (0 if one bound is given) to below `high`, equally likely."""
    if size is None:
        low, high, size = 0, low, high
    low, high = as_int("randint", low, "low"), as_int("randint", high, "high")
    sizes = located(check_sizes)("randint", as_sizes("randint", (size,)))
    dtype = _dtype_of("randint", dtype, out) or int64
    made = integers(sizes, low, high, dtype, generator, device)
    if out is not None:
        return given("randint", made, out)
    return made.requires_grad_() if requires_grad else made


def _wide_bits(shape: Shape, generator: Generator | None, device: Any) -> Tensor:
    """62 random bits as int64."""
    word = prims.convert(source.bits(shape, generator, device), int64)
    upper = prims.convert(source.bits(shape, generator, device), int64)
    return prims.bit_or(word, prims.shift_left(prims.bit_and(upper, (1 << 30) - 1), 32))


@scoped(name="randint")
def integers(
    shape: Shape, low: int, high: int, dtype: DType, generator: Generator | None, device: Any
) -> Tensor:
    """Whole numbers in [low, high). A range beyond 32 bits takes two words per number."""
    if low >= high:
        raise ShapeError(
            f"randint: random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    span = high - low
    if span > 1 << 63:
        raise ShapeError(f"randint: the range from {low} to {high} is too large")
    # Numbers below the span are equally likely but for a bias of span / 2**62.
    word = _wide_bits(shape, generator, as_device(device))
    return prims.convert(prims.add(prims.rem(word, span), low), dtype)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """`randint` in the shape of `input`, with its dtype and device."""
    check_tensor("randint_like", input)
    if high is None:
        low, high = 0, low
    place = input.device if device is None else device
    made = integers(input._type.shape, low, high, dtype or input._type.dtype, generator, place)
    made = like_layout("randint_like", made, input, memory_format)
    return made.requires_grad_() if requires_grad else made


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers with a mean and a standard deviation, numbers or tensors of them."""
    dtype = _dtype_of("normal", dtype, out)
    if size is None:
        shape = _common_shape(mean, std)
        example = mean if isinstance(mean, Tensor) else std
        dtype = example._type.dtype if dtype is None else dtype
        device = example.device if device is None else device
    else:
        shape = as_sizes("normal", (size,))
    if not isinstance(std, Tensor) and std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if isinstance(std, Tensor):
        require(std, lambda s: s >= 0, "normal expects all elements of std >= 0.0")
    made = _normals(shape, mean, std, dtype or default_dtype(), generator, device)
    if out is not None:
        return given("normal", made, out, mean, std)
    return made.requires_grad_() if requires_grad else made


def _common_shape(mean: Any, std: Any) -> Shape:
    from ...ir.promotion import broadcast_shapes

    shapes = [t._type.shape for t in (mean, std) if isinstance(t, Tensor)]
    if not shapes:
        raise TypeError("normal(): a size is needed where neither mean nor std is a tensor")
    return broadcast_shapes("normal", shapes[0], shapes[-1])


@scoped(name="normal")
def _normals(
    shape: Shape, mean: Any, std: Any, dtype: DType, generator: Generator | None, device: Any
) -> Tensor:
    x = source.normal(shape, dtype, generator, as_device(device))
    scaled = prims.mul(x, prims.convert(std, dtype) if isinstance(std, Tensor) else float(std))
    return prims.add(
        scaled, prims.convert(mean, dtype) if isinstance(mean, Tensor) else float(mean)
    )


def bernoulli(
    input: Tensor,
    p: float | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """1 with the probability that each element (or `p`) says, else 0. The gradient is zero."""
    made = _bernoulli(input, p, generator)
    if out is None:
        return made
    return given("bernoulli", prims.convert(made, out._type.dtype), out, input)  # of any dtype


@scoped(name="bernoulli")
def _bernoulli(input: Tensor, p: float | None, generator: Generator | None) -> Tensor:
    check_tensor("bernoulli", input)
    if p is None and input._type.dtype.kind != "float":
        raise UnsupportedDTypeError(f"bernoulli: not implemented for {input._type.dtype}")
    if p is not None and not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli expects p to be in [0, 1], but got p={p}")
    if p is None:
        message = "bernoulli: Expected p_in >= 0 && p_in <= 1 to be true, but got false."
        require(input, lambda p: (p >= 0) & (p <= 1), message)
    wide = float32 if input._type.dtype.kind != "float" else input._type.dtype
    draw = source.uniform(input._type.shape, wide, generator, input.device)
    hit = prims.lt(draw, input.detach() if p is None else float(p))
    return in_place_of(input, prims.convert(hit, input._type.dtype))


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The numbers from 0 to below `n` in random order."""
    n = as_int("randperm", n, "n")
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    dtype = _dtype_of("randperm", dtype, out) or int64
    made = _shuffled(n, generator, as_device(device))
    made = prims.convert(made, as_dtype("randperm", dtype))
    if out is not None:
        return given("randperm", made, out)
    return made.requires_grad_() if requires_grad else made


@scoped(name="randperm")
def _shuffled(n: int, generator: Generator | None, device: Any) -> Tensor:
    """The order of `n` random keys, wide enough that hardly any two are equal."""
    return ascending(_wide_bits((n,), generator, device))


def ascending(x: Tensor) -> Tensor:
    """The positions of the elements of each row from the least to the largest."""
    return x.argsort(dim=-1, stable=True)  # pyright: ignore[reportAttributeAccessIssue]


# Fills in place


def fill_dtype(name: str, self: Tensor, *kinds: str) -> DType:
    if self._type.dtype.kind not in (kinds or ("float",)):
        raise UnsupportedDTypeError(f"{name}: not implemented for {self._type.dtype}")
    return self._type.dtype


@scoped
def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers from the uniform distribution on [from_, to)."""
    dtype = fill_dtype("uniform_", self, "float", "complex")
    if from_ > to:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}"
        )
    x = _numbers(source.uniform, self._type.shape, dtype, generator, self.device)
    low = complex(from_, from_) if dtype.is_complex else float(from_)
    return self._write(prims.add(prims.mul(x, float(to - from_)), low))


@scoped
def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers."""
    dtype = fill_dtype("normal_", self, "float", "complex")
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    x = _numbers(source.normal, self._type.shape, dtype, generator, self.device)
    return self._write(prims.add(prims.mul(x, float(std)), float(mean)))


@scoped
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with 1 with probability `p` (a number, or a tensor that broadcasts), else 0."""
    if isinstance(p, Tensor):
        p = prims.convert(p, float32)
    elif not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    draw = source.uniform(self._type.shape, float32, generator, self.device)
    return self._write(prims.convert(prims.lt(draw, p), self._type.dtype))


@scoped
def random_(
    self: Tensor,
    from_: int | None = None,
    to: int | None = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with whole numbers from `from_` to below `to`, or all that the dtype holds exactly.

    Raises: RuntimeError for a complex dtype, an empty range, or one beyond the dtype's.
    """
    dtype = fill_dtype("random_", self, "bool", "uint", "int", "float")
    if to is None:
        from_, to = 0, from_
    else:
        for what, bound in (("from", from_), ("to - 1", to - 1)):
            _check_bound(what, bound, dtype)
    if to is None:
        if dtype.kind == "float":
            to = 1 << {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}[dtype.name]
        else:
            to = 2 if dtype.kind == "bool" else INT_RANGE[dtype][1]
    return self._write(integers(self._type.shape, from_ or 0, to, dtype, generator, self.device))


def _check_bound(what: str, bound: Any, dtype: DType) -> None:
    low, high = INT_RANGE.get(dtype, (0, 1))
    if dtype.kind == "float":
        high = float(np.finfo(dtype.np).max) if dtype.name != "bfloat16" else 3.38e38
        low = -high
    if bound is not None and not low <= bound <= high:
        raise ShapeError(f"random_: {what} is out of bounds for {dtype}")


# State of the default generators


def initial_seed() -> int:
    """The seed that the CPU's default generator started from."""
    return source.generator_of().initial_seed()


def seed() -> int:
    """Seed every default generator from the operating system; returns the seed."""
    drawn = int.from_bytes(os.urandom(7), "little")
    source.manual_seed(drawn)
    return drawn


def get_rng_state() -> Tensor:
    """A copy of the state of the CPU's default generator."""
    return source.generator_of().get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Give the CPU's default generator a state that `get_rng_state` gave."""
    source.generator_of().set_state(new_state)


METHODS = {
    "bernoulli": bernoulli,
    "uniform_": uniform_,
    "normal_": normal_,
    "bernoulli_": bernoulli_,
    "random_": random_,
}
FUNCTIONS = {
    f.__name__: f
    for f in (
        *(rand, randn, rand_like, randn_like, randint, randint_like, normal, bernoulli),
        *(randperm, initial_seed, seed, get_rng_state, set_rng_state),
    )
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
