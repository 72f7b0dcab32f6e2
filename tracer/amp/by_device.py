"""PyTorch's older names, which carry the kind of device. Public as `cpu.amp` and `cuda.amp`."""

from __future__ import annotations

import functools
import warnings
from typing import Any

from ...ir.types import DType, bfloat16, float16
from .autocast import autocast, custom_bwd, custom_fwd
from .grad_scaler import GradScaler


def _warn(name: str, instead: str) -> None:
    warnings.warn(
        f"`thrace.{name}(args...)` is deprecated. Please use `thrace.amp.{instead}` instead.",
        FutureWarning,
        stacklevel=3,
    )


class CPUAutocast(autocast):
    """`autocast("cpu", ...)` by its older name."""

    def __init__(
        self, enabled: bool = True, dtype: DType = bfloat16, cache_enabled: bool = True
    ) -> None:
        _warn("cpu.amp.autocast", "autocast('cpu', args...)")
        super().__init__("cpu", dtype, enabled, cache_enabled)


class CUDAAutocast(autocast):
    """`autocast("cuda", ...)` by its older name."""

    def __init__(
        self, enabled: bool = True, dtype: DType = float16, cache_enabled: bool = True
    ) -> None:
        _warn("cuda.amp.autocast", "autocast('cuda', args...)")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class CPUGradScaler(GradScaler):
    """`GradScaler("cpu", ...)` by its older name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _warn("cpu.amp.GradScaler", "GradScaler('cpu', args...)")
        super().__init__("cpu", *args, **kwargs)


class CUDAGradScaler(GradScaler):
    """`GradScaler("cuda", ...)` by its older name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _warn("cuda.amp.GradScaler", "GradScaler('cuda', args...)")
        super().__init__("cuda", *args, **kwargs)


cuda_custom_fwd = functools.partial(custom_fwd, device_type="cuda")
cuda_custom_bwd = functools.partial(custom_bwd, device_type="cuda")
