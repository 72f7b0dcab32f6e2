"""Windows for signals: `thrace.signal.windows` and `thrace.hann_window` with its kin.

A window is a constant: its formula is computed here in double precision, so a graph holds one
node with its numbers. With `n` counting elements, N is `M - 1` for a symmetric window and `M`
for a periodic one. Sources: Harris 1978, doi:10.1109/PROC.1978.10837; Nuttall 1981,
doi:10.1109/TASSP.1981.1163506 (the coefficients of `nuttall`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...ir.errors import ShapeError
from ...ir.ops.shape import Constant
from ...ir.types import DType, float32, float64
from .. import prims
from ..formats import strided
from ..recording import user_error
from ..scoping import scoped_as
from ..state import default_dtype
from ..tensor import Tensor
from .common import as_int

Line = Callable[[np.ndarray, float], np.ndarray]


def _cosines(*a: float) -> Line:
    """Cosines of whole multiples of the window, with coefficients of alternating sign."""

    def line(n: np.ndarray, width: float) -> np.ndarray:
        angle = 2 * math.pi * n / width
        return sum(((-1) ** i * c * np.cos(i * angle) for i, c in enumerate(a)), np.zeros(n.shape))

    return line


def _triangle(n: np.ndarray, width: float) -> np.ndarray:
    return 1 - np.abs(2 * n / width - 1)


def _kaiser(beta: float) -> Line:
    def line(n: np.ndarray, width: float) -> np.ndarray:
        inside = np.maximum(1 - (2 * n / width - 1) ** 2, 0)  # rounding may cross the edge
        return np.i0(beta * np.sqrt(inside)) / np.i0(beta)

    return line


def _gaussian(std: float) -> Line:
    return lambda n, width: np.exp(-(((n - width / 2) / std) ** 2) / 2)


def _exponential(center: float | None, tau: float) -> Line:
    return lambda n, width: np.exp(-np.abs(n - (width / 2 if center is None else center)) / tau)


def _made(
    name: str, line: Line, count: int, width: float, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    def make() -> Tensor:
        n = np.arange(count, dtype=np.float64)
        numbers = np.ones(count) if not width else line(n, width)
        return prims.constant(data=Constant(numbers.astype(dtype.np)), device=device)

    made = scoped_as(make, name, "")()
    return made.requires_grad_() if requires_grad else made


def _window(
    name: str,
    line: Line,
    M: Any,
    sym: bool,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
    width: float | None = None,
) -> Tensor:
    """A window of `thrace.signal.windows`. Raises: ValueError for what it does not take."""
    dtype = default_dtype() if dtype is None else dtype
    count = as_int(name, M, "M")
    if count < 0:
        raise user_error(ValueError(f"{name} requires non-negative window length, got M={count}"))
    if layout is not None and layout is not strided:
        raise user_error(
            ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
        )
    if dtype not in (float32, float64):
        raise user_error(ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}"))
    if width is None:
        width = count - 1 if sym or count == 1 else count
    return _made(name, line, count, width, dtype, device, requires_grad)


def _plain(name: str, line: Line, what: str) -> Any:
    def window(
        M: int,
        *,
        sym: bool = True,
        dtype: DType | None = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        return _window(name, line, M, sym, dtype, layout, device, requires_grad)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = (
        f"{what}, of `M` elements; periodic unless `sym`.\n\n"
        "Raises: ValueError for a negative length or a dtype other than float32 and float64."
    )
    return window


bartlett = _plain("bartlett", _triangle, "A triangle that is zero at its ends")
blackman = _plain("blackman", _cosines(0.42, 0.5, 0.08), "A sum of three cosines")
hamming = _plain("hamming", _cosines(0.54, 0.46), "A raised cosine that is 0.08 at its ends")
hann = _plain("hann", _cosines(0.5, 0.5), "A raised cosine that is zero at its ends")
nuttall = _plain(
    "nuttall", _cosines(0.3635819, 0.4891775, 0.1365995, 0.0106411), "A sum of four cosines"
)


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Half a period of a sine, read between its zeros. Raises: ValueError as `hann`."""
    count = as_int("cosine", M, "M")
    width = count if sym or count <= 1 else count + 1
    return _window(
        "cosine",
        lambda n, width: np.sin(math.pi * (n + 0.5) / width),
        *(M, sym, dtype, layout, device, requires_grad, width),
    )


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-|n - center| / tau), by default around the middle.

    Raises: ValueError as `hann`, for `tau` <= 0, or a `center` of a symmetric window.
    """
    if tau <= 0:
        raise user_error(ValueError(f"Tau must be positive, got: {tau} instead."))
    if sym and center is not None:
        raise user_error(ValueError("Center must be None for symmetric windows"))
    line = _exponential(center, tau)
    return _always("exponential", line, M, sym, dtype, layout, device, requires_grad)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A bell curve of standard deviation `std`. Raises: ValueError as `hann`, or `std` <= 0."""
    if std <= 0:
        raise user_error(ValueError(f"Standard deviation must be positive, got: {std} instead."))
    line = _gaussian(std)
    return _always("gaussian", line, M, sym, dtype, layout, device, requires_grad)


