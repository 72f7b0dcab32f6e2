"""The symmetric indefinite factorisation in XLA, which has none; read by `lowering.table` alone.

LAPACK's unblocked algorithm (Bunch & Kaufman 1977, doi:10.1090/S0025-5718-1977-0428694-0), a
column a step, on the whole matrix with masks.
"""

from __future__ import annotations

import math

import jax
import numpy as np
from jax import lax

_ALPHA = (1 + math.sqrt(17)) / 8  # the pivot threshold that bounds growth


def _size(x):
    """|Re| + |Im|, by which LAPACK compares pivots."""
    return lax.abs(lax.real(x)) + lax.abs(lax.imag(x)) if _complex(x) else lax.abs(x)


def _complex(x):
    return np.issubdtype(x.dtype, np.complexfloating)


def _outer(x, y):
    return lax.expand_dims(x, (1,)) * lax.expand_dims(y, (0,))


def _column(m, k):
    return lax.dynamic_index_in_dim(m, k, 1, keepdims=False)


def _entry(v, k):
    return lax.dynamic_index_in_dim(v, k, 0, keepdims=False)


def _swapped(i, j, n):
    """The order 0 to n - 1 with `i` and `j` exchanged."""
    order = lax.iota(np.int32, n)
    return lax.select(
        order == i,
        lax.full_like(order, 0) + j,
        lax.select(order == j, lax.full_like(order, 0) + i, order),
    )


def _take(m, order, axis):
    """Rows or columns in an order."""
    return m.at[order].get(mode="clip") if axis == 0 else m.at[:, order].get(mode="clip")


def _factor_one(hermitian):
    def turn(x):
        return lax.conj(x) if hermitian and _complex(x) else x

    def factor(a):
        n = a.shape[0]
        order = lax.iota(np.int32, n)
        row, column = (lax.broadcasted_iota(np.int32, (n, n), i) for i in (0, 1))

        def mirrored(m):
            """The lower triangle on both sides: rounding must not part the two."""
            m = lax.select(row >= column, m, lax.transpose(turn(m), (1, 0)))
            if hermitian and _complex(m):
                plain = lax.complex(lax.real(m), lax.full_like(lax.real(m), 0))
                m = lax.select(row == column, plain, m)
            return m

        def step(k, state):
            m, pivots, second = state
            m = mirrored(m)
            k = lax.convert_element_type(k, np.int32)
            own = _column(m, k)
            size = _size(own)
            at_k = _entry(size, k)
            below = lax.select(order > k, size, lax.full_like(size, -1))
            largest = lax.argmax(below, 0, np.int32)
            column_max = lax.max(_entry(below, largest), lax.full_like(at_k, 0))
            other = _size(_column(m, largest))
            apart = (order >= k) & (order != largest)
            row_max = lax.reduce_max(lax.select(apart, other, lax.full_like(other, 0)), (0,))
            at_largest = _entry(other, largest)
            stay = (at_k >= _ALPHA * column_max) | (
                at_k * row_max >= _ALPHA * column_max * column_max
            )
            one = stay | (at_largest >= _ALPHA * row_max)
            pivot = lax.select(stay, k, largest)
            first = k + lax.convert_element_type(~one, np.int32)
            # Rows and columns from k on change places; what is left of k stays.
            new = _swapped(first, pivot, n)
            moved = _take(_take(m, new, 0), new, 1)
            moved = lax.select(column < k, m, moved)

            own = _column(moved, k)
            d = _entry(own, k)
            zero = lax.full_like(own, 0)
            tail = order > k
            safe = lax.select(d == 0, lax.full_like(d, 1), d)
            left = lax.select(tail, own / safe, zero)
            single = moved - _outer(left, lax.select(tail, turn(own), zero))
            single = lax.select((column == k) & (row > k), _outer(left, zero + 1), single)
            nothing = (at_k == 0) & (column_max == 0)
            single = lax.select(lax.broadcast(nothing, (n, n)), moved, single)

            after = lax.min(k + 1, np.int32(n - 1))
            beside = _column(moved, after)
            e, f = _entry(own, after), _entry(beside, after)
            det = d * f - e * turn(e)
            det = lax.select(det == 0, lax.full_like(det, 1), det)
            rest = order > k + 1
            one_left = lax.select(rest, (own * f - beside * e) / det, zero)
            two_left = lax.select(rest, (beside * d - own * turn(e)) / det, zero)
            double = moved - _outer(one_left, lax.select(rest, turn(own), zero))
            double = double - _outer(two_left, lax.select(rest, turn(beside), zero))
            under = row > k + 1
            double = lax.select((column == k) & under, _outer(one_left, zero + 1), double)
            double = lax.select((column == after) & under, _outer(two_left, zero + 1), double)

            made = lax.select(lax.broadcast(one, (n, n)), single, double)
            made = lax.select(lax.broadcast(second, (n, n)), m, made)
            signed = lax.select(one, pivot + 1, -(pivot + 1))
            mine = (order == k) | ((order == k + 1) & ~one)
            mine = mine & ~second
            pivots = lax.select(mine, lax.full_like(pivots, 0) + signed, pivots)
            return made, pivots, ~one & ~second

        start = a, lax.full((n,), 0, np.int32), np.bool_(False)
        made, pivots, _ = lax.fori_loop(0, n, step, start)
        return lax.select(row >= column, made, lax.full_like(made, 0)), pivots

    return factor


