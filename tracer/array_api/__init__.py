"""The Python array API standard, 2024.12, over tensors: what `__array_namespace__` gives.

Names, arguments and dtypes are the standard's; the work is that of PyTorch's functions. Files
in reading order: common, elementwise, creation, arrange, reductions, linalg, fft.
"""

import math

from . import arrange, creation, elementwise, linalg, reductions
from . import fft as fft
from .creation import DTYPES, Info

__array_api_version__ = "2024.12"

_TABLES = (elementwise, creation, arrange, reductions, linalg)
FUNCTIONS = {name: fn for table in _TABLES for name, fn in table.FUNCTIONS.items()}
CONSTANTS = {"e": math.e, "inf": math.inf, "nan": math.nan, "newaxis": None, "pi": math.pi}


def __array_namespace_info__() -> Info:
    """What this implementation has: capabilities, devices and dtypes."""
    return Info()


globals().update(FUNCTIONS, **CONSTANTS, **DTYPES)
__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    *("__array_api_version__", "__array_namespace_info__", "fft", "linalg"),
    *sorted([*FUNCTIONS, *CONSTANTS, *DTYPES]),
]