def _always(name: str, line: Line, M: Any, sym: bool, *options: Any) -> Tensor:
    """A window whose formula holds for a single element too, whose width is zero."""
    count = as_int(name, M, "M")
    middle = (count - 1 if sym or count <= 1 else count) / 2
    shifted: Line = lambda n, width: line(n, 2 * middle)  # noqa: E731
    dtype, layout, device, requires_grad = options
    width = max(count, 1)
    return _window(name, shifted, M, sym, dtype, layout, device, requires_grad, width)


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Kaiser's window of shape `beta`. Raises: ValueError as `hann`, or for `beta` < 0."""
    if beta < 0:
        raise user_error(ValueError(f"beta must be non-negative, got: {beta} instead."))
    return _window("kaiser", _kaiser(beta), M, sym, dtype, layout, device, requires_grad)


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A sum of cosines with coefficients `a` of alternating sign.

    Raises: ValueError as `hann`, or for no coefficients; TypeError if `a` is no sequence.
    """
    if not isinstance(a, Iterable):
        raise user_error(TypeError("Coefficients must be a list/tuple"))
    coefficients = [float(c) for c in a]
    if not coefficients:
        raise user_error(ValueError("Coefficients cannot be empty"))
    line = _cosines(*coefficients)
    return _window("general_cosine", line, M, sym, dtype, layout, device, requires_grad)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - (1 - alpha) * cos(2 pi n / N). Raises: ValueError as `hann`."""
    line = _cosines(alpha, 1 - alpha)
    return _window("general_hamming", line, M, sym, dtype, layout, device, requires_grad)


# The older functions, periodic by default.


def _older(
    name: str, line: Line, count: Any, periodic: bool, dtype: Any, device: Any, grad: bool
) -> Tensor:
    dtype = default_dtype() if dtype is None else dtype
    count = as_int(name, count, "window_length")
    if dtype.kind not in ("float", "complex"):
        raise user_error(RuntimeError(f"{name} expects floating point dtypes, got: {dtype}"))
    if dtype.is_complex:
        raise user_error(NotImplementedError(f"{name} is not implemented for {dtype}"))
    if count < 0:
        raise user_error(
            ShapeError(f"{name} requires non-negative window_length, got window_length={count}")
        )
    width = count if periodic and count != 1 else count - 1
    return _made(name, line, count, width, dtype, device, grad)


def _periodic(name: str, line: Line) -> Any:
    def window(
        window_length: int,
        periodic: bool = True,
        *,
        dtype: DType | None = None,
        layout: Any = None,
        device: Any = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
    ) -> Tensor:
        return _older(name, line, window_length, periodic, dtype, device, requires_grad)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = (
        f"As `thrace.signal.windows.{name.removesuffix('_window')}`, of any floating dtype.\n\n"
        "Raises: RuntimeError for a negative length or a dtype that is not floating."
    )
    return window


bartlett_window = _periodic("bartlett_window", _triangle)
blackman_window = _periodic("blackman_window", _cosines(0.42, 0.5, 0.08))
hann_window = _periodic("hann_window", _cosines(0.5, 0.5))


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - beta * cos(2 pi n / N). Raises: RuntimeError as `hann_window`."""
    line = _cosines(alpha, beta)
    return _older("hamming_window", line, window_length, periodic, dtype, device, requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Kaiser's window of shape `beta`. Raises: RuntimeError as `hann_window`."""
    line = _kaiser(beta)
    return _older("kaiser_window", line, window_length, periodic, dtype, device, requires_grad)


WINDOWS = {
    f.__name__: f
    for f in (
        *(bartlett, blackman, cosine, exponential, gaussian, general_cosine, general_hamming),
        *(hamming, hann, kaiser, nuttall),
    )
}
METHODS: dict[str, Any] = {}
FUNCTIONS = {
    f.__name__: f
    for f in (bartlett_window, blackman_window, hann_window, hamming_window, kaiser_window)
}
INPLACE: tuple[str, ...] = ()
INPLACE_FUNCTIONS: tuple[str, ...] = ()
