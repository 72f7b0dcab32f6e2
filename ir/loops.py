"""Gradients of `cond`, `scan` and `while_loop`: the graphs that their backward nodes hold.

A branch's gradient graph computes again what it needs of the forward one, from the operands
and from what the node gave out. So does that of a loop's step, from what was carried into
that step: `scan` keeps it, or is run again to get it, and `while_loop`, whose number of steps
is not known, is run again between checkpoints. Each rule makes nodes of the same three ops,
so it serves gradients of gradients as well.

Reached through the rows of `ir.ops.loops` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from .build import Builder
from .grad import Cotangents, call_gradient, copy_nodes, results
from .graph import Graph, Node, Operand, Value
from .rebuild import copy_node
from .types import TensorType, int64

# Where a gradient graph's input comes from: ("in" | "out" | "cot", number) of the held graph.
Source = tuple[str, int]

# What the checkpoints of a `while_loop` may take together, and how many there are at most:
# so many steps cost one run more, n times as many about n / 2 runs more.
CHECKPOINT_BYTES = 1 << 26
MOST_CHECKPOINTS = 1024

_INDEX = TensorType((), int64)
_MADE: dict[Hashable, tuple[tuple[Graph, ...], Any]] = {}


def once(graphs: tuple[Graph, ...], key: Hashable, make: Callable[[], Any]) -> Any:
    """What `make` gives, made once for these graphs: equal nodes then hold the same graph.

    An entry holds the graphs, so their ids are not reused while it lives.
    """
    whole = (tuple(map(id, graphs)), key)
    found = _MADE.get(whole)
    if found is None:
        if len(_MADE) > 1024:
            _MADE.clear()
        found = _MADE[whole] = (graphs, make())
    return found[1]


def inline(b: Builder, graph: Graph, args: Sequence[Operand]) -> list[Any]:
    """Append a graph's nodes, run on `args`; its outputs."""
    env: dict[Value, Operand] = dict(zip(graph.inputs, args, strict=True))
    for node in graph.nodes:
        new = copy_node(node, tuple(env[o] if isinstance(o, Value) else o for o in node.operands))
        new.seq = len(b.nodes)
        b.nodes.append(new)
        env.update(zip(node.outputs, new.outputs, strict=True))
    return [env[v] for v in graph.outputs]


# cond


def vjp_cond(b: Any, node: Node, cots: Cotangents, needs: Sequence[bool]) -> Cotangents:
    """One `cond` of the branches' gradients; a branch that does not use an operand gives zeros."""
    branches: tuple[Graph, Graph] = node.attrs  # type: ignore[assignment]
    given = tuple(c is not None for c in cots)
    wanted = tuple(needs[1:])
    graphs, sources, targets = once(
        branches, ("cond", given, wanted), lambda: _branch_gradients(branches, given, wanted)
    )
    answer: Cotangents = [None] * len(node.operands)
    if targets:
        pool: dict[str, Any] = {"in": node.operands[1:], "out": results(node), "cot": cots}
        args = [pool[kind][i] for kind, i in sources]
        got = b.cond(node.operands[0], *args, true_graph=graphs[0], false_graph=graphs[1])
        for i, c in zip(targets, got, strict=True):
            answer[i + 1] = c
    return answer


def _branch_gradients(
    branches: tuple[Graph, Graph], given: tuple[bool, ...], needs: tuple[bool, ...]
) -> tuple[list[Graph], list[Source], list[int]]:
    """The gradient of each branch, with inputs and outputs that are the same for both."""
    parts = [call_gradient(g, given, needs) for g in branches]
    sources = list(dict.fromkeys(s for _, own, _ in parts for s in own))
    targets = sorted({t for *_, own in parts for t in own})
    first = branches[0]
    pool: dict[str, Any] = {"in": first.inputs, "out": first.outputs, "cot": first.outputs}
    graphs = []
    for backward, own_sources, own_targets in parts:
        step = Builder()
        inputs = {(kind, i): Value(pool[kind][i].type) for kind, i in sources}
        got = inline(step, backward, [inputs[s] for s in own_sources])
        by_target = dict(zip(own_targets, got, strict=True))
        outputs = [
            by_target[t] if t in by_target else step.zeros(first.inputs[t].type) for t in targets
        ]
        graphs.append(step.finish([*inputs.values()], outputs, name=backward.name))
    return graphs, sources, targets


# Loops


