"""Evaluation: pending nodes become buffers. Imported by the tracer alone.

What is evaluated together is everything pending on a recorder that a live storage holds or
that live, unfreed history reads, so nothing is computed twice. A graph met before is found
by its key; scalars in it that differ from call to call become inputs. On the CPU a graph
that has not yet earned a compile runs by the NumPy rules.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np

from ..ir.errors import DataDependentError, StateLostError
from ..ir.grad import reads
from ..ir.graph import Graph, Node, Value
from ..ir.interpret import apply as apply_host
from ..ir.interpret import literal_dtype
from ..ir.ops import OPS
from ..ir.types import TensorType, int64
from .devices import CPU
from .recording import Recorder, next_seq, settle_foreign, user_error
from .restoring import consume
from .state import ANOMALIES, LOCK, STATE
from .storage import root
from .tensor import Tensor


class Symbolic:
    """Stands where a buffer would be, on an input that has a type and no data."""


SYMBOLIC = Symbolic()
NO_DATA = "a tensor's value is needed here, but the tensor was traced without data"
LOST = "the tensor's data is gone"
MAX_KNOWN_GRAPHS = 4096
MAX_KNOWN_ENTRIES = 2_000_000  # of their keys, some five for each node

SET_BUFFER = Value.buffer.__set__  # type: ignore[attr-defined]
_SET_NODE = Value.node.__set__  # type: ignore[attr-defined]
_SET_OWNER = Node.owner.__set__  # type: ignore[attr-defined]
_SET_OPERANDS = Node.operands.__set__  # type: ignore[attr-defined]
_SET_OUTPUTS = Node.outputs.__set__  # type: ignore[attr-defined]


class Lost:
    """Stands where a buffer was that XLA consumed in a call that then failed."""

    __slots__ = ("message",)

    def __init__(self, what: str, error: BaseException):
        why = str(error).partition("\n")[0] or type(error).__name__
        self.message = f"the tensor's data was consumed by {what}, which then failed: {why}"


def state_lost(buffer: Lost | None) -> Exception:
    """What to raise where a value has this in the place of its data."""
    return user_error(StateLostError(LOST if buffer is None else buffer.message))


def observe(t: Tensor) -> Any:
    """The buffer of a tensor's value, evaluating what is pending first.

    Raises: DataDependentError while a graph is traced without data.
    """
    from ..runtime import checks

    value = root(t._value())
    while value.node is not None and value.node.owner.around is not None:
        value = value.node.owner.seen(value)
    if value.node is not None:
        owner = value.node.owner
        if owner.thread != threading.get_ident():
            settle_foreign(value)
        else:
            session = owner.session
            if session is not None:
                session.needs_value(t)
            evaluate_for(owner, value)
    _check_readable([value])
    if STATE.session is not None:
        STATE.session.needs_value(t)
    if checks.pending:
        checks.raise_pending()
    return value.buffer


def evaluate(recorder: Recorder, extra: Iterable[Value] = ()) -> None:
    """Evaluate what is pending on a recorder; `extra` values are wanted as well.

    An interrupt loses nothing: until nothing is pending any more, what is pending stays so,
    and once results are there, the values have them.
    """
    with LOCK:
        nodes = recorder.nodes
        if not nodes:
            return
        outputs, kept = needed(recorder, extra)
        plan = Plan(nodes, outputs)
        live = recorder.live
        results: list[Any] = []
        settled: list[bool] = []
        saved: list[tuple[Value, int]] = []
        prepared = None
        recorder.nodes, recorder.live = [], []
        try:
            if ANOMALIES.watch is None:
                prepared = prepare(plan, recorder.device, results)
            else:
                results += _watched(plan, recorder, live, extra)
            saved, change = settlement(nodes, kept, outputs)
            copies, numbers = [copy for copy, _ in saved], [i for _, i in saved]
            arrived = chain(
                map(SET_BUFFER, outputs, results),
                map(SET_BUFFER, copies, map(results.__getitem__, numbers)),
            )
            change = chain(change, map(settled.append, (True,)))
            consume(change if prepared is not None else chain(change, arrived))
            change, nodes, kept, live = None, [], {}, []
            if prepared is not None:
                prepared(results)
        except BaseException as error:
            if not settled:
                # A later look tries again.
                recorder.nodes[:0], recorder.live[:0] = nodes, live
            elif not results and prepared is not None:
                _pend_again(recorder, prepared, outputs, saved, error)
            raise
        finally:
            if settled and results:
                consume(arrived)


def _pend_again(
    recorder: Recorder,
    prepared: Prepared,
    outputs: list[Value],
    saved: list[tuple[Value, int]],
    error: BaseException,
) -> None:
    """After a compile or run that failed or was interrupted: the outputs wait for evaluation
    as before, now as the results of one call. Unless the run consumed its inputs: then they
    have neither data nor producer, and reading them says so."""
    graph, inputs = prepared.graph, prepared.inputs
    if any(not isinstance(a, np.ndarray) and a.is_deleted() for a in prepared.args):
        for v in (*outputs, *(copy for copy, _ in saved)):
            v.buffer = Lost("an evaluation", error)
        return
    literals = zip(graph.inputs[len(inputs) :], prepared.args[len(inputs) :], strict=True)
    operands = (*inputs, *(Value(v.type, buffer=a) for v, a in literals))
    node = Node(OPS["call"], operands, (graph,), seq=next_seq(), owner=recorder)
    node.outputs = tuple(outputs)
    for i, v in enumerate(outputs):
        v.node, v.index = node, i
    for copy, i in saved:
        copy.source = outputs[i]
    recorder.nodes.insert(0, node)
    for held in list(recorder.held):
        if isinstance(held, _Again) and not held.node.outputs:
            del recorder.held[held]
    recorder.held[_Again(node)] = None


def evaluate_for(recorder: Recorder, value: Value) -> None:
    """Evaluate what is pending because somebody looks at a value. What has no room in memory
    but is another value's stays pending, for whoever looks at that."""
    try:
        evaluate(recorder, [value])
    except MemoryError as error:
        if value.node is None or not _evaluate_alone(recorder, value):
            raise user_error(error) from None


