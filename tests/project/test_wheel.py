"""The wheel holds all of the project and works far from its sources."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from processes import run
from source_tree import PACKAGE_DIR, PYPROJECT, installed_files, installed_modules

COMPILED_PROGRAM = """
import thrace

assert "site-packages" in thrace.__file__, thrace.__file__


@thrace.compile
def step(x):
    return (x * 2 + 1).sum()


for _ in range(2):
    assert step(thrace.ones(3)).item() == 9.0
"""


def test_wheel_holds_the_file_tree(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("thrace/")}
    assert packed == installed_files()


def test_every_module_imports(user_python: Path, tmp_path: Path):
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    run(user_python, "-c", program, *installed_modules(), cwd=tmp_path)


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A user's directory with folders of its own that are named like ours."""
    for folder in PACKAGE_DIR.values():
        if folder != "thrace":
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "__init__.py").write_text("raise RuntimeError(__file__)\n")
    return tmp_path


def test_compiled_function_beside_folders_named_like_ours(user_python: Path, crowded: Path):
    (crowded / "train.py").write_text(COMPILED_PROGRAM)
    run(user_python, "train.py", cwd=crowded)


def test_command_line_beside_folders_named_like_ours(user_python: Path, crowded: Path):
    (script,) = PYPROJECT["project"]["scripts"]
    by_script = run(user_python.parent / script, "--help", cwd=crowded)
    by_module = run(user_python, "-m", "thrace", "--help", cwd=crowded)
    assert "dump" in by_script and "dump" in by_module
