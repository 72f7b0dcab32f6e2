"""Samples of `cond`, `while_loop` and `scan`, whose graphs are given as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from sampling import Arg, sample

from thrace.ir.graph import Graph

_F64 = ("float64",)


def _graph(inputs: str, outputs: str, *lines: str) -> Graph:
    ins = ", ".join(f"%{i}" for i in inputs.split(", "))
    *body, last = lines
    results = ", ".join(f"o{i}: {t}" for i, t in enumerate(outputs.split(", ")))
    text = "\n  ".join(body)
    return Graph.from_text(f"graph g({ins}) -> ({results}) {{\n  {text}\n  return {last}\n}}")


DOUBLED = _graph("a: f64[3], b: f64[2]", "f64[3]", "%0: f64[3] = mul(%a, 2.0)", "%0")
MIXED = _graph(
    "a: f64[3], b: f64[2]",
    "f64[3]",
    "%0: f64[2] = mul(%b, %b)",
    "%1: f64[] = sum(%0) axes=(0,)",
    "%2: f64[3] = sin(%a)",
    "%3: f64[3] = mul(%2, %1)",
    "%3",
)
# h, n | k: h * k while n < 3, and sin of it
BELOW = _graph("h: f64[2], n: i64[], k: f64[2]", "b1[]", "%0: b1[] = lt(%n, 3)", "%0")
SINE = _graph(
    "h: f64[2], n: i64[], k: f64[2]",
    "f64[2], i64[]",
    "%0: f64[2] = mul(%h, %k)",
    "%1: f64[2] = sin(%0)",
    "%2: i64[] = add(%n, 1)",
    "%1, %2",
)
# h, s | x | k: tanh(h * k + x), and what it was times x; s counts
STEP = _graph(
    "h: f64[2], s: i32[], x: f64[2], k: f64[2]",
    "f64[2], i32[], f64[2], i32[]",
    "%0: f64[2] = mul(%h, %k)",
    "%1: f64[2] = add(%0, %x)",
    "%2: f64[2] = tanh(%1)",
    "%3: f64[2] = mul(%h, %x)",
    "%4: i32[] = add(%s, 1)",
    "%2, %4, %3, %s",
)
SQUARE = _graph("x: f64[2]", "f64[2]", "%0: f64[2] = mul(%x, %x)", "%0")


def _branch(p: Any, a: Any, b: Any) -> tuple:
    return (np.sin(a) * (b * b).sum(),) if p else (a * 2,)


def _while(h: Any, n: Any, k: Any) -> tuple:
    while n < 3:
        h, n = np.sin(h * k), n + 1
    return h, n


def _scan(reverse: bool, saves: bool) -> Any:
    def oracle(h: Any, s: Any, xs: Any, k: Any) -> tuple:
        made: list[Any] = [None] * len(xs)
        for t in reversed(range(len(xs))) if reverse else range(len(xs)):
            made[t] = (h * xs[t], s, h, s)
            h, s = np.tanh(h * k + xs[t]), s + 1
        columns = [np.array([row[i] for row in made]) for i in range(4 if saves else 2)]
        shapes = [(0, 2), (0,), (0, 2), (0,)]
        return (h, s, *(c if made else np.zeros(z) for c, z in zip(columns, shapes, strict=False)))

    return oracle


def _scan_sample(length: int, reverse: bool, saves: bool) -> Any:
    return sample(
        "scan",
        *((2,), np.array(5, np.int32), Arg((length, 2)), (2,)),
        oracle=_scan(reverse, saves),
        dtypes=_F64,
        graph=STEP,
        carries=2,
        xs=1,
        length=length,
        reverse=reverse,
        saves=saves,
    )


LOOP_SAMPLES = (
    *(
        sample(
            *("cond", np.array(pred), (3,), (2,)),
            oracle=_branch,
            dtypes=_F64,
            true_graph=MIXED,
            false_graph=DOUBLED,
        )
        for pred in (True, False)
    ),
    *(
        sample(
            *("while_loop", (2,), np.array(begin), (2,)),
            oracle=_while,
            dtypes=_F64,
            cond_graph=BELOW,
            body_graph=SINE,
            carries=2,
        )
        for begin in (0, 3, -20)  # three steps, none, and more than one step a checkpoint
    ),
    _scan_sample(3, False, False),
    _scan_sample(3, True, False),
    _scan_sample(3, False, True),
    _scan_sample(3, True, True),
    _scan_sample(0, False, True),
    sample(
        *("scan", (4, 2)),
        oracle=lambda xs: (xs * xs,),
        dtypes=_F64,
        graph=SQUARE,
        carries=0,
        xs=1,
        length=4,
        reverse=False,
        saves=False,
    ),
)
