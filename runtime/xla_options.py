"""What XLA is told beside the program it compiles. Measured with `benchmarks/compare.py`.

Two options of its CPU backend (jaxlib 0.10) are not as they are by default:

- Convolutions are left to XLA's own routine. Else it hands them to YNNPACK, which shares one out
  over cores only along its channels and the width of its images: with fewer than 128 channels it
  runs on one core. The gradient by a kernel of one pixel takes it ten times as long.
- Where a program takes arguments' buffers for its results, XLA looks more closely at when a
  buffer is free, as it does on other devices. Else it copies weights whose last reader, a
  product in the backward pass, might come after they are written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..ir.graph import Graph
from ..ir.nested import nested_graphs
from . import determinism
from .device import Device

Options = dict[str, str | bool]

_LIBRARY = "xla_cpu_experimental_ynn_fusion_type"
# XLA's default without INDIVIDUAL_CONVOLUTION: an option of a program takes no "-NAME".
_WITHOUT_CONVOLUTIONS = "LIBRARY_FUSION_TYPE_REDUCE,LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
_CLOSER_LOOK = "xla_cpu_copy_insertion_use_region_analysis"
_FOR_SPEED = (_LIBRARY, _CLOSER_LOOK)


def of(graph: Graph, device: Device, donate: Sequence[int] = ()) -> Options:
    """What XLA is told of the graph, as it is lowered for `device`. What the user tells it in
    XLA_FLAGS stands."""
    options: Options = {**(determinism.compiler_options(device) or {})}
    if device.type == "cpu":
        said = os.environ.get("XLA_FLAGS", "")
        if donate and _CLOSER_LOOK not in said:
            options[_CLOSER_LOOK] = True
        if _LIBRARY not in said and _has_convolution(graph):
            options[_LIBRARY] = _WITHOUT_CONVOLUTIONS
    return options


def compiled(lowered: Any, options: Options) -> Any:
    """What XLA makes of a lowered graph under `options`; those for speed are left out where it
    does not have them."""
    try:
        return lowered.compile(options or None)
    except Exception as error:
        unknown = [name for name in _FOR_SPEED if name in options and name in str(error)]
        if not unknown:
            raise
        return compiled(lowered, {k: v for k, v in options.items() if k not in unknown})


def _has_convolution(graph: Graph) -> bool:
    inner = (node for g in nested_graphs(graph) for node in g.nodes)
    return any(node.op.name == "convolution" for node in inner)
