"""What must stay of an optimizer that steps in a compiled function: its groups, its parameters,
its state and its hooks; numbers that are inputs may change. Imported by the guards.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from .entries import exact, may_change

# Counters of its own.
_OWN = frozenset(("_version", "_stepped"))
_HOOKS = ("_pre_hooks", "_post_hooks")


def _is_number(value: Any) -> bool:
    """Whether a hyper-parameter is a number: those that a step reads are inputs or guarded by
    being zero, so one that is neither was not read."""
    if isinstance(value, tuple):
        return all(map(_is_number, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_plain(value: Any) -> bool:
    """Whether a value's type says all that `_form` says: it is no tensor, and has none in it."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (int, float))


def _form(value: Any) -> Any:
    """What a hyper-parameter that is an input may not change: a number stays one, a tensor one
    of its type."""
    if isinstance(value, tuple):
        return (*map(_form, value),)
    return getattr(value, "_type", "number" if _is_number(value) else None)


class Items:
    """Some of a dictionary's items, and of what types the others are."""

    __slots__ = ("count", "kinds", "others", "pick", "plain", "space", "tuples", "values")

    def __init__(self, space: dict[str, Any], names: list[str], numbers: bool = True):
        """With `numbers`, they count as changed where a tensor is among what is not named."""
        self.space = space
        self.count = len(space)
        self.values = [space[name] for name in names]
        self.pick = _picker(names)
        self.others = _picker([name for name in space if name not in names])
        self.kinds = [*map(type, self.others(space))]
        rest = {k: v for k, v in space.items() if k not in names and k != "params"}
        self.tuples = [(k, [*map(type, v)]) for k, v in rest.items() if isinstance(v, tuple)]
        self.plain = not numbers or all(map(_is_plain, rest.values()))

    def same(self, space: dict[str, Any]) -> bool:
        """Whether this is that dictionary, with the same objects and the others of the same types.
        May be False where all are merely equal."""
        if space is not self.space or len(space) != self.count or not self.plain:
            return False
        try:
            found, others = self.pick(space), self.others(space)
        except KeyError:  # another name took the place of one
            return False
        if not all(map(operator.is_, found, self.values)) or [*map(type, others)] != self.kinds:
            return False
        return all([*map(type, space[k])] == kinds for k, kinds in self.tuples)


def _picker(names: list[str]) -> Callable[[dict[str, Any]], Sequence[Any]]:
    """A function that takes the values of these names."""
    if len(names) > 1:
        return operator.itemgetter(*names)
    return lambda space: [space[name] for name in names]


class OptimizerForm:
    """How an optimizer was; `inputs` are the hyper-parameters that replays read again."""

    __slots__ = (
        *("attributes", "groups", "held", "hooks", "inputs", "kept", "optimizer", "options"),
        *("own", "params", "rest", "settled", "state"),
    )

    def __init__(self, optimizer: Any, inputs: set[tuple[int, str]]):
        self.optimizer = optimizer
        self.inputs = inputs
        self.kept = [*self._objects()]  # so that their ids stay theirs
        self.attributes = self._attributes()
        self.groups = self._groups()
        self.state = self._state()
        self.options = self._groups(False)
        # The same as objects, for a look that makes nothing.
        self.params = [list(group["params"]) for group in optimizer.param_groups]
        self.held = [t for state in optimizer.state.values() for t in state.values()]
        own = vars(optimizer)
        self.own = Items(own, [k for k in own if k not in _OWN], numbers=False)
        self.hooks = [own[name] for name in _HOOKS if name in own]
        self.rest = [
            Items(group, [k for k, _ in options])
            for group, (_, options, *_) in zip(optimizer.param_groups, self.options, strict=True)
        ]
        fixed = [value for items in self.rest for value in items.values]
        self.settled = not any(map(may_change, fixed)) and not any(self.hooks)

    def _objects(self) -> Any:
        yield from vars(self.optimizer).values()
        for group in self.optimizer.param_groups:
            yield from group.values()
            yield from group["params"]
        for state in self.optimizer.state.values():
            yield from (state, *state.values())
        for name in _HOOKS:
            yield from vars(self.optimizer).get(name, {}).values()

    def _attributes(self) -> Any:
        own = vars(self.optimizer)
        hooks = [own[name] for name in _HOOKS if name in own]
        named = [(k, id(v)) for k, v in own.items() if k not in _OWN]
        return named, [[*map(id, h.values())] for h in hooks]

    def _groups(self, params: bool = True) -> Any:
        inputs = self.inputs
        return [
            (
                [*map(id, group["params"])] if params else (),
                [
                    (k, exact(v))
                    for k, v in group.items()
                    if k != "params" and (id(group), k) not in inputs and not _is_number(v)
                ],
                id(group),
                [(k, _form(v)) for k, v in group.items() if (id(group), k) in inputs],
            )
            for group in self.optimizer.param_groups
        ]

    def _state(self) -> Any:
        return [id(t) for state in self.optimizer.state.values() for t in (state, *state.values())]

    def same(self) -> bool:
        """Whether nothing of the optimizer changed; looks at identities first."""
        groups, states, same = self.optimizer.param_groups, self.optimizer.state, operator.is_
        if len(groups) != len(self.params):
            return not self.difference()
        for group, params in zip(groups, self.params, strict=True):
            found = group["params"]
            if len(found) != len(params) or not all(map(same, found, params)):
                return not self.difference()
        if states or self.held:
            if sum(map(len, states.values())) != len(self.held):
                return not self.difference()
            values = chain.from_iterable(map(dict.values, states.values()))
            if not all(map(same, values, self.held)):
                return not self.difference()
        pairs = ((self.own, vars(self.optimizer)), *zip(self.rest, groups, strict=True))
        if self.settled and not any(self.hooks) and all(i.same(space) for i, space in pairs):
            return True
        return self._attributes() == self.attributes and self._groups(False) == self.options

    def difference(self) -> str:
        """What of the optimizer changed; empty if nothing did."""
        name = type(self.optimizer).__name__
        groups = self._groups()
        if groups != self.groups:
            if [g[0] for g in groups] != [g[0] for g in self.groups]:
                return f"params of {name}"
            changed = [
                k
                for new, old in zip(groups, self.groups, strict=True)
                for k, _ in {*new[1], *new[3]} ^ {*old[1], *old[3]}
            ]
            return f"{', '.join(sorted({*changed})) or 'param_groups'} of {name}"
        if self._attributes() != self.attributes:
            return f"an attribute (step?) or a hook of {name}"
        if self._state() != self.state:
            return f"the state of {name}"
        return ""
