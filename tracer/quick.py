"""Replays written out as code: one Python function per trace that checks its guards, runs its
executable and makes its result.

`write` gives that function, or None for a trace that needs what only `Trace.run` does. Where a
guard may not hold, or anything is out of the ordinary, it has changed nothing yet and calls
`miss`: the function of another trace, and at the end the long way, by `Guards.failure` and
`Trace.run`, which say what a replay means. Imported by `compile.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from importlib import import_module
from operator import attrgetter
from typing import Any

import numpy as np

from ..ir.graph import Value
from . import trees
from .bindings import HyperInput, Leaf
from .evaluate import observe
from .guards import Guards
from .parking import Lot, ParkedStorage
from .quick_guards import write_guards
from .recording import evaluate_all
from .replay import Trace, Views, handle, ready
from .restoring import consume
from .session import GradState
from .state import ANOMALIES, LOCK, RECORDING
from .storage import BARE, FRESH, Storage, root
from .tensor import REPOINTED, Tensor
from .views import Link, chain
from .writer import Miss, Unwritable, Writer, joined

Quick = Callable[..., Any]


def write(guards: Guards, trace: Trace, with_keywords: bool, miss: Quick) -> Quick | None:
    """The quick function of a trace, or None; it takes the compiled function and the arguments
    of a call, as `miss` does."""
    if trace.is_special:
        return None
    if trace.freed_history and trace.freed_node is None:
        return None  # not yet
    try:
        return _Writing(guards, trace).function(with_keywords, miss)
    except Unwritable:
        return None


class _Writing:
    """A trace whose function is being written."""

    def __init__(self, guards: Guards, trace: Trace):
        self.guards = guards
        self.trace = trace
        self.w = Writer("quick", "self, *args, **kwargs", "return miss(self, *args, **kwargs)")
        self.jax_array = type(_runtime("buffer").to_jax(np.zeros((), np.float32), trace.device))
        self.lot = Lot(trace, self.jax_array) if trace.writes or trace.grads else None

    def function(self, with_keywords: bool, miss: Quick) -> Quick:
        w = self.w
        w.namespace |= {"miss": miss, "Miss": Miss}
        parked: dict[int, GradState] = {}
        if self.lot is not None:
            parked = self.lot.slots_set()
            w.line(f"p = {w.constant(self.lot)}.last()")
        write_guards(w, self.guards, with_keywords, parked)
        w.miss_if(f"{w.constant(ANOMALIES)}.watch_compiled is not None")
        w.miss_if(f"{w.constant(_runtime('faults'))}.forked")
        if self.lot is None:
            self._work_unlocked()
        else:
            self._work_locked()
        return w.compile("quick")

    def _work_unlocked(self) -> None:
        """Nothing is written: what another thread does at the same time may come before or
        after."""
        self._evaluate()
        arguments = self._inputs()
        self._memory()
        old = self._old()
        self._run(arguments)
        self._checks()
        self._result(old)

    def _work_locked(self) -> None:
        w, outside = self.w, self.w.miss
        with w.block("try:"), w.block(f"with {w.constant(LOCK)}:"):
            w.miss = "raise Miss"  # the long way may wait for others, who need the lock
            w.miss_if(f"{w.constant(RECORDING)}[0]")
            self._evaluate()
            arguments = self._inputs()
            self._memory()
            old = self._old()
            self._run_parked(arguments)
            self._checks()
        w.miss = outside
        w.line(f"except Miss: {w.miss}")
        self._result(old)

    def _evaluate(self) -> None:
        pending = "(r := d['recorder']) is not None and r.nodes or 'others' in d"
        self.w.line(f"if {pending}: {self.w.constant(evaluate_all)}()")

    # Before the run

    def _inputs(self) -> str:
        """The expression that gives the executable's arguments."""
        w, trace = self.w, self.trace
        written = [] if self.lot is None else self.lot.bindings
        whole = [] if self.lot is None else self.lot.whole
        read = [
            i
            for i, b in enumerate(trace.bindings)
            if b.kind in ("storage", "grad") and i not in written
        ]
        if self.lot is not None:
            # All that is parked is there, or goes in now.
            lot = w.constant(self.lot)
            moved = f"{lot}.repointed != {w.constant(REPOINTED)}[0]"
            if self.lot.gradients:
                moved += f" or {lot}.has_moved(p)"
            w.line(f"if p is None or p.away or p.dead or {moved}:")
            w.line(f"    p = {lot}.enter()")
            w.line(f"    if p is None: {w.miss}")
            w.line("if p.latest is not None: p.settle()")
        if read:
            self._read(read)
        found = {i: ("p.arrays", n) for n, i in enumerate(whole)}
        found |= {i: ("read", n) for n, i in enumerate(read)}
        parts: list[tuple[str, int, int]] = []  # a list, or a variable, and from where to where

        def hand_over(name: str, start: int, end: int) -> None:
            if parts and parts[-1][0] == name and parts[-1][2] == start:
                start = parts.pop()[1]
            parts.append((name, start, end))

        for i, b in enumerate(trace.bindings):
            if i in found:
                name, at = found[i]
                hand_over(name, at, at + 1)
                continue
            if i in written:
                continue  # in a flat array
            if b.kind not in ("argument", "constant", "hyper") or b.whole:
                raise Unwritable
            parts.append((self._input(i, b), 0, 0))
        if self.lot is not None and self.lot.pieces:
            hand_over("p.arrays", len(whole), self.lot.count)
        sizes = {"p.arrays": 0 if self.lot is None else self.lot.size, "read": len(read)}
        return ", ".join(_part(name, start, end, sizes) for name, start, end in parts)

    def _read(self, numbers: list[int]) -> None:
        """Captured tensors that are only read."""
        w, bindings = self.w, [self.trace.bindings[i] for i in numbers]
        if any(isinstance(b.ref, int) for b in bindings):
            raise Unwritable
        refs = [b.ref if b.kind == "storage" else _GradOf(b.ref) for b in bindings]
        loose = [c for c in self.guards.owners if c.slot is None and c.tracked]
        if loose:
            raise Unwritable
        array, device = w.constant(self.jax_array), w.constant(self.trace.device)
        w.line(f"read = {w.constant(_read)}({w.constant(refs)}, {array}, {device})")
        w.miss_if("read is None")

    def _input(self, i: int, b: Any) -> str:
        w = self.w
        if b.kind == "constant":
            if type(b.ref) is not self.jax_array:
                raise Unwritable
            return w.constant(b.ref)
        if b.kind == "hyper":
            h, input = w.constant(b.ref), b.ref
            group = f"{w.constant(input.group)}[{input.key!r}]"
            number = group if input.index is None else f"{group}[{input.index}]"
            get = w.constant(_hyper)
            w.line(
                f"if {number} is {h}.number and {h}.holder is not None: h{i} = {h}.holder.buffer"
            )
            w.line(f"else: h{i} = {get}({h}, {w.constant(self.trace.device)})")
            w.miss_if(f"h{i}.__class__ is not {w.constant(self.jax_array)}")
            return f"h{i}"
        t = w.tensors[b.ref]
        v = f"v{t[1:]}"
        if self.lot is not None:  # another thread may have consumed what was there
            w.line(f"if {v} is not None: {v} = s{t[1:]}.value")
        w.line(f"if {v} is None: {v} = {w.constant(_shown)}({t})")
        w.line(f"if {v}.source is not None: {v} = {v}.source")
        w.line(f"b{i} = {v}.buffer")
        with w.block(f"if b{i}.__class__ is not {w.constant(self.jax_array)}:"):
            w.miss_if(f"b{i}.__class__ is not {w.constant(np.ndarray)}")
            w.line(f"b{i} = {w.constant(ready)}({v}, {w.constant(self.trace.device)})")
        return f"b{i}"

    def _memory(self) -> None:
        w, room = self.w, _runtime("room")
        size, device = self.trace.executable.program.memory_bytes, self.trace.device
        if size > room.CHECKED_BYTES:
            name = self.trace.executable.graph.name
            w.line(f"{w.constant(room)}.require({size}, {w.constant(device)}, {name!r})")

    def _old(self) -> dict[int, str]:
        """Variables for tensors of the result that are there before the run."""
        w, found = self.w, {}
        for n, leaf in enumerate(self.trace.leaves):
            if leaf.kind in ("bound", "handle"):
                ref = leaf.ref if leaf.kind == "bound" else leaf.index
                if ref is None:
                    raise Unwritable
                found[n] = f"o{n}"
                w.line(f"o{n} = {w.constant(ref)}()")
                w.miss_if(f"o{n} is None")
        return found

    # The run

    def _run(self, arguments: str) -> None:
        w, program = self.w, self.trace.executable.program
        if program.box is not None or self.trace.donate:
            raise Unwritable
        w.line(f"{w.constant(self.trace.executable)}.calls += 1")
        w.line(f"try: out = {w.constant(program.quickest or program.run)}({arguments})")
        # Another thread consumed one of them just now, or something is wrong.
        w.line(f"except RuntimeError: {w.miss}")

    def _run_parked(self, arguments: str) -> None:
        w, program, lot = self.w, self.trace.executable.program, self.lot
        assert lot is not None
        box = program.box
        if (box is None) != (not self.trace.donate) or set(self.trace.donate) - set(lot.bindings):
            raise Unwritable
        b = w.constant(box)
        if box is not None:
            w.miss_if(f"not {b}.is_safe")
        w.line(f"{w.constant(self.trace.executable)}.calls += 1")
        slots = bool(self.trace.grads)
        if slots:
            w.line("change = p.enter_slots() if p.away_slots else ()")
        # What follows the run is done whole: no interrupt comes between.
        commit = ["p.latest = out"] + [f"{w.constant(consume)}(change)"] * slots
        if box is None:  # nothing is consumed
            w.line(f"try: out = [*{w.constant(program.run)}({arguments})]")
            w.line(f"except RuntimeError: {w.miss}")
            for line in commit:
                w.line(line)
        else:
            with w.block(f"with {b}.lock:"):
                w.line(f"{b}.clear()")
                w.line(f"try: {w.constant(program.run)}({arguments})")
                w.line("except RuntimeError as error:")
                w.line(f"    raise {w.constant(self.trace.executable)}.explained(error) from None")
                with w.block("finally:"):
                    w.line(f"out = {b}[{b}.latest]")
                    with w.block("if out:"):
                        for line in commit:
                            w.line(line)
                    w.line(f"else: {w.constant(lot)}.failed(p)")
                    w.line(f"{b}.taken()")
        w.line(f"if p.away or p.away_slots: {w.constant(lot)}.rewrite(p, out)")
        w.line("p.settle()")

    def _checks(self) -> None:
        """Words of checks that the program makes stand behind its results."""
        w, executable = self.w, self.trace.executable
        if executable.check_messages:
            w.line(f"{w.constant(executable)}.put_checks_by(out)")

    # The result

    def _result(self, old: dict[int, str]) -> None:
        w, trace = self.w, self.trace
        names: list[str] = []
        storages: dict[int, str] = {}
        if any(self._is_own(leaf.link) for leaf in trace.leaves):
            w.line(f"views = {w.constant(Views)}({w.constant(trace)}, {w.all_leaves()})")
        for n, leaf in enumerate(trace.leaves):
            names.append(self._leaf(n, leaf, names, storages, old))
        if trace.spec is trees._LEAF:
            w.line(f"return {names[0]}")
        elif type(trace.spec) is int:
            w.line(f"return {joined(names)}")
        else:
            unflatten = w.constant(trees.unflatten)
            w.line(f"return {unflatten}({w.constant(trace.spec)}, [{', '.join(names)}])")

    def _leaf(
        self, n: int, leaf: Leaf, names: list[str], storages: dict[int, str], old: dict[int, str]
    ) -> str:
        w = self.w
        if leaf.kind == "again":
            return names[leaf.index]
        if leaf.kind == "static":
            return w.constant(leaf.index)
        if leaf.kind == "argument":
            return w.leaves[leaf.index]
        if n in old:
            return old[n]
        if leaf.kind != "new":
            raise Unwritable
        if leaf.index not in storages:
            storages[leaf.index] = self._storage(leaf.index)
        s, t, made = storages[leaf.index], f"x{n}", self.trace.new[leaf.index]
        if leaf.link is not None or made.strides is not None:
            link = w.constant(leaf.link)
            if self._is_own(leaf.link):
                link = f"views.of({link})"
            w.line(f"{t} = {w.constant(handle)}({s}, {link})")
            return t
        w.line(f"{t} = {w.constant(_NEW)}({w.constant(Tensor)})")
        w.line(f"{t}._storage = {s}; {t}._view = {t}._strides = None")
        w.line(f"{t}._type = {w.constant(self.trace.type_of(made.source.output))}")
        return t

    @staticmethod
    def _is_own(link: Link | None) -> bool:
        """Whether each call has its own chain of views: of most all share one."""
        return any(step is not None and step.kind in BARE for step in chain(link))

    def _storage(self, number: int) -> str:
        """A storage that the call makes."""
        w, made = self.w, self.trace.new[number]
        s, type_ = f"n{number}", self.trace.type_of(made.source.output)
        place = self.trace.place(made.source.output)
        edge = "None"
        if made.source.history is not None:
            edge = w.constant((self.trace.freed_node, made.source.history))
        w.line(f"v = {w.constant(_NEW)}({w.constant(Value)})")
        w.line(f"v.type = {w.constant(type_)}; v.index = 0; v.buffer = out[{place.number}]")
        w.line("v.node = v.source = None")
        w.line(f"v.edge = {edge}")
        w.line(f"{s} = {w.constant(_NEW)}({w.constant(Storage)})")
        w.line(f"{s}.value = v; {s}.device = {w.constant(self.trace.device)}")
        w.line(f"{s}.strides = {w.constant(made.strides)}; {s}.inference = {made.inference}")
        w.line(f"{s}.writes = {made.writes}")
        for value in (None, ()):
            names = [name for name, fresh in FRESH.items() if fresh == value]
            w.line(" = ".join([*(f"{s}.{name}" for name in names), repr(value)]))
        return s


