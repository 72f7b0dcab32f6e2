"""The full size: `python -m tests.faults`, or `make faults`. Some ten minutes on two cores."""

from __future__ import annotations

import argparse
import sys

from . import deep, every_call, interrupts, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--interrupts", type=int, default=1_000)
    parser.add_argument("--every", type=int, default=1, help="try each Nth call of a step")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--shapes", type=int, default=2_000)
    parser.add_argument("--nodes", type=int, default=50_000)
    parser.add_argument("only", nargs="*", help="interrupts, calls, memory, deep; all if none")
    options = parser.parse_args()
    bad = 0

    def wanted(name: str) -> bool:
        return not options.only or name in options.only

    for kind in interrupts.KINDS:
        compiled, plain = kind != "uncompiled", kind in interrupts.PLAIN
        if wanted("interrupts"):
            with interrupts.packing(kind):
                count = interrupts.run(compiled, options.interrupts, plain=plain)
            bad += count.faults
            print(f"{kind}: {count}", flush=True)
        if wanted("calls"):
            with interrupts.packing(kind):
                found = list(every_call.faults(compiled, options.every, plain=plain))
            bad += len(found)
            print(f"{kind}: {len(found)} faults after an exception at each place", flush=True)
            print(*found[:20], sep="\n")
    if wanted("memory"):
        for name in soak.RUNS:
            times = options.shapes if name == "shapes" else options.steps
            got = soak.measured(name, times)
            mib = got.resident_bytes / 2**20
            bad += mib > soak.LIMITS[name]
            print(
                f"{times} {name}: {mib:.2f} MiB more resident, {got.traced_bytes / 1024:.0f} KiB "
                f"of Python objects, {got.seconds:.0f} s",
                flush=True,
            )
    if wanted("deep"):
        for line, ok in deep.report(options.nodes):
            bad += not ok
            print(line, flush=True)
    print("no faults" if not bad else f"{bad} FAULTS")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
