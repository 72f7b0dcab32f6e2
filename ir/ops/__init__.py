"""The closed set of primitive ops. `get(name)` is the only way to look one up."""

from .bessel import BESSEL
from .complex import COMPLEX_PARTS
from .control import CONTROL
from .decompositions import DECOMPOSITIONS
from .elementwise import ELEMENTWISE
from .fft import FFT
from .indexing import INDEXING
from .ldl import LDL
from .linalg import LINALG
from .loops import LOOPS
from .random import RANDOM
from .reduce import REDUCE
from .shape import SHAPE
from .sort import SORT
from .special import SPECIAL
from .table import ZERO, Op

TABLES = (
    SPECIAL,
    BESSEL,
    ELEMENTWISE,
    COMPLEX_PARTS,
    REDUCE,
    SHAPE,
    INDEXING,
    LINALG,
    DECOMPOSITIONS,
    LDL,
    FFT,
    SORT,
    RANDOM,
    CONTROL,
    LOOPS,
)
OPS: dict[str, Op] = {name: row for rows in TABLES for name, row in rows.items()}
if len(OPS) != sum(map(len, TABLES)):
    raise ValueError("an op has rows in two tables")


def get(name: str) -> Op:
    """The op of this name. Raises: KeyError."""
    return OPS[name]


__all__ = ["OPS", "ZERO", "Op", "get"]
