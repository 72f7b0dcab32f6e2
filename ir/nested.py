"""Graphs inside graphs: the ones that nodes hold as attributes (`call` and its like).

Imported inside `ir` by whatever looks at a whole program: verifier, printers, hash, passes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

from .graph import Graph, Node


def held_graphs(node: Node) -> Iterator[Graph]:
    """The graphs among a node's attributes, those inside tuples included."""
    for attr in node.attrs:
        if isinstance(attr, Graph):
            yield attr
        elif isinstance(attr, tuple):
            yield from _inside(attr)


def _inside(attr: tuple) -> Iterator[Graph]:
    todo: list[Any] = [*reversed(attr)]
    while todo:
        item = todo.pop()
        if isinstance(item, Graph):
            yield item
        elif isinstance(item, tuple):
            todo += reversed(item)


def nested_graphs(graph: Graph) -> list[Graph]:
    """Every graph of a program, each once, after those it holds: `graph` itself is last."""
    out: list[Graph] = []
    done: set[int] = set()
    stack: list[tuple[Graph, bool]] = [(graph, False)]
    while stack:
        g, ready = stack.pop()
        if id(g) in done:
            continue
        if ready:
            done.add(id(g))
            out.append(g)
            continue
        stack.append((g, True))
        held = [h for node in g.nodes if node.attrs for h in held_graphs(node)]
        stack += [(h, False) for h in reversed(held) if id(h) not in done]
    return out


# Graphs never change, so the answer is kept for as long as the graph lives.
_EFFECTS: weakref.WeakKeyDictionary[Graph, bool] = weakref.WeakKeyDictionary()


def has_effect(node: Node) -> bool:
    """Whether a node, or a graph it holds, must run though nobody reads its results."""
    return node.op.effect or any(_runs_effect(g) for g in held_graphs(node))


def _runs_effect(graph: Graph) -> bool:
    stack = [graph]
    while stack:
        g = stack[-1]
        if g in _EFFECTS:
            stack.pop()
            continue
        unknown = [h for n in g.nodes for h in held_graphs(n) if h not in _EFFECTS]
        if unknown:
            stack += unknown
        else:
            _EFFECTS[g] = any(
                n.op.effect or any(_EFFECTS[h] for h in held_graphs(n)) for n in g.nodes
            )
    return _EFFECTS[graph]


def changed_graphs(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """`graph` after `change` of every graph of the program, those that it holds first."""
    done: dict[int, Graph] = {}
    for g in nested_graphs(graph):
        done[id(g)] = change(swap_graphs(g, done))
    return done[id(graph)]


def swap_graphs(graph: Graph, new: dict[int, Graph]) -> Graph:
    """`graph` with the graphs its nodes hold exchanged by id; itself if none of them changes."""
    from .rebuild import Rebuilder

    if all(new.get(id(h), h) is h for node in graph.nodes for h in held_graphs(node)):
        return graph
    r = Rebuilder(graph)
    for node in graph.nodes:
        r.copy(node, r.map(node.operands))
        made = r.nodes[-1]
        made.attrs = tuple(_swap(a, new) for a in made.attrs)
    return r.finish()


def _swap(attr: Any, new: dict[int, Graph]) -> Any:
    if isinstance(attr, Graph):
        return new.get(id(attr), attr)
    if isinstance(attr, tuple) and any(True for _ in _inside(attr)):
        return tuple(_swap(item, new) for item in attr)
    return attr
