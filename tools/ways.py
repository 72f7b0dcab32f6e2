"""The ways of running one graph, which are each other's check.

`whole`: XLA, compiled as one program (`xla` is another name); `ops`: XLA, an op at a time;
`numpy`: the NumPy rules; `float64`: these in double precision, whatever the graph's floats are;
`cpu`, `cuda`, `cuda:1`: as `whole`, on that device. Used by `bisect` and `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.graph import Graph, Node, Value
from ..ir.interpret import apply_quietly
from ..ir.rebuild import copy_node
from ..ir.stepwise import Stepwise
from ..ir.types import DType, complex128, float64

WAYS = ("whole", "ops", "numpy", "float64")
Arrays = Sequence[np.ndarray]


class Way(NamedTuple):
    """A name, and how it gets a graph's outputs from arrays."""

    name: str
    outputs: Callable[[Graph, Arrays], list[np.ndarray]]

    def values(self, graph: Graph, arrays: Arrays) -> dict[Value, np.ndarray]:
        """Every value of the graph, inputs included."""
        made = [v for node in graph.nodes for v in node.outputs]
        everything = Graph(graph.inputs, graph.nodes, made, name=graph.name)
        found = self.outputs(everything, arrays)
        return dict(zip((*graph.inputs, *made), (*arrays, *found), strict=True))


def find_way(name: str, device: str = "cpu") -> Way:
    """The way of this name. Raises: ValueError for a name of none; DeviceError."""
    if name in ("whole", "xla"):
        return Way(name, lambda graph, arrays: run_whole(graph, arrays, device))
    if name in _STEPWISE:
        evaluator = _STEPWISE[name]
        return Way(name, lambda graph, arrays: evaluator().run(graph, arrays)[0])
    from ..runtime.device import jax_device, normalize

    try:
        device_named = normalize(name)
    except RuntimeError as e:
        known = ", ".join(WAYS)
        raise ValueError(f"{name!r} is no way to run a graph; known: {known}, a device") from e
    jax_device(device_named)
    return Way(name, lambda graph, arrays: run_whole(graph, arrays, name))


def run_whole(graph: Graph, arrays: Arrays, device_name: str = "cpu") -> list[np.ndarray]:
    from ..runtime import checks
    from ..runtime.buffer import to_jax, to_numpy
    from ..runtime.device import normalize
    from ..runtime.executable import compile_graph

    device = normalize(device_name)
    program = compile_graph(graph, device)
    out = [np.asarray(to_numpy(a)) for a in program([to_jax(a, device) for a in arrays])]
    checks.raise_pending()
    return out


class _OpByOp(Stepwise):
    """Each node as an XLA program of its own."""

    def evaluate(self, node: Node, args: Sequence[Any]) -> Sequence[Any]:
        if node.op.effect:
            return apply_quietly(node, args)
        given = [o for o in node.operands if isinstance(o, Value)]
        inputs = {v: Value(v.type) for v in given}
        new = copy_node(node, tuple(inputs.get(o, o) for o in node.operands))  # type: ignore
        graph = Graph(list(inputs.values()), [new], new.outputs, name=node.op.name)
        held = dict(zip(node.operands, args, strict=True))
        return run_whole(graph, [np.asarray(held[v]) for v in inputs])


class _Double(Stepwise):
    """Every float is a double, every complex number two of them; nothing is rounded to less."""

    def evaluate(self, node: Node, args: Sequence[Any]) -> Sequence[Any]:
        if node.op.name == "bitcast":  # speaks of bits, so it must see those of the dtype
            return apply_quietly(
                node, [_as(a, o) for a, o in zip(args, node.operands, strict=True)]
            )
        wide = copy_node(node, tuple(_widened(o) for o in node.operands))
        wide.attrs = tuple(_double(a) if isinstance(a, DType) else a for a in node.attrs)
        for v in wide.outputs:
            v.type = v.type.with_dtype(_double(v.type.dtype))
        return apply_quietly(wide, [_wide_array(a) for a in args])


def _double(dtype: DType) -> DType:
    return {"float": float64, "complex": complex128}.get(dtype.kind, dtype)


def _widened(o: Any) -> Any:
    return Value(o.type.with_dtype(_double(o.type.dtype))) if isinstance(o, Value) else o


def _wide_array(a: Any) -> Any:
    if not isinstance(a, np.ndarray | np.generic) or a.dtype.kind not in "fcV":
        return a
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


def _as(a: Any, o: Any) -> Any:
    return np.asarray(a).astype(o.type.dtype.np) if isinstance(o, Value) else a


_STEPWISE: dict[str, type[Stepwise]] = {"numpy": Stepwise, "ops": _OpByOp, "float64": _Double}
