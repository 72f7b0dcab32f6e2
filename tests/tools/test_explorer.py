"""The explorer's page: what it holds, and, where there is a Chromium, what it does.

The browser is Debian's (`apt install chromium`), driven by playwright; `make test-browser`
installs what Python needs and fails where `make test` would skip.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import thrace
import thrace.nn.functional as F
from thrace import nn, optim
from thrace.ir import Graph
from thrace.ir.graph import Node, Scope, Value
from thrace.ir.ops import OPS
from thrace.ir.ops.shape import Constant
from thrace.ir.source import Location
from thrace.tools import explorer, model_explorer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
ATTACK = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`${alert(3)}&amp;__proto__"
)


def training_step() -> Graph:
    thrace.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    opt = optim.AdamW(net.parameters())

    def step(x, labels):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        opt.step()
        return loss

    return thrace.trace(step, thrace.spec("f32[8,4]"), thrace.spec("i64[8]"))


class Scripts(HTMLParser):
    """The contents of script elements, and every tag and attribute of the page."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.scripts: list[tuple[dict, str]] = []
        self.attributes: set[tuple[str, str]] = set()
        self.open: dict | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.attributes |= {(tag, name) for name, _ in attrs}
        if tag == "script":
            self.open = dict(attrs)
            self.scripts.append((self.open, ""))

    def handle_data(self, data: str) -> None:
        if self.open is not None:
            self.scripts[-1] = (self.open, self.scripts[-1][1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self.open = None


def test_the_page_is_closed_in_itself():
    page = explorer.page(training_step())
    found = Scripts(page)
    kinds = [attrs.get("type") for attrs, _ in found.scripts]
    assert kinds == ["application/json", None, None]
    data = json.loads(found.scripts[0][1])
    assert data["graphs"][0]["name"] == "step"
    names = {name for _, name in found.attributes}
    assert not names & {"src", "href", "style", "action"}
    assert not {name for name in names if name.startswith("on")}
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None and policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1] and "http" not in policy[1]


def test_the_data_says_what_the_graph_is():
    graph = training_step()
    data = explorer.page_data(graph, "title")
    (main,) = data["graphs"]
    assert len(main["nodes"]) == len(graph)
    numbers = [*graph.inputs, *(v for n in graph for v in n.outputs)]
    for node, row in zip(graph, main["nodes"], strict=True):
        assert row["o"] == node.op.name and row["t"] == [str(v.type) for v in node.outputs]
        read = [numbers[o] for o in row["i"] if isinstance(o, int)]
        assert read == [o for o in node.operands if isinstance(o, Value)]
        assert explorer.PHASES[row["p"]] == node.phase
    assert sum(row["b"] for row in main["nodes"]) == graph.cost().total.bytes
    backward = next(row for row in main["nodes"] if row["c"] >= 0)
    file, line, function, text = data["places"][backward["c"]]
    assert (file, function) == (__file__, "step") and "cross_entropy" in text
    assert [line, "        loss = F.cross_entropy(net(x), labels)"] in data["sources"][
        backward["c"]
    ]


def test_graphs_inside_graphs_and_constants():
    def f(x):
        return thrace.cond(
            x.sum() > 0, lambda v: v + 1, lambda v: v * thrace.tensor([2.0, 3]), (x,)
        )

    graph = thrace.trace(f, thrace.spec("f32[2]"))
    data = explorer.page_data(graph, "")
    holder = next(row for row in data["graphs"][0]["nodes"] if row["o"] == "cond")
    assert len(holder["g"]) == 2 and all(data["graphs"][i]["nodes"] for i in holder["g"])


def test_the_vendored_library_is_the_stated_one():
    import hashlib

    stated = json.loads((explorer.WEB / "vendor" / "vendor.json").read_text())
    for name, digest in stated["sha256"].items():
        data = (explorer.WEB / "vendor" / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest, name
    assert stated["license"] == "MIT"


def test_model_explorer():
    graph = training_step()
    made = json.loads(json.dumps(model_explorer.collection(graph)))
    (main,) = made["graphs"]
    ids = {node["id"] for node in main["nodes"]}
    assert len(ids) == len(main["nodes"]) == len(graph) + len(graph.inputs) + len(graph.outputs)
    for node in main["nodes"]:
        assert all(edge["sourceNodeId"] in ids for edge in node.get("incomingEdges", ()))
    product = next(node for node in main["nodes"] if node["label"] == "dot_general")
    assert product["namespace"] == "Sequential/0/linear"
    assert {"key": "phase", "value": "forward"} in product["attrs"]


# In the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        _skip("there is no chromium: apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _skip("playwright is not installed: make test-browser")
    with sync_playwright() as playwright:
        # Inside containers Chromium cannot make a sandbox of its own.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def _skip(reason: str) -> Any:
    if "THRACE_REQUIRE_BROWSER" in os.environ:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Opened:
    """A page in the browser, with everything that it asked for or complained of."""

    def __init__(self, browser: Any, path: Path):
        self.page = browser.new_page(viewport={"width": 1400, "height": 900})
        self.requests: list[str] = []
        self.trouble: list[str] = []
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.on("dialog", lambda d: (self.trouble.append(f"dialog {d.message}"), d.dismiss()))
        self.page.on("pageerror", lambda e: self.trouble.append(str(e)))
        self.page.on("console", lambda m: self.trouble.append(m.text))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]", timeout=20_000)
        self.url = path.as_uri()

    def boxes(self) -> list[str]:
        return self.page.eval_on_selector_all(".box", "all => all.map(b => b.textContent)")

    def details(self) -> str:
        return self.page.inner_text("#details")

    def search(self, text: str) -> None:
        self.page.fill("#search", text)
        self.page.wait_for_timeout(200)  # it waits for a pause in typing

    def close(self) -> None:
        assert self.trouble == []
        assert self.requests == [self.url]
        self.page.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[[Graph], Opened]]:
    pages: list[Opened] = []

    def start(graph: Graph) -> Opened:
        path = tmp_path / "page.html"
        path.write_text(explorer.page(graph))
        pages.append(Opened(browser, path))
        return pages[-1]

    yield start
    for page in pages:
        page.close()


