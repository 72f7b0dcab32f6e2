"""What pyright says to a user of the installed package: it finds mistakes, and only those."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CORRECT = """
import thrace
from thrace import nn
from thrace.nn import functional as F


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.out = nn.Linear(8, 10)

    def forward(self, x: thrace.Tensor) -> thrace.Tensor:
        x = F.relu(self.norm(self.conv(x)))
        return self.out(x.mean((2, 3)))


model = Net()
opt = thrace.optim.AdamW(model.parameters(), lr=1e-3)


@thrace.compile
def step(x: thrace.Tensor, y: thrace.Tensor) -> thrace.Tensor:
    opt.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    opt.step()
    return loss


x = thrace.randn(4, 1, 8, 8)
y = thrace.zeros(4, dtype=thrace.int64)
value = step(x, y).item()
z: thrace.Tensor = 2 * x[0, :, 1:].reshape(-1) + x.t() @ x
graph = thrace.trace(F.relu, thrace.spec("f32[4]"))
graph.backward().render("graph.svg")
thrace.explain(step)
"""

# Each line is wrong by itself; the rule is the one that pyright names.
MISTAKES = (
    ("x: str = thrace.ones(3)", "reportAssignmentType"),
    ("thrace.ones(3).no_such_method()", "reportAttributeAccessIssue"),
    ("thrace.no_such_function(1)", "reportAttributeAccessIssue"),
    ("thrace.nn.Linear('three', 2)", "reportArgumentType"),
    ("thrace.nn.Linear(3)", "reportCallIssue"),
    ("thrace.nn.functional.relu(thrace.ones(3), slope=1)", "reportCallIssue"),
    ("n: int = thrace.float32", "reportAssignmentType"),
    ("thrace.spec(3)", "reportArgumentType"),
)


@pytest.fixture(scope="module")
def pyright(user_python: Path):
    """Checks a program as pyright does in a user's project; a list of (line, rule)."""
    command = (sys.executable, "-m", "pyright")
    probe = subprocess.run([*command, "--version"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"pyright does not start: {probe.stderr.strip()[-200:]}")

    def check(source: str, folder: Path) -> list[tuple[int, str]]:
        (folder / "train.py").write_text(source)
        (folder / "pyrightconfig.json").write_text("{}")
        options = ("--outputjson", "--pythonpath", str(user_python), "--project", str(folder))
        done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        found = json.loads(done.stdout)["generalDiagnostics"]
        return [(d["range"]["start"]["line"], d.get("rule", d["message"])) for d in found]

    return check


def test_correct_program_passes(pyright, tmp_path: Path):
    assert pyright(CORRECT, tmp_path) == []


def test_each_mistake_is_found(pyright, tmp_path: Path):
    lines = "\n".join(line for line, _ in MISTAKES)
    found = dict(pyright(f"import thrace\n{lines}\n", tmp_path))
    assert found == {number: rule for number, (_, rule) in enumerate(MISTAKES, start=1)}
