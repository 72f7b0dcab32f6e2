"""Gradient rules become a backward graph.

`pull_back` walks a history in reverse; it serves graphs (`backward_graph`) and the
tracer's autograd alike. Rules know nothing of broadcasting: a cotangent is summed back to
its operand's shape here, and only here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .build import Builder
from .collector import without_collector
from .errors import AutogradError
from .graph import Graph, Node, Operand, Scope, Value
from .ops.table import ZERO

Edge = tuple[Any, int]
Cotangents = list[Value | None]


def topological(targets: Sequence[Edge], since: int = -1) -> list[Node]:
    """The history nodes from `since` on that `targets` depend on, latest first."""
    seen: set[int] = set()
    nodes: list[Node] = []
    stack = [target for target, _ in targets if isinstance(target, Node)]
    while stack:
        node = stack.pop()
        if id(node) in seen or node.seq < since:
            continue
        seen.add(id(node))
        nodes.append(node)
        for o in node.operands:
            if o.__class__ is Value and o.edge is not None:  # type: ignore[union-attr]
                target = o.edge[0]  # type: ignore[union-attr]
                if target.__class__ is Node and id(target) not in seen:
                    stack.append(target)
    nodes.sort(key=_seq, reverse=True)
    return nodes


def _seq(node: Node) -> int:
    return node.seq


def _reaching(nodes: list[Node], wanted: set[Edge]) -> set[int]:
    """The ids of those nodes (latest first) from which a wanted edge can be reached."""
    out: set[int] = set()
    for node in reversed(nodes):
        for o in node.operands:
            edge = o.edge if isinstance(o, Value) else None
            if edge is not None and (edge in wanted or id(edge[0]) in out):
                out.add(id(node))
                break
    return out


def pull_back(
    b: Builder,
    seeds: Sequence[tuple[Edge, Value]],
    *,
    wanted: set[Edge] | None = None,
    enter: Callable[[Node, Cotangents], Cotangents] | None = None,
    leave: Callable[[Node, Cotangents], Cotangents] | None = None,
    pending: dict[Edge, Value] | None = None,
    place: Callable[[Node], Builder] | None = None,
    since: int = -1,
) -> dict[Edge, Value]:
    """Cotangents of leaves, or of the `wanted` edges, given those of `seeds`.

    `enter` is called with a node and the cotangents of its results before its rules run,
    and may replace them (hooks); `leave` likewise with those of its operands after them.
    History from before `since` is not walked. `pending`, if given, holds the
    cotangents on their way at any moment. `place` gives the builder that a node's rules
    are to use, where that is not always `b`.
    """
    nodes = topological([edge for edge, _ in seeds], since)
    reach = None if wanted is None else _reaching(nodes, wanted)
    pending = {} if pending is None else pending
    for edge, cotangent in seeds:
        _accumulate(b, pending, edge, cotangent)
    found: dict[Edge, Value] = {}
    for node in nodes:
        cots: Cotangents = [pending.pop((node, i), None) for i in range(_arity(node))]
        if all(c is None for c in cots):
            continue
        if place is not None:
            b = place(node)
        if enter is not None:
            cots = enter(node, cots)
        if wanted is not None:
            for i, c in enumerate(cots):
                if c is not None and (node, i) in wanted:
                    found[(node, i)] = c
            assert reach is not None
            if id(node) not in reach:
                continue
        needs = [_needed(o, wanted, reach) for o in node.operands]
        made = vjp(b, node, cots, needs)
        if leave is not None:
            made = leave(node, made)
        for o, c in zip(node.operands, made, strict=True):
            if c is not None:
                _accumulate(b, pending, o.edge, c)  # type: ignore[union-attr, arg-type]
    if wanted is None:
        found.update(pending)
    else:
        found.update((e, c) for e, c in pending.items() if e in wanted)
    return found


def _arity(node: Node) -> int:
    if not node.op.multiple:
        return 1
    return len(node.op.infer(operand_types(node.operands), node.attrs))  # type: ignore[arg-type]


def operand_types(operands: Sequence[Operand]) -> tuple:
    return tuple(o.type if isinstance(o, Value) else None for o in operands)


def _needed(o: Operand, wanted: set[Edge] | None, reach: set[int] | None) -> bool:
    if not isinstance(o, Value) or o.edge is None:
        return False
    if wanted is None:
        return True
    assert reach is not None
    return o.edge in wanted or id(o.edge[0]) in reach


def _accumulate(b: Builder, pending: dict[Edge, Value], edge: Edge, cotangent: Value) -> None:
    before = pending.get(edge)
    pending[edge] = cotangent if before is None else b.add(before, cotangent)  # type: ignore


_SECOND = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


def vjp(b: Builder, node: Node, cots: Cotangents, needs: Sequence[bool]) -> Cotangents:
    """The cotangents of a node's operands, None where not needed or zero.

    `cots` has one entry per result, None for a result without a cotangent. Raises:
    AutogradError if what the rules read was freed by an earlier pass.
    """
    row = node.op
    if node.freed:
        raise AutogradError(_SECOND)
    if row.vjp is not None:
        return row.vjp(b, node, cots, needs)
    if row.saved is not None:
        return row.saved.vjp(b, node, cots, needs)
    attrs = node.attr_dict()
    out = tuple(results(node)) if row.multiple else results(node)[0]
    g = tuple(cots) if row.multiple else cots[0]
    answer: Cotangents = []
    for i, (o, need) in enumerate(zip(node.operands, needs, strict=True)):
        rule = row.grad_of(i) if need else None
        if rule is None:
            answer.append(None)
            continue
        if rule is ZERO:  # zeros, as in PyTorch: what is behind has a gradient
            answer.append(b.zeros(o.type))  # type: ignore[union-attr]
            continue
        assert callable(rule) and isinstance(o, Value)
        c = rule(b, g, out, *node.operands, **attrs)
        if c is not None and c.type is not o.type:
            c = b.sum_to(c, o.type.shape)
            assert c.type is o.type, (row.name, c.type, o.type)
        answer.append(c)
    return answer


def results(node: Node) -> tuple[Value, ...]:
    """A node's results, made anew with their edges where only the history is left."""
    if any(v.edge is not None for v in node.outputs):  # integer results never have one
        return node.outputs
    if node.outputs:  # saved results hold the data alone: an edge would make a cycle
        return tuple(
            Value(v.type, v.node, v.index, (node, i), _data(v), v.buffer)
            for i, v in enumerate(node.outputs)
        )
    types = node.op.infer(operand_types(node.operands), node.attrs)
    if not node.op.multiple:
        types = (types,)
    return tuple(Value(t, None, i, (node, i)) for i, t in enumerate(types))  # type: ignore


