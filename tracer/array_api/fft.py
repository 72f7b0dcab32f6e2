"""The standard's Fourier transforms: `xp.fft`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.types import DType
from ..tensor import Tensor
from .common import check_array, named


def theirs(name: str) -> Callable[..., Any]:
    from ..api import fft

    return fft.FFT[name]


def _one(name: str) -> Callable[..., Any]:
    def function(
        x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
    ) -> Tensor:
        check_array(name, x)
        return theirs(name)(x, n=n, dim=axis, norm=norm)

    return named(function, name, f"`{name}` along one axis.")


def _many(name: str) -> Callable[..., Any]:
    def function(
        x: Tensor,
        /,
        *,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: str = "backward",
    ) -> Tensor:
        check_array(name, x)
        return theirs(name)(x, s=s, dim=axes, norm=norm)

    return named(function, name, f"`{name}` along several axes.")


def _frequencies(name: str) -> Callable[..., Any]:
    def function(
        n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Any = None
    ) -> Tensor:
        return theirs(name)(n, d=d, dtype=dtype, device=device)

    return named(function, name, f"The frequencies of a transform, as `{name}` has them.")


def _shift(name: str) -> Callable[..., Any]:
    def function(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
        check_array(name, x)
        return theirs(name)(x, dim=axes)

    return named(function, name, f"`{name}`: zero frequency to the middle, or back.")


FFT: dict[str, Callable[..., Any]] = {
    **{n: _one(n) for n in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{n: _many(n) for n in ("fftn", "ifftn", "rfftn", "irfftn")},
    **{n: _frequencies(n) for n in ("fftfreq", "rfftfreq")},
    **{n: _shift(n) for n in ("fftshift", "ifftshift")},
}
globals().update(FFT)
__all__ = list(FFT)  # pyright: ignore[reportUnsupportedDunderAll]
