"""The guards of a trace as code: what `quick` writes first.

Each kind of guard in `guards.CHECKS` has a quick form here, which may fail where the guard
holds but never the other way round; where it fails, and for kinds without one, the code asks
the check itself. Imported by `quick`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

from . import guards as kinds
from . import state, trees
from .captured import Captured
from .guards import CHECKS, Guards
from .parking import ParkedSlot
from .session import GradState, state_of_grad
from .shared import _SHARING
from .spaces import Space
from .state import HANDLES, STATE
from .tensor import REPOINTED, Tensor
from .writer import Unwritable, Writer, joined


def write_guards(
    w: Writer, g: Guards, with_keywords: bool, parked_slots: dict[int, GradState]
) -> None:
    """Lines that miss where a guard may not hold. Afterwards `d` has the thread's state,
    and there are variables for the leaves; for a tensor `t0`, `s0` is its storage and `v0`
    what that holds, or None.

    `parked_slots` has the ids of the slots that the trace sets, and the state that it leaves.
    """
    has = {check for check, has in CHECKS if has is None or has(g)}
    _write_modes(w, g)
    _write_structure(w, g, with_keywords)
    _write_leaves(w, g)
    if kinds._slots in has:
        _write_slots(w, g, parked_slots)
    if has & {kinds._owners, kinds._asked}:
        w.miss_if(f"not {w.constant(Handles(g))}.same()")
    for check in (check for check, _ in CHECKS if check in has):
        if check in _WRITTEN:
            continue
        writer = _WRITERS.get(check)
        if writer is None:
            _ask(w, g, check)
        else:
            writer(w, g)


def _ask(w: Writer, g: Guards, check: Any, *when: str) -> None:
    """Ask the check itself, if one of the conditions holds or there are none."""
    ask = f"{w.constant(check)}({w.constant(g)}, {w.constant(g.spec)}, {w.all_leaves()})"
    condition = " or ".join(when)
    w.miss_if(f"({condition}) and {ask} is not None" if when else f"{ask} is not None")


def _write_modes(w: Writer, g: Guards) -> None:
    grad, inference, default, *rest = g.modes
    expected = (None, 0, grad, inference, rest[0], *rest[1])
    w.line(f"d = {w.constant(STATE)}.__dict__")
    w.miss_if(f"{w.constant(state.thread_modes)}(d) != {w.constant(expected)}")
    w.miss_if(f"{w.constant(state)}._default_dtype is not {w.constant(default)}")


# Arguments


class _Mark:
    """Stands for a leaf in the structure of the arguments."""

    def __init__(self, name: str):
        self.name = name


def _write_structure(w: Writer, g: Guards, with_keywords: bool) -> None:
    if g.keys is not None:
        raise Unwritable
    w.leaves = [f"t{i}" for i in range(len(g.leaves))]
    tree = trees.unflatten(g.spec, [_Mark(name) for name in w.leaves])
    if with_keywords:
        args, kwargs = tree
        _write_container(w, "args", args, own=True)
        _write_container(w, "kwargs", kwargs, own=True)
    else:
        w.miss_if("kwargs")
        _write_container(w, "args", tree, own=True)


def _write_container(w: Writer, name: str, tree: Any, own: bool = False) -> None:
    """Take a container apart; `own` ones are of the right class."""
    if tree.__class__ not in (tuple, list, dict):
        raise Unwritable
    if not own:
        w.miss_if(f"{name}.__class__ is not {w.constant(tree.__class__)}")
    items = list(tree.values()) if isinstance(tree, dict) else list(tree)
    if isinstance(tree, dict):
        if not all(type(key) is str for key in tree):
            raise Unwritable
        w.miss_if(f"[*{name}] != {w.constant(list(tree))}")
    names = [
        item.name if isinstance(item, _Mark) else f"{name}_{i}" for i, item in enumerate(items)
    ]
    if isinstance(tree, dict):
        if names:
            w.line(f"{joined(names)} = {name}.values()")
    elif names:
        w.line(f"try: {joined(names)} = {name}")
        w.line(f"except ValueError: {w.miss}")  # another number of them
    else:
        w.miss_if(name)
    for part, item in zip(names, items, strict=True):
        if not isinstance(item, _Mark):
            _write_container(w, part, item)


def _write_leaves(w: Writer, g: Guards) -> None:
    for i, (name, expected) in enumerate(zip(w.leaves, g.leaves, strict=True)):
        if expected[0] != "static":
            _write_tensor(w, g, i, expected)
        elif expected[1][0] in (bool, type(None)):
            w.miss_if(f"{name} is not {expected[1][1]}")
        elif expected[1][0] in (int, str, bytes):
            kind, value = expected[1]
            w.miss_if(f"{name}.__class__ is not {kind.__name__} or {name} != {value!r}")
        else:
            describe, was = w.constant(kinds._describe), w.constant(expected)
            w.miss_if(f"{describe}({name}) != {was}")
    storages = [f"s{name[1:]}" for name in w.tensors.values()]
    if g.aliases:
        _ask(w, g, kinds._aliases)
    elif len(storages) == 2:
        w.miss_if(" is ".join(storages))
    elif len(storages) > 2:
        w.miss_if(f"len({{{', '.join(storages)}}}) != {len(storages)}")


def _write_tensor(w: Writer, g: Guards, i: int, expected: tuple) -> None:
    type_, device, strides, tracked, cls = expected
    t, s = f"t{i}", f"s{i}"
    w.tensors[i] = t
    w.miss_if(f"{t}.__class__ is not {w.constant(cls)} or {t}._type is not {w.constant(type_)}")
    w.line(f"{s} = {t}._storage")
    w.miss_if(f"{s}.device is not {w.constant(device)}")
    other = "is not None" if strides is None else f"!= {w.constant(strides)}"
    w.miss_if(f"{t}._strides {other}")
    ask = f"{w.constant(kinds._describe)}({t}) != {w.constant(expected)}"
    # `v` is the value that the storage holds, None where only the tensor can tell.
    v = f"v{i}"
    if isinstance(tracked, bool):
        # What a user put on a tensor is in its `__dict__`, and whether it is a frozen leaf.
        with w.block(f"if {t}._view is None and not {t}.__dict__:"):
            w.line(f"{v} = {s}.value")
            w.miss_if(f"{v}.edge {'is' if tracked else 'is not'} None")
        with w.block("else:"):
            w.miss_if(ask)
            if i not in g.tags:
                _ask(w, g, kinds._tags)
            w.line(f"{v} = None")
        return
    w.miss_if(ask)  # a leaf, with its hooks
    w.line(f"{v} = None")
    if i not in g.tags:
        with w.block(f"if {t}.__dict__:"):
            _ask(w, g, kinds._tags)


def _write_tags(w: Writer, g: Guards) -> None:
    if g.tags:
        _ask(w, g, kinds._tags)


# What the code reads


def _write_spaces(w: Writer, g: Guards) -> None:
    """All that were filled by one pass over their values and one over their keys."""
    alike = [space for space in g.spaces if not space.free]
    others = [space for space in g.spaces if space.free]
    same = w.constant(AllSame(alike))
    _ask(w, g, kinds._spaces, f"not {same}()", *(f"not {w.constant(o)}.same()" for o in others))


class AllSame:
    """Whether no dictionary of attributes changed at all, in as few steps as there are. A name
    that takes the place of another goes to the end, so the last names tell."""

    def __init__(self, spaces: Sequence[Space]):
        self.empty = [space.space for space in spaces if not space.values]
        filled = [space for space in spaces if space.values]
        self.filled = [space.space for space in filled]
        self.named = [space.space for space in filled if space.keys is not None]
        self.last = [space.keys[-1] for space in filled if space.keys is not None]
        self.values = [value for space in filled for value in space.values]
        self.count = sum(len(space.values) for space in filled)

    def __call__(self) -> bool:
        flat = chain.from_iterable
        return (
            not any(self.empty)
            and sum(map(len, self.filled)) == self.count
            and all(map(operator.is_, flat(map(dict.values, self.filled)), self.values))
            and all(map(operator.is_, map(next, map(reversed, self.named)), self.last))
        )


def _write_places(w: Writer, g: Guards) -> None:
    """Containers in attributes, which are the same objects by now: most are empty."""
    empty = [value for _, _, value, _, _ in g.places if not value]
    exact = w.constant(kinds.exact)
    if empty:
        w.miss_if(f"any({w.constant(empty)})")
    for _, _, value, expected, _ in g.places:
        if value:
            w.miss_if(f"{exact}({w.constant(value)}) != {w.constant(expected)}")


def _write_entries(w: Writer, g: Guards) -> None:
    for entry in g.entries:
        name = w.constant(entry)
        if type(entry.owner) is dict and entry.settled and type(entry.name) is str:
            found = f"{w.constant(entry.owner)}.get({entry.name!r}, {name})"
            w.miss_if(f"{found} is not {w.constant(entry.value)} and not {name}.holds()")
        else:
            w.miss_if(f"not {name}.holds()")


def _write_functions(w: Writer, g: Guards) -> None:
    others = []
    for fn, form, _ in g.functions:
        if not form.fixed:
            others.append(fn)
            continue
        f = w.constant(fn)
        w.miss_if(
            f"{f}.__code__ is not {w.constant(form.code)} or {f}.__dict__ or {f}.__kwdefaults__ "
            f"or {f}.__defaults__ is not {w.constant(form.defaults)} "
            f"or {f}.__name__ is not {w.constant(fn.__name__)}"
        )
    if others:
        _ask(w, g, kinds._functions)


def _write_classes(w: Writer, g: Guards) -> None:
    values, classes = [v for v, *_ in g.classes], [kind for _, kind, _ in g.classes]
    w.miss_if(f"[*map(type, {w.constant(values)})] != {w.constant(classes)}")


def _write_zeros(w: Writer, g: Guards) -> None:
    for group, key, index, zero in g.zeros:
        found = f"{w.constant(group)}[{key!r}]" + ("" if index is None else f"[{index}]")
        w.miss_if(f"({found} == 0) is not {zero}")


def _write_optimizers(w: Writer, g: Guards) -> None:
    for form in g.optimizers:
        w.miss_if(f"not {w.constant(form)}.same()")


# Tensors


def _write_slots(w: Writer, g: Guards, parked: dict[int, GradState]) -> None:
    """A parked slot is as this trace's last call left it."""
    if any(isinstance(slot, int) or parked.get(id(slot), s) != s for slot, s in g.slots):
        _ask(w, g, kinds._slots)
        return
    ours = [(slot, state) for slot, state in g.slots if id(slot) in parked]
    others = [(slot, state) for slot, state in g.slots if id(slot) not in parked]
    if ours:
        w.miss_if(f"(p is None or p.away_slots) and not {w.constant(_hold)}({w.constant(ours)}, p)")
    if others:
        w.miss_if(f"not {w.constant(_hold)}({w.constant(others)}, None)")


