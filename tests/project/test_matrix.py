"""`make matrix`: which tests it runs, on what."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from needs_torch import TESTS, needs_torch
from source_tree import PYPROJECT, ROOT

spec = importlib.util.spec_from_file_location("matrix", ROOT / "make" / "matrix.py")
assert spec is not None and spec.loader is not None
matrix = importlib.util.module_from_spec(spec)
spec.loader.exec_module(matrix)


@pytest.mark.parametrize(
    ("file", "needs"),
    [
        ("ir/test_parser.py", False),
        ("tools/test_bisect.py", False),
        ("tracer/test_anomaly.py", True),  # by itself
        ("tracer/test_autograd_functional.py", True),
        ("tracer/test_programs.py", True),  # by a table
        ("fuzz/test_quick.py", True),  # by a package
    ],
)
def test_what_needs_torch(file: str, needs: bool):
    assert needs_torch(TESTS / file) is needs


def test_the_oldest_jax_is_the_bound_of_the_project():
    assert f"jax>={matrix.oldest_jax()}" in PYPROJECT["project"]["dependencies"]
    assert matrix.versions_of("oldest") == ["jax==0.10.0", "jaxlib==0.10.0"]


def test_this_python_is_one_that_can_be_found():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert version in matrix.VERSIONS
    assert set(matrix.pythons(("3.99",))) == set()


def test_what_is_installed_is_what_the_tests_ask_for():
    extras = PYPROJECT["project"]["optional-dependencies"]
    left_out = {"torch", "pyright"}
    missing = {
        r for r in extras["test"] if r not in extras["matrix"] and not r.startswith(tuple(left_out))
    }
    assert missing == set()
