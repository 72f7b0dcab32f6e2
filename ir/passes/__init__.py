"""Passes: functions from graph to graph, one a file. `optimize` runs them all.

A pass never changes its argument, keeps inputs, names and `requires_grad` flags, and returns
the argument itself where there is nothing to do. Results are equal to the last bit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from .. import log
from ..collector import without_collector
from ..graph import Graph
from ..nested import changed_graphs
from ..verifier import verify
from .convolutions import rewrite_convolutions
from .cse import eliminate_common_subexpressions
from .dce import eliminate_dead_code
from .fold import fold_constants
from .layout import channels_last
from .products import pad_products
from .simplify import simplify

Pass = Callable[[Graph], Graph]
Saw = Callable[[Pass, Graph, Graph, float], None]

PASSES: tuple[Pass, ...] = (
    simplify,
    fold_constants,
    eliminate_common_subexpressions,
    eliminate_dead_code,
)
ROUNDS = 3  # what one pass leaves for another is found in the second round, seldom later


def optimize(graph: Graph, saw: Saw | None = None) -> Graph:
    """`graph` after all passes, the graphs its nodes hold included.

    `saw(pass, before, after, seconds)` is called after each; by default it logs them where
    THRACE_LOG asks for passes.
    """
    if saw is None and log.enabled("passes"):
        saw = _logged
    return changed_graphs(graph, lambda g: _until_settled(g, saw))


def _until_settled(graph: Graph, saw: Saw | None) -> Graph:
    for _ in range(ROUNDS):
        before = graph
        for run in PASSES:
            if saw is None:
                graph = checked(run, graph)
            else:
                old, started = graph, time.perf_counter()
                graph = checked(run, graph)
                saw(run, old, graph, time.perf_counter() - started)
        if graph is before:
            break
    return graph


def _logged(run: Pass, before: Graph, after: Graph, seconds: float) -> None:
    from .watch import PassStep

    step = PassStep(run.__name__, before, after, seconds)
    log.write("passes", f"{before.name}: {step}")
    if after is not before:
        log.write("passes", step.diff.text())


@without_collector
def checked(run: Pass, graph: Graph) -> Graph:
    """The pass's result, verified under THRACE_VERIFY=1."""
    result = run(graph)
    if result is not graph and os.environ.get("THRACE_VERIFY") == "1":
        verify(result)
    return result


__all__ = [
    "PASSES",
    "Pass",
    "Saw",
    "channels_last",
    "checked",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
    "fold_constants",
    "optimize",
    "pad_products",
    "rewrite_convolutions",
    "simplify",
]
