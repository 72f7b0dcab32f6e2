"""`python -m tests.states`: rows that fail, mutants that no row finds, rows that find none."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main() -> int:
    from fuzz.interpreted import interpreted

    from states.mutants import EXCUSED, MUTANTS, finds, killer
    from states.quick_mutants import QUICK_MUTANTS
    from states.rows import all_rows, failure

    started = time.monotonic()
    rows = all_rows()
    wrong = 0
    with interpreted():
        for name, row in rows.items():
            problem = failure(row)
            if problem:
                wrong += 1
                print(f"row {name}: {problem}", flush=True)
        for name, mutant in (MUTANTS | QUICK_MUTANTS).items():
            for row in mutant.rows:
                if row not in rows:
                    wrong += 1
                    print(f"mutant {name}: there is no row {row!r}", flush=True)
                elif not finds(rows[row], mutant):
                    wrong += 1
                    print(f"mutant {name}: not found by {row!r}", flush=True)
        found: Counter[str] = Counter()
        for name, row in rows.items():
            by = "excused" if name in EXCUSED else killer(name, row)
            found[by] += 1
            if not by:
                wrong += 1
                print(f"row {name}: finds no mutant", flush=True)
            elif "-v" in sys.argv:
                print(f"{name}: {by}", flush=True)
    print(f"{len(rows)} rows, {len(MUTANTS)} mutants, {wrong} wrong, rows by first mutant found:")
    print("  " + ", ".join(f"{key} {count}" for key, count in found.most_common()))
    print(f"{time.monotonic() - started:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
