"""What is drawn as one box: a node, or all nodes of a scope that is folded. Used by `dot`."""

from __future__ import annotations

from collections.abc import Sequence

from .graph import Graph, Node, Scope, Value


class Box:
    """A node, or the nodes of one folded scope, or (without a scope to fold by) a run of them."""

    __slots__ = (
        *("clusters", "folded", "gradients", "id", "kept", "nodes", "phase", "scope", "written"),
    )

    def __init__(
        self, id: str, phase: str, clusters: tuple[object, ...], scope: Scope | None, folded: bool
    ):
        self.id = id
        self.phase = phase
        self.clusters = clusters  # phase name and scopes around it, outermost first
        self.scope = scope  # the folded one, if it is one
        self.folded = folded
        self.nodes: list[Node] = []
        self.kept: list[Value] = []  # parameters and state that stand in its label
        self.gradients: list[Value] = []  # results that leave as gradients, likewise
        self.written: list[Value] = []  # results written back, likewise

    @property
    def first(self) -> Node:
        return self.nodes[0]


class Fold:
    """Which scope a node disappears in: those deeper than `depth`, and, under `functions`,
    every call of an API function. An optimizer phase is one; other phases do not count."""

    def __init__(self, depth: int | None, functions: bool):
        self.depth = depth
        self.functions = functions
        self.active = depth is not None or functions

    def scope(self, node: Node, chain: Sequence[Scope]) -> tuple[Scope | None, int]:
        """The folded scope, and how many steps of the chain stand around it."""
        if not self.active:
            return None, len(chain)
        if node.phase == "optimizer":
            scope = node.scope
            while scope is not None and scope.kind != "phase":
                scope = scope.parent
            return scope, 0
        for i, step in enumerate(chain):
            if i == self.depth or (self.functions and step.kind == "function"):
                return step, i
        return None, len(chain)


class Boxes:
    """The boxes of a graph, and which one each node is in."""

    def __init__(self, graph: Graph, prefix: str):
        self.graph = graph
        self.prefix = prefix
        self.all: list[Box] = []
        self.of: dict[int, Box] = {}
        self.fold = Fold(None, False)
        # A scope's chain without phases, which clusters stand for in another way.
        self._chains: dict[Scope, tuple[Scope, ...]] = {}

    def chain(self, node: Node) -> tuple[Scope, ...]:
        if node.scope is None:
            return ()
        found = self._chains.get(node.scope)
        if found is None:
            found = tuple(s for s in node.scope.chain() if s.kind != "phase")
            self._chains[node.scope] = found
        return found

    def group(self, depth: int | None, limit: int | None) -> None:
        """Decide what is one box: by `depth`, else so that there are at most `limit`."""
        nodes = self.graph.nodes
        self.fold = Fold(depth, functions=False)
        if depth is None and limit is not None and len(nodes) > limit:
            deepest = max(len(self.chain(n)) for n in nodes)
            # First calls of functions are folded, then modules from the innermost outwards.
            folds = [Fold(d, functions=True) for d in (None, *range(deepest, -1, -1))]
            found = next((f for f in folds if self._count(f) <= limit), None)
            if found is None:
                self._group_runs(limit)
                return
            self.fold = found
        for i, node in enumerate(nodes):
            chain = self.chain(node)
            scope, around = self.fold.scope(node, chain)
            key = id(scope if scope is not None else node)
            box = self.of.get(key)
            if box is None:
                is_phase = scope is not None and scope.kind == "phase"
                clusters = () if is_phase else (node.phase, *chain[:around])
                box = Box(f"{self.prefix}_n{i}", node.phase, clusters, scope, scope is not None)
                self.of[key] = box
                self.all.append(box)
            box.nodes.append(node)
            self.of[id(node)] = box

    def _count(self, fold: Fold) -> int:
        return len({id(fold.scope(n, self.chain(n))[0] or n) for n in self.graph.nodes})

    def _group_runs(self, limit: int) -> None:
        """No scope to fold by: so many nodes in a row are a box."""
        nodes = self.graph.nodes
        size = -(-len(nodes) // limit)
        for start in range(0, len(nodes), size):
            run = nodes[start : start + size]
            phase = run[0].phase
            box = Box(f"{self.prefix}_n{start}", phase, (phase,), None, False)
            box.nodes = list(run)
            self.all.append(box)
            self.of |= {id(node): box for node in run}

    def keep_state(self) -> tuple[set[int], set[int]]:
        """Put parameters and state into the labels of folded boxes; positions of those inputs
        and outputs, which are then not drawn."""
        graph = self.graph
        readers: dict[Value, list[Box | None]] = {v: [] for v in graph.inputs}
        for node in graph.nodes:
            for o in node.operands:
                if isinstance(o, Value) and o in readers:
                    readers[o].append(self.of[id(node)])
        for v in graph.outputs:
            if v in readers:
                readers[v].append(None)
        written = {n.removesuffix(".new") for n in graph.output_names if n.endswith(".new")}
        inputs: set[int] = set()
        for i, (name, v) in enumerate(zip(graph.input_names, graph.inputs, strict=True)):
            state = graph.requires_grad[i] or name in written
            first = readers[v][0] if readers[v] else None
            if state and first and all(box is not None and box.folded for box in readers[v]):
                first.kept.append(v)
                inputs.add(i)
        names = set(graph.input_names)
        outputs: set[int] = set()
        for i, (name, v) in enumerate(zip(graph.output_names, graph.outputs, strict=True)):
            back = name.endswith(".grad") or (
                name.endswith(".new") and name.removesuffix(".new") in names
            )
            box = self.of.get(id(v.node)) if v.node is not None else None
            if back and box is not None and box.folded:
                (box.gradients if name.endswith(".grad") else box.written).append(v)
                outputs.add(i)
        return inputs, outputs
