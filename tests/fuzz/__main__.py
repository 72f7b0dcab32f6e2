"""Random programs on PyTorch and on thrace: says where they differ.

python -m tests.fuzz --programs 20000 --seed 7    writes build/fuzz.json
python -m tests.fuzz --only 1234 --seed 7         one program, shown and checked
python -m tests.fuzz --plant lost-view-write      with a fault put into thrace
python -m tests.fuzz --planted                    all faults: where each is found
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from .report import Report
from .work import Job, Part, work

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 50
BATCH = 100


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument(
        *("--compiled-every",),
        type=int,
        default=10,
        metavar="K",
        help="compile each Kth program with XLA too (1: all; 0: none); all run compiled to the "
        "NumPy rules",
    )
    parser.add_argument("--plant", default="", help="the name of a fault to put into thrace")
    parser.add_argument("--planted", action="store_true", help="plant each fault in turn")
    parser.add_argument("--only", type=int, default=None, help="show and check one program")
    parser.add_argument(
        *("--minutes",), type=float, default=0, metavar="M", help="stop after this time (0: never)"
    )
    parser.add_argument("--shrink", type=int, default=30, help="mismatches to shrink at most")
    options = parser.parse_args()

    if options.planted:
        from .planted import find_all

        return find_all(options.seed, options.workers)
    if options.only is not None:
        options.first, options.programs, options.workers = options.only, 1, 1
        options.compiled_every = options.compiled_every and 1
    started = time.monotonic()
    report = Report(options.shrink)
    for part in parts(options):
        report.add(part)
        if options.minutes and time.monotonic() - started > 60 * options.minutes:
            break
    took = time.monotonic() - started
    print(report.text(took))
    path = ROOT / "build" / "fuzz.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report.figures(took), indent=1) + "\n")
    print(f"wrote {path}")
    return int(bool(report.mismatches or report.open or report.crashed))


def parts(options: argparse.Namespace) -> Iterator[Part]:
    """The run in parts, as they are done, over processes."""
    last = options.first + options.programs
    every = options.compiled_every
    jobs = [
        Job(options.seed, at, min(at + CHUNK, last), every, options.plant)
        for at in range(options.first, last, CHUNK)
    ]
    if options.workers < 2 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    yield from over_processes(jobs, options.workers)


def over_processes(jobs: list[Job], workers: int) -> Iterator[Part]:
    """Each job's part, in order. A process that dies does not end the run: the program that
    killed it is found by halving."""
    spawn = multiprocessing.get_context("spawn")
    left = list(jobs)
    while left:
        # New processes now and then; the pool's own way of that may hang in Python 3.11.
        with ProcessPoolExecutor(workers, spawn) as pool:
            waiting = [pool.submit(work, job) for job in left[:BATCH]]
            try:
                for future in waiting:
                    yield future.result()
                    left.pop(0)
                continue
            except BrokenProcessPool:
                pass
            finally:
                pool.shutdown(cancel_futures=True)
        yield from alone(left.pop(0))


def alone(job: Job) -> Iterator[Part]:
    """A job's parts, in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, spawn) as pool:
            yield pool.submit(work, job).result()
    except BrokenProcessPool:
        middle = (job.first + job.last) // 2
        if middle == job.first:
            yield Part(job, programs=1, crashed=[(job.first, "the process died")])
            return
        yield from alone(job._replace(last=middle))
        yield from alone(job._replace(first=middle))


if __name__ == "__main__":
    raise SystemExit(main())