class _Again:
    """Those results of a call that somebody still has; history alone may hold some of them.
    Once evaluated the node has no outputs."""

    def __init__(self, node: Node):
        self.node = node

    def __call__(self) -> list[Value]:
        # References of ours: the tuple's, the variable's and the call's.
        return [v for v in self.node.outputs if sys.getrefcount(v) > 3]


def _evaluate_alone(recorder: Recorder, value: Value) -> bool:
    """Compute one pending value and leave the recorder be; False if it needs too much itself."""
    results: list[Any] = []
    with LOCK:
        try:
            prepared = prepare(Plan(list(recorder.nodes), [value]), recorder.device, results)
            if prepared is not None:
                prepared(results)
        except MemoryError:
            return False
        (value.buffer,) = results
    return True


def _watched(plan: Plan, recorder: Recorder, live: list[Any], extra: Iterable[Value]) -> list[Any]:
    """The plan's outputs, run node by node while anomaly detection is on. What history alone
    keeps may hold a nan that is masked later; what a tensor or a running backward pass holds
    may not.

    Raises: AnomalyError.
    """
    from .anomaly import run_watched

    _check_readable(plan.inputs)
    shown = {root(v) for v in holders(recorder, extra, live)}
    return run_watched(
        ANOMALIES.watch,
        plan.graph(),
        [v.buffer for v in plan.inputs],
        recorder.device,
        [v in shown for v in plan.outputs],
    )


def evaluate_beside(recorder: Recorder, value: Value) -> None:
    """Compute what another thread has pending, `value` among it, and leave its recorder be.

    That thread may be in the middle of an operation whose result nothing holds yet, so its
    nodes stay pending; they are computed again when it evaluates them. The lock is held.
    """
    outputs, _ = needed(recorder, [value])
    outputs = [v for v in outputs if v.buffer is None]
    buffers: list[Any] = []
    prepared = prepare(Plan(list(recorder.nodes), outputs), recorder.device, buffers)
    if prepared is not None:
        prepared(buffers)
    for v, buffer in zip(outputs, buffers, strict=True):
        v.buffer = buffer


Kept = dict[int, tuple[Node, frozenset[int], frozenset[int]]]


