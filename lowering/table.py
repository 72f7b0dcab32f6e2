"""All lowering rules by op name; read by `lowering.lower` and the tests.

A rule is called with the node and one array per operand, literals already arrays of the
dtype the IR gives them, and returns the result (a tuple of them for `op.multiple`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    rules_bessel,
    rules_complex,
    rules_control,
    rules_decompositions,
    rules_elementwise,
    rules_fft,
    rules_indexing,
    rules_ldl,
    rules_linalg,
    rules_loops,
    rules_random,
    rules_reduce,
    rules_shape,
    rules_sort,
    rules_special,
)

TABLES: tuple[dict[str, Callable[..., Any]], ...] = (
    rules_elementwise.RULES,
    rules_complex.RULES,
    rules_reduce.RULES,
    rules_shape.RULES,
    rules_indexing.RULES,
    rules_linalg.RULES,
    rules_decompositions.RULES,
    rules_ldl.RULES,
    rules_fft.RULES,
    rules_sort.RULES,
    rules_special.RULES,
    rules_bessel.RULES,
    rules_random.RULES,
    rules_control.RULES,
    rules_loops.RULES,
)
RULES: dict[str, Callable[..., Any]] = {n: rule for rows in TABLES for n, rule in rows.items()}
if len(RULES) != sum(map(len, TABLES)):
    raise ValueError("an op has two lowering rules")
