"""thrace beside hand-written `jax.jit` and its peers: what a step, a call, an operation cost.

    python benchmarks/compare.py                  all of it, about an hour on 2 cores
    python benchmarks/compare.py mlp call         only these workloads
    python benchmarks/compare.py --sides thrace jax
    python benchmarks/compare.py --quick          tiny sizes: does it run, do the sides agree
    python benchmarks/compare.py --device cuda --dtype bfloat16
    python benchmarks/compare.py --read build/bench/compare.json --cpu-time

Each side of each workload is a process of its own (`worker.py`). All sides of a workload are
started, then take turns in short rounds, so that what else the machine does meets them alike;
while one runs the others wait. A cold start is a new process in each round. Figures are medians
over the rounds, and ratios are medians of the ratios within a round, with their quartiles. The
ratio of processor time (`--cpu-time`, all threads together) says more than that of elapsed time
where the machine is busy. Prints a table in Markdown and writes all rounds to
build/bench/compare.json. A side whose package is not installed, or that cannot do something, is a
dash; `--python torchax=PATH` runs a side with another environment's Python.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from workloads import SIDES, WORKLOADS, Row, Workload

HERE = Path(__file__).parent
# Relative, of what the sides computed in their first repetitions.
AGREEMENT = {"float32": 2e-3, "bfloat16": 0.1}
Answers = dict[str, list[dict[str, Any]]]  # of every round, by side


class Setting(NamedTuple):
    """What holds for all workers of a run."""

    quick: bool
    device: str
    dtype: str
    pythons: dict[str, str]  # a side's own Python


class Missing(Exception):
    """A side cannot do this here."""


class Worker:
    """A process that runs one side of a workload when asked."""

    def __init__(self, side: str, name: str, setting: Setting):
        self.label = f"{side} {name}"
        python = setting.pythons.get(side, sys.executable)
        options = ["--device", setting.device, "--dtype", setting.dtype]
        environment = {**os.environ, **SIDES[side].environment}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users' modules are compiled once
        if setting.device == "cpu":
            environment["JAX_PLATFORMS"] = "cpu"
        else:
            environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # the sides share the device
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), side, name, *options]
            + ["--quick"] * setting.quick
            + ["--started", str(time.monotonic())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.label}: the worker ended with code {self.process.wait()}")
        said = json.loads(line)
        if "missing" in said:
            raise Missing(said["missing"])
        return said

    def run(self, times: int) -> dict[str, Any]:
        """Seconds and seconds of processor time per repetition, of `times` in a row."""
        assert self.process.stdin is not None
        print(times, file=self.process.stdin, flush=True)
        return self.answer()

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measure(name: str, sides: list[str], setting: Setting, round_s: float) -> dict[str, Any]:
    """What every side said when ready, and its answers of every round."""
    workload = WORKLOADS[name]
    missing: dict[str, str] = {}
    rounds = 1 if setting.quick else workload.rounds
    if workload.fresh:
        found = fresh_rounds(name, sides, setting, rounds, missing)
        return {"rounds": found, "missing": missing}
    workers: dict[str, Worker] = {}
    try:
        ready: dict[str, dict[str, Any]] = {}
        for side in sides:
            workers[side] = Worker(side, name, setting)
            try:  # one after the other: compiling takes all cores
                ready[side] = workers[side].answer()
            except Missing as reason:
                missing[side] = str(reason)
                workers.pop(side).close()
        check_agreement(name, ready, AGREEMENT[setting.dtype])
        times = {
            side: repetitions(worker, setting.quick or workload.single, round_s)
            for side, worker in workers.items()
        }
        answers: Answers = {side: [] for side in workers}
        for i in range(rounds):
            for side in workers if i % 2 == 0 else reversed(workers):
                answers[side].append(workers[side].run(times[side]))
    finally:
        for worker in workers.values():
            worker.close()
    return {"rounds": answers, "missing": missing, "repetitions": times, "ready": ready}


def repetitions(worker: Worker, single: bool, round_s: float) -> int:
    """How many fill a round."""
    if single:
        return 1
    once = worker.run(1)["seconds"]
    often = worker.run(max(1, min(3, round(round_s / max(once, 1e-9)))))["seconds"]
    return max(1, round(round_s / max(often, 1e-9)))


def fresh_rounds(
    name: str, sides: list[str], setting: Setting, rounds: int, missing: dict[str, str]
) -> Answers:
    answers: Answers = {side: [] for side in sides}
    for i in range(
        0 if setting.quick else -1, rounds
    ):  # a small one first: modules are read from disk, then from memory
        for side in sides if i % 2 == 0 else reversed(sides):
            if side in missing:
                continue
            worker = Worker(side, name, setting._replace(quick=setting.quick or i < 0))
            try:
                said = worker.answer()
            except Missing as reason:
                missing[side] = str(reason)
            else:
                if i >= 0:
                    answers[side].append(said)
            finally:
                worker.close()
    return {side: found for side, found in answers.items() if found}


def check_agreement(name: str, ready: dict[str, dict[str, Any]], tolerance: float) -> None:
    """All sides must have computed the same, or their times mean nothing."""
    wanted = ready.get("jax", {}).get("values", [])
    for side, said in ready.items():
        for step, (a, b) in enumerate(zip(said["values"], wanted, strict=False)):
            if not abs(a - b) <= tolerance * abs(b):
                raise SystemExit(f"{name}: number {step} is {a} in {side} and {b} in jax")


def ratio(answers: Answers, side: str, base: str, key: str) -> tuple[float, float, float] | None:
    """Median and quartiles of a side's figure divided by another's in the same round."""
    each = [
        a[key] / b[key]
        for a, b in zip(answers.get(side, ()), answers.get(base, ()), strict=False)
        if a.get(key) and b.get(key)
    ]
    if not each:
        return None
    if len(each) == 1:
        return each[0], each[0], each[0]
    low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
    return middle, low, high


def ratio_text(found: tuple[float, float, float] | None) -> str:
    if found is None:
        return "-"
    middle, low, high = (f"{x:.{2 if x >= 0.1 else 4}f}" for x in found)
    return f"{middle} ({low}-{high})"


def line(row: Row, workload: Workload, answers: Answers, sides: list[str], cpu_time: bool) -> str:
    """One line of the table: two times, then each side divided by the base, then marks."""
    key = "cpu_seconds" if cpu_time and row.key == "seconds" else row.key
    cells = [row.title]
    for side in ("thrace", workload.base):
        found = [a[key] for a in answers.get(side, ()) if a.get(key) is not None]
        cells.append(f"{statistics.median(found) * row.scale:.3g} {row.unit}" if found else "-")
    cells[-1] += f" ({SIDES[workload.base].title})" * (workload.base != "jax")
    for side in sides:
        same = side == workload.base
        cells.append("1" if same else ratio_text(ratio(answers, side, workload.base, key)))
    verdicts = []
    for (side, base), mark in row.marks.items():
        found = ratio(answers, side, base, key)
        if found is not None:
            what = "" if (side, base) == ("thrace", workload.base) else f"{side} / {base} "
            verdicts.append(f"{what}{found[0]:.2f} of {mark:g}{' **missed**' * (found[0] > mark)}")
    cells.append("; ".join(verdicts) or "-")
    return f"| {' | '.join(cells)} |"


def header(sides: list[str]) -> str:
    cells = ["", "thrace", "`jax.jit`", *(f"{SIDES[side].title} /" for side in sides), "mark"]
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}"


def machine(device: str) -> str:
    """What the figures depend on."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        models = [s for s in info.read_text().splitlines() if s.startswith("model name")]
        if models:
            cpu = f"{models[0].partition(':')[2].strip()}, {len(models)} cores"
    where = f"{device}: {'; '.join(gpus())}; " if device == "cuda" else ""
    packages = [p for p in ("jax", "torch", "tinygrad") if importlib.util.find_spec(p)]
    versions = ", ".join(f"{p} {version(p)}" for p in packages)
    return f"{where}{cpu}; Python {platform.python_version()}, {versions}"


