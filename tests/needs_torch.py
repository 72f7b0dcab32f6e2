"""Which test files need PyTorch: by their own imports, or by those of a table they read."""

from __future__ import annotations

import ast
import functools
import importlib.util
from pathlib import Path

TESTS = Path(__file__).resolve().parent
HAVE_TORCH = importlib.util.find_spec("torch") is not None


def needs_torch(file: Path) -> bool:
    """Whether the file, or a file of `tests` that it imports, imports PyTorch."""
    seen: set[Path] = set()
    todo = [file.resolve()]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        names = _imports(path)
        if "torch" in names:
            return True
        todo += [found for name in names if (found := _helper(name, path)) is not None]
    return False


@functools.cache
def _imports(file: Path) -> frozenset[str]:
    """Modules that a file imports, anywhere in it, by their first name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = (node.module or "").removeprefix("tests").lstrip(".")
            names.add(inside.partition(".")[0])
            # `from tests.fuzz import generate`, and the same relatively.
            names |= {f"{inside}.{alias.name}".lstrip(".") for alias in node.names}
            names.add(inside)
    return frozenset(names)


def _helper(name: str, importer: Path) -> Path | None:
    inside = name.replace(".", "/")
    for folder in (importer.parent, TESTS):
        for path in (folder / f"{inside}.py", folder / inside / "__init__.py"):
            if path.is_file():
                return path
    return None
