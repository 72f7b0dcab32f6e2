"""`thrace.backends`: what programs for PyTorch ask and set. XLA is the only backend here."""

from types import SimpleNamespace
from typing import Any


class _Absent(SimpleNamespace):
    """A backend that is not there: flags may be set and change nothing."""

    @staticmethod
    def is_available() -> bool:
        return False

    is_built = is_available


cudnn: Any = _Absent(enabled=False, benchmark=False, deterministic=False, allow_tf32=False)
cuda: Any = _Absent(matmul=SimpleNamespace(allow_tf32=False))
mps: Any = _Absent()
mkldnn: Any = _Absent(enabled=False)

__all__ = ["cuda", "cudnn", "mkldnn", "mps"]