def gpus() -> list[str]:
    """The CUDA devices of this machine."""
    if shutil.which("nvidia-smi") is None:
        return []
    said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return [s.partition(" (")[0] for s in said.stdout.splitlines()] if said.returncode == 0 else []


def available(sides: Iterable[str], pythons: dict[str, str]) -> list[str]:
    """Those whose package is installed, or that have a Python of their own."""
    return [
        s
        for s in sides
        if s in pythons or not SIDES[s].needs or importlib.util.find_spec(SIDES[s].needs)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), metavar="SIDE")
    parser.add_argument("--python", action="append", default=[], metavar="SIDE=PATH")
    parser.add_argument("--rounds", type=int, help="at most, of each workload")
    parser.add_argument("--round-seconds", type=float, default=0.5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=tuple(AGREEMENT), default="float32")
    parser.add_argument("--cpu-time", action="store_true", help="ratios of processor time")
    parser.add_argument("--quick", action="store_true", help="tiny sizes and one round")
    parser.add_argument(
        "--read", type=Path, nargs="+", metavar="FILE", help="print what earlier runs measured"
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench/compare.json"))
    options = parser.parse_args()
    if unknown := set(options.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    if options.device == "cuda" and not gpus():
        raise SystemExit("compare.py: there is no CUDA device on this machine; nothing is measured")

    pythons = dict(p.split("=", 1) for p in options.python)
    setting = Setting(options.quick, options.device, options.dtype, pythons)
    here = available(options.sides, pythons)
    results: dict[str, Any] = {"machine": machine(options.device), "dtype": options.dtype}
    results["workloads"] = {}
    for path in options.read or ():
        earlier = json.loads(path.read_text())
        results |= {**earlier, "workloads": {**results["workloads"], **earlier["workloads"]}}
    print(f"{results['machine']}; {results['dtype']}", end="\n\n")
    print(header(options.sides), flush=True)
    for name, workload in WORKLOADS.items():
        if (options.workloads and name not in options.workloads) or (
            options.read and name not in results["workloads"]
        ):
            continue
        if not options.read:
            rounds = min(options.rounds or workload.rounds, workload.rounds)
            WORKLOADS[name] = workload = workload._replace(rounds=rounds)
            taking_part = [side for side in here if side in workload.sides]
            found = measure(name, taking_part, setting, options.round_seconds)
            results["workloads"][name] = found
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, indent=1))  # each time: a run is long
            for side, reason in found["missing"].items():
                print(f"{name}: no figure of {side}: {reason}", file=sys.stderr)
        answers = results["workloads"][name]["rounds"]
        for row in workload.rows:
            print(line(row, workload, answers, options.sides, options.cpu_time), flush=True)


if __name__ == "__main__":
    main()
