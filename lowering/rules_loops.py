"""Structured control flow as `jax.lax` calls; read by `lowering.table` alone.

The flags of checks inside a held graph leave it as results: a check in a branch that was
not taken holds, one in a loop holds if it did so in every step, and one that fails ends a
`while_loop`.
"""

from __future__ import annotations

import functools

import numpy as np
from jax import lax

from .run import collecting, current


def _held(graph, args):
    """A held graph's outputs and the flags of its checks."""
    from .lower import evaluate

    with collecting() as run:
        outputs = evaluate(graph, args)
    return outputs, run.flags


def _all_true(graph):
    from .lower import check_messages

    return [np.bool_(True)] * len(check_messages(graph))


def cond(node, pred, *args):
    taken, other = node.attrs
    passed = [_all_true(taken), _all_true(other)]

    def when_true(*args):
        outputs, flags = _held(taken, args)
        return outputs, [*flags, *passed[1]]

    def when_false(*args):
        outputs, flags = _held(other, args)
        return outputs, [*passed[0], *flags]

    outputs, flags = lax.cond(pred, when_true, when_false, *args)
    current().flags += flags
    return outputs


def while_loop(node, *args):
    condition, body, carries = node.attrs
    consts = args[carries:]

    def test(carried):
        outputs, flags = _held(condition, (*carried, *consts))
        return outputs[0], flags

    def step(state):
        carried, _, before, passed = state
        outputs, flags = _held(body, (*carried, *consts))
        passed = _both(passed, flags)
        again, flags = test(outputs) if before else (None, [])
        return outputs, again, _both(before, flags), passed

    # The condition's own flags can leave it only if it runs as part of the step.
    checked = _all_true(condition)
    begin = list(args[:carries])
    again, before = test(begin) if checked else (None, [])
    state = (begin, again, before, _all_true(body))

    def goes_on(state):
        carried, again, before, passed = state
        # After a failed check the numbers mean nothing, and might never end the loop.
        return functools.reduce(
            lax.bitwise_and, [*before, *passed], again if checked else test(carried)[0]
        )

    outputs, _, before, passed = lax.while_loop(goes_on, step, state)
    current().flags += [*before, *passed]
    return outputs


def scan(node, *args):
    graph, carries, xs, length, reverse, saves = node.attrs
    consts = args[carries + xs :]

    def step(state, slices):
        carried, passed = state
        outputs, flags = _held(graph, (*carried, *slices, *consts))
        made = [*outputs[carries:], *(carried if saves else ())]
        return (outputs[:carries], _both(passed, flags)), made

    state = (list(args[:carries]), _all_true(graph))
    stacked = list(args[carries : carries + xs])
    (carried, passed), made = lax.scan(step, state, stacked, length, reverse)
    current().flags += passed
    return [*carried, *made]


def _both(before, now):
    return [lax.bitwise_and(a, b) for a, b in zip(before, now, strict=True)]


RULES = {"cond": cond, "while_loop": while_loop, "scan": scan}
