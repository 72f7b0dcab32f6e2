"""`thrace.fft`: discrete Fourier transforms."""

from thrace.tracer.api.fft import FFT

globals().update(FFT)
__all__ = list(FFT)  # pyright: ignore[reportUnsupportedDunderAll]
