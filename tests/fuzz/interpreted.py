"""Compiled graphs run by the NumPy rules: recording, guards, replay and donation as they are,
without the 40 to 80 ms that XLA takes for an executable.

`interpreted()` is a context in which the runtime makes such executables. Their arrays are
consumed when they are donated, as XLA's are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np

from thrace.ir.graph import Graph, Value
from thrace.ir.interpret import apply
from thrace.lowering import check_messages
from thrace.runtime import buffer, checks, executable
from thrace.runtime.outbox import Outbox


class HostArray:
    """Stands for an array on a device."""

    __slots__ = ("_array",)

    def __init__(self, array: np.ndarray):
        array.setflags(write=False)
        self._array: np.ndarray | None = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._array is None:
            raise RuntimeError("Array has been deleted.")
        return self._array if dtype is None else self._array.astype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.asarray(self).shape

    @property
    def dtype(self) -> np.dtype:
        return np.asarray(self).dtype

    def is_deleted(self) -> bool:
        return self._array is None

    def delete(self) -> None:
        self._array = None


class Interpreted:
    """An executable in all but speed, and its own program."""

    memory_bytes = 0
    check_parts = ()  # it adds its checks itself

    def __init__(self, graph: Graph, device: Any, donate: tuple[int, ...]):
        self.graph, self.device, self.donate = graph, device, donate
        self.check_messages = list(check_messages(graph))
        self.calls = 0
        self.box = self.quickest = None
        if donate:
            self.box = Outbox()
            self.box.quick = True
            self.box.latest = slice(-len(graph.outputs), None)

    @property
    def program(self) -> Interpreted:
        return self

    def into(self, args: Sequence[Any], out: list[Any]) -> None:
        out += self(args)

    def __call__(self, args: Sequence[Any]) -> list[HostArray]:
        self.calls += 1
        return self._compute(args)

    def run(self, *args: Any) -> list[HostArray]:
        results = self._compute(args)
        if self.box is not None:
            self.box += results
        return results

    def explained(self, error: RuntimeError) -> RuntimeError:
        return error

    def put_checks_by(self, out: list[Any]) -> None:
        """They are with the others already."""

    def _compute(self, args: Sequence[Any]) -> list[HostArray]:
        arrays = [np.asarray(a) for a in args]
        for i in self.donate:
            if isinstance(args[i], HostArray):
                args[i].delete()
        env: dict[Any, np.ndarray] = dict(zip(self.graph.inputs, arrays, strict=True))
        failed = None
        for node in self.graph.nodes:
            results = apply(node, [env[o] if isinstance(o, Value) else o for o in node.operands])
            if node.op.name == "check" and not results[0] and failed is None:
                failed = (node.attr("message"), node.loc)
            env.update(zip(node.outputs, results, strict=True))
        if failed is not None:
            checks.add(np.asarray(1), [failed])
        return [HostArray(np.array(env[v], order="C")) for v in self.graph.outputs]


def _compile(graph: Graph, device: Any = None, donate: Sequence[int] = ()) -> Interpreted:
    return Interpreted(graph, device, executable.usable(graph, donate))


def _to_jax(array: np.ndarray, device: Any = None, *, copy: bool = True) -> HostArray:
    return HostArray(np.array(array, order="C"))


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """Make interpreted executables while the context lasts."""
    with (
        mock.patch.object(executable, "compile_graph", _compile),
        mock.patch.object(buffer, "to_jax", _to_jax),
    ):
        yield