def test_it_loads_and_folds(opened: Callable):
    at = opened(training_step())
    assert at.page.title() == "step – thrace"
    shown = at.boxes()
    assert any("Linear" in b or b.startswith("▸ 0") for b in shown)
    assert any(b.startswith("▸ optimizer") for b in shown)
    at.page.keyboard.press("0")  # fold everything
    folded = " ".join(b for b in at.boxes() if b.startswith("▸"))
    assert "▸ forward" in folded and "▸ backward" in folded and "cross_entropy" not in folded
    at.page.click(".box.forward rect:not(.under)")
    assert "forward" in at.details()
    at.page.keyboard.press("Enter")
    assert any("cross_entropy" in b for b in at.boxes())
    at.page.keyboard.press("Enter")
    assert not any("cross_entropy" in b for b in at.boxes())
    at.page.dblclick(".box.backward rect:not(.under)")
    assert any("full" in b for b in at.boxes())


def test_a_node_is_found_and_shown(opened: Callable):
    at = opened(training_step())
    at.search("dot_general forward")
    assert at.page.inner_text("#count") == "2 found"
    at.page.keyboard.press("Enter")
    text = at.details()
    assert "%0 = dot_general" in text and "f32[8,6]" in text and "contract=((1,), (1,))" in text
    assert "test_explorer.py" in text and "loss = F.cross_entropy(net(x), labels)" in text
    assert at.page.inner_text("pre div.here").endswith("loss = F.cross_entropy(net(x), labels)")
    assert "384 FLOP" in text and "memory live" in text  # 2 * 8 * 6 * 4
    assert "OPERANDS" in text.upper() and "%x" in text and "ITS BACKWARD NODES" in text.upper()
    at.page.click("#details a:has-text('add')")  # a consumer
    assert "%1 = add" in at.details()
    at.page.keyboard.press("ArrowUp")
    assert "%0 = dot_general" in at.details()
    at.page.keyboard.press("ArrowDown")
    assert "%1 = add" in at.details()
    backward = at.page.locator("h3:has-text('its backward nodes') + ul a").first
    backward.click()
    assert "DIFFERENTIATES" in at.details().upper()


def test_paths_to_the_loss_and_of_a_gradient(opened: Callable):
    at = opened(training_step())
    at.search("parameter 0.weight")
    at.page.keyboard.press("Enter")
    at.page.click("button:has-text('path to out')")
    on_path = at.page.locator(".box.on-path")
    texts = on_path.all_text_contents()
    assert any("cross_entropy" in t for t in texts) and any(t.startswith("out") for t in texts)
    assert not any("2.bias" in t for t in texts)
    assert at.page.locator(".edge.on-path").count() >= 3
    at.page.click("button:has-text('path of its gradient')")
    texts = on_path.all_text_contents()
    assert any("full" in t for t in texts) and not any(t.startswith("out") for t in texts)
    at.page.keyboard.press("Escape")
    assert on_path.count() == 0
    at.page.keyboard.press("p")
    at.search("log")
    at.page.keyboard.press("Enter")
    at.page.focus("#picture")
    at.page.keyboard.press("p")
    assert on_path.count() > 3


def test_a_graph_that_another_holds(opened: Callable):
    def f(x):
        return thrace.cond(x.sum() > 0, lambda v: v.sin() + 1, lambda v: v * 2, (x,))

    at = opened(thrace.trace(f, thrace.spec("f32[2]")))
    at.search("cond")
    at.page.keyboard.press("Enter")
    at.page.click("button:has-text('open graph') >> nth=0")
    assert any("sin" in b for b in at.boxes())
    at.page.select_option("#graphs", "0")
    assert any("cond" in b for b in at.boxes())


