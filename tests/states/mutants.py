"""Mutants: each disables one guard, or one rule of what is followed, noted, read or set again.

A mutant is found by its rows; `finds` says whether it is, and `killer` which mutant a row finds.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from thrace.tracer import (
    building,
    captured,
    codes,
    engine,
    entries,
    follow,
    guards,
    history,
    modes,
    replay,
    session,
    state,
    structures,
    trees,
    watch,
)
from thrace.tracer import compile as compiling
from thrace.tracer.optim.lr_scheduler import base as scheduling
from thrace.tracer.reasons import Why
from thrace.tracer.tensor import Tensor

from .rows import Row, failure, forget_pending

Patches = list[Any]


class Mutant(NamedTuple):
    """`make` gives the patches that put it in, `rows` some that must find it. All but those of
    `quick` code are of the long way, which then all calls go."""

    text: str
    make: Callable[[], Patches]
    rows: tuple[str, ...]
    quick: bool = False

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        long_way = [] if self.quick else [mock.patch.object(compiling, "write", _no_code)]
        with contextlib.ExitStack() as stack:
            for patch in [*long_way, *self.make()]:
                stack.enter_context(patch)
            yield


def _no_code(*args: Any) -> None:
    """In the place of `quick.write`."""


def without_check(name: str) -> Patches:
    """No guard of one kind."""
    checks = [c for c in guards.CHECKS if c[0].__name__ != name]
    always = tuple(c for c in guards._ALWAYS if c.__name__ != name)
    assert len(checks) < len(guards.CHECKS)
    return [
        mock.patch.object(guards, "CHECKS", checks),
        mock.patch.object(guards, "_ALWAYS", always),
    ]


def without_mode(number: int) -> Patches:
    real = modes.modes

    def broken() -> tuple:
        return tuple(None if i == number else m for i, m in enumerate(real()))

    return [mock.patch.object(m, "modes", broken) for m in (guards, session)]


def without_part(number: int) -> Patches:
    """Arguments that differ in one part of their description count as equal."""
    real = guards._describe

    def broken(leaf: Any) -> Any:
        found = list(real(leaf))
        if isinstance(leaf, Tensor):
            found[number] = 0
        return tuple(found)

    return [mock.patch.object(guards, "_describe", broken)]


def by_identity(*kinds: type) -> Patches:
    """Values of these kinds compare by identity."""
    return [
        mock.patch.dict(
            entries._COMPARED, {k: lambda kind, value, seen: (kind, id(value)) for k in kinds}
        )
    ]


def by_value() -> Patches:
    """Floats compare with ==."""
    return [
        mock.patch.object(entries, "_BY_TEXT", frozenset()),
        mock.patch.object(entries, "_BY_VALUE", entries._BY_VALUE | {float, complex}),
    ]


def without_types() -> Patches:
    """1, True and 1.0 compare as equal."""

    def broken(value: Any, seen: Any = None) -> Any:
        if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
            return (int, repr(value + 0.0))
        return real(value, seen)

    real = entries.exact
    return [mock.patch.object(m, "exact", broken) for m in (entries, guards, follow, session)] + [
        mock.patch.object(entries, "by_contents", broken),
        mock.patch.object(guards, "by_contents", broken),
    ]


def shallow() -> Patches:
    """Of containers in containers the identity counts."""

    def broken(value: Any, seen: set) -> bool:
        if len(seen) > 1:
            return False
        seen.add(id(value))
        return True

    return [mock.patch.object(entries, "_expands", broken)]


def nothing(target: Any, name: str, result: Any = None) -> Callable[[], Patches]:
    """A function that does nothing."""
    return lambda: [mock.patch.object(target, name, lambda *args, **kwargs: result)]


def unsaid(*reasons: Why) -> Callable[[], Patches]:
    """A reason that is not seen while the function runs, or right after."""

    def make() -> Patches:
        real = session.Session._note

        def broken(self: Any, new: Any) -> None:
            if new.why not in reasons:
                real(self, new)

        return [mock.patch.object(session.Session, "_note", broken)]

    return make


class _Untold(ast.NodeTransformer):
    """Without the statements that raise `NotReplayable` for one reason."""

    def __init__(self, name: str):
        self.reason = f"raise NotReplayable(Why.{name}"

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        return ast.Pass() if ast.unparse(node).startswith(self.reason) else node


def untold(why: Why) -> Callable[[], Patches]:
    """A reason that is not seen where the trace is made."""

    def make() -> Patches:
        patches = []
        for name, method in list(vars(building._Building).items()):
            if not inspect.isfunction(method):
                continue
            tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
            before = ast.dump(tree)
            tree = ast.fix_missing_locations(_Untold(why.name).visit(tree))
            if ast.dump(tree) != before:
                space: dict[str, Any] = {}
                exec(compile(tree, building.__file__, "exec"), building.__dict__, space)
                patches.append(mock.patch.object(building._Building, name, space[name]))
        assert patches
        return patches

    return make


def frozen(kind: str) -> Callable[[], Patches]:
    """Inputs of one kind are those of the first replay."""

    def make() -> Patches:
        real = replay.Trace.gather
        known: dict[tuple[int, int], Any] = {}
        kept: list[Any] = []

        def broken(self: Any, arguments: Any, early: Any) -> Any:
            kept.append(self)
            values = real(self, arguments, early)
            for i, b in enumerate(self.bindings):
                if b.kind == kind:
                    held = replay.HyperValue(np.array(values[i].buffer))
                    values[i] = known.setdefault((id(self), i), held)
            return values

        return [mock.patch.object(replay.Trace, "gather", broken)]

    return make


def forgotten(part: str) -> Callable[[], Patches]:
    """A replay that leaves out one part of what it sets."""

    def make() -> Patches:
        real = replay.Trace.changes

        def broken(self: Any, *args: Any, **options: Any) -> Any:
            if options.get("first") is not None:
                return real(self, *args, **options)
            with mock.patch.object(self, part, []):
                return real(self, *args, **options)

        return [mock.patch.object(replay.Trace, "changes", broken)]

    return make


def other_leaf(kind: str, change: Callable[[Any, Any, Any], Any]) -> Callable[[], Patches]:
    """Results of one kind that are given back in another way."""

    def make() -> Patches:
        real = replay.Trace._result

        def broken(self: Any, new: Any, old: Any, arguments: Any) -> Any:
            out = real(self, new, old, arguments)
            return [
                change(t, leaf, out) if leaf.kind == kind else t
                for t, leaf in zip(out, self.leaves, strict=True)
            ]

        return [mock.patch.object(replay.Trace, "_result", broken)]

    return make


def copied(t: Any, leaf: Any, out: Any) -> Any:
    return t.detach().clone()


def no_history() -> Patches:
    real = replay.Trace.changes

    def broken(self: Any, *args: Any, **options: Any) -> Any:
        with mock.patch.object(self, "has_history", False):
            return real(self, *args, **options)

    return [mock.patch.object(replay.Trace, "changes", broken)]


def always_again() -> Patches:
    """No trace ever serves again."""
    change = guards.Change("everything", "other", "as recorded")
    return [mock.patch.object(guards.Guards, "failure", lambda self, spec, leaves: change)]


def only_last_trace() -> Patches:
    """The trace of an earlier state is thrown away."""
    real = compiling.CompiledFunction._record

    def broken(self: Any, *args: Any) -> Any:
        del self.traces[:]
        return real(self, *args)

    return [mock.patch.object(compiling.CompiledFunction, "_record", broken)]


def items_by_identity() -> Patches:
    return [mock.patch.object(structures.Item, "read", lambda self: self.found)]


def items_apart() -> Patches:
    real = building.set_of

    def broken(*args: Any) -> Any:
        made = real(*args)
        if made is None:
            return None
        whole = [made.leaves[what] if n == -1 else (n, what) for n, what in made.leaves]
        return made._replace(leaves=whole)

    return [mock.patch.object(building, "set_of", broken)]


def stepped_schedules() -> Patches:
    return [mock.patch.object(scheduling.LRScheduler, "snapshot", lambda self: lambda: None)]


def unnamed() -> Patches:
    real = guards.Memory

    def broken(touched: Any, named: Any, leaves: Any, assigned: Any, before: Any) -> Any:
        was = {id(e.found) for e in assigned}
        return real(touched, [t for t in named if id(t) not in was], leaves, assigned, before)

    return [mock.patch.object(guards, "Memory", broken)]


def any_number_of_traces() -> Patches:
    endless = property(lambda self: 99)
    return [mock.patch.object(compiling.CompiledFunction, "max_traces", endless, create=True)]


def links_kept() -> Patches:
    """Calls give out the links that the trace has."""
    real = replay.Views.of

    def broken(self: Any, link: Any, old: Any = None, base: Any = None) -> Any:
        return real(self, link, old, base) if old is not base else link

    return [mock.patch.object(replay.Views, "of", broken)]


def links_apart() -> Patches:
    """Tensors of one call share no links."""

    def broken(self: Any, leaf: Any, ground: Any = None, writes: Any = None) -> Any:
        return building.rebase(leaf._view, ground, ground, writes)

    return [mock.patch.object(building._Building, "_kept", broken)]


def argument_slots() -> Patches:
    """A view of an argument that is a leaf is one of another leaf."""
    return [mock.patch.object(replay.Views, "_slot", lambda self, slot: slot.another())]


def handles_known() -> Patches:
    """Every view counts as one from before the run."""
    real = session.Session.__init__

    def broken(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        self.first_link = sys.maxsize

    return [mock.patch.object(session.Session, "__init__", broken)]


def detached_anew() -> Patches:
    """What was detached before the run counts as detached in it."""
    real = replay.Views.of

    def broken(self: Any, *args: Any) -> Any:
        self.trace.detached.clear()
        return real(self, *args)

    return [mock.patch.object(replay.Views, "of", broken)]


def leaves_flow() -> Patches:
    """A leaf that the run made has the history of what it was made from."""
    real = history._Differentiable.use

    def broken(self: Any, o: Any) -> Any:
        if o.edge is not None and isinstance(o.edge[0], engine.GradSlot):
            return self.env[o.source or o] if self.of_edge(o.edge) is None else real(self, o)
        return real(self, o)

    return [mock.patch.object(history._Differentiable, "use", broken)]


def no_history_from_before() -> Patches:
    """What is written keeps its history only if that began in the run."""
    real = history._Differentiable.of_edge

    def broken(self: Any, edge: Any) -> Any:
        found = real(self, edge)
        return None if getattr(edge[0], "outputs", None) and found in self.plan.inputs else found

    return [mock.patch.object(history._Differentiable, "of_edge", broken)]


def early_donation() -> Patches:
    return [
        mock.patch.object(replay, "_VALUE_REFS", 1000),
        mock.patch.object(replay, "_ARRAY_REFS", 1000),
    ]


def after_errors(change: Callable[[Any], None]) -> Patches:
    """Where a run raised, something is changed."""
    real = session.Session.watched

    def broken(self: Any, *args: Any) -> Any:
        try:
            return real(self, *args)
        except BaseException:
            change(self)
            raise

    return [mock.patch.object(session.Session, "watched", broken)]


def lost_writes() -> Patches:
    """Writes before an exception are undone."""

    def undo(run: Any) -> None:
        for capture in run.captures.values():
            capture.storage.value = capture.held
            capture.storage.cache = None

    return after_errors(undo)


def modes_kept() -> Patches:
    """The mode of a run that raised stays."""
    return after_errors(lambda run: setattr(state.STATE, "grad_enabled", False))


def not_inference() -> Patches:
    real = building.New
    return [
        mock.patch.object(building, "New", lambda source, strides, inference: real(source, strides))
    ]


def any_cells() -> Patches:
    real = codes.cells
    return [mock.patch.object(codes, "cells", lambda frame, known: real(frame, ()))]


def sorted_keys() -> Patches:
    """The order of a dictionary's keys does not count."""

    def broken(tree: Any) -> Any:
        return trees._optree().tree_flatten(tree, none_is_leaf=True, namespace="thrace")

    return [mock.patch.object(trees, "_flatten", broken)]


