"""What XLA is told beside the program it compiles.

A convolution on CPU is better left to XLA's own routine. By default (jaxlib 0.10) XLA hands it
to YNNPACK, which shares one out over cores only along its channels and the width of its images:
with fewer than 128 channels it runs on one core. The gradient by a kernel of one pixel
takes it ten times as long. Measured with `benchmarks/compare.py cnn`.
"""

from __future__ import annotations

import os
from typing import Any

from ..ir.graph import Graph
from ..ir.nested import nested_graphs
from . import determinism
from .device import Device

_LIBRARY = "xla_cpu_experimental_ynn_fusion_type"
# XLA's default without INDIVIDUAL_CONVOLUTION: an option of a program takes no "-NAME".
_WITHOUT_CONVOLUTIONS = "LIBRARY_FUSION_TYPE_REDUCE,LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"


Options = dict[str, str | bool]


def of(graph: Graph, device: Device) -> Options:
    """What XLA is told of the graph on `device`."""
    options: Options = {**(determinism.compiler_options(device) or {})}
    if device.type == "cpu" and _has_convolution(graph) and not _is_set_by_user():
        options[_LIBRARY] = _WITHOUT_CONVOLUTIONS
    return options


def compiled(lowered: Any, options: Options) -> Any:
    """What XLA makes of a lowered graph under `options`."""
    try:
        return lowered.compile(options or None)
    except Exception as error:
        if _LIBRARY not in options or _LIBRARY not in str(error):
            raise
        # An XLA that has no such option has no such library.
        rest = {name: value for name, value in options.items() if name != _LIBRARY}
        return lowered.compile(rest or None)


def _has_convolution(graph: Graph) -> bool:
    inner = (node for g in nested_graphs(graph) for node in g.nodes)
    return any(node.op.name == "convolution" for node in inner)


def _is_set_by_user() -> bool:
    return _LIBRARY in os.environ.get("XLA_FLAGS", "")
