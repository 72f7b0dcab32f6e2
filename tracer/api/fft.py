"""`thrace.fft`: discrete Fourier transforms, and the short-time ones. Bound by `methods.py`.

One primitive transforms the last axes; the functions here resize, move axes to the end and
scale. `n` and `s` cut the input or fill it up with zeros.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from ...ir.errors import DTypeError, ShapeError
from ...ir.ops.fft import MAX_AXES
from ...ir.types import DType
from .. import prims
from ..amp.autocast import autocasts_if_listed
from ..promotion import check_tensor
from ..scoping import scoped
from ..state import default_dtype
from ..tensor import Tensor
from .common import Dims, as_int, normalize_dim, with_out
from .join import roll
from .ranges import arange

Sizes = Sequence[int] | None
_SWAPPED = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}
_HALF = ("float16", "bfloat16")


def _scale(name: str, norm: str | None, points: int, inverse: bool) -> float:
    """What a transform by the primitive is multiplied with; inverse ones divide already."""
    if norm is not None and norm not in _SWAPPED:
        raise RuntimeError(f'{name}: Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return math.sqrt(points) if inverse else 1 / math.sqrt(points)
    if norm == "forward":
        return float(points) if inverse else 1 / points
    return 1.0


def _as_complex(name: str, x: Tensor) -> Tensor:
    check_tensor(name, x)
    dtype = x._type.dtype
    if dtype.name in _HALF:
        raise DTypeError(f"{name}: Unsupported dtype {dtype}")
    if dtype.kind == "complex":
        return x
    if dtype.kind != "float":
        dtype = default_dtype()
        x = prims.convert(x, dtype)
    return prims.convert(x, dtype.to_complex())


def _as_real(name: str, x: Tensor) -> Tensor:
    check_tensor(name, x)
    dtype = x._type.dtype
    if dtype.kind == "complex":
        raise DTypeError(f"{name} expects a real input tensor, but got {dtype}")
    if dtype.name in _HALF:
        raise DTypeError(f"{name}: Unsupported dtype {dtype}")
    return x if dtype.kind == "float" else prims.convert(x, default_dtype())


def _resized(x: Tensor, sizes: dict[int, int]) -> Tensor:
    """`x` with these sizes of dims: cut off or filled up with zeros at the end."""
    ndim, shape = x._type.ndim, x._type.shape
    change = [sizes.get(d, shape[d]) - shape[d] for d in range(ndim)]
    if not any(change):
        return x
    none = (0,) * ndim
    return prims.pad(x, 0, low=none, high=tuple(change), interior=none)


def _check_points(name: str, points: Sequence[int]) -> None:
    for n in points:
        if n < 1:
            raise ShapeError(f"{name}: Invalid number of data points ({n}) specified")


def _dims(name: str, x: Tensor, s: Sizes, dim: Dims) -> tuple[list[int], list[int | None]]:
    """The dims to transform, in the user's order, and the sizes asked for.

    Raises: AxisError, RuntimeError (ShapeError) as PyTorch for what does not go together.
    """
    ndim = x._type.ndim
    if isinstance(s, int):
        s = (s,)
    if isinstance(dim, int):
        dim = (dim,)
    if dim is not None:
        dims = [normalize_dim(name, d, ndim) for d in dim]
        if len(set(dims)) < len(dims):
            raise ShapeError(f"{name}: FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise ShapeError(
                f"{name}: When given, dim and shape arguments must have the same length"
            )
    elif s is not None:
        if len(s) > ndim:
            raise ShapeError(
                f"{name}: Got shape with {len(s)} values but input tensor only has {ndim} "
                "dimensions."
            )
        dims = list(range(ndim - len(s), ndim))
    else:
        dims = list(range(ndim))
    sizes: list[int | None] = [None] * len(dims) if s is None else []
    for n in s or ():
        n = as_int(name, n, "s")
        sizes.append(None if n == -1 else n)
    return dims, sizes


def _along(x: Tensor, kind: str, dims: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """The primitive along dims that are not at the end."""
    ndim = x._type.ndim
    others = [d for d in range(ndim) if d not in dims]
    order = (*others, *dims)
    straight = order == tuple(range(ndim))
    moved = x if straight else prims.transpose(x, perm=order)
    out = prims.fft(moved, kind=kind, lengths=tuple(lengths))
    if straight:
        return out
    back = tuple(sorted(range(ndim), key=lambda i: order[i]))
    return prims.transpose(out, perm=back)


def _transform(x: Tensor, kind: str, dims: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """A transform along any number of dims, the last of which is the halved one."""
    dims, lengths = list(dims), list(lengths)
    plain = "ifft" if kind in ("ifft", "irfft") else "fft"
    first: list[tuple[str, list[int], list[int]]] = []
    rest = dims[:-MAX_AXES], lengths[:-MAX_AXES]
    while rest[0]:
        first.append((plain, rest[0][-MAX_AXES:], rest[1][-MAX_AXES:]))
        rest = rest[0][:-MAX_AXES], rest[1][:-MAX_AXES]
    last = (kind, dims[-MAX_AXES:], lengths[-MAX_AXES:])
    # The halved axis is made first and undone last.
    steps = [last, *first] if kind in ("fft", "ifft", "rfft") else [*first, last]
    for step in steps:
        x = _along(x, *step)
    return x


def _c2c(name: str, x: Tensor, s: Sizes, dim: Dims, norm: str | None, inverse: bool) -> Tensor:
    x = _as_complex(name, x)
    dims, sizes = _dims(name, x, s, dim)
    shape = x._type.shape
    lengths = [shape[d] if n is None else n for d, n in zip(dims, sizes, strict=True)]
    _check_points(name, lengths)
    scale = _scale(name, norm, math.prod(lengths), inverse)
    if not dims:
        return x
    x = _resized(x, dict(zip(dims, lengths, strict=True)))
    out = _transform(x, "ifft" if inverse else "fft", dims, lengths)
    return out if scale == 1 else prims.mul(out, scale)


def _r2c(name: str, x: Tensor, s: Sizes, dim: Dims, norm: str | None) -> Tensor:
    x = _as_real(name, x)
    dims, sizes = _dims(name, x, s, dim)
    if not dims:
        raise ShapeError(f"{name} must transform at least one axis")
    shape = x._type.shape
    lengths = [shape[d] if n is None else n for d, n in zip(dims, sizes, strict=True)]
    _check_points(name, lengths)
    scale = _scale(name, norm, math.prod(lengths), inverse=False)
    x = _resized(x, dict(zip(dims, lengths, strict=True)))
    out = _transform(x, "rfft", dims, lengths)
    return out if scale == 1 else prims.mul(out, scale)


def _c2r(name: str, x: Tensor, s: Sizes, dim: Dims, norm: str | None) -> Tensor:
    x = _as_complex(name, x)
    dims, sizes = _dims(name, x, s, dim)
    if not dims:
        raise ShapeError(f"{name} must transform at least one axis")
    shape = x._type.shape
    lengths = [shape[d] if n is None else n for d, n in zip(dims, sizes, strict=True)]
    if sizes[-1] is None:
        lengths[-1] = 2 * (shape[dims[-1]] - 1)
    _check_points(name, lengths)
    scale = _scale(name, norm, math.prod(lengths), inverse=True)
    halved = [*lengths[:-1], lengths[-1] // 2 + 1]
    x = _resized(x, dict(zip(dims, halved, strict=True)))
    out = _transform(x, "irfft", dims, lengths)
    return out if scale == 1 else prims.mul(out, scale)


def _conj(x: Tensor) -> Tensor:
    return prims.conj(x) if x._type.dtype.kind == "complex" else x


# Each kind of transform, as a function of (name, input, sizes, dims, norm).

Transform = Callable[[str, Tensor, Any, Any, Any], Tensor]


def _fft(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    return _c2c(name, x, s, dim, norm, inverse=False)


def _ifft(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    return _c2c(name, x, s, dim, norm, inverse=True)


def _hfft(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    """Of a signal that is Hermitian: a forward transform with real results."""
    _scale(name, norm, 1, inverse=False)
    return _c2r(name, _conj(_as_complex(name, x)), s, dim, _SWAPPED[norm])


def _ihfft(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    _scale(name, norm, 1, inverse=False)
    return _conj(_r2c(name, x, s, dim, _SWAPPED[norm]))


def _grad_fn(name: str) -> str:
    """PyTorch's name for the gradient, which says what goes to what."""
    if name[4:].startswith(("irfft", "hfft")):
        return "FftC2RBackward0"
    return "FftR2CBackward0" if name[4:].startswith(("rfft", "ihfft")) else "FftC2CBackward0"


