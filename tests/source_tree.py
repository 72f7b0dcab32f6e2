"""The project's files and the modules they are installed as, for tests over all of them.

Names come from the file tree: in an editable install, walking `thrace.__path__` finds the
front door's own modules and none of the folders mapped beside it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Package name to folder, as setuptools reads it.
PACKAGE_DIR: dict[str, str] = PYPROJECT["tool"]["setuptools"]["package-dir"]
# Folders with Python files that are not installed.
OTHER_FOLDERS = ("tests", "examples", "benchmarks", "docs")


def python_files() -> list[str]:
    """Every Python file of the project, as a path relative to its root."""
    folders = (*PACKAGE_DIR.values(), *OTHER_FOLDERS)
    return sorted(str(f.relative_to(ROOT)) for d in folders for f in (ROOT / d).rglob("*.py"))


def installed_files() -> set[str]:
    """The files that an installation must hold, as paths relative to `site-packages`."""
    out: set[str] = set()
    for package, folder in PACKAGE_DIR.items():
        for file in (ROOT / folder).rglob("*"):
            is_web = "web" in file.relative_to(ROOT / folder).parts and file.is_file()
            if file.suffix in (".py", ".pyi") or file.name == "py.typed" or is_web:
                inside = file.relative_to(ROOT / folder)
                out.add(f"{package.replace('.', '/')}/{inside.as_posix()}")
    return out


def installed_modules() -> list[str]:
    """The dotted names of all modules that an installation must hold."""
    names = (f.removesuffix(".py") for f in installed_files() if f.endswith(".py"))
    return sorted(n.removesuffix("/__init__").replace("/", ".") for n in names)
