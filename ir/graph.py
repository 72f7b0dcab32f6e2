"""Values, nodes, scopes and graphs: what every part of the project passes around.

A `Graph` is never changed once made; passes build another one (see `rebuild.py`). The
tracer's recorder uses the same nodes and values while a program runs, and there a value
has more links than its producer: see `Value`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .source import Location, RawLocation
from .types import TensorType

if TYPE_CHECKING:
    from .cost import GraphCost
    from .diff import GraphDiff
    from .ops.table import Op
    from .passes.watch import PassLog

Scalar = bool | int | float | complex


class Value:
    """One SSA result or graph input, with its type.

    Links, each kept apart from the others:
    `node`, `index`: the producer and which of its results this is; None for an input, and
        once the tracer has a buffer for it.
    `edge`: (history node or leaf, result index) that its gradient flows to, or None.
    `source`: for an alias, the value that has the data; an alias differs in `edge` alone.
    `buffer`: its data, once evaluated.
    """

    __slots__ = ("__weakref__", "buffer", "edge", "index", "node", "source", "type")

    def __init__(
        self,
        type: TensorType,
        node: Node | None = None,
        index: int = 0,
        edge: tuple[Any, int] | None = None,
        source: Value | None = None,
        buffer: Any = None,
    ):
        self.type = type
        self.node = node
        self.index = index
        self.edge = edge
        self.source = source
        self.buffer = buffer

    def __repr__(self) -> str:
        made_by = "input" if self.node is None else self.node.op.name
        return f"<Value {self.type} of {made_by}>"


Operand = Value | Scalar


class Scope:
    """One step of the path that a node was recorded under.

    `kind` is "phase" (forward, backward, optimizer), "module" (`name` is the attribute
    path, such as `layers.0.conv`) or "function" (an API function). Each call makes its own
    object, so that two calls of one function stay two groups. `edges` belongs to the tracer's
    history: where the gradients of the call's tensor arguments flow to, None before a call.
    """

    __slots__ = ("_path", "edges", "kind", "name", "parent")

    def __init__(self, name: str, kind: str = "function", parent: Scope | None = None):
        self.name = name
        self.kind = kind
        self.parent = parent
        self.edges: list[tuple[Any, int] | None] | None = None
        self._path: str | None = None

    @property
    def path(self) -> str:
        """Names from the outermost to this scope, joined by `/`; empty for no scope."""
        if self._path is None:
            above = self.parent.path if self.parent is not None else ""
            self._path = f"{above}/{self.name}" if above else self.name
        return self._path

    def chain(self) -> list[Scope]:
        """This scope and those around it, outermost first."""
        out: list[Scope] = []
        scope: Scope | None = self
        while scope is not None:
            out.append(scope)
            scope = scope.parent
        return out[::-1]

    def __repr__(self) -> str:
        return f"<Scope {self.path} ({self.kind})>"


class Node:
    """An op applied to operands (values, or Python scalars as literals).

    `attrs` lines up with `op.attrs`. `loc` is the user's place in the code and `cause`,
    on backward nodes, the place of the forward node it differentiates. `seq` grows with
    the order of recording. `freed`, `spent` and `hooks` belong to the tracer's
    history: of a call, `spent` are the results that were differentiated without retaining.
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "cause",
        "freed",
        "hooks",
        "loc",
        "op",
        "operands",
        "outputs",
        "owner",
        "scope",
        "seq",
        "spent",
    )

    def __init__(
        self,
        op: Op,
        operands: tuple[Operand, ...],
        attrs: tuple = (),
        loc: RawLocation | Location | None = None,
        scope: Scope | None = None,
        cause: RawLocation | Location | None = None,
        seq: int = 0,
        owner: Any = None,
    ):
        self.op = op
        self.operands = operands
        self.attrs = attrs
        self.loc = loc
        self.scope = scope
        self.cause = cause
        self.seq = seq
        self.owner = owner
        self.outputs: tuple[Value, ...] = ()
        self.freed = False
        self.spent: frozenset[int] | None = None
        self.hooks: dict[int, list[Callable]] | None = None

    def attr(self, name: str) -> Any:
        return self.attrs[self.op.attrs.index(name)]

    def attr_dict(self) -> dict[str, Any]:
        return dict(zip(self.op.attrs, self.attrs, strict=True))

    @property
    def phase(self) -> str:
        """forward, backward or optimizer: the innermost phase scope, forward by default."""
        scope = self.scope
        while scope is not None:
            if scope.kind == "phase":
                return scope.name
            scope = scope.parent
        return "forward"

    def __repr__(self) -> str:
        return f"<Node {self.op.name} -> {', '.join(str(v.type) for v in self.outputs)}>"