def late_arguments() -> Patches:
    return [
        mock.patch.object(session.Session, "storage_before", lambda self, t: t._storage),
        mock.patch.object(building._Building, "_before", lambda self, t: (t._storage, t._view)),
    ]


def everything_lasts() -> Patches:
    """Objects made in the call count as having been there before."""
    real = watch.Watch.look

    def broken(self: Any, value: Any, label: str, depth: int = 0, lasting: bool = True) -> None:
        real(self, value, label, depth, True)

    return [mock.patch.object(watch.Watch, "look", broken)]


def same_leaf_or_not() -> Patches:
    """That two names are of one tensor does not count."""
    real = captured.relations

    def broken(leaves: Any) -> tuple:
        return tuple((first, 0, slot, sign) for first, _, slot, sign in real(leaves))

    return [mock.patch.object(m, "relations", broken) for m in (guards, captured)]


def check(kind: str, text: str, *rows: str) -> Mutant:
    return Mutant(text, lambda: without_check(kind), rows)


MUTANTS: dict[str, Mutant] = {
    # Kinds of guards
    "modes": check("_modes", "modes are not guarded", "modes: grad mode"),
    "structure": check("_structure", "the structure is not guarded", "arguments: length of a list"),
    "arguments": check("_arguments", "arguments are not guarded", "arguments: string"),
    "aliases": check(
        "_aliases", "arguments may share memory", "aliasing: same tensor twice, then two"
    ),
    "spaces": check("_spaces", "modules' attributes are free", "modules: training of a part"),
    "places": check("_places", "lists in modules are free", "modules: list of a layer"),
    "entries": check("_entries", "named values are free", "values: global float"),
    "absent": check("_absent", "names may come", "values: builtin that is hidden"),
    "assigned": check("_assigned", "what is set may be no tensor", "objects: state set to None"),
    "classes": check("_classes", "classes are free", "objects: isinstance of a global object"),
    "functions": check("_functions", "functions may change", "functions: default of a helper"),
    "optimizers": check("_optimizers", "optimizers may change", "modules: optimizer step patched"),
    "zeros": check("_zeros", "what was zero may be another", "modules: momentum zero"),
    "views": check(
        "_views", "written views may move", "aliasing: another view of the same shape written"
    ),
    "slots": check("_slots", ".grad may be there or not", "modules: gradient read by the function"),
    "owners": check("_owners", "captured tensors are free", "modules: layer's dtype converted"),
    "asked": check("_asked", "named tensors are free", "modules: shape of a tensor asked for"),
    "tags": check("_tags", "tags are free", "objects: attribute of an argument tensor"),
    "memory": check(
        "_memory", "captures may share memory", "aliasing: argument that is what is captured"
    ),
    "no grad mode": Mutant("", lambda: without_mode(0), ("modes: grad mode",)),
    "no inference mode": Mutant(
        "", lambda: without_mode(1), ("modes: inference mode around a call",)
    ),
    "no default dtype": Mutant("", lambda: without_mode(2), ("modes: default dtype",)),
    "no saved hooks": Mutant(
        "", lambda: without_mode(3), ("modes: saved-tensor hooks around a call",)
    ),
    "any type": Mutant("", lambda: without_part(0), ("arguments: shape",)),
    "any strides": Mutant("", lambda: without_part(2), ("arguments: strides",)),
    "any requires_grad": Mutant("", lambda: without_part(3), ("arguments: requires_grad",)),
    "any class": Mutant("", lambda: without_part(4), ("arguments: parameter or tensor",)),
    # How values compare
    "floats by value": Mutant("0.0 is -0.0", by_value, ("values: zero and minus zero",)),
    "types ignored": Mutant(
        "1 is True", without_types, ("values: global bool or int of equal value",)
    ),
    "shallow": Mutant("", shallow, ("values: item deep in containers",)),
    "lists by identity": Mutant(
        "", lambda: by_identity(list), ("values: item of a list", "values: length of a list")
    ),
    "dicts by identity": Mutant("", lambda: by_identity(dict), ("values: value of a dict",)),
    "sets by identity": Mutant("", lambda: by_identity(set), ("values: set",)),
    "deques by identity": Mutant("", lambda: by_identity(entries.deque), ("values: deque",)),
    "proxies by identity": Mutant(
        "", lambda: by_identity(entries.types.MappingProxyType), ("values: mapping proxy",)
    ),
    "views by identity": Mutant("", lambda: by_identity(*entries._VIEWS), ("values: dict view",)),
    "bytes by identity": Mutant(
        "",
        lambda: by_identity(*entries._BYTES),
        ("values: bytearray", "values: array.array", "values: memoryview"),
    ),
    "arrays by identity": Mutant("", lambda: by_identity(np.ndarray), ("values: numpy array",)),
    "scalars by identity": Mutant(
        "", lambda: by_identity(np.generic), ("arguments: equal numpy scalars",)
    ),
    "context variables by identity": Mutant(
        "", lambda: by_identity(entries.contextvars.ContextVar), ("values: context variable",)
    ),
    "partials by identity": Mutant(
        "", lambda: by_identity(entries.functools.partial), ("functions: keywords of a partial",)
    ),
    "methods by identity": Mutant(
        "",
        lambda: by_identity(entries.types.MethodType),
        ("functions: bound method made anew at each call",),
    ),
    "functions by identity": Mutant(
        "",
        lambda: by_identity(entries.types.FunctionType),
        ("functions: lambda made anew at each call",),
    ),
    "caches by identity": Mutant(
        "", lambda: by_identity(entries.CACHES), ("functions: cache that is cleared",)
    ),
    "loggers by identity": Mutant(
        "", lambda: by_identity(entries.logging.Logger), ("escapes: logging that is off",)
    ),
    "key types ignored": Mutant("", nothing(trees, "kinds_of_keys"), ("arguments: types of keys",)),
    "key order ignored": Mutant("", sorted_keys, ("arguments: order of a dict",)),
    # What is followed
    "attributes": Mutant("", nothing(follow.Follow, "attributes"), ("objects: attribute",)),
    "methods": Mutant(
        "", nothing(follow, "_foreign", True), ("functions: method of a class replaced",)
    ),
    "function forms": Mutant(
        "", nothing(follow.Follow, "_look_at_function"), ("functions: default argument replaced",)
    ),
    "containers": Mutant(
        "", nothing(follow.Follow, "_look_inside"), ("objects: slots in a container",)
    ),
    "wrappers": Mutant(
        "", nothing(follow.Follow, "_look_through", False), ("functions: default of a helper",)
    ),
    "library frames": Mutant(
        "",
        nothing(watch.Watch, "enter_library"),
        ("values: UserDict", "values: environment variable"),
    ),
    "user frames": Mutant("", nothing(watch.Watch, "enter"), ("values: global float",)),
    "names at run time": Mutant(
        "",
        nothing(watch.Watch, "name_attributes"),
        ("objects: getattr by a name put together",),
    ),
    "closures": Mutant("", nothing(codes, "cells", []), ("values: closure variable",)),
    "whose closure": Mutant(
        "", any_cells, ("values: two functions of one code keep their own variables",)
    ),
    "imports": Mutant("", nothing(codes, "imported", set()), ("values: imported module's global",)),
    "globals": Mutant("", nothing(codes, "globals_of", set()), ("values: global float",)),
    "made in the call": Mutant("", everything_lasts, ("escapes: object returned",)),
    "dataclasses": Mutant(
        "", nothing(trees, "_is_new", False), ("arguments: dataclass made anew",)
    ),
    # What is read, set and given back again
    "frozen captures": Mutant(
        "", frozen("storage"), ("values: global tensor written between calls",)
    ),
    "frozen arguments": Mutant("", frozen("argument"), ("arguments: same type, other values",)),
    "frozen entries": Mutant("", frozen("entry"), ("objects: tensor attribute set inside",)),
    "frozen gradients": Mutant("", frozen("grad"), ("modules: gradient read by the function",)),
    "frozen rates": Mutant("", frozen("hyper"), ("modules: learning rate",)),
    "lost writes": Mutant("", forgotten("writes"), ("aliasing: same tensor twice",)),
    "lost gradients": Mutant("", forgotten("grads"), ("modules: gradient kept by the user",)),
    "lost attributes": Mutant("", forgotten("sets"), ("objects: tensor attribute set inside",)),
    "lost data": Mutant("", forgotten("points"), ("aliasing: set_ inside",)),
    "memory shared by NumPy": Mutant(
        "",
        nothing(building, "is_entangled", False),
        ("aliasing: two tensors that share memory by NumPy",),
    ),
    "handles": Mutant(
        "where tensors are pointed is not noted",
        nothing(session.Session, "note_handle"),
        ("aliasing: data swapped inside",),
    ),
    "lost leaves": Mutant("", forgotten("marked"), ("modules: argument made a leaf",)),
    "lost scheduler": Mutant(
        "",
        lambda: [mock.patch.object(session.Session, "host_effect", lambda *a: None)],
        ("modules: scheduler inside",),
    ),
    "results without views": Mutant(
        "", other_leaf("new", copied), ("aliasing: outputs that alias each other",)
    ),
    "results not the same": Mutant(
        "", other_leaf("again", copied), ("aliasing: same tensor returned twice",)
    ),
    "arguments copied": Mutant(
        "", other_leaf("argument", copied), ("aliasing: argument returned",)
    ),
    "views of arguments copied": Mutant(
        "", other_leaf("view", copied), ("aliasing: view of an argument returned",)
    ),
    "captures copied": Mutant("", other_leaf("bound", copied), ("aliasing: capture returned",)),
    "no history": Mutant("", no_history, ("aliasing: history of a result flows on",)),
    "not inference": Mutant("", not_inference, ("modes: inference mode inside",)),
    "arguments as they end": Mutant(
        "", late_arguments, ("aliasing: data assigned inside to an argument",)
    ),
    "which tensor": Mutant("", same_leaf_or_not, ("aliasing: identity of two arguments",)),
    "links of views kept": Mutant(
        "", links_kept, ("aliasing: detached result that gets history afterwards",)
    ),
    "links of views apart": Mutant(
        "", links_apart, ("aliasing: two views of one detached result, one of which gets history",)
    ),
    "every detached view is new": Mutant(
        "",
        detached_anew,
        ("aliasing: view of what was detached, with history of its own, before",),
    ),
    "leaves made inside flow": Mutant(
        "", leaves_flow, ("aliasing: leaf made inside of what was detached",)
    ),
    "slots of arguments": Mutant(
        "", argument_slots, ("aliasing: views of an argument that the call gave other data",)
    ),
    "handles of the first call": Mutant(
        "", handles_known, ("aliasing: detached result that the user keeps",)
    ),
    "history of what is written past it": Mutant(
        "",
        no_history_from_before,
        ("aliasing: write in no_grad to an argument with history, history afterwards",),
    ),
    "early donation": Mutant("", early_donation, ("aliasing: copy of what is written",)),
    "writes undone": Mutant("", lost_writes, ("escapes: exception after a write",)),
    "modes not restored": Mutant("", modes_kept, ("escapes: exception under no_grad",)),
    "always again": Mutant("nothing is replayed", always_again, ("modules: steps",)),
    "last trace only": Mutant("", only_last_trace, ("values: global float",)),
    # Reasons
    "shared results": Mutant("", unsaid(Why.SHARED), ("escapes: outer list returned",)),
    "constants": Mutant(
        "everything returned counts as constant",
        nothing(building, "is_constant", True),
        ("escapes: set returned", "escapes: generator returned"),
    ),
    **{
        f"unsaid {why.name}": Mutant("", unsaid(why), (row,))
        for why, row in {
            Why.VALUE: "escapes: branch on a value",
            Why.RETAINED: "reasons: gradient that an argument keeps, read",
            Why.PRINTS: "escapes: printing",
            Why.FILE: "escapes: file read",
            Why.WARNS: "escapes: warning",
            Why.CLOCK: "values: clock",
            Why.RANDOM: "values: Python's random numbers",
            Why.NUMPY_RANDOM: "values: NumPy's random numbers",
            Why.SYSTEM: "escapes: thread started inside",
            Why.LOOKUP: "values: globals()",
            Why.IDENTITY: "escapes: id of an argument",
            Why.WEAK: "objects: weak reference",
            Why.ITERATOR: "functions: iterator in a list",
            Why.CONTAINER: "escapes: tensor appended to an outer list",
            Why.ARGUMENT: "arguments: list written to",
            Why.CHANGES: "values: global counter",
            Why.MODE: "modes: grad mode left changed",
            Why.HYPERS: "modules: rate written by the function",
            Why.NUMPY_DATA: "escapes: tensor made of a NumPy array",
            Why.LARGE_ARRAY: "values: large numpy array",
            Why.LARGE_CONTAINER: "values: item of a very long list",
            Why.INPUT: "reasons: input read",
            Why.SENDS: "reasons: number sent to a queue",
            Why.HISTORY: "reasons: backward through history from outside",
            Why.HOOK: "reasons: hook registered on a tensor from outside",
            Why.CONTROL_FLOW: "reasons: branch of cond with an effect outside",
        }.items()
    },
    **{
        f"untold {why.name}": Mutant("", untold(why), rows)
        for why, rows in {
            Why.ESCAPES: ("reasons: tensor kept as an attribute of the result",),
            Why.LATE_HOOK: (
                "reasons: hook on what is returned with history",
                "reasons: hook on a leaf that is returned",
            ),
            Why.DETACHED: ("aliasing: detached state returned with history",),
            Why.FUNCTION: ("reasons: history of an autograd.Function returned",),
            Why.HOOK: ("modules: hook registered inside at each call",),
            Why.LEAF: ("reasons: leaf made inside with its gradient",),
            Why.RETAINED: ("reasons: gradient kept by a tensor that is no leaf",),
            Why.REQUIRES_GRAD: ("reasons: requires_grad of a tensor from outside changed",),
        }.items()
    },
    "named elsewhere": Mutant(
        "Nobody looks whether another name leads to what an assigned name held at first.",
        unnamed,
        (
            "structures: attribute that another name has at first",
            "structures: tensor of a structure that another name has at first",
            "structures: buffer that is an attribute at first",
        ),
    ),
    "history freed whole": Mutant(
        "A pass from one result frees what is behind the others.",
        nothing(engine, "spend", False),
        ("aliasing: results differentiated one after the other",),
    ),
    "history never freed": Mutant(
        "A second pass from results that share history is not refused.",
        nothing(engine, "spend", True),
        ("aliasing: results that share history differentiated one after the other",),
    ),
    "conditions": Mutant(
        "What a run found true is not looked at again.",
        nothing(replay.Trace, "_check"),
        ("modules: norm that has to be finite",),
    ),
    "schedules ahead of conditions": Mutant(
        "Schedulers stay stepped where a condition does not hold.",
        stepped_schedules,
        ("modules: norm that has to be finite",),
    ),
    "structures": Mutant(
        "Nothing guards what a structure of tensors that is set looked like.",
        lambda: without_check("_structures"),
        ("structures: structure with another number in it",),
    ),
    "structures by identity": Mutant(
        "A structure that is set is compared by which tensors it holds.",
        lambda: [mock.patch.object(guards, "is_structure", lambda value: False)],
        ("structures: tuple of tensors set anew", "structures: dictionary set anew"),
    ),
    "structures unseen": Mutant(
        "Only tensors by themselves are set.",
        nothing(session.Session, "_is_made", False),
        ("structures: tuple of tensors set anew", "structures: list that is set and returned"),
    ),
    "structures that grow": Mutant(
        "What grows or counts is set as well.",
        lambda: [mock.patch.object(session.Structure, "holds", lambda self: True)],
        ("structures: list that grows", "structures: dataclass with a number that counts"),
    ),
    "structures known": Mutant(
        "What was there before is taken for made.",
        nothing(session.Session, "knew", False),
        ("structures: tuple that was there before",),
    ),
    "structures of their first tensors": Mutant(
        "Tensors found in a structure are those that were there at first.",
        items_by_identity,
        ("structures: tuple of tensors set anew", "structures: tuple set as a closure's variable"),
    ),
    "items twice": Mutant(
        "A tensor that is twice in what is set is two.",
        items_apart,
        ("structures: the same tensor twice in what is set",),
    ),
    "structures returned": Mutant(
        "Nobody looks whether a container is set or returned twice.",
        nothing(session.Session, "_shared"),
        (
            "structures: list that is set and returned",
            "structures: list that is set twice",
            "structures: tuple with a list in it that is set and returned",
        ),
    ),
    "any number of traces": Mutant(
        "The number of traces is not bounded.",
        lambda: [
            mock.patch.object(
                compiling.CompiledFunction, "max_traces", property(lambda self: 99), create=True
            )
        ],
        ("reasons: more traces than are allowed",),
    ),
}

# Rows that no mutant changes, and why.
EXCUSED: dict[str, str] = {}


def finds(row: Row, mutant: Mutant) -> bool:
    """Whether a row fails under a mutant."""
    with mutant.planted():
        try:
            return bool(failure(row))
        except Exception:
            return True
        finally:
            forget_pending()


def killer(name: str, row: Row) -> str:
    """The first mutant that a row finds: those first that name it or rows of its table, and the
    one under which nothing is replayed last."""
    table = name.partition(":")[0]

    def rank(item: tuple[str, Mutant]) -> tuple[bool, bool, bool]:
        key, mutant = item
        return (
            key == "always again",
            name not in mutant.rows,
            not any(r.startswith(table) for r in mutant.rows),
        )

    for key, mutant in sorted(MUTANTS.items(), key=rank):
        if finds(row, mutant):
            return key
    return ""
