"""Nested containers of tensors, flattened and put together again. Imported by the tracer."""

from __future__ import annotations

import dataclasses
import functools
import sys
from typing import Any

from .tensor import Tensor

_LEAF = "leaf"
_NAMESPACE = "thrace"
_PLAIN = (Tensor, int, float, bool, str, type(None))
_CONTAINERS = (list, dict)


def _optree() -> Any:
    """optree, imported on use; a recording run does not watch that."""
    if "optree" not in sys.modules:
        before = sys.getprofile()
        sys.setprofile(None)
        try:
            import optree
        finally:
            sys.setprofile(before)
    import optree

    return optree


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Leaves in order and the structure. None is a leaf; dictionaries keep their order, and
    dataclasses are containers of their fields.

    A tuple of plain leaves, the common case of arguments, does not need optree.
    """
    if isinstance(tree, Tensor):
        return [tree], _LEAF
    if type(tree) is tuple and all(isinstance(leaf, _PLAIN) for leaf in tree):
        return list(tree), len(tree)
    leaves, spec = _flatten(tree)
    while any(map(_is_new, leaves)):
        for leaf in leaves:
            if _is_new(leaf):
                _register(type(leaf))
        leaves, spec = _flatten(tree)
    return leaves, spec


def _flatten(tree: Any) -> tuple[list[Any], Any]:
    optree = _optree()
    with optree.dict_insertion_ordered(True, namespace=_NAMESPACE):
        return optree.tree_flatten(tree, none_is_leaf=True, namespace=_NAMESPACE)  # type: ignore


def unflatten(spec: Any, leaves: list[Any]) -> Any:
    """The tree of this structure with these leaves."""
    if spec is _LEAF:
        return leaves[0]
    if type(spec) is int:
        return tuple(leaves)
    return _optree().tree_unflatten(spec, leaves)


def kinds_of_keys(spec: Any, depth: int = 1) -> Any:
    """The types of the keys in a structure, which compares True and 1 as equal; None if all
    keys are strings. The first `depth` are places in a tuple or list."""
    if spec is _LEAF or type(spec) is int:
        return None
    kinds = [tuple(map(type, path)) for path in spec.paths()]
    if all(kind is str for path in kinds for kind in path[depth:]):
        return None
    return kinds


# Dataclasses: what each has in its fields, and nothing beside them.

_KNOWN: dict[type, bool] = {}


def _is_new(leaf: Any) -> bool:
    kind = type(leaf)
    return hasattr(kind, "__dataclass_fields__") and kind not in _KNOWN


def _register(cls: Any) -> None:
    """Make a dataclass a container, if all of an instance is in its fields."""
    module = cls.__module__ or ""
    theirs = not module.startswith(__name__.partition(".")[0] + ".")
    plain = not issubclass(cls, (Tensor, list, dict, tuple, set)) and not hasattr(cls, "forward")
    _KNOWN[cls] = theirs and plain
    if _KNOWN[cls]:
        names = tuple(f.name for f in dataclasses.fields(cls))  # type: ignore[arg-type]
        _optree().register_pytree_node(
            cls,
            functools.partial(_fields, names),
            functools.partial(_build, cls),
            namespace=_NAMESPACE,
        )


def _fields(names: tuple[str, ...], value: Any) -> tuple[list[Any], Any]:
    own = getattr(value, "__dict__", {})
    have = tuple(n for n in names if n in own or hasattr(type(value), n) or not own)
    more = tuple(n for n in own if n not in names)
    return [getattr(value, n) for n in (*have, *more)], (*have, *more)


def _build(cls: type, names: tuple[str, ...], values: Any) -> Any:
    made = object.__new__(cls)
    for name, value in zip(names, values, strict=True):
        object.__setattr__(made, name, value)
    return made


def is_container(value: Any) -> bool:
    """Whether a value is a dataclass that is taken apart."""
    if _is_new(value):
        _register(type(value))
    return _KNOWN.get(type(value), False)


def contents(container: Any) -> tuple[Any, ...]:
    """What a list, a dictionary or a dataclass holds: keys and values."""
    if isinstance(container, dict):
        return (*container.keys(), *container.values())
    if isinstance(container, list):
        return tuple(container)
    return tuple(_fields(tuple(type(container).__dataclass_fields__), container)[0])


def containers(tree: Any) -> list[tuple[Any, tuple[Any, ...]]]:
    """The lists, dictionaries and dataclasses in a tree, with what they hold."""
    out: list[tuple[Any, tuple[Any, ...]]] = []
    seen: set[int] = set()
    todo = [tree]
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        if isinstance(value, _CONTAINERS) or is_container(value):
            seen.add(id(value))
            held = contents(value)
            out.append((value, held))
            todo += held
        elif isinstance(value, tuple):
            todo += value
    return out
