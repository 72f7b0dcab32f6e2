"""What `import thrace` brings in: not jax, and nothing slow, until a program is run."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest
from processes import run

import thrace

IMPORT = "import thrace"
TRACE = """
import thrace

def loss(x, w):
    y = x @ w
    y[0] += 1
    return thrace.nn.functional.relu(y).sum()

graph = thrace.trace(loss, thrace.spec("f32[4,4]"), thrace.spec("f32[4,2]"))
"""
DIFFERENTIATE = TRACE + "graph = graph.backward()\n"
PRINT = DIFFERENTIATE + "assert 'f32[4,2]' in str(graph)\nprint(graph, graph.to_dot())\n"
MODULE = """
import thrace

model = thrace.nn.Linear(3, 2)
loss = model(thrace.zeros(4, 3)).sum()
loss.backward()
"""

SLOW = ("jax", "jaxlib", "torch", "rich", "graphviz", "matplotlib", "sklearn")


@pytest.mark.parametrize(
    "program",
    [IMPORT, TRACE, DIFFERENTIATE, PRINT, MODULE],
    ids=["import", "trace", "differentiate", "print", "module"],
)
def test_stays_without_jax(program: str, tmp_path: Path):
    check = f"import sys\nfound = [name for name in {SLOW} if name in sys.modules]\n"
    run(sys.executable, "-c", f"{program}\n{check}assert not found, found", cwd=tmp_path)


def test_version_is_the_distributions():
    assert thrace.__version__ == importlib.metadata.version("thrace")


def test_public_names_exist():
    missing = [name for name in thrace.__all__ if not hasattr(thrace, name)]
    assert missing == []
