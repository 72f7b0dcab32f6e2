"""The site: `docs` and the reference, which is written from docstrings, built by Sphinx.

    python make/docs.py     # into build/site

A page is a list of modules or classes; each public name with its signature and its docstring.
The lines of a docstring that say what is accepted (`Shapes:`, `Dtypes:`, `Raises:`, `Source:`)
become a list. The command line's page is what `--help` says. `tests/docs` look at the same pages.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCES, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"

FIELDS = ("Shapes", "Dtypes", "Raises", "Source")
_FIELD = re.compile(rf"^({'|'.join(FIELDS)}): ")


class Page(NamedTuple):
    title: str
    about: str
    parts: tuple[str, ...]  # modules, whose public names are shown, or classes by their full name


PAGES = {
    "functions": Page("Functions", "What `thrace` has of its own.", ("thrace",)),
    "tensor": Page("Tensor", "Methods of tensors.", ("thrace.Tensor",)),
    "graph": Page("Graph", "What `thrace.trace` gives.", ("thrace.Graph",)),
    "nn": Page("nn", "Layers and losses.", ("thrace.nn", "thrace.nn.init", "thrace.nn.utils")),
    "functional": Page("nn.functional", "Layers as functions.", ("thrace.nn.functional",)),
    "optim": Page(
        "optim", "Optimizers and schedules.", ("thrace.optim", "thrace.optim.lr_scheduler")
    ),
    "autograd": Page(
        "autograd",
        "Gradients, and functions with a backward of their own.",
        ("thrace.autograd", "thrace.autograd.functional", "thrace.autograd.graph"),
    ),
    "func": Page("func", "Transforms of functions.", ("thrace.func",)),
    "debug": Page("debug", "Where a nan came from, where two ways part.", ("thrace.debug",)),
    "libraries": Page(
        "Other modules",
        "Linear algebra, Fourier transforms, special functions, random numbers, data.",
        ("thrace.linalg", "thrace.fft", "thrace.special", "thrace.random", "thrace.utils.data"),
    ),
}


def pages() -> dict[str, str]:
    """Every page by name, as Markdown."""
    out: dict[str, str] = {}
    for name, page in PAGES.items():
        body = "\n".join(line for part in page.parts for line in _part(part, len(page.parts) > 1))
        out[name] = f"# {page.title}\n\n{page.about}\n\n{body}"
    out["commands"] = _commands()
    return out


def members(name: str) -> Iterator[tuple[str, Any]]:
    """The public functions and classes of a module, or methods of a class, in order of name."""
    found = _find(name)
    if inspect.isclass(found):
        names = [n for n in dir(found) if not n.startswith("_")]
    else:
        names = getattr(found, "__all__", [n for n in vars(found) if not n.startswith("_")])
    for n in sorted(set(names), key=lambda n: (n.lower(), n)):
        value = inspect.getattr_static(found, n)
        value = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        is_own = callable(value) or isinstance(value, property)
        if is_own and not inspect.ismodule(value):
            yield n, value


def _find(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def _part(name: str, titled: bool) -> Iterator[str]:
    if titled:
        yield f"## {name}\n"
    level = "###" if titled else "##"
    for n, value in members(name):
        yield f"{level} {n}\n"
        shown = n if isinstance(value, property) else f"{n}{signature(value)}"
        yield f"```python\n{shown}\n```\n"
        yield _body(value) + "\n"


def signature(value: Any) -> str:
    """As it is called; empty where Python does not know."""
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    text = text.replace("thrace.tracer.tensor.", "").replace("thrace.ir.graph.", "")
    text = re.sub(r"'([\w.\[\], |]+)'", r"\1", text) if "Literal" not in text else text
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _body(value: Any) -> str:
    text = inspect.getdoc(value) or ""
    # What a class says of itself, not what it has from `object` or a built-in class.
    if inspect.isclass(value) and "__doc__" not in vars(value):
        text = next((inspect.getdoc(c) or "" for c in value.__mro__ if _is_ours(c)), "")
    lines: list[str] = []
    for line in text.splitlines():
        if _FIELD.match(line):
            if lines and lines[-1] and not lines[-1].startswith("- **"):
                lines.append("")
            lines.append(_FIELD.sub(r"- **\1:** ", line))
        else:
            lines.append(line)
    return "\n".join(lines).replace("<", "&lt;") if "```" not in text else "\n".join(lines)


def _is_ours(c: type) -> bool:
    return c.__module__.startswith("thrace") and bool(c.__doc__)


def _commands() -> str:
    from thrace.tools.cli import COMMANDS, parser

    out = ["# Command line\n", "`python -m thrace` is the same as `thrace`.\n"]
    texts = {"thrace": parser().format_help()}
    actions = next(a for a in parser()._actions if getattr(a, "choices", None))
    texts |= {f"thrace {c.name}": actions.choices[c.name].format_help() for c in COMMANDS}  # type: ignore[index]
    for name, text in texts.items():
        out.append(f"## {name}\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(out)


def main() -> int:
    shutil.rmtree(SOURCES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCES)
    (SOURCES / "reference").mkdir()
    for name, text in pages().items():
        (SOURCES / "reference" / f"{name}.md").write_text(text)
    sphinx = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "auto"]
    return subprocess.run([*sphinx, str(SOURCES), str(SITE)]).returncode


if __name__ == "__main__":
    sys.exit(main())
