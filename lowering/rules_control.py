"""Ops that hold a graph or act on the run itself; read by `lowering.table` alone."""

from __future__ import annotations

import jax
from jax import lax

from ..ir.nested import has_effect
from .run import current


def check(node, ok):
    current().flags.append(ok)
    return ok


def call(node, *args):
    """The nested graph as a function, traced and lowered once however often it is called.

    One that makes checks is put in line: its flags belong to the program's results.
    """
    from .lower import evaluate

    graph = node.attr("graph")
    if has_effect(node):
        return evaluate(graph, args)
    functions = current().functions
    if id(graph) not in functions:

        def function(*args):
            return evaluate(graph, args)

        function.__name__ = function.__qualname__ = graph.name
        functions[id(graph)] = jax.jit(function)
    return functions[id(graph)](*args)


RULES = {
    "detach": lambda node, x: x,  # gradients are the IR's affair: nothing is left to do
    "graft": lambda node, data, history: data,
    "opaque": lambda node, x: x,
    "barrier": lambda node, x: lax.optimization_barrier(x),
    "check": check,
    "call": call,
}
