"""thrace beside hand-written `jax.jit`: what a step, a call and a recorded operation cost.

    python benchmarks/compare.py                 all of it, a few minutes on 2 cores
    python benchmarks/compare.py mlp call        only these
    python benchmarks/compare.py --torch         PyTorch, uncompiled, as a third side
    python benchmarks/compare.py --quick         tiny sizes: does it run, do the sides agree

Each side of each workload is a process of its own (`worker.py`). All sides of a workload
are started, then take turns in short rounds, so that what else the machine does meets them
alike; while one runs the others wait. Figures are medians over the rounds, and ratios are
medians of the ratios within a round, with their quartiles. The ratio of processor time (all
threads together) says more than that of elapsed time where the machine is busy. Prints a
table in Markdown and writes all rounds to build/bench/compare.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
AGREEMENT = 1e-3  # relative, of the losses of the first steps


class Workload(NamedTuple):
    name: str
    title: str
    unit: str
    scale: float  # from seconds per repetition to the unit
    sides: tuple[str, ...] = ("thrace", "jax", "torch")


WORKLOADS = (
    Workload("mlp", "MLP step", "ms", 1e3),
    Workload("cnn", "CNN step", "ms", 1e3),
    Workload("gpt", "transformer step", "ms", 1e3),
    Workload("call", "call on 16 elements", "µs", 1e6),
    Workload("record-1000", "recording, of 1,000", "µs/op", 1e3, ("thrace", "jax")),
    Workload("record-10000", "recording, of 10,000", "µs/op", 1e2, ("thrace", "jax")),
)


class Worker:
    """A process that runs one side of a workload when asked."""

    def __init__(self, side: str, workload: Workload, quick: bool):
        self.label = f"{side} {workload.name}"
        command = [sys.executable, str(HERE / "worker.py"), side, workload.name]
        self.process = subprocess.Popen(
            command + ["--quick"] * quick,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.label}: the worker ended with code {self.process.wait()}")
        return json.loads(line)

    def run(self, times: int) -> tuple[float, float]:
        """Seconds and seconds of processor time per repetition, of `times` in a row."""
        assert self.process.stdin is not None
        print(times, file=self.process.stdin, flush=True)
        said = self.answer()
        return said["seconds"] / times, said["cpu_seconds"] / times

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measure(
    workload: Workload, sides: list[str], rounds: int, round_s: float, quick: bool
) -> dict[str, Any]:
    """Ready messages and seconds per repetition of every round, by side."""
    workers: dict[str, Worker] = {}
    try:
        ready: dict[str, dict[str, Any]] = {}
        for side in sides:
            workers[side] = Worker(side, workload, quick)
            ready[side] = workers[side].answer()  # one after the other: compiling takes all cores
        check_agreement(workload.name, ready)
        warm = min(worker.run(1 if quick else 3)[0] for worker in workers.values())
        times = 1 if quick else max(1, round(round_s / warm))
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        cpu_seconds: dict[str, list[float]] = {side: [] for side in sides}
        for i in range(rounds):
            for side in sides if i % 2 == 0 else reversed(sides):
                wall, cpu = workers[side].run(times)
                seconds[side].append(wall)
                cpu_seconds[side].append(cpu)
    finally:
        for worker in workers.values():
            worker.close()
    return {
        "repetitions": times,
        "ready": ready,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }


def check_agreement(name: str, ready: dict[str, dict[str, Any]]) -> None:
    """Both sides must have computed the same, or their times mean nothing."""
    wanted = ready["jax"]["losses"]
    for side, said in ready.items():
        for step, (a, b) in enumerate(zip(said["losses"], wanted, strict=True)):
            if not abs(a - b) <= AGREEMENT * abs(b):
                raise SystemExit(f"{name}: loss of step {step} is {a} in {side} and {b} in jax")


def ratios(seconds: dict[str, list[float]], side: str) -> tuple[float, float, float]:
    """Median and quartiles of a side's time divided by jax's in the same round."""
    each = [a / b for a, b in zip(seconds[side], seconds["jax"], strict=True)]
    if len(each) < 2:
        return each[0], each[0], each[0]
    low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
    return middle, low, high


def row(workload: Workload, found: dict[str, Any], columns: list[str]) -> str:
    """One line of the table: a time for each side, then ratios, then first calls."""
    seconds, ready = found["seconds"], found["ready"]
    cells = [workload.title]
    for side in columns:
        time = statistics.median(seconds[side]) * workload.scale if side in seconds else None
        cells.append("" if time is None else f"{time:.3g} {workload.unit}")
    for side in columns:
        if side == "jax":
            continue
        if side not in seconds:
            cells += ["", ""]
            continue
        middle, low, high = ratios(seconds, side)
        cells.append(f"**{middle:.2f}** ({low:.2f}-{high:.2f})")
        cells.append(f"{ratios(found['cpu_seconds'], side)[0]:.2f}")
    compiles = workload.name in ("mlp", "cnn", "gpt")
    cells.append(
        f"{ready['thrace']['first_s']:.2f} / {ready['jax']['first_s']:.2f} s" if compiles else ""
    )
    return f"| {' | '.join(cells)} |"


def header(columns: list[str]) -> str:
    names = {"thrace": "thrace", "jax": "`jax.jit`", "torch": "PyTorch eager"}
    cells = ["", *(names[side] for side in columns)]
    for side in columns:
        if side != "jax":
            cells += [f"{names[side]} / `jax.jit` (quartiles)", "processor time"]
    cells.append("first step: thrace / `jax.jit`")
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}"


def machine() -> str:
    """What the figures depend on."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        models = [s for s in info.read_text().splitlines() if s.startswith("model name")]
        if models:
            cpu = f"{models[0].partition(':')[2].strip()}, {len(models)} cores"
    return f"{cpu}; Python {platform.python_version()}, jax {version('jax')}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare thrace with jax.jit.")
    names = [w.name for w in WORKLOADS]
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--round-seconds", type=float, default=0.5)
    parser.add_argument("--torch", action="store_true", help="PyTorch, uncompiled, as well")
    parser.add_argument("--quick", action="store_true", help="tiny sizes and two rounds")
    parser.add_argument("--out", type=Path, default=Path("build/bench/compare.json"))
    options = parser.parse_args()
    if unknown := set(options.workloads) - set(names):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")

    columns = ["thrace", "jax"] + ["torch"] * options.torch
    rounds = 2 if options.quick else options.rounds
    results: dict[str, Any] = {"machine": machine(), "workloads": {}}
    print(results["machine"], end="\n\n")
    print(header(columns), flush=True)
    for workload in WORKLOADS:
        if options.workloads and workload.name not in options.workloads:
            continue
        sides = [side for side in columns if side in workload.sides]
        found = measure(workload, sides, rounds, options.round_seconds, options.quick)
        results["workloads"][workload.name] = found
        print(row(workload, found, columns), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
