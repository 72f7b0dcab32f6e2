"""Samples of Fourier transforms; see `samples.py`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sampling import Arg, Sample, Shape, sample


def transforms(kind: str, lengths: Shape, batch: Shape = ()) -> Iterator[Sample]:
    dtypes = ("float64", "float32") if kind == "rfft" else ("complex128", "complex64")
    sizes = (*lengths[:-1], lengths[-1] // 2 + 1) if kind == "irfft" else lengths
    axes = tuple(range(-len(lengths), 0))

    def oracle(x: np.ndarray) -> np.ndarray:
        return getattr(np.fft, f"{kind}n")(x, lengths, axes)

    yield sample("fft", Arg((*batch, *sizes)), oracle=oracle, dtypes=dtypes, kind=kind,
                 lengths=lengths)  # fmt: skip


FFT: tuple[Sample, ...] = tuple(
    s
    for kind in ("fft", "ifft", "rfft", "irfft")
    for lengths, batch in (((4,), (2,)), ((5,), ()), ((2, 4), ()), ((3, 2, 3), (2,)), ((1,), (0,)))
    for s in transforms(kind, lengths, batch)
)