def needed(recorder: Recorder, extra: Iterable[Value]) -> tuple[list[Value], Kept]:
    """The pending values to compute, and what each live history node reads.

    A storage's value is needed if the storage lives; a value in history if a gradient rule
    of an unfreed node reads it.
    """
    wanted: dict[Value, None] = {}
    edges: list[Any] = []
    for value in holders(recorder, extra):
        source = root(value)
        if source.node is not None and source.node.owner is recorder:
            wanted[source] = None
        if value.edge is not None:
            edges.append(value.edge[0])
    kept: Kept = {}
    while edges:
        node = edges.pop()
        if node.__class__ is not Node or id(node) in kept:
            continue
        if node.owner is not recorder and node.op.saved is None:
            continue
        operands = node.operands
        if node.op.saved is not None:
            for value in node.op.saved.values():
                if root(value).node is not None:
                    wanted[root(value)] = None
        if node.freed:
            kept[id(node)] = (node, frozenset(), frozenset())
        else:
            needs = tuple([o.__class__ is Value and o.edge is not None for o in operands])
            ins, outs = reads(node, needs)
            kept[id(node)] = (node, ins, outs)
            for i in ins:
                source = root(operands[i])
                if source.node is not None:
                    wanted[source] = None
            for i in outs:
                wanted[node.outputs[i]] = None
        for o in operands:
            if o.__class__ is Value and o.edge is not None:
                edges.append(o.edge[0])
    return sorted(wanted, key=_position), kept


def _position(value: Value) -> tuple[int, int]:
    return (value.node.seq, value.index)  # type: ignore[union-attr]


def holders(
    recorder: Recorder, extra: Iterable[Value] = (), live: Iterable[Any] | None = None
) -> list[Value]:
    """`extra` and the values that live storages and an ongoing backward pass hold."""
    values = list(extra)
    for held in list(recorder.held):
        values.extend(held())
    seen: set[int] = set()
    for reference in recorder.live if live is None else live:
        storage = reference()
        if storage is not None and id(storage) not in seen:
            seen.add(id(storage))
            values.append(storage.value)
            values.extend(storage.histories())
    return values


def settlement(
    nodes: list[Node], kept: Kept, outputs: list[Value]
) -> tuple[list[tuple[Value, int]], Iterator[None]]:
    """The links that evaluation makes useless, to be dropped by one `consume`.

    Values lose their producer; history keeps the values its rules read, and of the other
    operands only types and edges, so that it holds no memory for them. Returns also the saved
    results, each with which of `outputs` it is to get the buffer of: an edge would make a cycle.
    """
    number = {v: i for i, v in enumerate(outputs)} if kept else {}
    saved: list[tuple[Value, int]] = []
    nothing: frozenset[int] = frozenset()
    values: list[Value] = []
    operands: list[tuple] = []
    remaining: list[tuple] = []
    for node in nodes:
        made = node.outputs
        values += made
        tracked = False
        for v in made:
            tracked = tracked or v.edge is not None
        if not tracked:
            operands.append(())
            remaining.append(())
            continue
        entry = kept.get(id(node))
        ins, outs = (nothing, nothing) if entry is None else entry[1:]
        operands.append(
            tuple(
                [
                    o if not isinstance(o, Value) or i in ins else Value(o.type, edge=o.edge)
                    for i, o in enumerate(node.operands)
                ]
            )
        )
        if not outs:
            remaining.append(())
            continue
        copies = tuple([Value(v.type, index=v.index) for v in made])
        saved += [(copies[i], number[made[i]]) for i in outs]
        remaining.append(copies)
    return saved, chain(
        map(_SET_NODE, values, repeat(None)),
        map(_SET_OWNER, nodes, repeat(None)),
        map(_SET_OPERANDS, nodes, operands),
        map(_SET_OUTPUTS, nodes, remaining),
    )


def _making(nodes: list[Node], outputs: list[Value], ends: Iterable[Value] | None) -> list[Node]:
    """Those of `nodes` that `outputs` need; with `ends`, their history too."""
    wanted = {id(v.node) for v in outputs}
    history = ends is not None
    wanted.update(id(v.edge[0]) for v in ends or () if v.edge is not None)
    chosen: list[Node] = []
    for node in reversed(nodes):
        if id(node) in wanted or node.op.effect:
            chosen.append(node)
            for o in node.operands:
                if o.__class__ is Value:
                    source = o.source or o  # type: ignore[union-attr]
                    if source.node is not None:  # type: ignore[union-attr]
                        wanted.add(id(source.node))  # type: ignore[union-attr]
                    if history and o.edge is not None:  # type: ignore[union-attr]
                        wanted.add(id(o.edge[0]))  # type: ignore[union-attr]
    chosen.reverse()
    return chosen


