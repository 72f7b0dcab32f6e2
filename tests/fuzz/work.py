"""A run's work in one process: a range of programs, drawn, checked and counted."""

from __future__ import annotations

import contextlib
import itertools
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .check import Mismatch, check
from .exclusions import is_open
from .forms import draw
from .generate import MISSING


class Job(NamedTuple):
    """Programs `first` to `last` - 1 of a seed; each `every`th is compiled with XLA too."""

    seed: int
    first: int
    last: int
    every: int = 0
    plant: str = ""


@dataclass
class Part:
    """What a job found. Counts of features are of programs; pairs are of programs too."""

    job: Job
    programs: int = 0
    statements: int = 0
    features: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    excuses: Counter[str] = field(default_factory=Counter)
    open: Counter[str] = field(default_factory=Counter)
    open_examples: dict[str, tuple[int, Mismatch]] = field(default_factory=dict)
    mismatches: list[tuple[int, Mismatch]] = field(default_factory=list)
    crashed: list[tuple[int, str]] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    executables: int = 0


def quiet() -> None:
    """Settings of a process that fuzzes: one thread for PyTorch, no warnings."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)


def work(job: Job) -> Part:
    """Draw and check the programs of a job."""
    from thrace.runtime import counters

    quiet()
    part = Part(job)
    before = counters.executables
    with planted(job.plant):
        for number in range(job.first, job.last):
            try:
                examine(part, job, number)
            except Exception:
                part.crashed.append((number, traceback.format_exc(limit=-6)))
    part.executables = counters.executables - before
    part.missing = set(MISSING)
    return part


def planted(name: str) -> Any:
    """The context in which the named fault is in thrace; nothing for no name."""
    if not name:
        return contextlib.nullcontext()
    from .planted import FAULTS

    return FAULTS[name].planted()


def examine(part: Part, job: Job, number: int) -> None:
    program = draw(job.seed, number)
    part.programs += 1
    part.statements += len(program.statements)
    features = sorted(program.features | ({"captured"} if program.captured else {"arguments"}))
    part.features.update(features)
    part.pairs.update(itertools.combinations(features, 2))
    kinds = ["interpreted", "xla"] if job.every and number % job.every == 0 else ["interpreted"]
    for kind in kinds:
        result = check(program, kind, plain=kind == "interpreted")
        part.ways.update(result.ways)
        part.reasons.update(result.reasons)
        if not result.valid:
            part.ways["not repeatable on PyTorch"] += 1
            return
        if result.excuse:
            part.excuses[result.excuse] += 1
        m = result.mismatch
        if m is not None:
            known = is_open(m.program, m.mode, m.difference)
            if known:
                part.open[known] += 1
                part.open_examples.setdefault(known, (number, m))
            else:
                part.mismatches.append((number, m))
            return
