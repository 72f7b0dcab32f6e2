"""Run PyTorch's OpInfo database against thrace and say, entry by entry, what passes.

python -m tests.conformance                          all; writes build/conformance.json
python -m tests.conformance --ops 'fft.*,svd' -v     some, with every failing sample
python -m tests.conformance --docs                   writes docs/conformance.md as well
python -m tests.conformance --ops svd --update       puts new results into those of a run of all
"""

from __future__ import annotations

import argparse
import concurrent.futures
import fnmatch
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

from .checks import CHECKS
from .entries import database, examine, full_name
from .report import REQUIRED, page, summary

ROOT = Path(__file__).resolve().parents[2]
BATCH = 40


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ops", default="*", help="names or patterns, separated by commas")
    parser.add_argument("--checks", default=",".join(CHECKS), help=", ".join(CHECKS))
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--out", default="", help="where to write the JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/conformance.md")
    parser.add_argument("--update", action="store_true", help="keep the other entries found before")
    parser.add_argument("-v", "--verbose", action="store_true", help="every failing sample")
    options = parser.parse_args()

    patterns = options.ops.split(",")
    checks = tuple(options.checks.split(","))
    indices = [
        i
        for i, op in enumerate(database())
        if any(fnmatch.fnmatch(full_name(op), p) or op.name == p for p in patterns)
    ]
    path = Path(options.out) if options.out else ROOT / "build" / "conformance.json"
    before = json.loads(path.read_text()) if options.update else []
    entries = list(run(indices, checks, options.workers, options.verbose))
    again = {e["name"] for e in entries}
    entries += [e for e in before if e["name"] not in again]
    entries.sort(key=lambda e: e["name"])
    print(summary(entries, checks))
    if options.ops == "*" or options.out or options.update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(entries, indent=1) + "\n")
        print(f"wrote {path}")
    if options.docs:
        (ROOT / "docs" / "conformance.md").write_text(page(entries, checks))
    needed = [c for c in checks if c in REQUIRED]
    return int(any(e["checks"].get(c, {}).get("failed") for e in entries for c in needed))


def run(indices: list[int], checks: tuple[str, ...], workers: int, verbose: bool) -> Any:
    """Entries as they finish. A process takes a batch of them, and may crash."""
    if workers < 2 and len(indices) < BATCH:
        found = (examine(i, checks) for i in indices)
    else:
        found = in_processes(indices, checks, workers)
    for entry in found:
        tell(entry, verbose)
        yield entry


def in_processes(indices: list[int], checks: tuple[str, ...], workers: int) -> Any:
    """Entries from processes that are fresh for each batch: programs compiled pile up in one."""
    left, count = list(indices), BATCH * workers
    while left:
        batch = left[:count]
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(min(workers, len(batch)), spawn) as pool:
            jobs = {i: pool.submit(examine, i, checks) for i in batch}
            for i, job in jobs.items():
                try:
                    yield job.result()
                except concurrent.futures.process.BrokenProcessPool:
                    if len(batch) == 1:
                        left.remove(i)
                        yield {"name": full_name(database()[i]), "checks": {}, "crashed": True}
                    break
                left.remove(i)
            else:
                count = BATCH * workers
                continue
        count = 1  # one at a time, until the entry that crashes is alone in its process


def tell(entry: dict[str, Any], verbose: bool) -> None:
    for word in ("missing", "crashed"):
        if entry.get(word):
            print(f"{entry['name']}: {word}", flush=True)
    for check, found in entry["checks"].items():
        if found["failed"]:
            count = len(found["failed"])
            shown = found["failed"] if verbose else found["failed"][:2]
            print(f"{entry['name']} {check}: {count} failed of {count + found['passed']}")
            for text in shown:
                print(f"    {text}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
