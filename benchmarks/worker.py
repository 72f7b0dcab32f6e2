"""One side of one workload, in a process of its own; `compare.py` starts and drives it.

    python benchmarks/worker.py SIDE WORKLOAD [--quick] [--device cuda] [--dtype bfloat16]

Says on standard output, one JSON object a line, what the first repetitions gave; then reads a
number of repetitions a line and answers each with the seconds that they took, and the seconds
of processor time, of all threads. A workload that wants a fresh process says its answer and ends.
"""

from __future__ import annotations

import time

STARTED = time.monotonic()

import argparse  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

CHECKED = 5  # repetitions whose numbers the sides must agree on


class Clock:
    """Seconds since this process started, by phase; `phase()` ends one."""

    def __init__(self, started: float):
        self.last = self.started = started
        self.answer: dict[str, float] = {}

    def phase(self, name: str) -> None:
        now = time.monotonic()
        self.answer[name] = now - self.last
        self.last = now

    def since_start(self, name: str) -> None:
        self.last = time.monotonic()
        self.answer[name] = self.last - self.started


def timed(run: Callable[[int], Any], first: int, times: int, wait: Any) -> tuple[float, float]:
    begin, begin_cpu = time.perf_counter(), time.process_time()
    for i in range(first, first + times):
        out = run(i)
    wait(out)
    return time.perf_counter() - begin, time.process_time() - begin_cpu


def peak_memory(side: Any, program: Any, repetitions: int = 12) -> dict[str, float | None]:
    """Bytes at the peak of a step: what XLA plans, and resident pages of the process."""
    run = side.training(program, keep_gradients=False)
    for i in range(CHECKED):
        side.value(run(i))
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")  # the peak starts anew: what compiling needed does not count
    for i in range(repetitions):
        out = run(i)
    side.value(out)
    return {"resident": resident_peak(), "xla": side.planned_bytes()}


def resident_peak() -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
    return int(line.split()[1]) * 1024.0


def main() -> None:
    # The protocol alone goes to standard output; what libraries print goes to the errors.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    parser = argparse.ArgumentParser()
    parser.add_argument("side")
    parser.add_argument("workload")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--started", type=float, default=STARTED)
    options = parser.parse_args()

    def answer(fields: dict[str, Any]) -> None:
        print(json.dumps(fields), file=answers, flush=True)

    clock = Clock(options.started)
    from programs import Difference
    from workloads import SIDES, WORKLOADS

    made, workload = SIDES[options.side], WORKLOADS[options.workload]
    args = workload.small if options.quick else workload.args
    try:
        module = importlib.import_module(made.module)
    except (ImportError, AttributeError) as error:
        if not made.needs:
            raise
        return answer({"missing": f"{type(error).__name__}: {error}"})  # a peer, broken here
    side = module.Side(**made.options, device=options.device, dtype=options.dtype)
    clock.phase("import")
    if workload.method == "memory":
        return answer(peak_memory(side, *args))
    method = getattr(side, workload.method, None)
    if method is None:
        return answer({"missing": f"has no {workload.method}"})
    if workload.fresh:
        return answer(method(*args, clock))

    work = method(*args)
    wait = side.value if workload.checked else lambda out: out
    values: list[float] = []
    if isinstance(work, Difference):
        runs = tuple(work)
        for run in runs:
            run(0)
    else:
        runs = (work,)
        out = [wait(work(i)) for i in range(CHECKED if workload.checked else 1)]
        values = out if workload.checked else []
    answer({"values": values, "notes": side.notes()})
    done = len(values) or 1
    for line in sys.stdin:
        times = int(line)
        gc.collect()
        found = [timed(run, done, times, wait) for run in runs]
        seconds, cpu_seconds = found[0]
        for part in found[1:]:
            seconds, cpu_seconds = seconds - part[0], cpu_seconds - part[1]
        answer({"seconds": seconds / times, "cpu_seconds": cpu_seconds / times})
        done += times


if __name__ == "__main__":
    main()