def _scoped(name: str) -> Callable[..., Any]:
    """`scoped`; a transform of real numbers has another gradient than one of complex ones."""

    def wrap(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        usual = scoped(name=name, grad_fn=_grad_fn(name))(fn)
        if _grad_fn(name) != "FftC2CBackward0":
            return usual
        of_real = scoped(name=f"{name}.real", grad_fn="FftR2CBackward0")(fn)

        @functools.wraps(fn)
        def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            is_real = isinstance(input, Tensor) and not input._type.dtype.is_complex
            return (of_real if is_real else usual)(input, *args, **kwargs)

        return function

    return wrap


def _line(name: str, transform: Transform, doc: str) -> Callable[..., Tensor]:
    """The transform along one dim."""

    @with_out
    @_scoped(name)
    def function(
        input: Tensor,
        n: int | None = None,
        dim: int = -1,
        norm: str | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        check_tensor(name, input)
        size = None if n is None else as_int(name, n, "n")
        if size is not None:
            _check_points(name, (size,))
        return transform(name, input, None if size is None else (size,), (dim,), norm)

    return _named(function, name, f"{doc} along one dim, of `n` points.")


def _plane(name: str, transform: Transform, doc: str) -> Callable[..., Tensor]:
    """The transform along two dims, the last two unless others are given."""

    @with_out
    @_scoped(name)
    def function(
        input: Tensor,
        s: Sizes = None,
        dim: Dims = (-2, -1),
        norm: str | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        return transform(name, input, s, dim, norm)

    return _named(function, name, f"{doc} along two dims, of `s` points.")


def _space(name: str, transform: Transform, doc: str) -> Callable[..., Tensor]:
    """The transform along several dims: by default as many as `s` has, or all."""

    @with_out
    @_scoped(name)
    def function(
        input: Tensor,
        s: Sizes = None,
        dim: Dims = None,
        norm: str | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        return transform(name, input, s, dim, norm)

    return _named(function, name, f"{doc} along several dims, of `s` points.")


def _named(function: Callable[..., Tensor], name: str, doc: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name.removeprefix("fft_")
    function.__doc__ = (
        f'{doc}\n\n    `norm`: "backward" divides inverse transforms by the number of points, '
        '"forward"\n    the others, "ortho" both by its root. Raises: RuntimeError for a size '
        "below 1, an\n    unknown norm or repeated dims, IndexError for a dim out of range."
    )
    return autocasts_if_listed(function)


_KINDS: tuple[tuple[str, Transform, str], ...] = (
    ("fft", _fft, "Discrete Fourier transform"),
    ("ifft", _ifft, "Inverse of `fft`"),
    ("rfft", lambda *a: _r2c(*a), "The half of the transform of real numbers that tells all"),
    ("irfft", lambda *a: _c2r(*a), "Inverse of `rfft`: real numbers from half a spectrum"),
    ("hfft", _hfft, "Real transform of half a Hermitian signal"),
    ("ihfft", _ihfft, "Inverse of `hfft`"),
)


def fftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **ignored: Any,
) -> Tensor:
    """The frequency of each of the `n` bins of `fft`, for samples `d` apart: shape (n,)."""
    return _frequencies("fftfreq", n, d, (n + 1) // 2, out, dtype, device, requires_grad)


def rfftfreq(
    n: int,
    d: float = 1.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **ignored: Any,
) -> Tensor:
    """The frequency of each of the `n // 2 + 1` bins of `rfft`, for samples `d` apart."""
    return _frequencies("rfftfreq", n, d, None, out, dtype, device, requires_grad)


def _frequencies(
    name: str,
    n: int,
    d: float,
    positive: int | None,
    out: Tensor | None,
    dtype: DType | None,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    """Bins counted from 0; those from `positive` on are negative. None: half of them."""
    n = as_int(name, n, "n")
    step = 1 / (n * d) if n else 0.0
    dtype = default_dtype() if dtype is None else dtype
    bins = arange(n if positive is not None else n // 2 + 1, dtype=dtype, device=device)
    if positive is not None:
        bins = prims.select(prims.lt(bins, float(positive)), bins, prims.sub(bins, float(n)))
    made = prims.mul(bins, step)
    if out is not None:
        return out.copy_(made)  # type: ignore[attr-defined]
    return made.requires_grad_() if requires_grad else made


def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """`input` with the bin of frequency zero moved to the middle of each of `dim`."""
    return _shifted("fft_fftshift", input, dim, 0)


def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """Undoes `fftshift`."""
    return _shifted("fft_ifftshift", input, dim, 1)


def _shifted(name: str, x: Tensor, dim: Dims, more: int) -> Tensor:
    check_tensor(name, x)
    if dim is None:
        dims = list(range(x._type.ndim))
    else:
        given = (dim,) if isinstance(dim, int) else dim
        dims = [normalize_dim(name, d, x._type.ndim) for d in given]
    shape = x._type.shape
    return roll(x, tuple((shape[d] + more) // 2 for d in dims), tuple(dims))


FFT: dict[str, Callable[..., Tensor]] = {}
for _name, _transform_of, _doc in _KINDS:
    FFT[_name] = _line(f"fft_{_name}", _transform_of, _doc)
    FFT[f"{_name}2"] = _plane(f"fft_{_name}2", _transform_of, _doc)
    FFT[f"{_name}n"] = _space(f"fft_{_name}n", _transform_of, _doc)
FFT |= {f.__name__: f for f in (fftfreq, rfftfreq, fftshift, ifftshift)}
METHODS: dict[str, Callable[..., Any]] = {}
FUNCTIONS: dict[str, Callable[..., Any]] = {}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