class Part:
    """The part of a list of pending nodes that makes `outputs`, to be a graph that can be
    differentiated: with the nodes that `ends` have in their history, even if they make no
    data (a write through `detach` leaves such). `inputs` are the values it reads.
    """

    __slots__ = ("inputs", "nodes", "outputs")

    def __init__(self, nodes: list[Node], outputs: list[Value], ends: Iterable[Value]):
        self.outputs = outputs
        self.nodes = _making(nodes, outputs, ends)
        made = {id(v) for node in self.nodes for v in node.outputs}
        read: dict[Value, None] = {}
        for node in self.nodes:
            for o in node.operands:
                if o.__class__ is Value:
                    source = o.source or o  # type: ignore[union-attr]
                    if id(source) not in made:
                        read[source] = None  # type: ignore[index]
        self.inputs = list(read)


class Plan:
    """The part of a list of pending nodes that makes `outputs`, with its key.

    `inputs` are the values it reads, `literals` the scalars that may differ from one
    evaluation to the next without changing the key.
    """

    __slots__ = ("inputs", "key", "literals", "nodes", "outputs")

    def __init__(self, nodes: list[Node], outputs: list[Value]):
        self.outputs = outputs
        self.nodes = _making(nodes, outputs, None)
        self.inputs: list[Value] = []
        self._make_key()

    def _make_key(self) -> None:
        number: dict[Value, int] = {}
        key: list[Any] = []
        literals: list[Any] = []
        inputs = self.inputs
        count = 0
        for node in self.nodes:
            op = node.op
            key.append(op)
            key.append(_fixed_attrs(node, literals) if op.free else node.attrs)
            for o in node.operands:
                if o.__class__ is Value:
                    source = o.source or o  # type: ignore[union-attr]
                    n = number.get(source)  # type: ignore[arg-type]
                    if n is None:
                        n = number[source] = -1 - len(inputs)  # type: ignore[index]
                        inputs.append(source)  # type: ignore[arg-type]
                    key.append(n)
                else:
                    key.append(o.__class__)
                    if op.name == "pad":
                        key.append(repr(o))
                    literals.append(_exact(o))
            for v in node.outputs:
                number[v] = count
                count += 1
        key.append("->")
        key.extend([number[v] for v in self.outputs])
        key.extend([v.type for v in inputs])
        self.literals = tuple(literals)
        self.key = tuple(key)

    def graph(self, varying: frozenset[int] = frozenset()) -> Graph:
        """The plan as a graph of its own; `varying` literals become further inputs."""
        env: dict[Value, Any] = {v: Value(v.type) for v in self.inputs}
        extra: list[Value] = []
        made: list[Node] = []
        at = 0
        for node in self.nodes:
            op, attrs = node.op, node.attrs
            starts: list[Value] = []
            if op.free:
                if at in varying:
                    starts = [Value(TensorType((), int64)) for _ in node.attr(op.free[0])]
                    extra.extend(starts)
                at += 1
            operands: list[Any] = []
            for o in node.operands:
                if isinstance(o, Value):
                    operands.append(env[o.source or o])
                    continue
                if at in varying:
                    o = Value(TensorType((), literal_dtype(node)))
                    extra.append(o)
                operands.append(o)
                at += 1
            if starts:
                attrs = tuple(a for n, a in zip(op.attrs, attrs, strict=True) if n not in op.free)
                operands.extend(starts)
                op = OPS[op.dynamic]
            new = Node(op, tuple(operands), attrs, node.loc, node.scope, node.cause, len(made))
            new.outputs = tuple(Value(v.type, new, i) for i, v in enumerate(node.outputs))
            env.update(zip(node.outputs, new.outputs, strict=True))
            made.append(new)
        inputs = [env[v] for v in self.inputs] + extra
        return Graph(inputs, made, [env[v] for v in self.outputs])

    def arguments(self, varying: frozenset[int]) -> list[Any]:
        """Buffers for the inputs of `graph(varying)`."""
        args = [v.buffer for v in self.inputs]
        if varying:
            at = 0
            for node in self.nodes:
                if node.op.free:
                    if at in varying:
                        args.extend(np.asarray(s, np.int64) for s in node.attr(node.op.free[0]))
                    at += 1
                for o in node.operands:
                    if not isinstance(o, Value):
                        if at in varying:
                            args.append(np.asarray(o, literal_dtype(node).np))
                        at += 1
        return args


