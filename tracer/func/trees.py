"""Trees of tensors as the transforms see them: leaves, structures, prefixes.

Imported by the rest of `func`.
"""

from __future__ import annotations

from typing import Any

from .. import trees
from ..tensor import Tensor


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Leaves in order and the structure, which compares equal to that of a like tree."""
    return trees.flatten(tree)


def unflatten(spec: Any, leaves: list[Any]) -> Any:
    return trees.unflatten(spec, leaves)


def is_container(tree: Any) -> bool:
    return isinstance(tree, (tuple, list, dict)) and not isinstance(tree, Tensor)


def spread(prefix: Any, tree: Any) -> list[Any] | None:
    """`prefix` for each leaf of `tree`: an entry stands for all that is below it.

    None where the prefix has another structure than the tree.
    """
    if not is_container(prefix):
        return [prefix] * len(flatten(tree)[0])
    if not is_container(tree) or len(prefix) != len(tree):
        return None
    if isinstance(prefix, dict) or isinstance(tree, dict):
        if type(prefix) is not type(tree) or prefix.keys() != tree.keys():
            return None
        pairs = [(prefix[k], tree[k]) for k in tree]
    else:
        pairs = list(zip(prefix, tree, strict=True))
    out: list[Any] = []
    for p, t in pairs:
        inner = spread(p, t)
        if inner is None:
            return None
        out += inner
    return out


def tree_map(fn: Any, tree: Any) -> Any:
    leaves, spec = flatten(tree)
    return unflatten(spec, [fn(leaf) for leaf in leaves])


def tensors_of(tree: Any) -> list[Tensor]:
    return [leaf for leaf in flatten(tree)[0] if isinstance(leaf, Tensor)]