class Graph:
    """Inputs, nodes in order, outputs. Outputs may be inputs and may repeat.

    `requires_grad` has a flag per input: what `backward()` differentiates by.
    """

    def __init__(
        self,
        inputs: Sequence[Value],
        nodes: Sequence[Node],
        outputs: Sequence[Value],
        *,
        name: str = "main",
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        requires_grad: Sequence[bool] | None = None,
    ):
        self.inputs = tuple(inputs)
        self.nodes = tuple(nodes)
        self.outputs = tuple(outputs)
        self.name = name
        self.input_names = tuple(input_names or (f"arg{i}" for i in range(len(self.inputs))))
        self.output_names = tuple(output_names or (f"out{i}" for i in range(len(self.outputs))))
        self.requires_grad = tuple(requires_grad or (False,) * len(self.inputs))
        if len(self.input_names) != len(self.inputs):
            raise ValueError("one name per input")
        if len(self.output_names) != len(self.outputs):
            raise ValueError("one name per output")
        if len(self.requires_grad) != len(self.inputs):
            raise ValueError("one requires_grad flag per input")

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        """The types of its inputs, in order."""
        return tuple(v.type for v in self.inputs)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """The types of its outputs, in order."""
        return tuple(v.type for v in self.outputs)

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        ins = ", ".join(
            f"{n}: {v.type}" for n, v in zip(self.input_names, self.inputs, strict=True)
        )
        outs = ", ".join(str(v.type) for v in self.outputs)
        return f"<Graph {self.name}({ins}) -> ({outs}), {len(self.nodes)} nodes>"

    # What follows lives in files of its own; imported on use, so that recording a program
    # does not load printers.

    def backward(self, wrt: Sequence[int | str] | None = None) -> Graph:
        """This graph followed by the gradient of its outputs; see `grad.backward_graph`."""
        from .grad import backward_graph

        return backward_graph(self, wrt)

    def optimize(self) -> Graph:
        """The graph after all passes; see `passes.optimize`."""
        from .passes import optimize

        return optimize(self)

    def passes(self) -> PassLog:
        """All passes, one by one, with the graph before and after each; see `passes.watch`."""
        from .passes.watch import watch

        return watch(self)

    def diff(self, other: Graph) -> GraphDiff:
        """What is different in `other`, whatever its results are numbered; see `diff.diff`."""
        from .diff import diff

        return diff(self, other)

    def fold(self, depth: int) -> Graph:
        """This graph with scopes nested deeper than `depth` as calls; see `outline.fold`."""
        from .outline import fold

        return fold(self, depth)

    def unfold(self) -> Graph:
        """This graph with every called graph in the call's place."""
        from .outline import inline

        return inline(self)

    def verify(self) -> Graph:
        """This graph, checked as a whole. Raises: GraphError naming the node at fault."""
        from .verifier import verify

        verify(self)
        return self

    def to_text(self, **options: Any) -> str:
        """The text form, which `Graph.from_text` reads back; see `printer.to_text`."""
        from .printer import to_text

        return to_text(self, **options)

    @staticmethod
    def from_text(text: str, **options: Any) -> Graph:
        """The graph written by `to_text`. `limits` says how large a file may be.

        Raises: GraphError with the line at fault.
        """
        from .parser import parse

        return parse(text, **options)

    def to_json(self, **options: Any) -> str:
        """The JSON form, which `Graph.from_json` reads back."""
        from .jsonform import to_json

        return to_json(self, **options)

    @staticmethod
    def from_json(text: str, **options: Any) -> Graph:
        """The graph written by `to_json`. `limits` says how large a file may be.

        Raises: GraphError.
        """
        from .jsonform import from_json

        return from_json(text, **options)

    def cost(self, donate: Sequence[int] = ()) -> GraphCost:
        """Operations, bytes moved and memory of each node and in all; see `cost.graph_cost`."""
        from .cost import graph_cost

        return graph_cost(self, donate)

    if TYPE_CHECKING:
        # Bound by the front door: pictures are drawn in `tools`.
        def render(
            self, path: str | os.PathLike[str], format: str | None = None, depth: int | None = None
        ) -> str: ...

    def to_dot(self, **options: Any) -> str:
        """DOT text: scopes as clusters, forward and backward apart by colour."""
        from .dot import to_dot

        return to_dot(self, **options)
