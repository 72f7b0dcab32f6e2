"""A graph's text in colours, for `rich.print(graph)`. Imported by `tools` alone."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Graph

# What is coloured, in order; later ones win where two match.
STYLES = (
    (r"%[\w.~]+", "cyan"),
    (r"\b[a-z]+\d*\[[\d,]*\]", "green"),
    (r"(?m)^(?:graph|  return)\b", "bold"),
    (r"(?<== )\w+(?=\()", "bold blue"),
    (r"(?m)(?:(?<=  );|^\s*;).*$", "dim"),
    (r"(?m)\|[^|\n]*\|", "yellow"),
    (r"(?m)^  # \w+$", "bold magenta"),
)


def rich_text(graph: Graph) -> Any:
    return highlighted(graph.to_text())


def highlighted(shown: str) -> Any:
    """A graph's text in colours."""
    from rich.text import Text

    out = Text(shown, no_wrap=True, overflow="ignore")
    for pattern, style in STYLES:
        out.highlight_regex(pattern, style)
    return out