def _fixed_attrs(node: Node, literals: list[Any]) -> tuple:
    """Attributes without the free one, which is a literal."""
    op = node.op
    literals.append(node.attr(op.free[0]))
    return tuple([a for n, a in zip(op.attrs, node.attrs, strict=True) if n not in op.free])


def _exact(value: Any) -> Any:
    """The literal in a form that compares bit for bit (0.0 and -0.0 differ)."""
    if value == 0 and value.__class__ is float and math.copysign(1, value) < 0:
        return "-0.0"
    if value != value or value.__class__ is complex:
        return repr(value)
    return value


class Recurring:
    """What is known of one key: when it pays to compile, which literals vary, and what has
    been compiled so far."""

    __slots__ = (
        *("compile_cost_s", "executables", "graphs", "host_bytes", "host_cost_s", "literals"),
        *("spent_s", "used", "varying"),
    )

    def __init__(self, plan: Plan):
        from ..runtime import host

        graph = plan.graph()
        self.literals = plan.literals
        self.varying: frozenset[int] = frozenset()
        self.host_bytes = host.least_bytes(graph)
        self.host_cost_s = host.estimate_cost_s(graph)
        self.compile_cost_s = host.compile_cost_s(graph)
        self.spent_s = 0.0
        self.used = False  # again, since somebody last looked for what to forget
        self.graphs: dict[frozenset[int], Graph] = {}
        self.executables: dict[tuple[frozenset[int], tuple[int, ...]], Any] = {}

    def vary(self, plan: Plan) -> None:
        """Literals that differ from what was seen first become inputs."""
        if plan.literals != self.literals:
            differ = {
                i
                for i, (a, b) in enumerate(zip(plan.literals, self.literals, strict=True))
                if a != b
            }
            if not differ <= self.varying:
                self.varying |= differ
                self.graphs.clear()
                self.executables.clear()


_KNOWN: OrderedDict[tuple, Recurring] = OrderedDict()
_entries = 0  # in all of its keys
# Those with executables, the latest used last: they hold what the cache of programs lets go.
_COMPILED: OrderedDict[Recurring, None] = OrderedDict()


def _forget_graphs(added: int) -> None:
    """Forget graphs that have not come back, the oldest first, while there are too many."""
    global _entries
    _entries += added
    while len(_KNOWN) > 1 and (len(_KNOWN) > MAX_KNOWN_GRAPHS or _entries > MAX_KNOWN_ENTRIES):
        key, known = _KNOWN.popitem(last=False)
        if known.used:
            known.used = False
            _KNOWN[key] = known
        else:
            _entries -= len(key)
            _COMPILED.pop(known, None)


def _note_compiled(known: Recurring) -> None:
    from ..runtime.executable import CACHE

    _COMPILED[known] = None
    _COMPILED.move_to_end(known)
    while len(_COMPILED) > CACHE.size:
        old, _ = _COMPILED.popitem(last=False)
        old.graphs.clear()
        old.executables.clear()


def _check_readable(inputs: list[Value]) -> None:
    """Raises: DataDependentError for a tensor traced without data, StateLostError for one
    whose data a failed run consumed."""
    for v in inputs:
        if v.buffer is SYMBOLIC:
            raise user_error(DataDependentError(NO_DATA))
        if v.buffer is None or v.buffer.__class__ is Lost:
            raise state_lost(v.buffer)


