"""Guards: what must be as it was for a trace to be replayed. Imported by `compile.py`.

`CHECKS` is the list of their kinds, one function each, in the order in which they are asked.
A trace asks those that it has something to ask of, so a checker of its own could be written
out from the same list. What is guarded of captured tensors is in `captured.py`.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import shared, trees
from .bindings import argument_slots
from .captured import Captured, Memory, named_tags, relations
from .entries import MISSING, SCALARS, Entry, by_contents, exact
from .follow import Form, has_form, is_own
from .hyper import read as read_hyper
from .modes import changed, modes
from .optimizer_guards import OptimizerForm
from .replay import Trace
from .session import GradState, Session, state_of_grad
from .spaces import Space, space_of
from .structures import Structure, is_structure
from .tensor import Tensor


class Change(NamedTuple):
    """A guard that does not hold: its name, the value now and in the trace, and the function
    and name through which the code reads it, if it does."""

    guard: str
    now: str
    was: str
    code: types.CodeType | None = None
    name: str = ""


class Guards:
    """Tests whether a call may replay a trace. `failure` gives the first guard that does not
    hold."""

    def __init__(self, spec: Any, leaves: Sequence[Any], names: Sequence[str] = ()):
        self.spec = spec
        self.names = names
        self.keys = trees.kinds_of_keys(spec)
        self.modes = modes()
        self.leaves = [_describe(leaf) for leaf in leaves]
        self.keep = [leaf for leaf in leaves if not isinstance(leaf, Tensor)]
        self.aliases = relations(leaves)
        self.entries: list[Entry] = []
        self.absent: list[tuple[dict, frozenset[str]]] = []
        # Dictionaries of modules' attributes as they were.
        self.spaces: list[Space] = []
        self.places: list[tuple[dict, str, Any, Any, str]] = []
        self.zeros: list[tuple[dict, str, int | None, bool]] = []
        self.slots: list[tuple[Any, GradState]] = []
        self.owners: list[Captured] = []
        self.assigned: list[Entry] = []
        self.structures: list[Structure] = []
        self.asked: list[Captured] = []
        # Arguments whose whole storage is read: through which view, of which base.
        self.views: list[tuple[int, tuple, Any]] = []
        self.classes: list[tuple[Any, type, str]] = []
        self.functions: list[tuple[Any, Form, str]] = []
        self.optimizers: list[OptimizerForm] = []
        self.tags: dict[int, dict] = {}
        self.mentioned: frozenset[str] = frozenset()
        self.memory: Memory | None = None
        self.trace: Trace | None = None
        self.checks = _ALWAYS

    def watch(self, session: Session, trace: Trace, leaves: Sequence[Any]) -> None:
        """Guard what the run depended on beside its arguments."""
        self.trace = trace
        own = argument_slots(leaves)
        watch = session.watch
        self.mentioned = frozenset(watch.names)
        self.entries = list(watch.entries.values())
        self.absent = [(space, frozenset(names)) for space, names in watch.absent.values()]
        assigned = {(id(space_of(s.entry.owner)), s.entry.name) for s in trace.sets}
        for module in session.modules.values():
            self._module(module, assigned)
        for cls in dict.fromkeys(type(module) for module in session.modules.values()):
            self.entries += [Entry(cls, n, f"{cls.__name__}.{n}") for n in ("forward", "__call__")]
        for value, label, kind, _ in watch.objects.values():
            if kind is not types.FunctionType and hasattr(value, "__dict__"):
                self.classes.append((value, kind, label))
            form = watch.functions.get(id(value))
            if form is not None:
                self.functions.append((value, form, label))
        self.zeros = list(session.zeros)
        inputs = {(id(h.group), h.key) for h in session.hypers}
        inputs |= {(id(group), key) for group, key, *_ in session.zeros}
        self.optimizers = [OptimizerForm(o, inputs) for o in session.optimizers.values()]
        # Read first means: what was there then matters, even if it is assigned later.
        self.slots = [
            (own.get(id(slot), slot), state) for slot, _, state in session.grad_reads.values()
        ]
        self._drop_doubles(session)
        self._watch_captured(session, trace, leaves)
        self.checks = tuple(check for check, has in CHECKS if has is None or has(self))

    def _module(self, module: Any, assigned: set[tuple[int, str]]) -> None:
        """Every attribute by identity or exact value; the tensors in it may be written to.

        What each call sets is left to `self.assigned`.
        """
        name = type(module).__name__
        own = module.__dict__
        inner = {k: d for k, d in own.items() if isinstance(d, dict)}
        spaces = {"": own, **{k: d for k, d in inner.items() if (id(own), k) not in assigned}}
        for key, space in spaces.items():
            free = [i for i, k in enumerate(space) if (id(space), k) in assigned]
            numbered = key.endswith("_hooks")  # by other numbers each time
            label = f"{name}.{key}" if numbered else name
            self.spaces.append(Space(space, free, label, numbered))
            for key, value in space.items():
                if (id(space), key) in assigned:
                    continue
                if isinstance(value, (list, set)) or (isinstance(value, dict) and space is not own):
                    self.places.append((space, key, value, exact(value), f"{name}.{key}"))

    def _watch_captured(self, session: Session, trace: Trace, leaves: Sequence[Any]) -> None:
        """Captured tensors must keep their type and whether they require grad.

        So must those whose value is not read: Python may have asked for their shape.
        """
        # What each call sets may hold any tensor of the type; its binding says which.
        assigned = {id(made.entry) for made in trace.sets}
        self.entries = [entry for entry in self.entries if id(entry) not in assigned]
        for entry, *_ in trace.sets:
            if isinstance(entry.found, Tensor):
                self.assigned.append(entry)
            elif is_structure(entry.found):
                self.structures.append(Structure(entry, entry.found))
            else:  # Python may have asked whether something is there
                self.entries.append(entry.as_found())
        # What a structure holds is guarded with it: the next call finds another.
        held = [trees.containers(s.entry.found) for s in self.structures]
        inside = {id(container) for found in held for container, _ in found}
        self.entries = [e for e in self.entries if id(e.owner) not in inside]
        seen = {id(leaf) for leaf in leaves}
        names, tags = self.mentioned, session.tags
        items = [item for structure in self.structures for item in structure.items]
        for b, edge in zip(trace.bindings, trace.first_edges, strict=True):
            if b.kind in ("storage", "entry"):
                owner = b.ref() if b.kind == "storage" else b.ref.__self__.found
                seen.add(id(owner))
                self.owners.append(Captured(b.ref, owner, names, tags, edge is not None))
            elif b.kind == "argument" and b.whole:
                self.views.append((b.ref, *_seen_of_base(leaves[b.ref])))
        for item in items:
            if id(item.found) not in seen:
                seen.add(id(item.found))
                self.owners.append(Captured(item.read, item.found, names, tags))
        # Tensors that the run made on an argument's storage died with it.
        own = {id(session.storage_before(t)) for t in leaves if isinstance(t, Tensor)}
        handles = [c.handle() for c in session.captures.values() if id(c.storage) not in own]
        named = _tensors_in([entry.value for entry in self.entries])
        for seen_of in self.spaces:
            named += [v for v in seen_of.kept() if isinstance(v, Tensor)]
        for t in [*handles, *named]:
            if isinstance(t, Tensor) and id(t) not in seen:
                seen.add(id(t))
                self.asked.append(Captured(weakref.ref(t), t, names, tags))
        owners = [b.ref() for b in trace.bindings if b.kind == "storage"]
        before = {key: (storage, link) for key, (_, storage, link, _) in session.handles.items()}
        reads = zip(self.slots, session.grad_reads.values(), strict=True)
        gradients = [(slot, grad) for (slot, _), (_, grad, _) in reads if grad is not None]
        assigned = [*self.assigned, *items]
        self.memory = Memory([*handles, *owners], named, leaves, assigned, before, gradients)
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, Tensor):
                found = named_tags(tags.get(id(leaf), (None, {}))[1], names)
                if found:
                    self.tags[i] = found

    def _drop_doubles(self, session: Session) -> None:
        """Attributes of modules are guarded as a whole, those of dataclasses among the
        arguments as arguments."""
        own = session.modules.keys() | {id(c) for c, _ in session.given}
        self.entries = [
            e
            for e in self.entries
            if id(e.owner) not in session.returned
            and (id(e.owner) not in own or not is_own(e.owner, e.name))
        ]
        given = {id(c) for c, _ in session.given}  # their structure says their class
        self.classes = [c for c in self.classes if id(c[0]) not in given]

    def describe(self) -> list[str]:
        """What is guarded, in words."""
        out = [f"{self._name(i)} is {_words(d)}" for i, d in enumerate(self.leaves)]
        out.append(f"grad mode is {self.modes[0]}")
        out += [f"{e.label} is {_short(e.value)}" for e in self.entries]
        out += sorted({f"{space.label} keeps its attributes" for space in self.spaces})
        out += [f"{key} is {'' if zero else 'not '}zero" for _, key, _, zero in self.zeros]
        return out

    def _name(self, i: int) -> str:
        name = self.names[i] if i < len(self.names) else ""
        return f"argument {i} ({name})" if name else f"argument {i}"

    def failure(self, spec: Any, leaves: Sequence[Any]) -> Change | None:
        """The first guard that does not hold; None if all do."""
        for check in self.checks:
            change = check(self, spec, leaves)
            if change is not None:
                return change
        return None


# The kinds of guards


def _modes(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    now = modes()
    if now == g.modes:
        return None
    name, a, b = changed(now, g.modes)
    return Change(name, _short(a), _short(b))


def _structure(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    if spec == g.spec and len(leaves) == len(g.leaves):
        if g.keys is None or trees.kinds_of_keys(spec) == g.keys:
            return None
        return Change("the structure of the arguments", "one of other kinds of keys", "as recorded")
    return Change("the structure of the arguments", _of_spec(spec), _of_spec(g.spec))


def _arguments(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for i, expected in enumerate(g.leaves):
        leaf = leaves[i]
        if _describe(leaf) != expected:
            found = _describe(leaf)
            now, was = _words(found), _words(expected)
            if now == was:
                now, was = _details(found, expected)
            return Change(g._name(i), now, was)
    return None


def _aliases(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    if relations(leaves) == g.aliases:
        return None
    return Change("which arguments share memory", "another way", "as recorded")


def _spaces(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for seen in g.spaces:
        space = seen.space  # often empty, and nearly always as it was
        if len(space) != len(seen.ids) or (space and not seen.same()):
            found = seen.difference()
            if found is not None:
                name, now, was = found
                return Change(name, _short(now), _short(was), None, name.rpartition(".")[2])
    return None


def _places(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for space, key, value, expected, label in g.places:
        now = space.get(key, MISSING)
        if exact(now) != expected:
            return Change(label, _short(now), _short(value))
    return None


def _entries(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for entry in g.entries:
        if not entry.holds():
            now, was = _short(entry.read()), _short(entry.found)
            if now == was:
                now, was = f"{now} that changed", f"{was} as it was"
            return Change(entry.label, now, was, entry.code, entry.name)
    return None


def _absent(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for space, names in g.absent:
        if not space.keys().isdisjoint(names):
            name = min(space.keys() & names)
            return Change(name, _short(space[name]), "not there", None, name)
    return None


def _assigned(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for entry in g.assigned:
        now = entry.read()
        if not isinstance(now, Tensor):
            return Change(entry.label, _short(now), "a tensor", entry.code, entry.name)
    return None


def _structures(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for structure in g.structures:
        if not structure.holds():
            entry = structure.entry
            now, was = "of another structure", "as recorded"
            return Change(entry.label, now, was, entry.code, entry.name)
    return None


def _classes(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for value, kind, label in g.classes:
        if type(value) is not kind:
            return Change(f"the class of {label}", type(value).__name__, kind.__name__)
    return None


def _functions(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for fn, form, label in g.functions:
        if not has_form(fn, form):
            what = "code" if fn.__code__ is not form.code else "defaults or attributes"
            what = what if fn.__name__ == form.name else "name"
            return Change(f"the {what} of {label}", "other ones", "as recorded")
    return None


def _optimizers(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for form in g.optimizers:
        what = form.difference()
        if what:
            return Change(what, "other than before", "as recorded")
    return None


def _zeros(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for group, key, index, zero in g.zeros:
        if (read_hyper(group, key, index) == 0) is not zero:
            return Change(key, f"{'not ' if zero else ''}zero", f"{'' if zero else 'not '}zero")
    return None


def _views(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for i, view, base in g.views:
        if _seen_of_base(leaves[i]) != (view, base):
            return Change(f"{g._name(i)}, written to,", "another view of its storage", "one before")
    return None


def _slots(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for slot, state in g.slots:
        target = leaves[slot]._grad_slot if isinstance(slot, int) else slot
        now = state_of_grad(target.grad)
        if now != state:
            words = _of_grad(now), _of_grad(state)
            if words[0] == words[1]:
                words = "of other strides, or another view", "as recorded"
            return Change("a .grad that is read", *words)
    return None


def _of_grad(state: GradState) -> str:
    return "None" if state is None else f"{state[0]}{' with history' if state[2] else ''}"


def _owners(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for captured in g.owners:
        t = captured.ref()
        # Nearly always nothing changed, and there may be hundreds.
        if t is None or not captured.same(t):
            return Change("a captured tensor", *captured.difference(t))
    return None


def _asked(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    for captured in g.asked:
        t = captured.ref()
        if t is not None and not captured.same(t):
            return Change("a captured tensor", *captured.difference(t))
    return None


def _tags(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    tags = g.tags
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor) and (leaf.__dict__ or i in tags):
            now = named_tags({k: exact(v) for k, v in leaf.__dict__.items()}, g.mentioned)
            was = tags.get(i, {})
            if now != was:
                key = min(k for k in {*now, *was} if now.get(k) != was.get(k))
                return Change(f"{g._name(i)}'s {key}", _tag(now.get(key)), _tag(was.get(key)))
    return None


def _memory(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    assert g.memory is not None
    who = g.memory.difference(leaves)
    if not who:
        return None
    return Change(f"what {who} shares memory with", "another tensor", "as recorded")


def _entangled(g: Guards, spec: Any, leaves: Sequence[Any]) -> Change | None:
    if not shared.are_several() or g.trace is None or not g.trace.is_entangled(leaves):
        return None
    return Change("what a tensor it writes to shares memory with", "another by NumPy", "nothing")


Check = Callable[[Guards, Any, Sequence[Any]], Change | None]
# Each kind, and whether a trace has something of it.
CHECKS: list[tuple[Check, Callable[[Guards], Any] | None]] = [
    (_modes, None),
    (_structure, None),
    (_arguments, None),
    (_aliases, None),
    (_spaces, lambda g: g.spaces),
    (_places, lambda g: g.places),
    (_entries, lambda g: g.entries),
    (_absent, lambda g: g.absent),
    (_assigned, lambda g: g.assigned),
    (_structures, lambda g: g.structures),
    (_classes, lambda g: g.classes),
    (_functions, lambda g: g.functions),
    (_optimizers, lambda g: g.optimizers),
    (_zeros, lambda g: g.zeros),
    (_views, lambda g: g.views),
    (_slots, lambda g: g.slots),
    (_owners, lambda g: g.owners),
    (_asked, lambda g: g.asked),
    (_tags, lambda g: any(d is not None for d in g.leaves)),
    (_memory, None),
    (_entangled, None),
]
_ALWAYS: tuple[Check, ...] = (_modes, _structure, _arguments, _aliases)


def _seen_of_base(t: Tensor) -> tuple:
    """Through which views a tensor shows its storage, and the type of that."""
    return (() if t._view is None else t._view.signature(), t._storage.value.type)


def _describe(leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        slot = leaf._grad_slot
        if slot is None:
            return (leaf._type, leaf._storage.device, leaf._strides, leaf.requires_grad, type(leaf))
        hooks = (*slot.hooks.values(), *slot.post_hooks.values()) or 2
        if leaf._slot is None:  # no leaf, but the run may find its `.grad` or make it one again
            hooks = (leaf.requires_grad, hooks)
        return (leaf._type, leaf._storage.device, leaf._strides, hooks, type(leaf))
    return ("static", by_contents(leaf))


_PARTS = ("type", "device", "strides", "requires_grad or hooks", "class")


def _details(now: Any, was: Any) -> tuple[str, str]:
    """How two descriptions that read the same differ."""
    if "static" in (now[0], was[0]):
        return "another one", "one before"
    for part, a, b in zip(_PARTS, now, was, strict=True):
        if a != b:
            return f"of {part} {a}", f"of {part} {b}"
    return "another one", "one before"


def _tensors_in(values: list[Any]) -> list[Tensor]:
    """Tensors among values and in the containers among them."""
    out: list[Tensor] = []
    seen: set[int] = set()
    todo = list(values)
    while todo:
        value = todo.pop()
        if isinstance(value, Tensor):
            out.append(value)
        elif isinstance(value, (list, tuple, dict)) and id(value) not in seen:
            seen.add(id(value))
            todo += [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return out


def _words(expected: Any) -> str:
    return str(expected[0]) if expected[0] != "static" else _text(expected[1])


def _text(form: Any) -> str:
    """What `exact` gave, in words."""
    kind, *rest = form
    if kind in SCALARS:
        return rest[0] if kind in (float, complex) else repr(rest[0])
    return f"a {kind.__name__}"


def _tag(form: Any) -> str:
    return "not there" if form is None else _text(form)


def _of_spec(spec: Any) -> str:
    if spec == "leaf" or isinstance(spec, int):
        return f"({', '.join('*' * (1 if spec == 'leaf' else spec))})"
    return str(spec).removeprefix("PyTreeSpec(").partition(", NoneIsLeaf")[0]


def _short(value: Any) -> str:
    if isinstance(value, SCALARS):
        return repr(value)
    return f"a {type(value).__name__}" if value is not MISSING else "gone"
