"""How a notebook shows a graph: its text, and its picture where that is quick to draw.

Imported by `tools` alone. The text is escaped, and the picture stands in an `img`, where
browsers run no scripts.
"""

from __future__ import annotations

import base64
from html import escape

from ..ir.graph import Graph
from .picture import RenderError, rendered

NODES_DRAWN = 20_000  # folded to one page
LINES_SHOWN = 400


def html(graph: Graph) -> str:
    lines = graph.to_text().splitlines()
    if len(lines) > LINES_SHOWN:  # by modules, without their insides
        lines = graph.to_text(depth=1, held=False).splitlines()
    if len(lines) > LINES_SHOWN:
        lines = [*lines[:LINES_SHOWN], f"... {len(lines) - LINES_SHOWN} more lines"]
    text = escape("\n".join(lines))
    picture = svg(graph)
    shown = ""
    if picture is not None:
        data = base64.b64encode(picture.encode()).decode()
        shown = f'<img alt="the graph" src="data:image/svg+xml;base64,{data}">'
    state = "" if picture is not None else " open"
    title = escape(repr(graph))
    return (
        f"{shown}<details{state}><summary><code>{title}</code></summary><pre>{text}</pre></details>"
    )


def svg(graph: Graph) -> str | None:
    """The picture; None where there is nothing to draw it with, or too much to draw."""
    if len(graph) > NODES_DRAWN:
        return None
    try:
        return rendered(graph, "svg").decode()
    except (RenderError, OSError):
        return None