def _solve_one(hermitian):
    def turn(x):
        return lax.conj(x) if hermitian and _complex(x) else x

    def solve(packed, pivots, x):
        n = packed.shape[0]
        order = lax.iota(np.int32, n)
        here = lax.broadcasted_iota(np.int32, x.shape, 0)
        places = lax.abs(pivots) - 1

        def multipliers(k, beyond):
            column = _column(packed, k)
            return lax.select(order > beyond, column, lax.full_like(column, 0))

        def put(x, k, line):
            return lax.select(here == k, lax.broadcast(line, (n,)), x)

        def down(k, state):
            x, second = state
            k = lax.convert_element_type(k, np.int32)
            single = _entry(pivots, k) > 0
            after = lax.min(k + 1, np.int32(n - 1))
            first = lax.select(single, k, after)
            moved = _take(x, _swapped(first, _entry(places, k), n), 0)
            line = _entry(moved, k)
            d = _entry(_column(packed, k), k)
            one = put(moved - _outer(multipliers(k, k), line), k, line / d)

            e, f = (_entry(_column(packed, j), after) for j in (k, after))
            next_line = _entry(moved, after)
            two = moved - _outer(multipliers(k, k + 1), line)
            two = two - _outer(multipliers(after, k + 1), next_line)
            det = d * f - e * turn(e)
            two = put(two, k, (f * line - turn(e) * next_line) / det)
            two = put(two, after, (d * next_line - e * line) / det)
            made = lax.select(lax.broadcast(single, x.shape), one, two)
            return lax.select(lax.broadcast(second, x.shape), x, made), ~single & ~second

        def product(column, x):
            return lax.dot_general(turn(column), x, (((0,), (0,)), ((), ())))

        def up(i, state):
            # A block of two is met at its second column first, and done whole there.
            x, second = state
            k = lax.convert_element_type(n - 1 - i, np.int32)
            single = _entry(pivots, k) > 0
            before = lax.max(k - 1, np.int32(0))
            one = put(x, k, _entry(x, k) - product(multipliers(k, k), x))
            pair = put(one, before, _entry(x, before) - product(multipliers(before, k), x))
            made = lax.select(lax.broadcast(single, x.shape), one, pair)
            made = _take(made, _swapped(k, _entry(places, k), n), 0)
            return lax.select(lax.broadcast(second, x.shape), x, made), ~single & ~second

        x, _ = lax.fori_loop(0, n, down, (x, np.bool_(False)))
        x, _ = lax.fori_loop(0, n, up, (x, np.bool_(False)))
        return x

    return solve


def _batched(fn, ndim):
    for _ in range(ndim):
        fn = jax.vmap(fn)
    return fn


def _factor(node, a):
    if 0 in a.shape:
        return a, lax.full(a.shape[:-1], 0, np.int32)
    return _batched(_factor_one(node.attr("hermitian")), a.ndim - 2)(a)


def _solve(node, packed, pivots, x):
    if 0 in x.shape:
        return x
    return _batched(_solve_one(node.attr("hermitian")), x.ndim - 2)(packed, pivots, x)


RULES = {"ldl_factor": _factor, "ldl_solve": _solve}
