"""What is measured: one row per workload, one per side. Read by `compare.py` and `worker.py`.

A workload names a method of every side's `Side` class; a side that lacks it leaves a dash.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from programs import CONVOLUTIONS, DEEP, FULL, QUICK

# glibc's own variables for what THRACE_ALLOCATOR=keep does, for processes without thrace.
KEPT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}


class SideOf(NamedTuple):
    """How a side is made: `Side(**options)` of `module`, in a process with `environment`."""

    title: str
    module: str
    options: dict[str, Any] = {}  # noqa: RUF012
    environment: dict[str, str] = {}  # noqa: RUF012
    needs: str = ""  # a package; without it the side is left out


SIDES = {
    "thrace": SideOf("thrace", "models_thrace", {"name": "thrace"}),
    "thrace-keep": SideOf(
        "thrace, memory kept", "models_thrace", {"name": "thrace"}, {"THRACE_ALLOCATOR": "keep"}
    ),
    "jax": SideOf("`jax.jit`", "models_jax"),
    "jax-keep": SideOf("`jax.jit`, memory kept", "models_jax", {}, KEPT),
    "torch": SideOf("PyTorch eager", "models_thrace", {"name": "torch"}, needs="torch"),
    "torch.compile": SideOf(
        "torch.compile", "models_thrace", {"name": "torch", "compiled": True}, needs="torch"
    ),
    "torchax": SideOf("torchax", "models_torchax", needs="torchax"),
    "tinygrad": SideOf("tinygrad", "models_tinygrad", needs="tinygrad"),
}
ALL = tuple(SIDES)
PLAIN = tuple(s for s in SIDES if not s.endswith("-keep"))
PAIR = ("thrace", "jax")
IMPERATIVE = (*PAIR, "torch", "torch.compile")
EAGER = ("thrace", "jax", "torch")


class Row(NamedTuple):
    """One line of the table: a figure out of a worker's answer.

    `marks` has the ratios that are aimed at, by the side divided and the side it is divided by.
    """

    title: str
    unit: str = "ms"
    scale: float = 1e3  # from the answer, in seconds, to the unit
    key: str = "seconds"
    marks: dict[tuple[str, str], float] = {}  # noqa: RUF012


class Workload(NamedTuple):
    """`method(*args)` of a side, or of `small` under --quick.

    It gives a function that does repetition i, timed in rounds; if `fresh`, it is called once
    in each new process and gives the answer itself.
    """

    method: str
    args: tuple[Any, ...]
    small: tuple[Any, ...]
    rows: tuple[Row, ...]
    sides: tuple[str, ...] = PLAIN
    base: str = "jax"  # the side that ratios are to
    fresh: bool = False
    rounds: int = 15
    checked: bool = True  # whether sides must give the same numbers
    single: bool = False  # one repetition a round, as each is larger than the one before


def _steps(kept: float, plain: float) -> dict[tuple[str, str], float]:
    return {("thrace-keep", "jax"): kept, ("thrace-keep", "jax-keep"): plain}


def _models() -> dict[str, Workload]:
    found: dict[str, Workload] = {}
    marks = {"mlp": _steps(1.0, 1.0), "cnn": _steps(0.78, 0.95), "gpt": _steps(0.70, 0.85)}
    titles = {"mlp": "MLP", "cnn": "CNN", "gpt": "transformer"}
    for name, title in titles.items():
        row = Row(f"{title} step", marks=marks[name])
        found[name] = Workload("training", (FULL[name],), (QUICK[name],), (row,), ALL)
    for name, title in titles.items():
        row = Row(f"{title} inference")
        found[f"{name}-infer"] = Workload("inference", (FULL[name],), (QUICK[name],), (row,), ALL)
    for name, title in titles.items():
        rows = (
            Row(f"{title} step, peak by XLA", "MB", 1e-6, "xla", {PAIR: 1.05}),
            Row(f"{title} step, peak resident", "MB", 1e-6, "resident"),
        )
        found[f"{name}-memory"] = Workload(
            *("memory", (FULL[name],), (QUICK[name],), rows),
            sides=tuple(s for s in ALL if s != "tinygrad"),
            fresh=True,
            rounds=1,
        )
    return found


def _convolutions() -> dict[str, Workload]:
    return {
        f"conv-{name}": Workload(
            "convolution",
            (made,),
            (made._replace(size=7, batch=2),),
            (Row(f"{name} convolution, and gradients"),),
            tuple(s for s in ALL if s not in ("torchax", "tinygrad")),
        )
        for name, made in CONVOLUTIONS.items()
    }


def _per_op(method: str, title: str, ops: int, rounds: int, marks: Any) -> Workload:
    row = Row(f"{title}, of {ops:,}", "µs/op", 1e6 / ops, marks=marks)
    return Workload(method, (ops,), (100,), (row,), PAIR, rounds=rounds, checked=False)


COLD = (
    Row("12 layers, cold: third step done", "s", 1, "third", {PAIR: 1.05}),
    Row("... import", "s", 1, "import"),
    Row("... model and state", "s", 1, "build"),
    Row("... trace", "s", 1, "trace"),
    Row("... lower", "s", 1, "lower"),
    Row("... compile", "s", 1, "compile"),
    Row("... first step done", "s", 1, "first"),
)
FIRST_OP = (
    Row("first operation, after the import", "ms", 1e3, "op", {PAIR: 2.0}),
    Row("first operation, from process start", "ms", 1e3, "done"),
)


def _many(count: int, marks: dict[tuple[str, str], float] | None = None) -> Workload:
    row = Row(f"step of {count} parameter tensors", "µs", 1e6, marks=marks or {})
    return Workload("many", (count,), (5,), (row,), (*IMPERATIVE, "tinygrad"))


WORKLOADS: dict[str, Workload] = {
    **_models(),
    **_convolutions(),
    "call": Workload(
        "call", (16,), (16,), (Row("call on 16 elements", "µs", 1e6, marks={PAIR: 1.5}),)
    ),
    "many": _many(300, {PAIR: 1.1}),
    **{f"many-{count}": _many(count) for count in (1, 10, 30, 100, 1000)},
    "loop": Workload(
        "uncompiled",
        (FULL["mlp"],),
        (QUICK["mlp"],),
        (Row("MLP loop, uncompiled", marks={("thrace", "torch"): 1.0}),),
        (*EAGER, "thrace-keep"),
        base="torch",
    ),
    "record-1000": _per_op("recording", "recording", 1_000, 15, {PAIR: 0.4}),
    "record-10000": _per_op("recording", "recording", 10_000, 7, {PAIR: 0.4}),
    "record-100000": _per_op("recording", "recording", 100_000, 3, {PAIR: 0.4}),
    "grad-1000": _per_op("differentiation", "differentiation", 1_000, 15, {PAIR: 0.6}),
    "grad-10000": _per_op("differentiation", "differentiation", 10_000, 7, {PAIR: 0.6}),
    "first-graph": Workload(
        "first_seen",
        (20,),
        (20,),
        (Row("20 operations first seen", marks={PAIR: 0.5}),),
        EAGER,
        single=True,
    ),
    "first-op": Workload("first_op", (), (), FIRST_OP, EAGER, fresh=True, rounds=5),
    "cold": Workload("cold", (DEEP,), (QUICK["mlp"],), COLD, IMPERATIVE, fresh=True, rounds=3),
}