def _hold(slots: list[tuple[Any, GradState]], parking: Any) -> bool:
    for slot, expected in slots:
        if slot.__class__ is ParkedSlot and slot.parked[0] is parking:
            continue
        if state_of_grad(slot.grad) != expected:
            return False
    return True


class Handles:
    """Whether captured tensors are as they were. Their views, hooks and storages change by calls
    of ours alone, which `HANDLES` counts; what the user puts on them is in their `__dict__`."""

    def __init__(self, g: Guards):
        self.g = g
        self.count = -1
        found = [(c, c.ref()) for c in (*g.owners, *g.asked)]
        handles = [(c, t) for c, t in found if isinstance(t, Tensor)]
        # A tensor's dictionary outlives it without keeping it alive.
        self.dicts = [t.__dict__ for _, t in handles if not t.__dict__]
        self.tagged: list[Captured] = [c for c, t in handles if t.__dict__]

    def same(self) -> bool:
        if any(self.dicts) or any(not _is_same(c) for c in self.tagged):
            return False
        if self.count == HANDLES[0]:
            return True
        count = HANDLES[0]
        if kinds._owners(self.g, None, ()) is None and kinds._asked(self.g, None, ()) is None:
            self.count = count
        return self.count == count


def _is_same(captured: Captured) -> bool:
    t = captured.ref()
    return t is None or captured.same(t)