def _data(v: Value) -> Value | None:
    """What an alias of `v` takes its data from."""
    return v if v.node is None and v.source is None else v.source


# What a rule reads decides what evaluation must keep; it is found by running the rule once.

_NOTHING: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
_READS: dict[tuple, tuple[frozenset[int], frozenset[int]]] = {}


def reads(node: Node, needs: tuple[bool, ...]) -> tuple[frozenset[int], frozenset[int]]:
    """Which operands and which results the gradient rules read, for the operands needed."""
    if node.op.saved is not None:
        return _NOTHING
    literals = tuple(repr(o) for o in node.operands if not isinstance(o, Value))
    key = (node.op, node.attrs, operand_types(node.operands), literals, needs)
    found = _READS.get(key)
    if found is None:
        if len(_READS) > 8192:
            _READS.clear()
        found = _READS[key] = _probe(node, needs)
    return found


def _probe(node: Node, needs: tuple[bool, ...]) -> tuple[frozenset[int], frozenset[int]]:
    b = Builder()
    types = node.op.infer(operand_types(node.operands), node.attrs)
    types = types if node.op.multiple else (types,)
    copy = Node(
        node.op,
        tuple(Value(o.type, edge=(node, 0)) if isinstance(o, Value) else o for o in node.operands),
        node.attrs,
    )
    copy.outputs = tuple(Value(t, copy, i, (copy, i)) for i, t in enumerate(types))  # type: ignore
    cots: Cotangents = [Value(t) for t in types]  # type: ignore[union-attr]
    answer = vjp(b, copy, cots, needs)
    used = {id(o) for n in b.nodes for o in n.operands} | {id(c) for c in answer}
    return (
        frozenset(i for i, o in enumerate(copy.operands) if isinstance(o, Value) and id(o) in used),
        frozenset(i for i, o in enumerate(copy.outputs) if id(o) in used),
    )


