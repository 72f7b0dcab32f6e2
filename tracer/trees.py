"""Nested containers of tensors, flattened and put together again. Imported by the tracer."""

from __future__ import annotations

import sys
from typing import Any

from .tensor import Tensor

_LEAF = "leaf"
_PLAIN = (Tensor, int, float, bool, str, type(None))


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
    """Leaves in order and the structure. None is a leaf; dictionaries keep their order.

    A tuple of plain leaves, the common case of arguments, does not need optree.
    """
    if isinstance(tree, Tensor):
        return [tree], _LEAF
    if type(tree) is tuple and all(isinstance(leaf, _PLAIN) for leaf in tree):
        return list(tree), len(tree)
    optree = _optree()
    with optree.dict_insertion_ordered(True, namespace="thrace"):
        return optree.tree_flatten(tree, none_is_leaf=True, namespace="thrace")  # type: ignore


def unflatten(spec: Any, leaves: list[Any]) -> Any:
    """The tree of this structure with these leaves."""
    if spec is _LEAF:
        return leaves[0]
    if type(spec) is int:
        return tuple(leaves)
    return _optree().tree_unflatten(spec, leaves)