def _write_memory(w: Writer, g: Guards) -> None:
    memory = g.memory
    assert memory is not None
    lone = _Lone(memory)
    if memory.assigned or any(memory.expected) or not lone.can_tell:
        _ask(w, g, kinds._memory)
        return
    if not memory.refs and not memory.slots:
        return
    m = w.constant(memory)
    when = [f"id(s{i}) in {m}.storages" for i in w.tensors]
    if memory.slots:
        storages = [f"id(s{i})" for i in w.tensors]
        when.append(f"not {w.constant(lone)}({', '.join(storages)})")
    _ask(w, g, kinds._memory, f"{m}.count != {w.constant(REPOINTED)}[0]", *when)


class _Lone:
    """Whether gradients that are read share memory with nothing, as most do, and did. What a
    trace parked does not."""

    def __init__(self, memory: Any):
        self.memory = memory
        alone = all(shared == (None, None) for shared in memory.shared)
        self.can_tell = alone and not any(isinstance(slot, int) for slot in memory.slots)

    def __call__(self, *arguments: int) -> bool:
        slots = self.memory.slots
        if ParkedSlot in map(type, slots):
            slots = [slot for slot in slots if slot.__class__ is not ParkedSlot]
        grads = [*map(_GRAD, slots)]
        if type(None) in map(type, grads):  # another thread took it away
            return False
        found = [*map(id, map(_STORAGE, grads))]
        apart = len({*found, *arguments}) == len(found) + len(arguments)
        return apart and self.memory.storages.keys().isdisjoint(found)


_GRAD, _STORAGE = attrgetter("grad"), attrgetter("_storage")


def _write_entangled(w: Writer, g: Guards) -> None:
    if g.trace is not None and not g.trace.writes:
        return
    _ask(w, g, kinds._entangled, f"len({w.constant(_SHARING)}) > 1")


_WRITERS: dict[Any, Callable[[Writer, Guards], None]] = {
    kinds._spaces: _write_spaces,
    kinds._places: _write_places,
    kinds._entries: _write_entries,
    kinds._classes: _write_classes,
    kinds._functions: _write_functions,
    kinds._optimizers: _write_optimizers,
    kinds._zeros: _write_zeros,
    kinds._tags: _write_tags,
    kinds._memory: _write_memory,
    kinds._entangled: _write_entangled,
}
# Written before, or with another.
_WRITTEN = {kinds._modes, kinds._structure, kinds._arguments, kinds._aliases}
_WRITTEN |= {kinds._slots, kinds._owners, kinds._asked}