# A call is differentiated for all operands at once, as one call of a gradient graph. That
# graph reads what the call already gives (its operands and results) and computes again
# whatever else it needs.

_CALL_GRADS: dict[tuple, tuple[Graph, tuple, tuple[int, ...]]] = {}


def vjp_call(b: Builder, node: Node, cots: Cotangents, needs: Sequence[bool]) -> Cotangents:
    """`vjp` of a node that holds one graph and runs it once."""
    graph: Graph = node.attrs[0]
    given = tuple(c is not None for c in cots)
    if node.spent is not None:
        needed = operands_needed(node)
        again = frozenset(i for i, g in enumerate(given) if g)
        if not _behind(graph, needed, again).isdisjoint(_behind(graph, needed, node.spent)):
            raise AutogradError(_SECOND)
    backward, sources, targets = call_gradient(graph, given, tuple(needs))
    if not targets:
        return [None] * len(node.operands)
    outs = results(node)
    args: list[Operand] = []
    for kind, i in sources:
        args.append({"in": node.operands, "out": outs, "cot": cots}[kind][i])  # type: ignore
    got = b.call(*args, graph=backward)  # type: ignore[attr-defined]
    answer: Cotangents = [None] * len(node.operands)
    for i, c in zip(targets, got, strict=True):
        answer[i] = c
    return answer


def operands_needed(node: Node) -> tuple[bool, ...]:
    """Which operands of a node have history."""
    return tuple([isinstance(o, Value) and o.edge is not None for o in node.operands])


_BEHIND: dict[tuple, tuple[Graph, frozenset[int]]] = {}


def _behind(graph: Graph, needs: tuple[bool, ...], outputs: frozenset[int]) -> frozenset[int]:
    """The nodes behind those results of a called graph whose gradient reads something, which
    a pass from there frees."""
    key = (id(graph), needs, outputs)
    found = _BEHIND.get(key)
    if found is None or found[0] is not graph:
        b = Builder()
        env = copy_nodes(graph, b, needs)
        edges = [edge for i in outputs if (edge := env[graph.outputs[i]].edge) is not None]
        behind = {id(n) for n in topological(edges) if any(reads(n, operands_needed(n)))}
        if len(_BEHIND) > 1024:
            _BEHIND.clear()
        numbers = frozenset(i for i, n in enumerate(b.nodes) if id(n) in behind)
        found = _BEHIND[key] = (graph, numbers)
    return found[1]


def spend(node: Node, given: frozenset[int]) -> bool:
    """Note that a call's results `given` were differentiated and what is behind them is freed.
    Whether there is something left that is not."""
    graph, needs = node.attrs[0], operands_needed(node)
    node.spent = given if node.spent is None else node.spent | given
    every = frozenset(range(len(graph.outputs)))
    return _behind(graph, needs, every) != _behind(graph, needs, node.spent)


