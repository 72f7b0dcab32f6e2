"""Rows of text in aligned columns, and sizes and times as people read them.

Anything in the project may import this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def columns(rows: Sequence[Sequence[str]], *, left: int = 1, indent: str = "") -> list[str]:
    """Lines with the first `left` columns aligned left, the others right; the last as it is
    if it is text of any length (a heading that begins with a space says so)."""
    if not rows:
        return []
    free = rows[0][-1].startswith(" ")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    out = []
    for row in rows:
        cells = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            if free and i == len(row) - 1:
                cells.append(cell.strip())
            else:
                cells.append(cell.ljust(width) if i < left else cell.rjust(width))
        out.append((indent + "  ".join(cells)).rstrip())
    return out


def count_text(n: float, unit: str = "") -> str:
    """`1.23 M`: three digits and a prefix; below a thousand as it is."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if abs(n) < 999.5 or prefix == "P":
            break
        n /= 1000
    digits = f"{n:.0f}" if prefix == "" and float(n).is_integer() else f"{n:.3g}"
    return f"{digits} {prefix}{unit}".rstrip()


def bytes_text(n: float) -> str:
    """`1.23 MB`, in powers of a thousand."""
    return count_text(n, "B")


def seconds_text(s: float) -> str:
    """`1.23 ms`: three digits and a unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if s >= 1 / scale or unit == "us":
            return f"{s * scale:.3g} {unit}"
    raise AssertionError


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def preformatted(text: str) -> str:
    """Plain text in columns as a notebook shows it."""
    return f"<pre>{escape(text)}</pre>"
