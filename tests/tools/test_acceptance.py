"""Three training steps: text, JSON and a picture by one command each, and the way back."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from thrace.ir import Graph
from thrace.ir.hash import structural_hash
from thrace.ir.interpret import interpret
from thrace.tools.draw import draw_inputs

MODELS = """
import thrace
from thrace import nn
import thrace.nn.functional as F


class Block(nn.Module):
    def __init__(self, before, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, 2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(before, channels, 1, 2, bias=False)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.conv3(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block(3, 4), Block(4, 8))
        self.out = nn.Linear(8, 5)

    def forward(self, x):
        return self.out(self.blocks(x).mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 12)
        self.out = nn.Linear(8, 5)

    def forward(self, x):
        return self.out(self.encoder(x).mean(1))


def training(net, opt):
    def step(x, labels):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        opt.step()
        return loss

    return step


mlp_net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5))
mlp = training(mlp_net, thrace.optim.SGD(mlp_net.parameters(), lr=0.1))
cnn_net = ResNet()
cnn = training(cnn_net, thrace.optim.SGD(cnn_net.parameters(), lr=0.1, momentum=0.9))
transformer_net = Transformer()
transformer = training(transformer_net, thrace.optim.AdamW(transformer_net.parameters()))
"""
INPUTS = {"mlp": "f32[4,6]", "cnn": "f32[4,3,8,8]", "transformer": "f32[4,3,8]"}


@pytest.mark.parametrize("name", INPUTS)
def test_one_command_each_and_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thrace_main: Callable
):
    module = f"acceptance_{name}"
    (tmp_path / f"{module}.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    target = (f"{module}.py:{name}", "--input", INPUTS[name], "--input", "i64[4]")
    forms = ["txt", "json", "dot", *(["svg"] if shutil.which("dot") else [])]
    for form in forms:
        done = thrace_main("dump", *target, "--output", f"step.{form}")
        assert (done.code, done.out) == (0, ""), done.err
    graph = Graph.from_text((tmp_path / "step.txt").read_text()).verify()
    again = Graph.from_json((tmp_path / "step.json").read_text()).verify()
    assert structural_hash(graph) == structural_hash(again)
    assert not graph.diff(again)
    args = draw_inputs(graph, 0)
    for a, b in zip(interpret(graph, args), interpret(again, args), strict=True):
        np.testing.assert_array_equal(a, b)
    # One page, whatever the size.
    dot = (tmp_path / "step.dot").read_text()
    assert len(re.findall(r"(?m)^\s*g0_n\d+ \[label", dot)) <= 60
    if name == "transformer":
        assert len(re.findall(r'label="layers\.\d+\\n\d+ nodes', dot)) == 24
    if "svg" in forms:
        root = ElementTree.parse(tmp_path / "step.svg").getroot()
        assert root.tag.endswith("svg")
    sys.modules.pop(module, None)