def call_gradient(
    graph: Graph, given: tuple[bool, ...], needs: tuple[bool, ...]
) -> tuple[Graph, tuple[tuple[str, int], ...], tuple[int, ...]]:
    """The gradient graph of `graph`: cotangents of the inputs in `needs`.

    Returns it with where each of its inputs comes from (("in" | "out" | "cot", index) of
    the call) and which input of the call each of its outputs belongs to.
    """
    key = (id(graph), given, needs)
    found = _CALL_GRADS.get(key)
    # The entry holds the graph, so its id is not reused while the entry lives.
    if found is not None and found[0] is graph:
        return found[1]  # type: ignore[return-value]
    result = _make_call_gradient(graph, given, needs)
    if len(_CALL_GRADS) > 1024:
        _CALL_GRADS.clear()
    _CALL_GRADS[key] = (graph, result)  # type: ignore[assignment]
    return result


def _make_call_gradient(graph: Graph, given: tuple[bool, ...], needs: tuple[bool, ...]):
    from .rebuild import extract

    b = Builder()
    env = copy_nodes(graph, b, needs)
    seeds: list[tuple[Edge, Value]] = []
    cot_values: dict[int, Value] = {}
    for i, v in enumerate(graph.outputs):
        edge = env[v].edge
        if given[i] and edge is not None:
            cot_values[i] = Value(v.type)
            seeds.append((edge, cot_values[i]))
    grads = _differentiate(b, seeds, Scope("backward", "phase"))
    targets, outputs = [], []
    for i, need in enumerate(needs):
        c = grads.get((i, 0)) if need else None
        if c is not None:
            targets.append(i)
            outputs.append(c)
    # Everything the call hands out is an input of the gradient graph, if it is read.
    available: dict[Value, tuple[str, int]] = {}
    for i, v in enumerate(graph.inputs):
        available[env[v]] = ("in", i)
    for i, v in enumerate(graph.outputs):
        available.setdefault(env[v], ("out", i))
    available |= {v: ("cot", i) for i, v in cot_values.items()}
    backward, used = extract(outputs, available, name=f"{graph.name}_backward")
    return backward, tuple(available[v] for v in used), tuple(targets)


def copy_nodes(graph: Graph, b: Builder, needs: Sequence[bool]) -> dict[Value, Value]:
    """Copies of a graph's values, with edges: input i is leaf i if `needs[i]`."""
    env: dict[Value, Value] = {}
    for i, v in enumerate(graph.inputs):
        env[v] = Value(v.type, edge=(i, 0) if needs[i] else None)
    for node in graph.nodes:
        operands = tuple(env[o] if isinstance(o, Value) else o for o in node.operands)
        b.scope, b.loc, b.cause = node.scope, node.loc, node.cause
        b.emit(node.op, operands, node.attrs)
        made = b.nodes[-1]
        for old, new in zip(node.outputs, made.outputs, strict=True):
            env[old] = new
        link_edges(made)
    return env


def link_edges(node: Node) -> None:
    """Give a new node's results their edges, if a gradient flows through it."""
    if not node.op.differentiable:
        return
    for i, o in enumerate(node.operands):
        if isinstance(o, Value) and o.edge is not None and node.op.grad_of(i) is not None:
            break
    else:
        return
    for i, v in enumerate(node.outputs):
        if v.type.dtype.is_floating_point or v.type.dtype.is_complex:
            v.edge = (node, i)


def _differentiate(b: Builder, seeds: list[tuple[Edge, Value]], phase: Scope) -> dict[Edge, Value]:
    """`pull_back` with each backward node under the scope of the forward node it is for."""
    b.scope, b.loc, b.cause = phase, None, None
    moved: dict[Scope, Scope] = {}

    def enter(node: Node, cots: Cotangents) -> Cotangents:
        b.scope = backward_scope(node.scope, phase, moved)
        b.cause = b.loc = node.loc
        return cots

    return pull_back(b, seeds, enter=enter)


