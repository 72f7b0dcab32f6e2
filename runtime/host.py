"""The first tier: running a graph with NumPy, and guessing what that and compiling cost.

The guesses decide which of the two is quicker, so they only need the right order of
magnitude, but they must be the same at every run. Used by `tracer`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.graph import Graph, Node, Value
from ..ir.interpret import interpret
from ..ir.nested import held_graphs, nested_graphs
from . import counters, room
from .device import CPU

NODE_S = 3e-6
BYTES_PER_S = 4e9
# Per element of the result, for ops whose work is not in moving bytes.
ELEMENT_S = {
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "logistic"), 5e-9),
    **dict.fromkeys(("pow", "rem", "int_div"), 1e-8),
    "erf": 1.5e-7,  # math.erf, one by one
    "rng_bits": 2e-8,
    "index_add": 1e-8,
}
DOT_FLOPS_PER_S = 1e10
CONVOLUTION_FLOPS_PER_S = 2e9
# NumPy has no routines of its own for half precision and integer products.
SLOW_PRODUCT = 20

# A guess at how many steps a `while_loop` makes.
WHILE_STEPS = 20

COMPILE_S = 0.05
COMPILE_NODE_S = 0.0006
RNG_COMPILE_S = 0.05  # a hundred operations, unrolled in every loop that reads the bits


def estimate_cost_s(graph: Graph) -> float:
    """About how long `run_host` takes."""
    cost: dict[int, float] = {}
    for g in nested_graphs(graph):  # a graph comes after those it holds
        cost[id(g)] = sum(
            _node_cost_s(n) + _runs(n) * sum(cost[id(h)] for h in held_graphs(n)) for n in g.nodes
        )
    return cost[id(graph)]


def least_bytes(graph: Graph) -> int:
    """What `run_host` allocates at least: the results, or what a single node makes."""
    single = max((sum(v.type.size_bytes for v in n.outputs) for n in graph.nodes), default=0)
    return max(single, sum(t.size_bytes for t in graph.output_types))


def fits(size_bytes: int) -> bool:
    """Whether that can be allocated, as far as anybody can tell."""
    if size_bytes <= room.CHECKED_BYTES:
        return True
    free = room.available_bytes(CPU)
    return free is None or size_bytes <= free


def _runs(node: Node) -> int:
    """How often a node runs the graphs that it holds, about."""
    if node.op.name == "scan":
        return node.attr("length")
    return WHILE_STEPS if node.op.name == "while_loop" else 1


def compile_cost_s(graph: Graph) -> float:
    """About how long tracing, lowering and compiling takes."""
    nodes = [n for g in nested_graphs(graph) for n in g.nodes]
    draws = sum(n.op.name == "rng_bits" for n in nodes)
    return COMPILE_S + COMPILE_NODE_S * len(nodes) + RNG_COMPILE_S * draws


def _node_cost_s(node: Node) -> float:
    name = node.op.name
    moved = sum(v.type.size_bytes for v in node.outputs)
    moved += sum(o.type.size_bytes for o in node.operands if isinstance(o, Value))
    elements = sum(v.type.numel for v in node.outputs)
    seconds = NODE_S + moved / BYTES_PER_S + elements * ELEMENT_S.get(name, 0.0)
    if name in ("dot_general", "convolution"):
        speed = DOT_FLOPS_PER_S if name == "dot_general" else CONVOLUTION_FLOPS_PER_S
        dtype = node.outputs[0].type.dtype
        slow = 1 if dtype.itemsize >= 4 and dtype.kind in ("float", "complex") else SLOW_PRODUCT
        seconds += slow * product_flops(node) / speed
    return seconds


def product_flops(node: Node) -> int:
    """Multiplications and additions of a `dot_general` or `convolution` node."""
    shapes = [o.type.shape for o in node.operands if isinstance(o, Value)]
    if node.op.name == "dot_general":
        inner = math.prod(shapes[0][a] for a in node.attr("contract")[0])
    else:
        inner = math.prod(shapes[1][1:])
    return 2 * inner * node.outputs[0].type.numel


def run_host(graph: Graph, arrays: Sequence[Any]) -> list[np.ndarray]:
    """The graph's outputs, by NumPy.

    Raises: IndexError at once if a check fails, with its message and the user's line.
    """
    counters.numpy_runs += 1
    return interpret(graph, arrays)
