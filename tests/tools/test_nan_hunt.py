"""`thrace nan-hunt`: finds a planted nan in a target or a saved graph, with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

HUNTED = """
import thrace
from thrace import nn, optim
import thrace.nn.functional as F

net = nn.Linear(4, 3)
opt = optim.SGD(net.parameters(), lr=0.1)


def step(x):
    opt.zero_grad()
    loss = net(x).log().sum()  # line 11
    loss.backward()
    opt.step()
    return loss


def root(x):
    return (x - x).sqrt().sum()  # line 18


def fine(x):
    return x.exp()
"""


@pytest.fixture
def hunted(model: Path) -> Path:
    (model / "hunted.py").write_text(HUNTED.lstrip())
    return model


def test_a_training_step(hunted: Path, thrace_main: Callable):
    done = thrace_main("nan-hunt", "hunted.py:step", "--input", "f32[8,4]")
    assert (done.code, done.err) == (1, "")
    assert "log made the first nan" in done.out
    assert "hunted.py:11 in step: loss = net(x).log().sum()" in done.out
    assert "where it is log(-" in done.out  # the parameters are the module's own


def test_a_backward_node_names_its_forward_line(hunted: Path, thrace_main: Callable):
    done = thrace_main("nan-hunt", "hunted.py:root", "--input", "f32[2]", "--grad")
    assert done.code == 1
    assert "div made the first inf: 2 of 2 elements (backward)" in done.out
    assert "differentiates hunted.py:18 in root" in done.out


def test_a_saved_graph_with_data(hunted: Path, thrace_main: Callable):
    thrace_main("dump", "hunted.py:fine", "--input", "f32[2]", "--output", "g.json")
    clean = thrace_main("nan-hunt", "g.json")
    assert (clean.code, clean.err) == (0, "")
    assert clean.out == "graph fine, seed 0: every value of 1 nodes is finite\n"
    np.savez(hunted / "in.npz", x=np.array([1, 100], np.float32))
    found = thrace_main("nan-hunt", "g.json", "--data", "in.npz")
    assert found.code == 1 and "exp(100.0)" in found.out
    assert thrace_main("nan-hunt", "g.json", "--data", "in.npz", "--no-inf").code == 0


def test_seeds_and_bounds(hunted: Path, thrace_main: Callable):
    args = ("nan-hunt", "hunted.py:fine", "--input", "f32[64]", "--normal")
    assert thrace_main(*args).code == 0
    found = thrace_main(*args, "--seeds", "50", "--above", "20")
    assert found.code == 1 and "made the first value above 20" in found.out


BAD = [
    (("hunted.py:fine", "--input", "f32[2]", "--above", "0"), "--above must be positive"),
    (("hunted.py:fine", "--input", "f32[2]", "--seeds", "0"), "--seeds must be at least 1"),
    (("hunted.py:fine", "--input", "f32[2]", "--seed", "-1"), "--seed must not be negative"),
    (("hunted.py:fine", "--input", "f32[2]", "--data", "no.npz"), "cannot read no.npz"),
    (("hunted.py:fine", "--input", "f32[2]", "--data", "hunted.py"), "it is no .npz file"),
    (("hunted.py:fine", "--input", "f32[3]", "--data", "x.npz"), "input 'x' is f32[3]"),
    (("hunted.py:fine", "--input", "f32[2]", "--data", "y.npz"), "has no input 'y'; it has x"),
    (("hunted.py:none", "--input", "f32[2]"), "has no 'none'"),
    (("hunted.py:fine", "--input", "f32[2,"), "is not a tensor type"),
]


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_bad_input(argv: tuple[str, ...], message: str, hunted: Path, thrace_main: Callable):
    np.savez(hunted / "x.npz", x=np.zeros(2, np.float32))
    np.savez(hunted / "y.npz", y=np.zeros(2, np.float32))
    done = thrace_main("nan-hunt", *argv)
    assert (done.code, done.out) == (2, "")
    assert message in done.err and "Traceback" not in done.err