def backward_scope(scope: Scope | None, phase: Scope, moved: dict[Scope, Scope]) -> Scope:
    """The forward scope's path under the backward phase, made once per forward scope."""
    if scope is None:
        return phase
    found = moved.get(scope)
    if found is None:
        above = phase
        for step in scope.chain():
            known = moved.get(step)
            if known is None:
                known = phase if step.kind == "phase" else Scope(step.name, step.kind, above)
                moved[step] = known
            above = known
        found = above
    return found


@without_collector
def backward_graph(graph: Graph, wrt: Sequence[int | str] | None = None) -> Graph:
    """`graph` followed by the gradient of its outputs.

    `wrt` has indices or names of inputs; by default those marked `requires_grad`, or,
    if none is, all floating and complex ones. A single real scalar output is
    differentiated as it is; any other floating output gets one more input, its cotangent,
    named `grad_<output>`. The new graph's outputs are the old ones and then the gradients,
    named `grad_<input>`; an input the outputs do not depend on has a gradient of zeros.
    A name that is taken, as in the backward of a backward, gets a number behind it.

    Raises: AutogradError if no output or no input is floating.
    """
    chosen = _chosen(graph, wrt)
    b = Builder()
    env = copy_nodes(graph, b, [i in chosen for i in range(len(graph.inputs))])
    inputs = [env[v] for v in graph.inputs]
    names = list(graph.input_names)
    outs = [(v, n) for v, n in zip(graph.outputs, graph.output_names, strict=True)]
    inexact = [(v, n) for v, n in outs if v.type.dtype.is_floating_point or v.type.dtype.is_complex]
    if not inexact:
        raise AutogradError("backward: no output of the graph is floating or complex")
    phase = Scope("backward", "phase")
    seeds: list[tuple[Edge, Value]] = []
    for v, name in inexact:
        edge = env[v].edge
        if edge is None:
            continue
        if len(inexact) == 1 and v.type.numel == 1 and v.type.dtype.is_floating_point:
            b.scope, b.loc, b.cause = phase, None, None
            seed = b.full_of(v.type, 1)
        else:
            seed = Value(v.type)
            inputs.append(seed)
            names.append(_fresh(f"grad_{name}", names))
        seeds.append((edge, seed))
    grads = _differentiate(b, seeds, phase)
    outputs = [env[v] for v in graph.outputs]
    out_names = list(graph.output_names)
    b.scope, b.loc, b.cause = phase, None, None
    for i in sorted(chosen):
        found = grads.get((i, 0))
        outputs.append(b.zeros(graph.inputs[i].type) if found is None else found)
        out_names.append(_fresh(f"grad_{graph.input_names[i]}", out_names))
    flags = (*graph.requires_grad, *(False,) * (len(inputs) - len(graph.inputs)))
    return Graph(
        *(inputs, b.nodes, outputs),
        name=f"{graph.name}_with_backward",
        input_names=names,
        output_names=out_names,
        requires_grad=flags,
    )


def _fresh(name: str, taken: Sequence[str]) -> str:
    out, count = name, 1
    while out in taken:
        count += 1
        out = f"{name}_{count}"
    return out


def _chosen(graph: Graph, wrt: Sequence[int | str] | None) -> set[int]:
    def inexact(i: int) -> bool:
        d = graph.inputs[i].type.dtype
        return d.is_floating_point or d.is_complex

    every = range(len(graph.inputs))
    if wrt is None:
        marked = {i for i in every if graph.requires_grad[i] and inexact(i)}
        chosen = marked or {i for i in every if inexact(i)}
    else:
        chosen = set()
        for w in wrt:
            if isinstance(w, str):
                if w not in graph.input_names:
                    raise AutogradError(
                        f"backward: no input is named {w!r}; inputs: {', '.join(graph.input_names)}"
                    )
                w = graph.input_names.index(w)
            if w not in every or not inexact(w):
                raise AutogradError(f"backward: input {w} is not a floating or complex input")
            chosen.add(w)
    if not chosen:
        raise AutogradError("backward: no input of the graph is floating or complex")
    return chosen