def _through_steps(
    body: Graph, carries: int, needs: Sequence[bool]
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Which inputs of a loop's body need a gradient, and which outputs have one.

    A carry needs one if it begins with history or if some step gives it history.
    """
    wanted = list(needs)
    while True:
        env = copy_nodes(body, Builder(), wanted)
        flows = tuple(env[v].edge is not None for v in body.outputs)
        more = [i for i in range(carries) if flows[i] and not wanted[i]]
        if not more:
            return tuple(wanted), flows
        for i in more:
            wanted[i] = True


def _or_zeros(b: Any, cot: Value | None, type: TensorType) -> Value:
    return b.zeros(type) if cot is None else cot


def vjp_scan(b: Any, node: Node, cots: Cotangents, needs: Sequence[bool]) -> Cotangents:
    """One `scan` the other way round. It carries the cotangents of the carries, and the
    gradients of what all steps read."""
    a = node.attr_dict()
    body, carries, xs = a["graph"], a["carries"], a["xs"]
    wanted, flows = once(
        (body,), ("flow", carries, tuple(needs)), lambda: _through_steps(body, carries, needs)
    )
    outs = results(node)
    ends, made = len(body.outputs), len(outs)
    cot_of_saved = cots[ends:] if a["saves"] else [None] * carries
    live = tuple(i for i in range(carries) if wanted[i])
    given = tuple(flows[i] and (i < carries or cots[i] is not None) for i in range(ends))
    also = tuple(cot_of_saved[i] is not None for i in live)
    if not live and not any(given):
        return [None] * len(node.operands)
    plan = once(
        (body,),
        ("scan", carries, xs, given, wanted, also),
        lambda: _ScanStep(body, carries, xs, given, wanted, also),
    )
    if a["saves"]:
        saved = outs[ends:]
    elif any(kind == "in" and i < carries for kind, i in plan.stacked):
        saved = b.scan(*node.operands, **(a | {"saves": True}))[made:]
    else:
        saved = ()

    def stack(source: Source) -> Any:
        kind, i = source
        if kind == "in":
            return saved[i] if i < carries else node.operands[i]
        if kind == "saved":
            return cot_of_saved[i]
        if kind == "out" and i < carries:
            return _shifted(b, saved[i], outs[i], a["reverse"])
        return outs[i] if kind == "out" else cots[i]

    types = [v.type for v in body.inputs]
    got = b.scan(
        *(_or_zeros(b, cots[i], types[i]) for i in live),
        *(b.zeros(types[i]) for i in plan.summed),
        *map(stack, plan.stacked),
        *(node.operands[i] for _, i in plan.consts),
        graph=plan.graph,
        carries=len(live) + len(plan.summed),
        xs=len(plan.stacked),
        length=a["length"],
        reverse=not a["reverse"],
        saves=False,
    )
    answer: Cotangents = [None] * len(node.operands)
    for i, c in zip((*live, *plan.summed, *plan.sliced), got, strict=True):
        answer[i] = c if needs[i] else None
    return answer


def _shifted(b: Any, saved: Value, final: Value, reverse: bool) -> Value:
    """The carries that each step ended with, of those it began with and the last one."""
    length, *shape = saved.type.shape
    if not length:
        return saved
    rest = b.slice(
        saved,
        starts=(0 if reverse else 1, *(0 for _ in shape)),
        sizes=(length - 1, *shape),
        strides=(1,) * saved.type.ndim,
    )
    last = b.reshape(final, (1, *shape))
    return b.concatenate(*((last, rest) if reverse else (rest, last)), axis=0)


class _ScanStep:
    """The step of a scan's gradient, and what it reads.

    `summed` and `sliced` are the numbers of the body's inputs whose gradients it adds up
    and gives out; `stacked` and `consts` say where its inputs come from.
    """

    def __init__(
        self,
        body: Graph,
        carries: int,
        xs: int,
        given: tuple[bool, ...],
        wanted: tuple[bool, ...],
        also: tuple[bool, ...],
    ):
        backward, sources, targets = call_gradient(body, given, wanted)
        live = [i for i in range(carries) if wanted[i]]
        self.summed = [i for i in targets if i >= carries + xs]
        self.sliced = [i for i in targets if carries <= i < carries + xs]
        # A carry that is given out as well need not be pieced together.
        twins = {v: i for i, v in reversed([*enumerate(body.outputs)]) if i >= carries}
        read: list[Source] = []
        for kind, i in sources:
            twin = twins.get(body.outputs[i], i) if kind == "out" else i
            read.append((kind, twin))
        b = Builder()
        types: dict[str, Any] = {
            "in": body.input_types,
            "out": body.output_types,
            "cot": body.output_types,
            "saved": body.input_types,
        }
        carried = {("cot", i): Value(body.inputs[i].type) for i in live}
        sums = [Value(body.inputs[i].type) for i in self.summed]
        added: list[Source] = [("saved", i) for i, has in zip(live, also, strict=True) if has]
        others = [s for s in dict.fromkeys([*read, *added]) if s not in carried]
        self.consts = [s for s in others if s[0] == "in" and s[1] >= carries + xs]
        self.stacked = [s for s in others if s not in self.consts]
        values = carried | {s: Value(types[s[0]][s[1]]) for s in (*self.stacked, *self.consts)}
        got = dict(zip(targets, inline(b, backward, [values[s] for s in read]), strict=True))
        after: list[Value] = []
        for i in live:
            c = got.get(i)
            extra = values.get(("saved", i))
            if c is not None and extra is not None:
                c = b.add(c, extra)
            c = extra if c is None else c
            after.append(b.zeros(body.inputs[i].type) if c is None else c)
        after += [b.add(s, got[i]) for s, i in zip(sums, self.summed, strict=True)]
        inputs = [*carried.values(), *sums]
        inputs += [values[s] for s in (*self.stacked, *self.consts)]
        outputs = [*after, *(got[i] for i in self.sliced)]
        self.graph = b.finish(inputs, outputs, name=backward.name)


def vjp_while(b: Any, node: Node, cots: Cotangents, needs: Sequence[bool]) -> Cotangents:
    """Three loops: one counts the steps, one keeps carries at checkpoints, and one goes back.

    The last begins each step at the checkpoint before it. With no more steps than there is
    room for checkpoints nothing is computed again but the step itself.
    """
    a = node.attr_dict()
    condition, body, carries = a["cond_graph"], a["body_graph"], a["carries"]
    wanted, flows = once(
        (body,), ("flow", carries, tuple(needs)), lambda: _through_steps(body, carries, needs)
    )
    if not any(wanted[:carries]):
        return [None] * len(node.operands)
    made = once(
        (condition, body),
        ("while", wanted, flows),
        lambda: _WhileGradient(condition, body, carries, wanted, flows),
    )
    begin, consts = node.operands[:carries], node.operands[carries:]
    zero = b.zeros(_INDEX)
    counted = b.while_loop(
        *begin,
        zero,
        *consts,
        cond_graph=made.count[0],
        body_graph=made.count[1],
        carries=carries + 1,
    )
    n = counted[-1]
    stride = b.maximum(b.int_div(b.add(n, made.room - 1), made.room), 1)
    types = node.op.infer(tuple(o.type for o in node.operands), node.attrs)  # type: ignore
    kept = b.while_loop(
        *begin,
        zero,
        *(b.zeros(t.with_shape((made.room, *t.shape))) for t in types),  # type: ignore
        *(n, stride),
        *consts,
        cond_graph=made.keep[0],
        body_graph=made.keep[1],
        carries=2 * carries + 1,
    )[carries + 1 :]
    got = b.while_loop(
        n,
        *(_or_zeros(b, cots[i], types[i]) for i in made.live),  # type: ignore
        *(b.zeros(node.operands[i].type) for i in made.summed),  # type: ignore[union-attr]
        *kept,
        stride,
        *consts,
        cond_graph=made.back[0],
        body_graph=made.back[1],
        carries=1 + len(made.live) + len(made.summed),
    )
    answer: Cotangents = [None] * len(node.operands)
    for i, c in zip((*made.live, *made.summed), got[1:], strict=True):
        answer[i] = c if needs[i] else None
    return answer


class _WhileGradient:
    """The conditions and bodies of the three loops; `room` is the number of checkpoints."""

    def __init__(
        self,
        condition: Graph,
        body: Graph,
        carries: int,
        wanted: tuple[bool, ...],
        flows: tuple[bool, ...],
    ):
        self.body = body
        self.carried = body.input_types[:carries]
        self.consts = body.input_types[carries:]
        size = sum(t.size_bytes for t in self.carried)
        self.room = max(16, min(MOST_CHECKPOINTS, CHECKPOINT_BYTES // max(size, 1)))
        self.count = self._count(condition)
        self.keep = self._keep()
        self.live = [i for i in range(carries) if wanted[i]]
        self.back = self._back(flows, wanted)

    def _count(self, condition: Graph) -> tuple[Graph, Graph]:
        """Carries and the number of steps so far."""

        def make(name: str) -> Graph:
            b: Any = Builder()
            carried, n, consts = (
                self._values(self.carried),
                Value(_INDEX),
                self._values(self.consts),
            )
            graph = condition if name == "count" else self.body
            outs = inline(b, graph, (*carried, *consts))
            if graph is self.body:
                outs.append(b.add(n, 1))
            return b.finish([*carried, n, *consts], outs, name=name)

        return make("count"), make("count_step")

    def _keep(self) -> tuple[Graph, Graph]:
        """Carries, the step's number, checkpoints | the number of steps, their distance."""

        def make(condition: bool) -> Graph:
            b: Any = Builder()
            carried, t = self._values(self.carried), Value(_INDEX)
            kept = [Value(c.with_shape((self.room, *c.shape))) for c in self.carried]
            n, stride, consts = Value(_INDEX), Value(_INDEX), self._values(self.consts)
            inputs = [*carried, t, *kept, n, stride, *consts]
            if condition:
                return b.finish(inputs, [b.lt(t, n)], name="keep")
            slot = b.int_div(t, stride)
            due = b.eq(b.mul(slot, stride), t)
            after = []
            for all_kept, c in zip(kept, carried, strict=True):
                starts = self._starts(b, slot, c.type)
                row = b.reshape(c, (1, *c.type.shape))
                ones = (1,) * row.type.ndim
                old = b.dynamic_slice(all_kept, *starts, sizes=row.type.shape, strides=ones)
                new = b.select(due, row, old)
                after.append(b.dynamic_update_slice(all_kept, new, *starts, strides=ones))
            outs = inline(b, self.body, (*carried, *consts))
            return b.finish(inputs, [*outs, b.add(t, 1), *after], name="keep_step")

        return make(True), make(False)

    def _back(self, flows: tuple[bool, ...], wanted: tuple[bool, ...]) -> tuple[Graph, Graph]:
        """The steps left, cotangents of carries, sums | checkpoints, their distance."""
        backward, sources, targets = call_gradient(self.body, flows, wanted)
        carries = len(self.carried)
        self.summed = [i for i in targets if i >= carries]

        def make(condition: bool) -> Graph:
            b: Any = Builder()
            left = Value(_INDEX)
            cots = {i: Value(self.carried[i]) for i in self.live}
            sums = [Value(self.body.inputs[i].type) for i in self.summed]
            kept = [Value(c.with_shape((self.room, *c.shape))) for c in self.carried]
            stride, consts = Value(_INDEX), self._values(self.consts)
            inputs = [left, *cots.values(), *sums, *kept, stride, *consts]
            if condition:
                return b.finish(inputs, [b.gt(left, 0)], name="back")
            t = b.sub(left, 1)
            slot = b.int_div(t, stride)
            begin = []
            for all_kept, c in zip(kept, self.carried, strict=True):
                row = b.dynamic_slice(
                    all_kept,
                    *self._starts(b, slot, c),
                    sizes=(1, *c.shape),
                    strides=(1,) * all_kept.type.ndim,
                )
                begin.append(b.reshape(row, c.shape))
            again, again_step = self._again()
            begin = b.while_loop(
                *begin,
                b.mul(slot, stride),
                t,
                *consts,
                cond_graph=again,
                body_graph=again_step,
                carries=carries + 1,
            )[:carries]
            args = [*begin, *consts]
            outs = inline(b, self.body, args) if any(k == "out" for k, _ in sources) else []
            pool: dict[str, Any] = {"in": args, "out": outs, "cot": cots}
            found = inline(b, backward, [pool[kind][i] for kind, i in sources])
            got = dict(zip(targets, found, strict=True))
            after = [got[i] if i in got else b.zeros(self.carried[i]) for i in self.live]
            after += [b.add(s, got[i]) for s, i in zip(sums, self.summed, strict=True)]
            return b.finish(inputs, [t, *after], name="back_step")

        return make(True), make(False)

    def _again(self) -> tuple[Graph, Graph]:
        """Carries and the step's number | the step to stop before."""

        def make(condition: bool) -> Graph:
            b: Any = Builder()
            carried, t, end = self._values(self.carried), Value(_INDEX), Value(_INDEX)
            consts = self._values(self.consts)
            inputs = [*carried, t, end, *consts]
            if condition:
                return b.finish(inputs, [b.lt(t, end)], name="again")
            outs = inline(b, self.body, (*carried, *consts))
            return b.finish(inputs, [*outs, b.add(t, 1)], name="again_step")

        return make(True), make(False)

    @staticmethod
    def _values(types: Sequence[TensorType]) -> list[Value]:
        return [Value(t) for t in types]

    @staticmethod
    def _starts(b: Any, slot: Value, type: TensorType) -> list[Value]:
        """Starts of row `slot` among rows of this type."""
        return [slot, *([b.zeros(_INDEX)] * type.ndim)]
