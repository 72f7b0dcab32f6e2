"""One side of one workload, in a process of its own; `compare.py` starts and drives it.

    python benchmarks/worker.py {thrace,jax,torch} {mlp,cnn,gpt,call,record-N} [--quick]

Says on standard output, one JSON object a line, what the first steps gave; then reads a
number of repetitions a line and answers each with the seconds that they took, and the
seconds of processor time, of all threads.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

CHECKED_STEPS = 5


def open_side(name: str) -> Any:
    """The named side; importing it is part of what `setup_s` says."""
    if name == "jax":
        import models_jax

        return models_jax.Side()
    import importlib

    import models_thrace

    return models_thrace.Side(importlib.import_module(name))


def main() -> None:
    # The protocol alone goes to standard output; what libraries print goes to the errors.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    side_name, workload = sys.argv[1:3]
    quick = "--quick" in sys.argv[3:]
    started = time.perf_counter()
    side = open_side(side_name)
    losses: list[float] = []
    if workload.startswith("record-"):
        run = side.recording(int(workload.removeprefix("record-")))
        wait: Callable[[Any], Any] = lambda graph: graph  # noqa: E731
    else:
        wait = side.wait
        if workload == "call":
            run = side.call()
        else:
            import programs

            run = side.training((programs.QUICK if quick else programs.FULL)[workload])
    ready = time.perf_counter()
    first = wait(run(0))
    first_s = time.perf_counter() - ready
    if workload in ("mlp", "cnn", "gpt"):
        losses = [first, *(wait(run(i)) for i in range(1, CHECKED_STEPS))]

    def answer(**fields: Any) -> None:
        print(json.dumps(fields), file=answers, flush=True)

    answer(setup_s=ready - started, first_s=first_s, losses=losses, notes=side.notes())
    done = len(losses) or 1
    for line in sys.stdin:
        times = int(line)
        gc.collect()
        begin, begin_cpu = time.perf_counter(), time.process_time()
        for i in range(done, done + times):
            out = run(i)
        wait(out)
        answer(seconds=time.perf_counter() - begin, cpu_seconds=time.process_time() - begin_cpu)
        done += times


if __name__ == "__main__":
    main()