_NEW = object.__new__
_BUFFER, _EDGE = attrgetter("value.buffer"), attrgetter("value.edge")


def _runtime(name: str) -> Any:
    return import_module(f"..runtime.{name}", __package__)


def _part(name: str, start: int, end: int, sizes: dict[str, int]) -> str:
    """Arguments of a call: a variable, or elements of a list."""
    if name not in sizes:
        return name
    if end - start == 1:
        return f"{name}[{start}]"
    return f"*{name}" if end - start == sizes[name] else f"*{name}[{start}:{end}]"


class _GradOf:
    """Gives the `.grad` of a slot, by a weak reference to that."""

    __slots__ = ("ref",)

    def __init__(self, ref: Callable[[], Any]):
        self.ref = ref

    def __call__(self) -> Any:
        slot = self.ref()
        return None if slot is None else slot.grad


def _read(refs: Sequence[Any], array: type, device: Any) -> list[Any] | None:
    """The arrays of captured tensors or storages, by weak references to them; None if one has
    none, or has history. What is parked stays so."""
    owners = [*map(operator.call, refs)]
    if type(None) in map(type, owners):
        return None
    storages = [t._storage if isinstance(t, Tensor) else t for t in owners]
    if ParkedStorage not in map(type, storages):
        if any(map(_EDGE, storages)):
            return None
        arrays = [*map(_BUFFER, storages)]
        if {*map(type, arrays)} == {array}:
            return arrays
    with LOCK:
        arrays = [_array_of(storage, device) for storage in storages]
    return arrays if {*map(type, arrays)} == {array} else None


def _array_of(storage: Storage, device: Any) -> Any:
    if storage.__class__ is ParkedStorage:
        parking, i = storage.parked
        return parking.peek(i)
    value = storage.value
    if value.edge is not None:
        return None
    value = root(value)
    return ready(value, device) if isinstance(value.buffer, np.ndarray) else value.buffer


def _hyper(h: HyperInput, device: Any) -> Any:
    """The array of a hyper-parameter."""
    return ready(h.value(), device)


def _shown(t: Tensor) -> Any:
    """What a view shows, as a value with a buffer."""
    observe(t)
    return t._value()
