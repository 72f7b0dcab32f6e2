"""Which node made the first value that is nan, infinite or too large, and from what.

A `Watch` runs graphs node by node and marks what is not finite with the node it came from.
A value that is masked away later, as rules and users do with `where`, is no anomaly: only
what reaches a result is. Infinities that the program was given (masks) are none either.
Imported by the tracer's `anomaly` and by tools.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import AnomalyError
from .graph import Graph, Node, Value
from .printer import literal_text, value_names
from .source import Location, resolve
from .stepwise import Step, Stepwise
from .types import TensorType, dtype_from_numpy


class Statistics(NamedTuple):
    """What an array holds: counts of nan and inf, and least, greatest and mean of the rest."""

    name: str
    type: str
    nan: int
    inf: int
    least: float
    greatest: float
    mean: float
    made_by: str = ""

    def __str__(self) -> str:
        text = f"{self.name}: {self.type}" if self.type else self.name
        if self.type:
            if self.least == self.least:
                text += f"  {self.least:.6g} to {self.greatest:.6g}, mean {self.mean:.6g}"
            else:
                text += "  nothing finite"
            text += "".join(f", {n} {w}" for n, w in ((self.nan, "nan"), (self.inf, "inf")) if n)
        return f"{text}  {self.made_by}" if self.made_by else text


class Anomaly(NamedTuple):
    """The first value of a kind, and where it came from.

    `kind` is "nan", "inf" or "above"; `made` is False for a nan that came in by an input.
    `location` is the user's line, `cause` that of the forward operation which a backward node
    differentiates, `inside` the branches and loop steps around the node, outermost first.
    `element` is the first bad element's index, and what the operands held there.
    """

    kind: str
    op: str
    phase: str
    scope: str
    location: Location | None
    cause: Location | None
    count: int
    size: int
    operands: tuple[Statistics, ...]
    result: Statistics
    element: str
    inside: tuple[str, ...]
    node: Node
    made: bool = True
    order: int = 0
    bound: float | None = None

    def __str__(self) -> str:
        what = f"value above {self.bound:g}" if self.kind == "above" else self.kind
        if self.made:
            head = f"{self.op} made the first {what}"
        else:
            head = f"the first {what} came in by an input and shows in {self.op}"
        lines = [f"{head}: {self.count} of {self.size} elements ({self.phase})"]
        lines += [f"  {self.location}"] if self.location else []
        lines += [f"  differentiates {self.cause}"] if self.cause else []
        lines += [f"  in {step}" for step in self.inside]
        lines += [f"  under {self.scope}"] if self.scope else []
        lines += [f"  operand {s}" for s in self.operands]
        lines += [f"  result {self.result}"]
        lines += [f"  {self.element}"] if self.element else []
        return "\n".join(lines)


_ORDER = itertools.count()


class Watch(Stepwise):
    """`nan`, `inf` and `above` say what is an anomaly, `phases` in which nodes.

    `describe` may add a first line to the error's message.
    """

    def __init__(
        self,
        *,
        nan: bool = True,
        inf: bool = True,
        above: float | None = None,
        phases: Sequence[str] = (),
        describe: Callable[[Anomaly], str] | None = None,
    ):
        self.nan, self.inf, self.above = nan, inf, above
        self.phases = tuple(phases)
        self.describe = describe

    def refuse(self, marks: Sequence[Any]) -> None:
        """Raises: AnomalyError for the earliest anomaly among the marks of results."""
        found = [m for m in marks if m is not None]
        if found:
            self.fail(min(found, key=lambda a: a.order))

    def fail(self, anomaly: Anomaly) -> None:
        head = f"{self.describe(anomaly)}\n" if self.describe is not None else ""
        raise AnomalyError(f"{head}{anomaly}", anomaly)

    def saw(
        self,
        graph: Graph,
        node: Node,
        args: Sequence[Any],
        marks: Sequence[Any],
        results: Sequence[Any],
        inside: tuple[Step, ...],
    ) -> Sequence[Any]:
        return [self._mark(graph, node, args, marks, i, r, inside) for i, r in enumerate(results)]

    def _mark(
        self,
        graph: Graph,
        node: Node,
        args: Sequence[Any],
        marks: Sequence[Any],
        index: int,
        result: np.ndarray,
        inside: tuple[Step, ...],
    ) -> Anomaly | None:
        if not _is_inexact(result):
            return None
        finite = np.isfinite(result)
        bound = self.above
        if bound is not None and self._watched(node) and any(_is_value(o) for o in node.operands):
            large = _above(result, bound)
            if large.any():
                made = not any(_above(a, bound).any() for a in args if isinstance(a, np.ndarray))
                found = _anomaly(
                    *("above", graph, node, args, index, result, large, inside),
                    made=made,
                    bound=bound,
                )
                self.fail(found)
        if finite.all():
            return None
        before = [m for m in marks if m is not None]
        if before:
            return min(before, key=lambda a: a.order)
        if not self._watched(node) or not node.operands:
            return None
        is_nan = np.isnan(result)
        if self.nan and is_nan.any():
            # One that stands in the program as a number came in by nobody.
            given = [a for a, o in zip(args, node.operands, strict=True) if _is_value(o)]
            made = not any(np.isnan(a).any() for a in given if _is_inexact(a))
            return _anomaly("nan", graph, node, args, index, result, is_nan, inside, made=made)
        is_inf = ~finite & ~is_nan
        given = not all(np.isfinite(a).all() for a in args if _is_inexact(a))
        if not self.inf or given or not is_inf.any():
            return None
        return _anomaly("inf", graph, node, args, index, result, is_inf, inside)

    def _watched(self, node: Node) -> bool:
        return not self.phases or node.phase in self.phases


def _is_inexact(a: Any) -> bool:
    # bfloat16 is a kind of its own to NumPy.
    return isinstance(a, float | complex) or (
        isinstance(a, np.ndarray | np.generic) and a.dtype.kind in "fcV"
    )


def _is_value(o: Any) -> bool:
    return isinstance(o, Value)


def _above(array: np.ndarray, bound: float) -> np.ndarray:
    """Which finite elements are larger; infinities are an anomaly of their own."""
    return np.isfinite(array) & (np.abs(_wide(array)) > bound)


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _anomaly(
    kind: str,
    graph: Graph,
    node: Node,
    args: Sequence[Any],
    index: int,
    result: np.ndarray,
    bad: np.ndarray,
    inside: tuple[Step, ...],
    *,
    made: bool = True,
    bound: float | None = None,
) -> Anomaly:
    names = value_names(graph)
    operands = tuple(
        statistics(names[o], a, _maker(o)) if isinstance(o, Value) else _number(o)
        for o, a in zip(node.operands, args, strict=True)
    )
    return Anomaly(
        kind,
        node.op.name,
        node.phase,
        "" if node.scope is None else node.scope.path,
        resolve(node.loc),
        resolve(node.cause),
        int(bad.sum()),
        bad.size,
        operands,
        statistics(names[node.outputs[index]], result),
        _element(node, args, bad),
        tuple(_told(s) for s in inside),
        node,
        made,
        next(_ORDER),
        bound,
    )


def statistics(name: str, array: Any, made_by: str = "") -> Statistics:
    """Counts of nan and inf, and least, greatest and mean of the other elements."""
    array = np.asarray(array)
    type_text = str(TensorType(array.shape, dtype_from_numpy(array.dtype)))
    if array.dtype.kind in "iub":
        wide = array.astype(np.float64)
    else:
        wide = np.abs(_wide(array)) if array.dtype.kind == "c" else _wide(array)
    found = wide[np.isfinite(wide)]
    with np.errstate(all="ignore"):
        ends = (found.min(), found.max(), found.mean()) if found.size else (np.nan,) * 3
    counts = int(np.isnan(wide).sum()), int(np.isinf(wide).sum())
    least, greatest, mean = map(float, ends)
    return Statistics(name, type_text, *counts, least, greatest, mean, made_by)


def _number(value: Any) -> Statistics:
    return Statistics(literal_text(value), "", 0, 0, 0.0, 0.0, 0.0)


def _maker(value: Value) -> str:
    if value.node is None:
        return "from an input"
    place, cause = resolve(value.node.loc), resolve(value.node.cause)
    where = f" for {cause}" if cause else f" at {place}" if place else ""
    return f"from {value.node.op.name}{where}"


def _element(node: Node, args: Sequence[Any], bad: np.ndarray) -> str:
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    if not node.op.elementwise:
        return f"first at {list(at)}" if at else ""
    held = [
        literal_text(a) if not isinstance(a, np.ndarray) else str(np.broadcast_to(a, bad.shape)[at])
        for a in args
    ]
    return f"first at {list(at)}, where it is {node.op.name}({', '.join(held)})"


def _told(step: Step) -> str:
    number = "" if step.number is None else f" {step.number}"
    place = resolve(step.node.loc)
    where = f" at {place}" if place else ""
    return f"{step.role}{number} of {step.node.op.name}{where}"
