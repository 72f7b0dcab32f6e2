"""What a run says: how often each feature and pair of features occurred, and where it differs."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from .check import Mismatch
from .shrink import shrink
from .work import Part, quiet


class Report:
    """Collects parts; `text` is what is printed. At most `limit` mismatches are shrunk."""

    def __init__(self, limit: int):
        self.limit = limit
        self.total: Part | None = None
        self.groups: dict[str, tuple[int, Mismatch, int]] = {}  # number, smallest, how many

    @property
    def mismatches(self) -> int:
        return len(self.total.mismatches) if self.total else 0

    @property
    def open(self) -> int:
        return sum(self.total.open.values()) if self.total else 0

    @property
    def crashed(self) -> int:
        return len(self.total.crashed) if self.total else 0

    def add(self, part: Part) -> None:
        for number, m in part.mismatches:
            print(
                f"program {number}: {m.mode}: {m.difference.category}: {m.difference.text}",
                flush=True,
            )
        for number, text in part.crashed:
            print(f"program {number}: the check itself failed\n{text}", flush=True)
        if self.total is None:
            self.total = part
            return
        total = self.total
        total.programs += part.programs
        total.statements += part.statements
        total.executables += part.executables
        for name in ("features", "pairs", "ways", "reasons", "excuses", "open"):
            getattr(total, name).update(getattr(part, name))
        for known, example in part.open_examples.items():
            total.open_examples.setdefault(known, example)
        total.mismatches += part.mismatches
        total.crashed += part.crashed
        total.missing |= part.missing

    def figures(self, took: float) -> dict[str, Any]:
        """The run in numbers, pairs of features included."""
        t = self.total
        assert t is not None
        return {
            "programs": t.programs,
            "statements": t.statements,
            "seconds": round(took, 1),
            "executables": t.executables,
            "ways": dict(t.ways),
            "reasons": dict(t.reasons),
            "features": dict(t.features.most_common()),
            "pairs": {f"{a} + {b}": n for (a, b), n in sorted(t.pairs.items())},
            "excuses": dict(t.excuses),
            "open": dict(t.open),
            "mismatches": [(n, m.mode, *m.difference[:2]) for n, m in t.mismatches],
        }

    def text(self, took: float) -> str:
        t = self.total
        assert t is not None
        quiet()
        lines = [matrix(t.features, t.pairs), ""]
        lines.append(f"{t.programs} programs, {t.statements} statements, {took:.0f} s")
        lines += [f"{n:7} {way}" for way, n in sorted(t.ways.items())]
        lines.append(f"{t.executables:7} executables compiled by XLA")
        if t.reasons:
            lines.append("Why some could not be replayed:")
            lines += [f"{n:7} {reason}" for reason, n in t.reasons.most_common()]
        if t.missing:
            lines.append(f"Not drawn, because thrace lacks it: {', '.join(sorted(t.missing))}")
        for title, counts in (("Meant differences", t.excuses), ("Known and open", t.open)):
            if counts:
                lines.append(f"{title}:")
                lines += [f"{n:7} {reason}" for reason, n in counts.most_common()]
        lines.append(f"{len(t.mismatches)} mismatches")
        lines += self.reproductions()
        return "\n".join(lines)

    def reproductions(self) -> list[str]:
        """The smallest program of each group of mismatches that look alike."""
        assert self.total is not None
        for number, m in self.total.mismatches[: self.limit]:
            small = shrink(m)
            key = signature(small)
            seen = self.groups.get(key)
            if seen is None or size(small) < size(seen[1]):
                self.groups[key] = (number, small, 1 if seen is None else seen[2] + 1)
            else:
                self.groups[key] = (*seen[:2], seen[2] + 1)
        lines: list[str] = []
        for number, m, count in sorted(self.groups.values(), key=lambda g: -g[2]):
            again = f", {count} like it" if count > 1 else ""
            lines += [
                "",
                f"# program {number}{again}: {m.mode}",
                f"# {m.difference.category}: {m.difference.text}",
            ]
            lines.append(m.program.reproduction(m.compiled, 1 if "other values" in m.mode else 0))
        return lines


def size(m: Mismatch) -> int:
    return sum(len(s.source) for s in m.program.statements)


def signature(m: Mismatch) -> str:
    """Mismatches with the same calls and kind are taken for one."""
    calls = {c for s in m.program.statements for c in re.findall(r"\.([a-z_]\w*)", s.source)}
    signs = {c for s in m.program.statements for c in re.findall(r" ([-+*/%@<>=&|]+) ", s.source)}
    mode = m.mode.split(",")[0]
    return f"{mode} {m.difference.category} {sorted(calls | signs)}"


def matrix(features: Counter[str], pairs: Counter[tuple[str, str]]) -> str:
    """How many programs had each feature, and each two of them (rows and columns by number)."""
    names = [n for n, _ in features.most_common()]
    width = max(map(len, names), default=0)
    lines = [" " * (width + 12) + "".join(f"{i:>5}" for i in range(1, len(names)))]
    for i, a in enumerate(names):
        row = "".join(f"{short(pairs[min(a, b), max(a, b)]):>5}" for b in names[:i])
        lines.append(f"{i + 1:3} {a:{width}} {features[a]:6} {row}")
    never = [
        f"{a} + {b}"
        for i, a in enumerate(names)
        for b in names[:i]
        if not pairs[min(a, b), max(a, b)]
    ]
    count = len(names) * (len(names) - 1) // 2
    lines.append(f"{count - len(never)} of {count} pairs of features occurred")
    if never:
        lines.append(f"Never together: {'; '.join(never[:60])}{' ...' if len(never) > 60 else ''}")
    return "\n".join(lines)


def short(n: int) -> str:
    return str(n) if n < 10_000 else f"{n // 1000}k"
