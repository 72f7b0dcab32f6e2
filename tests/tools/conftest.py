"""A user's model file, and the command line run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from thrace.tools.cli import main

MODEL = """
import thrace
from thrace import nn, optim
import thrace.nn.functional as F

print("loading the model")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 5)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(5, 3)

    def forward(self, x):
        return self.out(self.drop(self.hidden(x).relu()))


def make():
    return Net()


def make_sized(size=4):
    return nn.Linear(size, 2)


net = Net()
opt = optim.AdamW(net.parameters(), lr=1e-3)


def step(x, labels):
    opt.zero_grad()
    loss = F.cross_entropy(net(x), labels)
    loss.backward()
    opt.step()
    return loss


compiled = thrace.compile(step)


def scaled(x, *, by):
    return (x * by).sum()


def values(x):
    if x.sum() > 0:
        return x
    return -x


def breaks(x):
    return {}["missing"]


def leaves(x):
    raise SystemExit(3)


def quiet(x):
    return 5


number = 7
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder, made the current one, with the file above in it as `model.py`."""
    (tmp_path / "model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    before, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) == str(tmp_path / "model.py"):
            del sys.modules[name]


@pytest.fixture
def thrace_main(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def call(*argv: str | Path) -> Done:
        code = main([str(a) for a in argv])
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return call