class Prepared:
    """A graph for XLA with its arguments. Calling it compiles it, if it is new, and runs it."""

    __slots__ = ("args", "device", "graph", "inputs", "known", "varying")

    def __init__(self, known: Recurring, plan: Plan, device: Any):
        self.known = known
        self.device = device
        self.varying = varying = known.varying
        graph = known.graphs.get(varying)
        if graph is None:
            graph = known.graphs[varying] = plan.graph(varying).optimize()
        self.graph: Graph = graph
        self.inputs = plan.inputs
        self.args = place(plan.inputs, plan.arguments(varying), device)

    def __call__(self, results: list[Any]) -> None:
        donate = donated(self.inputs, self.args, self.graph)
        executables = self.known.executables
        exe = executables.get((self.varying, donate))
        if exe is None:
            from ..runtime import executable

            exe = executable.compile_graph(self.graph, self.device, donate)
            executables[self.varying, donate] = exe
        _note_compiled(self.known)
        exe.into(self.args, results)


def prepare(plan: Plan, device: Any, results: list[Any]) -> Prepared | None:
    """Compute the plan's outputs by the quickest of NumPy and XLA.

    A graph runs by NumPy until the time spent so, by a fixed model of costs, reaches what
    compiling it would cost: never more than twice the best choice, and the same choice in
    every run of a program. NumPy runs at once and puts them into `results`, XLA does when what
    is returned is called: by then only the plan holds inputs that nobody else needs, and they
    are donated.
    """
    from ..runtime import host

    _check_readable(plan.inputs)
    known = _KNOWN.get(plan.key)
    if known is None:
        known = _KNOWN[plan.key] = Recurring(plan)
        _forget_graphs(len(plan.key))
    else:
        known.used = True
        known.vary(plan)
    if (
        device is CPU
        and known.spent_s + known.host_cost_s < known.compile_cost_s
        and host.fits(known.host_bytes)
    ):
        known.spent_s += known.host_cost_s
        results += run_host(plan)
        return None
    return Prepared(known, plan, device)


def donated(inputs: list[Value], args: list[Any], graph: Graph) -> tuple[int, ...]:
    """Inputs that nothing else holds any more, as far as results can take their place."""
    free: dict[TensorType, int] = {}
    for v in graph.outputs:
        free[v.type] = free.get(v.type, 0) + 1
    out = []
    for i in range(len(inputs)):
        if (
            free.get(inputs[i].type, 0)
            and sys.getrefcount(inputs[i]) <= _VALUE_REFS
            and sys.getrefcount(args[i]) <= _ARRAY_REFS
        ):
            free[inputs[i].type] -= 1
            out.append(i)
    return tuple(out)


def _calibrate() -> tuple[int, int]:
    """References to a value and its array when only a plan holds them, counted in the same
    circumstances as above: interpreters count temporaries differently."""
    inputs = [Value(TensorType((), int64), buffer=object())]
    args = [inputs[0].buffer]
    i = 0
    return sys.getrefcount(inputs[i]), sys.getrefcount(args[i])


_VALUE_REFS, _ARRAY_REFS = _calibrate()


def place(inputs: list[Value], args: list[Any], device: Any) -> list[Any]:
    """Arguments as device arrays. An input's own buffer is replaced: it moves once."""
    from ..runtime import buffer

    for i in range(len(args)):
        if isinstance(args[i], np.ndarray):
            args[i] = moved = buffer.to_jax(args[i], device)
            if i < len(inputs):
                inputs[i].buffer = moved
    return args


def run_host(plan: Plan) -> list[Any]:
    """The plan by NumPy rules, node by node."""
    from ..runtime import checks, counters
    from ..runtime.buffer import to_numpy

    counters.numpy_runs += 1
    env: dict[Value, Any] = {v: to_numpy(v.buffer) for v in plan.inputs}
    for node in plan.nodes:
        args = [env[o.source or o] if isinstance(o, Value) else o for o in node.operands]
        results = apply_host(node, args)
        if node.op.effect and not results[0]:
            # Raised when results are observed, as a compiled run does it.
            checks.add(np.asarray(1), [(node.attr("message"), node.loc)])
        env.update(zip(node.outputs, results, strict=True))
    taken = [np.ascontiguousarray(env[v]).reshape(v.type.shape) for v in plan.outputs]
    # A result may be a view of an input or of another result; buffers stand alone.
    for i, array in enumerate(taken):
        if array.base is not None or not array.flags.owndata or array.flags.writeable is False:
            taken[i] = array = array.copy()
        array.setflags(write=False)
    return taken
