"""Summaries of a conformance run: on the terminal and as a page of the documentation."""

from __future__ import annotations

from typing import Any

# What an entry must pass to count as conforming.
REQUIRED = ("forward", "gradient", "errors")


def conforms(entry: dict[str, Any], checks: tuple[str, ...] = REQUIRED) -> bool:
    if entry.get("missing") or entry.get("excluded") or entry.get("crashed"):
        return False
    return not any(entry["checks"].get(c, {}).get("failed") for c in checks)


def percent(count: int, whole: int) -> str:
    return f"{count} of {whole} ({100 * count / max(whole, 1):.1f} %)"


def summary(entries: list[dict[str, Any]], checks: tuple[str, ...]) -> str:
    whole = len(entries)
    lines = [
        f"entries: {whole}; missing {sum(bool(e.get('missing')) for e in entries)}, "
        f"left out {sum(bool(e.get('excluded')) for e in entries)}, "
        f"crashed {sum(bool(e.get('crashed')) for e in entries)}"
    ]
    for check in checks:
        present = [e for e in entries if e["checks"].get(check)]
        passed = sum(e["checks"][check]["passed"] for e in present)
        failed = sum(len(e["checks"][check]["failed"]) for e in present)
        fine = sum(conforms(e, (check,)) for e in entries)
        lines.append(
            f"{check}: entries {percent(fine, whole)}; samples {percent(passed, passed + failed)}"
        )
    if set(REQUIRED) <= set(checks):
        good = sum(conforms(e) for e in entries)
        lines.append(f"{', '.join(REQUIRED)} all pass: {percent(good, whole)}")
    return "\n".join(lines)


def page(entries: list[dict[str, Any]], checks: tuple[str, ...]) -> str:
    """The table of docs/conformance.md, written by `make conformance`."""
    head = [
        "# Conformance with PyTorch's OpInfo database",
        "",
        "Written by `make conformance`: every entry of PyTorch's own operator database for dense",
        "CPU tensors, run against thrace. A cell has the number of samples that pass, in bold with",
        "that of all where some fail; a dash means that PyTorch has nothing to compare with.",
        "Percentages are over the whole database: what is missing or left out counts as failing.",
        "",
        "Samples are compared in float32, int64 and bool (`forward`), complex64 (`complex`), and",
        "with gradients in float64 and complex128; `methods` are methods, operators and other",
        "names of a function, `views` whether results share memory as in PyTorch, `errors` what",
        "must be refused, compiled too, `compiled` a first call and two replays.",
        "",
        "```",
        summary(entries, checks),
        "```",
        "",
        f"| entry | {' | '.join(c.replace('_', ' ') for c in checks)} | |",
        f"|---|{'---|' * (len(checks) + 1)}",
    ]
    return "\n".join([*head, *(row(e, checks) for e in entries)]) + "\n"


def row(entry: dict[str, Any], checks: tuple[str, ...]) -> str:
    cells = []
    for check in checks:
        found = entry["checks"].get(check)
        total = found and found["passed"] + len(found["failed"])
        if not total:
            cells.append("-")
        else:
            cells.append(str(total) if not found["failed"] else f"**{found['passed']} of {total}**")
    note = entry.get("excluded", "")
    if entry.get("missing"):
        note = "missing"
    skipped = sorted({s for c in entry["checks"].values() for s in c["skipped"]})
    if skipped:
        note = f"samples left out: {', '.join(skipped)}"
    return f"| {entry['name']} | {' | '.join(cells)} | {note} |"
