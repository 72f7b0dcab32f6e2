"""The closed set of primitive ops. `get(name)` is the only way to look one up."""

from .control import CONTROL
from .elementwise import ELEMENTWISE
from .indexing import INDEXING
from .linalg import LINALG
from .random import RANDOM
from .reduce import REDUCE
from .shape import SHAPE
from .table import ZERO, Op

TABLES = (ELEMENTWISE, REDUCE, SHAPE, INDEXING, LINALG, RANDOM, CONTROL)
OPS: dict[str, Op] = {name: row for rows in TABLES for name, row in rows.items()}
if len(OPS) != sum(map(len, TABLES)):
    raise ValueError("an op has rows in two tables")


def get(name: str) -> Op:
    """The op of this name. Raises: KeyError."""
    return OPS[name]


__all__ = ["OPS", "ZERO", "Op", "get"]