def test_the_keys_are_told_and_zoom_moves(opened: Callable):
    at = opened(training_step())
    plain = at.page.get_attribute(".box rect:not(.under)", "style")
    at.page.select_option("#heat", "flops")
    assert plain is None and "color-mix" in at.page.get_attribute(".box rect:not(.under)", "style")
    at.page.keyboard.press("?")
    assert "to what makes an operand" in at.page.inner_text("#help")
    at.page.keyboard.press("Escape")
    before = at.page.get_attribute("#view", "transform")
    at.page.keyboard.press("+")
    larger = at.page.get_attribute("#view", "transform")
    at.page.mouse.move(700, 500)
    at.page.mouse.wheel(0, 200)
    assert len({before, larger, at.page.get_attribute("#view", "transform")}) == 3


def test_ten_thousand_nodes(opened: Callable):
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(4)

        def forward(self, x):
            for _ in range(70):
                x = x * 1.5
            return self.norm(x)

    graph = thrace.trace(nn.Sequential(*[Block() for _ in range(125)]), thrace.spec("f32[2,4]"))
    assert len(graph) >= 10_000
    at = opened(graph)
    assert len(at.boxes()) <= 44
    slowest = at.page.evaluate(
        """async () => {
          let worst = 0;
          for (const key of ["]", "]", "0"]) {
            const before = performance.now();
            document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            worst = Math.max(worst, performance.now() - before);
          }
          return worst;
        }"""
    )
    assert slowest < 5_000  # it takes a tenth of that on an idle machine
    at.search("%5000")
    at.page.keyboard.press("Enter")
    assert "%5000 = " in at.details() and len(at.boxes()) <= 400
    at.search("")


def hostile() -> Graph:
    """Every name that a graph may have is an attempt to get out of the page."""
    op = OPS["mul"]
    x, w = (Value(thrace.spec("f32[2]").type) for _ in range(2))
    place = Location(f"/tmp/{ATTACK}.py", 3, ATTACK, ATTACK)
    scope = Scope(ATTACK, "function", Scope(ATTACK, "module", Scope("backward", "phase")))
    odd = Scope(ATTACK, ATTACK)
    nodes = []
    for i, s in enumerate((scope, odd, None, Scope("__proto__"), Scope("constructor"))):
        node = Node(op, (x, w), (), place, s, place, i)
        node.outputs = (Value(x.type, node),)
        nodes.append(node)
    data = Node(OPS["constant"], (), (Constant(thrace.ones(2).numpy()),), place, scope)
    data.outputs = (Value(x.type, data),)
    message = Node(OPS["check"], (nodes[0].outputs[0],), (ATTACK,), place, scope)
    message.outputs = (Value(x.type, message),)
    outputs = [n.outputs[0] for n in nodes]
    return Graph(
        (x, w),
        [*nodes, data],
        outputs,
        name=ATTACK,
        input_names=[ATTACK, "javascript:alert(4)"],
        output_names=[f"{ATTACK}{i}" for i in range(len(outputs))],
        requires_grad=[True, False],
    )


def test_names_are_text_and_nothing_else(opened: Callable):
    graph = hostile()
    found = Scripts(explorer.page(graph))
    assert len(found.scripts) == 3
    at = opened(graph)
    assert ATTACK in at.page.inner_text("h1")
    for key in ("]", "]", "g", "0", "]", "]"):
        at.page.keyboard.press(key)
    at.search("mul")
    for _ in range(5):
        at.page.keyboard.press("Enter")
        assert ATTACK in at.details()
    at.search(ATTACK)
    at.page.keyboard.press("Enter")
    at.page.check("#parameters")
    assert at.page.locator("img, iframe, object, link, a[href]").count() == 0
    # `close` sees that there was no dialog, no message and no request.


def test_the_command(model: Path, thrace_main: Callable):
    args = ("show", "model.py:step", "--input", "f32[6,4]", "--input", "i64[6]")
    done = thrace_main(*args, "--html", "step.html")
    assert (done.code, done.out) == (0, ""), done.err
    assert (model / "step.html").read_text().startswith("<!doctype html>")
    piped = thrace_main(*args)
    assert piped.out == (model / "step.html").read_text() + "\n" * (piped.out[-2:] == "\n\n")
    made = thrace_main(*args, "--format", "model-explorer", "--title", "mine")
    assert json.loads(made.out)["label"] == "mine"
    saved = thrace_main("dump", *args[1:], "--output", "g.json")
    assert saved.code == 0
    assert thrace_main("show", "g.json", "--html", "again.html").code == 0


BAD = [
    (("model.py:none",), "has no 'none'"),
    (("model.py:net", "--input", "f32[2,4]", "--html", "no/such.html"), "there is no folder"),
    (
        ("model.py:net", "--input", "f32[2,4]", "--html", "a.html", "--output", "b"),
        "--html FILE stands for",
    ),
    (("model.py:net", "--format", "png"), "invalid choice"),
]


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_bad_input(argv: tuple[str, ...], message: str, model: Path, thrace_main: Callable):
    done = thrace_main("show", *argv)
    assert (done.code, done.out) == (2, "")
    assert message in done.err and "Traceback" not in done.err
