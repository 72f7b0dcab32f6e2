"""Commands and pictures. The front door calls `bind` when it is imported.

Nothing here loads jax, Graphviz or rich before it is used.
"""

from __future__ import annotations

import os
from typing import Any

from ..ir.graph import Graph


def bind() -> None:
    """Give `Graph` what lies above `ir`: `render`, and how notebooks and rich show it."""
    Graph.render = _render  # type: ignore[attr-defined]
    Graph.__rich__ = _rich  # type: ignore[attr-defined]
    Graph._repr_html_ = _html  # type: ignore[attr-defined]
    Graph._repr_svg_ = _svg  # type: ignore[attr-defined]


def _render(
    self: Graph,
    path: str | os.PathLike[str],
    format: str | None = None,
    depth: int | None = None,
) -> str:
    """Draw the graph to a file (svg, pdf, png or dot), and return its path.

    Without `format` the path's ending says which. `depth` folds scopes nested deeper.
    Raises: RuntimeError saying what to install, where nothing here can draw.
    """
    from .picture import render

    return render(self, path, format, depth)


def _rich(self: Graph) -> Any:
    from .rich_text import rich_text

    return rich_text(self)


def _html(self: Graph) -> str:
    from .notebook import html

    return html(self)


def _svg(self: Graph) -> str | None:
    from .notebook import svg

    return svg(self)
