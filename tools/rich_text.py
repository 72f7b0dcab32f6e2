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
)


def rich_text(graph: Graph) -> Any:
    from rich.text import Text

    out = Text(graph.to_text(), no_wrap=True, overflow="ignore")
    for pattern, style in STYLES:
        out.highlight_regex(pattern, style)
    return out
